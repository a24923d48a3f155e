use host::sim::Keep;

use crate::support::*;

#[test]
fn retention_deletes_whole_segments_below_the_high_watermark_only() {
    on_disk(async |disk| {
        let mut log = ten_batches(&disk);
        flush(&mut log).await;
        assert_eq!(log.delete_segments_before(100).unwrap(), 0, "nothing is committed (KAFKA-5634)");
        log.set_high_watermark(35);
        let start = log.delete_segments_before(100).unwrap();
        assert!(start > 0 && start <= 35, "{start}");
        assert_eq!(log.epochs().entries()[0].start_offset, start);
        assert_eq!(contents(&log)[0].base_offset, start);
        log.set_high_watermark(100);
        for _ in 0..10 {
            flush(&mut log).await;
            log.delete_segments_before(100).unwrap();
        }
        assert_eq!(log.segment_count(), 1, "the active segment stays");
        assert!(log.end_offset() == 100 && log.start_offset() < 100);
    });
}

#[test]
fn retention_spares_what_is_not_flushed() {
    on_disk(async |disk| {
        let mut log = ten_batches(&disk);
        log.set_high_watermark(100);
        assert_eq!(log.delete_segments_before(100).unwrap(), 0);
    });
}

#[test]
fn producers_outlive_the_segments_they_wrote() {
    // KAFKA-7190: a retry is recognised even when the log no longer holds the batch.
    on_machine(3, async |machine: Machine| {
        let disk = machine.start().await;
        let mut log = open(&disk, small());
        append(&mut log, 0, produced(42, 0, 0, 10));
        for _ in 0..9 {
            append(&mut log, 0, batch(10));
        }
        log.set_high_watermark(100);
        for _ in 0..10 {
            flush(&mut log).await;
            log.delete_segments_before(100).unwrap();
        }
        assert!(log.start_offset() >= 10);
        let producers = log.producers().clone();
        assert_eq!(producers.iter().len(), 1);
        let disk = machine.lose_power(Keep::None).await;
        let log = reopen(&disk, small(), false, 100);
        assert!(log.start_offset() >= 10);
        assert_eq!(log.producers(), &producers);
    });
}

#[test]
fn a_power_loss_between_deletions_leaves_no_gap() {
    for seed in 0..40 {
        on_machine(seed, async |machine: Machine| {
            let disk = machine.start().await;
            let mut log = ten_batches(&disk);
            flush(&mut log).await;
            log.set_high_watermark(100);
            for _ in 0..3 {
                log.delete_segments_before(100).unwrap();
            }
            let start = log.start_offset();
            let disk = machine.lose_power(Keep::Random).await;
            let log = reopen(&disk, small(), false, 0);
            assert_eq!((log.end_offset(), &log.recovery().cut), (100, &None));
            assert!(log.start_offset() <= start);
        });
    }
}
