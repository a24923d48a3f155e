//! `odradek likelihood`: where a failure became likely.

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scenario::Plan;
use sim::RunRecord;
use trace::{Event, EventKind, Mode};

use super::replay::Scratch;
use super::{program, quoted};
use crate::Status;
use crate::arguments::{Changes, Likelihood as Arguments};
use crate::directory::{self, PLAN, TRACE};
use crate::failure::Failure;
use crate::input;
use crate::likelihood::{self, Jump, Likelihood, Point, instants, jumps, with_tail};
use crate::worker::{Job, Worker};

/// How often progress is told.
const SAY: Duration = Duration::from_secs(10);

/// Draws the curves.
pub fn likelihood(arguments: &Arguments) -> Result<Status, Failure> {
    let what = arguments.what.as_path();
    let directory = what.is_dir().then_some(what);
    let path = directory.map_or_else(|| what.to_owned(), |directory| directory.join(PLAN));
    let plan = input::plan(&path, &Changes::default(), None, None)?;
    let recorded = directory.map(directory::record).transpose()?.flatten();
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let mut workers = (0..jobs.max(1)).map(|_| Worker::start()).collect::<Result<Vec<_>, _>>()?;

    let (record, events) = traced(&plan, &mut workers[0], arguments.timeout)?;
    let known = arguments.signature.clone().or_else(|| recorded.as_ref().and_then(first_violation));
    let Some(signature) = known.or_else(|| first_violation(&record)) else {
        let message = format!("error: {} does not fail: {}", path.display(), record.reason);
        return Err(Failure::input(format!("{message}\nhelp: give a run directory or a plan that shows a violation")));
    };
    let Some(failed_at) = when(&events, &signature) else {
        let message = format!("error: {} does not fail with {signature}: {}", path.display(), record.reason);
        return Err(Failure::input(message));
    };
    let starts = plan.phases.chaos_starts().nanos();
    let end = scenario::Duration::from_nanos(failed_at.saturating_sub(starts)).min(plan.phases.chaos);
    eprintln!("{}, seed {}: {signature} at {:.3}s", plan.name, plan.seed, failed_at as f64 / 1e9);

    let mut survey = Survey {
        plan: &plan,
        signature: &signature,
        tails: arguments.tails,
        limit: arguments.timeout,
        workers: &mut workers,
    };
    let mut points = survey.points(&instants(end, arguments.points))?;
    if let Some(jump) = jumps(&points).first() {
        // Half as many instants again where it matters.
        points.extend(survey.points(&likelihood::closer(jump, starts, arguments.points / 2))?);
        points.sort_by_key(|point| point.at_ns);
    }
    let mut jumps: Vec<Jump> = jumps(&points);
    jumps.iter_mut().for_each(|jump| jump.find_events(&events));
    let found = Likelihood {
        kind: "likelihood",
        schema: 1,
        scenario: plan.name.clone(),
        seed: plan.seed,
        signature: signature.clone(),
        failed_at_ns: failed_at,
        tails: arguments.tails,
        points,
        jumps,
    };
    let mut out = std::io::stdout().lock();
    if arguments.json {
        serde_json::to_writer(&mut out, &found).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(Status::Good);
    }
    out.write_all(likelihood::text(&found, &events).as_bytes())?;
    if let (Some(directory), Some(jump)) =
        (directory.filter(|directory| directory.join(TRACE).exists()), found.jumps.first())
    {
        let trace = quoted(&directory.join(TRACE).display().to_string());
        let (from, to) = (jump.from_ns as f64 / 1e9, jump.to_ns as f64 / 1e9);
        writeln!(out, "\nlook:  {} show {trace} --from {from:.3}s --to {to:.3}s", program())?;
    }
    Ok(Status::Good)
}

/// What a run is about: its first violation that was not expected, else its first.
fn first_violation(record: &RunRecord) -> Option<String> {
    let violations = &record.violations;
    let first = violations.iter().find(|violation| !violation.expected).or(violations.first())?;
    Some(first.signature.clone())
}

fn when(events: &[Event], wanted: &str) -> Option<u64> {
    let shows =
        |event: &&Event| matches!(&event.kind, EventKind::Violation { signature, .. } if signature.as_str() == wanted);
    events.iter().find(shows).map(|event| event.at)
}

/// Runs the plan itself, with its trace.
fn traced(plan: &Plan, worker: &mut Worker, limit: Duration) -> Result<(RunRecord, Vec<Event>), Failure> {
    let scratch = Scratch::new()?;
    let path = scratch.0.join(TRACE);
    let job = Job {
        plan: plan.to_toml(),
        trace: Mode::Full,
        trace_file: Some(path.clone()),
        variant: None,
        again: format!("odradek replay {PLAN}"),
    };
    let report = worker.run(&job, limit)?;
    let (_, events) = input::trace(Path::new(&path))?;
    Ok((report.record, events))
}

/// Many runs of one plan with other tails.
struct Survey<'a> {
    plan: &'a Plan,
    signature: &'a str,
    tails: u64,
    limit: Duration,
    workers: &'a mut [Worker],
}

impl Survey<'_> {
    /// The share of failing tails at each instant.
    fn points(&mut self, instants: &[scenario::Duration]) -> Result<Vec<Point>, Failure> {
        let tail = |at: scenario::Duration, faults| (1..=self.tails).map(move |seed| (at, seed, faults));
        let plans: Vec<Plan> = instants
            .iter()
            .flat_map(|at| tail(*at, true).chain(tail(*at, false)))
            .map(|(at, seed, faults)| with_tail(self.plan, at, seed, faults))
            .collect();
        let failed = self.run(&plans);
        let share = |part: &[bool]| part.iter().filter(|failed| **failed).count() as f64 / part.len().max(1) as f64;
        let starts = self.plan.phases.chaos_starts().nanos();
        let tails = self.tails as usize;
        let point = |(at, failed): (&scenario::Duration, &[bool])| Point {
            at_ns: starts + at.nanos(),
            with_later_faults: share(&failed[..tails]),
            without_later_faults: share(&failed[tails..]),
        };
        Ok(instants.iter().zip(failed.chunks(2 * tails)).map(point).collect())
    }

    /// Whether each plan fails in the wanted way.
    fn run(&mut self, plans: &[Plan]) -> Vec<bool> {
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(vec![false; plans.len()]);
        let said = Mutex::new(Instant::now());
        let (limit, wanted) = (self.limit, self.signature);
        std::thread::scope(|scope| {
            for worker in self.workers.iter_mut() {
                let (next, failed, said) = (&next, &failed, &said);
                scope.spawn(move || {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(plan) = plans.get(place) else { return };
                        let found = fails(plan, wanted, worker, limit);
                        failed.lock().expect("no thread panics while it holds this")[place] = found;
                        let mut said = said.lock().expect("no thread panics while it holds this");
                        if said.elapsed() >= SAY {
                            *said = Instant::now();
                            eprintln!("{place} of {} tails", plans.len());
                        }
                    }
                });
            }
        });
        failed.into_inner().expect("no thread panics while it holds this")
    }
}

fn fails(plan: &Plan, wanted: &str, worker: &mut Worker, limit: Duration) -> bool {
    let plan = plan.to_toml();
    let job = Job { plan, trace: Mode::None, trace_file: None, variant: None, again: String::new() };
    match worker.attempt(&job, limit) {
        Ok(report) => report.record.violations.iter().any(|violation| violation.signature == wanted),
        Err(how) => how.signature() == wanted,
    }
}
