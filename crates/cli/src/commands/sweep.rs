//! `odradek sweep` and `odradek merge`: many seeds, and what they came to together.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::time::{Instant, SystemTime};

use scenario::Scenario;

use super::program;
use crate::Status;
use crate::arguments::{Merge, Sweep};
use crate::failure::Failure;
use crate::input;
use crate::progress::SweepProgress;
use crate::sweep::items::Items;
use crate::sweep::line::{RESULTS, Results};
use crate::sweep::pool::{Work, work};
use crate::sweep::{Fold, Key, Line, junit, ledger, markdown};

/// Sweeps.
pub fn sweep(arguments: &Sweep) -> Result<Status, Failure> {
    // All input is checked before anything runs.
    ledger::read(&arguments.ledger)?;
    let mut scenarios: Vec<(&Path, Scenario)> = Vec::new();
    for path in &arguments.scenarios {
        for scenario in input::variants(path, &arguments.changes, None)? {
            if scenario.is_plan() {
                let message = format!("error: {} is a plan: it has one seed; use `odradek replay`", path.display());
                return Err(Failure::input(message));
            }
            scenarios.push((path, scenario));
        }
    }
    let (part, of) = arguments.shard.unwrap_or((0, 1));
    let items = Items {
        scenarios: &scenarios,
        seeds: arguments.seeds.clone(),
        shard: (part as u64, of as u64),
        changes: &arguments.changes,
    };
    let out = arguments.out.clone().unwrap_or_else(|| Path::new("runs").join("sweep"));
    let (mut results, mut fold) = resume(&out.join(RESULTS), &items)?;
    let old = fold.seen().clone();
    let mut progress = SweepProgress::new(items.len());
    let how = Work {
        jobs: arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        limit: arguments.timeout,
        deadline: arguments.budget.map(|budget| Instant::now() + budget),
        fail_fast: arguments.fail_fast,
        out: &out,
        total: items.whole(),
    };
    let mut stdout = std::io::stdout().lock();
    let mut failed = 0;
    work(&items, &how, &old, &mut |done| {
        if let Some(line) = done {
            results.keep(&line)?;
            if arguments.json {
                serde_json::to_writer(&mut stdout, &line.record).map_err(std::io::Error::from)?;
                stdout.write_all(b"\n")?;
            }
            failed += u64::from(line.signature().is_some());
            fold.add(&line);
        }
        progress.step(failed);
        Ok(())
    })?;
    progress.finish();
    let report = Report {
        total: items.len(),
        shard: arguments.shard.is_some(),
        json: arguments.json,
        junit: arguments.junit.as_deref(),
        ledger: &arguments.ledger,
    };
    report.conclude(&mut stdout, &fold)
}

/// Opens the file of results; what it holds of these items is finished.
fn resume(path: &Path, items: &Items<'_>) -> Result<(Results, Fold), Failure> {
    // Other sweeps may have left their results in this file. A new one need not be asked.
    let own: BTreeSet<Key> = match path.exists() {
        true => items.iter().map(|item| item.key()).collect::<Result<_, _>>()?,
        false => BTreeSet::new(),
    };
    let mut fold = Fold::default();
    let results = Results::open(path, |line| {
        if own.contains(&line.key) {
            fold.add(&line);
        }
    })?;
    Ok((results, fold))
}

/// Merges the results of several sweeps or shards.
pub fn merge(arguments: &Merge) -> Result<Status, Failure> {
    ledger::read(&arguments.ledger)?;
    let (mut fold, mut total) = (Fold::default(), 0);
    for path in &arguments.results {
        let file = if path.is_dir() { path.join(RESULTS) } else { path.clone() };
        crate::lines::read(&file, |line: Line| {
            total = total.max(line.total);
            fold.add(&line);
            Ok(())
        })?;
    }
    let report = Report {
        total,
        shard: false,
        json: arguments.json,
        junit: arguments.junit.as_deref(),
        ledger: &arguments.ledger,
    };
    report.conclude(&mut std::io::stdout().lock(), &fold)
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
    fn conclude(&self, stdout: &mut impl Write, fold: &Fold) -> Result<Status, Failure> {
        let mut summary = fold.summary(self.total);
        if self.shard {
            // A shard cannot tell whether another one reached a mark; `merge` can.
            summary.unreached_marks.clear();
        }
        // What was found must be told even where the ledger cannot be written.
        let known = ledger::update(self.ledger, fold.failing(), SystemTime::now()).unwrap_or_else(|failure| {
            eprintln!("{failure}\nwarning: the ledger was not updated");
            ledger::Known::new()
        });
        if let Some(path) = self.junit {
            junit::write(path, fold, &summary)?;
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
