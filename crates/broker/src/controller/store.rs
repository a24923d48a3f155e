//! The controller's reads and writes in ZooKeeper. Every write is conditional on nobody else having become the
//! controller: it checks the version of `/controller_epoch` in the same transaction (KAFKA-6082).

use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use trace::{EventId, Partition};
use zookeeper::{CreateMode, Op, OpResult, Reply, ZkError};

use super::context::LiveBroker;
use super::election::LeaderAndIsr;
use crate::broker::Broker;
use crate::flaws::Flaw;
use crate::util::join_all;
use crate::znodes::{self, Content, PartitionState, Registration, TopicAssignment};

/// The controller must stop acting as one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// Its session is over.
    Session,
    /// Another broker is the controller.
    Moved,
}

/// What became of a conditional write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Write {
    /// Stored as this version.
    Stored(i32, EventId),
    /// Somebody else has written: read again.
    Conflict,
}

/// A stored leadership as it was read.
pub type Stored = Option<(LeaderAndIsr, EventId)>;

/// ZooKeeper as the controller uses it.
#[derive(Clone)]
pub struct Store {
    broker: Rc<Broker>,
    /// Version of `/controller_epoch` while this broker is the controller.
    pub epoch_version: i32,
}

impl Store {
    /// The store; `epoch_version` is of the epoch this controller has.
    pub fn new(broker: Rc<Broker>, epoch_version: i32) -> Store {
        Store { broker, epoch_version }
    }

    /// Tries again while the connection is lost: reads always, writes because a repeated one is either harmless or a
    /// conflict that [`Store::earlier_try`] sees through.
    async fn retrying<T, F>(&self, operation: impl Fn() -> F) -> Result<Result<Reply<T>, ZkError>, Lost>
    where
        F: Future<Output = Result<Reply<T>, ZkError>>,
    {
        const RETRY: Duration = Duration::from_millis(100);
        loop {
            match operation().await {
                Err(ZkError::ConnectionLoss) => self.broker.host.sleep(RETRY).await,
                Err(ZkError::SessionExpired | ZkError::Closed) => return Err(Lost::Session),
                other => return Ok(other),
            }
        }
    }

    /// A node's content and version; none if it does not exist.
    pub async fn get(&self, cause: EventId, path: &str) -> Result<Option<(Bytes, zookeeper::Stat, EventId)>, Lost> {
        let read = self.retrying(|| self.broker.zookeeper.get_data(cause, path, false)).await?;
        Ok(read.ok().map(|reply| (reply.value.0, reply.value.1, reply.cause)))
    }

    /// Watches a node, present or not.
    pub async fn watch(&self, cause: EventId, path: &str) -> Result<(), Lost> {
        self.retrying(|| self.broker.zookeeper.exists(cause, path, true)).await.map(drop)
    }

    /// A node's children, watched from then on; none if there is no such node.
    pub async fn children(&self, cause: EventId, path: &str) -> Result<(Vec<String>, EventId), Lost> {
        let read = self.retrying(|| self.broker.zookeeper.get_children(cause, path, true)).await?;
        Ok(read.map_or((Vec::new(), cause), |reply| (reply.value.0, reply.cause)))
    }

    /// A node's children, not watched.
    async fn unwatched_children(&self, cause: EventId, path: &str) -> Result<Vec<String>, Lost> {
        let read = self.retrying(|| self.broker.zookeeper.get_children(cause, path, false)).await?;
        Ok(read.map_or(Vec::new(), |reply| reply.value.0))
    }

    /// All registrations, watched from then on.
    pub async fn brokers(&self, cause: EventId) -> Result<BTreeMap<i32, LiveBroker>, Lost> {
        let (ids, _) = self.children(cause, znodes::BROKER_IDS).await?;
        let ids: Vec<i32> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let paths: Vec<String> = ids.iter().map(|id| znodes::broker(*id)).collect();
        let reads = join_all(paths.iter().map(|path| self.get(cause, path))).await;
        let mut brokers = BTreeMap::new();
        for (id, read) in ids.into_iter().zip(reads) {
            let Some((data, stat, _)) = read? else { continue };
            if let Some(registration) = Registration::decode(&data) {
                let (address, rack) = (registration.address(), registration.rack);
                brokers.insert(id, LiveBroker { address, epoch: stat.czxid as i64, rack });
            }
        }
        Ok(brokers)
    }

    /// A topic's assignment; none if it is gone or nonsense.
    pub async fn assignment(&self, cause: EventId, topic: &str) -> Result<Option<TopicAssignment>, Lost> {
        let read = self.get(cause, &znodes::topic(topic)).await?;
        Ok(read.and_then(|(data, _, _)| TopicAssignment::decode(&data)))
    }

    /// Leaderships as they are stored.
    pub async fn leaderships(&self, cause: EventId, partitions: &[Partition]) -> Result<Vec<Stored>, Lost> {
        let paths: Vec<String> = partitions.iter().map(|partition| znodes::state(*partition)).collect();
        let reads = join_all(paths.iter().map(|path| self.get(cause, path))).await;
        let decode = |read: Option<(Bytes, zookeeper::Stat, EventId)>| {
            let (data, stat, cause) = read?;
            let state = PartitionState::decode(&data)?;
            let leadership = LeaderAndIsr {
                leader: state.leader,
                leader_epoch: state.leader_epoch,
                isr: state.isr,
                controller_epoch: state.controller_epoch,
                partition_epoch: stat.version,
            };
            Some((leadership, cause))
        };
        reads.into_iter().map(|read| read.map(decode)).collect()
    }

    fn check(&self) -> Op {
        Op::Check { path: znodes::CONTROLLER_EPOCH.to_owned(), version: self.epoch_version }
    }

    async fn guarded(
        &self,
        cause: EventId,
        operations: Vec<Op>,
    ) -> Result<Result<Reply<Vec<OpResult>>, ZkError>, Lost> {
        if self.broker.flaws.has(Flaw::ZombieControllerZkWrite) {
            let unguarded = || self.broker.zookeeper.multi(cause, operations.clone());
            return Ok(self.broker.persistently(unguarded).await);
        }
        let all = || {
            let mut all = vec![self.check()];
            all.extend(operations.iter().cloned());
            self.broker.zookeeper.multi(cause, all)
        };
        match self.retrying(all).await? {
            Err(ZkError::Multi { index: 0, .. }) => Err(Lost::Moved),
            other => Ok(other),
        }
    }

    /// Stores a leadership, if its node still has the version the decision came from.
    pub async fn write(&self, cause: EventId, partition: Partition, next: &LeaderAndIsr) -> Result<Write, Lost> {
        let set =
            Op::SetData { path: znodes::state(partition), data: content(next).encode(), version: next.partition_epoch };
        Ok(match self.guarded(cause, vec![set]).await? {
            Ok(reply) => match reply.value.last() {
                Some(OpResult::Set(stat)) => Write::Stored(stat.version, reply.cause),
                _ => Write::Conflict,
            },
            Err(_) => self.earlier_try(cause, partition, next).await?,
        })
    }

    /// A conflict may be with ourselves: an earlier try landed and its answer was lost. Nobody else writes this content,
    /// which names our controller epoch and a leader epoch that is new.
    async fn earlier_try(&self, cause: EventId, partition: Partition, wanted: &LeaderAndIsr) -> Result<Write, Lost> {
        let found = self.get(cause, &znodes::state(partition)).await?;
        Ok(match found {
            Some((data, stat, read)) if PartitionState::decode(&data).as_ref() == Some(&content(wanted)) => {
                Write::Stored(stat.version, read)
            }
            _ => Write::Conflict,
        })
    }

    /// Stores a new partition's first leadership.
    pub async fn create(&self, cause: EventId, partition: Partition, first: &LeaderAndIsr) -> Result<Write, Lost> {
        let topic = partition.topic.as_str();
        for path in [znodes::partitions(topic), znodes::partition(partition)] {
            let create = Op::Create { path, data: Bytes::new(), mode: CreateMode::Persistent };
            // It may exist: from another partition, or an earlier try.
            self.guarded(cause, vec![create]).await?.ok();
        }
        let (path, data) = (znodes::state(partition), content(first).encode());
        let create = Op::Create { path, data, mode: CreateMode::Persistent };
        Ok(match self.guarded(cause, vec![create]).await? {
            Ok(reply) => Write::Stored(0, reply.cause),
            Err(_) => self.earlier_try(cause, partition, first).await?,
        })
    }

    /// Stores a topic's additional partitions; none if there is no such topic.
    pub async fn add_partitions(
        &self,
        cause: EventId,
        topic: &str,
        added: &BTreeMap<i32, Vec<i32>>,
    ) -> Result<Option<EventId>, Lost> {
        let path = znodes::topic(topic);
        loop {
            let Some((data, stat, read)) = self.get(cause, &path).await? else { return Ok(None) };
            let Some(mut assignment) = TopicAssignment::decode(&data) else { return Ok(None) };
            let before = assignment.partitions.len();
            assignment.partitions.extend(added.iter().map(|(index, replicas)| (*index, replicas.clone())));
            if assignment.partitions.len() == before {
                // An earlier try landed and its answer was lost: nobody else writes this node.
                return Ok(Some(read));
            }
            let set = Op::SetData { path: path.clone(), data: assignment.encode(), version: stat.version };
            if let Ok(reply) = self.guarded(read, vec![set]).await? {
                return Ok(Some(reply.cause));
            }
        }
    }

    /// Deletes a node; that it is gone already is as good.
    pub async fn delete(&self, cause: EventId, path: &str) -> Result<(), Lost> {
        let delete = Op::Delete { path: path.to_owned(), version: -1 };
        self.guarded(cause, vec![delete]).await?.ok();
        Ok(())
    }

    /// Deletes all that is known of a topic, the wish to delete it last.
    pub async fn delete_topic(&self, cause: EventId, topic: &str) -> Result<(), Lost> {
        let partitions = znodes::partitions(topic);
        for index in self.unwatched_children(cause, &partitions).await? {
            self.delete(cause, &format!("{partitions}/{index}/state")).await?;
            self.delete(cause, &format!("{partitions}/{index}")).await?;
        }
        for path in [partitions, znodes::topic(topic), znodes::topic_config(topic), znodes::delete_topic(topic)] {
            self.delete(cause, &path).await?;
        }
        Ok(())
    }
}

fn content(of: &LeaderAndIsr) -> PartitionState {
    PartitionState {
        controller_epoch: of.controller_epoch,
        leader: of.leader,
        version: 1,
        leader_epoch: of.leader_epoch,
        isr: of.isr.clone(),
    }
}
