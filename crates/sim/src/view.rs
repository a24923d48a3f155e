//! The true state of the cluster, as selectors and conditions ask for it.

use std::collections::BTreeSet;

use scenario::{ClusterView, Function, Metrics, Plan, Target};
use state::{ClientState, ClusterState, ConsumerGroup, PartitionState};
use trace::{Name, Partition, broker_name};

/// Answers selectors and conditions from the folded state.
pub struct View<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The state now.
    pub state: &'a ClusterState,
    /// The time now, ns: the last event may be older.
    pub now: u64,
}

impl View<'_> {
    fn partition(&self, topic: &str, index: u32) -> Option<&PartitionState> {
        self.state.partitions.get(&Partition::new(topic, index as i32))
    }

    /// The clients of the producer or consumer `name`.
    fn clients_of(&self, name: &str) -> impl Iterator<Item = &ClientState> {
        let nodes = self.plan.group(name).unwrap_or_default();
        nodes.into_iter().filter_map(|node| self.state.clients.get(&Name::new(&node)))
    }

    /// A sum over all clients of what they did with a topic or one of its partitions.
    fn sum(&self, topic: &str, index: Option<u32>, count: impl Fn(&state::ClientPartition) -> u64) -> i64 {
        let wanted = |partition: &Partition| {
            partition.topic.as_str() == topic && index.is_none_or(|index| partition.index == index as i32)
        };
        let clients = self.state.clients.values();
        let counts = clients.flat_map(|client| client.partitions.iter()).filter(|(partition, _)| wanted(partition));
        counts.map(|(_, own)| count(own)).sum::<u64>() as i64
    }

    /// Records sent, acknowledged or polled: of a topic, a partition, or a client.
    fn records(
        &self,
        target: &Target,
        of_client: impl Fn(&ClientState) -> u64,
        of_partition: impl Fn(&state::ClientPartition) -> u64,
    ) -> Option<i64> {
        match target {
            Target::Partition(topic, index) => Some(self.sum(topic, Some(*index), of_partition)),
            Target::Name(name) if self.plan.topics.iter().any(|topic| topic.name == *name) => {
                Some(self.sum(name, None, of_partition))
            }
            Target::Name(name) => Some(self.clients_of(name).map(of_client).sum::<u64>() as i64),
            _ => None,
        }
    }

    fn group(&self, name: &str) -> Option<&ConsumerGroup> {
        self.state.groups.get(&Name::new(name))
    }

    /// Records below the high watermark of these topics that a reader has not done with, `done` being the offset of the next one.
    fn behind(&self, topics: &[String], done: impl Fn(&Partition) -> i64) -> Option<i64> {
        let mut lag = 0;
        for (partition, state) in &self.state.partitions {
            if topics.iter().any(|topic| partition.topic.as_str() == topic) {
                lag += (state.leading_replica()?.high_watermark - done(partition)).max(0);
            }
        }
        Some(lag)
    }

    /// What a group has not committed; what a consumer without a group has not processed, the worst of its instances.
    fn lag(&self, name: &str) -> Option<i64> {
        let mut members =
            self.plan.consumers.iter().filter(|consumer| consumer.group.as_deref() == Some(name)).peekable();
        if members.peek().is_some() {
            let topics: BTreeSet<&String> = members.flat_map(|consumer| &consumer.topics).collect();
            let topics: Vec<String> = topics.into_iter().cloned().collect();
            let group = self.group(name);
            let committed = |partition: &Partition| group?.committed.get(partition).map(|it| it.offset);
            return self.behind(&topics, |partition| committed(partition).unwrap_or(0));
        }
        let consumer = self.plan.consumers.iter().find(|consumer| consumer.name == name)?;
        let lag_of = |node: &String| {
            let client = self.state.clients.get(&Name::new(node));
            let own = |partition: &Partition| client?.partitions.get(partition).map(|own| own.processed_to);
            self.behind(&consumer.topics, |partition| own(partition).unwrap_or(0))
        };
        self.plan.group(name)?.iter().map(lag_of).try_fold(0, |worst, lag| Some(worst.max(lag?)))
    }

    /// The longest over the partitions of `target`.
    fn longest(&self, target: &Target, of: impl Fn(&Partition, &PartitionState) -> u64) -> Option<i64> {
        let wanted = |partition: &Partition| match target {
            Target::Partition(topic, index) => partition.topic.as_str() == topic && partition.index == *index as i32,
            Target::Name(topic) => partition.topic.as_str() == topic,
            _ => false,
        };
        let partitions = self.state.partitions.iter().filter(|(partition, _)| wanted(partition));
        partitions.map(|(partition, state)| of(partition, state) as i64).max()
    }

    fn blocked(&self, partition: &Partition) -> u64 {
        let waiting = self.state.clients.values().filter_map(|client| client.partitions.get(partition));
        let since = waiting.filter(|own| own.waiting > 0).map(|own| self.now.saturating_sub(own.waiting_since));
        since.max().unwrap_or(0)
    }
}

impl ClusterView for View<'_> {
    fn nodes(&self, group: &str) -> Vec<String> {
        self.plan.group(group).unwrap_or_default()
    }

    fn leader(&self, topic: &str, partition: u32) -> Option<String> {
        Some(broker_name(self.partition(topic, partition)?.leader?).to_string())
    }

    fn followers(&self, topic: &str, partition: u32) -> Vec<String> {
        let Some(state) = self.partition(topic, partition) else { return Vec::new() };
        let followers = state.assignment.iter().filter(|id| Some(*id) != state.leader);
        followers.map(|id| broker_name(id).to_string()).collect()
    }

    fn controller(&self) -> Option<String> {
        self.state.controller.map(|(name, _)| name.to_string())
    }

    fn zk_leader(&self) -> Option<String> {
        self.state.zookeeper_leader().map(|name| name.to_string())
    }

    fn group_coordinator(&self, group: &str) -> Option<String> {
        Some(self.group(group)?.coordinator.to_string())
    }

    fn transaction_coordinator(&self, _transactional_id: &str) -> Option<String> {
        None
    }
}

impl Metrics for View<'_> {
    fn value(&self, function: &Function, target: &Target) -> Option<i64> {
        let of_partition = |value: fn(&PartitionState) -> Option<i64>| match target {
            Target::Partition(topic, index) => value(self.partition(topic, *index)?),
            _ => None,
        };
        let of_name = |value: &dyn Fn(&str) -> Option<i64>| match target {
            Target::Name(name) => value(name),
            _ => None,
        };
        match function.name {
            "isr" => of_partition(|state| Some(state.isr.len() as i64)),
            "leader-epoch" => of_partition(|state| Some(i64::from(state.leader_epoch))),
            "hw" => of_partition(|state| Some(state.leading_replica()?.high_watermark)),
            "leo" => of_partition(|state| Some(state.leading_replica()?.log_end)),
            "cleaned" => of_partition(|state| Some(state.leading_replica()?.cleaned)),
            "lag" => of_name(&|name| self.lag(name)),
            // A group that nobody has joined yet has neither.
            "generations" => of_name(&|name| Some(self.group(name).map_or(0, |group| group.generations as i64))),
            "members" => of_name(&|name| Some(self.group(name).map_or(0, |group| group.members.len() as i64))),
            "blocked" => self.longest(target, |partition, _| self.blocked(partition)),
            "leaderless" => self
                .longest(target, |_, state| state.leaderless_since.map_or(0, |since| self.now.saturating_sub(since))),
            "acked" => self.records(target, |client| client.acked, |own| own.acked),
            "delivered" => self.records(target, |client| client.polled, |own| own.polled),
            "sessions" => Some(self.state.sessions.len() as i64),
            "done" => of_name(&|fault| {
                let state = self.state.faults.get(&Name::new(fault));
                Some(i64::from(state.is_some_and(|fault| fault.ended.is_some())))
            }),
            _ => None,
        }
    }

    fn partitions(&self, topic: &str) -> Option<u32> {
        self.plan.topics.iter().find(|known| known.name == topic).map(|topic| topic.partitions)
    }
}
