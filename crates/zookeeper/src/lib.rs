//! An ensemble that speaks ZooKeeper's client protocol, and its client. See README.md for the map.

pub mod acl;
mod client;
pub mod codec;
pub mod election;
mod framing;
mod member;
mod outbox;
pub mod path;
mod server;
pub mod sessions;
mod storage;
pub mod tree;
pub mod txn;
mod types;
pub mod watches;
pub mod zab;

pub use client::{Client, ClientEvent, Reply, ZkError};
pub use member::{MemberConfig, run_member};
pub use types::{CreateMode, Created, ErrorCode, Op, OpResult, Stat, WatchKind, Zxid};

/// A time or duration in nanoseconds of one member's monotonic clock.
pub type Nanos = u64;
