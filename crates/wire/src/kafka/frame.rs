//! Kafka's framing, and what a frame's first bytes tell.

use crate::frame::{FrameError, Label, PREFIX, read_i16, read_i32, total_length};

/// The longest message accepted, without its prefix: the default of `socket.request.max.bytes`, 100 MiB.
pub const MAXIMUM_FRAME: usize = 100 * 1024 * 1024;

/// Total length, prefix included, of the frame that `buffered` begins with; none if more bytes are needed to know.
///
/// # Errors
/// If the declared length is negative or over [`MAXIMUM_FRAME`].
pub fn frame_length(buffered: &[u8]) -> Result<Option<usize>, FrameError> {
    total_length(buffered, MAXIMUM_FRAME)
}

/// API key and correlation id of a request frame (prefix included); what is missing is none or 0.
pub fn describe_request(frame: &[u8]) -> Label {
    Label { api: read_i16(frame, PREFIX), correlation: read_i32(frame, PREFIX + 4).unwrap_or(0) }
}

/// Correlation id of a response frame (prefix included); a response does not name its API.
pub fn describe_response(frame: &[u8]) -> Label {
    Label { api: None, correlation: read_i32(frame, PREFIX).unwrap_or(0) }
}
