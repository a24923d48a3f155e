//! Jute's primitives with the unsigned integers that zxids and sessions are, and nothing null.

use bytes::Bytes;
use wire::jute;

/// Bytes that end too early or hold no value of their type.
pub type Malformed = jute::JuteError;

/// Bytes that hold no value of their type.
pub const MALFORMED: Malformed = jute::JuteError("no such value");

/// Appends values.
pub struct Encoder(jute::Encoder);

impl Encoder {
    /// An empty message.
    pub fn new() -> Encoder {
        Encoder(jute::Encoder::new())
    }

    /// An empty frame: [`Encoder::finish`] fills in its length.
    pub fn frame() -> Encoder {
        Encoder(jute::Encoder::frame())
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.0.byte(value);
        self
    }

    /// Four bytes, unsigned.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.0.int(value as i32);
        self
    }

    /// Four bytes, signed.
    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.0.int(value);
        self
    }

    /// Eight bytes, unsigned.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.0.long(value as i64);
        self
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.0.long(value);
        self
    }

    /// Bytes behind their length.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.0.buffer(Some(value));
        self
    }

    /// Bytes behind their length, which is -1 if there are none.
    pub fn nullable_bytes(&mut self, value: Option<&[u8]>) -> &mut Self {
        self.0.buffer(value);
        self
    }

    /// Text behind its length.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.0.ustring(value);
        self
    }

    /// A list behind its length.
    pub fn list<T>(&mut self, values: &[T], mut element: impl FnMut(&mut Self, &T)) -> &mut Self {
        self.u32(values.len() as u32);
        values.iter().for_each(|value| element(self, value));
        self
    }

    /// What was written.
    pub fn finish(self) -> Bytes {
        self.0.finish()
    }
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder::new()
    }
}

/// Takes values in the order they were written.
pub struct Decoder(jute::Decoder);

impl Decoder {
    /// Reads `bytes` from their start.
    pub fn new(bytes: Bytes) -> Decoder {
        Decoder(jute::Decoder::new(bytes))
    }

    /// Reads a frame behind its length.
    ///
    /// # Errors
    /// If it is shorter than that.
    pub fn from_frame(frame: Bytes) -> Result<Decoder, Malformed> {
        jute::Decoder::from_frame(frame).map(Decoder)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.0.byte()
    }

    /// Four bytes, unsigned.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.0.int().map(|value| value as u32)
    }

    /// Four bytes, signed.
    pub fn i32(&mut self) -> Result<i32, Malformed> {
        self.0.int()
    }

    /// Eight bytes, unsigned.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.0.long().map(|value| value as u64)
    }

    /// Eight bytes, signed.
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        self.0.long()
    }

    /// Bytes behind their length.
    pub fn bytes(&mut self) -> Result<Bytes, Malformed> {
        self.0.buffer()?.ok_or(MALFORMED)
    }

    /// Bytes behind their length, or none.
    pub fn nullable_bytes(&mut self) -> Result<Option<Bytes>, Malformed> {
        self.0.buffer()
    }

    /// Whether all has been taken.
    pub fn is_empty(&self) -> bool {
        self.0.remaining() == 0
    }

    /// Text behind its length.
    pub fn text(&mut self) -> Result<String, Malformed> {
        self.0.ustring()
    }

    /// A list behind its length; each element takes at least one byte, so a lying length cannot make it allocate.
    pub fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> Result<T, Malformed>) -> Result<Vec<T>, Malformed> {
        let count = self.u32()? as usize;
        if count > self.0.remaining() {
            return Err(MALFORMED);
        }
        (0..count).map(|_| element(self)).collect()
    }
}
