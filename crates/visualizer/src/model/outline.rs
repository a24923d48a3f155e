//! What the side panel lists: violations, faults, nodes, topics, marks.

use scenario::Plan;
use trace::{Event, EventKind, Name};

/// A violation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ViolationItem {
    /// Its report.
    pub index: usize,
    /// When it was reported, ns.
    pub at: u64,
    /// The oracle's slug.
    pub oracle: Name,
    /// Oracle, evidence, place in the protocol.
    pub signature: Name,
    /// The evidence in a sentence.
    pub summary: String,
    /// The event that committed it.
    pub commits: Option<usize>,
    /// Whether the scenario expects it.
    pub expected: bool,
}

/// A fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultItem {
    /// Its begin.
    pub index: usize,
    /// When it began, ns.
    pub at: u64,
    /// Its id in the plan.
    pub fault: Name,
    /// Its kind in the grammar; empty where it hit nothing.
    pub kind: Name,
    /// What it hit.
    pub target: Name,
    /// The event that healed it, and when (ns).
    pub ended: Option<(usize, u64)>,
    /// Why it hit nothing.
    pub without_effect: Option<Name>,
}

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NodeRole {
    /// A Kafka broker.
    Broker,
    /// An ensemble member.
    ZooKeeper,
    /// A producer, a consumer, or who reads at the end.
    Client,
}

/// A node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeItem {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub role: NodeRole,
}

/// A topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicItem {
    /// Its name.
    pub name: Name,
    /// Its partitions in order.
    pub partitions: Vec<i32>,
}

/// A mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarkItem {
    /// Which.
    pub mark: Name,
    /// Its event.
    pub index: usize,
}

/// Partitions of a topic that are listed: a broken trace must not fill the memory.
const MOST_PARTITIONS: usize = 4096;

/// The lists.
#[derive(Clone, Default, Debug)]
pub struct Outline {
    /// In order of report.
    pub violations: Vec<ViolationItem>,
    /// In order of their beginning.
    pub faults: Vec<FaultItem>,
    /// Brokers, ensemble, clients; by number within.
    pub nodes: Vec<NodeItem>,
    /// By name.
    pub topics: Vec<TopicItem>,
    /// In order.
    pub marks: Vec<MarkItem>,
    /// The `NoteShown` events, in order.
    pub notes: Vec<u32>,
}

impl Outline {
    /// With what the plan says already.
    pub fn new(plan: Option<&Plan>) -> Outline {
        let mut outline = Outline::default();
        if let Some(plan) = plan {
            plan.nodes().iter().for_each(|node| outline.node(Name::new(node)));
        }
        outline
    }

    /// Notes the event at `place`.
    pub fn push(&mut self, place: usize, event: &Event, cause: Option<usize>, plan: Option<&Plan>) {
        if let Some(partition) = event.kind.partition() {
            self.partition(partition.topic, partition.index);
        }
        match &event.kind {
            EventKind::NodeStarted { .. } => self.node(event.node),
            EventKind::Violation { oracle, signature, summary } => {
                let expected =
                    plan.is_some_and(|plan| plan.expect.violation.iter().any(|slug| slug == oracle.as_str()));
                self.violations.push(ViolationItem {
                    index: place,
                    at: event.at,
                    oracle: *oracle,
                    signature: *signature,
                    summary: summary.to_string(),
                    commits: cause,
                    expected,
                });
            }
            EventKind::FaultBegan { fault, kind, target } => {
                self.faults.push(FaultItem {
                    index: place,
                    at: event.at,
                    fault: *fault,
                    kind: *kind,
                    target: *target,
                    ended: None,
                    without_effect: None,
                });
            }
            EventKind::FaultEnded { fault } => {
                let open = self.faults.iter_mut().rev().find(|item| item.fault == *fault && item.ended.is_none());
                if let Some(item) = open {
                    item.ended = Some((place, event.at));
                }
            }
            EventKind::FaultWithoutEffect { fault, reason } => self.faults.push(FaultItem {
                index: place,
                at: event.at,
                fault: *fault,
                kind: Name::new(""),
                target: Name::new(""),
                ended: Some((place, event.at)),
                without_effect: Some(*reason),
            }),
            EventKind::Mark { mark } => self.marks.push(MarkItem { mark: *mark, index: place }),
            EventKind::NoteShown { .. } => self.notes.push(place as u32),
            _ => {}
        }
    }

    fn node(&mut self, name: Name) {
        let numbered = |stem: &str| name.as_str().strip_prefix(stem).is_some_and(|id| id.parse::<u32>().is_ok());
        let role = match name.as_str() {
            "world" => return,
            _ if numbered("broker-") => NodeRole::Broker,
            _ if numbered("zk-") => NodeRole::ZooKeeper,
            _ => NodeRole::Client,
        };
        let key = |item: &NodeItem| (item.role, natural(item.name.as_str()));
        let item = NodeItem { name, role };
        if let Err(place) = self.nodes.binary_search_by_key(&key(&item), key) {
            self.nodes.insert(place, item);
        }
    }

    fn partition(&mut self, topic: Name, index: i32) {
        let place = match self.topics.binary_search_by_key(&topic, |item| item.name) {
            Ok(place) => place,
            Err(place) => {
                self.topics.insert(place, TopicItem { name: topic, partitions: Vec::new() });
                place
            }
        };
        let partitions = &mut self.topics[place].partitions;
        if let Err(place) = partitions.binary_search(&index)
            && partitions.len() < MOST_PARTITIONS
        {
            partitions.insert(place, index);
        }
    }
}

/// The key by which `broker-2` comes before `broker-10`.
fn natural(name: &str) -> (&str, u64, &str) {
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (stem, number) = name.split_at(name.len() - digits);
    (stem, number.parse().unwrap_or(0), number)
}
