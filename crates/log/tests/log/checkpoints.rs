use host::sim::Keep;
use log::checkpoint::*;
use trace::Partition;
use uuid::Uuid;

use crate::support::*;

#[test]
fn checkpoints_survive_a_power_loss_once_written() {
    on_machine(0, async |machine: Machine| {
        let disk = machine.start().await;
        disk.create_dir_all(DIRECTORY).unwrap();
        disk.sync_dir("data").await.unwrap();
        disk.sync_dir("").await.unwrap();
        let offsets = Offsets::from([(Partition::new("email", 0), 7)]);
        let properties = Properties::from([("broker.id".to_owned(), "1".to_owned())]);
        let path = format!("data/{RECOVERY_POINT_CHECKPOINT}");
        assert_eq!(read_offsets(&disk, &path).unwrap(), Offsets::new(), "no file, no offsets");
        assert_eq!(read_topic_id(&disk, DIRECTORY).unwrap(), None);
        write_offsets(&disk, &path, &offsets).await.unwrap();
        write_topic_id(&disk, DIRECTORY, Uuid::from_u128(9)).await.unwrap();
        write_properties(&disk, "data/meta.properties", &properties).await.unwrap();
        let disk = machine.lose_power(Keep::None).await;
        assert_eq!(read_offsets(&disk, &path).unwrap(), offsets);
        assert_eq!(read_topic_id(&disk, DIRECTORY).unwrap(), Some(Uuid::from_u128(9)));
        assert_eq!(read_properties(&disk, "data/meta.properties").unwrap(), Some(properties));
    });
}

#[test]
fn the_clean_shutdown_marker_is_gone_for_good_once_it_was_seen() {
    // KAFKA-10471.
    on_machine(0, async |machine: Machine| {
        let disk = machine.start().await;
        disk.create_dir_all("data").unwrap();
        disk.sync_dir("").await.unwrap();
        assert!(!take_clean_shutdown(&disk, "data").await.unwrap());
        write_clean_shutdown(&disk, "data").await.unwrap();
        let disk = machine.lose_power(Keep::None).await;
        assert!(take_clean_shutdown(&disk, "data").await.unwrap());
        let disk = machine.lose_power(Keep::None).await;
        assert!(!take_clean_shutdown(&disk, "data").await.unwrap());
    });
}

#[test]
fn the_epoch_checkpoint_follows_the_cache() {
    on_disk(async |disk| {
        let stored = |disk: &host::Disk| disk.read(&format!("{DIRECTORY}/{LEADER_EPOCH_CHECKPOINT}")).unwrap();
        let mut log = open(&disk, small());
        append(&mut log, 0, batch(10));
        log.start_epoch(4).unwrap();
        assert_eq!(stored(&disk), b"0\n2\n0 0\n4 10\n");
        log.truncate_to(10).unwrap();
        assert_eq!(stored(&disk), b"0\n1\n0 0\n");
        log.truncate_fully_and_start_at(50).unwrap();
        assert_eq!(stored(&disk), b"0\n0\n");
    });
}
