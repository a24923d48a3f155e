//! What is kept of one finished seed: a line of `results.jsonl`, from which a sweep resumes and shards merge.

use std::collections::BTreeMap;
use std::fmt;

use scenario::Plan;
use serde::{Deserialize, Serialize};
use sim::{Records, RunRecord, Verdict, ViolationRecord};

use crate::lines::Lines;
use crate::worker::{Broken, COMMIT, Job};

/// The file of a sweep's results.
pub const RESULTS: &str = "results.jsonl";

/// Names what was run: a hash of the plan and the build. Equal keys are the same run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(u128);

impl Key {
    /// The key of a plan.
    pub fn of(plan: &str, variant: Option<&str>) -> Key {
        let hash = |start: u64| {
            let bytes = plan.bytes().chain(COMMIT.bytes()).chain(variant.unwrap_or_default().bytes());
            bytes.fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        };
        Key(u128::from(hash(0xcbf2_9ce4_8422_2325)) << 64 | u128::from(hash(0x84222325cbf29ce4)))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl TryFrom<String> for Key {
    type Error = std::num::ParseIntError;

    fn try_from(digits: String) -> Result<Key, Self::Error> {
        u128::from_str_radix(&digits, 16).map(Key)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        key.to_string()
    }
}

/// A finished seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Names what was run.
    pub key: Key,
    /// The commit of the program that ran it.
    #[serde(default)]
    pub commit: String,
    /// The scenario's file.
    pub file: String,
    /// The marks that the scenario wants to see over a sweep.
    pub sometimes: Vec<String>,
    /// The seeds of the whole sweep, so that a merge knows what is missing.
    pub total: u64,
    /// Whether a second run gave the same fingerprint, where there was one.
    pub same: Option<bool>,
    /// What came of it.
    pub record: RunRecord,
}

impl Line {
    /// What was run, as people call it: `SCENARIO`, or `SCENARIO/VARIANT`.
    pub fn name(&self) -> String {
        let scenario = &self.record.scenario;
        self.record.variant.as_ref().map_or(scenario.clone(), |variant| format!("{scenario}/{variant}"))
    }

    /// The signature under which a failure is filed; `None` if the run passed.
    pub fn signature(&self) -> Option<String> {
        signature(&self.record)
    }
}

/// The signature under which a run that did not pass is filed: its first violation that was not expected.
pub fn signature(record: &RunRecord) -> Option<String> {
    if record.verdict == Verdict::Pass {
        return None;
    }
    let first = record.violations.iter().find(|violation| !violation.expected);
    Some(match first {
        Some(violation) => violation.signature.clone(),
        None if record.verdict == Verdict::Error => "broken/setup".into(),
        None if record.reason.contains("expects a violation") => "missing/expected-violation".into(),
        None => "vacuous".into(),
    })
}

/// The record of a run that gave none.
pub fn broken(plan: &Plan, job: &Job, how: &Broken) -> RunRecord {
    let violation = ViolationRecord {
        oracle: "broken".into(),
        expected: false,
        signature: how.signature().into(),
        event: 0,
        at: "0s".into(),
        summary: how.to_string(),
    };
    RunRecord {
        kind: "run".into(),
        schema: 1,
        scenario: plan.name.clone(),
        variant: job.variant.clone(),
        seed: plan.seed,
        schedule_seed: plan.schedule_seed,
        verdict: Verdict::Error,
        reason: format!("ERROR: {how}"),
        fingerprint: String::new(),
        records: Records::default(),
        violations: vec![violation],
        vacuous: Vec::new(),
        excused: Vec::new(),
        oracles: Vec::new(),
        unavailable_seconds: BTreeMap::new(),
        groups: BTreeMap::new(),
        send_to_poll_ms: sim::Percentiles::default(),
        marks: BTreeMap::new(),
        faults: 0,
        events: 0,
        simulated_seconds: 0.0,
        wall_seconds: how.seconds(),
        again: job.again.clone(),
    }
}

/// The results of a folder, written line by line: what was finished survives whatever ends the sweep.
pub type Results = Lines<Line>;
