//! Inflating compressed records, never beyond a limit.

use std::io::Read;

use bytes::{Buf, Bytes};

use super::BatchError;

/// The largest size that the records of one batch may inflate to, in bytes: a batch could not have been sent
/// uncompressed either, had it been larger than a frame.
pub const MAXIMUM_INFLATED: usize = crate::kafka::MAXIMUM_FRAME;

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Compression {
    /// Not at all.
    None = 0,
    /// gzip.
    Gzip = 1,
    /// Snappy, in the framing of snappy-java or raw.
    Snappy = 2,
    /// LZ4 frames.
    Lz4 = 3,
    /// Zstandard.
    Zstd = 4,
}

impl Compression {
    pub(super) const fn from_attributes(attributes: i16) -> Result<Self, BatchError> {
        Ok(match attributes & 7 {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            other => return Err(BatchError::CompressionType(other as u8)),
        })
    }

    /// Kafka's name, as in `compression.type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Inflates records to at most [`MAXIMUM_INFLATED`] bytes.
    pub(super) fn inflate(self, records: Bytes) -> Result<Bytes, BatchError> {
        match self {
            Self::None => Ok(records),
            Self::Gzip => read_all(flate2::read::MultiGzDecoder::new(records.reader())),
            Self::Snappy => snappy(&records),
            Self::Lz4 => read_all(lz4::Decoder::new(records.reader()).map_err(|_| CORRUPT)?),
            Self::Zstd => read_all(zstd::stream::read::Decoder::new(records.reader()).map_err(|_| CORRUPT)?),
        }
    }
}

const CORRUPT: BatchError = BatchError::Compression("corrupt");
const TOO_LARGE: BatchError = BatchError::Compression("inflates to more than a frame");

/// Grows only with what has really been inflated.
fn read_all(decoder: impl Read) -> Result<Bytes, BatchError> {
    let mut inflated = Vec::new();
    decoder.take(MAXIMUM_INFLATED as u64 + 1).read_to_end(&mut inflated).map_err(|_| CORRUPT)?;
    if inflated.len() > MAXIMUM_INFLATED { Err(TOO_LARGE) } else { Ok(inflated.into()) }
}

/// Java clients wrap blocks in snappy-java's framing: 8 bytes of magic, two versions, then blocks, each after its length.
const SNAPPY_JAVA: &[u8] = b"\x82SNAPPY\0";
const SNAPPY_JAVA_HEADER: usize = 16;

fn snappy(records: &[u8]) -> Result<Bytes, BatchError> {
    let mut inflated = Vec::new();
    if !records.starts_with(SNAPPY_JAVA) {
        snappy_block(records, &mut inflated)?;
        return Ok(inflated.into());
    }
    let mut rest = records.get(SNAPPY_JAVA_HEADER..).ok_or(CORRUPT)?;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| CORRUPT)?;
        let (block, after) = after.split_at_checked(length).ok_or(CORRUPT)?;
        snappy_block(block, &mut inflated)?;
        rest = after;
    }
    if rest.is_empty() { Ok(inflated.into()) } else { Err(CORRUPT) }
}

fn snappy_block(block: &[u8], inflated: &mut Vec<u8>) -> Result<(), BatchError> {
    let length = snap::raw::decompress_len(block).map_err(|_| CORRUPT)?;
    // A block declares its size. No element of Snappy's format yields more than 64 bytes from 2.
    if length > block.len().saturating_mul(32) {
        return Err(CORRUPT);
    }
    let start = inflated.len();
    if start + length > MAXIMUM_INFLATED {
        return Err(TOO_LARGE);
    }
    inflated.resize(start + length, 0);
    snap::raw::Decoder::new().decompress(block, &mut inflated[start..]).map_err(|_| CORRUPT)?;
    Ok(())
}
