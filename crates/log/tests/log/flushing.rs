use host::sim::Keep;
use log::{LogConfig, LogFlaws};

use crate::support::*;

#[test]
fn a_flush_is_due_by_messages_or_by_time() {
    on_disk(async |disk| {
        let config = LogConfig { flush_messages: 5, flush_ms: 1000, ..LogConfig::default() };
        let mut log = open(&disk, config);
        flush(&mut log).await;
        assert!(!log.flush_due(NOW_MS + 5000), "nothing to flush");
        append(&mut log, 0, batch(4));
        assert!(!log.flush_due(NOW_MS + 999));
        assert!(log.flush_due(NOW_MS + 1000));
        append(&mut log, 0, batch(1));
        assert!(log.flush_due(NOW_MS));
        let flushed = log.begin_due_flush(NOW_MS).expect("due").run().await.unwrap();
        assert_eq!(log.flushed(flushed, NOW_MS), Some(5));
        assert_eq!(log.recovery_point(), 5);
        assert!(!log.flush_due(NOW_MS + 5000));
    });
}

#[test]
fn a_rolled_segment_is_flushed_and_the_active_one_is_not() {
    on_disk(async |disk| {
        let mut log = ten_batches(&disk);
        assert!(log.flush_due(NOW_MS));
        let flushed = log.begin_due_flush(NOW_MS).expect("due").run().await.unwrap();
        let sealed = log.flushed(flushed, NOW_MS).expect("it moved");
        assert!(sealed > 0 && sealed < 100, "{sealed}");
        assert!(!log.flush_due(i64::MAX));
    });
}

#[test]
fn a_flush_that_began_before_a_cut_is_void() {
    on_disk(async |disk| {
        let mut log = ten_batches(&disk);
        let stale = log.begin_flush().run().await.unwrap();
        log.truncate_to(50).unwrap();
        for _ in 0..6 {
            append(&mut log, 1, batch(10));
        }
        assert_eq!(log.flushed(stale, NOW_MS), None);
        assert_eq!(log.recovery_point(), 0);
    });
}

#[test]
fn the_recovery_point_follows_a_cut() {
    on_disk(async |disk| {
        let mut log = ten_batches(&disk);
        flush(&mut log).await;
        log.truncate_to(42).unwrap();
        assert_eq!(log.recovery_point(), 40);
    });
}

/// The log end after ten batches, a flush, and a power loss that keeps nothing unsynced.
fn end_after_power_loss(flaws: LogFlaws) -> i64 {
    on_machine(0, async move |machine: Machine| {
        let disk = machine.start().await;
        let config = LogConfig { flaws, ..small() };
        let mut log = open(&disk, config.clone());
        for _ in 0..10 {
            append(&mut log, 0, batch(10));
        }
        flush(&mut log).await;
        assert_eq!(log.recovery_point(), 100, "the log believes that all is flushed");
        let disk = machine.lose_power(Keep::None).await;
        reopen(&disk, config, false, 100).end_offset()
    })
}

#[test]
fn what_is_flushed_survives_a_power_loss() {
    assert_eq!(end_after_power_loss(LogFlaws::default()), 100);
}

#[test]
fn files_are_lost_without_directory_sync() {
    // KAFKA-3968, the flaw no-dir-fsync.
    assert_eq!(end_after_power_loss(LogFlaws { no_dir_fsync: true, ..LogFlaws::default() }), 0);
}

#[test]
fn what_is_not_flushed_may_be_lost_but_does_survive_a_crash() {
    on_machine(0, async |machine: Machine| {
        let disk = machine.start().await;
        drop(ten_batches(&disk));
        let disk = machine.crash().await;
        assert_eq!(open(&disk, small()).end_offset(), 100);
        let disk = machine.lose_power(Keep::None).await;
        assert_eq!(open(&disk, small()).end_offset(), 0);
    });
}

#[test]
fn appends_go_on_while_a_flush_is_on_its_way() {
    on_machine(0, async |machine: Machine| {
        let disk = machine.start().await;
        let mut log = ten_batches(&disk);
        let flush = log.begin_flush();
        for _ in 0..5 {
            append(&mut log, 0, batch(10));
        }
        let flushed = flush.run().await.unwrap();
        assert_eq!(log.flushed(flushed, NOW_MS), Some(100));
        let disk = machine.lose_power(Keep::None).await;
        assert!(reopen(&disk, small(), false, 100).end_offset() >= 100);
    });
}
