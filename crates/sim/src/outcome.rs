//! What a run came to: the verdict, its evidence, its story.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use state::Digest;
use trace::Event;

/// The verdict in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All that was expected came true, and the run proved something.
    Pass,
    /// An expectation failed.
    Fail,
    /// The run itself broke.
    Error,
}

/// Counts of records.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Records {
    /// Given to producers.
    pub sent: u64,
    /// Acknowledged.
    pub acked: u64,
    /// Surely not written.
    pub failed: u64,
    /// Of unknown outcome.
    pub unknown: u64,
    /// Distinct records that consumers polled.
    pub delivered: u64,
    /// Records stored more than once.
    pub duplicated: u64,
    /// Acknowledged, but not in the log at the end.
    pub lost: u64,
    /// Stored behind a record of the same producer and key that was sent later.
    #[serde(default)]
    pub out_of_order: u64,
}

/// What a consumer group went through.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct GroupRecord {
    /// Generations with members.
    pub generations: u64,
    /// The most members at once.
    pub members: u32,
    /// How often a record was processed that a member had processed before.
    pub reprocessed: u64,
    /// The longest that a partition had no owner, in seconds, once it had had one.
    pub unowned_seconds: f64,
    /// The same over all partitions.
    pub unowned_seconds_total: f64,
}

/// How long something took.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half took at most this.
    pub p50: f64,
    /// 99 in 100 took at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// One violation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ViolationRecord {
    /// The oracle's slug.
    pub oracle: String,
    /// Whether the scenario expects it.
    pub expected: bool,
    /// Oracle, kind of evidence, place in the protocol.
    pub signature: String,
    /// The event that committed it.
    pub event: u64,
    /// When, such as `12.482s`.
    pub at: String,
    /// One sentence.
    pub summary: String,
}

/// What an oracle saw.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OracleRecord {
    /// Its slug.
    pub oracle: String,
    /// How many facts it judged.
    pub facts: u64,
    /// How many violations it found.
    pub violations: u64,
}

/// A run's record: `verdict.json`, and one line of `--json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// Always `run`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Version of this record.
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The variant, where one was run.
    pub variant: Option<String>,
    /// The seed.
    pub seed: u64,
    /// The schedule seed.
    pub schedule_seed: u64,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// The fingerprint, 16 hexadecimal digits; empty on real sockets.
    pub fingerprint: String,
    /// Counts of records.
    pub records: Records,
    /// Violations.
    pub violations: Vec<ViolationRecord>,
    /// What proved nothing: `fault ID: why` fails the run; an oracle's slug says that it saw no fact.
    pub vacuous: Vec<String>,
    /// What could not recover, with the proof: only where `settle` heals a core alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excused: Vec<String>,
    /// What every oracle saw.
    pub oracles: Vec<OracleRecord>,
    /// Seconds without a successful write, by topic: the worst partition's.
    pub unavailable_seconds: BTreeMap<String, f64>,
    /// What consumer groups went through, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, GroupRecord>,
    /// From a record's sending to a reader's first poll of it, in milliseconds.
    #[serde(default)]
    pub send_to_poll_ms: Percentiles,
    /// Marks reached.
    pub marks: BTreeMap<String, u64>,
    /// Faults that hit something.
    pub faults: u64,
    /// Events.
    pub events: u64,
    /// Simulated time.
    pub simulated_seconds: f64,
    /// Wall time.
    pub wall_seconds: f64,
    /// The command that repeats the run.
    pub again: String,
}

/// All that a run leaves.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The record.
    pub record: RunRecord,
    /// The story.
    pub digest: Digest,
    /// The tables that people read, as text.
    pub tables: String,
    /// The events kept.
    pub events: Vec<Event>,
}

impl Outcome {
    /// The signatures of the violations that were not expected, sorted: what a replay must show again.
    pub fn signature(&self) -> Vec<String> {
        let mut signatures: Vec<String> = self.record.violations.iter().map(|it| it.signature.clone()).collect();
        signatures.sort();
        signatures.dedup();
        signatures
    }
}
