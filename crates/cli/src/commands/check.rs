//! `odradek check`: the meta test. The same plan in two processes must give one fingerprint.

use std::io::Write;

use scenario::Plan;
use trace::Mode;

use super::replay::{Scratch, tell_divergence};
use super::run::{LIMIT, progress};
use crate::Status;
use crate::arguments::Check;
use crate::directory::TRACE;
use crate::failure::Failure;
use crate::input;
use crate::worker::{Job, Worker};

/// Checks every seed: one process traces fully, the other not at all.
pub fn check(arguments: &Check) -> Result<Status, Failure> {
    let mut traced = Worker::start()?;
    let mut untraced = Worker::start()?;
    let mut out = std::io::stdout().lock();
    let mut status = Status::Good;
    let mut equal = 0_u64;
    for seed in arguments.seeds.clone() {
        let plan = input::plan(&arguments.scenario, &arguments.changes, Some(seed), None)?;
        let job = |trace| Job {
            plan: plan.to_toml(),
            trace,
            trace_file: None,
            variant: None,
            again: format!("odradek check {} --seeds {seed}..{}", arguments.scenario.display(), seed + 1),
        };
        let bar = progress(&format!("checking {}, seed {seed}", plan.name));
        // Two cores, two processes: both run at once.
        let (left, right) = std::thread::scope(|scope| {
            let left = scope.spawn(|| traced.run(&job(Mode::Full), LIMIT));
            let right = untraced.run(&job(Mode::None), LIMIT);
            (left.join().expect("the thread only waits for a process"), right)
        });
        bar.finish_and_clear();
        let (left, right) = (left?.record, right?.record);
        if left.fingerprint == right.fingerprint && left.verdict == right.verdict {
            equal += 1;
            writeln!(out, "seed {seed}: {} (verdict {:?})", left.fingerprint, left.verdict)?;
            continue;
        }
        status = Status::Failed;
        writeln!(out, "seed {seed}: NOT DETERMINISTIC: {} and {}", left.fingerprint, right.fingerprint)?;
        explain(&mut out, &plan)?;
    }
    writeln!(out, "{equal} of {} seeds have one fingerprint", arguments.seeds.end - arguments.seeds.start)?;
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
    tell_divergence(out, &traces[0], &traces[1])
}
