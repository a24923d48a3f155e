//! No bytes, wherever they come from, make the log panic.

use bytes::Bytes;
use host::Open;
use log::LogConfig;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::support::*;

/// A sound stretch of a log with some bytes changed, or bytes that never were one.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let mutated = (1usize..4, any::<prop::sample::Index>(), changes).prop_map(|(batches, cut, changes)| {
        let mut bytes: Vec<u8> = Vec::new();
        for n in 0..batches {
            let mut one = produced(3, 0, n as i32 * 2, 2).to_vec();
            wire::batch::set_base_offset(&mut one, n as i64 * 2);
            wire::batch::set_leader_epoch(&mut one, 1);
            bytes.extend(one);
        }
        for (place, byte) in changes {
            *place.get_mut(&mut bytes) = byte;
        }
        bytes.truncate(cut.index(bytes.len() * 2));
        bytes
    });
    prop_oneof![mutated, prop::collection::vec(any::<u8>(), 0..300)]
}

/// Checks many inputs in one world, since a world costs more than a log.
fn check_all(check: impl Fn(&host::Disk, Vec<u8>, String) + Send + 'static) {
    on_disk(async move |disk| {
        let mut runner = TestRunner::deterministic();
        for n in 0..1000 {
            let input = bytes().new_tree(&mut runner).expect("it generates").current();
            check(&disk, input, format!("data/fuzz-{n}"));
        }
    });
}

#[test]
fn any_file_can_be_opened_and_is_a_sound_log_then() {
    check_all(|disk, content, directory| {
        disk.create_dir_all(&directory).unwrap();
        let file = disk.open(&format!("{directory}/{:020}.log", 0), Open::New).unwrap();
        file.append(&content).unwrap();
        for clean in [true, false] {
            let mut log = log::Log::open(disk, &directory, small(), clean, 0, 9, NOW_MS).unwrap();
            let batches = contents(&log);
            assert_eq!(batches.last().map_or(0, |batch| batch.next_offset()), log.end_offset());
            let _ = log.offset_for_timestamp(NOW_MS);
            if !clean {
                let scanned =
                    log::scan::scan(&[(format!("{:020}.log", 0), file.read_at(0, 10_000).unwrap().to_vec())], false);
                assert_eq!(scanned.problems, []);
                assert_eq!(scanned.log_end, log.end_offset());
                append(&mut log, i32::MAX, batch(1));
                log.truncate_to(log.end_offset() / 2).unwrap();
            }
        }
    });
}

#[test]
fn any_bytes_can_be_appended_or_are_refused_without_a_trace() {
    check_all(|disk, content, directory| {
        let mut log = log::Log::open(disk, &directory, LogConfig::default(), false, 0, 0, NOW_MS).unwrap();
        let content = Bytes::from(content);
        for attempt in 0..3 {
            let (size, end) = (log.size(), log.end_offset());
            let refused = match attempt {
                0 => log.append_as_leader(content.clone(), 1, NOW_MS).is_err(),
                1 => log.append_as_coordinator(content.clone(), 1, NOW_MS).is_err(),
                _ => log.append_as_follower(content.clone()).is_err(),
            };
            assert!(!refused || (log.size(), log.end_offset()) == (size, end));
        }
        let again = log::Log::open(disk, &directory, LogConfig::default(), false, 0, 0, NOW_MS).unwrap();
        assert_eq!(again.recovery().cut, None, "whatever was accepted is a sound log");
        assert_eq!(contents(&again), contents(&log));
    });
}
