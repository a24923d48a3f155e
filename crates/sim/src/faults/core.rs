//! What settle heals: everything, or a live core alone, with all other faults left as they are for ever.

use std::collections::BTreeSet;

use scenario::Core;
use trace::{EventId, Name};

use super::{Active, Healing, Injector};

/// Whom settle heals.
struct Healed(Option<BTreeSet<Name>>);

impl Healed {
    /// Whether a node is healed: clients always are.
    fn has(&self, node: &Name) -> bool {
        let machine = ["broker-", "zk-"].iter().any(|stem| node.as_str().starts_with(stem));
        !machine || self.0.as_ref().is_none_or(|core| core.contains(node))
    }
}

impl Injector {
    /// Settle begins: whatever is still broken in the core is healed, and its machines run.
    pub fn settle(&self) {
        let healed = Healed(match &self.0.plan.core {
            Core::Nodes(names) => Some(names.iter().map(|name| Name::new(name)).collect()),
            Core::All | Core::Random => None,
        });
        let active: Vec<usize> = self.0.active.borrow().keys().copied().collect();
        for place in active {
            match self.outside(place, &healed) {
                true => self.leave(place, &healed),
                false => self.heal(place),
            }
        }
        // A process may have ended by itself after its fault was healed; a machine's init system would start it again.
        for group in ["zookeepers", "brokers"] {
            for node in self.0.plan.group(group).unwrap_or_default() {
                let node = Name::new(&node);
                if healed.has(&node) {
                    self.start_node(node, EventId::ROOT);
                }
            }
        }
    }

    /// Whether a fault acts on machines outside the core. One that acts on both sides step by step, or holds a frame, counts
    /// as inside: the core could not be demanded to converge under it.
    fn outside(&self, place: usize, healed: &Healed) -> bool {
        match &self.0.active.borrow()[&place].healing {
            Healing::Resume(nodes) | Healing::Start(nodes) => !nodes.iter().all(|node| healed.has(node)),
            Healing::Disks(nodes) | Healing::Clocks(nodes) | Healing::Consumers(nodes) => {
                !nodes.iter().any(|node| healed.has(node))
            }
            Healing::Links(links) => !links.iter().all(|(a, b)| healed.has(a) && healed.has(b)),
            Healing::Release | Healing::Steps(_) | Healing::Rolling(_) | Healing::Operator(..) => false,
        }
    }

    /// Heals a fault as far as it acts on the core; the rest of it is permanent.
    fn leave(&self, place: usize, healed: &Healed) {
        self.0.permanent.borrow_mut().insert(place);
        let Some(Active { begun, healing }) = self.0.active.borrow_mut().remove(&place) else { return };
        let world = &self.0.world;
        self.0.effects.borrow_mut()[place] = self.effect(&Active { begun, healing: healing.clone() });
        let left = match healing {
            Healing::Resume(nodes) => {
                let (inside, outside) = split(nodes, healed);
                for node in inside {
                    world.resume(node, begun);
                }
                Healing::Resume(outside)
            }
            Healing::Start(nodes) => {
                let (inside, outside) = split(nodes, healed);
                // Nobody may think them held down by this fault any more.
                inside.into_iter().for_each(|node| self.start_node(node, begun));
                Healing::Start(outside)
            }
            Healing::Links(links) => {
                let stay = links.into_iter().filter(|(a, b)| !(healed.has(a) && healed.has(b))).collect();
                world.heal(begun);
                self.harm_links(&self.0.plan.faults[place].kind, begun, stay)
            }
            whole => whole,
        };
        self.0.active.borrow_mut().insert(place, Active { begun, healing: left });
    }
}

fn split(nodes: Vec<Name>, healed: &Healed) -> (Vec<Name>, Vec<Name>) {
    nodes.into_iter().partition(|node| healed.has(node))
}
