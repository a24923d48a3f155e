use host::Open;
use log::{LogConfig, LogFlaws};

use crate::support::*;

fn path(name: &str) -> String {
    format!("{DIRECTORY}/{name}")
}

fn active(disk: &host::Disk) -> String {
    let entries = disk.list(DIRECTORY).unwrap();
    let last = entries.iter().rfind(|entry| entry.name.ends_with(".log"));
    path(&last.expect("a segment").name)
}

#[test]
fn an_empty_directory_is_an_empty_log() {
    on_disk(async |disk| {
        let log = reopen(&disk, LogConfig::default(), true, 77);
        assert_eq!((log.start_offset(), log.end_offset(), log.recovery_point()), (0, 0, 0));
        assert_eq!((log.latest_epoch(), log.segment_count(), log.size()), (None, 1, 0));
    });
}

#[test]
fn a_reopened_log_is_the_same_log() {
    on_disk(async |disk| {
        for clean in [false, true] {
            let mut log = open(&disk, small());
            for n in 0..5 {
                let epoch = n + 10 * i32::from(clean);
                append(&mut log, epoch, produced(n.into(), 0, 0, 5 * n as usize + 1));
            }
            log.close().unwrap();
            let again = reopen(&disk, small(), clean, 0);
            assert_eq!(contents(&again), contents(&log));
            assert_eq!(again.epochs(), log.epochs());
            assert_eq!(again.producers(), log.producers());
            assert_eq!((again.size(), again.segment_count()), (log.size(), log.segment_count()));
            assert_eq!(again.recovery().cut, None);
            assert_eq!(again.recovery_point(), if clean { log.end_offset() } else { 0 });
            log.truncate_to(0).unwrap();
        }
    });
}

/// The epochs known after epochs 0 and 1 were written and the log was opened again.
fn epochs_after_reopening(flaws: LogFlaws) -> Vec<i32> {
    on_machine(0, async move |machine: Machine| {
        let disk = machine.start().await;
        let config = LogConfig { flaws, ..small() };
        let mut log = open(&disk, config.clone());
        append(&mut log, 0, batch(10));
        append(&mut log, 1, batch(10));
        reopen(&disk, config, false, 0).epochs().entries().iter().map(|entry| entry.epoch).collect()
    })
}

#[test]
fn epoch_zero_is_recovered_unless_its_flaw_is_on() {
    // KAFKA-10432, the flaw epoch-zero-lost-in-recovery.
    assert_eq!(epochs_after_reopening(LogFlaws::default()), [0, 1]);
    let flaws = LogFlaws { epoch_zero_lost_in_recovery: true, ..LogFlaws::default() };
    assert_eq!(epochs_after_reopening(flaws), [1]);
}

#[test]
fn a_torn_batch_or_a_hole_is_cut_off() {
    on_disk(async |disk| {
        for (what, tail) in
            [("torn", batch(3).slice(..50)), ("a hole", vec![0; 5000].into()), ("short", vec![1; 9].into())]
        {
            let mut log = open(&disk, LogConfig::default());
            append(&mut log, 0, batch(10));
            disk.open(&active(&disk), Open::Existing).unwrap().append(&tail).unwrap();
            let mut again = reopen(&disk, LogConfig::default(), false, 0);
            let cut = again.recovery().cut.clone().expect(what);
            assert_eq!((cut.offset, cut.bytes, again.end_offset()), (10, tail.len() as u64, 10), "{what}");
            assert_eq!(append(&mut again, 0, batch(5)).base_offset, 10);
            again.truncate_to(0).unwrap();
        }
    });
}

#[test]
fn rot_behind_the_recovery_point_is_found_and_cuts_the_log_with_all_later_segments() {
    on_disk(async |disk| {
        drop(ten_batches(&disk));
        let first = path(&format!("{:020}.log", 0));
        let file = disk.open(&first, Open::Existing).unwrap();
        let position = file.len() - 1;
        let byte = file.read_at(position, 1).unwrap()[0];
        file.write_at(position, &[byte ^ 1]).unwrap();
        // With a recovery point above, nobody looks at the first segment's records.
        assert_eq!(reopen(&disk, small(), false, 100).end_offset(), 100);
        assert_eq!(reopen(&disk, small(), true, 0).end_offset(), 100);
        let again = reopen(&disk, small(), false, 0);
        assert_eq!(again.end_offset(), 10);
        assert_eq!(again.recovery().deleted_segments, 4);
        assert_eq!(again.segment_count(), 1);
    });
}

#[test]
fn the_last_segment_is_verified_whatever_the_recovery_point_says() {
    on_disk(async |disk| {
        drop(ten_batches(&disk));
        let file = disk.open(&active(&disk), Open::Existing).unwrap();
        let byte = file.read_at(file.len() - 1, 1).unwrap()[0];
        file.write_at(file.len() - 1, &[byte ^ 1]).unwrap();
        let again = reopen(&disk, small(), false, 100);
        assert_eq!(again.end_offset(), 90);
        assert_eq!(again.recovery_point(), 90);
    });
}

#[test]
fn a_lost_segment_cuts_the_log_before_it() {
    on_disk(async |disk| {
        drop(ten_batches(&disk));
        let second =
            disk.list(DIRECTORY).unwrap().into_iter().filter(|entry| entry.name.ends_with(".log")).nth(1).unwrap();
        disk.delete(&path(&second.name)).unwrap();
        let again = reopen(&disk, small(), false, 0);
        assert_eq!(again.segment_count(), 1);
        assert_eq!(again.end_offset(), 20);
        assert_eq!(again.recovery().deleted_segments, 3);
    });
}

#[test]
fn a_resurrected_segment_inside_the_log_is_dropped() {
    on_disk(async |disk| {
        let log = ten_batches(&disk);
        let stale = path(&format!("{:020}.log", 7));
        disk.open(&stale, Open::New).unwrap().append(&batch(9)).unwrap();
        let again = reopen(&disk, small(), false, 0);
        assert_eq!(contents(&again), contents(&log));
        assert!(!disk.exists(&stale));
    });
}

#[test]
fn no_index_checkpoint_or_snapshot_matters_torn_or_missing() {
    on_disk(async |disk| {
        let mut log = open(&disk, small());
        for n in 0..10 {
            append(&mut log, n / 3, produced(7, 0, n * 10, 10));
        }
        log.close().unwrap();
        let spoil: [fn(&host::Disk, &str); 3] = [
            |disk, path| disk.delete(path).unwrap(),
            |disk, path| disk.open(path, Open::Existing).unwrap().set_len(0).unwrap(),
            |disk, path| {
                let file = disk.open(path, Open::Existing).unwrap();
                let length = file.len() as usize;
                file.write_at(0, &vec![0xff; length / 2]).unwrap();
            },
        ];
        for spoil in spoil {
            for clean in [true, false] {
                let names: Vec<String> = disk.list(DIRECTORY).unwrap().into_iter().map(|entry| entry.name).collect();
                assert!(names.iter().any(|name| name.ends_with(".index")) || !clean, "{names:?}");
                for name in names.iter().filter(|name| !name.ends_with(".log")) {
                    spoil(&disk, &path(name));
                }
                let mut again = reopen(&disk, small(), clean, 0);
                assert_eq!(contents(&again), contents(&log));
                assert_eq!(again.epochs(), log.epochs());
                assert_eq!(again.producers(), log.producers());
                let stored = log::checkpoint::decode_epochs(&disk.read(&path("leader-epoch-checkpoint")).unwrap());
                assert_eq!(stored.unwrap(), log.epochs().entries());
                again.close().unwrap();
            }
        }
    });
}

#[test]
fn the_high_watermark_starts_from_its_checkpoint_within_the_log() {
    on_disk(async |disk| {
        drop(ten_batches(&disk));
        for (checkpoint, expected) in [(0, 0), (40, 40), (400, 100), (-1, 0)] {
            let log = log::Log::open(&disk, DIRECTORY, small(), false, 0, checkpoint, NOW_MS).unwrap();
            assert_eq!(log.high_watermark(), expected);
        }
    });
}

#[test]
fn expired_producers_are_not_loaded() {
    on_disk(async |disk| {
        let mut log = open(&disk, small());
        append(&mut log, 0, produced(7, 0, 0, 1));
        let later = NOW_MS + log.config().producer_id_expiration_ms;
        let again = log::Log::open(&disk, DIRECTORY, small(), false, 0, 0, later).unwrap();
        assert_eq!(again.producers().iter().len(), 0);
        assert_eq!(reopen(&disk, small(), false, 0).producers().iter().len(), 1);
    });
}
