//! Record batches: built, patched, split and read, and checked against kafka-protocol's independent codec.

use bytes::{Bytes, BytesMut};
use indexmap::IndexMap;
use kafka_protocol::records as theirs;
use odradek_wire::batch::*;
use proptest::prelude::*;

use crate::{cases, samples};

fn plain(count: usize) -> Bytes {
    let mut builder = BatchBuilder::default();
    for index in 0..count {
        builder.append(1_000 + index as i64, Some(b"key"), Some(b"value"), &[]);
    }
    builder.build(0, -1)
}

#[test]
fn a_header_holds_what_the_builder_was_told() {
    let mut builder = BatchBuilder::default();
    builder.producer(7, 3, 40).transactional();
    builder.append(1_000, None, Some(b"a"), &[]);
    builder.append(900, None, Some(b"b"), &[]);
    builder.append(1_500, None, Some(b"c"), &[]);
    let size = builder.size();
    let batch = builder.build(100, 5);
    assert_eq!(batch.len(), size);
    let header = verify_crc(&batch).expect("sound");
    assert_eq!((header.base_offset, header.last_offset(), header.next_offset()), (100, 102, 103));
    assert_eq!((header.base_timestamp, header.max_timestamp), (1_000, 1_500));
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7, 3, 40));
    assert_eq!((header.last_sequence(), header.record_count), (42, 3));
    assert_eq!((header.partition_leader_epoch, header.total_length()), (5, batch.len()));
    assert!(header.is_transactional() && !header.is_control() && header.has_producer_id());
    assert_eq!(header.compression(), Ok(Compression::None));
    assert_eq!(header.to_bytes(), batch[..HEADER_LENGTH]);
}

#[test]
fn sequence_numbers_wrap_within_a_batch() {
    let mut builder = BatchBuilder::default();
    builder.producer(7, 3, i32::MAX - 1);
    for _ in 0..4 {
        builder.append(0, None, None, &[]);
    }
    let header = BatchHeader::parse(&builder.build(0, 0)).expect("sound");
    assert_eq!(header.last_sequence(), 1);
    let header = BatchHeader::parse(&plain(4)).expect("sound");
    assert_eq!(header.last_sequence(), NO_SEQUENCE);
}

#[test]
fn the_crc_detects_any_flipped_bit_from_byte_17_on() {
    let batch = samples::batch();
    for bit in 17 * 8..batch.len() * 8 {
        let mut damaged = batch.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let error = verify_crc(&damaged).expect_err("damaged");
        assert!(matches!(error, BatchError::Crc { .. }), "bit {bit}: {error}");
    }
}

#[test]
fn base_offset_and_leader_epoch_are_patched_under_the_same_crc() {
    let produced = samples::batch();
    let before = verify_crc(&produced).expect("sound");
    let stored = relocated(&produced, 4_711, 9);
    let after = verify_crc(&stored).expect("still sound");
    assert_eq!((after.base_offset, after.partition_leader_epoch, after.crc), (4_711, 9, before.crc));
    assert_eq!(stored[16..], produced[16..]);
    let offsets: Vec<_> = records(&stored).expect("records").iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [4_711, 4_712]);
}

#[test]
fn append_time_replaces_every_timestamp() {
    let mut batch = samples::batch().to_vec();
    set_append_time(&mut batch, 5_555).expect("a whole batch");
    let header = verify_crc(&batch).expect("sound again");
    assert!(header.is_log_append_time());
    let records = records(&batch.into()).expect("records");
    assert!(records.iter().all(|record| record.timestamp == 5_555));
}

#[test]
fn headers_with_the_same_key_all_survive_in_order() {
    let headers: [(&str, Option<&[u8]>); 3] = [("trace", Some(b"1")), ("other", None), ("trace", Some(b"2"))];
    let mut builder = BatchBuilder::default();
    builder.append(0, None, None, &headers);
    let record = &records(&builder.build(0, 0)).expect("records")[0];
    let read: Vec<_> = record.headers.iter().map(|(key, value)| (&**key, value.as_deref())).collect();
    assert_eq!(read, headers);
}

#[test]
fn a_cleaned_batch_keeps_its_gaps_and_its_end() {
    let mut builder = BatchBuilder::default();
    builder.append_at(2, 10, Some(b"k"), Some(b"v"), &[]);
    builder.append_at(5, 11, Some(b"l"), None, &[]);
    builder.end_at(9);
    let batch = builder.build(100, 1);
    let header = verify_crc(&batch).expect("sound");
    assert_eq!((header.last_offset(), header.record_count), (109, 2));
    let offsets: Vec<_> = records(&batch).expect("records").iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [102, 105]);
}

#[test]
fn a_partial_trailing_batch_ends_the_split_and_is_left_over() {
    let whole = [relocated(&plain(2), 0, 1), relocated(&plain(3), 2, 1)].concat();
    let last = relocated(&plain(1), 5, 1);
    for cut in 0..last.len() {
        let mut split = batches([&whole, &last[..cut]].concat().into());
        let found: Vec<_> = split.by_ref().map(|batch| batch.expect("sound").header.base_offset).collect();
        assert_eq!(found, [0, 2]);
        assert_eq!(split.remainder(), &last[..cut]);
    }
}

#[test]
fn a_malformed_batch_ends_the_split_with_an_error() {
    let good = plain(1);
    let mut bad = good.to_vec();
    bad[16] = 1;
    let mut split = batches([&good[..], &bad].concat().into());
    assert!(matches!(split.next(), Some(Ok(_))));
    assert_eq!(split.next(), Some(Err(BatchError::Magic(1))));
    assert_eq!(split.next(), None);
    assert_eq!(split.remainder(), &bad);
}

#[test]
fn transaction_markers_survive() {
    for kind in [MarkerKind::Abort, MarkerKind::Commit] {
        let marker = EndTransactionMarker { kind, coordinator_epoch: 12 };
        let batch = marker.to_batch(50, 3, 7, 1, 1_234);
        let header = verify_crc(&batch).expect("sound");
        assert!(header.is_control() && header.is_transactional());
        assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (7, 1, NO_SEQUENCE));
        let records = records(&batch).expect("records");
        assert_eq!(EndTransactionMarker::from_record(&records[0]), Ok(Some(marker)));
    }
}

fn their_record(offset: i64, transactional: bool) -> theirs::Record {
    theirs::Record {
        transactional,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 4,
        producer_id: 7,
        producer_epoch: 1,
        timestamp_type: theirs::TimestampType::Creation,
        offset,
        sequence: offset as i32,
        timestamp: 1_000 + offset,
        key: (offset % 3 != 0).then(|| Bytes::from(format!("key-{offset}"))),
        value: Some(Bytes::from(format!("value-{offset}").repeat(20))),
        headers: IndexMap::from([("h".into(), Some(Bytes::from_static(b"1")))]),
    }
}

#[test]
fn batches_of_kafka_protocol_are_read_in_every_compression() {
    use theirs::Compression::*;
    let written: Vec<_> = (0..50).map(|offset| their_record(offset, true)).collect();
    for compression in [None, Gzip, Snappy, Lz4, Zstd] {
        let mut bytes = BytesMut::new();
        let options = theirs::RecordEncodeOptions { version: 2, compression };
        theirs::RecordBatchEncoder::encode(&mut bytes, &written, &options).expect("encodes");
        let bytes = bytes.freeze();
        let header = verify_crc(&bytes).expect("sound");
        assert_eq!(header.compression().expect("known") as i16, compression as i16);
        assert_eq!((header.record_count, header.producer_id, header.last_offset()), (50, 7, 49));
        let read = records(&bytes).unwrap_or_else(|error| panic!("{compression:?}: {error}"));
        for (ours, theirs) in read.iter().zip(&written) {
            assert_eq!((ours.offset, ours.timestamp), (theirs.offset, theirs.timestamp));
            assert_eq!((&ours.key, &ours.value), (&theirs.key, &theirs.value));
            assert_eq!(ours.headers.len(), 1);
        }
        assert_eq!(read.len(), 50);
    }
}

#[test]
fn truncated_compressed_records_are_an_error() {
    use theirs::Compression::*;
    let written: Vec<_> = (0..50).map(|offset| their_record(offset, false)).collect();
    for compression in [Gzip, Snappy, Lz4, Zstd] {
        let mut bytes = BytesMut::new();
        let options = theirs::RecordEncodeOptions { version: 2, compression };
        theirs::RecordBatchEncoder::encode(&mut bytes, &written, &options).expect("encodes");
        bytes.truncate(bytes.len() - 20);
        let length = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        assert!(records(&bytes.freeze()).is_err(), "{compression:?}");
    }
}

type Sample = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

fn sample() -> impl Strategy<Value = Sample> {
    let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 0..200));
    let headers = prop::collection::vec(("[a-c]{0,2}", bytes()), 0..4);
    (prop_oneof![any::<i64>(), 0..2_000_000_000_000_i64], bytes(), bytes(), headers)
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn what_is_built_is_read(samples in prop::collection::vec(sample(), 1..20), base in 0..1_i64 << 40) {
        let mut builder = BatchBuilder::default();
        for (timestamp, key, value, headers) in &samples {
            let headers: Vec<_> = headers.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
            builder.append(*timestamp, key.as_deref(), value.as_deref(), &headers);
        }
        let batch = builder.build(base, 3);
        verify_crc(&batch).expect("sound");
        let read = records(&batch).expect("records");
        prop_assert_eq!(read.len(), samples.len());
        for (index, (record, (timestamp, key, value, headers))) in read.iter().zip(&samples).enumerate() {
            prop_assert_eq!(record.offset, base + index as i64);
            // A delta between the ends of time does not fit in 64 bits; Kafka does not care either.
            if (0..2_000_000_000_000).contains(timestamp) && (0..2_000_000_000_000).contains(&samples[0].0) {
                prop_assert_eq!(record.timestamp, *timestamp);
            }
            prop_assert_eq!(record.key.as_deref(), key.as_deref());
            prop_assert_eq!(record.value.as_deref(), value.as_deref());
            let read: Vec<_> =
                record.headers.iter().map(|(key, value)| (key.to_string(), value.as_ref().map(|v| v.to_vec()))).collect();
            prop_assert_eq!(&read, headers);
        }
    }

    #[test]
    fn kafka_protocol_reads_what_is_built(samples in prop::collection::vec(sample(), 1..20)) {
        let mut builder = BatchBuilder::default();
        builder.producer(7, 1, 5).transactional();
        for (index, (_, key, value, _)) in samples.iter().enumerate() {
            builder.append(1_000 + index as i64, key.as_deref(), value.as_deref(), &[("h", None)]);
        }
        let mut bytes = builder.build(77, 2);
        let read = theirs::RecordBatchDecoder::decode(&mut bytes).expect("decodes").records;
        prop_assert_eq!(read.len(), samples.len());
        for (index, (record, (_, key, value, _))) in read.iter().zip(&samples).enumerate() {
            prop_assert_eq!((record.offset, record.timestamp), (77 + index as i64, 1_000 + index as i64));
            prop_assert_eq!((record.producer_id, record.producer_epoch, record.transactional), (7, 1, true));
            prop_assert_eq!(record.sequence, 5 + index as i32);
            prop_assert_eq!((record.key.as_deref(), record.value.as_deref()), (key.as_deref(), value.as_deref()));
        }
    }
}
