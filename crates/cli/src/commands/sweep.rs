//! `odradek sweep` and `odradek merge`: many seeds, and what they came to together.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use indicatif::{ProgressBar, ProgressStyle};
use scenario::Scenario;

use super::{again, program};
use crate::Status;
use crate::arguments::{Merge, Sweep};
use crate::failure::Failure;
use crate::input;
use crate::sweep::line::{RESULTS, Results};
use crate::sweep::pool::{Item, Work, work};
use crate::sweep::{Line, Summary, junit, ledger, markdown};

/// Sweeps.
pub fn sweep(arguments: &Sweep) -> Result<Status, Failure> {
    // All input is checked before anything runs.
    ledger::read(&arguments.ledger)?;
    let mut scenarios: Vec<(&PathBuf, Scenario)> = Vec::new();
    for path in &arguments.scenarios {
        for scenario in input::variants(path, &arguments.changes, None)? {
            if scenario.is_plan() {
                let message = format!("error: {} is a plan: it has one seed; use `odradek replay`", path.display());
                return Err(Failure::input(message));
            }
            scenarios.push((path, scenario));
        }
    }
    let all: Vec<Item<'_>> = arguments
        .seeds
        .clone()
        .flat_map(|seed| scenarios.iter().map(move |(path, scenario)| (path, scenario, seed)))
        .map(|(path, scenario, seed)| {
            let again = format!("odradek {}", again(path, &arguments.changes, scenario.variant(), seed, None));
            Item { file: path, scenario, seed, again }
        })
        .collect();
    let total = all.len() as u64;
    let items: Vec<Item<'_>> = match arguments.shard {
        Some((index, count)) => {
            all.into_iter().enumerate().filter(|(n, _)| n % count == index).map(|(_, it)| it).collect()
        }
        None => all,
    };
    let out = arguments.out.clone().unwrap_or_else(|| Path::new("runs").join("sweep"));
    let (mut results, old) = Results::open(&out.join(RESULTS))?;
    let old: BTreeMap<String, Line> = old.into_iter().map(|line| (line.key.clone(), line)).collect();
    let mut finished = Vec::new();
    let progress = Progress::new(items.len() as u64);
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let how = Work {
        jobs,
        limit: arguments.timeout,
        deadline: arguments.budget.map(|budget| Instant::now() + budget),
        fail_fast: arguments.fail_fast,
        out: &out,
        total,
    };
    let mut stdout = std::io::stdout().lock();
    let mut failed = 0;
    let keys = keys(&items)?;
    work(&items, &how, &|key| old.contains_key(key), &mut |done| {
        if let Some(mut line) = done {
            results.keep(&line)?;
            if arguments.json {
                serde_json::to_writer(&mut stdout, &line.record).map_err(std::io::Error::from)?;
                stdout.write_all(b"\n")?;
            }
            failed += u64::from(line.signature().is_some());
            // What no summary asks for is on the disk: ten thousand runs need not be in memory.
            line.record.oracles = Vec::new();
            line.record.vacuous = Vec::new();
            finished.push(line);
        }
        progress.step(failed);
        Ok(())
    })?;
    progress.finish();
    finished.extend(old.into_values().filter(|line| keys.contains(&line.key)));
    let report = Report {
        total: items.len() as u64,
        shard: arguments.shard.is_some(),
        json: arguments.json,
        junit: arguments.junit.as_deref(),
        ledger: &arguments.ledger,
    };
    report.conclude(&mut stdout, &finished)
}

fn keys(items: &[Item<'_>]) -> Result<BTreeSet<String>, Failure> {
    items
        .iter()
        .map(|item| Ok(Line::key(&item.scenario.resolve(item.seed, None)?.to_toml(), item.scenario.variant())))
        .collect()
}

/// Merges the results of several sweeps or shards.
pub fn merge(arguments: &Merge) -> Result<Status, Failure> {
    ledger::read(&arguments.ledger)?;
    let mut lines = Vec::new();
    for path in &arguments.results {
        let file = if path.is_dir() { path.join(RESULTS) } else { path.clone() };
        lines.extend(crate::lines::read::<Line>(&file)?);
    }
    let total = lines.iter().map(|line| line.total).max().unwrap_or(0);
    let report = Report {
        total,
        shard: false,
        json: arguments.json,
        junit: arguments.junit.as_deref(),
        ledger: &arguments.ledger,
    };
    report.conclude(&mut std::io::stdout().lock(), &lines)
}

/// How to report what a sweep came to.
struct Report<'a> {
    total: u64,
    shard: bool,
    json: bool,
    junit: Option<&'a Path>,
    ledger: &'a Path,
}

impl Report<'_> {
    fn conclude(&self, stdout: &mut impl Write, lines: &[Line]) -> Result<Status, Failure> {
        let mut summary = Summary::of(lines, self.total);
        if self.shard {
            // A shard cannot tell whether another one reached a mark; `merge` can.
            summary.unreached_marks.clear();
        }
        // What was found must be told even where the ledger cannot be written.
        let known = ledger::update(self.ledger, lines, SystemTime::now()).unwrap_or_else(|failure| {
            eprintln!("{failure}\nwarning: the ledger was not updated");
            ledger::Known::new()
        });
        if let Some(path) = self.junit {
            junit::write(path, lines, if self.shard { u64::MAX } else { self.total })?;
        }
        markdown::append(&summary, &known);
        if self.json {
            serde_json::to_writer(&mut *stdout, &summary).map_err(std::io::Error::from)?;
            stdout.write_all(b"\n")?;
        } else {
            stdout.write_all(summary.text(&program(), &known).as_bytes())?;
        }
        Ok(summary.status())
    }
}

/// A bar on a terminal, a plain line now and then elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    began: Instant,
    said: std::cell::Cell<Instant>,
    done: std::cell::Cell<u64>,
    total: u64,
}

/// How often a plain line is printed.
const SAY: Duration = Duration::from_secs(10);

impl Progress {
    fn new(total: u64) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {per_sec}  {eta} left  {msg}");
            ProgressBar::new(total).with_style(style.expect("the template is constant"))
        });
        let now = Instant::now();
        Progress { bar, began: now, said: now.into(), done: 0.into(), total }
    }

    fn step(&self, failed: u64) {
        self.done.set(self.done.get() + 1);
        if let Some(bar) = &self.bar {
            bar.inc(1);
            bar.set_message(format!("{failed} failed"));
        } else if self.said.get().elapsed() >= SAY {
            self.said.set(Instant::now());
            let (done, total) = (self.done.get(), self.total);
            let rate = done as f64 / self.began.elapsed().as_secs_f64().max(1e-9);
            let left = (total.saturating_sub(done)) as f64 / rate.max(1e-9);
            eprintln!("{done} of {total} runs, {failed} failed, {rate:.1}/s, {left:.0} s left");
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
