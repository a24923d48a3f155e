//! Judges runs: invariants of the cluster, anomalies of the clients' histories, and a tally of what became of every record.
//!
//! Oracles read events only and never change behaviour, so one [`Judge`] works online, on a stored trace, and on real sockets.

mod context;
mod finding;
mod fold;
mod group_tally;
mod history;
mod invariant;
mod judge;
mod records;
mod sparse;
#[cfg(test)]
mod story;
mod tally;

pub use context::{Bounds, ClientFacts, ClientKind, Commits, Context, TopicFacts};
pub use finding::{EndOfRun, Finding, FreshRead, OracleReport, ScannedBatch, ScannedReplica};
pub use group_tally::GroupRow;
pub use judge::{Judge, SLUGS, UnknownOracle, describe, select};
pub use tally::{ClientRow, Latency, PartitionRow, ReaderRow, RecordCounts, Summary, Tally, TopicRow};
