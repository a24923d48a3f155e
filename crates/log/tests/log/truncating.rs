use log::{EpochEnd, LogConfig};

use crate::support::*;

/// Ten batches of ten records, two of them in each epoch from 0 to 4, from one idempotent producer.
fn epochs_of_twenty(disk: &host::Disk) -> log::Log {
    let mut log = open(disk, small());
    for n in 0..10 {
        append(&mut log, n / 2, produced(7, 0, n * 10, 10));
    }
    log
}

#[test]
fn a_cut_takes_epochs_producers_and_bounds_with_it_wherever_it_falls() {
    on_disk(async |disk| {
        for offset in 0..=100 {
            let mut log = epochs_of_twenty(&disk);
            log.set_high_watermark(90);
            let before = contents(&log);
            log.truncate_to(offset).unwrap();
            let end = if offset == 100 { 100 } else { offset / 10 * 10 };
            assert_eq!(log.end_offset(), end, "cut at {offset}");
            assert_eq!(contents(&log), before[..end as usize / 10]);
            assert_eq!(log.high_watermark(), end.min(90));
            let fresh = reopen(&disk, small(), false, 0);
            assert_eq!(fresh.epochs(), log.epochs(), "cut at {offset}");
            assert_eq!(fresh.producers(), log.producers(), "cut at {offset}");
            // The sequence continues from what is left; the segment's file does, too.
            if end > 0 {
                append(&mut log, 9, produced(7, 0, end as i32, 10));
            }
            log.truncate_to(0).unwrap();
            assert_eq!(log.end_offset(), 0);
        }
    });
}

#[test]
fn a_follower_truncates_to_the_leaders_epoch_end() {
    // KIP-279: the follower was told of an epoch below its own, and cuts what its leader never had.
    on_disk(async |disk| {
        let mut log = epochs_of_twenty(&disk);
        assert_eq!(log.epoch_end(3), EpochEnd { epoch: 3, end_offset: 80 });
        assert_eq!(log.epoch_end(9), EpochEnd::UNDEFINED);
        log.truncate_to(70).unwrap();
        assert_eq!(log.epoch_end(3), EpochEnd { epoch: 3, end_offset: 70 });
        assert_eq!(log.latest_epoch(), Some(3));
    });
}

#[test]
fn a_cut_at_the_log_end_still_forgets_elections_that_never_wrote() {
    // KAFKA-10706: else the follower asks for an epoch that its leader never saw, again and again.
    on_disk(async |disk| {
        let mut log = epochs_of_twenty(&disk);
        log.start_epoch(8).unwrap();
        assert_eq!(log.epoch_end(8), EpochEnd { epoch: 8, end_offset: 100 });
        log.truncate_to(100).unwrap();
        assert_eq!(log.latest_epoch(), Some(4));
        assert_eq!(log.end_offset(), 100);
    });
}

#[test]
fn an_election_is_cached_before_its_first_record() {
    // KAFKA-7415.
    on_disk(async |disk| {
        let mut log = epochs_of_twenty(&disk);
        log.start_epoch(6).unwrap();
        assert_eq!(log.epoch_end(5), EpochEnd { epoch: 4, end_offset: 100 });
        append(&mut log, 6, batch(3));
        assert_eq!(log.epoch_end(6), EpochEnd { epoch: 6, end_offset: 103 });
        assert_eq!(log.epoch_end(4), EpochEnd { epoch: 4, end_offset: 100 });
    });
}

#[test]
fn a_follower_may_take_older_epochs_than_its_own_empty_election() {
    on_disk(async |disk| {
        let mut leader = log::Log::open(&disk, "data/leader-0", LogConfig::default(), false, 0, 0, NOW_MS).unwrap();
        append(&mut leader, 1, batch(2));
        append(&mut leader, 1, batch(2));
        let mut follower = open(&disk, LogConfig::default());
        follower.append_as_follower(leader.read(0, 1, 4, true).unwrap().bytes).unwrap();
        follower.start_epoch(2).unwrap();
        follower.append_as_follower(leader.read(2, 1000, 4, true).unwrap().bytes).unwrap();
        assert_eq!(follower.epochs(), leader.epochs());
    });
}

#[test]
fn a_log_that_starts_anew_has_all_its_bounds_there() {
    // KAFKA-9491: the high watermark too.
    on_disk(async |disk| {
        for offset in [5, 50, 500] {
            let mut log = epochs_of_twenty(&disk);
            log.set_high_watermark(40);
            log.truncate_fully_and_start_at(offset).unwrap();
            assert_eq!((log.start_offset(), log.end_offset(), log.high_watermark()), (offset, offset, offset));
            assert!(log.recovery_point() <= offset);
            assert_eq!((log.latest_epoch(), log.producers().iter().len()), (None, 0));
            assert_eq!(append(&mut log, 7, batch(1)).base_offset, offset);
            let reopened = reopen(&disk, small(), false, 0);
            assert_eq!((reopened.start_offset(), reopened.end_offset()), (offset, offset + 1));
            log.truncate_fully_and_start_at(0).unwrap();
        }
    });
}

#[test]
fn a_cut_below_the_log_start_starts_the_log_anew() {
    on_disk(async |disk| {
        let mut log = open(&disk, small());
        log.truncate_fully_and_start_at(50).unwrap();
        append(&mut log, 0, batch(10));
        log.truncate_to(30).unwrap();
        assert_eq!((log.start_offset(), log.end_offset()), (30, 30));
    });
}
