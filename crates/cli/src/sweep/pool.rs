//! Worker processes at work: each thread holds one process and takes the next item when it is free.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use sim::Verdict;
use trace::Mode;

use super::items::Items;
use super::line::{self, Key, Line};
use crate::directory::{self, DIGEST, Draft, PLAN, VERDICT};
use crate::failure::Failure;
use crate::worker::{Broken, COMMIT, Job, Report, Worker};

/// Every so many seeds one is run twice.
const RECHECK: u64 = 20;
/// So many failures of a signature keep their trace.
const TRACES: usize = 3;

/// How to work.
pub struct Work<'a> {
    /// How many processes.
    pub jobs: usize,
    /// How long one run may take.
    pub limit: Duration,
    /// When to take no more items.
    pub deadline: Option<Instant>,
    /// Whether to stop after the first failure.
    pub fail_fast: bool,
    /// Where failing runs go.
    pub out: &'a Path,
    /// How many items the whole sweep has.
    pub total: u64,
}

/// Works off the items that are not `known`; gives every line to `take`, in the order in which they are finished.
pub fn work(
    items: &Items<'_>,
    work: &Work<'_>,
    known: &BTreeSet<Key>,
    take: &mut dyn FnMut(Option<Line>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let traced = Mutex::new(BTreeMap::new());
    let (sender, results) = channel();
    std::thread::scope(|scope| {
        for _ in 0..items.len().clamp(1, work.jobs.max(1) as u64) {
            let (sender, next, stop, traced) = (sender.clone(), &next, &stop, &traced);
            scope.spawn(move || {
                let failed = one_process(items, work, known, next, stop, traced, &sender);
                if let Err(failure) = failed {
                    stop.store(true, Ordering::Relaxed);
                    // The receiver is gone only when another failure ends the sweep already.
                    let _ = sender.send(Err(failure));
                }
            });
        }
        drop(sender);
        let mut outcome = Ok(());
        for result in results {
            let done = result.and_then(&mut *take);
            if outcome.is_ok() && done.is_err() {
                stop.store(true, Ordering::Relaxed);
                outcome = done;
            }
        }
        outcome
    })
}

type Sent = Result<Option<Line>, Failure>;

fn one_process(
    items: &Items<'_>,
    work: &Work<'_>,
    known: &BTreeSet<Key>,
    next: &AtomicU64,
    stop: &AtomicBool,
    traced: &Mutex<BTreeMap<String, usize>>,
    sender: &Sender<Sent>,
) -> Result<(), Failure> {
    let mut worker = Worker::start()?;
    while !stop.load(Ordering::Relaxed) && work.deadline.is_none_or(|deadline| Instant::now() < deadline) {
        let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) else { return Ok(()) };
        let plan = item.scenario.resolve(item.seed, None)?;
        let text = plan.to_toml();
        let variant = item.scenario.variant();
        let key = Key::of(&text, variant);
        if known.contains(&key) {
            if sender.send(Ok(None)).is_err() {
                return Ok(());
            }
            continue;
        }
        let job = Job {
            plan: text,
            trace: Mode::None,
            trace_file: None,
            variant: variant.map(str::to_owned),
            again: item.again.clone(),
        };
        let record = match worker.attempt(&job, work.limit) {
            Ok(report) => report.record,
            Err(how) => line::broken(&plan, &job, &how),
        };
        let mut line = Line {
            key,
            commit: COMMIT.into(),
            file: item.file.display().to_string(),
            sometimes: plan.expect.sometimes.clone(),
            total: work.total,
            same: None,
            record,
        };
        if let Some(signature) = line.signature() {
            let seen = {
                let mut traced = traced.lock().expect("no thread panics while it counts");
                let count = traced.entry(signature).or_insert(0);
                *count += 1;
                *count
            };
            line.same = keep_failure(&mut worker, work, &job, &line, seen <= TRACES)?;
            if work.fail_fast {
                stop.store(true, Ordering::Relaxed);
            }
        } else if item.seed % RECHECK == 0 {
            line.same = Some(match worker.attempt(&job, work.limit) {
                Ok(again) => again.record.fingerprint == line.record.fingerprint,
                Err(_) => false,
            });
        }
        if sender.send(Ok(Some(line))).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Runs a failing seed again with a full trace and keeps its run directory. Gives whether the fingerprint was the same.
fn keep_failure(
    worker: &mut Worker,
    work: &Work<'_>,
    job: &Job,
    line: &Line,
    traced: bool,
) -> Result<Option<bool>, Failure> {
    let record = &line.record;
    let place = directory::place(work.out, &record.scenario, record.variant.as_deref(), record.seed);
    let draft = Draft::begin(&place)?;
    draft.write(PLAN, &job.plan)?;
    let json = |record| serde_json::to_string(record).map_err(|error| Failure::broken(error.to_string()));
    let mut same = None;
    let mut verdict = json(record)?;
    if traced && record.verdict == Verdict::Fail {
        let job = Job { trace: Mode::Full, trace_file: Some(draft.trace()), ..job.clone() };
        let again: Result<Report, Broken> = worker.attempt(&job, work.limit);
        if let Ok(report) = again {
            same = Some(report.record.fingerprint == record.fingerprint);
            draft.write(DIGEST, &report.digest)?;
            verdict = json(&report.record)?;
        }
    }
    verdict.push('\n');
    draft.write(VERDICT, &verdict)?;
    draft.commit()?;
    Ok(same)
}
