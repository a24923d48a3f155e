//! The log cleaner: of a compacted log it keeps each key's latest record (KIP-58). One task a broker, as with Kafka's default
//! `log.cleaner.threads` of 1; a broker without a compacted log has none.

use std::collections::BTreeSet;
use std::io;
use std::rc::Rc;

use log::checkpoint::{self, Offsets};
use log::{CleanError, LogError, Rewritten};
use trace::{EventId, EventKind, Partition};

use super::{Replica, ReplicaManager};
use crate::broker::Broker;
use crate::config::milliseconds;

/// Starts the cleaner when there is something for it to do for the first time.
pub fn start_cleaner(broker: &Rc<Broker>) {
    let replicas = &broker.replicas;
    if !broker.settings.log_cleaner_enable || replicas.cleaner_runs.get() || !replicas.all().iter().any(is_compacted) {
        return;
    }
    replicas.cleaner_runs.set(true);
    broker.host.spawn("log-cleaner", run_cleaner(broker.clone()));
}

fn is_compacted(replica: &Rc<Replica>) -> bool {
    replica.settings.borrow().is_compacted()
}

/// Cleans the dirtiest log, and the next; when none is dirty enough, looks again after `log.cleaner.backoff.ms`.
async fn run_cleaner(broker: Rc<Broker>) {
    let backoff = milliseconds(broker.settings.log_cleaner_backoff_ms);
    // As in Kafka, a log with a damaged segment is left alone until the next start.
    let mut uncleanable = BTreeSet::new();
    loop {
        let mut cleaned = false;
        if let Some(replica) = dirtiest(&broker, &uncleanable) {
            match clean(&broker, &replica).await {
                Ok(done) => cleaned = done,
                // Its files went with it.
                Err(_) if !is_current(&broker, &replica) => {}
                Err(CleanError::Corrupt { .. }) => {
                    uncleanable.insert(replica.partition);
                }
                Err(CleanError::Log(_)) => return broker.replicas.halt(cause(&broker, &replica)),
            }
            if cleaned && broker.replicas.checkpoint_cleaned().await.is_err() {
                return broker.replicas.halt(cause(&broker, &replica));
            }
        }
        if !cleaned {
            broker.host.sleep(backoff).await;
        }
    }
}

/// The log with the largest dirty part, of those that are dirty enough (`min.cleanable.dirty.ratio`).
fn dirtiest(broker: &Broker, uncleanable: &BTreeSet<Partition>) -> Option<Rc<Replica>> {
    let now = broker.host.wall();
    let due = |replica: Rc<Replica>| {
        let cleanable = {
            let log = &replica.state.borrow().log;
            log.cleanable(now).filter(|cleanable| cleanable.is_due(log.config()))?
        };
        Some((cleanable.dirty_permille(), replica))
    };
    let candidates =
        broker.replicas.all().into_iter().filter(|it| is_compacted(it) && !uncleanable.contains(&it.partition));
    // Of equally dirty ones the first, so that the choice does not depend on the iterator's habits.
    candidates
        .filter_map(due)
        .reduce(|most, next| if next.0 > most.0 { next } else { most })
        .map(|(_, replica)| replica)
}

/// Cleans one log. False if it was cut, deleted, or cleaned away by retention meanwhile: then nothing is known to be clean.
async fn clean(broker: &Broker, replica: &Rc<Replica>) -> Result<bool, CleanError> {
    let begun = replica.state.borrow().log.begin_clean(broker.host.wall());
    let Some(mut clean) = begun else { return Ok(false) };
    clean.read_keys().await?;
    while let Some(rewritten) = clean.rewrite_next().await? {
        if !is_current(broker, replica) || !begin_swap(broker, replica, &rewritten)? {
            return Ok(false);
        }
        clean.sync().await?;
        if !is_current(broker, replica) || !replica.state.borrow_mut().log.finish_swap(rewritten)? {
            return Ok(false);
        }
        clean.sync().await?;
    }
    Ok(replica.state.borrow_mut().log.end_clean(clean).is_some())
}

/// From the swap on a start finds the cleaned segments, even if this process does not live to see its end.
fn begin_swap(broker: &Broker, replica: &Rc<Replica>, rewritten: &Rewritten) -> Result<bool, LogError> {
    let mut state = replica.state.borrow_mut();
    let begun = state.log.begin_swap(rewritten)?;
    if begun {
        assert!(rewritten.end() <= state.log.high_watermark(), "only what is committed is cleaned");
        let (partition, upto) = (replica.partition, rewritten.end());
        let cleaned = EventKind::LogCleaned { partition, upto, kept: rewritten.kept(), removed: rewritten.removed() };
        broker.host.emit(cause(broker, replica), cleaned);
    }
    Ok(begun)
}

/// Whether it still is this broker's log of the partition: a topic may be deleted, and created anew, at any wait.
fn is_current(broker: &Broker, replica: &Rc<Replica>) -> bool {
    broker.replicas.get(replica.partition).is_some_and(|current| Rc::ptr_eq(&current, replica))
}

/// What made the replica what it is; before any controller has spoken, the broker's start.
fn cause(broker: &Broker, replica: &Replica) -> EventId {
    Some(replica.became.get()).filter(|event| *event != EventId::ROOT).unwrap_or(broker.started)
}

impl ReplicaManager {
    /// Writes how far logs are cleaned, for those that were.
    ///
    /// # Errors
    /// Of the disk.
    pub async fn checkpoint_cleaned(&self) -> io::Result<()> {
        let _one_at_a_time = self.cleaner_offsets.lock().await;
        let path = format!("{}/{}", self.data, checkpoint::CLEANER_OFFSET_CHECKPOINT);
        checkpoint::write_offsets(&self.host.disk(), &path, &self.cleaned()).await
    }

    /// How far logs are cleaned, for those that were.
    pub(super) fn cleaned(&self) -> Offsets {
        let mut offsets = self.offsets(log::Log::first_dirty_offset);
        offsets.retain(|_, offset| *offset > 0);
        offsets
    }
}
