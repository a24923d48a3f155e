//! What Kafka's and ZooKeeper's framings share: a big-endian 32-bit length before each message.

use thiserror::Error;

/// Length of the prefix that both protocols put before each message, in bytes.
pub const PREFIX: usize = 4;

/// A length prefix that no honest peer sends; the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The declared length is negative.
    #[error("frame length {0} is negative")]
    Negative(i32),
    /// The declared length is over the protocol's maximum.
    #[error("frame length {length} is over the maximum of {maximum} bytes")]
    TooLarge {
        /// Declared length in bytes, without the prefix.
        length: usize,
        /// The largest length allowed, in bytes, without the prefix.
        maximum: usize,
    },
}

/// What a frame is about, as far as a trace or the network needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct Label {
    /// API key (Kafka) or operation code (ZooKeeper); none if the frame does not say.
    pub api: Option<i16>,
    /// Correlation id (Kafka) or xid (ZooKeeper); 0 if the frame does not say.
    pub correlation: i32,
}

/// Total length (prefix included) of the frame that `buffered` begins with, or none if the prefix is incomplete.
pub(crate) fn total_length(buffered: &[u8], maximum: usize) -> Result<Option<usize>, FrameError> {
    let Some(length) = read_i32(buffered, 0) else { return Ok(None) };
    let positive = usize::try_from(length).map_err(|_| FrameError::Negative(length))?;
    if positive > maximum {
        return Err(FrameError::TooLarge { length: positive, maximum });
    }
    Ok(Some(PREFIX + positive))
}

/// The big-endian `i16` at `position`, if there is one.
pub(crate) fn read_i16(bytes: &[u8], position: usize) -> Option<i16> {
    Some(i16::from_be_bytes(bytes.get(position..position + 2)?.try_into().ok()?))
}

/// The big-endian `i32` at `position`, if there is one.
pub(crate) fn read_i32(bytes: &[u8], position: usize) -> Option<i32> {
    Some(i32::from_be_bytes(bytes.get(position..position + 4)?.try_into().ok()?))
}
