//! The controller: elects leaders, and tells brokers. One broker is it at a time, by holding `/controller`.
//!
//! [`context`], [`election`], [`placement`] and [`requests`] decide and know nothing of ZooKeeper; [`store`] reads and
//! writes it; [`channels`] deliver. [`Controller`] takes one event after the other from a queue and connects the three.

mod channels;
pub mod context;
mod deletion;
pub mod election;
pub mod placement;
pub mod requests;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use trace::{EventId, EventKind, Name, Partition};
use wire::kafka::ErrorCode;
use zookeeper::{CreateMode, Op, OpResult, ZkError};

pub use requests::LEADER_DURING_DELETE;

use crate::broker::Broker;
use crate::util::{broker_list, join_all};
use crate::znodes::{self, Content, IsrChangeNotification};
use channels::Channels;
use context::{Context, Topic};
use election::{Decision, LeaderAndIsr};
use requests::Batch;
use store::{Lost, Store, Write};

/// What happens to a controller, or to a broker that may become one.
pub enum Event {
    /// The broker is registered in a new session: it may become the controller.
    Registered {
        /// Why.
        cause: EventId,
    },
    /// The broker's session is over, and with it `/controller` if it was its own.
    SessionExpired {
        /// Why.
        cause: EventId,
    },
    /// `/controller` changed.
    ControllerChanged {
        /// Why.
        cause: EventId,
    },
    /// Brokers came or went.
    BrokersChanged {
        /// Why.
        cause: EventId,
    },
    /// Topics came or went.
    TopicsChanged {
        /// Why.
        cause: EventId,
    },
    /// Leaders changed ISRs.
    IsrsChanged {
        /// Why.
        cause: EventId,
    },
    /// Topics are to be deleted.
    DeletionsChanged {
        /// Why.
        cause: EventId,
    },
    /// A broker has deleted replicas.
    ReplicasDeleted {
        /// Which broker.
        broker: i32,
        /// Of which partitions.
        deleted: Vec<Partition>,
        /// Why.
        cause: EventId,
    },
    /// A topic is to have more partitions.
    AddPartitions {
        /// Which topic.
        topic: Name,
        /// Replicas of each new partition, preferred leader first.
        added: BTreeMap<i32, Vec<i32>>,
        /// Told when they are stored, or why they are not.
        answer: oneshot::Sender<Result<EventId, ErrorCode>>,
        /// Why.
        cause: EventId,
    },
    /// A topic's settings are others now.
    SettingsChanged {
        /// Which topic's.
        topic: Name,
        /// Why.
        cause: EventId,
    },
    /// It is time to look whether leaders are where they should be.
    Rebalance {
        /// Why.
        cause: EventId,
    },
    /// A broker is about to stop.
    Relieve {
        /// Which broker.
        broker: i32,
        /// Its broker epoch.
        broker_epoch: i64,
        /// Gets the partitions it still leads.
        answer: oneshot::Sender<Result<Vec<Partition>, ErrorCode>>,
        /// Why.
        cause: EventId,
    },
}

impl Event {
    fn cause(&self) -> EventId {
        match self {
            Event::Registered { cause }
            | Event::SessionExpired { cause }
            | Event::ControllerChanged { cause }
            | Event::BrokersChanged { cause }
            | Event::TopicsChanged { cause }
            | Event::IsrsChanged { cause }
            | Event::DeletionsChanged { cause }
            | Event::ReplicasDeleted { cause, .. }
            | Event::AddPartitions { cause, .. }
            | Event::SettingsChanged { cause, .. }
            | Event::Rebalance { cause }
            | Event::Relieve { cause, .. } => *cause,
        }
    }
}

/// The controller, while this broker is it.
pub(super) struct Active {
    broker: Rc<Broker>,
    store: Store,
    context: Context,
    channels: Channels,
    /// Replicas that topics being deleted still have.
    undeleted: BTreeMap<Name, BTreeSet<(Partition, i32)>>,
}

/// A broker's part in being, or becoming, the controller.
pub struct Controller {
    broker: Rc<Broker>,
    active: Option<Active>,
}

/// Handles events one after the other, for as long as the broker runs.
pub async fn run_controller(broker: Rc<Broker>, mut events: mpsc::UnboundedReceiver<Event>) {
    let mut controller = Controller { broker, active: None };
    while let Some(event) = events.recv().await {
        let cause = event.cause();
        controller.broker.host.dawdle("broker/controller-slow", Duration::from_secs(1), cause).await;
        if let Err(lost) = controller.handle(event).await {
            controller.resign(cause);
            if lost == Lost::Moved {
                controller.broker.tell_controller(Event::ControllerChanged { cause });
            }
        }
    }
}

/// Asks for a look at the leaders' balance every `leader.imbalance.check.interval.seconds`.
pub async fn run_rebalance_timer(broker: Rc<Broker>) {
    let seconds = u64::try_from(broker.settings.leader_imbalance_check_interval_seconds).unwrap_or(300);
    if !broker.settings.auto_leader_rebalance_enable {
        return;
    }
    loop {
        broker.host.sleep(Duration::from_secs(seconds)).await;
        broker.tell_controller(Event::Rebalance { cause: broker.controlling_since.get() });
    }
}

impl Controller {
    async fn handle(&mut self, event: Event) -> Result<(), Lost> {
        match event {
            Event::Registered { cause } | Event::ControllerChanged { cause } => return self.elect(cause).await,
            Event::SessionExpired { cause } => {
                self.resign(cause);
                return Ok(());
            }
            _ => {}
        }
        let Some(active) = &mut self.active else { return Ok(()) };
        match event {
            Event::BrokersChanged { cause } => active.brokers_changed(cause).await,
            Event::TopicsChanged { cause } => active.topics_changed(cause).await,
            Event::IsrsChanged { cause } => active.isrs_changed(cause).await,
            Event::DeletionsChanged { cause } => active.deletions_changed(cause).await,
            Event::ReplicasDeleted { broker, deleted, cause } => active.replicas_deleted(broker, deleted, cause).await,
            Event::AddPartitions { topic, added, answer, cause } => {
                let stored = active.add_partitions(topic, added, cause).await;
                let (told, result) = match stored {
                    Ok(told) => (told, Ok(())),
                    Err(lost) => (Err(ErrorCode::NotController), Err(lost)),
                };
                let _ = answer.send(told);
                result
            }
            Event::SettingsChanged { topic, cause } => active.settings_changed(topic, cause).await,
            Event::Rebalance { cause } => active.rebalance(cause).await,
            Event::Relieve { broker, broker_epoch, answer, cause } => {
                let relieved = active.relieve(broker, broker_epoch, cause).await;
                let (told, result) = match relieved {
                    Ok(told) => (told, Ok(())),
                    Err(lost) => (Err(ErrorCode::NotController), Err(lost)),
                };
                // Who asked may have gone.
                let _ = answer.send(told);
                result
            }
            Event::Registered { .. } | Event::ControllerChanged { .. } | Event::SessionExpired { .. } => Ok(()),
        }
    }

    fn resign(&mut self, cause: EventId) {
        if let Some(active) = self.active.take() {
            self.broker.controlling.set(false);
            self.broker.host.emit(cause, EventKind::ControllerResigned { epoch: active.context.epoch });
        }
    }

    /// Becomes the controller if nobody is, resigns if somebody else is. `/controller` is watched from then on.
    async fn elect(&mut self, cause: EventId) -> Result<(), Lost> {
        const RETRY: Duration = Duration::from_millis(100);
        let store = Store::new(self.broker.clone(), -1);
        loop {
            store.watch(cause, znodes::CONTROLLER).await?;
            if let Some((_, stat, found)) = store.get(cause, znodes::CONTROLLER).await? {
                let own = stat.ephemeral_owner == self.broker.zookeeper.session_id();
                match (own, self.active.is_some()) {
                    (true, true) => return Ok(()),
                    (false, _) => {
                        self.resign(found);
                        return Ok(());
                    }
                    // Created by a transaction whose answer was lost.
                    (true, false) => {
                        let Some((epoch, version, found)) = epoch(&store, found).await? else { continue };
                        return self.begin(epoch, version, found).await;
                    }
                }
            }
            self.resign(cause);
            match self.register(&store, cause).await? {
                Some((epoch, version, elected)) => return self.begin(epoch, version, elected).await,
                None => self.broker.host.sleep(RETRY).await,
            }
        }
    }

    /// Creates `/controller` and raises the epoch, both or neither. None if somebody else was faster, or nobody knows.
    async fn register(&self, store: &Store, cause: EventId) -> Result<Option<(i32, i32, EventId)>, Lost> {
        let zookeeper = &self.broker.zookeeper;
        let Some((epoch, version, found)) = epoch(store, cause).await? else {
            let first = Bytes::from_static(b"0");
            let created = zookeeper.create(cause, znodes::CONTROLLER_EPOCH, first, CreateMode::Persistent).await;
            return if created == Err(ZkError::SessionExpired) { Err(Lost::Session) } else { Ok(None) };
        };
        let me =
            znodes::Controller { version: 1, brokerid: self.broker.id, timestamp: self.broker.host.wall().to_string() };
        let operations = vec![
            Op::Create { path: znodes::CONTROLLER.to_owned(), data: me.encode(), mode: CreateMode::Ephemeral },
            Op::SetData { path: znodes::CONTROLLER_EPOCH.to_owned(), data: (epoch + 1).to_string().into(), version },
        ];
        match zookeeper.multi(found, operations).await {
            Ok(reply) => match reply.value.last() {
                Some(OpResult::Set(stat)) => Ok(Some((epoch + 1, stat.version, reply.cause))),
                _ => Ok(None),
            },
            Err(ZkError::SessionExpired | ZkError::Closed) => Err(Lost::Session),
            Err(_) => Ok(None),
        }
    }

    /// Takes over: loads what is stored, brings it up to date, tells everybody.
    async fn begin(&mut self, epoch: i32, epoch_version: i32, cause: EventId) -> Result<(), Lost> {
        let elected = self.broker.host.emit(cause, EventKind::ControllerElected { epoch });
        self.broker.controlling.set(true);
        self.broker.controlling_since.set(elected);
        let active = self.active.insert(Active {
            broker: self.broker.clone(),
            store: Store::new(self.broker.clone(), epoch_version),
            context: Context { epoch, ..Context::default() },
            channels: Channels::new(self.broker.clone()),
            undeleted: BTreeMap::new(),
        });
        active.take_over(elected).await
    }
}

/// The controller epoch, its version, and the event it was read by; none if there never was a controller.
async fn epoch(store: &Store, cause: EventId) -> Result<Option<(i32, i32, EventId)>, Lost> {
    let Some((data, stat, cause)) = store.get(cause, znodes::CONTROLLER_EPOCH).await? else { return Ok(None) };
    let epoch = std::str::from_utf8(&data).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    Ok(Some((epoch, stat.version, cause)))
}

impl Active {
    async fn take_over(&mut self, cause: EventId) -> Result<(), Lost> {
        // What old notifications say is read with the states.
        let (old, _) = self.store.children(cause, znodes::ISR_CHANGES).await?;
        self.context.brokers = self.store.brokers(cause).await?;
        for (id, live) in &self.context.brokers {
            self.channels.add(*id, live);
        }
        let mut first = Batch::default();
        first.metadata(&self.context, []);
        self.send(first, cause);
        let (topics, _) = self.store.children(cause, znodes::TOPICS).await?;
        self.load_topics(&topics, cause).await?;
        let mut batch = Batch::default();
        self.settle(&mut batch, cause).await?;
        for partition in self.context.leadership.keys() {
            batch.leadership(&self.context, *partition, false);
        }
        self.send(batch, cause);
        for name in old {
            self.store.delete(cause, &format!("{}/{name}", znodes::ISR_CHANGES)).await?;
        }
        self.deletions_changed(cause).await
    }

    fn send(&self, batch: Batch, cause: EventId) {
        for (broker, request) in batch.build(&self.context, self.broker.id) {
            self.channels.send(broker, request, cause);
        }
    }

    /// Learns topics' assignments, settings and stored leaderships.
    async fn load_topics(&mut self, topics: &[String], cause: EventId) -> Result<(), Lost> {
        let reads = join_all(topics.iter().map(|topic| self.store.assignment(cause, topic))).await;
        let mut partitions = Vec::new();
        for (name, read) in topics.iter().zip(reads) {
            let Some(assignment) = read? else { continue };
            self.broker.load_topic_settings(name, cause).await;
            let unclean = self.broker.topic_settings(name).unclean_leader_election_enable;
            let name = Name::new(name);
            partitions.extend(assignment.partitions.keys().map(|index| Partition { topic: name, index: *index }));
            let topic = Topic { id: assignment.topic_id, replicas: assignment.partitions, unclean };
            self.context.topics.insert(name, topic);
        }
        self.refresh(&partitions, cause).await
    }

    /// Reads stored leaderships again.
    async fn refresh(&mut self, partitions: &[Partition], cause: EventId) -> Result<(), Lost> {
        let stored = self.store.leaderships(cause, partitions).await?;
        for (partition, stored) in partitions.iter().zip(stored) {
            if let Some((leadership, _)) = stored {
                self.remember(*partition, leadership)?;
            }
        }
        Ok(())
    }

    fn remember(&mut self, partition: Partition, stored: LeaderAndIsr) -> Result<(), Lost> {
        if stored.controller_epoch > self.context.epoch {
            return Err(Lost::Moved);
        }
        self.context.leadership.insert(partition, stored);
        Ok(())
    }

    /// Creates what is new, elects for what is offline, puts the dead out of ISRs; gathers who must be told.
    async fn settle(&mut self, batch: &mut Batch, cause: EventId) -> Result<(), Lost> {
        self.create(batch, cause).await?;
        let offline = self.context.offline_partitions();
        self.decide(offline, Context::elect_offline, batch, cause).await?;
        // One dead member at a time; an ISR has at most as many as there are replicas.
        for _ in 0..trace::BrokerList::CAPACITY {
            let dead = self.context.partitions_with_dead_isr_members();
            if dead.is_empty() {
                break;
            }
            self.decide(dead, |context, _, current| context.without_dead_isr_member(current), batch, cause).await?;
        }
        Ok(())
    }

    async fn create(&mut self, batch: &mut Batch, cause: EventId) -> Result<(), Lost> {
        let mut first = Vec::new();
        for partition in self.context.new_partitions() {
            let Some(leadership) = self.context.initial(partition) else { continue };
            first.push((partition, leadership));
        }
        let store = &self.store;
        let writes = join_all(first.iter().map(|(partition, it)| store.create(cause, *partition, it))).await;
        for ((partition, leadership), write) in first.into_iter().zip(writes) {
            match write? {
                Write::Stored(version, stored) => {
                    let replicas = broker_list(self.context.replicas(partition));
                    let created = self.broker.host.emit(stored, EventKind::PartitionCreated { partition, replicas });
                    self.decided(partition, leadership, version, false, created);
                    batch.leadership(&self.context, partition, true);
                }
                Write::Conflict => self.refresh(&[partition], cause).await?,
            }
        }
        Ok(())
    }

    fn decided(&mut self, partition: Partition, next: LeaderAndIsr, version: i32, unclean: bool, cause: EventId) {
        let decided = EventKind::LeadershipDecided {
            partition,
            leader: next.leader,
            leader_epoch: next.leader_epoch,
            isr: broker_list(&next.isr),
            partition_epoch: version,
            controller_epoch: next.controller_epoch,
            unclean,
        };
        self.broker.host.emit(cause, decided);
        self.context.leadership.insert(partition, LeaderAndIsr { partition_epoch: version, ..next });
    }

    /// Decides for partitions by what is stored *now* (leaders change ISRs meanwhile), stores, and gathers who must be
    /// told. A conflict is decided anew.
    async fn decide(
        &mut self,
        partitions: Vec<Partition>,
        decision: impl Fn(&Context, Partition, &LeaderAndIsr) -> Option<Decision>,
        batch: &mut Batch,
        cause: EventId,
    ) -> Result<(), Lost> {
        let mut undecided = partitions;
        while !undecided.is_empty() {
            self.refresh(&undecided, cause).await?;
            let mut decisions = Vec::new();
            for partition in undecided.drain(..) {
                let Some(current) = self.context.leadership.get(&partition) else { continue };
                decisions.extend(decision(&self.context, partition, current).map(|decision| (partition, decision)));
            }
            let store = &self.store;
            let writes =
                join_all(decisions.iter().map(|(partition, it)| store.write(cause, *partition, &it.next))).await;
            for ((partition, decision), write) in decisions.into_iter().zip(writes) {
                match write? {
                    Write::Stored(version, stored) => {
                        self.decided(partition, decision.next, version, decision.unclean, stored);
                        batch.leadership(&self.context, partition, false);
                    }
                    Write::Conflict => undecided.push(partition),
                }
            }
        }
        Ok(())
    }

    async fn brokers_changed(&mut self, cause: EventId) -> Result<(), Lost> {
        let found = self.store.brokers(cause).await?;
        let changes = self.context.changes(&found);
        let mut batch = Batch::default();
        // Who was registered anew died in between: first that, then the return.
        let gone: BTreeSet<i32> = changes.left.union(&changes.bounced).copied().collect();
        let come: BTreeSet<i32> = changes.joined.union(&changes.bounced).copied().collect();
        if !gone.is_empty() {
            for id in &gone {
                self.context.brokers.remove(id);
                self.context.stopping.remove(id);
                self.channels.remove(*id);
            }
            batch.metadata(&self.context, []);
            self.settle(&mut batch, cause).await?;
        }
        for id in &come {
            let live = found[id].clone();
            self.channels.add(*id, &live);
            self.context.brokers.insert(*id, live);
        }
        if !come.is_empty() {
            self.settle(&mut batch, cause).await?;
            batch.metadata(&self.context, []);
            for id in &come {
                self.introduce(*id, &mut batch);
            }
        }
        self.send(batch, cause);
        Ok(())
    }

    /// Tells a broker that has come all it needs to know.
    fn introduce(&self, id: i32, batch: &mut Batch) {
        batch.metadata_to(id, self.context.leadership.keys().copied());
        for partition in self.context.leadership.keys() {
            if self.context.replicas(*partition).contains(&id) && !self.context.deleting.contains(&partition.topic) {
                batch.leadership_to(id, *partition);
            }
        }
        for (partition, replica) in self.undeleted.values().flatten().filter(|(_, replica)| *replica == id) {
            batch.stop(*replica, *partition, true);
        }
    }

    async fn topics_changed(&mut self, cause: EventId) -> Result<(), Lost> {
        let (found, cause) = self.store.children(cause, znodes::TOPICS).await?;
        let gone: Vec<Name> =
            self.context.topics.keys().copied().filter(|topic| !found.iter().any(|it| it == topic.as_str())).collect();
        for topic in gone {
            self.context.forget(topic);
            self.undeleted.remove(&topic);
        }
        let new: Vec<String> =
            found.into_iter().filter(|topic| !self.context.topics.contains_key(&Name::new(topic))).collect();
        self.load_topics(&new, cause).await?;
        let mut batch = Batch::default();
        self.create(&mut batch, cause).await?;
        self.send(batch, cause);
        Ok(())
    }

    async fn isrs_changed(&mut self, cause: EventId) -> Result<(), Lost> {
        let (names, cause) = self.store.children(cause, znodes::ISR_CHANGES).await?;
        let paths: Vec<String> = names.iter().map(|name| format!("{}/{name}", znodes::ISR_CHANGES)).collect();
        let mut partitions = BTreeSet::new();
        for read in join_all(paths.iter().map(|path| self.store.get(cause, path))).await {
            let Some(notification) = read?.and_then(|(data, _, _)| IsrChangeNotification::decode(&data)) else {
                continue;
            };
            for it in notification.partitions {
                partitions.insert(Partition { topic: Name::new(&it.topic), index: it.partition });
            }
        }
        let known: Vec<Partition> =
            partitions.into_iter().filter(|partition| !self.context.replicas(*partition).is_empty()).collect();
        self.refresh(&known, cause).await?;
        let mut batch = Batch::default();
        batch.metadata(&self.context, known);
        self.send(batch, cause);
        for path in paths {
            self.store.delete(cause, &path).await?;
        }
        Ok(())
    }

    /// Stores a topic's new partitions and elects their leaders. Kafka's controller hears of them from a watch on the
    /// topic's node; ours writes it itself, so that no other writer and no watch on every topic is needed.
    async fn add_partitions(
        &mut self,
        topic: Name,
        added: BTreeMap<i32, Vec<i32>>,
        cause: EventId,
    ) -> Result<Result<EventId, ErrorCode>, Lost> {
        let known = self.context.topics.get(&topic).filter(|_| !self.context.deleting.contains(&topic));
        let Some(known) = known else { return Ok(Err(ErrorCode::UnknownTopicOrPartition)) };
        let next = known.replicas.len() as i32;
        if !added.keys().copied().eq(next..next + added.len() as i32) {
            return Ok(Err(ErrorCode::InvalidPartitions));
        }
        let Some(stored) = self.store.add_partitions(cause, topic.as_str(), &added).await? else {
            return Ok(Err(ErrorCode::UnknownTopicOrPartition));
        };
        if let Some(known) = self.context.topics.get_mut(&topic) {
            known.replicas.extend(added);
        }
        let mut batch = Batch::default();
        self.create(&mut batch, stored).await?;
        self.send(batch, stored);
        Ok(Ok(stored))
    }

    /// A topic that allows unclean elections now may get the leaders it lacks.
    async fn settings_changed(&mut self, topic: Name, cause: EventId) -> Result<(), Lost> {
        let unclean = self.broker.topic_settings(topic.as_str()).unclean_leader_election_enable;
        let Some(known) = self.context.topics.get_mut(&topic) else { return Ok(()) };
        let newly = unclean && !known.unclean;
        known.unclean = unclean;
        if !newly {
            return Ok(());
        }
        let mut offline = self.context.offline_partitions();
        offline.retain(|partition| partition.topic == topic);
        let mut batch = Batch::default();
        self.decide(offline, Context::elect_offline, &mut batch, cause).await?;
        self.send(batch, cause);
        Ok(())
    }

    async fn rebalance(&mut self, cause: EventId) -> Result<(), Lost> {
        let partitions = self.context.imbalanced(self.broker.settings.leader_imbalance_per_broker_percentage);
        let mut batch = Batch::default();
        self.decide(partitions, Context::elect_preferred, &mut batch, cause).await?;
        self.send(batch, cause);
        Ok(())
    }

    /// Moves leaderships off a broker about to stop. Returns those it keeps for want of an heir.
    async fn relieve(
        &mut self,
        broker: i32,
        broker_epoch: i64,
        cause: EventId,
    ) -> Result<Result<Vec<Partition>, ErrorCode>, Lost> {
        match self.context.brokers.get(&broker) {
            None => return Ok(Err(ErrorCode::BrokerNotAvailable)),
            Some(live) if broker_epoch < live.epoch => return Ok(Err(ErrorCode::StaleBrokerEpoch)),
            Some(_) => {}
        }
        self.context.stopping.insert(broker);
        let replicated = |it: &Partition| {
            let replicas = self.context.replicas(*it);
            replicas.contains(&broker) && replicas.len() > 1
        };
        let partitions: Vec<Partition> = self.context.leadership.keys().copied().filter(replicated).collect();
        let mut batch = Batch::default();
        let decision = |context: &Context, it, current: &LeaderAndIsr| context.relieve(broker, it, current);
        self.decide(partitions.clone(), decision, &mut batch, cause).await?;
        let led = |it: &Partition| self.context.leadership.get(it).is_some_and(|stored| stored.leader == broker);
        let (remaining, followed): (Vec<Partition>, Vec<Partition>) = partitions.into_iter().partition(led);
        for partition in followed {
            batch.stop(broker, partition, false);
        }
        self.send(batch, cause);
        Ok(Ok(remaining))
    }
}
