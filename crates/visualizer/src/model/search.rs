//! Search: by field, by what happened, by text, and by what came before what.

use std::fmt;
use std::str::FromStr;

use state::describe;
use trace::{Event, EventId, EventKind, Name, Partition, StopReason, ZabRole};

use super::facts::{Class, Severity, classify, offsets_of};
use super::{Direction, Model};

/// What happened, by a word: the word, what it means, and the test.
pub struct Named {
    /// The word.
    pub word: &'static str,
    /// What it finds.
    pub meaning: &'static str,
    test: fn(&EventKind) -> bool,
}

/// The words that a query may hold, beside the names of fault kinds.
pub const NAMED: &[Named] = &[
    Named {
        word: "violation",
        meaning: "an oracle's report",
        test: |kind| matches!(kind, EventKind::Violation { .. }),
    },
    Named { word: "fault", meaning: "a fault begins", test: |kind| matches!(kind, EventKind::FaultBegan { .. }) },
    Named { word: "healed", meaning: "a fault ends", test: |kind| matches!(kind, EventKind::FaultEnded { .. }) },
    Named {
        word: "partition",
        meaning: "a fault that cuts links begins",
        test: |kind| match kind {
            EventKind::FaultBegan { kind, .. } => {
                matches!(kind.as_str(), "partition" | "isolate" | "flap" | "swizzle")
            }
            _ => false,
        },
    },
    Named {
        word: "crash",
        meaning: "a process dies",
        test: |kind| matches!(kind, EventKind::NodeStopped { reason } if *reason != StopReason::Exit),
    },
    Named {
        word: "restart",
        meaning: "a process starts again",
        test: |kind| matches!(kind, EventKind::NodeStarted { incarnation } if *incarnation > 0),
    },
    Named {
        word: "leader-change",
        meaning: "a partition gets a later leader epoch",
        test: |kind| matches!(kind, EventKind::LeadershipDecided { leader_epoch, .. } if *leader_epoch > 0),
    },
    Named {
        word: "unclean",
        meaning: "a leader from outside the ISR is elected",
        test: |kind| matches!(kind, EventKind::LeadershipDecided { unclean: true, .. }),
    },
    Named {
        word: "isr-change",
        meaning: "an ISR is stored",
        test: |kind| matches!(kind, EventKind::IsrChanged { .. } | EventKind::LeadershipDecided { .. }),
    },
    Named {
        word: "controller-change",
        meaning: "a broker becomes the controller",
        test: |kind| matches!(kind, EventKind::ControllerElected { .. }),
    },
    Named {
        word: "election",
        meaning: "an ensemble member, a controller or a replica begins to lead",
        test: |kind| {
            matches!(
                kind,
                EventKind::ControllerElected { .. }
                    | EventKind::BecameLeader { .. }
                    | EventKind::ZabRoleChanged { role: ZabRole::Leading, .. }
            )
        },
    },
    Named {
        word: "truncation",
        meaning: "a replica cuts its log",
        test: |kind| matches!(kind, EventKind::Truncated { .. }),
    },
    Named {
        word: "expiry",
        meaning: "a session expires",
        test: |kind| matches!(kind, EventKind::SessionEnded { expired: true, .. }),
    },
    Named {
        word: "timeout",
        meaning: "a request stays unanswered",
        test: |kind| matches!(kind, EventKind::RequestTimedOut { .. }),
    },
    Named { word: "loss", meaning: "a frame is dropped", test: |kind| matches!(kind, EventKind::FrameDropped(_)) },
    Named { word: "note", meaning: "a note is shown", test: |kind| matches!(kind, EventKind::NoteShown { .. }) },
    Named {
        word: "ack",
        meaning: "a record is acknowledged",
        test: |kind| matches!(kind, EventKind::RecordAcked { .. }),
    },
    Named {
        word: "refusal",
        meaning: "a broker refuses a write, an ISR or a control request",
        test: |kind| {
            matches!(
                kind,
                EventKind::ProduceRefused { .. } | EventKind::IsrRefused { .. } | EventKind::ControlRefused { .. }
            )
        },
    },
];

/// Events that a full-text or temporal search looks at before it gives up: a second or two.
const MOST_LOOKED_AT: usize = 20_000_000;

enum Term {
    Kind(String),
    Node(Name),
    Partition(Partition),
    Topic(Name),
    Offset(i64),
    Time(u64, u64),
    Id(EventId),
    Class(Class),
    Severity(Severity),
    Named(&'static Named),
    FaultKind(&'static str),
    Text(String),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    After,
    Before,
}

/// A search. See [`Query::examples`].
pub struct Query {
    terms: Vec<Term>,
    other: Option<(Order, Vec<Term>, u64)>,
    text: String,
}

impl Query {
    /// Queries that work, to show to people.
    pub fn examples() -> &'static [&'static str] {
        &[
            "violation",
            "kind:Truncated partition:orders/0",
            "node:broker-1 at:12s..15s",
            "partition:orders/0 offset:283",
            "leader-change after partition within 2s",
            "truncation before violation within 60s",
            "severity:warning node:broker-2",
            "zookeeper.session",
        ]
    }
}

impl FromStr for Query {
    type Err = String;

    fn from_str(text: &str) -> Result<Query, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() {
            return Err("an empty search".into());
        }
        let within = words.iter().position(|word| *word == "within");
        let order = words.iter().position(|word| matches!(*word, "after" | "before"));
        let text = words.join(" ");
        let (Some(order), Some(within)) = (order, within) else {
            return Ok(Query { terms: terms(&words)?, other: None, text });
        };
        if order == 0 || within <= order + 1 || within + 2 != words.len() {
            return Err("write A after B within 2s, or A before B within 2s".into());
        }
        let window = scenario::Duration::parse(words[within + 1]).map_err(|problem| problem.message)?.nanos();
        let which = if words[order] == "after" { Order::After } else { Order::Before };
        let other = Some((which, terms(&words[order + 1..within])?, window));
        Ok(Query { terms: terms(&words[..order])?, other, text })
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({:?})", self.text)
    }
}

fn terms(words: &[&str]) -> Result<Vec<Term>, String> {
    words.iter().map(|word| term(word)).collect()
}

fn term(word: &str) -> Result<Term, String> {
    let lower = word.to_lowercase();
    if let Some((field, value)) = word.split_once(':') {
        let number = || value.parse::<i64>().map_err(|_| format!("`{value}` is no number, which `{field}:` wants"));
        match field {
            "kind" => return Ok(Term::Kind(value.to_lowercase())),
            "node" => return Ok(Term::Node(Name::new(value))),
            "topic" => return Ok(Term::Topic(Name::new(value))),
            "partition" => {
                let parts = value.rsplit_once('/').and_then(|(topic, index)| Some((topic, index.parse().ok()?)));
                let (topic, index) = parts.ok_or_else(|| format!("`{value}` is no partition: write TOPIC/INDEX"))?;
                return Ok(Term::Partition(Partition::new(topic, index)));
            }
            "offset" => return number().map(Term::Offset),
            "id" => return number().map(|id| Term::Id(EventId(id.max(0) as u64))),
            "at" => return time_range(value),
            "class" => {
                let found = Class::ALL.into_iter().find(|class| class.name().eq_ignore_ascii_case(value));
                return found.map(Term::Class).ok_or_else(|| one_of(value, &Class::ALL.map(Class::name)));
            }
            "severity" => {
                let found = Severity::ALL.into_iter().find(|severity| severity.name().eq_ignore_ascii_case(value));
                return found.map(Term::Severity).ok_or_else(|| one_of(value, &Severity::ALL.map(Severity::name)));
            }
            _ => {}
        }
    }
    if let Some(named) = NAMED.iter().find(|named| named.word == lower) {
        return Ok(Term::Named(named));
    }
    if let Some(form) = scenario::FAULTS.iter().find(|form| form.name == lower) {
        return Ok(Term::FaultKind(form.name));
    }
    let kind = EventKind::names().iter().any(|name| name.eq_ignore_ascii_case(word));
    Ok(if kind { Term::Kind(lower) } else { Term::Text(lower) })
}

fn one_of(value: &str, names: &[&str]) -> String {
    format!("`{value}` is none of {}", names.join(", "))
}

fn time_range(value: &str) -> Result<Term, String> {
    let time = |text: &str| match scenario::Duration::parse(text) {
        Ok(time) => Ok(time.nanos()),
        Err(_) => Err(format!("`{text}` is no time: write 12.5s")),
    };
    match value.split_once("..") {
        Some((from, to)) => {
            let from = if from.is_empty() { 0 } else { time(from)? };
            Ok(Term::Time(from, if to.is_empty() { u64::MAX } else { time(to)? }))
        }
        None => {
            let from = time(value)?;
            Ok(Term::Time(from, from.saturating_add(1_000_000_000)))
        }
    }
}

/// Query terms made ready for one model: kinds are settled by number before an event is looked at.
struct Matcher<'a> {
    terms: &'a [Term],
    kinds: [bool; 256],
    /// Whether the kind decides everything.
    by_kind: bool,
}

impl<'a> Matcher<'a> {
    fn new(model: &Model, terms: &'a [Term]) -> Matcher<'a> {
        let mut kinds = [true; 256];
        let of_kind = terms.iter().filter_map(|term| match term {
            Term::Kind(name) => Some(name.as_str()),
            _ => None,
        });
        for name in of_kind {
            for (place, known) in model.index().kind_names().enumerate() {
                kinds[place] &= known.eq_ignore_ascii_case(name);
            }
        }
        // One event of a kind decides for those words that never look at fields.
        let fault = terms.iter().any(|term| matches!(term, Term::FaultKind(_)));
        if fault {
            for (place, known) in model.index().kind_names().enumerate() {
                kinds[place] &= matches!(known, "FaultBegan" | "NodeStopped");
            }
        }
        let by_kind = terms.iter().all(|term| matches!(term, Term::Kind(_)));
        Matcher { terms, kinds, by_kind }
    }

    fn matches(&self, model: &Model, index: usize) -> bool {
        if !self.kinds[usize::from(model.index().kinds()[index])] {
            return false;
        }
        self.by_kind || self.terms.iter().all(|term| term.matches(&model.events()[index]))
    }
}

impl Term {
    fn matches(&self, event: &Event) -> bool {
        match self {
            Term::Kind(name) => event.kind.name().eq_ignore_ascii_case(name),
            Term::Node(node) => event.node == *node,
            Term::Partition(partition) => event.kind.partition() == Some(*partition),
            Term::Topic(topic) => event.kind.partition().is_some_and(|partition| partition.topic == *topic),
            Term::Offset(offset) => offsets_of(&event.kind).is_some_and(|(from, to)| (from..to).contains(offset)),
            Term::Time(from, to) => (*from..*to).contains(&event.at),
            Term::Id(id) => event.id == *id,
            Term::Class(class) => classify(&event.kind).0 == *class,
            Term::Severity(least) => classify(&event.kind).1 >= *least,
            Term::Named(named) => (named.test)(&event.kind),
            Term::FaultKind(wanted) => {
                matches!(&event.kind, EventKind::FaultBegan { kind, .. } if kind.as_str() == *wanted)
            }
            Term::Text(text) => contains(event, text),
        }
    }
}

/// Whether the node's name or the event's description holds `text`, which is in lower case.
fn contains(event: &Event, text: &str) -> bool {
    event.node.as_str().contains(text) || describe(&event.kind).to_lowercase().contains(text)
}

struct Search<'a> {
    model: &'a Model,
    matcher: Matcher<'a>,
    other: Option<(Order, Matcher<'a>, u64)>,
}

impl<'a> Search<'a> {
    fn new(model: &'a Model, query: &'a Query) -> Search<'a> {
        let other = query.other.as_ref().map(|(order, terms, window)| (*order, Matcher::new(model, terms), *window));
        Search { model, matcher: Matcher::new(model, &query.terms), other }
    }

    fn matches(&self, index: usize) -> bool {
        if !self.matcher.matches(self.model, index) {
            return false;
        }
        let Some((order, other, window)) = &self.other else { return true };
        let at = self.model.at(index);
        let fits = |place: &usize| other.matches(self.model, *place);
        match order {
            Order::After => {
                let first = at.checked_sub(*window).map_or(0, |from| match from.checked_sub(1) {
                    Some(before) => self.model.first_after(before),
                    None => 0,
                });
                (first..index).rev().any(|place| fits(&place))
            }
            Order::Before => {
                let end = self.model.first_after(at.saturating_add(*window));
                (index + 1..end).any(|place| fits(&place))
            }
        }
    }
}

impl Model {
    /// The nearest event strictly after or before `from` that a query finds; it does not wrap around.
    pub fn find(&self, query: &Query, from: usize, direction: Direction) -> Option<usize> {
        let search = Search::new(self, query);
        match direction {
            Direction::Forward => (from.saturating_add(1)..self.len()).find(|place| search.matches(*place)),
            Direction::Backward => (0..from.min(self.len())).rev().find(|place| search.matches(*place)),
        }
    }

    /// All events that a query finds, in order; at most `limit`.
    pub fn find_all(&self, query: &Query, limit: usize) -> Vec<u32> {
        let search = Search::new(self, query);
        let places = 0..self.len().min(MOST_LOOKED_AT);
        places.filter(|place| search.matches(*place)).take(limit).map(|place| place as u32).collect()
    }
}
