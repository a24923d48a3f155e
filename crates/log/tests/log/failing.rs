use host::sim::DiskFault;
use log::{AppendError, LogConfig, LogError};
use wire::kafka::ErrorCode;

use crate::support::*;

#[test]
fn after_a_failed_write_the_log_is_offline_until_it_is_opened_again() {
    // KAFKA-10778.
    on_machine(0, async |machine: Machine| {
        let disk = machine.start().await;
        for (n, fault) in [DiskFault::Full, DiskFault::Error { prefix: String::new() }].into_iter().enumerate() {
            let mut log = open(&disk, LogConfig::default());
            let before = append(&mut log, n as i32, batch(3)).next_offset();
            machine.break_disk(fault);
            let error = log.append_as_leader(batch(1), 5, NOW_MS).expect_err("a broken disk");
            assert!(matches!(error, AppendError::Io(_)), "{error}");
            assert_eq!(error.code(), ErrorCode::KafkaStorageError);
            machine.mend_disk();
            assert!(matches!(log.append_as_leader(batch(1), 5, NOW_MS), Err(AppendError::Offline)));
            assert!(matches!(log.append_as_follower(batch(1)), Err(AppendError::Offline)));
            assert!(matches!(log.truncate_to(0), Err(LogError::Offline)));
            assert!(matches!(log.start_epoch(7), Err(LogError::Offline)));
            assert_eq!((log.end_offset(), log.latest_epoch()), (before, Some(n as i32)), "the state did not move");
            assert_eq!(contents(&log).last().unwrap().next_offset(), before, "reading goes on");
            let mut again = open(&disk, LogConfig::default());
            assert_eq!(again.end_offset(), before);
            append(&mut again, n as i32, batch(1));
        }
    });
}

#[test]
fn a_disk_that_cannot_be_read_is_an_error_not_an_empty_log() {
    on_machine(0, async |machine: Machine| {
        let disk = machine.start().await;
        drop(ten_batches(&disk));
        machine.break_disk(DiskFault::Error { prefix: DIRECTORY.to_owned() });
        assert!(log::Log::open(&disk, DIRECTORY, small(), false, 0, 0, NOW_MS).is_err());
        machine.mend_disk();
        assert_eq!(open(&disk, small()).end_offset(), 100);
    });
}

#[test]
fn a_rotten_header_is_an_error_of_the_read() {
    on_machine(0, async |machine: Machine| {
        let disk = machine.start().await;
        let log = ten_batches(&disk);
        let path = format!("{DIRECTORY}/{:020}.log", 0);
        machine.break_disk(DiskFault::BitRot { path, position: 16, length: 1, flips: 1 });
        let error = log.read(0, 1000, 100, true).expect_err("rot");
        assert_eq!(error.code(), ErrorCode::CorruptMessage, "{error}");
        assert!(log.read(20, 1000, 100, true).is_ok(), "other segments are fine");
    });
}
