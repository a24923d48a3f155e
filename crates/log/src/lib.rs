//! One partition's log on a disk, as Kafka stores it.
//!
//! [`Log`] is a list of segments of raw record batches. Its decisions are plain structs that need no disk: [`EpochCache`]
//! (where each leader epoch begins), [`ProducerStates`] (what was already appended), [`OffsetIndex`]. What is on the disk is
//! the truth: opening a log rebuilds the rest from the batch headers.

mod append;
mod batch;
pub mod checkpoint;
mod clean;
mod cleaner;
mod config;
mod epochs;
mod error;
mod flush;
mod index;
mod log;
mod producers;
mod read;
mod recovery;
pub mod scan;
mod segment;
mod snapshot;
mod start;
mod truncate;
mod walk;

pub use append::Appended;
pub use batch::AppendedBatch;
pub use clean::{Clean, CleanError, Cleaned, Rewritten};
pub use cleaner::{Cleanable, OffsetMap};
pub use config::{LogConfig, LogFlaws, TimestampType};
pub use epochs::{EpochCache, EpochEnd, EpochStart};
pub use error::{AppendError, Discontinuity, LogError, ProducerError, ReadError};
pub use flush::{Flush, Flushed};
pub use index::OffsetIndex;
pub use log::Log;
pub use producers::{ProducerState, ProducerStates, REMEMBERED_BATCHES, SequencedBatch, Verdict};
pub use read::ReadBatches;
pub use recovery::{Cut, Recovery};
