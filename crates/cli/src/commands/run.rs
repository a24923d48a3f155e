//! `odradek run`: one seed, the whole story.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use scenario::Plan;
use sim::{RunRecord, Verdict};

use super::{program, quoted};
use crate::Status;
use crate::arguments::{Run, TraceMode};
use crate::directory::{DIGEST, Draft, PLAN, TRACE, VERDICT};
use crate::failure::Failure;
use crate::input;
use crate::worker::{Job, Report, Worker};

/// A run that takes longer than this hangs.
pub const LIMIT: Duration = Duration::from_secs(900);

/// Runs every scenario named.
pub fn run(arguments: &Run) -> Result<Status, Failure> {
    if arguments.out.is_some() && arguments.scenarios.len() > 1 {
        return Err(Failure::input("error: --out names the folder of one run, but several scenarios are given"));
    }
    if let Some(variant) = &arguments.variant {
        return Err(Failure::input(format!(
            "error: --variant {variant}: variants are not supported yet; use --set PATH=VALUE to change settings"
        )));
    }
    // All input is checked before anything runs.
    let plan = |path: &PathBuf| input::plan(path, &arguments.changes, arguments.seed, arguments.schedule_seed);
    let plans = arguments.scenarios.iter().map(plan).collect::<Result<Vec<_>, _>>()?;
    let mut worst = Status::Good;
    for (path, plan) in arguments.scenarios.iter().zip(&plans) {
        worst = worst.max(run_one(arguments, path, plan)?);
    }
    Ok(worst)
}

fn run_one(arguments: &Run, path: &Path, plan: &Plan) -> Result<Status, Failure> {
    let place = match &arguments.out {
        Some(out) => out.clone(),
        None => Path::new("runs").join(&plan.name).join(plan.seed.to_string()),
    };
    let draft = Draft::begin(&place)?;
    let again = again(arguments, path, plan);
    let job = Job {
        plan: plan.to_toml(),
        trace: arguments.trace.into(),
        trace_file: (arguments.trace != TraceMode::None).then(|| draft.trace()),
        variant: None,
        again: format!("odradek {again}"),
    };
    let progress = progress(&format!("running {}, seed {}", plan.name, plan.seed));
    let report = Worker::start()?.run(&job, LIMIT);
    progress.finish_and_clear();
    let report = report?;
    draft.write(PLAN, &job.plan)?;
    draft.write(DIGEST, &report.digest)?;
    let mut record = serde_json::to_string(&report.record).map_err(|error| Failure::broken(error.to_string()))?;
    record.push('\n');
    draft.write(VERDICT, &record)?;
    draft.commit()?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        out.write_all(record.as_bytes())?;
    } else {
        let traced = arguments.trace != TraceMode::None;
        out.write_all(for_people(&report, &again, &place, traced).as_bytes())?;
    }
    Ok(match report.record.verdict {
        Verdict::Pass => Status::Good,
        Verdict::Fail => Status::Failed,
        Verdict::Error => Status::Broken,
    })
}

/// The words after the program's name that repeat this run.
fn again(arguments: &Run, path: &Path, plan: &Plan) -> String {
    let mut words = vec!["run".to_owned(), quoted(&path.display().to_string()), "--seed".into(), plan.seed.to_string()];
    if let Some(schedule_seed) = arguments.schedule_seed {
        words.extend(["--schedule-seed".into(), schedule_seed.to_string()]);
    }
    for set in &arguments.changes.set {
        words.extend(["--set".into(), quoted(set)]);
    }
    if arguments.changes.without_flaws {
        words.push("--without-flaws".into());
    }
    words.join(" ")
}

/// A spinner on a terminal, one plain line elsewhere.
pub fn progress(what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        eprintln!("{what} ...");
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}").expect("the template is constant");
    let bar = ProgressBar::new_spinner().with_style(style).with_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

fn for_people(report: &Report, again: &str, place: &Path, traced: bool) -> String {
    let RunRecord { simulated_seconds, wall_seconds, events, fingerprint, violations, .. } = &report.record;
    let rate = *events as f64 / wall_seconds.max(1e-9);
    let program = program();
    let trace = quoted(&place.join(TRACE).display().to_string());
    let mut text = format!(
        "{}\n{}\n{}\n\n{simulated_seconds:.1} s simulated in {wall_seconds:.2} s, {events} events ({rate:.0}/s), fingerprint {fingerprint}\n\n",
        report.story.trim_end(),
        report.tables.trim_end(),
        report.record.reason
    );
    text += &format!("again: {program} {again}\n");
    if traced {
        let why =
            if violations.is_empty() { "--kind LeadershipDecided".to_owned() } else { "--why violation:1".into() };
        let look = violations.first().map_or_else(String::new, |first| {
            let focus = partition(&first.summary).map_or_else(String::new, |partition| format!(" --focus {partition}"));
            format!(" --at violation:1{focus}")
        });
        text += &format!("why:   {program} show {trace} {why}\n");
        text += &format!("look:  {program} view {trace}{look}\n");
    }
    text
}

/// The partition that a violation is about: its sentence begins with it.
fn partition(summary: &str) -> Option<&str> {
    let (partition, _) = summary.split_once(": ")?;
    let (topic, index) = partition.rsplit_once('/')?;
    (!topic.contains(char::is_whitespace) && index.parse::<i32>().is_ok()).then_some(partition)
}

#[cfg(test)]
mod tests {
    use super::partition;

    #[test]
    fn a_violation_is_looked_at_in_the_partition_that_it_is_about() {
        assert_eq!(partition("orders/0: broker-3 leads epoch 2 without 1 committed record"), Some("orders/0"));
        assert_eq!(partition("the ensemble has two leaders: zk-1 and zk-2"), None);
        assert_eq!(partition("nothing to see"), None);
    }
}
