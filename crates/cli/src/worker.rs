//! Worker processes: a run that loops can be killed, an abort is a verdict, and leaks end with the process.
//!
//! The protocol is one JSON object a line: a [`Job`] in; [`Reply::Reached`] out now and then, and one last [`Reply`].

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use scenario::Plan;
use serde::{Deserialize, Serialize};
use sim::{Outcome, Progress, RunOptions, RunRecord};
use trace::{Header, Mode, SCHEMA_VERSION, TraceWriter};

use crate::Status;
use crate::failure::Failure;

/// The commit this program was built from.
pub const COMMIT: &str = env!("ODRADEK_COMMIT");

/// After so many runs a worker is replaced: madsim leaks 0.3 MB a runtime.
const RECYCLE: u32 = 200;
/// How often a worker tells how far a run has come.
const TELL: Duration = Duration::from_millis(250);

/// A plan to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The plan as TOML.
    pub plan: String,
    /// How much of the trace to keep.
    pub trace: Mode,
    /// Where to write it.
    pub trace_file: Option<PathBuf>,
    /// The variant's name.
    pub variant: Option<String>,
    /// The command that repeats the run.
    pub again: String,
}

/// What a run came to, without its events.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The record.
    pub record: RunRecord,
    /// The story, with times.
    pub story: String,
    /// The digest, without.
    pub digest: String,
    /// The tables.
    pub tables: String,
}

#[derive(Serialize, Deserialize)]
enum Reply {
    /// The simulated time of a run that goes on.
    Reached(Duration),
    Done(Box<Report>),
    Broke(String),
}

/// `odradek worker`: runs what comes on standard input until it ends.
pub fn serve() -> Result<Status, Failure> {
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| Failure::input(format!("error: cannot read a job: {error}")))?;
        let job: Job = serde_json::from_str(&line)
            .map_err(|error| Failure::input(format!("error: standard input: not a job: {error}")))?;
        say(&match perform(&job) {
            Ok(report) => Reply::Done(Box::new(report)),
            Err(reason) => Reply::Broke(reason),
        })?;
    }
    Ok(Status::Good)
}

/// Writes one line, as a whole.
fn say(reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

/// Runs, and meanwhile gives `tell` the progress from a thread of its own: it is no part of the simulated world, and
/// outside of it clocks are real.
fn telling<T>(progress: &Progress, every: Duration, tell: impl Fn(Duration) + Send, run: impl FnOnce() -> T) -> T {
    let (running, ended) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(every) {
                tell(progress.reached());
            }
        });
        let result = run();
        drop(running);
        result
    })
}

fn perform(job: &Job) -> Result<Report, String> {
    let plan = Plan::parse("plan.toml", &job.plan).map_err(|error| error.to_string())?;
    let progress = Progress::default();
    let options = RunOptions {
        trace: job.trace,
        variant: job.variant.clone(),
        again: job.again.clone(),
        progress: progress.clone(),
    };
    let began = Instant::now();
    // That nobody listens any more is told by the last reply.
    let tell = |reached| drop(say(&Reply::Reached(reached)));
    let outcome = telling(&progress, TELL, tell, || sim::run_plan(&plan, &options));
    let mut outcome = outcome.map_err(|error| error.to_string())?;
    outcome.record.wall_seconds = began.elapsed().as_secs_f64();
    if let Some(path) = &job.trace_file {
        write_trace(path, &plan, &outcome).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(Report {
        story: outcome.digest.render(true),
        digest: outcome.digest.render(false),
        tables: outcome.tables,
        record: outcome.record,
    })
}

/// Writes a run's trace as far as it was kept.
pub fn write_trace(path: &Path, plan: &Plan, outcome: &Outcome) -> io::Result<()> {
    let header = Header {
        format: Header::FORMAT.into(),
        schema: SCHEMA_VERSION,
        scenario: plan.name.clone(),
        seed: plan.seed,
        plan: plan.to_toml(),
        version: env!("CARGO_PKG_VERSION").into(),
        commit: COMMIT.into(),
        dropped: outcome.record.events - outcome.events.len() as u64,
    };
    let compressed = path.extension().is_some_and(|extension| extension == "zst");
    let mut writer = TraceWriter::new(fs::File::create(path)?, &header, compressed)?;
    outcome.events.iter().try_for_each(|event| writer.event(event))?;
    writer.finish()?.sync_all()
}

/// How a run broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It did not end.
    #[error("the run did not end within {:.1} s of wall time", .0.as_secs_f64())]
    Hung(Duration),
    /// Its process died: an abort, a stack overflow, out of memory.
    #[error("the worker process ended: {0}")]
    Died(String),
    /// The runner itself failed.
    #[error("{0}")]
    Runner(String),
}

impl Broken {
    /// Under what it is filed.
    pub fn signature(&self) -> &'static str {
        match self {
            Broken::Hung(_) => "broken/hung",
            Broken::Died(how) if how.contains("signal: 9") => "broken/killed-or-out-of-memory",
            Broken::Died(how) if how.contains("signal: 6") => "broken/aborted",
            Broken::Died(how) if how.contains("signal: 11") => "broken/stack-overflow",
            Broken::Died(_) => "broken/died",
            Broken::Runner(_) => "broken/runner",
        }
    }

    /// How long it took, where that is known.
    pub fn seconds(&self) -> f64 {
        match self {
            Broken::Hung(limit) => limit.as_secs_f64(),
            _ => 0.0,
        }
    }
}

/// A worker process and the thread that reads its replies.
pub struct Worker {
    child: Child,
    input: ChildStdin,
    replies: Receiver<String>,
    runs: u32,
}

impl Worker {
    /// Starts one.
    pub fn start() -> Result<Worker, Failure> {
        let program = std::env::current_exe().map_err(|error| Failure::broken(format!("error: {error}")))?;
        let mut child = Command::new(program)
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::broken(format!("error: cannot start a worker process: {error}")))?;
        let input = child.stdin.take().expect("stdin is piped");
        let output = child.stdout.take().expect("stdout is piped");
        let (sender, replies) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Worker { child, input, replies, runs: 0 })
    }

    /// Runs one job for at most `limit` of wall time. A worker that died, hung or broke is an error with its reason,
    /// and a new process takes its place.
    pub fn run(&mut self, job: &Job, limit: Duration) -> Result<Report, Failure> {
        self.run_watched(job, limit, &mut |_| ())
    }

    /// As [`Worker::run`]; now and then `watch` is given the simulated time that the run has reached.
    pub fn run_watched(
        &mut self,
        job: &Job,
        limit: Duration,
        watch: &mut dyn FnMut(Duration),
    ) -> Result<Report, Failure> {
        let report = self.perform(job, limit, watch);
        report.map_err(|how| Failure::broken(format!("error: {how}\nagain: {}", job.again)))
    }

    /// As [`Worker::run`], telling how it broke.
    pub fn attempt(&mut self, job: &Job, limit: Duration) -> Result<Report, Broken> {
        self.perform(job, limit, &mut |_| ())
    }

    fn perform(&mut self, job: &Job, limit: Duration, watch: &mut dyn FnMut(Duration)) -> Result<Report, Broken> {
        let restart = |worker: &mut Worker| match Worker::start() {
            Ok(fresh) => {
                *worker = fresh;
                Ok(())
            }
            Err(failure) => Err(Broken::Runner(failure.to_string())),
        };
        if self.runs >= RECYCLE {
            restart(self)?;
        }
        self.runs += 1;
        let mut line = serde_json::to_string(job).map_err(|error| Broken::Runner(error.to_string()))?;
        line.push('\n');
        let sent = self.input.write_all(line.as_bytes()).and_then(|()| self.input.flush());
        let reply = match sent {
            Ok(()) => last_reply(&self.replies, limit, watch),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        };
        match reply {
            Ok(Ok(report)) => Ok(*report),
            Ok(Err(reason)) => Err(Broken::Runner(reason)),
            Err(RecvTimeoutError::Timeout) => {
                restart(self)?;
                Err(Broken::Hung(limit))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let ended = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                restart(self)?;
                Err(Broken::Died(ended))
            }
        }
    }
}

/// What a run came to, or why it came to nothing.
type Last = Result<Box<Report>, String>;

/// Waits for what comes of a run; gives `watch` what is said before.
fn last_reply(
    replies: &Receiver<String>,
    limit: Duration,
    watch: &mut dyn FnMut(Duration),
) -> Result<Last, RecvTimeoutError> {
    let began = Instant::now();
    loop {
        let reply = replies.recv_timeout(limit.saturating_sub(began.elapsed()))?;
        match serde_json::from_str(&reply) {
            Ok(Reply::Reached(simulated)) => watch(simulated),
            Ok(Reply::Done(report)) => return Ok(Ok(report)),
            Ok(Reply::Broke(reason)) => return Ok(Err(reason)),
            Err(error) => return Ok(Err(format!("a worker said nonsense: {error}"))),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A worker has no state worth an orderly end; a hung one would never see one.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_worker_is_filed_by_what_killed_it() {
        let died = |how: &str| Broken::Died(how.into()).signature();
        assert_eq!(died("signal: 6 (SIGABRT) (core dumped)"), "broken/aborted");
        assert_eq!(died("signal: 9 (SIGKILL)"), "broken/killed-or-out-of-memory");
        assert_eq!(died("signal: 11 (SIGSEGV)"), "broken/stack-overflow");
        assert_eq!(died("exit status: 1"), "broken/died");
        assert_eq!(Broken::Hung(Duration::from_secs(2)).seconds(), 2.0);
    }
    #[test]
    fn a_run_that_goes_on_is_watched_until_its_last_reply() {
        let (sender, replies) = channel();
        let seconds = |seconds: f64| serde_json::to_string(&Reply::Reached(Duration::from_secs_f64(seconds))).unwrap();
        let broke = serde_json::to_string(&Reply::Broke("it broke".into())).unwrap();
        [seconds(0.5), seconds(63.0), broke, seconds(1.0)].into_iter().for_each(|line| sender.send(line).unwrap());
        let mut seen = Vec::new();
        let last = last_reply(&replies, Duration::from_secs(60), &mut |reached| seen.push(reached.as_secs_f64()));
        assert_eq!(last.unwrap().unwrap_err(), "it broke");
        assert_eq!(seen, [0.5, 63.0]);
    }

    #[test]
    fn progress_is_told_while_a_run_goes_on_and_never_after() {
        let (told, tells) = channel();
        let tell = move |reached| told.send(reached).expect("the test listens");
        let progress = Progress::default();
        let first = telling(&progress, Duration::from_millis(1), tell, || tells.recv());
        assert_eq!(first, Ok(Duration::ZERO));
        assert!(tells.iter().all(|reached| reached == Duration::ZERO), "the thread that tells has ended");
    }
}
