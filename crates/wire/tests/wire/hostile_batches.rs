//! Any bytes into every decoder of batches.

use bytes::Bytes;
use odradek_wire::batch::{
    BatchBuilder, BatchError, BatchHeader, batches, record_iterator, records, set_append_time, verify_crc,
};
use proptest::prelude::*;

use crate::allocation::peak;
use crate::{cases, samples};

fn everything(bytes: &Bytes) {
    let _ = BatchHeader::parse(bytes)
        .map(|header| (header.last_offset(), header.next_offset(), header.last_sequence(), header.total_length()));
    let _ = verify_crc(bytes);
    let _ = records(bytes);
    let _ = record_iterator(bytes).map(Iterator::count);
    let _ = batches(bytes.clone()).count();
    let _ = set_append_time(&mut bytes.to_vec(), 1);
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn random_bytes_are_an_error_at_worst(mut bytes in prop::collection::vec(any::<u8>(), 0..300), sound: bool) {
        if sound && bytes.len() >= 61 {
            // A header that passes every check, before random records.
            let length = (bytes.len() - 12) as i32;
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            (bytes[16], bytes[22]) = (2, bytes[22] % 5);
            bytes[57..59].copy_from_slice(&[0, 0]);
        }
        let bytes = Bytes::from(bytes);
        let taken = peak(|| everything(&bytes));
        prop_assert!(taken < 1 << 20, "{taken} bytes");
    }

    #[test]
    fn a_mutated_batch_is_an_error_at_worst(at in 0..200usize, new: u8, cut in 0..200usize) {
        let mut bytes = samples::batch().to_vec();
        let at = at % bytes.len();
        bytes[at] = new;
        bytes.truncate(bytes.len() - cut % 4);
        let bytes = Bytes::from(bytes);
        let taken = peak(|| everything(&bytes));
        prop_assert!(taken < 1 << 20, "{taken} bytes");
    }
}

/// A batch with this record count and compression, and a CRC that fits.
fn forged(record_count: i32, compression: u8, body: &[u8]) -> Bytes {
    let mut bytes = BatchBuilder::default().build(0, 0).to_vec();
    bytes.extend_from_slice(body);
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[22] = compression;
    bytes[57..61].copy_from_slice(&record_count.to_be_bytes());
    let crc = crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

/// Bit by bit, as the standard defines CRC-32C: shares nothing with the crate in use.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!0u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[test]
fn a_valid_crc_over_two_billion_absent_records_reserves_nothing() {
    for record_count in [i32::MAX, 1_000_000] {
        let batch = forged(record_count, 0, b"junk");
        verify_crc(&batch).expect("the CRC fits");
        let taken = peak(|| assert!(matches!(records(&batch), Err(BatchError::Records(_)))));
        assert!(taken < 4_096, "{taken} bytes");
    }
}

#[test]
fn a_negative_record_count_is_an_error() {
    assert_eq!(records(&forged(-1, 0, b"")), Err(BatchError::Records("negative record count")));
}

#[test]
fn bytes_after_the_last_record_are_an_error() {
    assert_eq!(records(&forged(0, 0, b"x")), Err(BatchError::Records("bytes after the last record")));
    assert_eq!(records(&forged(0, 0, b"")), Ok(vec![]));
}

#[test]
fn a_record_that_declares_two_billion_headers_reserves_nothing() {
    // Length 11, attributes, deltas, null key and value, then i32::MAX headers.
    let record = [22, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0];
    let batch = forged(1, 0, &record);
    let taken = peak(|| assert_eq!(records(&batch), Err(BatchError::Records("more headers than bytes"))));
    assert!(taken < 4_096, "{taken} bytes");
}

#[test]
fn a_snappy_block_cannot_declare_gigabytes() {
    // Raw snappy: the size comes first, as a varint of 2 GiB.
    let batch = forged(1, 2, &[0xff, 0xff, 0xff, 0xff, 0x07, 0, 0]);
    let taken = peak(|| assert!(matches!(records(&batch), Err(BatchError::Compression(_)))));
    assert!(taken < 4_096, "{taken} bytes");
}

#[test]
fn a_compression_bomb_stops_at_the_limit() {
    let zeros = vec![0; 128 << 20];
    let bomb = zstd::bulk::compress(&zeros, 1).expect("compresses");
    drop(zeros);
    assert!(bomb.len() < 1 << 20, "a bomb is small");
    let error = records(&forged(1, 4, &bomb)).expect_err("too large");
    assert_eq!(error, BatchError::Compression("inflates to more than a frame"));
}

#[test]
fn an_unknown_compression_type_is_an_error() {
    assert_eq!(records(&forged(1, 5, b"")), Err(BatchError::CompressionType(5)));
}
