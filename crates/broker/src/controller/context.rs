//! What the controller knows of the cluster, and what follows from it for all partitions.

use std::collections::{BTreeMap, BTreeSet};

use host::Address;
use trace::{Name, Partition};
use uuid::Uuid;

use super::election::{self, Decision, LeaderAndIsr};

/// A registered broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveBroker {
    /// Where it is reached.
    pub address: Address,
    /// Its broker epoch: the registration's czxid.
    pub epoch: i64,
    /// Its rack.
    pub rack: Option<String>,
}

/// A topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    /// Its id.
    pub id: Uuid,
    /// Replicas of each partition, preferred leader first.
    pub replicas: BTreeMap<i32, Vec<i32>>,
    /// `unclean.leader.election.enable`.
    pub unclean: bool,
}

/// How registrations changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BrokerChanges {
    /// Those that are new.
    pub joined: BTreeSet<i32>,
    /// Those that are gone.
    pub left: BTreeSet<i32>,
    /// Those that are registered anew: they died unnoticed in between.
    pub bounced: BTreeSet<i32>,
}

/// The controller's picture of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The controller epoch.
    pub epoch: i32,
    /// Registered brokers.
    pub brokers: BTreeMap<i32, LiveBroker>,
    /// Those among them that asked to be relieved before they stop: they are given no leadership.
    pub stopping: BTreeSet<i32>,
    /// All topics.
    pub topics: BTreeMap<Name, Topic>,
    /// Partitions that have a stored leadership.
    pub leadership: BTreeMap<Partition, LeaderAndIsr>,
    /// Topics being deleted: nobody is elected for them any more.
    pub deleting: BTreeSet<Name>,
}

impl Context {
    /// Whether the broker may lead.
    pub fn live(&self, broker: i32) -> bool {
        self.brokers.contains_key(&broker) && !self.stopping.contains(&broker)
    }

    /// The partition's replicas, none if it is unknown.
    pub fn replicas(&self, partition: Partition) -> &[i32] {
        let topic = self.topics.get(&partition.topic);
        topic.and_then(|topic| topic.replicas.get(&partition.index)).map_or(&[], Vec::as_slice)
    }

    /// The partition's replicas on registered brokers.
    pub fn live_replicas(&self, partition: Partition) -> impl Iterator<Item = i32> + '_ {
        self.replicas(partition).iter().copied().filter(|id| self.brokers.contains_key(id))
    }

    /// All partitions of all topics.
    pub fn partitions(&self) -> impl Iterator<Item = Partition> + '_ {
        let of = |(topic, it): (&Name, &'_ Topic)| {
            let topic = *topic;
            it.replicas.keys().map(move |index| Partition { topic, index: *index }).collect::<Vec<_>>()
        };
        self.topics.iter().flat_map(of)
    }

    /// Compares the registrations found with those known.
    pub fn changes(&self, found: &BTreeMap<i32, LiveBroker>) -> BrokerChanges {
        let mut changes = BrokerChanges::default();
        for (id, broker) in found {
            match self.brokers.get(id) {
                None => changes.joined.insert(*id),
                Some(known) if known.epoch != broker.epoch => changes.bounced.insert(*id),
                Some(_) => false,
            };
        }
        changes.left = self.brokers.keys().copied().filter(|id| !found.contains_key(id)).collect();
        changes
    }

    /// Partitions without a stored leadership: new ones.
    pub fn new_partitions(&self) -> Vec<Partition> {
        let new = |it: &Partition| !self.leadership.contains_key(it) && !self.deleting.contains(&it.topic);
        self.partitions().filter(new).collect()
    }

    /// Partitions whose leader is not registered, or that have none.
    pub fn offline_partitions(&self) -> Vec<Partition> {
        let offline = |(partition, it): &(&Partition, &LeaderAndIsr)| {
            !self.brokers.contains_key(&it.leader) && !self.deleting.contains(&partition.topic)
        };
        self.leadership.iter().filter(offline).map(|(partition, _)| *partition).collect()
    }

    /// Partitions with an unregistered broker in their ISR that has to go (not one that must stay as the last).
    pub fn partitions_with_dead_isr_members(&self) -> Vec<Partition> {
        let has = |(partition, it): &(&Partition, &LeaderAndIsr)| {
            !self.deleting.contains(&partition.topic) && self.without_dead_isr_member(it).is_some()
        };
        self.leadership.iter().filter(has).map(|(partition, _)| *partition).collect()
    }

    /// A new partition's first leadership.
    pub fn initial(&self, partition: Partition) -> Option<LeaderAndIsr> {
        election::initial(self.replicas(partition), self.epoch, |id| self.live(id))
    }

    /// A leader for a partition whose leader is dead; none if it has a live one, or nobody is eligible.
    pub fn elect_offline(&self, partition: Partition, current: &LeaderAndIsr) -> Option<Decision> {
        if self.brokers.contains_key(&current.leader) {
            return None;
        }
        let unclean = self.topics.get(&partition.topic).is_some_and(|topic| topic.unclean);
        election::offline(self.replicas(partition), current, self.epoch, unclean, |id| self.live(id))
    }

    /// Puts one dead broker out of an ISR.
    pub fn without_dead_isr_member(&self, current: &LeaderAndIsr) -> Option<Decision> {
        let dead = current.isr.iter().filter(|id| !self.brokers.contains_key(id));
        dead.filter_map(|id| election::removed_from_isr(*id, current, self.epoch)).next()
    }

    /// Moves leadership, or at least ISR membership, off a stopping broker.
    pub fn relieve(&self, broker: i32, partition: Partition, current: &LeaderAndIsr) -> Option<Decision> {
        if current.leader == broker {
            return election::moved_off(broker, self.replicas(partition), current, self.epoch, |id| self.live(id));
        }
        election::removed_from_isr(broker, current, self.epoch)
    }

    /// Gives a partition back to its preferred leader.
    pub fn elect_preferred(&self, partition: Partition, current: &LeaderAndIsr) -> Option<Decision> {
        election::preferred(self.replicas(partition), current, self.epoch, |id| self.live(id))
    }

    /// Partitions to give back: those of preferred leaders that lack more than `percentage` of their partitions.
    pub fn imbalanced(&self, percentage: i64) -> Vec<Partition> {
        let mut by_preferred: BTreeMap<i32, (i64, Vec<Partition>)> = BTreeMap::new();
        for (partition, it) in &self.leadership {
            let Some(preferred) = self.replicas(*partition).first() else { continue };
            if self.deleting.contains(&partition.topic) || !self.live(*preferred) {
                continue;
            }
            let (all, away) = by_preferred.entry(*preferred).or_default();
            *all += 1;
            if it.leader != *preferred {
                away.push(*partition);
            }
        }
        let imbalanced = by_preferred.into_values().filter(|(all, away)| away.len() as i64 * 100 > all * percentage);
        imbalanced.flat_map(|(_, away)| away).collect()
    }

    /// Forgets a topic.
    pub fn forget(&mut self, topic: Name) {
        self.topics.remove(&topic);
        self.deleting.remove(&topic);
        self.leadership.retain(|partition, _| partition.topic != topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(epoch: i64) -> LiveBroker {
        LiveBroker { address: Address::new("broker", 9092), epoch, rack: None }
    }

    /// Replicas; leader and ISR if they are stored.
    type Placed<'a> = (&'a [i32], Option<(i32, &'a [i32])>);

    fn context(live: &[i32], partitions: &[Placed]) -> Context {
        let mut context = Context { epoch: 3, ..Context::default() };
        context.brokers = live.iter().map(|id| (*id, broker(i64::from(*id)))).collect();
        let mut topic = Topic { id: Uuid::nil(), replicas: BTreeMap::new(), unclean: false };
        for (index, (replicas, stored)) in partitions.iter().enumerate() {
            topic.replicas.insert(index as i32, replicas.to_vec());
            if let Some((leader, isr)) = stored {
                let stored = LeaderAndIsr { leader: *leader, isr: isr.to_vec(), ..LeaderAndIsr::default() };
                context.leadership.insert(Partition::new("orders", index as i32), stored);
            }
        }
        context.topics.insert(Name::new("orders"), topic);
        context
    }

    fn indexes(partitions: Vec<Partition>) -> Vec<i32> {
        partitions.iter().map(|partition| partition.index).collect()
    }

    #[test]
    fn a_bounced_broker_is_told_by_its_epoch() {
        let known = context(&[1, 2, 3], &[]);
        let found = BTreeMap::from([(1, broker(1)), (2, broker(77)), (4, broker(4))]);
        let changes = known.changes(&found);
        assert_eq!((changes.joined, changes.left), (BTreeSet::from([4]), BTreeSet::from([3])));
        assert_eq!(changes.bounced, BTreeSet::from([2]));
    }

    #[test]
    fn new_offline_and_dead_are_told_apart() {
        let context = context(
            &[2, 3],
            &[
                (&[1, 2, 3], None),
                (&[1, 2, 3], Some((1, &[1, 2, 3]))),
                (&[2, 1, 3], Some((2, &[2, 1]))),
                (&[1, 2, 3], Some((-1, &[1]))),
                (&[2, 3], Some((2, &[2, 3]))),
            ],
        );
        assert_eq!(indexes(context.new_partitions()), [0]);
        assert_eq!(indexes(context.offline_partitions()), [1, 3]);
        assert_eq!(indexes(context.partitions_with_dead_isr_members()), [1, 2]);
        let partition = Partition::new("orders", 1);
        let decision = context.elect_offline(partition, &context.leadership[&partition]).unwrap();
        assert_eq!((decision.next.leader, decision.next.isr), (2, vec![2, 3]));
    }

    #[test]
    fn a_stopping_broker_keeps_what_it_leads_until_moved_but_gets_nothing_new() {
        let mut context = context(&[1, 2], &[(&[1, 2], Some((1, &[1, 2]))), (&[1, 2], Some((-1, &[1])))]);
        context.stopping.insert(1);
        let first = Partition::new("orders", 0);
        assert_eq!(context.elect_offline(first, &context.leadership[&first]), None, "its leader is alive");
        let relieved = context.relieve(1, first, &context.leadership[&first]).unwrap();
        assert_eq!((relieved.next.leader, relieved.next.isr), (2, vec![2]));
        let second = Partition::new("orders", 1);
        assert_eq!(context.elect_offline(second, &context.leadership[&second]), None);
    }

    #[test]
    fn only_brokers_that_lack_many_of_their_leaderships_get_them_back() {
        let mut partitions: Vec<Placed> = vec![(&[1, 2], Some((1, &[1, 2]))); 9];
        partitions.push((&[1, 2], Some((2, &[1, 2]))));
        partitions.push((&[2, 1], Some((1, &[1, 2]))));
        let context = context(&[1, 2], &partitions);
        assert_eq!(indexes(context.imbalanced(10)), [10], "1 lacks exactly 10 %, 2 lacks all");
        assert_eq!(indexes(context.imbalanced(9)), [9, 10]);
    }
}
