//! Record batches, as producers send them and as disks give them back.

use bytes::Bytes;
use wire::batch::{BatchHeader, HEADER_LENGTH, batches, record_iterator, records, verify_crc};

/// Splits the input into batches and reads their records; once as it is, once with the checksum mended, since no fuzzer finds
/// a CRC by chance.
///
/// # Panics
/// If a header does not survive being written, or two ways to read records disagree.
pub fn record_batches(input: &[u8]) {
    read(Bytes::copy_from_slice(input));
    read(mended(input));
}

/// The first batch with a checksum that is right.
pub(crate) fn mended(input: &[u8]) -> Bytes {
    const CRC: std::ops::Range<usize> = 17..21;
    let mut bytes = input.to_vec();
    let length = BatchHeader::parse(input).map_or(input.len(), |header| header.total_length().min(input.len()));
    if length >= HEADER_LENGTH {
        let crc = crc32c::crc32c(&bytes[CRC.end..length]);
        bytes[CRC].copy_from_slice(&crc.to_be_bytes());
    }
    bytes.into()
}

fn read(bytes: Bytes) {
    if let Ok(header) = BatchHeader::parse(&bytes) {
        assert_eq!(header.to_bytes()[..], bytes[..HEADER_LENGTH], "a header survives");
    }
    for batch in batches(bytes) {
        let Ok(batch) = batch else { return };
        let _ = verify_crc(&batch.bytes);
        let Ok(iterator) = record_iterator(&batch.bytes) else {
            assert!(records(&batch.bytes).is_err());
            continue;
        };
        let one_by_one: Result<Vec<_>, _> = iterator.collect();
        if let Ok(all) = records(&batch.bytes) {
            assert_eq!(one_by_one, Ok(all));
        }
    }
}
