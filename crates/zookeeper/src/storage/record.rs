//! The bytes of a log segment: length, CRC, zxid, payload, again and again.

use bytes::{BufMut, Bytes, BytesMut};

use crate::types::Zxid;
use crate::zab::Entry;

const HEADER: usize = 4 + 4 + 8;

/// The record of an entry.
pub(super) fn encode(entry: &Entry) -> Bytes {
    let mut record = BytesMut::with_capacity(HEADER + entry.payload.len());
    record.put_u32(u32::try_from(entry.payload.len()).expect("a transaction fits into a frame"));
    record.put_u32(checksum(entry.zxid, &entry.payload));
    record.put_u64(entry.zxid.0);
    record.put_slice(&entry.payload);
    record.freeze()
}

fn checksum(zxid: Zxid, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&zxid.0.to_be_bytes()), payload)
}

/// The entries that a segment begins with, each with the position where its record ends. What follows the last one is torn:
/// a power loss may keep any part of what was not fsynced.
pub(super) fn decode(mut segment: Bytes) -> Vec<(Entry, u64)> {
    let mut entries: Vec<(Entry, u64)> = Vec::new();
    let mut end = 0;
    while let Some(entry) = next(&segment) {
        let length = HEADER + entry.payload.len();
        if entries.last().is_some_and(|(last, _)| last.zxid >= entry.zxid) {
            break;
        }
        segment = segment.slice(length..);
        end += length as u64;
        entries.push((entry, end));
    }
    entries
}

fn next(bytes: &Bytes) -> Option<Entry> {
    let field =
        |at: usize| bytes.get(at..at + 4).map(|field| u32::from_be_bytes(field.try_into().expect("four bytes")));
    let (length, crc) = (field(0)? as usize, field(4)?);
    let zxid = Zxid(u64::from(field(8)?) << 32 | u64::from(field(12)?));
    let end = HEADER.checked_add(length)?;
    // No transaction is empty; a page of zeros, which a torn tail may be, would read as one.
    if length == 0 || end > bytes.len() {
        return None;
    }
    let payload = bytes.slice(HEADER..end);
    (checksum(zxid, &payload) == crc).then_some(Entry { zxid, payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(counters: &[u32]) -> (Vec<Entry>, Vec<u8>) {
        let entry = |counter: &u32| Entry { zxid: Zxid::new(1, *counter), payload: Bytes::from(vec![7; 10]) };
        let entries: Vec<Entry> = counters.iter().map(entry).collect();
        let bytes = entries.iter().flat_map(|entry| encode(entry).to_vec()).collect();
        (entries, bytes)
    }

    fn decoded(bytes: &[u8]) -> Vec<Entry> {
        decode(Bytes::copy_from_slice(bytes)).into_iter().map(|(entry, _)| entry).collect()
    }

    #[test]
    fn a_torn_tail_ends_the_log_before_it() {
        let (entries, bytes) = segment(&[1, 2, 3]);
        let record = bytes.len() / 3;
        for length in 0..=bytes.len() {
            assert_eq!(decoded(&bytes[..length]), entries[..length / record], "cut at {length}");
        }
        let mut zeros = bytes.clone();
        zeros.extend([0; 100]);
        assert_eq!(decoded(&zeros), entries);
    }

    #[test]
    fn a_flipped_bit_ends_the_log_before_it() {
        let (entries, bytes) = segment(&[1, 2, 3]);
        let record = bytes.len() / 3;
        for position in 0..bytes.len() {
            let mut rotten = bytes.clone();
            rotten[position] ^= 1;
            assert_eq!(decoded(&rotten), entries[..position / record], "flipped at {position}");
        }
    }

    #[test]
    fn a_zxid_that_goes_back_ends_the_log() {
        let (entries, bytes) = segment(&[1, 3, 2]);
        assert_eq!(decoded(&bytes), entries[..2]);
    }
}
