//! What a message body must be able to do, whoever defined it: kafka-protocol, or we ourselves.

use bytes::Bytes;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message};

use super::codec::EncodeError;
use super::guard;
use crate::codec::{Malformed, Writer};

/// The body of one request or response, at any of its versions.
pub(crate) trait Body: Sized {
    /// Versions that can be encoded and decoded: lowest and highest.
    const VERSIONS: (i16, i16);

    /// The version of the header that goes before this body.
    fn header_version(version: i16) -> i16;

    /// Exact or estimated size in bytes, to reserve memory once.
    fn size(&self, version: i16) -> usize;

    /// Appends the body.
    fn write(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError>;

    /// Reads the body; bytes left over are ignored. `flexible` if the version has compact lengths only (KIP-482).
    fn read(bytes: Bytes, version: i16, flexible: bool) -> Result<Self, Malformed>;
}

impl<T: Encodable + Decodable + HeaderVersion + Message> Body for T {
    const VERSIONS: (i16, i16) = (T::VERSIONS.min, T::VERSIONS.max);

    fn header_version(version: i16) -> i16 {
        <T as HeaderVersion>::header_version(version)
    }

    fn size(&self, version: i16) -> usize {
        self.compute_size(version).unwrap_or(0)
    }

    fn write(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {
        self.encode(&mut writer.bytes, version).map_err(|error| EncodeError::Field(error.to_string()))
    }

    fn read(bytes: Bytes, version: i16, flexible: bool) -> Result<Self, Malformed> {
        guard::decode(bytes, version, flexible)
    }
}
