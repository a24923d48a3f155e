//! Replicas from the disk: all of them at start, one when the controller assigns a new partition.

use std::io;
use std::rc::Rc;

use host::{Disk, Open};
use log::Log;
use log::checkpoint::{self, Offsets};
use trace::{EventId, EventKind, Name, Partition};
use uuid::Uuid;

use super::{Replica, ReplicaManager};
use crate::config::TopicSettings;
use crate::flaws::Flaw;

impl ReplicaManager {
    /// Loads every log in the data directory.
    ///
    /// # Errors
    /// Of the disk: the broker cannot start.
    pub async fn load(&self, settings: impl Fn(&str) -> Rc<TopicSettings>, cause: EventId) -> io::Result<()> {
        let disk = self.host.disk();
        disk.create_dir_all(&self.data)?;
        disk.sync_dir("").await?;
        // Gone before the first log is touched: a crash while loading is no clean shutdown (KAFKA-10471).
        let late = self.flaws.has(Flaw::CleanShutdownMarkerLateDelete);
        let clean = match late {
            true => checkpoint::is_clean_shutdown(&disk, &self.data),
            false => checkpoint::take_clean_shutdown(&disk, &self.data).await?,
        };
        let high_watermarks = self.read_offsets(checkpoint::REPLICATION_OFFSET_CHECKPOINT);
        let recovery_points = self.read_offsets(checkpoint::RECOVERY_POINT_CHECKPOINT);
        let cleaned = self.read_offsets(checkpoint::CLEANER_OFFSET_CHECKPOINT);
        for entry in disk.list(&self.data)? {
            let Some(partition) = partition_of(&entry.name).filter(|_| entry.directory) else { continue };
            let point = recovery_points.get(&partition).copied().unwrap_or(0);
            let high_watermark = high_watermarks.get(&partition).copied().unwrap_or(0);
            let directory = self.directory(partition);
            let topic_id = checkpoint::read_topic_id(&disk, &directory)?.unwrap_or(Uuid::nil());
            let settings = settings(partition.topic.as_str());
            let config = self.log_config(&settings);
            // Reading a log takes its time, if the disk is slow.
            disk.admit(size_of(&disk, &directory)?).await;
            let mut log = Log::open(&disk, &directory, config, clean, point, high_watermark, self.host.wall())
                .map_err(io::Error::other)?;
            if let Some(cleaned) = cleaned.get(&partition) {
                log.set_first_dirty_offset(*cleaned);
            }
            let loaded = EventKind::LogLoaded {
                partition,
                log_start: log.start_offset(),
                log_end: log.end_offset(),
                high_watermark: log.high_watermark(),
                clean,
            };
            let loaded = self.host.emit(cause, loaded);
            let epochs = log.epochs().entries().iter().map(|entry| (entry.epoch, entry.start_offset)).collect();
            self.host.emit(loaded, EventKind::EpochsLoaded { partition, epochs });
            self.insert(Replica::new(partition, topic_id, settings, log));
        }
        // What is there only in the file is rewritten before it can come true by new records (KAFKA-3330).
        if cleaned != self.cleaned() {
            self.checkpoint_cleaned().await?;
        }
        if late {
            checkpoint::take_clean_shutdown(&disk, &self.data).await?;
        }
        Ok(())
    }

    /// The replica of a partition that this broker was assigned, created if it is new.
    ///
    /// # Errors
    /// Of the disk.
    pub async fn ensure(
        &self,
        partition: Partition,
        topic_id: Uuid,
        settings: Rc<TopicSettings>,
    ) -> io::Result<Rc<Replica>> {
        if let Some(replica) = self.get(partition) {
            return Ok(replica);
        }
        let (disk, directory) = (self.host.disk(), self.directory(partition));
        let config = self.log_config(&settings);
        let log = Log::open(&disk, &directory, config, true, 0, 0, self.host.wall()).map_err(io::Error::other)?;
        let replica = self.insert(Replica::new(partition, topic_id, settings, log));
        if !topic_id.is_nil() {
            checkpoint::write_topic_id(&disk, &directory, topic_id).await?;
        }
        // A log that begins anew was never cleaned, whatever is told of a deleted one of its name.
        if self.read_offsets(checkpoint::CLEANER_OFFSET_CHECKPOINT).contains_key(&partition) {
            self.checkpoint_cleaned().await?;
        }
        Ok(replica)
    }

    fn insert(&self, replica: Replica) -> Rc<Replica> {
        let replica = Rc::new(replica);
        let Partition { topic, .. } = replica.partition;
        self.names.borrow_mut().insert(topic.to_string(), topic);
        self.table.borrow_mut().insert(replica.partition, replica.clone());
        replica
    }

    /// A damaged checkpoint counts as none: high watermarks and recovery points then start from 0.
    fn read_offsets(&self, file: &str) -> Offsets {
        checkpoint::read_offsets(&self.host.disk(), &format!("{}/{file}", self.data)).unwrap_or_default()
    }
}

/// How many bytes of segments a directory holds.
fn size_of(disk: &Disk, directory: &str) -> io::Result<usize> {
    let segments = disk.list(directory)?.into_iter().filter(|entry| entry.name.ends_with(".log"));
    let lengths = segments.map(|entry| Ok(disk.open(&format!("{directory}/{}", entry.name), Open::Existing)?.len()));
    lengths.sum::<io::Result<u64>>().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// The partition whose log is in a directory of this name.
fn partition_of(directory: &str) -> Option<Partition> {
    let (topic, index) = directory.rsplit_once('-')?;
    let index = index.parse().ok().filter(|index| *index >= 0)?;
    crate::util::is_legal_topic(topic).then(|| Partition { topic: Name::new(topic), index })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_name_their_partition() {
        assert_eq!(partition_of("mail-2024-0"), Some(Partition::new("mail-2024", 0)));
        for other in ["mail", "mail-", "mail-x", "mail--1x", "-1"] {
            assert_eq!(partition_of(other), None, "{other}");
        }
    }
}
