//! How the leader of a group shares its partitions out: pure functions from members to assignments.

mod cooperative;
mod range;
mod round_robin;
mod sticky;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use trace::{Name, Partition};

/// `partition.assignment.strategy`, by Kafka's short names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Strategy {
    /// `range`: of each topic a run of partitions for each member.
    Range,
    /// `roundrobin`: one partition after the other, member by member.
    RoundRobin,
    /// `sticky` (KIP-54): balanced, and members keep what they had. Eager: all is given up before each rebalance.
    Sticky,
    /// `cooperative-sticky` (KIP-429): the same, but members go on with what they keep.
    CooperativeSticky,
}

impl Strategy {
    /// The name in JoinGroup.
    pub const fn name(self) -> &'static str {
        match self {
            Strategy::Range => "range",
            Strategy::RoundRobin => "roundrobin",
            Strategy::Sticky => "sticky",
            Strategy::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// Whether members keep their partitions during a rebalance.
    pub const fn is_cooperative(self) -> bool {
        matches!(self, Strategy::CooperativeSticky)
    }
}

impl FromStr for Strategy {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Strategy::Range, Strategy::RoundRobin, Strategy::Sticky, Strategy::CooperativeSticky]
            .into_iter()
            .find(|strategy| strategy.name() == text)
            .ok_or(())
    }
}

/// A member, as its subscription describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its member id.
    pub id: Name,
    /// Its `group.instance.id`.
    pub instance: Option<Name>,
    /// The topics it wants.
    pub topics: BTreeSet<Name>,
    /// What it claims to own.
    pub owned: Vec<Partition>,
    /// The generation in which it was given that, or -1 (KIP-792).
    pub generation: i32,
}

/// Each member's partitions.
pub type Assignment = BTreeMap<Name, BTreeSet<Partition>>;

/// Shares out the partitions of the topics subscribed; `counts` says how many each topic has. With `trusts_all` a member that missed a
/// generation is believed as well: the flaw `sticky-double-ownership`.
pub fn assign(strategy: Strategy, members: &[Member], counts: &BTreeMap<Name, i32>, trusts_all: bool) -> Assignment {
    let problem = Problem::new(members, counts);
    let shares = match strategy {
        Strategy::Range => range::share(&problem),
        Strategy::RoundRobin => round_robin::share(&problem),
        Strategy::Sticky => sticky::share(&problem, trusts_all),
        Strategy::CooperativeSticky => {
            let mut shares = sticky::share(&problem, trusts_all);
            cooperative::withhold(&problem, &mut shares);
            shares
        }
    };
    let named = |share: Vec<Place>| share.into_iter().map(|place| problem.partition(place)).collect();
    problem.members.iter().zip(shares).map(|(member, share)| (member.id, named(share))).collect()
}

/// A partition by the place of its topic in the problem: comparing numbers is cheaper than comparing names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    topic: usize,
    index: i32,
}

/// What each member is given, by the member's place in the problem.
type Shares = Vec<Vec<Place>>;

struct Topic {
    name: Name,
    partitions: i32,
    /// Places of the members that want it.
    subscribers: Vec<usize>,
}

/// Members and topics in the order in which they are served.
struct Problem<'a> {
    members: Vec<&'a Member>,
    topics: Vec<Topic>,
}

impl<'a> Problem<'a> {
    fn new(members: &'a [Member], counts: &BTreeMap<Name, i32>) -> Problem<'a> {
        let mut members: Vec<&Member> = members.iter().collect();
        // Static members first and by their instance, so that a restart under another member id changes nothing (KIP-345).
        members.sort_by_key(|member| (member.instance.is_none(), member.instance, member.id));
        let topics = counts.iter().map(|(name, partitions)| Topic {
            name: *name,
            partitions: *partitions,
            subscribers: (0..members.len()).filter(|place| members[*place].topics.contains(name)).collect(),
        });
        let topics = topics.filter(|topic| topic.partitions > 0 && !topic.subscribers.is_empty()).collect();
        Problem { members, topics }
    }

    fn partition(&self, place: Place) -> Partition {
        Partition { topic: self.topics[place.topic].name, index: place.index }
    }

    /// The partition's place, if it exists and this member wants it.
    fn place(&self, member: usize, partition: Partition) -> Option<Place> {
        // The topics come out of a map, so they are in order.
        let topic = self.topics.binary_search_by_key(&partition.topic, |topic| topic.name).ok()?;
        let exists = (0..self.topics[topic].partitions).contains(&partition.index);
        let wanted = self.topics[topic].subscribers.binary_search(&member).is_ok();
        (exists && wanted).then_some(Place { topic, index: partition.index })
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        let all = |(topic, it): (usize, &Topic)| (0..it.partitions).map(move |index| Place { topic, index });
        self.topics.iter().enumerate().flat_map(all)
    }

    fn no_shares(&self) -> Shares {
        vec![Vec::new(); self.members.len()]
    }
}
