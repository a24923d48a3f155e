//! Batches one after the other, as in a segment or a Fetch response.

use bytes::{Buf, Bytes};

use super::{BatchError, BatchHeader};

/// One batch out of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its header.
    pub header: BatchHeader,
    /// The whole batch, header included, sharing memory with what it came from.
    pub bytes: Bytes,
}

/// Splits concatenated batches. A broker cuts a Fetch response at a byte limit, so a last batch may be incomplete: the
/// iterator then ends without an error, and [`Batches::remainder`] is not empty.
pub const fn batches(bytes: Bytes) -> Batches {
    Batches { rest: bytes, failed: false }
}

/// See [`batches`].
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
    failed: bool,
}

impl Batches {
    /// What has not been split off yet. After the last item: the partial trailing batch, or the malformed one.
    pub const fn remainder(&self) -> &Bytes {
        &self.rest
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match BatchHeader::parse(&self.rest) {
            Ok(header) if header.total_length() <= self.rest.len() => {
                let bytes = self.rest.slice(..header.total_length());
                self.rest.advance(bytes.len());
                Some(Ok(Batch { header, bytes }))
            }
            Ok(_) | Err(BatchError::Truncated { .. }) => None,
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}
