//! The injector: brings a plan's faults over the world, and heals them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use host::sim::{HoldRule, World};
use scenario::{Direction, Fault, FaultKind, Plan, Selector, Trigger, Until};
use trace::{EventId, EventKind, Name};

use crate::judge::Judge;

/// What must be done to heal a fault.
enum Healing {
    /// Start these nodes again.
    Start(Vec<Name>),
    /// Let these nodes go on.
    Resume(Vec<Name>),
    /// Take the overlay off the network.
    Links,
    /// Let the frames held back go.
    Release,
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
    active: RefCell<BTreeMap<usize, Active>>,
    effects: RefCell<Vec<Effect>>,
}

impl Injector {
    /// An injector of the plan's faults; nothing happens before [`Injector::start`].
    pub fn new(world: World, plan: Rc<Plan>, judge: Judge) -> Injector {
        let effects = RefCell::new(vec![Effect::NeverFired; plan.faults.len()]);
        Injector(Rc::new(Inner { world, plan, judge, active: RefCell::default(), effects }))
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
        let chaos_over = self.0.world.now_ns() >= self.0.plan.phases.settle_starts().nanos();
        if !chaos_over {
            self.live(place, cause);
        }
    }

    /// One fault, from now to its healing.
    fn live(&self, place: usize, cause: EventId) {
        self.0.judge.catch_up();
        self.begin(place, &self.0.plan.faults[place], cause);
        if !self.0.active.borrow().contains_key(&place) {
            return;
        }
        let injector = self.clone();
        self.0.world.spawn(async move {
            injector.outlast(&injector.0.plan.faults[place]).await;
            injector.heal(place);
        });
    }

    /// Waits until a fault that heals by itself is over; the others wait for settle.
    async fn outlast(&self, fault: &Fault) {
        if let FaultKind::Hold { until: Until::Condition(condition), .. } = &fault.kind {
            let holds = self.0.judge.view(|view| condition.holds(view)) == Some(true);
            if !holds {
                // The sender lives as long as the judge: an error means the run is over.
                let _ = self.0.judge.triggers().arm(condition.clone(), false).await;
            }
            return;
        }
        match fault.kind.lasts() {
            Some(lasts) => self.0.world.sleep(lasts.nanos()).await,
            None => std::future::pending().await,
        }
    }

    /// Settle begins: whatever is still broken is healed.
    pub fn heal_all(&self) {
        let active: Vec<usize> = self.0.active.borrow().keys().copied().collect();
        for place in active {
            self.heal(place);
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
        let (first, second) = match &fault.kind {
            FaultKind::Crash { node, .. } | FaultKind::PowerLoss { node, .. } | FaultKind::Pause { node, .. } => {
                (self.resolve(fault, node, &[]), None)
            }
            FaultKind::Isolate { node, except, .. } => {
                let nodes = self.resolve(fault, node, &[]);
                let except = except.as_ref().map(|except| self.resolve(fault, except, &nodes)).unwrap_or_default();
                let stays = |name: &String| nodes.contains(name) || except.contains(name);
                let all = self.0.world.nodes().into_iter().map(|name| name.to_string());
                let others: Vec<String> = all.filter(|name| !stays(name)).collect();
                (nodes, Some(others))
            }
            FaultKind::Partition { from, to, .. }
            | FaultKind::SlowLink { from, to, .. }
            | FaultKind::ResetConnections { from, to }
            | FaultKind::Hold { from, to, .. } => {
                let from = self.resolve(fault, from, &[]);
                let to = self.resolve(fault, to, &from);
                (from, Some(to))
            }
        };
        if first.is_empty() || second.as_ref().is_some_and(Vec::is_empty) {
            self.without_effect(place, fault, cause, "its selectors matched no node".into());
            return;
        }
        let names = |nodes: &[String]| nodes.iter().map(|name| Name::new(name)).collect::<Vec<_>>();
        let target = describe_target(&fault.kind, &first, second.as_deref());
        let kind = EventKind::FaultBegan {
            fault: Name::new(&fault.id),
            kind: Name::new(fault.kind.name()),
            target: Name::new(&target),
        };
        let begun = self.0.world.emit(cause, kind);
        self.apply(place, fault, begun, &names(&first), &names(&second.unwrap_or_default()));
    }

    fn apply(&self, place: usize, fault: &Fault, begun: EventId, first: &[Name], second: &[Name]) {
        let world = &self.0.world;
        let up = |nodes: &[Name]| nodes.iter().copied().filter(|node| world.is_up(*node)).collect::<Vec<_>>();
        let healing = match &fault.kind {
            FaultKind::Crash { .. } => {
                let hit = up(first);
                for node in &hit {
                    world.kill(*node, begun);
                }
                Healing::Start(hit)
            }
            FaultKind::PowerLoss { keep, .. } => {
                let keep = match keep {
                    scenario::Keep::Random => host::sim::Keep::Random,
                    scenario::Keep::None => host::sim::Keep::None,
                    scenario::Keep::All => host::sim::Keep::All,
                };
                let hit = up(first);
                for node in &hit {
                    world.power_loss(*node, begun, keep);
                }
                Healing::Start(hit)
            }
            FaultKind::Pause { .. } => {
                let hit = up(first);
                for node in &hit {
                    world.pause(*node, begun);
                }
                Healing::Resume(hit)
            }
            FaultKind::Partition { direction, .. } => {
                world.cut(begun, &links(first, second, *direction));
                Healing::Links
            }
            FaultKind::Isolate { .. } => {
                world.cut(begun, &links(first, second, Direction::Both));
                Healing::Links
            }
            FaultKind::SlowLink { latency, direction, .. } => {
                world.slow(begun, &links(first, second, *direction), crate::nodes::latency(latency));
                Healing::Links
            }
            FaultKind::ResetConnections { .. } => {
                let effect = match world.reset_connections(begun, first, second) {
                    0 => Effect::Nothing("there was no connection between them".into()),
                    _ => Effect::Hit,
                };
                self.over(place, fault, begun, effect);
                return;
            }
            FaultKind::Hold { api, nth, response, .. } => {
                // `from` asks and `to` answers: a held answer flows the other way.
                let (from, to) = if *response { (second, first) } else { (first, second) };
                let rule = HoldRule {
                    api: Name::new(api),
                    response: *response,
                    from: from.to_vec(),
                    to: to.to_vec(),
                    nth: u64::from(*nth),
                };
                world.hold(begun, rule);
                Healing::Release
            }
        };
        self.0.active.borrow_mut().insert(place, Active { begun, healing });
    }

    /// Heals a fault, unless that was done before.
    fn heal(&self, place: usize) {
        let Some(active) = self.0.active.borrow_mut().remove(&place) else { return };
        let fault = &self.0.plan.faults[place];
        let world = &self.0.world;
        let effect = match &active.healing {
            Healing::Start(nodes) | Healing::Resume(nodes) if nodes.is_empty() => {
                Effect::Nothing("the node was down already".into())
            }
            Healing::Start(_) | Healing::Resume(_) => Effect::Hit,
            Healing::Links if world.links_hit(active.begun) == 0 => {
                Effect::Nothing("nothing was sent over these links while it lasted".into())
            }
            Healing::Links => Effect::Hit,
            Healing::Release if !world.hold_hit(active.begun) => Effect::Nothing("no such frame was sent".into()),
            Healing::Release => Effect::Hit,
        };
        let ended = self.over(place, fault, active.begun, effect);
        match active.healing {
            Healing::Start(nodes) => {
                for node in nodes {
                    world.start(node, ended);
                }
            }
            Healing::Resume(nodes) => {
                for node in nodes {
                    world.resume(node, ended);
                }
            }
            Healing::Links => world.heal(active.begun),
            Healing::Release => world.release(active.begun),
        }
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

/// The directed links between two sets of nodes.
fn links(from: &[Name], to: &[Name], direction: Direction) -> Vec<(Name, Name)> {
    let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b);
    let directed = |(a, b): (Name, Name)| match direction {
        Direction::Outbound => vec![(a, b)],
        Direction::Inbound => vec![(b, a)],
        Direction::Both => vec![(a, b), (b, a)],
    };
    pairs.flat_map(directed).collect()
}

/// `broker-1`, or `broker-1 -> broker-2, broker-3`.
fn describe_target(kind: &FaultKind, first: &[String], second: Option<&[String]>) -> String {
    let first = first.join(", ");
    match (kind, second) {
        (FaultKind::Partition { direction, .. } | FaultKind::SlowLink { direction, .. }, Some(second)) => {
            let arrow = match direction {
                Direction::Outbound => "->",
                Direction::Inbound => "<-",
                Direction::Both => "<->",
            };
            format!("{first} {arrow} {}", second.join(", "))
        }
        (FaultKind::ResetConnections { .. } | FaultKind::Hold { .. }, Some(second)) => {
            format!("{first} -> {}", second.join(", "))
        }
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(nodes: &[&str]) -> Vec<Name> {
        nodes.iter().map(|name| Name::new(name)).collect()
    }

    #[test]
    fn directions_say_which_frames_vanish() {
        let (a, b) = (names(&["a"]), names(&["a", "b"]));
        let pair = |from: &str, to: &str| (Name::new(from), Name::new(to));
        assert_eq!(links(&a, &b, Direction::Outbound), [pair("a", "b")]);
        assert_eq!(links(&a, &b, Direction::Inbound), [pair("b", "a")]);
        assert_eq!(links(&a, &b, Direction::Both), [pair("a", "b"), pair("b", "a")]);
    }
}
