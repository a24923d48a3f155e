//! Keeps kafka-protocol from allocating by a length that a peer merely declares.
//!
//! Its array decoder reserves `declared length * size of element` before it reads the first element, so 5 bytes can
//! reserve 400 GB. Kafka's generated Java has the same shape and the rule we use: no more elements than bytes left.
//! The decoder is generic over its buffer, so the rule can live in the buffer:
//!
//! - An *unsigned varint* is a length, a tag or a count. One that exceeds the bytes left cannot be honest.
//! - A *32-bit integer* may be a length or just a number. A first pass replaces each that exceeds the bytes left by
//!   -2: harmless as a number (no number decides how the rest is read), refused as a length. Only if that pass
//!   succeeds does a second read the real values. Flexible versions have no 32-bit lengths and need no first pass.

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::Decodable;
use kafka_protocol::protocol::buf::ByteBuf;

use crate::codec::Malformed;

/// Decodes a body; what it allocates is in proportion to the bytes given. Bytes left over are ignored.
pub(crate) fn decode<T: Decodable>(bytes: Bytes, version: i16, flexible: bool) -> Result<T, Malformed> {
    const UNREADABLE: Malformed = Malformed("the body does not match its schema");
    if !flexible {
        let mut probe = Guarded { bytes: bytes.clone(), probing: true };
        T::decode(&mut probe, version).map_err(|_| UNREADABLE)?;
    }
    T::decode(&mut Guarded { bytes, probing: false }, version).map_err(|_| UNREADABLE)
}

/// A tag may be a larger number than there are bytes left: `[100, 0]` is an empty field 100. No tag comes near this.
const HIGHEST_TAG: usize = 128;

struct Guarded {
    bytes: Bytes,
    probing: bool,
}

impl Guarded {
    /// The unsigned varint that begins here, if a whole one does.
    fn peek_varint(&self) -> Option<u64> {
        let mut value = 0u64;
        for (index, byte) in self.bytes.iter().take(5).enumerate() {
            value |= u64::from(byte & 0x7f) << (index * 7);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

impl Buf for Guarded {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    // A varint is read byte by byte through this method. Checking at each of its bytes is sound: a later byte only
    // starts a smaller number. Booleans come this way too, but no encoder writes one with the high bit set.
    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let available = self.bytes.len();
        let first = *self.bytes.first().ok_or(TryGetError { requested: 1, available })?;
        if first >= 0x80 {
            let value = self.peek_varint().ok_or(TryGetError { requested: 5, available })?;
            let requested = usize::try_from(value).unwrap_or(usize::MAX);
            if requested > available + HIGHEST_TAG {
                return Err(TryGetError { requested, available });
            }
        }
        self.bytes.advance(1);
        Ok(first)
    }

    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        let available = self.bytes.len();
        let Some(bytes) = self.bytes.first_chunk::<4>() else {
            return Err(TryGetError { requested: 4, available });
        };
        let value = i32::from_be_bytes(*bytes);
        self.bytes.advance(4);
        let absurd = usize::try_from(value).is_ok_and(|length| length > self.bytes.len());
        Ok(if self.probing && absurd { -2 } else { value })
    }
}

impl ByteBuf for Guarded {
    fn peek_bytes(&mut self, range: std::ops::Range<usize>) -> Bytes {
        self.bytes.slice(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.bytes.split_to(size)
    }
}
