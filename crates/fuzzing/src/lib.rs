//! What fuzzers feed: every function takes any bytes and panics only for a bug. See README.md.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a fuzzer drives simulations from outside of them"
)]

extern crate wire as odradek_wire;

#[path = "../../wire/tests/wire/admin_samples.rs"]
mod admin_samples;
mod batches;
mod broker_core;
pub mod change;
mod frames;
#[path = "../../wire/tests/wire/group_samples.rs"]
mod group_samples;
mod jute;
#[path = "../../wire/tests/wire/jute_samples.rs"]
#[allow(dead_code, reason = "shared with the tests of wire")]
mod jute_samples;
#[path = "../../wire/tests/wire/samples.rs"]
#[allow(dead_code, reason = "shared with the tests of wire")]
mod samples;
pub mod seeds;
mod segment;

pub use batches::record_batches;
pub use broker_core::BrokerCore;
pub use frames::kafka_frames;
pub use jute::jute_frames;
pub use segment::LogSegment;

/// The targets by their names.
pub const TARGETS: &[&str] = &["kafka-frames", "record-batches", "jute-frames", "log-segment", "broker-core"];

/// One target that inputs are fed to.
pub enum Target {
    /// Decoders of Kafka's frames.
    KafkaFrames,
    /// The parser of record batches.
    RecordBatches,
    /// Decoders of ZooKeeper's frames.
    JuteFrames,
    /// A log opened on any bytes.
    LogSegment(LogSegment),
    /// A broker that runs.
    BrokerCore(BrokerCore),
}

impl Target {
    /// The target of this name.
    pub fn named(name: &str) -> Option<Target> {
        Some(match name {
            "kafka-frames" => Target::KafkaFrames,
            "record-batches" => Target::RecordBatches,
            "jute-frames" => Target::JuteFrames,
            "log-segment" => Target::LogSegment(LogSegment::default()),
            "broker-core" => Target::BrokerCore(BrokerCore::default()),
            _ => return None,
        })
    }

    /// Feeds one input.
    ///
    /// # Panics
    /// If the input shows a bug.
    pub fn feed(&mut self, input: &[u8]) {
        match self {
            Target::KafkaFrames => kafka_frames(input),
            Target::RecordBatches => record_batches(input),
            Target::JuteFrames => jute_frames(input),
            Target::LogSegment(segment) => segment.feed(input),
            Target::BrokerCore(core) => core.feed(input),
        }
    }
}
