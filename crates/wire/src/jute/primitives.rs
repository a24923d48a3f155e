//! Jute's primitive types. All integers are big-endian; strings, buffers and vectors come after a 32-bit length, -1 for
//! null.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::frame::{PREFIX, read_i32};

/// Bytes that do not hold what jute promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed jute: {0}")]
pub struct JuteError(pub &'static str);

const SHORT: JuteError = JuteError("fewer bytes than declared");

/// Reads primitives; buffers it hands out share the memory of what was received.
#[derive(Debug, Clone)]
pub struct Decoder {
    bytes: Bytes,
}

impl Decoder {
    /// Starts at the first byte (of a message without its prefix).
    pub const fn new(bytes: Bytes) -> Self {
        Self { bytes }
    }

    /// Starts after the prefix of a whole frame. Bytes beyond the declared length are dropped.
    ///
    /// # Errors
    /// If the frame is shorter than its prefix says.
    pub fn from_frame(frame: Bytes) -> Result<Self, JuteError> {
        let length = read_i32(&frame, 0).ok_or(JuteError("no length prefix"))?;
        let length = usize::try_from(length).map_err(|_| JuteError("negative frame length"))?;
        if length > frame.len() - PREFIX {
            return Err(JuteError("frame shorter than its prefix says"));
        }
        Ok(Self::new(frame.slice(PREFIX..PREFIX + length)))
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// The unread rest.
    pub fn into_rest(self) -> Bytes {
        self.bytes
    }

    /// Reads one byte.
    pub fn byte(&mut self) -> Result<u8, JuteError> {
        self.bytes.try_get_u8().map_err(|_| SHORT)
    }

    /// Reads a boolean: any byte but zero is true.
    pub fn bool(&mut self) -> Result<bool, JuteError> {
        Ok(self.byte()? != 0)
    }

    /// Reads a 32-bit integer.
    pub fn int(&mut self) -> Result<i32, JuteError> {
        self.bytes.try_get_i32().map_err(|_| SHORT)
    }

    /// Reads a 64-bit integer.
    pub fn long(&mut self) -> Result<i64, JuteError> {
        self.bytes.try_get_i64().map_err(|_| SHORT)
    }

    /// Reads a buffer; none if it is null.
    pub fn buffer(&mut self) -> Result<Option<Bytes>, JuteError> {
        match self.int()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| JuteError("negative length"))?;
                if length > self.remaining() {
                    return Err(SHORT);
                }
                Ok(Some(self.bytes.split_to(length)))
            }
        }
    }

    /// Reads a string; none if it is null.
    pub fn nullable_ustring(&mut self) -> Result<Option<String>, JuteError> {
        let Some(bytes) = self.buffer()? else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).map_err(|_| JuteError("string is not UTF-8"))?;
        Ok(Some(text.to_owned()))
    }

    /// Reads a string that must not be null.
    pub fn ustring(&mut self) -> Result<String, JuteError> {
        self.nullable_ustring()?.ok_or(JuteError("null where a string is required"))
    }

    /// Reads a vector (null counts as empty); no more elements than bytes left, and memory only for what is really there.
    pub fn vector<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, JuteError>,
    ) -> Result<Vec<T>, JuteError> {
        let count = match self.int()? {
            -1 => 0,
            count => usize::try_from(count).map_err(|_| JuteError("negative vector length"))?,
        };
        if count > self.remaining() {
            return Err(JuteError("more vector elements than bytes"));
        }
        let mut elements = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(elements)
    }
}

/// Writes primitives.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: BytesMut,
    framed: bool,
}

impl Encoder {
    /// Starts a bare message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a frame: [`Encoder::finish`] will fill in its prefix.
    pub fn frame() -> Self {
        let mut bytes = BytesMut::with_capacity(128);
        bytes.put_i32(0);
        Self { bytes, framed: true }
    }

    /// Writes one byte.
    pub fn byte(&mut self, value: u8) {
        self.bytes.put_u8(value);
    }

    /// Writes a boolean as one byte.
    pub fn bool(&mut self, value: bool) {
        self.bytes.put_u8(u8::from(value));
    }

    /// Writes a 32-bit integer.
    pub fn int(&mut self, value: i32) {
        self.bytes.put_i32(value);
    }

    /// Writes a 64-bit integer.
    pub fn long(&mut self, value: i64) {
        self.bytes.put_i64(value);
    }

    /// Writes a buffer; none as null.
    pub fn buffer(&mut self, value: Option<&[u8]>) {
        let Some(value) = value else { return self.int(-1) };
        self.length(value.len());
        self.bytes.put_slice(value);
    }

    /// Writes a string.
    pub fn ustring(&mut self, value: &str) {
        self.buffer(Some(value.as_bytes()));
    }

    /// Writes a vector.
    pub fn vector<T>(&mut self, values: &[T], mut element: impl FnMut(&mut Self, &T)) {
        self.length(values.len());
        for value in values {
            element(self, value);
        }
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.put_slice(bytes);
    }

    fn length(&mut self, length: usize) {
        self.int(i32::try_from(length).expect("a message is under 2 GiB"));
    }

    /// The finished message or frame.
    pub fn finish(mut self) -> Bytes {
        if self.framed {
            let length = i32::try_from(self.bytes.len() - PREFIX).expect("a message is under 2 GiB");
            (&mut self.bytes[..PREFIX]).put_i32(length);
        }
        self.bytes.freeze()
    }
}
