//! What a sweep came to: counts, each distinct failure once, marks, determinism.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

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
