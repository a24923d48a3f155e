//! What can go wrong, and the error code a client is told.

use std::io;

use thiserror::Error;
use wire::batch::BatchError;
use wire::kafka::ErrorCode;

/// A batch cannot follow the batches before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Discontinuity {
    /// It does not begin where the log ends.
    #[error("offset {found} where {expected} should follow")]
    Offset {
        /// The log end offset.
        expected: i64,
        /// The batch's base offset.
        found: i64,
    },
    /// Its leader epoch is lower than that of the batch before it.
    #[error("leader epoch {found} after {latest}")]
    Epoch {
        /// The epoch of the last batch.
        latest: i32,
        /// The batch's epoch.
        found: i32,
    },
}

/// What an idempotent producer did wrong (KIP-98).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ProducerError {
    /// The batch does not continue the producer's sequence, and is none of the last five batches either.
    #[error("producer {producer_id} sent sequence {found}, its last was {last}")]
    OutOfOrderSequence {
        /// The producer.
        producer_id: i64,
        /// Its last sequence number in this epoch; -1 if it has none.
        last: i32,
        /// The batch's first sequence number.
        found: i32,
    },
    /// The batch is from an epoch that has been fenced.
    #[error("producer {producer_id} sent epoch {found}, the current one is {current}")]
    InvalidProducerEpoch {
        /// The producer.
        producer_id: i64,
        /// Its current epoch.
        current: i16,
        /// The batch's epoch.
        found: i16,
    },
}

/// Why batches were not appended. Nothing was written then, but for [`AppendError::Io`], where one cannot know.
#[derive(Debug, Error)]
pub enum AppendError {
    /// The bytes are no whole batch, or not what was sent.
    #[error("corrupt batch: {0}")]
    Corrupt(#[from] BatchError),
    /// The batch contradicts itself or the rules of the protocol.
    #[error("invalid batch: {0}")]
    Invalid(&'static str),
    /// It exceeds `max.message.bytes`.
    #[error("batch of {size} bytes, at most {maximum} are allowed")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit.
        maximum: u32,
    },
    /// It exceeds `segment.bytes`.
    #[error("batch of {size} bytes does not fit a segment of {maximum}")]
    TooLargeForSegment {
        /// Its size in bytes.
        size: u64,
        /// The limit.
        maximum: u32,
    },
    /// The producer's sequence or epoch is wrong.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// It cannot follow the log's last batch.
    #[error(transparent)]
    Discontinuity(#[from] Discontinuity),
    /// An earlier write failed, so that what is on the disk is unknown (KAFKA-10778).
    #[error("the log is offline after a failed write")]
    Offline,
    /// The disk failed.
    #[error("append failed: {0}")]
    Io(#[from] io::Error),
}

impl AppendError {
    /// The code a Produce response carries.
    pub const fn code(&self) -> ErrorCode {
        match self {
            AppendError::Corrupt(BatchError::Magic(_)) => ErrorCode::UnsupportedForMessageFormat,
            AppendError::Corrupt(_) => ErrorCode::CorruptMessage,
            AppendError::Invalid(_) => ErrorCode::InvalidRecord,
            AppendError::TooLarge { .. } => ErrorCode::MessageTooLarge,
            AppendError::TooLargeForSegment { .. } => ErrorCode::RecordListTooLarge,
            AppendError::Producer(ProducerError::OutOfOrderSequence { .. }) => ErrorCode::OutOfOrderSequenceNumber,
            AppendError::Producer(ProducerError::InvalidProducerEpoch { .. }) => ErrorCode::InvalidProducerEpoch,
            AppendError::Discontinuity(_) => ErrorCode::UnknownServerError,
            AppendError::Offline | AppendError::Io(_) => ErrorCode::KafkaStorageError,
        }
    }
}

impl From<LogError> for AppendError {
    fn from(error: LogError) -> AppendError {
        match error {
            LogError::Io { error, .. } => AppendError::Io(error),
            LogError::Offline => AppendError::Offline,
        }
    }
}

/// Why nothing could be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The log does not hold the offset.
    #[error("offset {offset} is not in {start}..={end}")]
    OutOfRange {
        /// The offset asked for.
        offset: i64,
        /// Log start offset.
        start: i64,
        /// Log end offset.
        end: i64,
    },
    /// The disk returned something else than what was written.
    #[error("{file} at {position}: {error}")]
    Corrupt {
        /// The segment file.
        file: String,
        /// The byte in it.
        position: u64,
        /// What is wrong there.
        error: BatchError,
    },
    /// The disk failed.
    #[error("read failed: {0}")]
    Io(#[from] io::Error),
}

impl ReadError {
    /// The code a Fetch or ListOffsets response carries.
    pub const fn code(&self) -> ErrorCode {
        match self {
            ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            ReadError::Corrupt { .. } => ErrorCode::CorruptMessage,
            ReadError::Io(_) => ErrorCode::KafkaStorageError,
        }
    }
}

/// Why the log itself cannot go on.
#[derive(Debug, Error)]
pub enum LogError {
    /// The disk failed. The log takes no more writes.
    #[error("{path}: {error}")]
    Io {
        /// The file or directory.
        path: String,
        /// What the disk said.
        error: io::Error,
    },
    /// An earlier write failed.
    #[error("the log is offline after a failed write")]
    Offline,
}

impl LogError {
    /// For `map_err`: an error of the disk at this path.
    pub(crate) fn at(path: &str) -> impl FnOnce(io::Error) -> LogError + use<'_> {
        move |error| LogError::Io { path: path.to_owned(), error }
    }
}
