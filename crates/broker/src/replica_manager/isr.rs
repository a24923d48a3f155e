//! ISR changes on their way to ZooKeeper: conditional writes, and word of them to the controller.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use host::Time;
use tokio::sync::mpsc;
use trace::{EventId, EventKind, Partition};
use zookeeper::{CreateMode, ZkError};

use super::Replica;
use crate::broker::Broker;
use crate::config::milliseconds;
use crate::flaws::Flaw;
use crate::replica::IsrChange;
use crate::util::broker_list;
use crate::znodes::{self, Content};

/// Where leaders put the changes they want.
pub type IsrQueue = mpsc::UnboundedSender<Proposal>;

/// An ISR change to be stored.
pub struct Proposal {
    pub(super) replica: Rc<Replica>,
    pub(super) change: IsrChange,
    /// Its `IsrProposed` event.
    pub(super) event: EventId,
}

/// Before a write whose outcome is unknown is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// Partitions whose ISR changed and of which the controller does not know yet, with the times that decide when it is told.
#[derive(Default)]
pub struct Unannounced {
    partitions: BTreeSet<Partition>,
    last_change: Time,
    last_announcement: Time,
    cause: EventId,
}

impl Unannounced {
    /// Word is sent when changes have settled for 5 s, or the last word is 60 s old (Kafka's fixed values).
    const LINGER: Duration = Duration::from_secs(5);
    const MAX_DELAY: Duration = Duration::from_secs(60);

    fn changed(&mut self, partition: Partition, now: Time, cause: EventId) {
        self.partitions.insert(partition);
        (self.last_change, self.cause) = (now, cause);
    }

    fn take_if_due(&mut self, now: Time) -> Option<(BTreeSet<Partition>, EventId)> {
        let due = now - self.last_change > Self::LINGER || now - self.last_announcement > Self::MAX_DELAY;
        if self.partitions.is_empty() || !due {
            return None;
        }
        self.last_announcement = now;
        Some((std::mem::take(&mut self.partitions), self.cause))
    }
}

/// Stores ISR changes one after the other.
pub async fn run_isr_writer(
    broker: Rc<Broker>,
    mut proposals: mpsc::UnboundedReceiver<Proposal>,
    unannounced: Rc<RefCell<Unannounced>>,
) {
    while let Some(proposal) = proposals.recv().await {
        let Some((partition_epoch, cause)) = store(&broker, &proposal).await else { continue };
        let Proposal { replica, change, .. } = &proposal;
        if !replica.isr_stored(change, partition_epoch) {
            continue;
        }
        let (partition, leader_epoch) = (replica.partition, change.leader_epoch);
        let isr = broker_list(&change.isr);
        let event = broker.host.emit(cause, EventKind::IsrChanged { partition, isr, leader_epoch, partition_epoch });
        unannounced.borrow_mut().changed(partition, broker.host.now(), event);
        // A shrunk ISR may free the high watermark (KAFKA-13091); an acks=all request may lack replicas now.
        if broker.replicas.advance(replica, event).is_none() {
            broker.replicas.produced.changed(partition, event);
        }
    }
}

/// Writes the change. Returns the version it is stored as, or none if it was refused or nobody waits for it any more.
async fn store(broker: &Broker, proposal: &Proposal) -> Option<(i32, EventId)> {
    let Proposal { replica, change, event } = proposal;
    let path = znodes::state(replica.partition);
    let wanted = znodes::PartitionState {
        controller_epoch: change.controller_epoch,
        leader: broker.id,
        version: 1,
        leader_epoch: change.leader_epoch,
        isr: change.isr.clone(),
    };
    let blind = broker.flaws.has(Flaw::IsrBlindWrite);
    let expected = if blind { -1 } else { change.partition_epoch };
    broker.host.dawdle("broker/isr-stored-late", Duration::from_secs(1), *event).await;
    while replica.awaits(change) {
        match broker.zookeeper.set_data(*event, &path, wanted.encode(), expected).await {
            Ok(reply) => return Some((reply.value.version, reply.cause)),
            Err(ZkError::ConnectionLoss | ZkError::SessionExpired) => {
                broker.host.sleep(RETRY).await;
            }
            Err(ZkError::BadVersion) => match broker.zookeeper.get_data(*event, &path, false).await {
                // An earlier try whose answer was lost.
                Ok(reply) if znodes::PartitionState::decode(&reply.value.0).as_ref() == Some(&wanted) => {
                    return Some((reply.value.1.version, reply.cause));
                }
                Ok(reply) => return refused(broker, proposal, reply.cause),
                Err(_) => broker.host.sleep(RETRY).await,
            },
            Err(_) => return refused(broker, proposal, *event),
        }
    }
    None
}

/// Somebody else has written: the change stays pending until the controller says what counts.
fn refused(broker: &Broker, proposal: &Proposal, cause: EventId) -> Option<(i32, EventId)> {
    let (partition, leader_epoch) = (proposal.replica.partition, proposal.change.leader_epoch);
    broker.host.emit(cause, EventKind::IsrRefused { partition, leader_epoch });
    None
}

/// Tells the controller of changed ISRs.
pub async fn run_isr_notifier(broker: Rc<Broker>, unannounced: Rc<RefCell<Unannounced>>) {
    const CHECK: Duration = Duration::from_millis(2_500);
    loop {
        broker.host.sleep(CHECK).await;
        let due = unannounced.borrow_mut().take_if_due(broker.host.now());
        let Some((partitions, cause)) = due else { continue };
        let named = |partition: &Partition| znodes::TopicPartition {
            topic: partition.topic.to_string(),
            partition: partition.index,
        };
        let notification =
            znodes::IsrChangeNotification { version: 1, partitions: partitions.iter().map(named).collect() };
        let path = format!("{}/isr_change_", znodes::ISR_CHANGES);
        let data = notification.encode();
        // Told twice does no harm: a lost answer is answered by another try.
        while broker.zookeeper.create(cause, &path, data.clone(), CreateMode::PersistentSequential).await.is_err() {
            broker.host.sleep(RETRY).await;
        }
    }
}

/// Puts followers out of ISRs that have not caught up in time. Checked every half of the time allowed, as in Kafka.
pub async fn run_isr_shrinker(broker: Rc<Broker>) {
    let lag_max = broker.settings.replica_lag_time_max();
    loop {
        broker.host.sleep(milliseconds(broker.settings.replica_lag_time_max_ms / 2).max(RETRY)).await;
        for replica in broker.replicas.all() {
            let Some((change, late)) = replica.shrink(broker.host.now(), lag_max) else { continue };
            let answers = broker.replicas.answers.borrow();
            let waited_for = late.iter().filter_map(|id| answers.get(id)).max().copied();
            drop(answers);
            let cause = waited_for.unwrap_or(replica.became.get());
            broker.replicas.propose(&replica, change, cause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isr_changes_are_announced_when_they_settle_or_word_is_old() {
        let mut unannounced = Unannounced::default();
        let at = |seconds: u64| Time::from_millis(seconds * 1_000);
        assert!(unannounced.take_if_due(at(100)).is_none(), "nothing to tell");
        unannounced.changed(Partition::new("orders", 0), at(100), EventId(1));
        let (told, cause) = unannounced.take_if_due(at(100)).expect("the last word is over a minute old");
        assert_eq!((told.len(), cause), (1, EventId(1)));
        unannounced.changed(Partition::new("orders", 0), at(101), EventId(2));
        unannounced.changed(Partition::new("orders", 1), at(104), EventId(3));
        assert!(unannounced.take_if_due(at(107)).is_none(), "it lingers");
        assert_eq!(unannounced.take_if_due(at(110)).unwrap().0.len(), 2);
    }
}
