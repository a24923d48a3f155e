//! What a scenario declares, and whether a reference names something of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::unknown;
use crate::report::{Report, Span};
use crate::{Argument, Condition, Problem, Selector, Target};

/// All names that selectors and conditions may use.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) brokers: u32,
    pub(crate) zookeepers: u32,
    /// Partitions by topic.
    pub(crate) topics: BTreeMap<String, u32>,
    /// Nodes by client.
    pub(crate) clients: BTreeMap<String, u32>,
    pub(crate) groups: BTreeSet<String>,
    /// Consumers with a group.
    pub(crate) members: BTreeSet<String>,
    /// Consumers without a group.
    pub(crate) readers: BTreeSet<String>,
    pub(crate) faults: BTreeSet<String>,
    /// Nodes that faults add, by consumer.
    pub(crate) added: BTreeMap<String, u32>,
    /// Consumers that producers call directly, and where the file says so.
    pub(crate) called: BTreeMap<String, Span>,
}

impl Names {
    /// Reports every name in a selector that the scenario does not have.
    pub(crate) fn check_selector(&self, selector: &Selector, span: Span, report: &mut Report) {
        selector.walk(&mut |part| {
            let result = match part {
                Selector::Node(name) => self.node(name),
                Selector::Group(name) => self.group_of_nodes(name),
                Selector::Leader(topic, partition) | Selector::Follower(topic, partition) => {
                    self.partition(topic, *partition)
                }
                Selector::GroupCoordinator(group) => self.group(group),
                _ => Ok(()),
            };
            report.check(span, result);
        });
    }

    /// Reports a name in a condition that the scenario does not have.
    pub(crate) fn check_condition(&self, condition: &Condition, span: Span, report: &mut Report) {
        let result = match (condition.function.argument, &condition.target) {
            (_, Target::Cluster) => Ok(()),
            (_, Target::Partition(topic, partition)) => self.partition(topic, *partition),
            (_, Target::EveryPartition(topic)) => self.topic(topic),
            (Argument::Group, Target::Name(name)) => self.group(name),
            (Argument::Reader, Target::Name(name)) => self.reader(name),
            (Argument::Fault, Target::Name(name)) => self.fault(name),
            (Argument::Records, Target::Name(name)) => self.topic_or_client(name),
            (_, Target::Name(name)) => self.topic(name),
        };
        report.check(span, result);
    }

    /// Whether there is such a topic.
    pub(crate) fn topic(&self, name: &str) -> Result<(), Problem> {
        match self.topics.contains_key(name) {
            true => Ok(()),
            false => Err(unknown("topic", name, self.topics.keys().map(String::as_str))),
        }
    }

    fn partition(&self, topic: &str, partition: u32) -> Result<(), Problem> {
        self.topic(topic)?;
        match self.topics[topic] {
            count if partition < count => Ok(()),
            count => Err(Problem::new(format!(
                "topic `{topic}` has no partition {partition}: it has {count}, numbered from 0"
            ))),
        }
    }

    fn node(&self, name: &str) -> Result<(), Problem> {
        let (stem, number) = name.rsplit_once('-').unwrap_or((name, ""));
        let number: u32 = number.parse().unwrap_or(u32::MAX);
        let (first, count) = match stem {
            "broker" => (1, self.brokers),
            "zk" => (1, self.zookeepers),
            _ => match self.clients.get(stem) {
                Some(count) => (0, *count),
                None => return Err(unknown("node", name, self.groups_of_nodes().into_iter())),
            },
        };
        if number >= first && number - first < count {
            return Ok(());
        }
        let range = match count {
            1 => format!("there is only `{stem}-{first}`"),
            _ => format!("there are `{stem}-{first}` to `{stem}-{}`", first + count.saturating_sub(1)),
        };
        Err(Problem::with_help(format!("unknown node `{name}`"), range))
    }

    fn groups_of_nodes(&self) -> Vec<&str> {
        ["brokers", "zookeepers", "clients"].into_iter().chain(self.clients.keys().map(String::as_str)).collect()
    }

    fn group_of_nodes(&self, name: &str) -> Result<(), Problem> {
        let mut known = self.groups_of_nodes();
        if known.contains(&name) {
            return Ok(());
        }
        known.extend(crate::SELECTORS.iter().map(|selector| selector.name));
        Err(unknown("node or selector", name, known.into_iter()))
    }

    fn group(&self, name: &str) -> Result<(), Problem> {
        match self.groups.contains(name) {
            true => Ok(()),
            false => Err(unknown("consumer group", name, self.groups.iter().map(String::as_str))),
        }
    }

    fn reader(&self, name: &str) -> Result<(), Problem> {
        match self.groups.contains(name) || self.readers.contains(name) {
            true => Ok(()),
            false => {
                let known = self.groups.iter().chain(&self.readers).map(String::as_str);
                Err(unknown("consumer group, or consumer without a group,", name, known))
            }
        }
    }

    fn fault(&self, name: &str) -> Result<(), Problem> {
        match self.faults.contains(name) {
            true => Ok(()),
            false => Err(unknown("fault id", name, self.faults.iter().map(String::as_str))),
        }
    }

    fn topic_or_client(&self, name: &str) -> Result<(), Problem> {
        match self.topics.contains_key(name) || self.clients.contains_key(name) {
            true => Ok(()),
            false => {
                let known = self.topics.keys().chain(self.clients.keys()).map(String::as_str);
                Err(unknown("topic or client", name, known))
            }
        }
    }
}
