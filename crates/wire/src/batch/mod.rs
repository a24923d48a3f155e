//! Record batches, magic 2: what Produce carries, logs store, followers copy and Fetch serves, always as raw bytes.
//!
//! Who only moves batches reads the 61-byte [`BatchHeader`] and patches base offset and leader epoch in place, which the
//! CRC does not cover. Who must look inside uses [`records`]. [`BatchBuilder`] writes new ones.

mod builder;
mod compact;
mod compression;
mod header;
mod marker;
mod patch;
mod records;
mod split;

pub use builder::BatchBuilder;
pub use compact::compacted;
pub use compression::{Compression, MAXIMUM_INFLATED};
pub use header::{BatchHeader, HEADER_LENGTH, LOG_OVERHEAD, NO_SEQUENCE, increment_sequence, verify_crc};
pub use marker::{EndTransactionMarker, MarkerKind};
pub use patch::{relocated, set_append_time, set_base_offset, set_leader_epoch};
pub use records::{Header, Record, Records, record_iterator, records};
pub use split::{Batch, Batches, batches};

use thiserror::Error;

/// Bytes that are no record batch we can use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BatchError {
    /// Fewer bytes than the header needs, or than it declares.
    #[error("{available} bytes where a batch needs {needed}")]
    Truncated {
        /// Bytes needed.
        needed: usize,
        /// Bytes there.
        available: usize,
    },
    /// The declared length cannot hold a header.
    #[error("batch length {0}")]
    Length(i32),
    /// An older (or no) message format.
    #[error("magic {0} is not 2")]
    Magic(i8),
    /// The content is not what was written.
    #[error("stored CRC {stored:#010x}, computed {computed:#010x}")]
    Crc {
        /// CRC-32C in the header.
        stored: u32,
        /// CRC-32C of the bytes.
        computed: u32,
    },
    /// Attributes name a compression that does not exist.
    #[error("compression type {0}")]
    CompressionType(u8),
    /// The compressed records cannot be inflated, or only to more than is allowed.
    #[error("compressed records: {0}")]
    Compression(&'static str),
    /// The records do not match the header, or their own lengths.
    #[error("records: {0}")]
    Records(&'static str),
}

impl From<crate::codec::Malformed> for BatchError {
    fn from(error: crate::codec::Malformed) -> Self {
        Self::Records(error.0)
    }
}
