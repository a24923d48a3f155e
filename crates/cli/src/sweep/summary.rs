//! What a sweep came to: counts, each distinct failure once, marks, determinism.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sim::Verdict;

use super::Line;
use super::ledger::{self, Known};
use crate::Status;
use crate::table::{self, Row};

/// A distinct failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// Oracle, kind of evidence, place in the protocol.
    pub signature: String,
    /// The scenario of the fastest run, `SCENARIO/VARIANT` for a variant.
    pub scenario: String,
    /// How many runs show it.
    pub count: u64,
    /// The lowest seed that shows it.
    pub first_seed: u64,
    /// The seed that shows it in the least wall time.
    pub fastest_seed: u64,
    /// That run's wall time.
    pub fastest_seconds: f64,
    /// What happened in the fastest run.
    pub summary: String,
    /// The command that repeats the fastest.
    pub again: String,
}

/// The last line of `sweep --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Always `summary`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Version of this object.
    pub schema: u32,
    /// Runs that finished.
    pub runs: u64,
    /// Of how many.
    pub total: u64,
    /// Runs that passed.
    pub passed: u64,
    /// Runs in which an expectation failed.
    pub failed: u64,
    /// Runs that broke: hung, aborted, ran out of memory.
    pub errors: u64,
    /// Distinct failures, the most frequent first.
    pub signatures: Vec<Signature>,
    /// What came of each variant; empty where no scenario has any.
    #[serde(default)]
    pub variants: Vec<Row>,
    /// Marks reached, with their counts.
    pub marks: BTreeMap<String, u64>,
    /// Marks that a scenario wants to see and no run reached: `SCENARIO: MARK`.
    pub unreached_marks: Vec<String>,
    /// Runs that gave another fingerprint when repeated: `SCENARIO seed N`.
    pub mismatches: Vec<String>,
    /// How many.
    pub fingerprint_mismatches: u64,
    /// How many runs were repeated.
    pub rechecked: u64,
    /// Wall time of all runs together.
    pub core_seconds: f64,
    /// Simulated time of all runs together.
    pub simulated_seconds: f64,
}

impl Summary {
    /// Sums up. Lines may come in any order, and more than once: the same lines give the same summary.
    pub fn of(lines: &[Line], total: u64) -> Summary {
        let mut seen = BTreeSet::new();
        let mut lines: Vec<&Line> = lines.iter().filter(|line| seen.insert(&line.key)).collect();
        lines.sort_by_cached_key(|line| (line.name(), line.record.seed, line.key.clone()));
        let count = |verdict| lines.iter().filter(|line| line.record.verdict == verdict).count() as u64;
        let mut marks = BTreeMap::new();
        let mut wanted: BTreeMap<(String, &str), bool> = BTreeMap::new();
        for line in &lines {
            for (mark, times) in &line.record.marks {
                *marks.entry(mark.clone()).or_insert(0) += times;
            }
            for mark in &line.sometimes {
                *wanted.entry((line.name(), mark)).or_insert(false) |= line.record.marks.contains_key(mark);
            }
        }
        let mismatches: Vec<String> = lines
            .iter()
            .filter(|line| line.same == Some(false))
            .map(|line| format!("{} seed {}", line.name(), line.record.seed))
            .collect();
        Summary {
            kind: "summary".into(),
            schema: 1,
            runs: lines.len() as u64,
            total,
            passed: count(Verdict::Pass),
            failed: count(Verdict::Fail),
            errors: count(Verdict::Error),
            signatures: signatures(&lines),
            variants: table::rows(&lines.iter().map(|line| &line.record).collect::<Vec<_>>()),
            marks,
            unreached_marks: wanted
                .iter()
                .filter(|(_, reached)| !**reached)
                .map(|((scenario, mark), _)| format!("{scenario}: {mark}"))
                .collect(),
            fingerprint_mismatches: mismatches.len() as u64,
            mismatches,
            rechecked: lines.iter().filter(|line| line.same.is_some()).count() as u64,
            core_seconds: lines.iter().map(|line| line.record.wall_seconds).sum(),
            simulated_seconds: lines.iter().map(|line| line.record.simulated_seconds).sum(),
        }
    }

    /// Whether every seed was run: only then an unreached mark says something.
    pub fn is_complete(&self) -> bool {
        self.runs >= self.total
    }

    /// What the sweep came to.
    pub fn status(&self) -> Status {
        let marks = self.is_complete() && !self.unreached_marks.is_empty();
        match (self.errors, self.failed > 0 || self.fingerprint_mismatches > 0 || marks) {
            (1.., _) => Status::Broken,
            (0, true) => Status::Failed,
            (0, false) => Status::Good,
        }
    }

    /// The verdict in words.
    pub fn word(&self) -> &'static str {
        match self.status() {
            Status::Good if self.is_complete() => "PASS",
            Status::Good => "PASS so far",
            Status::Failed | Status::BadInput => "FAIL",
            Status::Broken => "ERROR: some runs broke",
        }
    }

    /// For people, with what the ledger knows of the failures.
    pub fn text(&self, program: &str, known: &Known) -> String {
        let mut text = String::new();
        let speed = self.simulated_seconds / self.core_seconds.max(1e-9);
        line(
            &mut text,
            format!(
                "{} of {} runs: {} passed, {} failed, {} broke; {:.0} s simulated in {:.0} core-seconds ({speed:.0}x)",
                self.runs, self.total, self.passed, self.failed, self.errors, self.simulated_seconds, self.core_seconds
            ),
        );
        line(
            &mut text,
            format!("{} ran twice: {} gave another fingerprint", self.rechecked, self.fingerprint_mismatches),
        );
        for seed in &self.mismatches {
            line(&mut text, format!("   NOT DETERMINISTIC: {seed}"));
        }
        for mark in &self.unreached_marks {
            let why = if self.is_complete() { "" } else { " (not every seed was run)" };
            line(&mut text, format!("never reached: {mark}{why}"));
        }
        if !self.variants.is_empty() {
            text.push('\n');
            text += &table::many_seeds(&self.variants, program);
        }
        for failure in &self.signatures {
            line(
                &mut text,
                format!(
                    "\n{:>6}x {}   first seed {}, fastest {} ({:.1} s)",
                    failure.count, failure.signature, failure.first_seed, failure.fastest_seed, failure.fastest_seconds
                ),
            );
            line(&mut text, format!("        {}", ledger::age(known, &failure.signature)));
            line(&mut text, format!("        {}: {}", failure.scenario, failure.summary));
            line(&mut text, format!("        again: {program} {}", failure.again));
        }
        line(&mut text, self.word().into());
        text
    }
}

fn line(text: &mut String, line: String) {
    writeln!(text, "{line}").expect("a string takes all");
}

fn signatures(lines: &[&Line]) -> Vec<Signature> {
    let mut found: BTreeMap<String, Signature> = BTreeMap::new();
    for line in lines {
        let (Some(signature), record) = (line.signature(), &line.record) else { continue };
        let again = record.again.strip_prefix("odradek ").unwrap_or(&record.again).to_owned();
        let entry = found.entry(signature.clone()).or_insert_with(|| Signature {
            signature,
            scenario: line.name(),
            count: 0,
            first_seed: record.seed,
            fastest_seed: record.seed,
            fastest_seconds: record.wall_seconds,
            summary: record.reason.clone(),
            again: again.clone(),
        });
        entry.count += 1;
        entry.first_seed = entry.first_seed.min(record.seed);
        if record.wall_seconds < entry.fastest_seconds {
            (entry.fastest_seed, entry.fastest_seconds, entry.again) = (record.seed, record.wall_seconds, again);
            (entry.scenario, entry.summary) = (line.name(), record.reason.clone());
        }
    }
    let mut found: Vec<Signature> = found.into_values().collect();
    found.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.signature.cmp(&b.signature)));
    found
}
