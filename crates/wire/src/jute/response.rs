//! What servers answer, and what they say unasked.

use bytes::Bytes;

use super::code::{OpCode, xid};
use super::error::ErrorCode;
use super::multi::{self, OperationResult};
use super::primitives::{Decoder, Encoder, JuteError};
use super::record::{Acl, ReplyHeader, Stat, WatcherEvent};

/// A reply's body, if the operation succeeded (a failed multi is one too: its results say so).
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are ZooKeeper's own and say what they are")]
pub enum Response {
    /// The result of a single write or check; never [`OperationResult::Error`], which is the header's business then.
    Write(OperationResult),
    /// It exists.
    Exists { stat: Stat },
    /// A znode's data.
    GetData { data: Option<Bytes>, stat: Stat },
    /// A znode's access control list.
    GetAcl { acl: Vec<Acl>, stat: Stat },
    /// Written.
    SetAcl { stat: Stat },
    /// Names of children, without their parent's path.
    GetChildren { children: Vec<String> },
    /// Names of children, and the parent's stat.
    GetChildren2 { children: Vec<String>, stat: Stat },
    /// Caught up.
    Sync { path: String },
    /// Results, one for each operation.
    Multi(Vec<OperationResult>),
    /// Watched: an error code, which is 0.
    AddWatch,
    /// Done, with nothing to say: ping, auth, setWatches, checkWatches, removeWatches, closeSession.
    Empty,
}

/// A reply frame, as far as it can be read without knowing what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A watch event, unasked.
    Event {
        /// Last zxid the server had applied; -1 as real servers send it.
        zxid: i64,
        /// The event.
        event: WatcherEvent,
    },
    /// The answer to the request with the header's xid.
    Answer {
        /// Its header.
        header: ReplyHeader,
        /// The rest; [`Response::get`] reads it once the operation is known.
        body: Bytes,
    },
}

impl Response {
    /// Appends the body, without a header.
    pub fn put(&self, encoder: &mut Encoder) {
        match self {
            Self::Write(result) => result.put(encoder),
            Self::Sync { path } => encoder.ustring(path),
            Self::Exists { stat } | Self::SetAcl { stat } => stat.put(encoder),
            Self::GetData { data, stat } => {
                encoder.buffer(data.as_deref());
                stat.put(encoder);
            }
            Self::GetAcl { acl, stat } => {
                encoder.vector(acl, |encoder, acl| acl.put(encoder));
                stat.put(encoder);
            }
            Self::GetChildren { children } => encoder.vector(children, |encoder, child| encoder.ustring(child)),
            Self::GetChildren2 { children, stat } => {
                encoder.vector(children, |encoder, child| encoder.ustring(child));
                stat.put(encoder);
            }
            Self::Multi(results) => multi::put_results(encoder, results),
            Self::AddWatch => encoder.int(ErrorCode::Ok.code()),
            Self::Empty => {}
        }
    }

    /// Reads the body of the answer to this operation; only if the header says that there was no error.
    ///
    /// # Errors
    /// If the bytes are not such a body. Bytes after it are ignored.
    pub fn get(operation: OpCode, body: Bytes) -> Result<Self, JuteError> {
        let mut decoder = Decoder::new(body);
        let decoder = &mut decoder;
        Ok(match operation {
            OpCode::Create | OpCode::Create2 | OpCode::Delete | OpCode::SetData | OpCode::Check => {
                Self::Write(OperationResult::get(operation.code(), decoder)?)
            }
            OpCode::Exists => Self::Exists { stat: Stat::get(decoder)? },
            OpCode::GetData => Self::GetData { data: decoder.buffer()?, stat: Stat::get(decoder)? },
            OpCode::GetAcl => Self::GetAcl { acl: decoder.vector(Acl::get)?, stat: Stat::get(decoder)? },
            OpCode::SetAcl => Self::SetAcl { stat: Stat::get(decoder)? },
            OpCode::GetChildren => Self::GetChildren { children: decoder.vector(Decoder::ustring)? },
            OpCode::GetChildren2 => {
                Self::GetChildren2 { children: decoder.vector(Decoder::ustring)?, stat: Stat::get(decoder)? }
            }
            OpCode::Sync => Self::Sync { path: decoder.ustring()? },
            OpCode::Multi => Self::Multi(multi::get_results(decoder)?),
            OpCode::AddWatch => {
                decoder.int()?;
                Self::AddWatch
            }
            OpCode::Ping
            | OpCode::Auth
            | OpCode::SetWatches
            | OpCode::SetWatches2
            | OpCode::CheckWatches
            | OpCode::RemoveWatches
            | OpCode::CloseSession => Self::Empty,
            OpCode::Notification | OpCode::CreateSession | OpCode::Error => {
                return Err(JuteError("an operation that has no reply"));
            }
        })
    }
}

/// A successful reply as a frame. `zxid` is the last one the server had applied.
pub fn encode_reply(xid: i32, zxid: i64, response: &Response) -> Bytes {
    let mut encoder = Encoder::frame();
    ReplyHeader { xid, zxid, error: ErrorCode::Ok.code() }.put(&mut encoder);
    response.put(&mut encoder);
    encoder.finish()
}

/// A reply that is an error, as a frame: a header alone.
pub fn encode_error(xid: i32, zxid: i64, error: ErrorCode) -> Bytes {
    let mut encoder = Encoder::frame();
    ReplyHeader { xid, zxid, error: error.code() }.put(&mut encoder);
    encoder.finish()
}

/// A watch event as a frame.
pub fn encode_event(event: &WatcherEvent) -> Bytes {
    let mut encoder = Encoder::frame();
    ReplyHeader { xid: xid::NOTIFICATION, zxid: -1, error: 0 }.put(&mut encoder);
    event.put(&mut encoder);
    encoder.finish()
}

/// Reads a reply frame (but not the first of a connection, which is a [`super::ConnectResponse`]).
///
/// # Errors
/// If there is no header, or an event is malformed: close the connection.
pub fn decode_reply(frame: Bytes) -> Result<Reply, JuteError> {
    let mut decoder = Decoder::from_frame(frame)?;
    let header = ReplyHeader::get(&mut decoder)?;
    if header.xid == xid::NOTIFICATION {
        return Ok(Reply::Event { zxid: header.zxid, event: WatcherEvent::get(&mut decoder)? });
    }
    Ok(Reply::Answer { header, body: decoder.into_rest() })
}
