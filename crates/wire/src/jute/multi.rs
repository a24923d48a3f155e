//! Operations that write, alone or several in one multi. There each operation, and each result, goes after a header that
//! names it, and a last header says done.

use bytes::Bytes;

use super::code::OpCode;
use super::primitives::{Decoder, Encoder, JuteError};
use super::record::{Acl, Stat};

/// An operation that may be part of a multi. Paths are not validated here; versions are -1 for any.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are ZooKeeper's own and say what they are")]
pub enum Operation {
    /// Create a znode. `flags` is the code of a [`super::CreateMode`].
    Create { path: String, data: Option<Bytes>, acl: Vec<Acl>, flags: i32 },
    /// Create a znode; the result has its stat.
    Create2 { path: String, data: Option<Bytes>, acl: Vec<Acl>, flags: i32 },
    /// Delete a znode.
    Delete { path: String, version: i32 },
    /// Write a znode's data.
    SetData { path: String, data: Option<Bytes>, version: i32 },
    /// Check a znode's version.
    Check { path: String, version: i32 },
}

/// The result of one operation. If one of a multi fails, none takes effect and all results are errors: `Ok` (0) before the one that
/// failed, its own error, and RuntimeInconsistency after it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are ZooKeeper's own and say what they are")]
pub enum OperationResult {
    /// Created, under this path (sequential znodes have their number appended).
    Create { path: String },
    /// Created, under this path, with this stat.
    Create2 { path: String, stat: Stat },
    /// Deleted.
    Delete,
    /// Written.
    SetData { stat: Stat },
    /// The version is as expected.
    Check,
    /// The multi failed: code of a [`super::ErrorCode`].
    Error(i32),
}

/// Goes before each operation and result, and after the last.
struct MultiHeader {
    operation: i32,
    done: bool,
    error: i32,
}

impl MultiHeader {
    const END: Self = Self { operation: -1, done: true, error: -1 };

    fn put(&self, encoder: &mut Encoder) {
        encoder.int(self.operation);
        encoder.bool(self.done);
        encoder.int(self.error);
    }

    fn get(decoder: &mut Decoder) -> Result<Self, JuteError> {
        Ok(Self { operation: decoder.int()?, done: decoder.bool()?, error: decoder.int()? })
    }
}

impl Operation {
    /// Which operation.
    pub const fn operation(&self) -> OpCode {
        match self {
            Self::Create { .. } => OpCode::Create,
            Self::Create2 { .. } => OpCode::Create2,
            Self::Delete { .. } => OpCode::Delete,
            Self::SetData { .. } => OpCode::SetData,
            Self::Check { .. } => OpCode::Check,
        }
    }

    /// The znode meant.
    pub fn path(&self) -> &str {
        match self {
            Self::Create { path, .. }
            | Self::Create2 { path, .. }
            | Self::Delete { path, .. }
            | Self::SetData { path, .. }
            | Self::Check { path, .. } => path,
        }
    }

    pub(super) fn put(&self, encoder: &mut Encoder) {
        match self {
            Self::Create { path, data, acl, flags } | Self::Create2 { path, data, acl, flags } => {
                encoder.ustring(path);
                encoder.buffer(data.as_deref());
                encoder.vector(acl, |encoder, acl| acl.put(encoder));
                encoder.int(*flags);
            }
            Self::Delete { path, version } | Self::Check { path, version } => {
                encoder.ustring(path);
                encoder.int(*version);
            }
            Self::SetData { path, data, version } => {
                encoder.ustring(path);
                encoder.buffer(data.as_deref());
                encoder.int(*version);
            }
        }
    }

    pub(super) fn get(operation: i32, decoder: &mut Decoder) -> Result<Self, JuteError> {
        let path = decoder.ustring()?;
        Ok(match OpCode::from_code(operation) {
            Some(OpCode::Create) => {
                Self::Create { path, data: decoder.buffer()?, acl: decoder.vector(Acl::get)?, flags: decoder.int()? }
            }
            Some(OpCode::Create2) => {
                Self::Create2 { path, data: decoder.buffer()?, acl: decoder.vector(Acl::get)?, flags: decoder.int()? }
            }
            Some(OpCode::Delete) => Self::Delete { path, version: decoder.int()? },
            Some(OpCode::Check) => Self::Check { path, version: decoder.int()? },
            Some(OpCode::SetData) => Self::SetData { path, data: decoder.buffer()?, version: decoder.int()? },
            _ => return Err(JuteError("operation not allowed in a multi")),
        })
    }
}

impl OperationResult {
    /// Which operation; [`OpCode::Error`] for an error.
    pub const fn operation(&self) -> OpCode {
        match self {
            Self::Create { .. } => OpCode::Create,
            Self::Create2 { .. } => OpCode::Create2,
            Self::Delete => OpCode::Delete,
            Self::SetData { .. } => OpCode::SetData,
            Self::Check => OpCode::Check,
            Self::Error(_) => OpCode::Error,
        }
    }

    pub(super) fn put(&self, encoder: &mut Encoder) {
        match self {
            Self::Create { path } => encoder.ustring(path),
            Self::Create2 { path, stat } => {
                encoder.ustring(path);
                stat.put(encoder);
            }
            Self::SetData { stat } => stat.put(encoder),
            Self::Delete | Self::Check => {}
            Self::Error(error) => encoder.int(*error),
        }
    }

    pub(super) fn get(operation: i32, decoder: &mut Decoder) -> Result<Self, JuteError> {
        Ok(match OpCode::from_code(operation) {
            Some(OpCode::Create) => Self::Create { path: decoder.ustring()? },
            Some(OpCode::Create2) => Self::Create2 { path: decoder.ustring()?, stat: Stat::get(decoder)? },
            Some(OpCode::Delete) => Self::Delete,
            Some(OpCode::Check) => Self::Check,
            Some(OpCode::SetData) => Self::SetData { stat: Stat::get(decoder)? },
            Some(OpCode::Error) => Self::Error(decoder.int()?),
            _ => return Err(JuteError("result of an operation not allowed in a multi")),
        })
    }
}

pub(super) fn put_operations(encoder: &mut Encoder, operations: &[Operation]) {
    for operation in operations {
        MultiHeader { operation: operation.operation().code(), done: false, error: -1 }.put(encoder);
        operation.put(encoder);
    }
    MultiHeader::END.put(encoder);
}

pub(super) fn get_operations(decoder: &mut Decoder) -> Result<Vec<Operation>, JuteError> {
    until_done(decoder, Operation::get)
}

pub(super) fn put_results(encoder: &mut Encoder, results: &[OperationResult]) {
    for result in results {
        let error = if let OperationResult::Error(error) = result { *error } else { 0 };
        MultiHeader { operation: result.operation().code(), done: false, error }.put(encoder);
        result.put(encoder);
    }
    MultiHeader::END.put(encoder);
}

pub(super) fn get_results(decoder: &mut Decoder) -> Result<Vec<OperationResult>, JuteError> {
    until_done(decoder, OperationResult::get)
}

fn until_done<T>(
    decoder: &mut Decoder,
    get: impl Fn(i32, &mut Decoder) -> Result<T, JuteError>,
) -> Result<Vec<T>, JuteError> {
    let mut items = Vec::new();
    loop {
        let header = MultiHeader::get(decoder)?;
        if header.done {
            return Ok(items);
        }
        items.push(get(header.operation, decoder)?);
    }
}
