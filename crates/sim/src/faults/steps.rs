//! Faults that cut links step by step: flap and swizzle.

use std::cell::RefCell;
use std::rc::Rc;

use host::World;
use scenario::{Direction, Duration, FaultKind};
use trace::{EventId, EventKind, Name};

use super::target::links;
use super::{Healing, Injector};

/// The shortest step: without it a flap could take no time and never end.
const SHORTEST: u64 = 1_000_000;

/// The links that a fault has cut, step by step.
#[derive(Default)]
pub(super) struct Cuts {
    /// Every step's event, its node where it has one, and whether it is cut now.
    steps: RefCell<Vec<(EventId, Option<Name>, bool)>>,
}

impl Cuts {
    /// The events of all steps.
    pub fn all(&self) -> Vec<EventId> {
        self.steps.borrow().iter().map(|(event, _, _)| *event).collect()
    }

    /// Takes every cut off the network.
    pub fn heal_all(&self, world: &World) {
        for (event, node, cut) in self.steps.borrow_mut().iter_mut() {
            if std::mem::take(cut) {
                heal_step(world, *event, *node);
            }
        }
    }

    /// Heals the `place`-th step.
    fn heal(&self, world: &World, place: usize) {
        let mut steps = self.steps.borrow_mut();
        let Some((event, node, cut)) = steps.get_mut(place) else { return };
        if std::mem::take(cut) {
            heal_step(world, *event, *node);
        }
    }
}

fn heal_step(world: &World, event: EventId, node: Option<Name>) {
    world.heal(event);
    if let Some(step) = node {
        world.emit(event, EventKind::FaultEnded { fault: step });
    }
}

impl Injector {
    fn goes_on(&self, place: usize, cuts: &Rc<Cuts>) -> bool {
        let active = self.0.active.borrow();
        active
            .get(&place)
            .is_some_and(|active| matches!(&active.healing, Healing::Steps(mine) if Rc::ptr_eq(mine, cuts)))
    }

    /// Cuts these links now, lets them go after `down`, cuts them again after `up`, until the fault is over.
    pub(super) fn flap(
        &self,
        place: usize,
        begun: EventId,
        links: Vec<(Name, Name)>,
        (down, up): (Duration, Duration),
    ) -> Healing {
        let cuts = Rc::new(Cuts { steps: RefCell::new(vec![(begun, None, true)]) });
        self.0.world.cut(begun, &links);
        let (injector, mine) = (self.clone(), cuts.clone());
        self.0.world.spawn(async move {
            let world = &injector.0.world;
            loop {
                world.sleep(down.nanos().max(SHORTEST)).await;
                mine.heal(world, 0);
                world.sleep(up.nanos().max(SHORTEST)).await;
                if !injector.goes_on(place, &mine) {
                    return;
                }
                world.cut(begun, &links);
                mine.steps.borrow_mut()[0].2 = true;
            }
        });
        Healing::Steps(cuts)
    }

    /// Isolates nodes one after another in a drawn order.
    pub(super) fn swizzle(&self, place: usize, begun: EventId, nodes: &[Name], gap: Duration) -> Healing {
        let cuts = Rc::new(Cuts::default());
        let order = self.shuffled(place, "stop", nodes.to_vec());
        let (injector, mine) = (self.clone(), cuts.clone());
        self.0.world.spawn(async move {
            let world = &injector.0.world;
            for node in order {
                // The fault may be over before the last node's turn.
                if !injector.goes_on(place, &mine) {
                    return;
                }
                let others = injector.all_but(|name| name == node.as_str());
                let others: Vec<Name> = others.iter().map(|name| Name::new(name)).collect();
                let step = Name::new(&format!("{}.{node}", injector.0.plan.faults[place].id));
                let kind = EventKind::FaultBegan { fault: step, kind: Name::new("isolate"), target: node };
                let event = world.emit(begun, kind);
                world.cut(event, &links(&[node], &others, Direction::Both));
                mine.steps.borrow_mut().push((event, Some(step), true));
                world.sleep(gap.nanos().max(SHORTEST)).await;
            }
        });
        Healing::Steps(cuts)
    }

    /// A swizzle's time is over: its nodes come back one after another, in another order.
    pub(super) async fn unswizzle(&self, place: usize) {
        let FaultKind::Swizzle { gap, .. } = &self.0.plan.faults[place].kind else { return };
        let cuts = match self.0.active.borrow().get(&place) {
            Some(super::Active { healing: Healing::Steps(cuts), .. }) => cuts.clone(),
            _ => return,
        };
        let count = cuts.all().len();
        for step in self.shuffled(place, "release", (0..count).collect()) {
            cuts.heal(&self.0.world, step);
            self.0.world.sleep(gap.nanos().max(SHORTEST)).await;
        }
    }

    fn shuffled<T>(&self, place: usize, purpose: &str, mut items: Vec<T>) -> Vec<T> {
        let mut entropy = self.0.world.entropy(&format!("fault/{}/{purpose}", self.0.plan.faults[place].id));
        let mut shuffled = Vec::new();
        while !items.is_empty() {
            shuffled.push(items.remove(entropy.below(items.len() as u64) as usize));
        }
        shuffled
    }
}
