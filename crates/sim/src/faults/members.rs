//! Faults that change who is in a group, and how fast its members work.

use std::cell::RefCell;
use std::rc::Rc;

use scenario::{Duration, FaultKind};
use trace::{EventId, Name};

use super::{Healing, Injector};

impl Injector {
    /// Of a consumer's nodes, the next that could start.
    pub(super) fn next_member(&self, nodes: Vec<String>) -> Option<String> {
        let is_free = |node: &Name| !self.0.world.is_up(*node) && !self.held_down(*node);
        nodes.into_iter().find(|node| is_free(&Name::new(node)))
    }

    /// Of a consumer's nodes, the last that runs; a drawn fault leaves one, since a group without members never catches up.
    pub(super) fn last_member(&self, nodes: Vec<String>, is_drawn: bool) -> Option<String> {
        let running = nodes.into_iter().filter(|node| self.0.world.is_up(Name::new(node)));
        running.skip(usize::from(is_drawn)).last()
    }

    /// Starts these nodes of a consumer, or asks them to end.
    pub(super) fn change_members(&self, kind: &FaultKind, begun: EventId, nodes: &[Name]) {
        let world = &self.0.world;
        for node in nodes {
            match kind {
                FaultKind::AddMember { .. } => {
                    world.start(*node, begun);
                }
                _ if self.0.stops.ask(*node, begun) => {}
                // It has not come so far that it could be asked.
                _ => {
                    world.kill(*node, begun);
                }
            }
        }
    }

    /// Restarts nodes one after another, until the fault is over with the last one.
    pub(super) fn roll(
        &self,
        place: usize,
        begun: EventId,
        nodes: &[Name],
        (down, gap): (Duration, Duration),
    ) -> Healing {
        let now_down = Rc::new(RefCell::new(Vec::new()));
        let (injector, mine, nodes) = (self.clone(), now_down.clone(), nodes.to_vec());
        self.0.world.spawn(async move {
            let world = &injector.0.world;
            for node in nodes {
                if !injector.rolls(place, &mine) {
                    return;
                }
                if !world.is_up(node) {
                    continue;
                }
                if !injector.0.stops.ask(node, begun) {
                    world.kill(node, begun);
                }
                mine.borrow_mut().push(node);
                world.sleep(down.nanos()).await;
                if !injector.rolls(place, &mine) {
                    return;
                }
                mine.borrow_mut().clear();
                // It was asked to end, and took too long.
                world.kill(node, begun);
                injector.start_node(node, begun);
                world.sleep(gap.nanos()).await;
            }
            injector.heal(place);
        });
        Healing::Rolling(now_down)
    }

    fn rolls(&self, place: usize, mine: &Rc<RefCell<Vec<Name>>>) -> bool {
        let active = self.0.active.borrow();
        let own = |healing: &Healing| matches!(healing, Healing::Rolling(down) if Rc::ptr_eq(down, mine));
        active.get(&place).is_some_and(|active| own(&active.healing))
    }

    /// Tells consumers how long to work on a record: the longest that a fault asks of them, or their own time.
    pub(super) fn set_pace(&self, nodes: &[Name]) {
        let active = self.0.active.borrow();
        for node in nodes {
            let asked =
                active.iter().filter_map(|(place, active)| match (&active.healing, &self.0.plan.faults[*place].kind) {
                    (Healing::Consumers(hit), FaultKind::SlowConsumer { process, .. }) if hit.contains(node) => {
                        Some(std::time::Duration::from_nanos(process.nanos()))
                    }
                    _ => None,
                });
            let slowest = asked.max();
            let mut pace = self.0.ledger.pace.borrow_mut();
            match slowest {
                Some(slowest) => pace.insert(*node, slowest),
                None => pace.remove(node),
            };
        }
    }
}
