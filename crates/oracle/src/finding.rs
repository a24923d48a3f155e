//! What a judge says, and what it is shown at the end of a run.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde::Serialize;
use trace::{Event, EventId, EventKind, Name, Partition};

/// One violation, with its evidence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// The slug of the oracle.
    pub oracle: &'static str,
    /// Oracle, kind of evidence and place in the protocol, such as `lost-write/acked-all/after-election`: equal for equal bugs.
    pub signature: String,
    /// One plain sentence: which record, which replicas, which offsets.
    pub summary: String,
    /// The event that committed it.
    pub event: EventId,
    /// When, in nanoseconds.
    pub at: u64,
    /// Other events that prove it, oldest first.
    pub evidence: Vec<EventId>,
    /// The partition, where there is one.
    pub partition: Option<Partition>,
}

/// How an oracle fared.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OracleReport {
    /// Its slug.
    pub slug: &'static str,
    /// How many facts it judged.
    pub facts: u64,
    /// Whether it judged none, and so proved nothing.
    pub vacuous: bool,
    /// How many violations it saw, also those folded into an earlier finding of the same signature.
    pub violations: u64,
    /// How many more it saw that `expect.allow` permits.
    pub allowed: u64,
    /// What it forgave, each with the proof that it could not be helped.
    pub excused: Vec<String>,
}

/// What is found when a run is over.
#[derive(Clone, Debug, Default)]
pub struct EndOfRun {
    /// Simulated time in nanoseconds.
    pub now: u64,
    /// The last event of the run: what is found only now is reported there.
    pub last_event: EventId,
    /// All replicas' logs, read from the disks by a parser of its own.
    pub disks: Vec<ScannedReplica>,
    /// Every partition, read from start to end by a reader of the judge's own.
    pub reads: Vec<FreshRead>,
}

impl EndOfRun {
    /// The end as an event, for what judges events and is not done yet.
    pub(crate) fn event(&self) -> Event {
        let (id, at, node) = (self.last_event, self.now, Name::new("world"));
        Event { id, at, node, cause: EventId::ROOT, kind: EventKind::RunEnded }
    }
}

/// One replica's log as it lies on the disk.
#[derive(Clone, Debug)]
pub struct ScannedReplica {
    /// The broker.
    pub node: Name,
    /// The partition.
    pub partition: Partition,
    /// Its batches in offset order.
    pub batches: Vec<ScannedBatch>,
    /// What the parser could not read, one sentence each.
    pub problems: Vec<String>,
}

/// One record batch on a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScannedBatch {
    /// Offset of the first record.
    pub base_offset: i64,
    /// How many offsets it covers.
    pub records: u32,
    /// Its leader epoch.
    pub leader_epoch: i32,
    /// The CRC in its header.
    pub crc: u32,
    /// Whether its bytes have that CRC.
    pub crc_ok: bool,
}

/// One partition read from start to end.
#[derive(Clone, Debug)]
pub struct FreshRead {
    /// The partition.
    pub partition: Partition,
    /// Offset, producer and the producer's sequence of every record, in the order read.
    pub records: Vec<(i64, Name, u64)>,
    /// Why the reader could not read to the end, if so.
    pub error: Option<String>,
}

/// Findings of one signature in one partition that are reported one by one; more are only counted.
const REPORTED_PER_SIGNATURE: u64 = 3;

/// An oracle's count of facts and violations.
#[derive(Default)]
pub(crate) struct Ledger {
    pub facts: u64,
    pub violations: u64,
    pub allowed: u64,
    pub excused: Vec<(Partition, String)>,
    raised: IndexMap<(String, Option<Partition>), u64>,
}

/// Where an oracle says what it saw.
pub(crate) struct Findings<'a> {
    pub slug: &'static str,
    pub ledger: &'a mut Ledger,
    pub allow: &'a BTreeSet<String>,
    pub out: &'a mut Vec<Finding>,
}

/// A violation about to be reported: everything but the oracle's name.
pub(crate) struct Charge {
    /// The signature without the oracle's slug.
    pub kind: String,
    pub summary: String,
    pub event: EventId,
    pub at: u64,
    pub evidence: Vec<EventId>,
    pub partition: Option<Partition>,
    /// How many violations it stands for.
    pub count: u64,
}

impl Charge {
    /// A charge against `event`.
    pub fn at(event: &Event, partition: Option<Partition>, kind: impl Into<String>, summary: String) -> Charge {
        Charge { kind: kind.into(), summary, event: event.id, at: event.at, evidence: Vec::new(), partition, count: 1 }
    }

    /// A charge found only when the run was over.
    pub fn late(end: &EndOfRun, partition: Option<Partition>, kind: impl Into<String>, summary: String) -> Charge {
        Charge::at(&end.event(), partition, kind, summary)
    }

    /// With more evidence; [`EventId::ROOT`] counts as none.
    pub fn proven_by(mut self, events: impl IntoIterator<Item = EventId>) -> Charge {
        self.evidence.extend(events.into_iter().filter(|event| *event != EventId::ROOT));
        self.evidence.sort_unstable();
        self.evidence.dedup();
        self
    }

    /// Standing for `count` violations of the same kind.
    pub fn times(mut self, count: u64) -> Charge {
        self.count = count;
        self
    }

    /// Blamed on another event than the one that showed it.
    pub fn blaming(mut self, event: EventId, at: u64) -> Charge {
        if event != EventId::ROOT {
            (self.event, self.at) = (event, at);
        }
        self
    }
}

impl Findings<'_> {
    /// Counts a fact that was judged.
    pub fn fact(&mut self) {
        self.ledger.facts += 1;
    }

    /// Counts several.
    pub fn facts(&mut self, count: usize) {
        self.ledger.facts += count as u64;
    }

    /// Reports a violation, unless the scenario allows it or it was reported often enough.
    pub fn raise(&mut self, charge: Charge) {
        let signature = format!("{}/{}", self.slug, charge.kind);
        if self.allow.iter().any(|word| permits(word, self.slug, &signature)) {
            self.ledger.allowed += charge.count;
            return;
        }
        self.ledger.violations += charge.count;
        let times = self.ledger.raised.entry((signature.clone(), charge.partition)).or_default();
        *times += 1;
        if *times > REPORTED_PER_SIGNATURE {
            return;
        }
        let Charge { summary, event, at, evidence, partition, .. } = charge;
        self.out.push(Finding { oracle: self.slug, signature, summary, event, at, evidence, partition });
    }
}

/// Whether `word` of `expect.allow` names this oracle, or the signature or a beginning of it (whole parts).
fn permits(word: &str, slug: &str, signature: &str) -> bool {
    let rest = signature.strip_prefix(word);
    word == slug || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allow_takes_slugs_and_whole_beginnings_of_signatures() {
        let signature = "lost-write/acked-one/after-election";
        assert!(permits("lost-write", "lost-write", signature));
        assert!(permits("lost-write/acked-one", "lost-write", signature));
        assert!(!permits("lost-write/acked-o", "lost-write", signature));
        assert!(!permits("lost", "lost-write", signature));
        assert!(!permits("redelivery", "lost-write", signature));
    }
}
