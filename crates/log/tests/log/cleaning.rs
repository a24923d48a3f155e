use std::collections::BTreeMap;

use bytes::Bytes;
use host::sim::Keep;
use host::{Disk, Open};
use log::{Clean, Cleaned, Log, LogConfig};
use wire::batch::{BatchBuilder, Record, records};

use crate::support::*;

fn compact() -> LogConfig {
    LogConfig { compact: true, delete_retention_ms: 0, ..small() }
}

/// What producer 7 sends: three records of few keys, each of its own value; every ninth is a tombstone.
fn keyed(number: i32) -> Bytes {
    let mut builder = BatchBuilder::default();
    builder.producer(7, 0, number * 3);
    for n in number * 3..number * 3 + 3 {
        let (key, value) = (format!("key {}", n % 5), format!("value {n}"));
        builder.append(NOW_MS, Some(key.as_bytes()), (n % 9 != 0).then_some(value.as_bytes()), &[]);
    }
    builder.build(0, -1)
}

/// A flushed log of thirty batches in five epochs, all committed.
async fn thirty_batches(disk: &Disk) -> Log {
    let mut log = open(disk, compact());
    for number in 0..30 {
        append(&mut log, number / 6, keyed(number));
    }
    flush(&mut log).await;
    log.set_high_watermark(log.end_offset());
    log
}

fn all(log: &Log) -> Vec<Record> {
    let mut found = Vec::new();
    let mut from = log.start_offset();
    while from < log.end_offset() {
        let read = log.read(from, usize::MAX, i64::MAX, true).expect("in range");
        from = read.batches.last().expect("at least one").next_offset();
        let mut bytes = read.bytes;
        for batch in &read.batches {
            found.extend(records(&bytes.split_to(batch.bytes as usize)).expect("sound"));
        }
    }
    found
}

/// The last record of each key, by offset.
fn latest(records: &[Record]) -> Vec<Record> {
    let by_key: BTreeMap<_, _> = records.iter().map(|record| (record.key.clone(), record.clone())).collect();
    let mut latest: Vec<Record> = by_key.into_values().collect();
    latest.sort_by_key(|record| record.offset);
    latest
}

/// Cleans up to a number of steps, of which each is something a crash may come after. None if that was not all.
async fn clean_some(log: &mut Log, now_ms: i64, steps: usize) -> Option<Cleaned> {
    let mut left = steps;
    let mut step = move || left.checked_sub(1).map(|rest| left = rest);
    let mut clean: Clean = log.begin_clean(now_ms).expect("there is something to clean");
    clean.read_keys().await.expect("sound segments");
    step()?;
    while let Some(rewritten) = clean.rewrite_next().await.expect("sound segments") {
        step()?;
        assert!(log.begin_swap(&rewritten).expect("a healthy disk"));
        step()?;
        clean.sync().await.expect("a healthy disk");
        step()?;
        assert!(log.finish_swap(rewritten).expect("a healthy disk"));
        step()?;
        clean.sync().await.expect("a healthy disk");
        step()?;
    }
    log.end_clean(clean)
}

async fn clean_all(log: &mut Log, now_ms: i64) -> Cleaned {
    clean_some(log, now_ms, usize::MAX).await.expect("nobody cut the log")
}

#[test]
fn cleaning_keeps_the_latest_record_of_each_key_and_all_that_is_not_sealed() {
    on_disk(async |disk| {
        let mut log = thirty_batches(&disk).await;
        let (before, epochs, end) = (all(&log), log.epochs().latest(), log.end_offset());
        let to = log.cleanable(NOW_MS).expect("sealed segments").to;
        let cleaned = clean_all(&mut log, NOW_MS).await;
        assert_eq!((cleaned.from, cleaned.to, log.first_dirty_offset()), (0, to, to));
        let (below, above): (Vec<_>, Vec<_>) = before.into_iter().partition(|record| record.offset < to);
        let expected = [latest(&below), above].concat();
        assert_eq!(all(&log), expected);
        assert_eq!(i64::from(cleaned.kept + cleaned.removed), to);
        assert_eq!((log.epochs().latest(), log.end_offset(), log.start_offset()), (epochs, end, 0));
        // Offsets go on where they were, and so do sequence numbers.
        assert_eq!(append(&mut log, 9, keyed(30)).base_offset, end);
    });
}

#[test]
fn a_cleaned_log_is_the_same_when_it_is_opened_again() {
    on_disk(async |disk| {
        let mut log = thirty_batches(&disk).await;
        clean_all(&mut log, NOW_MS).await;
        for (clean, point) in [(true, 0), (false, 0), (false, log.recovery_point())] {
            let again = reopen(&disk, compact(), clean, point);
            assert_eq!((again.recovery().cut.clone(), again.recovery().deleted_segments), (None, 0));
            assert_eq!(all(&again), all(&log));
            assert_eq!(again.end_offset(), log.end_offset());
            let last = |log: &Log| log.producers().get(7).expect("known").last_sequence();
            assert_eq!(last(&again), last(&log));
        }
    });
}

#[test]
fn cleaning_twice_changes_nothing_and_tombstones_go_at_their_horizon() {
    on_disk(async |disk| {
        let mut log = open(&disk, LogConfig { delete_retention_ms: 50, ..compact() });
        for number in 0..30 {
            append(&mut log, 0, keyed(number));
        }
        log.set_high_watermark(log.end_offset());
        let to = clean_all(&mut log, NOW_MS).await.to;
        let once = all(&log);
        for (now_ms, tombstones) in [(NOW_MS + 49, true), (NOW_MS + 50, false)] {
            log.set_first_dirty_offset(0);
            clean_all(&mut log, now_ms).await;
            let gone = |record: &Record| record.value.is_none() && record.offset < to && !tombstones;
            assert_eq!(all(&log), once.iter().filter(|record| !gone(record)).cloned().collect::<Vec<_>>());
        }
        assert!(once.iter().any(|record| record.value.is_none() && record.offset < to), "a tombstone to go");
    });
}

#[test]
fn a_crash_or_power_loss_after_any_step_leaves_every_key_its_latest_record() {
    let mut finished = false;
    for steps in 0.. {
        for seed in 0..12 {
            finished = on_machine(seed, async move |machine: Machine| {
                let disk = machine.start().await;
                let mut log = thirty_batches(&disk).await;
                let (before, end) = (all(&log), log.end_offset());
                let finished = clean_some(&mut log, NOW_MS, steps).await.is_some();
                let disk = match seed {
                    0 => machine.crash().await,
                    1 => machine.lose_power(Keep::None).await,
                    2 => machine.lose_power(Keep::All).await,
                    _ => machine.lose_power(Keep::Random).await,
                };
                let mut again = reopen(&disk, compact(), false, end);
                let what = format!("seed {seed} after {steps} steps");
                assert_eq!((again.recovery().cut.clone(), again.end_offset()), (None, end), "{what}");
                let found = all(&again);
                assert!(found.iter().all(|record| before.contains(record)), "{what}");
                assert_eq!(latest(&found), latest(&before), "{what}");
                let names: Vec<String> = disk.list(DIRECTORY).unwrap().into_iter().map(|entry| entry.name).collect();
                assert!(
                    !names.iter().any(|name| name.ends_with("swap") || name.ends_with("cleaned")),
                    "{what}: {names:?}"
                );
                // And the next cleaning finishes the work.
                again.set_high_watermark(end);
                clean_all(&mut again, NOW_MS).await;
                assert_eq!(latest(&all(&again)), latest(&before), "{what}");
                finished
            });
        }
        if finished {
            break;
        }
    }
    assert!(finished);
}

#[test]
fn a_cut_voids_a_cleaning_at_any_step_and_no_start_brings_back_what_was_cut() {
    for steps in 0..5 {
        for crash in [true, false] {
            on_machine(steps, async move |machine: Machine| {
                let disk = machine.start().await;
                let mut log = thirty_batches(&disk).await;
                let mut clean = log.begin_clean(NOW_MS).unwrap();
                clean.read_keys().await.unwrap();
                let rewritten = clean.rewrite_next().await.unwrap().unwrap();
                if steps > 0 {
                    assert!(log.begin_swap(&rewritten).unwrap());
                }
                if steps > 1 {
                    clean.sync().await.unwrap();
                }
                let rewritten = match steps > 2 {
                    true => {
                        assert!(log.finish_swap(rewritten).unwrap());
                        None
                    }
                    false => Some(rewritten),
                };
                log.truncate_to(2).unwrap();
                let other = append(&mut log, 7, keyed(50));
                if let Some(rewritten) = rewritten {
                    let went_on = if steps > 0 { log.finish_swap(rewritten) } else { log.begin_swap(&rewritten) };
                    assert!(!went_on.unwrap(), "the log was cut");
                }
                flush(&mut log).await;
                let expected = all(&log);
                let disk = if crash { machine.crash().await } else { machine.lose_power(Keep::Random).await };
                let again = reopen(&disk, compact(), false, log.recovery_point());
                assert_eq!(contents(&again).last(), Some(&other));
                assert_eq!(all(&again), expected);
            });
        }
    }
}

#[test]
fn a_follower_of_a_cleaned_log_ends_with_the_same_records() {
    on_disk(async |disk| {
        let mut leader = thirty_batches(&disk).await;
        clean_all(&mut leader, NOW_MS).await;
        let other = "data/copy-0";
        let mut follower = Log::open(&disk, other, compact(), false, 0, 0, NOW_MS).unwrap();
        while follower.end_offset() < leader.end_offset() {
            let read = leader.read(follower.end_offset(), 500, i64::MAX, true).unwrap();
            follower.append_as_follower(read.bytes).unwrap();
        }
        assert_eq!(all(&follower), all(&leader));
        assert_eq!(follower.epochs().latest(), leader.epochs().latest());
        let again = Log::open(&disk, other, compact(), false, 0, 0, NOW_MS).unwrap();
        assert_eq!((again.recovery().cut.clone(), all(&again)), (None, all(&leader)));
    });
}

#[test]
fn any_offset_of_a_cleaned_log_can_be_read_from_and_cut_at() {
    on_disk(async |disk| {
        let mut log = thirty_batches(&disk).await;
        clean_all(&mut log, NOW_MS).await;
        let records = all(&log);
        for offset in (0..log.end_offset()).rev() {
            if offset >= log.end_offset() {
                // The cut before took the whole batch, and the gap before it.
                continue;
            }
            let read = log.read(offset, usize::MAX, i64::MAX, true).unwrap();
            assert!(read.batches.first().is_some_and(|batch| batch.last_offset >= offset), "at {offset}");
            log.truncate_to(offset).unwrap();
            assert!(log.end_offset() <= offset);
            let kept: Vec<Record> = records.iter().filter(|it| it.offset < log.end_offset()).cloned().collect();
            assert_eq!(all(&log), kept, "cut at {offset}");
            assert!(
                log.first_dirty_offset() <= log.end_offset(),
                "what is appended anew was never cleaned (KAFKA-3330)"
            );
        }
    });
}

#[test]
fn a_timestamp_is_found_behind_what_was_cleaned_away() {
    on_disk(async |disk| {
        let mut log = thirty_batches(&disk).await;
        clean_all(&mut log, NOW_MS).await;
        let first = all(&log)[0].offset;
        assert!(first > 0);
        assert_eq!(log.offset_for_timestamp(NOW_MS).unwrap(), Some((first, NOW_MS)));
    });
}

#[test]
fn nothing_is_cleaned_above_the_high_watermark_in_the_active_segment_or_too_young() {
    on_disk(async |disk| {
        let mut log = thirty_batches(&disk).await;
        let sealed = log.cleanable(NOW_MS).unwrap().to;
        assert!(sealed < log.end_offset());
        log.set_high_watermark(sealed / 2);
        assert!(log.cleanable(NOW_MS).unwrap().to <= sealed / 2);
        log.set_high_watermark(log.end_offset());
        log.set_config(LogConfig { min_compaction_lag_ms: 1000, ..compact() });
        assert_eq!(log.cleanable(NOW_MS + 999), None);
        assert_eq!(log.cleanable(NOW_MS + 1000).unwrap().to, sealed);
        log.set_config(LogConfig { compact: false, ..compact() });
        assert_eq!(log.cleanable(NOW_MS), None);
    });
}

#[test]
fn what_waited_too_long_is_overdue() {
    on_disk(async |disk| {
        let mut log = thirty_batches(&disk).await;
        log.set_config(LogConfig { max_compaction_lag_ms: 1000, ..compact() });
        let overdue = |log: &Log, now_ms| log.cleanable(now_ms).unwrap().overdue;
        assert_eq!((overdue(&log, NOW_MS + 1000), overdue(&log, NOW_MS + 1001)), (false, true));
        clean_all(&mut log, NOW_MS).await;
        assert!(!overdue(&log, NOW_MS + 1001), "what is clean waits for nothing");
    });
}

#[test]
fn a_damaged_segment_is_not_cleaned() {
    on_disk(async |disk| {
        let log = thirty_batches(&disk).await;
        let first = disk.open(&format!("{DIRECTORY}/{:020}.log", 0), Open::Existing).unwrap();
        let byte = first.read_at(70, 1).unwrap()[0];
        first.write_at(70, &[byte ^ 1]).unwrap();
        let mut clean = log.begin_clean(NOW_MS).unwrap();
        assert!(matches!(clean.read_keys().await, Err(log::CleanError::Corrupt { position: 0, .. })));
    });
}

#[test]
fn a_record_without_a_key_is_refused_and_so_is_a_batch_without_records() {
    on_disk(async |disk| {
        let mut log = open(&disk, compact());
        let mut keyless = BatchBuilder::default();
        keyless.append(NOW_MS, None, Some(b"value"), &[]);
        let empty = BatchBuilder::default().build(0, -1);
        for bytes in [keyless.build(0, -1), empty] {
            let error = log.append_as_leader(bytes, 0, NOW_MS).unwrap_err();
            assert_eq!(error.code(), wire::kafka::ErrorCode::InvalidRecord);
        }
        assert_eq!(log.end_offset(), 0);
    });
}
