//! `odradek run`: one seed, the whole story.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scenario::Plan;
use sim::{RunRecord, Verdict};

use super::{again, program, quoted};
use crate::Status;
use crate::arguments::{Run, TraceMode};
use crate::directory::{self, DIGEST, Draft, PLAN, TRACE, VERDICT};
use crate::failure::Failure;
use crate::input;
use crate::progress::RunProgress;
use crate::table;
use crate::worker::{Job, Report, Worker};

/// A run that takes longer than this hangs.
pub const LIMIT: Duration = Duration::from_secs(900);

/// Runs every scenario named, and every variant of it.
pub fn run(arguments: &Run) -> Result<Status, Failure> {
    if arguments.out.is_some() && arguments.scenarios.len() > 1 {
        return Err(Failure::input("error: --out names the folder of one run, but several scenarios are given"));
    }
    // All input is checked before anything runs.
    let mut cases: Vec<(&PathBuf, Vec<Case>)> = Vec::new();
    for path in &arguments.scenarios {
        let mut variants = Vec::new();
        for scenario in input::variants(path, &arguments.changes, arguments.variant.as_deref())? {
            let plan = input::resolve(&scenario, arguments.seed, arguments.schedule_seed)?;
            variants.push(Case { plan, variant: scenario.variant().map(str::to_owned) });
        }
        cases.push((path, variants));
    }
    input::warn(cases.iter().flat_map(|(_, variants)| variants.iter().map(|case| &case.plan)));
    let mut worst = Status::Good;
    for (path, variants) in &cases {
        worst = worst.max(match variants.as_slice() {
            [case] => run_alone(arguments, path, case)?,
            variants => side_by_side(arguments, path, variants)?,
        });
    }
    Ok(worst)
}

/// What is run: a plan, and the variant that it comes from.
struct Case {
    plan: Plan,
    variant: Option<String>,
}

/// What came of it, and where it lies.
struct Done {
    report: Report,
    again: String,
    place: PathBuf,
}

impl Done {
    fn status(&self) -> Status {
        match self.report.record.verdict {
            Verdict::Pass => Status::Good,
            Verdict::Fail => Status::Failed,
            Verdict::Error => Status::Broken,
        }
    }
}

fn run_alone(arguments: &Run, path: &Path, case: &Case) -> Result<Status, Failure> {
    let place = match &arguments.out {
        Some(out) => out.clone(),
        None => directory::place(Path::new("runs"), &case.plan.name, case.variant.as_deref(), case.plan.seed),
    };
    let done = perform(arguments, path, case, place)?;
    if !arguments.json {
        let traced = arguments.trace != TraceMode::None;
        let text = for_people(&done.report, &done.again, &done.place, traced);
        std::io::stdout().lock().write_all(text.as_bytes())?;
    }
    Ok(done.status())
}

/// All variants of a scenario under one seed, as one table.
fn side_by_side(arguments: &Run, path: &Path, variants: &[Case]) -> Result<Status, Failure> {
    let mut done = Vec::new();
    for case in variants {
        let variant = case.variant.as_deref();
        let place = match (&arguments.out, variant) {
            (Some(out), Some(variant)) => out.join(variant),
            _ => directory::place(Path::new("runs"), &case.plan.name, variant, case.plan.seed),
        };
        done.push(perform(arguments, path, case, place)?);
    }
    let first = &variants[0].plan;
    if !arguments.json {
        let records: Vec<&RunRecord> = done.iter().map(|done| &done.report.record).collect();
        let mut text = format!("{}, seed {}: {}\n\n", first.name, first.seed, first.intent);
        text += &table::one_seed(&table::rows(&records), &program());
        text += &format!("\n{}", table::of_readers(&records));
        text.push('\n');
        for it in &done {
            let variant = it.report.record.variant.as_deref().unwrap_or_default();
            text += &format!("{variant}: {}\n", it.report.record.reason);
        }
        let file = quoted(&path.display().to_string());
        text += "\nOne seed shows what can happen, not what cannot. More of them:\n";
        text += &format!("{} sweep {file} --seeds 0..50\n", program());
        std::io::stdout().lock().write_all(text.as_bytes())?;
    }
    Ok(done.iter().map(Done::status).max().unwrap_or(Status::Good))
}

/// Runs, and writes the run directory.
fn perform(arguments: &Run, path: &Path, case: &Case, place: PathBuf) -> Result<Done, Failure> {
    let Case { plan, variant } = case;
    let draft = Draft::begin(&place)?;
    let again = again(path, &arguments.changes, variant.as_deref(), plan.seed, arguments.schedule_seed);
    let job = Job {
        plan: plan.to_toml(),
        trace: arguments.trace.into(),
        trace_file: (arguments.trace != TraceMode::None).then(|| draft.trace()),
        variant: variant.clone(),
        again: format!("odradek {again}"),
    };
    let name = variant.as_ref().map_or(plan.name.clone(), |variant| format!("{}/{variant}", plan.name));
    let mut progress = RunProgress::new(format!("{name} seed {}", plan.seed), plan);
    let report = Worker::start()?.run_watched(&job, LIMIT, &mut |simulated| progress.reached(simulated));
    progress.finish();
    let report = report?;
    draft.write(PLAN, &job.plan)?;
    draft.write(DIGEST, &report.digest)?;
    let mut record = serde_json::to_string(&report.record).map_err(|error| Failure::broken(error.to_string()))?;
    record.push('\n');
    draft.write(VERDICT, &record)?;
    draft.commit()?;
    if arguments.json {
        std::io::stdout().lock().write_all(record.as_bytes())?;
    }
    Ok(Done { report, again, place })
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
