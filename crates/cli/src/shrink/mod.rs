//! Delta debugging over plans (Zeller and Hildebrandt, TSE 2002): a plan is made smaller in every way that still fails with
//! the same signature, under any of a few orders of scheduling.
//!
//! Deterministic: candidates come in a fixed order, and the first that fails is taken, whichever process is done first.

mod smaller;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scenario::{Plan, SEED_LIMIT};

use crate::failure::Failure;
use crate::sweep::Key;
use crate::sweep::line::signature;
use crate::worker::{Job, Worker};

/// What counts as the same failure.
pub struct Trial {
    /// The signature.
    pub wanted: String,
    /// How many orders of scheduling are tried.
    pub schedules: u64,
    /// How long one run may take.
    pub limit: Duration,
}

impl Trial {
    /// The plan under the first order of scheduling in which it fails as wanted.
    fn fails(&self, plan: &Plan, worker: &mut Worker) -> Option<Plan> {
        for attempt in 0..self.schedules {
            let mut candidate = plan.clone();
            candidate.schedule_seed = (plan.schedule_seed + attempt * 7_919) % SEED_LIMIT;
            let text = candidate.to_toml();
            // What is smaller need not make sense: an expectation may name what is gone.
            Plan::parse("plan.toml", &text).ok()?;
            let job =
                Job { plan: text, trace: trace::Mode::None, trace_file: None, variant: None, again: String::new() };
            let found = match worker.attempt(&job, self.limit) {
                Ok(report) => {
                    let mut unexpected = report.record.violations.iter().filter(|violation| !violation.expected);
                    unexpected.any(|violation| violation.signature == self.wanted)
                        || signature(&report.record).as_ref() == Some(&self.wanted)
                }
                Err(how) => how.signature() == self.wanted,
            };
            if found {
                return Some(candidate);
            }
        }
        None
    }
}

/// How large a plan is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    faults: usize,
    seconds: u64,
    clients: u32,
    partitions: u32,
    brokers: u32,
    zookeepers: u32,
}

impl Size {
    /// A plan's size.
    pub fn of(plan: &Plan) -> Size {
        Size {
            faults: plan.faults.len(),
            seconds: plan.phases.end().millis() / 1000,
            clients: plan.clients().map(|(_, count)| count).sum(),
            partitions: plan.topics.iter().map(|topic| topic.partitions).sum(),
            brokers: plan.cluster.brokers,
            zookeepers: plan.cluster.zookeepers,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} faults, {} s, {} clients, {} partitions, {} brokers, {} zookeepers",
            self.faults, self.seconds, self.clients, self.partitions, self.brokers, self.zookeepers
        )
    }
}

/// The search.
pub struct Search {
    trial: Trial,
    workers: Vec<Worker>,
    /// Plans that do not fail as wanted: none is tried again.
    passed: BTreeSet<Key>,
    attempts: usize,
    most: usize,
}

impl Search {
    /// Starts the processes; `most` candidates are tried at most.
    pub fn start(trial: Trial, jobs: usize, most: usize) -> Result<Search, Failure> {
        let workers = (0..jobs.max(1)).map(|_| Worker::start()).collect::<Result<_, _>>()?;
        Ok(Search { trial, workers, passed: BTreeSet::new(), attempts: 0, most })
    }

    /// How many plans were tried.
    pub fn attempts(&self) -> usize {
        self.attempts
    }

    /// The first of the candidates, in their order, that fails as wanted.
    pub fn first(&mut self, candidates: Vec<Plan>) -> Result<Option<Plan>, Failure> {
        let count = self.workers.len();
        let key = |plan: &Plan| Key::of(&plan.to_toml(), None);
        let fresh: Vec<Plan> = candidates.into_iter().filter(|plan| !self.passed.contains(&key(plan))).collect();
        for batch in fresh.chunks(count) {
            if self.attempts >= self.most {
                return Ok(None);
            }
            self.attempts += batch.len();
            let next = AtomicUsize::new(0);
            let found: Mutex<Vec<Option<Plan>>> = Mutex::new(vec![None; batch.len()]);
            std::thread::scope(|scope| {
                for worker in &mut self.workers {
                    let (trial, next, found) = (&self.trial, &next, &found);
                    scope.spawn(move || {
                        while let Some((place, plan)) = Some(next.fetch_add(1, Ordering::Relaxed))
                            .and_then(|place| Some((place, batch.get(place)?)))
                        {
                            let failed = trial.fails(plan, worker);
                            found.lock().expect("no thread panics while it holds this")[place] = failed;
                        }
                    });
                }
            });
            let found = found.into_inner().expect("no thread panics while it holds this");
            for (plan, failed) in batch.iter().zip(found) {
                match failed {
                    Some(smaller) => return Ok(Some(smaller)),
                    None => self.passed.insert(key(plan)),
                };
            }
        }
        Ok(None)
    }

    /// Makes a failing plan as small as it gets.
    pub fn shrink(&mut self, plan: Plan) -> Result<Plan, Failure> {
        let mut best = plan;
        // One after the other: what the failure is about must stay.
        while let Some(simple) = self.first(smaller::without_expectations(&best))? {
            best = simple;
        }
        let timed = ["liveness", "eventually", "never"].iter().any(|oracle| self.trial.wanted.starts_with(oracle));
        let shorter = &smaller::SHORTER[..smaller::SHORTER.len() - usize::from(timed)];
        loop {
            let before = best.clone();
            // First of all: the sooner a run ends, the sooner all that follows is tried.
            best = self.repeat(shorter, best)?;
            best = self.fewer_faults(best)?;
            best = self.repeat(smaller::WAYS, best)?;
            // Another order of scheduling is no progress.
            let mut reseeded = before;
            reseeded.schedule_seed = best.schedule_seed;
            if best == reseeded || self.attempts >= self.most {
                return Ok(best);
            }
        }
    }

    /// Goes each way for as long as it helps.
    fn repeat(&mut self, ways: &[smaller::Way], plan: Plan) -> Result<Plan, Failure> {
        let mut best = plan;
        for way in ways {
            while let Some(smaller) = self.first(way(&best))? {
                best = smaller;
            }
        }
        Ok(best)
    }

    /// ddmin: removes ever smaller parts of the list of faults.
    fn fewer_faults(&mut self, plan: Plan) -> Result<Plan, Failure> {
        let mut best = plan;
        let mut parts = 1;
        while !best.faults.is_empty() {
            match self.first(smaller::without_parts(&best, parts))? {
                Some(smaller) => {
                    best = smaller;
                    parts = parts.saturating_sub(1).max(1);
                }
                None if parts >= best.faults.len() => return Ok(best),
                None => parts = (parts * 2).min(best.faults.len()),
            }
        }
        Ok(best)
    }
}
