//! Selectors: which nodes a fault hits, resolved when it fires.

use std::fmt;

use crate::Problem;
use crate::syntax::Call;

/// Names nodes by their role at the moment a fault fires; resolved by [`Selector::resolve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// One node by name, such as `broker-1`.
    Node(String),
    /// All of a group: `brokers`, `zookeepers`, `clients`, or a client's name.
    Group(String),
    /// The leader of a topic's partition.
    Leader(String, u32),
    /// One follower of a topic's partition (drawn, if there are several); `all(follower(T/P))` is every one.
    Follower(String, u32),
    /// The active controller.
    Controller,
    /// The leader of the ZooKeeper ensemble.
    ZkLeader,
    /// The coordinator of a consumer group.
    GroupCoordinator(String),
    /// The coordinator of a transactional id.
    TransactionCoordinator(String),
    /// One of them, drawn.
    Any(Box<Selector>),
    /// All of them.
    All(Box<Selector>),
    /// All of them but those that `from` resolved to.
    Other(Box<Selector>),
    /// The largest number of them that is less than half, drawn.
    Minority(Box<Selector>),
    /// The smallest number of them that is more than half, drawn.
    Majority(Box<Selector>),
    /// The union of several selectors.
    List(Vec<Selector>),
}

/// What a selector must know of the running cluster. Node names are those of `Plan::nodes`.
pub trait ClusterView {
    /// All nodes of a group, up or down: `brokers`, `zookeepers`, `clients`, or a client's name.
    fn nodes(&self, group: &str) -> Vec<String>;
    /// The partition's leader, if it has one.
    fn leader(&self, topic: &str, partition: u32) -> Option<String>;
    /// The partition's replicas but its leader, in assignment order.
    fn followers(&self, topic: &str, partition: u32) -> Vec<String>;
    /// The active controller.
    fn controller(&self) -> Option<String>;
    /// The ensemble's leader.
    fn zk_leader(&self) -> Option<String>;
    /// The broker that coordinates a group.
    fn group_coordinator(&self, group: &str) -> Option<String>;
    /// The broker that coordinates a transactional id.
    fn transaction_coordinator(&self, transactional_id: &str) -> Option<String>;
}

/// A source of draws; every `FnMut(usize) -> usize` is one.
pub trait Draw {
    /// A number below `bound`, which is never 0.
    fn below(&mut self, bound: usize) -> usize;
}

impl<F: FnMut(usize) -> usize> Draw for F {
    fn below(&mut self, bound: usize) -> usize {
        self(bound)
    }
}

impl Selector {
    /// Reads `other(brokers)`; names are checked against the scenario elsewhere.
    ///
    /// # Errors
    /// When the text is no selector.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        Self::from_call(&Call::parse(text)?)
    }

    fn from_call(call: &Call) -> Result<Self, Problem> {
        if !call.called {
            return Ok(match call.name.as_str() {
                "controller" => Selector::Controller,
                "zk-leader" => Selector::ZkLeader,
                name if is_node_name(name) => Selector::Node(name.into()),
                name => Selector::Group(name.into()),
            });
        }
        let [argument] = call.arguments.as_slice() else {
            return Err(Problem::new(format!("`{}` takes one argument", call.name)));
        };
        let inner = || Self::from_call(argument).map(Box::new);
        Ok(match call.name.as_str() {
            "leader" => argument.partition().map(|(topic, partition)| Selector::Leader(topic, partition))?,
            "follower" => argument.partition().map(|(topic, partition)| Selector::Follower(topic, partition))?,
            "group-coordinator" => Selector::GroupCoordinator(argument.word()?),
            "transaction-coordinator" => Selector::TransactionCoordinator(argument.word()?),
            "any" => Selector::Any(inner()?),
            "all" => Selector::All(inner()?),
            "other" => Selector::Other(inner()?),
            "minority" => Selector::Minority(inner()?),
            "majority" => Selector::Majority(inner()?),
            name => return Err(unknown(name)),
        })
    }

    /// The nodes selected now, without duplicates; empty when there is no such node at this moment.
    ///
    /// `from` are the nodes that the fault's `from` (or, for `isolate`, `node`) resolved to, which `other` leaves out.
    pub fn resolve(&self, view: &dyn ClusterView, draw: &mut dyn Draw, from: &[String]) -> Vec<String> {
        match self {
            Selector::Follower(..) => take(self.candidates(view, draw, from), 1, draw),
            _ => self.candidates(view, draw, from),
        }
    }

    /// All nodes that the selector may mean.
    fn candidates(&self, view: &dyn ClusterView, draw: &mut dyn Draw, from: &[String]) -> Vec<String> {
        match self {
            Selector::Node(name) => vec![name.clone()],
            Selector::Group(name) => view.nodes(name),
            Selector::Leader(topic, partition) => view.leader(topic, *partition).into_iter().collect(),
            Selector::Follower(topic, partition) => view.followers(topic, *partition),
            Selector::Controller => view.controller().into_iter().collect(),
            Selector::ZkLeader => view.zk_leader().into_iter().collect(),
            Selector::GroupCoordinator(group) => view.group_coordinator(group).into_iter().collect(),
            Selector::TransactionCoordinator(id) => view.transaction_coordinator(id).into_iter().collect(),
            Selector::Any(inner) => take(inner.candidates(view, draw, from), 1, draw),
            Selector::All(inner) => inner.candidates(view, draw, from),
            Selector::Other(inner) => {
                inner.candidates(view, draw, from).into_iter().filter(|name| !from.contains(name)).collect()
            }
            Selector::Minority(inner) => {
                let all = inner.candidates(view, draw, from);
                let size = all.len().saturating_sub(1) / 2;
                take(all, size, draw)
            }
            Selector::Majority(inner) => {
                let all = inner.candidates(view, draw, from);
                let size = if all.is_empty() { 0 } else { all.len() / 2 + 1 };
                take(all, size, draw)
            }
            Selector::List(parts) => {
                let mut all: Vec<String> = Vec::new();
                for name in parts.iter().flat_map(|part| part.resolve(view, draw, from)) {
                    if !all.contains(&name) {
                        all.push(name);
                    }
                }
                all
            }
        }
    }

    /// Calls `visit` on this selector and all those inside it.
    pub fn walk(&self, visit: &mut dyn FnMut(&Selector)) {
        visit(self);
        match self {
            Selector::Any(inner)
            | Selector::All(inner)
            | Selector::Other(inner)
            | Selector::Minority(inner)
            | Selector::Majority(inner) => inner.walk(visit),
            Selector::List(parts) => parts.iter().for_each(|part| part.walk(visit)),
            _ => {}
        }
    }
}

/// `size` of `all`, drawn, in their first order.
fn take(mut all: Vec<String>, size: usize, draw: &mut dyn Draw) -> Vec<String> {
    while all.len() > size {
        all.remove(draw.below(all.len()));
    }
    all
}

fn is_node_name(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(stem, number)| {
        !stem.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn unknown(name: &str) -> Problem {
    let names = crate::selectors::SELECTORS.iter().map(|selector| selector.name);
    crate::diagnostic::unknown("selector", name, names)
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Node(name) | Selector::Group(name) => f.write_str(name),
            Selector::Leader(topic, partition) => write!(f, "leader({topic}/{partition})"),
            Selector::Follower(topic, partition) => write!(f, "follower({topic}/{partition})"),
            Selector::Controller => f.write_str("controller"),
            Selector::ZkLeader => f.write_str("zk-leader"),
            Selector::GroupCoordinator(group) => write!(f, "group-coordinator({group})"),
            Selector::TransactionCoordinator(id) => write!(f, "transaction-coordinator({id})"),
            Selector::Any(inner) => write!(f, "any({inner})"),
            Selector::All(inner) => write!(f, "all({inner})"),
            Selector::Other(inner) => write!(f, "other({inner})"),
            Selector::Minority(inner) => write!(f, "minority({inner})"),
            Selector::Majority(inner) => write!(f, "majority({inner})"),
            Selector::List(parts) => {
                let parts: Vec<String> = parts.iter().map(Selector::to_string).collect();
                f.write_str(&parts.join(", "))
            }
        }
    }
}
