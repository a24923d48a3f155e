use bytes::Bytes;
use log::{AppendError, Appended, LogConfig, LogFlaws, ProducerError, TimestampType};
use wire::batch::{BatchBuilder, EndTransactionMarker, MarkerKind, verify_crc};
use wire::kafka::ErrorCode;

use crate::support::*;

#[test]
fn a_leader_assigns_offsets_and_stamps_its_epoch_without_touching_the_crc() {
    on_disk(async |disk| {
        let mut log = open(&disk, LogConfig::default());
        append(&mut log, 3, batch(10));
        let sent = batch(5);
        let appended = append(&mut log, 4, sent.clone());
        assert_eq!((appended.base_offset, appended.last_offset, appended.records), (10, 14, 5));
        assert_eq!((log.end_offset(), log.latest_epoch()), (15, Some(4)));
        let read = log.read(10, 10_000, 15, true).unwrap();
        let header = verify_crc(&read.bytes).expect("still a sound batch");
        assert_eq!((header.base_offset, header.partition_leader_epoch), (10, 4));
        assert_eq!(header.crc, verify_crc(&sent).unwrap().crc);
        assert_eq!(read.batches, [appended]);
    });
}

fn code(disk: &host::Disk, config: LogConfig, bytes: impl Into<Bytes>) -> ErrorCode {
    let mut log = open(disk, config);
    let error = log.append_as_leader(bytes.into(), 0, NOW_MS).expect_err("a refusal");
    assert_eq!(log.end_offset(), 0, "nothing was appended");
    assert_eq!(log.size(), 0);
    error.code()
}

#[test]
fn a_leader_refuses_what_is_not_one_sound_batch() {
    on_disk(async |disk| {
        let sound = batch(3);
        let mut rotten = sound.to_vec();
        *rotten.last_mut().unwrap() ^= 1;
        let mut old = sound.to_vec();
        old[16] = 1;
        let two = [sound.clone(), sound.clone()].concat();
        let mut gappy = BatchBuilder::default();
        gappy.append(0, None, Some(b"a"), &[]);
        gappy.end_at(7);
        let marker = EndTransactionMarker { kind: MarkerKind::Commit, coordinator_epoch: 0 };
        let default = LogConfig::default;
        for (expected, config, bytes) in [
            (ErrorCode::CorruptMessage, default(), rotten.into()),
            (ErrorCode::CorruptMessage, default(), sound.slice(..sound.len() - 1)),
            (ErrorCode::CorruptMessage, default(), Bytes::new()),
            (ErrorCode::UnsupportedForMessageFormat, default(), old.into()),
            (ErrorCode::InvalidRecord, default(), two.into()),
            (ErrorCode::InvalidRecord, default(), batch(0)),
            (ErrorCode::InvalidRecord, default(), gappy.build(0, -1)),
            (ErrorCode::InvalidRecord, default(), produced(5, 0, -1, 1)),
            (ErrorCode::InvalidRecord, default(), produced(5, -1, 0, 1)),
            (ErrorCode::InvalidRecord, default(), marker.to_batch(0, -1, 5, 0, 0)),
            (ErrorCode::MessageTooLarge, LogConfig { max_message_bytes: 80, ..default() }, sound.clone()),
            (ErrorCode::RecordListTooLarge, LogConfig { segment_bytes: 80, ..default() }, sound.clone()),
        ] {
            assert_eq!(code(&disk, config, bytes.clone()), expected, "{} bytes", bytes.len());
        }
    });
}

#[test]
fn a_leader_of_an_older_epoch_cannot_append() {
    on_disk(async |disk| {
        let mut log = open(&disk, LogConfig::default());
        log.start_epoch(5).unwrap();
        assert!(matches!(log.append_as_leader(batch(1), 4, NOW_MS), Err(AppendError::Discontinuity(_))));
    });
}

#[test]
fn a_retry_is_answered_with_the_old_offset_and_not_appended() {
    on_disk(async |disk| {
        let mut log = open(&disk, LogConfig::default());
        append(&mut log, 0, batch(7));
        append(&mut log, 0, produced(42, 1, 0, 3));
        append(&mut log, 0, produced(42, 1, 3, 2));
        let again = log.append_as_leader(produced(42, 1, 0, 3), 0, NOW_MS).unwrap();
        let expected = Appended::Duplicate {
            base_offset: 7,
            last_offset: 9,
            timestamp: NOW_MS,
            producer_id: 42,
            producer_epoch: 1,
            sequence: 0,
        };
        assert_eq!(again, expected);
        assert_eq!(log.end_offset(), 12);
    });
}

#[test]
fn with_its_flaw_a_retry_is_called_out_of_order() {
    // Redpanda #3039, the flaw no-dedup-epoch-bump.
    on_disk(async |disk| {
        let flaws = LogFlaws { no_dedup: true, ..LogFlaws::default() };
        let mut log = open(&disk, LogConfig { flaws, ..LogConfig::default() });
        append(&mut log, 0, produced(42, 1, 0, 3));
        let again = log.append_as_leader(produced(42, 1, 0, 3), 0, NOW_MS).unwrap_err();
        assert_eq!(again.code(), ErrorCode::OutOfOrderSequenceNumber);
        assert_eq!(log.end_offset(), 3);
    });
}

#[test]
fn sequence_gaps_and_fenced_epochs_are_refused_with_kafkas_codes() {
    on_disk(async |disk| {
        let mut log = open(&disk, LogConfig::default());
        append(&mut log, 0, produced(42, 1, 0, 3));
        let gap = log.append_as_leader(produced(42, 1, 4, 1), 0, NOW_MS).unwrap_err();
        assert_eq!(gap.code(), ErrorCode::OutOfOrderSequenceNumber);
        let fenced = log.append_as_leader(produced(42, 0, 3, 1), 0, NOW_MS).unwrap_err();
        assert_eq!(fenced.code(), ErrorCode::InvalidProducerEpoch);
        assert!(matches!(fenced, AppendError::Producer(ProducerError::InvalidProducerEpoch { current: 1, .. })));
    });
}

#[test]
fn a_follower_ends_up_with_the_leaders_bytes_and_state() {
    on_machine(0, async |machine: Machine| {
        let disk = machine.start().await;
        let mut leader = open(&disk, small());
        for n in 0..20 {
            append(&mut leader, n / 6, produced(9, 0, n * 4, 4));
        }
        let config = LogConfig { segment_bytes: 300, ..small() };
        let mut follower = log::Log::open(&disk, "data/other-0", config, false, 0, 0, NOW_MS).unwrap();
        while follower.end_offset() < leader.end_offset() {
            let read = leader.read(follower.end_offset(), 600, i64::MAX, true).unwrap();
            assert_eq!(follower.append_as_follower(read.bytes).unwrap(), read.batches);
        }
        assert_eq!(contents(&follower), contents(&leader));
        assert_eq!(follower.epochs(), leader.epochs());
        assert_eq!(follower.producers(), leader.producers());
        assert!(follower.segment_count() > leader.segment_count());
    });
}

#[test]
fn a_follower_takes_all_of_a_response_or_nothing() {
    on_disk(async |disk| {
        let mut leader = open(&disk, LogConfig::default());
        for _ in 0..3 {
            append(&mut leader, 2, batch(2));
        }
        let good = leader.read(0, 10_000, 6, true).unwrap().bytes;
        let mut rotten = good.to_vec();
        *rotten.last_mut().unwrap() ^= 1;
        let mut falling = good.to_vec();
        let second = good.len() / 3;
        falling[second + 12..second + 16].copy_from_slice(&1i32.to_be_bytes());
        let mut follower = log::Log::open(&disk, "data/other-0", LogConfig::default(), false, 0, 0, NOW_MS).unwrap();
        for bad in [rotten.into(), falling.into(), good.slice(..good.len() - 1), good.slice(second..)] {
            assert!(follower.append_as_follower(bad).is_err());
            assert_eq!(follower.end_offset(), 0);
        }
        assert_eq!(follower.append_as_follower(good.clone()).unwrap().len(), 3);
        assert!(follower.append_as_follower(good).is_err(), "the same again does not continue the log");
    });
}

#[test]
fn a_segment_is_rolled_before_it_exceeds_its_size_and_when_it_is_old() {
    on_disk(async |disk| {
        let log = ten_batches(&disk);
        for entry in disk.list(DIRECTORY).unwrap() {
            if entry.name.ends_with(".log") {
                let bytes = disk.read(&format!("{DIRECTORY}/{}", entry.name)).unwrap();
                assert!((1..=600).contains(&bytes.len()), "{} has {}", entry.name, bytes.len());
            }
        }
        drop(log);
        let mut log = log::Log::open(&disk, "data/other-0", LogConfig::default(), false, 0, 0, NOW_MS).unwrap();
        for age in [0, log.config().segment_ms, log.config().segment_ms + 1] {
            let mut builder = BatchBuilder::default();
            builder.append(NOW_MS + age, None, None, &[]);
            append(&mut log, 0, builder.build(0, -1));
        }
        assert_eq!(log.segment_count(), 2);
    });
}

#[test]
fn with_log_append_time_the_leaders_clock_stamps_the_batch() {
    on_disk(async |disk| {
        let config = LogConfig { timestamp_type: TimestampType::LogAppendTime, ..LogConfig::default() };
        let mut log = open(&disk, config);
        let Appended::New(appended) = log.append_as_leader(batch(2), 0, NOW_MS + 5).unwrap() else {
            panic!("a new batch");
        };
        assert_eq!(appended.max_timestamp, NOW_MS + 5);
        let bytes = log.read(0, 10_000, 2, true).unwrap().bytes;
        assert_eq!(verify_crc(&bytes).unwrap().crc, appended.crc);
    });
}

#[test]
fn coordinators_may_append_markers() {
    on_disk(async |disk| {
        let mut log = open(&disk, LogConfig::default());
        append(&mut log, 0, produced(5, 0, 0, 1));
        let marker = EndTransactionMarker { kind: MarkerKind::Abort, coordinator_epoch: 3 };
        let appended = log.append_as_coordinator(marker.to_batch(0, -1, 5, 1, NOW_MS), 0, NOW_MS).unwrap();
        assert!(appended.control && appended.transactional);
        assert!(log.append_as_leader(produced(5, 0, 1, 1), 0, NOW_MS).is_err(), "the marker's epoch fences");
    });
}
