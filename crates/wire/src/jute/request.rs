//! What clients ask.

use bytes::Bytes;
use thiserror::Error;

use super::code::OpCode;
use super::multi::{self, Operation};
use super::primitives::{Decoder, Encoder, JuteError};
use super::record::{Acl, RequestHeader};

/// A request's body. Paths are not validated here; versions are -1 for any.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are ZooKeeper's own and say what they are")]
pub enum Request {
    /// One write (or check) by itself: create, create2, delete, setData, check.
    Write(Operation),
    /// Does a znode exist?
    Exists { path: String, watch: bool },
    /// Read a znode's data.
    GetData { path: String, watch: bool },
    /// Read a znode's access control list.
    GetAcl { path: String },
    /// Write a znode's access control list.
    SetAcl { path: String, acl: Vec<Acl>, version: i32 },
    /// List a znode's children.
    GetChildren { path: String, watch: bool },
    /// List a znode's children, with its stat.
    GetChildren2 { path: String, watch: bool },
    /// Wait until the server has caught up with the leader.
    Sync { path: String },
    /// Several operations, all or none.
    Multi(Vec<Operation>),
    /// Authenticate.
    Auth { kind: i32, scheme: String, auth: Option<Bytes> },
    /// Restore watches; those that missed a change after `relative_zxid` fire at once.
    SetWatches { relative_zxid: i64, data: Vec<String>, exist: Vec<String>, child: Vec<String> },
    /// Restore watches of all kinds.
    SetWatches2 {
        relative_zxid: i64,
        data: Vec<String>,
        exist: Vec<String>,
        child: Vec<String>,
        persistent: Vec<String>,
        recursive: Vec<String>,
    },
    /// Does this connection watch a znode? `kind` is the code of a [`super::WatcherType`].
    CheckWatches { path: String, kind: i32 },
    /// Stop watching a znode. `kind` is the code of a [`super::WatcherType`].
    RemoveWatches { path: String, kind: i32 },
    /// Watch a znode until the watch is removed. `mode` is the code of a [`super::AddWatchMode`].
    AddWatch { path: String, mode: i32 },
    /// Keep the session alive.
    Ping,
    /// End the session.
    CloseSession,
}

/// Why a request frame was not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// There is not even a header: close the connection.
    #[error("no request header: {0}")]
    Header(JuteError),
    /// The body is malformed: answer MarshallingError or close the connection, as the real server does.
    #[error("{0:?}: {1}")]
    Body(RequestHeader, JuteError),
    /// No operation of ours: answer Unimplemented.
    #[error("operation {} is not implemented", .0.operation)]
    Unimplemented(RequestHeader),
}

impl From<Operation> for Request {
    fn from(operation: Operation) -> Self {
        Self::Write(operation)
    }
}

impl Request {
    /// The operation asked for.
    pub const fn operation(&self) -> OpCode {
        match self {
            Self::Write(operation) => operation.operation(),
            Self::Exists { .. } => OpCode::Exists,
            Self::GetData { .. } => OpCode::GetData,
            Self::GetAcl { .. } => OpCode::GetAcl,
            Self::SetAcl { .. } => OpCode::SetAcl,
            Self::GetChildren { .. } => OpCode::GetChildren,
            Self::GetChildren2 { .. } => OpCode::GetChildren2,
            Self::Sync { .. } => OpCode::Sync,
            Self::Multi(_) => OpCode::Multi,
            Self::Auth { .. } => OpCode::Auth,
            Self::SetWatches { .. } => OpCode::SetWatches,
            Self::SetWatches2 { .. } => OpCode::SetWatches2,
            Self::CheckWatches { .. } => OpCode::CheckWatches,
            Self::RemoveWatches { .. } => OpCode::RemoveWatches,
            Self::AddWatch { .. } => OpCode::AddWatch,
            Self::Ping => OpCode::Ping,
            Self::CloseSession => OpCode::CloseSession,
        }
    }

    /// Appends the body, without a header.
    pub fn put(&self, encoder: &mut Encoder) {
        match self {
            Self::Write(operation) => operation.put(encoder),
            Self::Exists { path, watch }
            | Self::GetData { path, watch }
            | Self::GetChildren { path, watch }
            | Self::GetChildren2 { path, watch } => {
                encoder.ustring(path);
                encoder.bool(*watch);
            }
            Self::GetAcl { path } | Self::Sync { path } => encoder.ustring(path),
            Self::SetAcl { path, acl, version } => {
                encoder.ustring(path);
                encoder.vector(acl, |encoder, acl| acl.put(encoder));
                encoder.int(*version);
            }
            Self::Multi(operations) => multi::put_operations(encoder, operations),
            Self::Auth { kind, scheme, auth } => {
                encoder.int(*kind);
                encoder.ustring(scheme);
                encoder.buffer(auth.as_deref());
            }
            Self::SetWatches { relative_zxid, data, exist, child } => {
                encoder.long(*relative_zxid);
                for paths in [data, exist, child] {
                    encoder.vector(paths, |encoder, path| encoder.ustring(path));
                }
            }
            Self::SetWatches2 { relative_zxid, data, exist, child, persistent, recursive } => {
                encoder.long(*relative_zxid);
                for paths in [data, exist, child, persistent, recursive] {
                    encoder.vector(paths, |encoder, path| encoder.ustring(path));
                }
            }
            Self::CheckWatches { path, kind: code }
            | Self::RemoveWatches { path, kind: code }
            | Self::AddWatch { path, mode: code } => {
                encoder.ustring(path);
                encoder.int(*code);
            }
            Self::Ping | Self::CloseSession => {}
        }
    }

    /// Reads the body of this operation; none if it is no operation of ours.
    ///
    /// # Errors
    /// If the bytes are not such a body. Bytes after it are ignored.
    pub fn get(operation: i32, decoder: &mut Decoder) -> Result<Option<Self>, JuteError> {
        let Some(operation) = OpCode::from_code(operation) else { return Ok(None) };
        Ok(Some(match operation {
            OpCode::Create | OpCode::Create2 | OpCode::Delete | OpCode::SetData | OpCode::Check => {
                Self::Write(Operation::get(operation.code(), decoder)?)
            }
            OpCode::Exists => Self::Exists { path: decoder.ustring()?, watch: decoder.bool()? },
            OpCode::GetData => Self::GetData { path: decoder.ustring()?, watch: decoder.bool()? },
            OpCode::GetChildren => Self::GetChildren { path: decoder.ustring()?, watch: decoder.bool()? },
            OpCode::GetChildren2 => Self::GetChildren2 { path: decoder.ustring()?, watch: decoder.bool()? },
            OpCode::GetAcl => Self::GetAcl { path: decoder.ustring()? },
            OpCode::SetAcl => {
                Self::SetAcl { path: decoder.ustring()?, acl: decoder.vector(Acl::get)?, version: decoder.int()? }
            }
            OpCode::Sync => Self::Sync { path: decoder.ustring()? },
            OpCode::Multi => Self::Multi(multi::get_operations(decoder)?),
            OpCode::Auth => Self::Auth { kind: decoder.int()?, scheme: decoder.ustring()?, auth: decoder.buffer()? },
            OpCode::SetWatches => Self::SetWatches {
                relative_zxid: decoder.long()?,
                data: decoder.vector(Decoder::ustring)?,
                exist: decoder.vector(Decoder::ustring)?,
                child: decoder.vector(Decoder::ustring)?,
            },
            OpCode::SetWatches2 => Self::SetWatches2 {
                relative_zxid: decoder.long()?,
                data: decoder.vector(Decoder::ustring)?,
                exist: decoder.vector(Decoder::ustring)?,
                child: decoder.vector(Decoder::ustring)?,
                persistent: decoder.vector(Decoder::ustring)?,
                recursive: decoder.vector(Decoder::ustring)?,
            },
            OpCode::CheckWatches => Self::CheckWatches { path: decoder.ustring()?, kind: decoder.int()? },
            OpCode::RemoveWatches => Self::RemoveWatches { path: decoder.ustring()?, kind: decoder.int()? },
            OpCode::AddWatch => Self::AddWatch { path: decoder.ustring()?, mode: decoder.int()? },
            OpCode::Ping => Self::Ping,
            OpCode::CloseSession => Self::CloseSession,
            OpCode::Notification | OpCode::CreateSession | OpCode::Error => return Ok(None),
        }))
    }
}

/// A request as a frame.
pub fn encode_request(xid: i32, request: &Request) -> Bytes {
    let mut encoder = Encoder::frame();
    RequestHeader { xid, operation: request.operation().code() }.put(&mut encoder);
    request.put(&mut encoder);
    encoder.finish()
}

/// Reads a request frame (but not the first of a connection, which is a [`super::ConnectRequest`]).
///
/// # Errors
/// See [`RequestError`] for what each deserves.
pub fn decode_request(frame: Bytes) -> Result<(RequestHeader, Request), RequestError> {
    let mut decoder = Decoder::from_frame(frame).map_err(RequestError::Header)?;
    let header = RequestHeader::get(&mut decoder).map_err(RequestError::Header)?;
    match Request::get(header.operation, &mut decoder) {
        Ok(Some(request)) => Ok((header, request)),
        Ok(None) => Err(RequestError::Unimplemented(header)),
        Err(error) => Err(RequestError::Body(header, error)),
    }
}
