//! `odradek check`: the meta test. The same plan in two processes must give one fingerprint.

use std::io::Write;

use scenario::Plan;
use trace::Mode;

use super::diff::{self, Named};
use super::replay::Scratch;
use super::run::LIMIT;
use crate::Status;
use crate::arguments::Check;
use crate::directory::TRACE;
use crate::failure::Failure;
use crate::input;
use crate::progress::RunProgress;
use crate::worker::{Job, Worker};

/// Checks every seed: one process traces fully, the other not at all.
pub fn check(arguments: &Check) -> Result<Status, Failure> {
    let mut traced = Worker::start()?;
    let mut untraced = Worker::start()?;
    let mut out = std::io::stdout().lock();
    let mut status = Status::Good;
    let mut equal = 0_u64;
    let variants = input::variants(&arguments.scenario, &arguments.changes, None)?;
    let cases = arguments.seeds.clone().flat_map(|seed| variants.iter().map(move |variant| (seed, variant)));
    let mut total = 0_u64;
    for (seed, scenario) in cases {
        total += 1;
        let plan = scenario.resolve(seed, None)?;
        let job = |trace| Job {
            plan: plan.to_toml(),
            trace,
            trace_file: None,
            variant: None,
            again: format!("odradek check {} --seeds {seed}..{}", arguments.scenario.display(), seed + 1),
        };
        let name = scenario.variant().map(|variant| format!("{variant}, ")).unwrap_or_default();
        let mut progress = RunProgress::new(format!("{}, {name}seed {seed}", plan.name), &plan);
        // Two cores, two processes: both run at once.
        let (left, right) = std::thread::scope(|scope| {
            let left = scope.spawn(|| {
                // The traced one is done last.
                traced.run_watched(&job(Mode::Full), LIMIT, &mut |simulated| progress.reached(simulated))
            });
            let right = untraced.run(&job(Mode::None), LIMIT);
            (left.join().expect("the thread only waits for a process"), right)
        });
        progress.finish();
        let (left, right) = (left?.record, right?.record);
        if left.fingerprint == right.fingerprint && left.verdict == right.verdict {
            equal += 1;
            writeln!(out, "{name}seed {seed}: {} (verdict {:?})", left.fingerprint, left.verdict)?;
            continue;
        }
        status = Status::Failed;
        writeln!(out, "{name}seed {seed}: NOT DETERMINISTIC: {} and {}", left.fingerprint, right.fingerprint)?;
        explain(&mut out, &plan)?;
    }
    let what = if variants.len() > 1 { "runs" } else { "seeds" };
    writeln!(out, "{equal} of {total} {what} have one fingerprint")?;
    Ok(status)
}

/// Runs both again with full traces and names the first difference.
fn explain(out: &mut impl Write, plan: &Plan) -> Result<(), Failure> {
    let mut traces = Vec::new();
    for _ in 0..2 {
        let scratch = Scratch::new()?;
        let file = scratch.0.join(TRACE);
        let job = Job {
            plan: plan.to_toml(),
            trace: Mode::Full,
            trace_file: Some(file.clone()),
            variant: None,
            again: String::new(),
        };
        Worker::start()?.run(&job, LIMIT)?;
        traces.push(input::trace(&file)?.1);
    }
    let (left, right) = (Named { name: "first", events: &traces[0] }, Named { name: "second", events: &traces[1] });
    diff::tell(out, &left, &right)
}
