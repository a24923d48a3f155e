//! `odradek shrink`: the fewest faults, the shortest run, the smallest cluster that still fails the same way.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::replay::Scratch;
use super::{program, quoted};
use crate::Status;
use crate::arguments::{Changes, Shrink};
use crate::directory::{self, DIGEST, Draft, PLAN, VERDICT};
use crate::failure::Failure;
use crate::input;
use crate::shrink::{Search, Size, Trial};
use crate::sweep::line::signature;
use crate::worker::{Job, Worker};

/// Shrinks a failing run.
pub fn shrink(arguments: &Shrink) -> Result<Status, Failure> {
    let what = arguments.what.as_path();
    let directory = what.is_dir().then_some(what);
    let path = directory.map_or_else(|| what.to_owned(), |directory| directory.join(PLAN));
    let plan = input::plan(&path, &Changes::default(), None, None)?;
    let recorded = directory.map(directory::record).transpose()?.flatten();
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let wanted = match (&arguments.signature, recorded.as_ref().and_then(signature)) {
        (Some(signature), _) => signature.clone(),
        (None, Some(signature)) => signature,
        (None, None) => first_signature(&plan, arguments)?,
    };
    let trial = Trial { wanted: wanted.clone(), schedules: arguments.schedules.max(1), limit: arguments.timeout };
    eprintln!("shrinking {}, seed {}: {wanted}", plan.name, plan.seed);
    let mut search = Search::start(trial, jobs, arguments.attempts)?;
    let Some(confirmed) = search.first(vec![plan.clone()])? else {
        let message = format!(
            "error: {} does not fail with {wanted} under {} schedule seeds",
            path.display(),
            arguments.schedules
        );
        return Err(Failure::input(message));
    };
    let before = Size::of(&plan);
    let small = search.shrink(confirmed)?;
    let variant = recorded.as_ref().and_then(|record| record.variant.as_deref());
    let own = || directory::place(&Path::new("runs").join("shrunk"), &plan.name, variant, plan.seed);
    let place = arguments.out.clone().unwrap_or_else(own);
    keep(&small, &place, arguments)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{wanted}")?;
    writeln!(out, "before: {before}")?;
    writeln!(out, "after:  {}", Size::of(&small))?;
    for fault in &small.faults {
        let selectors = fault.kind.selectors();
        let other = selectors.1.map(|other| format!(" / {other}")).unwrap_or_default();
        writeln!(out, "   {} {} {}{other}", fault.id, fault.kind.name(), selectors.0)?;
    }
    writeln!(out, "{} plans were run", search.attempts())?;
    writeln!(out, "again: {} replay {}", program(), quoted(&place.display().to_string()))?;
    Ok(Status::Good)
}

fn first_signature(plan: &scenario::Plan, arguments: &Shrink) -> Result<String, Failure> {
    let job = job(plan, None);
    let report = Worker::start()?.run(&job, arguments.timeout)?;
    signature(&report.record).ok_or_else(|| {
        Failure::input(format!("error: {} passes: there is nothing to shrink", arguments.what.display()))
    })
}

fn job(plan: &scenario::Plan, trace_file: Option<PathBuf>) -> Job {
    let trace = if trace_file.is_some() { trace::Mode::Full } else { trace::Mode::None };
    Job { plan: plan.to_toml(), trace, trace_file, variant: None, again: String::new() }
}

/// Writes the run directory of what is left.
fn keep(plan: &scenario::Plan, place: &Path, arguments: &Shrink) -> Result<(), Failure> {
    let scratch = Scratch::new()?;
    let draft = Draft::begin(place)?;
    let mut job = job(plan, Some(draft.trace()));
    job.again = format!("odradek replay {}", place.display());
    let report = Worker::start()?.run(&job, arguments.timeout)?;
    draft.write(PLAN, &job.plan)?;
    draft.write(DIGEST, &report.digest)?;
    let record = serde_json::to_string(&report.record).map_err(|error| Failure::broken(error.to_string()))?;
    draft.write(VERDICT, &(record + "\n"))?;
    drop(scratch);
    draft.commit()
}
