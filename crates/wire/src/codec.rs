//! Kafka's primitive types, read and written by hand: for record batches and for messages kafka-protocol lacks.

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;
use thiserror::Error;
use uuid::Uuid;

/// Bytes that do not hold what their format promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed bytes: {0}")]
pub struct Malformed(pub &'static str);

const SHORT: Malformed = Malformed("fewer bytes than declared");

/// A cursor over received bytes; slices it hands out share their memory.
#[derive(Debug, Clone)]
pub struct Reader {
    bytes: Bytes,
    position: usize,
}

impl Reader {
    /// Starts at the first byte.
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The unread rest, shared.
    pub fn rest(&self) -> Bytes {
        self.bytes.slice(self.position..)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let end = self.position + N;
        let bytes = self.bytes.get(self.position..end).ok_or(SHORT)?;
        self.position = end;
        Ok(bytes.try_into().expect("the slice has length N"))
    }

    /// Reads one byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        let byte = *self.bytes.get(self.position).ok_or(SHORT)?;
        self.position += 1;
        Ok(byte)
    }

    /// Reads one signed byte.
    pub fn i8(&mut self) -> Result<i8, Malformed> {
        Ok(self.u8()? as i8)
    }

    /// Reads a boolean: any byte but zero is true.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        Ok(self.u8()? != 0)
    }

    /// Reads a big-endian 16-bit integer.
    pub fn i16(&mut self) -> Result<i16, Malformed> {
        self.array().map(i16::from_be_bytes)
    }

    /// Reads a big-endian 32-bit integer.
    pub fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    /// Reads a big-endian 64-bit integer.
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    /// Reads a UUID (16 bytes).
    pub fn uuid(&mut self) -> Result<Uuid, Malformed> {
        self.array().map(Uuid::from_bytes)
    }

    /// Reads an unsigned 32-bit varint (at most five bytes).
    pub fn unsigned_varint(&mut self) -> Result<u32, Malformed> {
        let value = self.base128(5)?;
        u32::try_from(value).map_err(|_| Malformed("varint over 32 bits"))
    }

    /// Reads a zigzag 32-bit varint, as records use for lengths and offsets.
    pub fn varint(&mut self) -> Result<i32, Malformed> {
        let value = self.unsigned_varint()?;
        Ok((value >> 1) as i32 ^ -((value & 1) as i32))
    }

    /// Reads a zigzag 64-bit varint, as records use for timestamps.
    pub fn varlong(&mut self) -> Result<i64, Malformed> {
        let value = self.base128(10)?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn base128(&mut self, maximum: usize) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for (index, &byte) in self.bytes[self.position..].iter().take(maximum).enumerate() {
            value |= u64::from(byte & 0x7f) << (index * 7);
            if byte < 0x80 {
                self.position += index + 1;
                return Ok(value);
            }
        }
        Err(Malformed("varint without an end"))
    }

    /// Takes `length` bytes, sharing their memory.
    pub fn take(&mut self, length: usize) -> Result<Bytes, Malformed> {
        if length > self.remaining() {
            return Err(SHORT);
        }
        let start = self.position;
        self.position += length;
        Ok(self.bytes.slice_ref(&self.bytes[start..self.position]))
    }

    /// Takes bytes whose length is a zigzag varint; -1 is null.
    pub fn varint_bytes(&mut self) -> Result<Option<Bytes>, Malformed> {
        match self.varint()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| Malformed("negative length"))?;
                self.take(length).map(Some)
            }
        }
    }

    /// Reads a nullable string whose length is an `i16` (-1 is null).
    pub fn nullable_string(&mut self) -> Result<Option<StrBytes>, Malformed> {
        match self.i16()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| Malformed("negative string length"))?;
                text(self.take(length)?).map(Some)
            }
        }
    }

    /// Reads a nullable compact string.
    pub fn compact_nullable_string(&mut self) -> Result<Option<StrBytes>, Malformed> {
        match self.unsigned_varint()? {
            0 => Ok(None),
            length => text(self.take(length as usize - 1)?).map(Some),
        }
    }

    /// Reads a compact string that must not be null.
    pub fn compact_string(&mut self) -> Result<StrBytes, Malformed> {
        self.compact_nullable_string()?.ok_or(Malformed("null where a string is required"))
    }

    /// Reads a compact array that must not be null. Kafka's own rule bounds it: no more elements than bytes left.
    pub fn compact_array<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.unsigned_varint()? as usize;
        let count = count.checked_sub(1).ok_or(Malformed("null where an array is required"))?;
        if count > self.remaining() {
            return Err(Malformed("more array elements than bytes"));
        }
        let mut elements = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    /// Skips a section of tagged fields.
    pub fn tagged_fields(&mut self) -> Result<(), Malformed> {
        for _ in 0..self.unsigned_varint()? {
            self.unsigned_varint()?;
            let length = self.unsigned_varint()? as usize;
            self.take(length)?;
        }
        Ok(())
    }
}

fn text(bytes: Bytes) -> Result<StrBytes, Malformed> {
    StrBytes::from_utf8(bytes).map_err(|_| Malformed("string is not UTF-8"))
}

/// The mirror image of [`Reader`].
#[derive(Debug, Default)]
pub struct Writer {
    /// What has been written so far.
    pub bytes: Vec<u8>,
}

impl Writer {
    /// Starts empty, with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    /// Writes one signed byte.
    pub fn i8(&mut self, value: i8) {
        self.bytes.push(value as u8);
    }

    /// Writes a boolean as one byte.
    pub fn bool(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    /// Writes a big-endian 16-bit integer.
    pub fn i16(&mut self, value: i16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes a big-endian 32-bit integer.
    pub fn i32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes a big-endian 64-bit integer.
    pub fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Writes a UUID (16 bytes).
    pub fn uuid(&mut self, value: Uuid) {
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// Writes an unsigned varint.
    pub fn unsigned_varint(&mut self, value: u32) {
        self.base128(u64::from(value));
    }

    /// Writes a zigzag 32-bit varint.
    pub fn varint(&mut self, value: i32) {
        self.base128(u64::from(((value << 1) ^ (value >> 31)) as u32));
    }

    /// Writes a zigzag 64-bit varint.
    pub fn varlong(&mut self, value: i64) {
        self.base128(((value << 1) ^ (value >> 63)) as u64);
    }

    fn base128(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Writes nullable bytes after their length as a zigzag varint.
    pub fn varint_bytes(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.varint(-1),
            Some(value) => {
                self.varint(i32::try_from(value.len()).expect("a record is under 2 GiB"));
                self.bytes.extend_from_slice(value);
            }
        }
    }

    /// Writes a nullable string after its `i16` length.
    ///
    /// # Panics
    /// If the string is longer than 32767 bytes.
    pub fn nullable_string(&mut self, value: Option<&str>) {
        match value {
            None => self.i16(-1),
            Some(value) => {
                self.i16(i16::try_from(value.len()).expect("the string is under 32 KiB"));
                self.bytes.extend_from_slice(value.as_bytes());
            }
        }
    }

    /// Writes a nullable compact string.
    pub fn compact_nullable_string(&mut self, value: Option<&str>) {
        let Some(value) = value else { return self.unsigned_varint(0) };
        self.compact_length(value.len());
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// Writes a compact string.
    pub fn compact_string(&mut self, value: &str) {
        self.compact_nullable_string(Some(value));
    }

    /// Writes a compact array.
    pub fn compact_array<T>(&mut self, values: &[T], mut element: impl FnMut(&mut Self, &T)) {
        self.compact_length(values.len());
        for value in values {
            element(self, value);
        }
    }

    fn compact_length(&mut self, length: usize) {
        self.unsigned_varint(u32::try_from(length + 1).expect("a message is under 4 GiB"));
    }

    /// Writes an empty section of tagged fields.
    pub fn tagged_fields(&mut self) {
        self.unsigned_varint(0);
    }
}

/// Length in bytes of `value` as a zigzag 64-bit varint; a 32-bit one has the same length.
pub(crate) fn varlong_length(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    (64 - (zigzag | 1).leading_zeros() as usize).div_ceil(7)
}
