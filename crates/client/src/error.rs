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

/// Why a member of a group cannot go on at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum GroupError {
    /// Another member has the same `group.instance.id` (KIP-345).
    #[error("another member has this group.instance.id")]
    Fenced,
    /// The coordinator refuses this member for good.
    #[error("the coordinator refuses: {0}")]
    Refused(ErrorCode),
    /// The consumer has no `group.id`.
    #[error("the consumer has no group.id")]
    NoGroup,
    /// The consumer is closed.
    #[error("the consumer is closed")]
    Closed,
}

/// Why a commit failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum CommitError {
    /// No answer that settles it came in time; the offsets may be stored all the same.
    #[error("no answer in time")]
    TimedOut,
    /// The consumer is no member of the group any more: its partitions belong to others, or will. Poll again to join.
    #[error("the consumer is not a member of the group")]
    NotAMember,
    /// A rebalance is under way. Poll until it is over; what is still owned then can be committed.
    #[error("the group is rebalancing")]
    Rebalancing,
    /// The coordinator refused for good.
    #[error("{0}")]
    Refused(ErrorCode),
    /// The member cannot go on at all.
    #[error("{0}")]
    Group(#[from] GroupError),
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
