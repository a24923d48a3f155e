//! A trace in memory and the answers to all questions about it. No egui, no drawing.
//!
//! An event is named by its *index* in [`Model::events`]; its id is that plus a constant (ring traces begin late).

mod effects;
mod facts;
mod flights;
mod follow;
mod history;
mod index;
mod link;
mod load;
mod outline;
mod records;
mod search;
mod story;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use scenario::Plan;
use state::{Causes, ClusterState, KeyFrames};
use trace::{Event, EventId, Header, Partition};

pub use facts::{Class, Severity, classify};
pub use flights::{Fate, Flying};
pub use follow::Follower;
pub use history::{Downtime, History, IsrStep, LeaderSpan, Removal};
pub use index::{BLOCK, Index};
pub use link::{At, FocusLink};
pub use load::{LoadError, Loaded, Loading, Progress, load, parse_bytes};
pub use outline::{FaultItem, MarkItem, NodeItem, NodeRole, Outline, TopicItem, ViolationItem};
pub use records::{Joined, Records, text_of};
pub use search::{NAMED, Query};
pub use story::{Caption, CaptionKind};

use effects::Effects;
use flights::Flights;

/// The bundled trace: with acks=1, a cut-off leader loses what it acknowledged.
const EXAMPLE: &[u8] = include_bytes!("../../assets/acks-one-loses.jsonl.zst");

/// Which way to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Towards the end.
    Forward,
    /// Towards the start.
    Backward,
}

/// What a jump key looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Jump {
    /// The event that commits a violation, or its report where that is unknown.
    Violation,
    /// A stored leader that is another one than before.
    LeaderChange,
    /// A fault begun or healed.
    Fault,
    /// A note of the scenario.
    Note,
    /// Anything of at least [`Severity::Warning`].
    Severe,
}

/// A trace with its indexes.
pub struct Model {
    header: Header,
    plan: Option<Plan>,
    problem: Option<String>,
    events: Vec<Event>,
    index: Index,
    effects: Effects,
    flights: Flights,
    records: Records,
    history: History,
    outline: Outline,
    frames: KeyFrames,
    /// The state asked for last and the number of events folded into it: moving on from it is cheaper than from a key frame.
    near: Mutex<Option<(usize, Arc<ClusterState>)>>,
}

impl Model {
    /// A model of these events, which are in order of id. `problem` says what is wrong with the file after them.
    pub fn new(header: Header, events: Vec<Event>, problem: Option<String>) -> Model {
        let mut model = Model::empty(header);
        model.problem = problem;
        model.extend(events);
        model
    }

    /// A model without events yet.
    pub(crate) fn empty(header: Header) -> Model {
        let plan = Plan::parse("plan.toml", &header.plan).ok();
        Model {
            outline: Outline::new(plan.as_ref()),
            plan,
            header,
            problem: None,
            events: Vec::new(),
            index: Index::default(),
            effects: Effects::default(),
            flights: Flights::default(),
            records: Records::default(),
            history: History::default(),
            frames: KeyFrames::default(),
            near: Mutex::new(None),
        }
    }

    /// The bundled example trace.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn example() -> Model {
        parse_bytes(EXAMPLE).expect("the bundled trace is sound")
    }

    /// Adds events that follow the present ones.
    pub fn extend(&mut self, events: Vec<Event>) {
        for event in &events {
            self.push(event);
            self.events.push(event.clone());
        }
    }

    /// Takes over a batch without cloning: the indexes first, then the events themselves.
    pub(crate) fn append(&mut self, mut batch: Vec<Event>) {
        // An event's indexes read earlier events, also of the same batch: move them one by one.
        for event in batch.drain(..) {
            self.push(&event);
            self.events.push(event);
        }
    }

    fn push(&mut self, event: &Event) {
        let place = self.events.len();
        assert!(place < u32::MAX as usize, "a model holds at most 2^32 events");
        let cause = self.index_of(event.cause);
        self.index.push(event);
        self.effects.push(cause);
        self.flights.push(&self.events, place, event, cause);
        self.records.push(&self.events, place, event, cause);
        self.history.push(place, event, self.frames.state());
        self.outline.push(place, event, cause, self.plan.as_ref());
        self.frames.push(event);
    }

    pub(crate) fn reserve(&mut self, events: usize) {
        self.events.reserve_exact(events.saturating_sub(self.events.len()));
    }

    pub(crate) fn set_problem(&mut self, problem: Option<String>) {
        self.problem = problem;
    }

    /// The first line of the file.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The plan in the header, where this build can read it.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// What is wrong with the file after the events that are shown.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// All events in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Times of the first and the last event, ns.
    pub fn span(&self) -> (u64, u64) {
        let at = |event: Option<&Event>| event.map_or(0, |event| event.at);
        (at(self.events.first()), at(self.events.last()))
    }

    /// The time of an event, ns; of the last one where the index lies beyond.
    pub fn at(&self, index: usize) -> u64 {
        self.events.get(index).or(self.events.last()).map_or(0, |event| event.at)
    }

    /// The last event at or before a time (ns); 0 where all are later.
    pub fn index_at(&self, time: u64) -> usize {
        self.first_after(time).saturating_sub(1)
    }

    /// The first event later than a time (ns); the number of events where none is.
    pub fn first_after(&self, time: u64) -> usize {
        self.index.first_after(&self.events, time)
    }

    /// The index of the event with this id, where the trace holds it.
    pub fn index_of(&self, id: EventId) -> Option<usize> {
        let first = self.events.first()?.id.0;
        let index = usize::try_from(id.0.checked_sub(first)?).ok()?;
        self.events.get(index).filter(|event| event.id == id).map(|_| index)
    }

    /// The cluster after this event.
    pub fn state_at(&self, index: usize) -> Arc<ClusterState> {
        self.state_after(index.saturating_add(1).min(self.events.len()))
    }

    /// The cluster after the first `count` events.
    pub fn state_after(&self, count: usize) -> Arc<ClusterState> {
        let mut near = self.near.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let state = self.frames.state_after(&self.events, count, near.as_ref().map(|(count, state)| (*count, state)));
        *near = Some((count, Arc::clone(&state)));
        state
    }

    /// From an event back to what began it, the fate of lost requests folded in: itself first.
    pub fn why(&self, index: usize) -> Vec<usize> {
        let Some(event) = self.events.get(index) else { return Vec::new() };
        let links = Causes::with_faults(&self.events, &self.history.faults).why(event.id);
        links.into_iter().filter_map(|event| self.index_of(event.id)).collect()
    }

    /// The events that this one caused, in order.
    pub fn effects(&self, index: usize) -> Vec<usize> {
        self.effects.of(index)
    }

    /// All that this event led to, directly or not, in order; at most `limit`.
    pub fn consequences(&self, index: usize, limit: usize) -> Vec<usize> {
        let mut open: BTreeSet<usize> = self.effects(index).into_iter().collect();
        let mut reached = Vec::new();
        while let Some(next) = open.pop_first() {
            if reached.len() == limit {
                break;
            }
            reached.push(next);
            open.extend(self.effects(next));
        }
        reached
    }

    /// The group of an event's kind.
    pub fn class(&self, index: usize) -> Class {
        self.index.class(index)
    }

    /// How much an event matters.
    pub fn severity(&self, index: usize) -> Severity {
        self.index.severity(index)
    }

    /// The name of an event's kind.
    pub fn kind_name(&self, index: usize) -> &'static str {
        self.events.get(index).map_or("", |event| event.kind.name())
    }

    /// Kinds, counts and severities.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Which record is at which offset.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// What lasts: leaders, ISRs, phases, downtimes, removed batches.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What the side panel lists.
    pub fn outline(&self) -> &Outline {
        &self.outline
    }

    /// The frames under way at a time (ns), `index` being the last event at or before it.
    pub fn flying(&self, index: usize, time: u64) -> Vec<Flying> {
        self.flights.at(self, index, time)
    }

    /// The delivery or loss of a sent frame, where the trace holds it.
    pub fn fate_of(&self, sent: usize) -> Option<(usize, Fate)> {
        self.flights.fate(self, sent)
    }

    /// The nearest moment of this sort strictly after or before `from`.
    pub fn next(&self, jump: Jump, from: usize, direction: Direction) -> Option<usize> {
        let nearest = |places: &mut dyn Iterator<Item = usize>| match direction {
            Direction::Forward => places.filter(|place| *place > from).min(),
            Direction::Backward => places.filter(|place| *place < from).max(),
        };
        match jump {
            Jump::Violation => {
                nearest(&mut self.outline.violations.iter().map(|item| item.commits.unwrap_or(item.index)))
            }
            Jump::LeaderChange => nearest(&mut self.history.leader_changes.iter().map(|place| *place as usize)),
            Jump::Fault => {
                nearest(
                    &mut self.outline.faults.iter().flat_map(|fault| {
                        [Some(fault.index), fault.ended.map(|(index, _)| index)].into_iter().flatten()
                    }),
                )
            }
            Jump::Note => nearest(&mut self.outline.notes.iter().map(|place| *place as usize)),
            Jump::Severe => match direction {
                Direction::Forward => self.index.first_of(from + 1..self.len(), Severity::Warning),
                Direction::Backward => self.index.last_of(0..from, Severity::Warning),
            },
        }
    }

    /// The nearest event of the same node strictly after or before this one.
    pub fn along_lane(&self, index: usize, direction: Direction) -> Option<usize> {
        let node = self.events.get(index)?.node;
        match direction {
            Direction::Forward => (index + 1..self.len()).find(|place| self.events[*place].node == node),
            Direction::Backward => (0..index).rev().find(|place| self.events[*place].node == node),
        }
    }

    /// Where a deep link points.
    pub fn resolve(&self, at: At) -> Option<usize> {
        match at {
            At::Violation(number) => {
                let item = self.outline.violations.get(number.checked_sub(1)?)?;
                Some(item.commits.unwrap_or(item.index))
            }
            At::Time(time) => (!self.is_empty()).then(|| self.index_at(time)),
            At::Event(id) => self.index_of(id),
        }
    }

    /// All partitions that the trace tells of, in order.
    pub fn partitions(&self) -> Vec<Partition> {
        let topics = self.outline.topics.iter();
        topics
            .flat_map(|topic| topic.partitions.iter().map(|index| Partition { topic: topic.name, index: *index }))
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
