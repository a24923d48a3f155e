//! What a person sees while work goes on, on standard error: a bar on a terminal, a plain line now and then elsewhere. What
//! is done soon is done without a word.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use scenario::Plan;

/// How often a plain line is printed.
const SAY: Duration = Duration::from_secs(10);

fn bar(length: u64, template: &str) -> Option<ProgressBar> {
    let style = || ProgressStyle::with_template(template).expect("the template is constant").progress_chars("=> ");
    std::io::stderr().is_terminal().then(|| ProgressBar::new(length).with_style(style()))
}

/// Plain lines, not too many.
struct Plain(Instant);

impl Plain {
    fn say(&mut self, line: impl FnOnce() -> String) {
        if self.0.elapsed() >= SAY {
            self.0 = Instant::now();
            eprintln!("{}", line());
        }
    }
}

/// How many runs of a sweep are done.
pub struct SweepProgress {
    bar: Option<ProgressBar>,
    plain: Plain,
    began: Instant,
    done: u64,
    total: u64,
}

impl SweepProgress {
    /// Of so many runs.
    pub fn new(total: u64) -> SweepProgress {
        let bar = bar(total, "{bar:30} {pos}/{len}  {per_sec}  {eta} left  {msg}");
        let now = Instant::now();
        SweepProgress { bar, plain: Plain(now), began: now, done: 0, total }
    }

    /// One more is done; so many failed by now.
    pub fn step(&mut self, failed: u64) {
        self.done += 1;
        let (done, total, began) = (self.done, self.total, self.began);
        match &self.bar {
            Some(bar) => {
                bar.inc(1);
                bar.set_message(format!("{failed} failed"));
            }
            None => self.plain.say(|| {
                let rate = done as f64 / began.elapsed().as_secs_f64().max(1e-9);
                let left = (total.saturating_sub(done)) as f64 / rate.max(1e-9);
                format!("{done} of {total} runs, {failed} failed, {rate:.1}/s, {left:.0} s left")
            }),
        }
    }

    /// All is done.
    pub fn finish(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}

/// How far one run has come in its own time, simulated or real.
pub struct RunProgress {
    bar: Option<ProgressBar>,
    plain: Plain,
    what: String,
    /// Seconds of the whole run.
    end: u64,
    /// Which seconds these are.
    seconds: &'static str,
}

impl RunProgress {
    /// Of a simulated run of this plan.
    pub fn new(what: String, plan: &Plan) -> RunProgress {
        RunProgress::counting(what, plan, "simulated")
    }

    /// Of a run of this plan on real sockets.
    pub fn really(what: String, plan: &Plan) -> RunProgress {
        RunProgress::counting(what, plan, "on real sockets")
    }

    fn counting(what: String, plan: &Plan, seconds: &'static str) -> RunProgress {
        let end = plan.phases.end().millis().div_ceil(1_000);
        let bar = bar(end, &format!("{{msg}}  [{{bar:30}}] {{pos}} s of {{len}} s {seconds}"));
        let bar = bar.map(|bar| bar.with_message(what.clone()));
        RunProgress { bar, plain: Plain(Instant::now()), what, end, seconds }
    }

    /// The run has come so far.
    pub fn reached(&mut self, time: Duration) {
        // After the last phase everything is read back, which takes time too.
        let reached = time.as_secs().min(self.end);
        let (what, end, seconds) = (&self.what, self.end, self.seconds);
        match &self.bar {
            Some(bar) => bar.set_position(reached),
            None => self.plain.say(|| format!("{what}: {reached} s of {end} s {seconds}")),
        }
    }

    /// The run has ended.
    pub fn finish(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}
