//! The cluster as a ring of nodes: links, cuts, and messages under way. A node's place never changes.

use std::collections::BTreeSet;

use scenario::Plan;
use state::{ClusterState, ReplicaRole};
use trace::{Name, StopReason, broker_id};

use crate::model::{Fate, Model, NodeRole};

/// Messages drawn at most.
const MOST_MESSAGES: usize = 500;

/// The ring.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Ring {
    /// Brokers inside, ensemble and clients outside.
    pub nodes: Vec<RingNode>,
    /// Links between nodes that a fault cuts or that carry a message.
    pub links: Vec<Link>,
    /// Messages under way.
    pub messages: Vec<Flight>,
    /// The sides of each cut.
    pub hulls: Vec<Hull>,
}

/// What a node suffers from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Badge {
    /// The fault's id.
    pub fault: Name,
    /// Its kind.
    pub kind: Name,
}

/// A node.
#[derive(Clone, PartialEq, Debug)]
pub struct RingNode {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub role: NodeRole,
    /// Its centre.
    pub x: f32,
    /// Its centre.
    pub y: f32,
    /// Whether its process runs.
    pub up: bool,
    /// Whether it stands still.
    pub paused: bool,
    /// Whether it does not run and is not meant to: not started yet, or ended by itself.
    pub absent: bool,
    /// Active faults that hit it.
    pub badges: Vec<Badge>,
    /// Whether it is the controller.
    pub controller: bool,
    /// Whether it leads the ensemble.
    pub zk_leader: bool,
    /// How many partitions it leads, by the stored state.
    pub leads: usize,
    /// How many of those it believes to lead it does not lead by the stored state.
    pub believes_to_lead: usize,
}

impl RingNode {
    /// What a screen reader says.
    pub fn label(&self) -> String {
        let mut label = self.name.to_string();
        for (holds, word) in [
            (self.absent, ", does not run"),
            (!self.up && !self.absent, ", down"),
            (self.paused, ", paused"),
            (self.controller, ", controller"),
            (self.zk_leader, ", ensemble leader"),
        ] {
            if holds {
                label.push_str(word);
            }
        }
        if self.leads > 0 {
            label.push_str(&format!(", leads {}", self.leads));
        }
        for badge in &self.badges {
            label.push_str(&format!(", {}", badge.kind));
        }
        label
    }
}

/// A pair of nodes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Link {
    /// The lower place in [`Ring::nodes`].
    pub a: usize,
    /// The higher one.
    pub b: usize,
    /// Whether frames from a to b vanish.
    pub cut_ab: bool,
    /// Whether frames from b to a vanish.
    pub cut_ba: bool,
}

/// A message under way.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Flight {
    /// The sender's place in [`Ring::nodes`].
    pub from: usize,
    /// The receiver's.
    pub to: usize,
    /// How far it is, 0 to 1.
    pub progress: f32,
    /// Where it is.
    pub x: f32,
    /// Where it is.
    pub y: f32,
    /// Its API.
    pub api: Name,
    /// Whether it answers a request.
    pub response: bool,
    /// What becomes of it.
    pub fate: Fate,
    /// Its `FrameSent`.
    pub index: usize,
}

/// One side of a cut.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hull {
    /// The fault that cuts.
    pub fault: Name,
    /// What it says.
    pub label: String,
    /// Places in [`Ring::nodes`].
    pub nodes: Vec<usize>,
}

/// The cluster after the event `index`, at its time.
pub fn cluster(model: &Model, state: &ClusterState, index: usize, width: f32, height: f32) -> Ring {
    cluster_at(model, state, index, model.at(index), width, height)
}

/// The cluster at a time (ns), `index` being the last event at or before it: messages move between events.
pub fn cluster_at(model: &Model, state: &ClusterState, index: usize, time: u64, width: f32, height: f32) -> Ring {
    let mut ring = Ring { nodes: places(model, width, height), ..Ring::default() };
    ring.nodes.iter_mut().for_each(|node| describe_node(node, state));
    let mut cuts: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (fault, active) in state.faults.iter().filter(|(_, fault)| fault.ended.is_none()) {
        let sides = Sides::of(model.plan(), &ring.nodes, *fault, active.kind.as_str(), active.target.as_str());
        for place in sides.hit {
            ring.nodes[place].badges.push(Badge { fault: *fault, kind: active.kind });
        }
        cuts.extend(&sides.cuts);
        for nodes in sides.hulls {
            ring.hulls.push(Hull { fault: *fault, label: format!("{}: {}", fault, active.kind), nodes });
        }
    }
    let mut pairs: BTreeSet<(usize, usize)> = cuts.iter().map(|(a, b)| (*a.min(b), *a.max(b))).collect();
    for flying in model.flying(index, time).into_iter().take(MOST_MESSAGES) {
        let place = |name: Name| ring.nodes.iter().position(|node| node.name == name);
        let (Some(from), Some(to)) = (place(flying.from), place(flying.to)) else { continue };
        pairs.insert((from.min(to), from.max(to)));
        let (start, end) = (&ring.nodes[from], &ring.nodes[to]);
        // A lost message stops half way.
        let reach = if flying.fate == Fate::Dropped { flying.progress * 0.5 } else { flying.progress };
        ring.messages.push(Flight {
            from,
            to,
            progress: flying.progress,
            x: start.x + (end.x - start.x) * reach,
            y: start.y + (end.y - start.y) * reach,
            api: flying.frame.api,
            response: flying.frame.response,
            fate: flying.fate,
            index: flying.sent,
        });
    }
    let link = |(a, b): (usize, usize)| Link { a, b, cut_ab: cuts.contains(&(a, b)), cut_ba: cuts.contains(&(b, a)) };
    ring.links = pairs.into_iter().filter(|(a, b)| a != b).map(link).collect();
    ring
}

/// Brokers on an inner ring; the ensemble above and the clients below, on an outer one.
fn places(model: &Model, width: f32, height: f32) -> Vec<RingNode> {
    let nodes = &model.outline().nodes;
    let count = |role: NodeRole| nodes.iter().filter(|node| node.role == role).count();
    let mut seen = [0usize; 3];
    let (centre_x, centre_y) = (width / 2.0, height / 2.0);
    let radius = (width.min(height) / 2.0 - 28.0).max(10.0);
    let stretch = ((width / 2.0 - 40.0) / radius).clamp(1.0, 1.8);
    let place = |item: &crate::model::NodeItem| {
        let (role, tau) = (item.role, std::f32::consts::TAU);
        let nth = seen[role as usize] as f32;
        seen[role as usize] += 1;
        let of = count(role).max(1) as f32;
        let (angle, ring) = match role {
            NodeRole::Broker => (-tau / 4.0 + tau * nth / of, 0.5),
            NodeRole::ZooKeeper => (-tau / 4.0 + tau * 0.36 * ((nth + 0.5) / of - 0.5), 1.0),
            NodeRole::Client => (tau / 4.0 - tau * 0.44 * ((nth + 0.5) / of - 0.5), 1.0),
        };
        RingNode {
            name: item.name,
            role,
            x: centre_x + radius * ring * angle.cos() * stretch,
            y: centre_y + radius * ring * angle.sin(),
            up: false,
            paused: false,
            absent: true,
            badges: Vec::new(),
            controller: false,
            zk_leader: false,
            leads: 0,
            believes_to_lead: 0,
        }
    };
    nodes.iter().map(place).collect()
}

fn describe_node(node: &mut RingNode, state: &ClusterState) {
    if let Some(process) = state.nodes.get(&node.name) {
        (node.up, node.paused) = (process.up, process.paused);
        node.absent = !process.up && process.stopped == Some(StopReason::Exit);
    }
    node.controller = state.controller.is_some_and(|(name, _)| name == node.name);
    node.zk_leader = state.zookeeper_leader() == Some(node.name);
    let Some(id) = broker_id(node.name) else { return };
    node.leads = state.partitions.values().filter(|partition| partition.leader == Some(id)).count();
    let believes = state.partitions.values().filter(|partition| {
        let replica = partition.replicas.get(&id);
        partition.leader != Some(id) && replica.is_some_and(|replica| replica.role == ReplicaRole::Leader)
    });
    node.believes_to_lead = if node.up { believes.count() } else { 0 };
}

/// What a fault does to the ring.
#[derive(Default)]
struct Sides {
    hit: Vec<usize>,
    cuts: Vec<(usize, usize)>,
    hulls: Vec<Vec<usize>>,
}

impl Sides {
    fn of(plan: Option<&Plan>, nodes: &[RingNode], fault: Name, kind: &str, target: &str) -> Sides {
        let arrow = [" <-> ", " -> ", " <- "].into_iter().find(|arrow| target.contains(arrow));
        let (first, second) = arrow.and_then(|arrow| target.split_once(arrow)).unwrap_or((target, ""));
        let named = |text: &str| -> Vec<usize> {
            let names: Vec<&str> = text.split(',').map(str::trim).collect();
            let places = nodes.iter().enumerate().filter(|(_, node)| names.contains(&node.name.as_str()));
            places.map(|(place, _)| place).collect()
        };
        let (first, mut second) = (named(first), named(second));
        let cuts_links = matches!(kind, "partition" | "isolate" | "flap" | "swizzle");
        if !cuts_links {
            let hit = first.into_iter().chain(second).collect();
            return Sides { hit, ..Sides::default() };
        }
        if arrow.is_none() {
            let stays = excepted(plan, fault);
            let other = |(place, node): &(usize, &RingNode)| {
                !first.contains(place) && !stays.iter().any(|name| *name == node.name.as_str())
            };
            second = nodes.iter().enumerate().filter(other).map(|(place, _)| place).collect();
        }
        let mut cuts = Vec::new();
        for a in &first {
            for b in &second {
                if arrow != Some(" <- ") {
                    cuts.push((*a, *b));
                }
                if arrow != Some(" -> ") {
                    cuts.push((*b, *a));
                }
            }
        }
        Sides { hit: first.clone(), cuts, hulls: vec![first, second] }
    }
}

/// The nodes that an isolated node still reaches: the plan names them as a group of nodes, or as one node.
fn excepted(plan: Option<&Plan>, fault: Name) -> Vec<String> {
    let Some(plan) = plan else { return Vec::new() };
    let Some(fault) = plan.faults.iter().find(|known| known.id == fault.as_str()) else { return Vec::new() };
    let scenario::FaultKind::Isolate { except: Some(except), .. } = &fault.kind else { return Vec::new() };
    let word = except.to_string();
    plan.group(&word).unwrap_or_else(|| vec![word])
}
