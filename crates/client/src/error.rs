//! What can go wrong, as callers see it.

use thiserror::Error;
use trace::{Name, Partition};
use wire::kafka::ErrorCode;

/// An administrative or offset request did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ClientError {
    /// No answer that settles it came in time; whether the request took effect is unknown.
    #[error("no answer in time")]
    TimedOut,
    /// A broker refused for good.
    #[error("{0}")]
    Broker(ErrorCode),
    /// A broker refused for good what concerns this topic.
    #[error("{topic}: {error}")]
    Topic {
        /// The topic.
        topic: Name,
        /// The error.
        error: ErrorCode,
    },
    /// A partition cannot be read on.
    #[error("{partition}: {error}")]
    Consumer {
        /// The partition.
        partition: Partition,
        /// Why.
        error: ConsumerError,
    },
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

/// Why a record was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum SendError {
    /// The topic's partitions did not get known within `max.block.ms`.
    #[error("no metadata of {0} within max.block.ms")]
    Metadata(Name),
    /// `buffer.memory` stayed full for `max.block.ms`.
    #[error("buffer.memory stayed full for max.block.ms")]
    BufferExhausted,
    /// The record is larger than `max.request.size` or `buffer.memory`.
    #[error("the record takes {0} bytes")]
    TooLarge(usize),
    /// The partition asked for does not exist.
    #[error("{0} does not exist")]
    NoPartition(Partition),
    /// The producer is closed.
    #[error("the producer is closed")]
    Closed,
}

impl SendError {
    /// The error's name in events.
    pub(crate) fn name(self) -> Name {
        Name::new(match self {
            SendError::Metadata(_) => "METADATA_TIMEOUT",
            SendError::BufferExhausted => "BUFFER_EXHAUSTED",
            SendError::TooLarge(_) => "RECORD_TOO_LARGE",
            SendError::NoPartition(_) => "NO_SUCH_PARTITION",
            SendError::Closed => "PRODUCER_CLOSED",
        })
    }
}

/// Why a consumer cannot go on with a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ConsumerError {
    /// There is no position, and `auto.offset.reset` is `none`.
    #[error("no position and no reset policy")]
    NoOffset,
    /// The position is outside the log, and `auto.offset.reset` is `none`.
    #[error("offset {0} is out of range and there is no reset policy")]
    OutOfRange(i64),
    /// The log was cut below the position (KIP-320), and `auto.offset.reset` is `none`.
    #[error("the log was truncated below position {position}; it diverged at {diverging:?}")]
    LogTruncation {
        /// The position.
        position: i64,
        /// Where the log the consumer has read and the leader's part, if the leader knows.
        diverging: Option<i64>,
    },
    /// A batch does not have the bytes that were written.
    #[error("corrupt batch at or after offset {0}")]
    Corrupt(i64),
    /// A broker refused for good.
    #[error("{0}")]
    Broker(ErrorCode),
}

/// A setting that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ConfigError {
    /// No such setting.
    #[error("`{0}` is no setting of this client")]
    Unknown(String),
    /// The value is of the wrong type or out of range.
    #[error("`{value}` is no value for `{name}`: {expected}")]
    Value {
        /// The setting.
        name: String,
        /// What was given.
        value: String,
        /// What would do.
        expected: &'static str,
    },
    /// Settings contradict each other, as in Kafka.
    #[error("{0}")]
    Conflict(&'static str),
}
