//! High watermarks and recovery points on disk, and the end of a broker that ends well.

use std::io;
use std::rc::Rc;

use log::checkpoint::{self, Offsets};
use trace::{EventId, EventKind};

use super::ReplicaManager;
use crate::broker::Broker;
use crate::config::milliseconds;

impl ReplicaManager {
    pub(super) fn offsets(&self, of: impl Fn(&log::Log) -> i64) -> Offsets {
        self.table.borrow().iter().map(|(partition, it)| (*partition, of(&it.state.borrow().log))).collect()
    }

    /// Writes all high watermarks.
    ///
    /// # Errors
    /// Of the disk.
    pub async fn checkpoint_high_watermarks(&self) -> io::Result<()> {
        let path = format!("{}/{}", self.data, checkpoint::REPLICATION_OFFSET_CHECKPOINT);
        let offsets = self.offsets(log::Log::high_watermark);
        checkpoint::write_offsets(&self.host.disk(), &path, &offsets).await
    }

    /// Writes all recovery points: below them nothing has to be looked at again after a crash.
    ///
    /// # Errors
    /// Of the disk.
    pub async fn checkpoint_recovery_points(&self) -> io::Result<()> {
        let _one_at_a_time = self.recovery_points.lock().await;
        let path = format!("{}/{}", self.data, checkpoint::RECOVERY_POINT_CHECKPOINT);
        let offsets = self.offsets(log::Log::recovery_point);
        checkpoint::write_offsets(&self.host.disk(), &path, &offsets).await
    }

    /// Flushes and closes all logs, writes the checkpoints, and last the marker that makes the next start skip recovery.
    ///
    /// # Errors
    /// Of the disk; then there is no marker.
    pub async fn close(&self, cause: EventId) -> io::Result<()> {
        for replica in self.all() {
            replica.state.borrow_mut().log.close().map_err(io::Error::other)?;
            self.flush(&replica, cause).await.map_err(|error| io::Error::other(error.name()))?;
        }
        self.checkpoint_recovery_points().await?;
        self.checkpoint_high_watermarks().await?;
        // Before the marker: a process killed while that is synced leaves it, and rightly.
        self.host.emit(cause, EventKind::LogsClosed);
        checkpoint::write_clean_shutdown(&self.host.disk(), &self.data).await
    }
}

/// Writes high watermarks every `replica.high.watermark.checkpoint.interval.ms`.
pub async fn run_high_watermark_checkpoints(broker: Rc<Broker>) {
    let interval = milliseconds(broker.settings.replica_high_watermark_checkpoint_interval_ms);
    loop {
        broker.host.sleep(interval).await;
        if broker.host.buggify("broker/checkpoint-skipped", broker.started) {
            continue;
        }
        if broker.replicas.checkpoint_high_watermarks().await.is_err() {
            broker.replicas.halt(broker.started);
        }
    }
}

/// Writes recovery points every `log.flush.offset.checkpoint.interval.ms`.
pub async fn run_recovery_point_checkpoints(broker: Rc<Broker>) {
    let interval = milliseconds(broker.settings.log_flush_offset_checkpoint_interval_ms);
    loop {
        broker.host.sleep(interval).await;
        if broker.replicas.checkpoint_recovery_points().await.is_err() {
            broker.replicas.halt(broker.started);
        }
    }
}
