//! ZooKeeper's framing, and what a frame's first bytes tell.

use super::code::{OpCode, xid};
use crate::frame::{FrameError, Label, PREFIX, read_i32, total_length};

/// The longest request that a server accepts, without its prefix: the default of its `jute.maxbuffer`, just under 1 MiB.
pub const MAXIMUM_REQUEST: usize = 0xfffff;

/// The longest message at all, without its prefix: the default of a client's `jute.maxbuffer`. Answers may be longer than requests:
/// what fits into one fits into the other only without its stat, and a list of children grows with each.
pub const MAXIMUM_FRAME: usize = 4 << 20;

/// Total length, prefix included, of the frame that `buffered` begins with; none if more bytes are needed to know.
///
/// # Errors
/// If the declared length is negative or over [`MAXIMUM_FRAME`].
pub fn frame_length(buffered: &[u8]) -> Result<Option<usize>, FrameError> {
    total_length(buffered, MAXIMUM_FRAME)
}

/// Length of the plain text that stands in a frame's place, a four-letter word or the answer to one: all that is there. None if
/// it is no text. Four printable characters would be a length over 500 MB, so there is no ambiguity.
pub fn text_length(buffered: &[u8]) -> Option<usize> {
    let first: &[u8; PREFIX] = buffered.first_chunk()?;
    first.iter().all(u8::is_ascii_graphic).then_some(buffered.len())
}

/// The four-letter word that a connection begins with instead of a frame, if it is one. All of them are lengths over
/// 1.6 GB if read as a prefix, so there is no ambiguity.
pub fn four_letter_word(buffered: &[u8]) -> Option<&'static str> {
    const WORDS: &[&str] = &[
        "conf", "cons", "crst", "dirs", "dump", "envi", "hash", "isro", "lead", "mntr", "ruok", "srst", "srvr", "stat",
        "wchc", "wchp", "wchs",
    ];
    WORDS.iter().find(|word| buffered.starts_with(word.as_bytes())).copied()
}

/// What a frame (prefix included) is about. A reply does not name its operation, so only special xids do; a connect
/// request or response, which have no header, are `CreateSession`: no client counts from 0.
pub fn describe(frame: &[u8], from_client: bool) -> Label {
    let Some(xid) = read_i32(frame, PREFIX) else { return Label::default() };
    let operation = match xid {
        0 => Some(OpCode::CreateSession.code()),
        _ if from_client => read_i32(frame, PREFIX + 4),
        xid::NOTIFICATION => Some(OpCode::Notification.code()),
        xid::PING => Some(OpCode::Ping.code()),
        xid::AUTH => Some(OpCode::Auth.code()),
        xid::SET_WATCHES => Some(OpCode::SetWatches.code()),
        _ => None,
    };
    Label { api: operation.and_then(|code| i16::try_from(code).ok()), correlation: xid }
}
