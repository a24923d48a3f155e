//! An ensemble that speaks ZooKeeper's client protocol, and its client. See README.md for the map.

pub mod codec;
pub mod election;
pub mod sessions;
pub mod tree;
pub mod txn;
pub mod types;
pub mod watches;
pub mod zab;

/// A time or duration in nanoseconds of one member's monotonic clock.
pub type Nanos = u64;
