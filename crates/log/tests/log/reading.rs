use log::{LogConfig, ReadError};
use wire::batch::BatchBuilder;
use wire::kafka::ErrorCode;

use crate::support::*;

#[test]
fn a_read_begins_with_the_batch_that_holds_the_offset() {
    on_disk(async |disk| {
        let log = ten_batches(&disk);
        for from in 0..100 {
            let read = log.read(from, 1, 100, true).unwrap();
            assert_eq!(read.batches.len(), 1);
            assert_eq!(read.batches[0].base_offset, from / 10 * 10);
            assert_eq!(read.bytes.len(), read.batches[0].bytes as usize);
        }
    });
}

#[test]
fn a_read_returns_whole_batches_up_to_its_size_and_its_offset_bound() {
    on_disk(async |disk| {
        let config = LogConfig { index_interval_bytes: 300, ..LogConfig::default() };
        let mut log = open(&disk, config);
        let sizes: Vec<usize> = (0..10).map(|_| append(&mut log, 0, batch(10)).bytes as usize).collect();
        let size = sizes[0];
        for (from, max_bytes, up_to, expected) in [
            (0, 3 * size, i64::MAX, vec![0, 10, 20]),
            (0, 3 * size - 1, i64::MAX, vec![0, 10]),
            (35, 2 * size, i64::MAX, vec![30, 40]),
            (0, usize::MAX, 25, vec![0, 10]), // the third batch ends above the bound
            (0, usize::MAX, 30, vec![0, 10, 20]),
            (95, usize::MAX, i64::MAX, vec![90]),
            (0, size - 1, i64::MAX, vec![0]), // at least one
            (50, usize::MAX, 50, vec![]),
            (50, usize::MAX, 40, vec![]),
            (100, usize::MAX, i64::MAX, vec![]),
        ] {
            let read = log.read(from, max_bytes, up_to, true).unwrap();
            let bases: Vec<i64> = read.batches.iter().map(|batch| batch.base_offset).collect();
            assert_eq!(bases, expected, "from {from}, {max_bytes} bytes, up to {up_to}");
            assert_eq!(read.bytes.len(), bases.len() * size);
        }
        assert!(log.read(0, size - 1, i64::MAX, false).unwrap().bytes.is_empty());
        assert!(log.read(0, 0, i64::MAX, false).unwrap().bytes.is_empty());
    });
}

#[test]
fn offsets_outside_the_log_are_out_of_range() {
    on_disk(async |disk| {
        let log = ten_batches(&disk);
        for from in [-1, 101] {
            let error = log.read(from, 100, i64::MAX, true).unwrap_err();
            assert!(matches!(error, ReadError::OutOfRange { start: 0, end: 100, .. }), "{error}");
            assert_eq!(error.code(), ErrorCode::OffsetOutOfRange);
        }
    });
}

#[test]
fn a_timestamp_leads_to_the_first_record_that_is_as_young() {
    on_disk(async |disk| {
        let mut log = open(&disk, small());
        for n in 0..10 {
            let mut builder = BatchBuilder::default();
            for m in 0..10 {
                builder.append(n * 100 + m * 10, None, Some(&[0; 20]), &[]);
            }
            append(&mut log, 0, builder.build(0, -1));
        }
        for (timestamp, expected) in
            [(0, Some((0, 0))), (1, Some((1, 10))), (455, Some((46, 460))), (990, Some((99, 990))), (991, None)]
        {
            assert_eq!(log.offset_for_timestamp(timestamp).unwrap(), expected, "timestamp {timestamp}");
        }
    });
}
