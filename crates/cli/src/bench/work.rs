//! The bench at work: each process takes one part of one flaw after the other, and works it off seed by seed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scenario::{Flaw, Plan};
use sim::Verdict;
use trace::Mode;

use super::score::{Detection, RangeScore, Run, Score, Shrunk};
use super::{Bench, DIRECTED_SEEDS};
use crate::directory::PLAN;
use crate::failure::Failure;
use crate::lines::Lines;
use crate::shrink::{Search, Trial};
use crate::sweep::Key;
use crate::sweep::line::broken;
use crate::worker::{Job, Worker};

/// The file of finished runs.
const RUNS: &str = "runs.jsonl";
/// The file of shrunk detections.
const SHRUNK: &str = "shrunk.jsonl";
/// How often progress is told while no part is finished.
const SAY: Duration = Duration::from_secs(10);

/// How to work.
pub struct How<'a> {
    /// The ranges of seeds.
    pub ranges: &'a [Range<u64>],
    /// How many processes.
    pub jobs: usize,
    /// How long one run may take.
    pub limit: Duration,
    /// Where results are kept.
    pub out: &'a Path,
    /// How many plans may be run to shrink one detection; with 0 none is shrunk.
    pub shrink: usize,
}

/// A part of a bench.
#[derive(Clone, Copy)]
enum Part {
    Directed,
    Control,
    Range(usize),
}

/// What came of it.
enum Came {
    /// So many seeds came out as they should, of so many.
    Seeds(u64, u64),
    Range(Box<RangeScore>),
}

/// The runs that are finished, by key.
struct Known {
    runs: BTreeMap<String, Run>,
    file: Lines<Run>,
    fresh: u64,
    said: Instant,
}

/// Works off every part of every bench; gives the scores in the order of the benches.
pub fn work(benches: &[Bench], how: &How<'_>) -> Result<Vec<Score>, Failure> {
    let mut runs = BTreeMap::new();
    let file = Lines::open(&how.out.join(RUNS), |run: Run| {
        runs.insert(run.key.clone(), run);
    })?;
    let known = Mutex::new(Known { runs, file, fresh: 0, said: Instant::now() });
    let mut parts: Vec<(usize, Part)> = Vec::new();
    for (place, bench) in benches.iter().enumerate() {
        if bench.directed.is_some() {
            parts.extend([(place, Part::Directed), (place, Part::Control)]);
        }
        parts.extend((0..how.ranges.len()).map(|range| (place, Part::Range(range))));
    }
    let mut scores: Vec<Score> = benches.iter().map(|bench| blank(bench.flaw)).collect();
    for ((place, part), came) in parts.iter().zip(all(benches, &parts, how, &known)?) {
        let score = &mut scores[*place];
        match (part, came) {
            (Part::Directed, Came::Seeds(good, of)) => score.directed = Some((good, of)),
            (_, Came::Seeds(good, of)) => score.control = Some((good, of)),
            (_, Came::Range(range)) => score.ranges.push(*range),
        }
    }
    if how.shrink > 0 {
        shrink(&mut scores, how)?;
    }
    Ok(scores)
}

fn blank(flaw: &'static Flaw) -> Score {
    let (flaw, number) = (flaw.name, flaw.number);
    Score { kind: "flaw", flaw, number, directed: None, control: None, ranges: Vec::new(), shrunk: None }
}

/// What came of each part, in their order.
fn all(benches: &[Bench], parts: &[(usize, Part)], how: &How<'_>, known: &Mutex<Known>) -> Result<Vec<Came>, Failure> {
    let next = AtomicUsize::new(0);
    let done = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let came: Mutex<Vec<Option<Came>>> = Mutex::new(parts.iter().map(|_| None).collect());
    let one_process = || -> Result<(), Failure> {
        let mut worker = Worker::start()?;
        while !stop.load(Ordering::Relaxed) {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some((bench, part)) = parts.get(place) else { return Ok(()) };
            let bench = &benches[*bench];
            let mut hand = Hand { worker: &mut worker, how, known };
            let result = match part {
                Part::Directed | Part::Control => hand.directed(bench, matches!(part, Part::Control))?,
                Part::Range(range) => Came::Range(Box::new(hand.range(bench, &how.ranges[*range])?)),
            };
            let count = done.fetch_add(1, Ordering::Relaxed) + 1;
            eprintln!("[{count}/{}] {}: {}", parts.len(), bench.flaw.name, told(*part, &result));
            came.lock().expect("no thread panics while it holds this")[place] = Some(result);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let process = || one_process().inspect_err(|_| stop.store(true, Ordering::Relaxed));
        let threads: Vec<_> = (0..how.jobs.clamp(1, parts.len().max(1))).map(|_| scope.spawn(process)).collect();
        let ended = threads.into_iter().map(|thread| thread.join().expect("a thread of the bench does not panic"));
        ended.collect::<Vec<_>>().into_iter().collect::<Result<(), Failure>>()
    })?;
    let came = came.into_inner().expect("no thread panics while it holds this");
    Ok(came.into_iter().map(|came| came.expect("every part was worked off")).collect())
}

fn told(part: Part, came: &Came) -> String {
    match (part, came) {
        (Part::Directed, Came::Seeds(good, of)) => format!("its scenario finds it, {good} of {of} seeds"),
        (_, Came::Seeds(good, of)) => format!("clean without it, {good} of {of} seeds"),
        (_, Came::Range(range)) => match &range.found {
            Some(found) => format!(
                "seeds {}: found after {} runs, {:.1} s, by {}",
                range.seeds, range.runs, range.core_seconds, found.catch.signature
            ),
            None => format!("seeds {}: not found in {} runs, {:.1} s", range.seeds, range.runs, range.core_seconds),
        },
    }
}

/// One process and what it shares with the others.
struct Hand<'a> {
    worker: &'a mut Worker,
    how: &'a How<'a>,
    known: &'a Mutex<Known>,
}

impl Hand<'_> {
    /// Runs a plan, unless that was done before.
    fn run(&mut self, plan: &Plan) -> Result<Run, Failure> {
        let text = plan.to_toml();
        let key = Key::of(&text, None).to_string();
        if let Some(run) = self.known.lock().expect("no thread panics while it holds this").runs.get(&key) {
            return Ok(run.clone());
        }
        let job = Job { plan: text, trace: Mode::None, trace_file: None, variant: None, again: String::new() };
        let record = match self.worker.attempt(&job, self.how.limit) {
            Ok(report) => report.record,
            Err(how) => broken(plan, &job, &how),
        };
        let run = Run::of(key.clone(), &record);
        let mut known = self.known.lock().expect("no thread panics while it holds this");
        known.file.keep(&run)?;
        known.runs.insert(key, run.clone());
        known.fresh += 1;
        if known.said.elapsed() >= SAY {
            known.said = Instant::now();
            eprintln!("... {} runs", known.fresh);
        }
        Ok(run)
    }

    /// The directed scenario: it passes only if the flaw is caught, and without the flaw only if all is well.
    fn directed(&mut self, bench: &Bench, without: bool) -> Result<Came, Failure> {
        let scenarios = bench.directed.as_ref().expect("only flaws with a scenario have this part");
        let scenario = &scenarios[usize::from(without)];
        let mut good = 0;
        for seed in DIRECTED_SEEDS {
            good += u64::from(self.run(&scenario.resolve(seed, None)?)?.verdict == Verdict::Pass);
        }
        Ok(Came::Seeds(good, DIRECTED_SEEDS.end - DIRECTED_SEEDS.start))
    }

    /// One range of seeds, each under every scenario of the chaos set, up to the first detection.
    fn range(&mut self, bench: &Bench, seeds: &Range<u64>) -> Result<RangeScore, Failure> {
        let name = format!("{}..{}", seeds.start, seeds.end);
        let mut score = RangeScore { seeds: name, runs: 0, core_seconds: 0.0, discounted: 0, found: None };
        for seed in seeds.clone() {
            for (_, scenario) in &bench.chaos {
                let plan = scenario.resolve(seed, None)?;
                let run = self.run(&plan)?;
                score.runs += 1;
                score.core_seconds += run.seconds;
                let Some(catch) = run.catch(bench.flaw) else { continue };
                let mut healthy = plan.clone();
                healthy.cluster.flaws.clear();
                if !self.run(&healthy)?.findings.is_empty() {
                    score.discounted += 1;
                    continue;
                }
                score.found = Some(Detection { scenario: plan.name.clone(), seed, catch, plan });
                return Ok(score);
            }
        }
        Ok(score)
    }
}

/// Shrinks the first detection of every flaw.
fn shrink(scores: &mut [Score], how: &How<'_>) -> Result<(), Failure> {
    let mut old = BTreeMap::new();
    let mut file = Lines::open(&how.out.join(SHRUNK), |it: Shrunk| {
        old.insert(it.key.clone(), it);
    })?;
    for score in scores {
        let Some(found) = score.first() else { continue };
        let wanted = found.catch.signature.clone();
        let key = Key::of(&format!("{}{wanted}{}", found.plan.to_toml(), how.shrink), None).to_string();
        if let Some(shrunk) = old.get(&key) {
            score.shrunk = Some(shrunk.clone());
            continue;
        }
        eprintln!("shrinking {}: {}, seed {}, {wanted}", score.flaw, found.scenario, found.seed);
        let trial = Trial { wanted, schedules: 1, limit: how.limit };
        let mut search = Search::start(trial, how.jobs, how.shrink)?;
        let small = search.shrink(found.plan.clone())?;
        let folder = how.out.join(score.flaw);
        std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, "create the folder", &error))?;
        let path = folder.join(PLAN);
        std::fs::write(&path, small.to_toml()).map_err(|error| Failure::file(&path, "write", &error))?;
        let kinds = small.faults.iter().map(|fault| fault.kind.name().to_owned()).collect();
        let shrunk = Shrunk { key, faults: small.faults.len(), kinds };
        eprintln!("   {} faults are left; {}", shrunk.faults, path.display());
        file.keep(&shrunk)?;
        score.shrunk = Some(shrunk);
    }
    Ok(())
}
