//! Frames and messages: Kafka's protocol, record batches, the ZooKeeper-era control requests and ZooKeeper's jute.
//!
//! No I/O, no clock, no simulator: bytes in, values out, and back. Every decoder accepts any bytes: what it cannot
//! read is an error, never a panic, and what it allocates is bounded by the bytes it was given.

pub mod batch;
pub mod codec;
pub mod control;
mod frame;
pub mod jute;
pub mod kafka;

pub use frame::{FrameError, Label, PREFIX};
