//! The injector: brings a plan's faults over the world, and heals them.

mod apply;
mod core;
mod limit;
mod members;
mod steps;
mod target;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use host::World;
use scenario::{Fault, FaultKind, Plan, Selector, Trigger, Until};
use trace::{EventId, EventKind, Name};

use crate::judge::Judge;
use crate::nodes::Stops;
use crate::services::{Errand, SharedLedger};

/// What must be done to heal a fault.
#[derive(Clone)]
enum Healing {
    /// Let these nodes go on.
    Resume(Vec<Name>),
    /// Start these nodes again, unless another fault holds them down.
    Start(Vec<Name>),
    /// Take the overlay off these links.
    Links(Vec<(Name, Name)>),
    /// Take the overlay off these nodes' disks, and start those whose process gave up.
    Disks(Vec<Name>),
    /// Let these consumers work at their own pace again.
    Consumers(Vec<Name>),
    /// Nodes that restart one after another: those that are down now.
    Rolling(Rc<RefCell<Vec<Name>>>),
    /// Let these nodes' clocks run true again.
    Clocks(Vec<Name>),
    /// Let the frames held back go.
    Release,
    /// An operator that is at work.
    Operator(Rc<Errand>),
    /// Links that are cut step by step: the events of those that are cut now.
    Steps(Rc<steps::Cuts>),
}

struct Active {
    begun: EventId,
    healing: Healing,
}

/// What came of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Its time or condition never came.
    NeverFired,
    /// It came and hit nothing.
    Nothing(String),
    /// It hit something.
    Hit,
}

/// The injector of one run. Cloning shares it.
#[derive(Clone)]
pub struct Injector(Rc<Inner>);

struct Inner {
    world: World,
    plan: Rc<Plan>,
    judge: Judge,
    stops: Rc<Stops>,
    ledger: SharedLedger,
    active: RefCell<BTreeMap<usize, Active>>,
    effects: RefCell<Vec<Effect>>,
    /// Faults that settle made permanent.
    permanent: RefCell<BTreeSet<usize>>,
    resting: Cell<bool>,
}

impl Injector {
    /// An injector of the plan's faults; nothing happens before [`Injector::start`].
    pub fn new(world: World, plan: Rc<Plan>, judge: Judge, stops: Rc<Stops>, ledger: SharedLedger) -> Injector {
        let effects = RefCell::new(vec![Effect::NeverFired; plan.faults.len()]);
        let (active, permanent) = (RefCell::default(), RefCell::default());
        let resting = Cell::new(false);
        Injector(Rc::new(Inner { world, plan, judge, active, effects, stops, ledger, permanent, resting }))
    }

    /// No fault begins any more; those that have are healed in their time.
    pub fn rest(&self) {
        self.0.resting.set(true);
    }

    /// Chaos begins now, at the event `chaos`: faults wait for their time or their condition.
    pub fn start(&self, chaos: EventId) {
        let began = self.0.world.now_ns();
        let mut timed = Vec::new();
        for (place, fault) in self.0.plan.faults.iter().enumerate() {
            match &fault.trigger {
                Trigger::At(after) => timed.push((began + after.nanos(), place)),
                Trigger::When { .. } => {
                    let injector = self.clone();
                    self.0.world.spawn(async move { injector.wait(place).await });
                }
            }
        }
        // One task for all of them: faults of one instant come in the plan's order under every schedule.
        timed.sort_unstable();
        let injector = self.clone();
        self.0.world.spawn(async move {
            for (at, place) in timed {
                injector.0.world.sleep_until(at).await;
                injector.live(place, chaos);
            }
        });
    }

    /// Waits for a fault's condition to turn true.
    async fn wait(&self, place: usize) {
        let Trigger::When { condition, after } = &self.0.plan.faults[place].trigger else {
            unreachable!("only conditions are waited for");
        };
        let holds = self.0.judge.view(|view| condition.holds(view)) == Some(true);
        let Ok(cause) = self.0.judge.triggers().arm(condition.clone(), holds).await else { return };
        self.0.world.sleep(after.nanos()).await;
        if !self.chaos_is_over() {
            self.live(place, cause);
        }
    }

    fn chaos_is_over(&self) -> bool {
        self.0.world.now_ns() >= self.0.plan.phases.settle_starts().nanos()
    }

    /// One fault, from now to its healing.
    fn live(&self, place: usize, cause: EventId) {
        if self.0.resting.get() {
            return;
        }
        self.0.judge.catch_up();
        let fault = &self.0.plan.faults[place];
        if self.exceeds_limit(fault).is_some() {
            let injector = self.clone();
            self.0.world.spawn(async move { injector.postpone(place, cause).await });
            return;
        }
        self.begin(place, fault, cause);
        if !self.0.active.borrow().contains_key(&place) {
            return;
        }
        let injector = self.clone();
        self.0.world.spawn(async move {
            injector.outlast(place).await;
            if injector.0.permanent.borrow().contains(&place) {
                return;
            }
            injector.unswizzle(place).await;
            injector.heal(place);
        });
    }

    /// Waits until a fault that heals by itself is over; the others wait for settle.
    async fn outlast(&self, place: usize) {
        let fault = &self.0.plan.faults[place];
        if let FaultKind::Hold { until: Until::Condition(condition), .. } = &fault.kind {
            let holds = self.0.judge.view(|view| condition.holds(view)) == Some(true);
            if !holds {
                // The sender lives as long as the judge: an error means the run is over.
                let _ = self.0.judge.triggers().arm(condition.clone(), false).await;
            }
            return;
        }
        let errand = self.0.ledger.errands.borrow().get(&place).cloned();
        if let Some(errand) = errand {
            return errand.finished().await;
        }
        match fault.kind.lasts() {
            Some(lasts) => self.0.world.sleep(lasts.nanos()).await,
            None => std::future::pending().await,
        }
    }

    /// What came of each fault, in the plan's order.
    pub fn effects(&self) -> Vec<Effect> {
        self.0.effects.borrow().clone()
    }

    fn resolve(&self, fault: &Fault, selector: &Selector, from: &[String]) -> Vec<String> {
        let mut entropy = self.0.world.entropy(&format!("fault/{}", fault.id));
        let mut draw = |bound: usize| entropy.below(bound as u64) as usize;
        self.0.judge.view(|view| selector.resolve(view, &mut draw, from))
    }

    fn begin(&self, place: usize, fault: &Fault, cause: EventId) {
        let (first, second) = self.targets(fault);
        if first.is_empty() || second.as_ref().is_some_and(Vec::is_empty) {
            self.without_effect(place, fault, cause, Self::nobody(&fault.kind).into());
            return;
        }
        let names = |nodes: &[String]| nodes.iter().map(|name| Name::new(name)).collect::<Vec<_>>();
        let target = target::describe(&fault.kind, &first, second.as_deref());
        let kind = EventKind::FaultBegan {
            fault: Name::new(&fault.id),
            kind: Name::new(fault.kind.name()),
            target: Name::new(&target),
        };
        let begun = self.0.world.emit(cause, kind);
        self.apply(place, fault, begun, &names(&first), &names(&second.unwrap_or_default()));
    }

    /// Heals a fault, unless that was done before.
    fn heal(&self, place: usize) {
        let Some(active) = self.0.active.borrow_mut().remove(&place) else { return };
        let fault = &self.0.plan.faults[place];
        let world = &self.0.world;
        let effect = self.effect(&active);
        let ended = self.over(place, fault, active.begun, effect);
        match active.healing {
            Healing::Start(nodes) => {
                for node in nodes {
                    // It was asked to end, and took too long.
                    if matches!(fault.kind, FaultKind::Shutdown { .. }) {
                        world.kill(node, ended);
                    }
                    self.start_node(node, ended);
                }
            }
            Healing::Resume(nodes) => {
                for node in nodes {
                    world.resume(node, ended);
                }
            }
            Healing::Links(_) => world.heal(active.begun),
            Healing::Disks(nodes) => {
                world.heal(active.begun);
                nodes.into_iter().for_each(|node| self.start_node(node, ended));
            }
            Healing::Clocks(nodes) => self.true_clocks(fault, &nodes),
            Healing::Consumers(nodes) => self.set_pace(&nodes),
            Healing::Rolling(down) => {
                for node in down.take() {
                    // It was asked to end, and may be about to.
                    world.kill(node, ended);
                    self.start_node(node, ended);
                }
            }
            Healing::Release => world.release(active.begun),
            Healing::Steps(cuts) => cuts.heal_all(world),
            // What was deleted is still created again.
            Healing::Operator(errand) => errand.too_late.set(true),
        }
    }

    fn effect(&self, active: &Active) -> Effect {
        let world = &self.0.world;
        let hit = |events: &[EventId]| events.iter().any(|event| world.links_hit(*event) > 0);
        let links = |hit: bool| match hit {
            true => Effect::Hit,
            false => Effect::Nothing("nothing was sent over these links while it lasted".into()),
        };
        match &active.healing {
            Healing::Start(nodes) | Healing::Resume(nodes) if nodes.is_empty() => {
                Effect::Nothing("the node was down already".into())
            }
            Healing::Start(_)
            | Healing::Resume(_)
            | Healing::Clocks(_)
            | Healing::Consumers(_)
            | Healing::Rolling(_) => Effect::Hit,
            Healing::Links(_) => links(hit(&[active.begun])),
            Healing::Steps(cuts) => links(hit(&cuts.all())),
            Healing::Disks(nodes) if nodes.iter().all(|node| world.disk_hit(active.begun, *node) == 0) => {
                Effect::Nothing("nobody used the disk while it lasted".into())
            }
            Healing::Disks(_) => Effect::Hit,
            Healing::Operator(errand) if !errand.deleted.get() => {
                let failure = errand.failure.borrow();
                Effect::Nothing(format!("not deleted: {}", failure.as_deref().unwrap_or("no answer in time")))
            }
            Healing::Operator(..) => Effect::Hit,
            Healing::Release if !world.hold_hit(active.begun) => Effect::Nothing("no such frame was sent".into()),
            Healing::Release => Effect::Hit,
        }
    }

    /// Starts a node that is down, unless a fault that goes on holds it down.
    fn start_node(&self, node: Name, cause: EventId) {
        if !self.held_down(node) && !self.0.world.is_up(node) {
            self.0.world.start(node, cause);
        }
    }

    /// Whether a fault that goes on keeps a node down.
    fn held_down(&self, node: Name) -> bool {
        self.0.active.borrow().values().any(|active| match &active.healing {
            Healing::Start(nodes) => nodes.contains(&node),
            Healing::Rolling(down) => down.borrow().contains(&node),
            _ => false,
        })
    }

    fn over(&self, place: usize, fault: &Fault, begun: EventId, effect: Effect) -> EventId {
        let ended = self.0.world.emit(begun, EventKind::FaultEnded { fault: Name::new(&fault.id) });
        if let Effect::Nothing(reason) = &effect {
            self.without_effect(place, fault, begun, reason.clone());
        }
        self.0.effects.borrow_mut()[place] = effect;
        ended
    }

    fn without_effect(&self, place: usize, fault: &Fault, cause: EventId, reason: String) {
        let kind = EventKind::FaultWithoutEffect { fault: Name::new(&fault.id), reason: Name::new(&reason) };
        self.0.world.emit(cause, kind);
        self.0.effects.borrow_mut()[place] = Effect::Nothing(reason);
    }
}
