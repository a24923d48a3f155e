//! The list of events: only the rows in view are ever made.

use state::describe;
use trace::{EventId, Name};

use super::format_time;
use crate::model::{Class, Model, Query, Severity};

/// Which events the list holds.
#[derive(Clone, PartialEq, Debug)]
pub enum EventRows {
    /// All of this many.
    All(usize),
    /// Those that a search found, in order.
    Some(Vec<u32>),
}

impl EventRows {
    /// All events.
    pub fn all(model: &Model) -> EventRows {
        EventRows::All(model.len())
    }

    /// The events that a search finds.
    pub fn filtered(model: &Model, query: &Query) -> EventRows {
        EventRows::Some(model.find_all(query, usize::MAX))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        match self {
            EventRows::All(count) => *count,
            EventRows::Some(places) => places.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The event in a row.
    pub fn index(&self, row: usize) -> Option<usize> {
        match self {
            EventRows::All(count) => (row < *count).then_some(row),
            EventRows::Some(places) => places.get(row).map(|place| *place as usize),
        }
    }

    /// The row of an event, or of the last one before it that the list holds.
    pub fn row_of(&self, index: usize) -> Option<usize> {
        match self {
            EventRows::All(count) => count.checked_sub(1).map(|last| index.min(last)),
            EventRows::Some(places) => places.partition_point(|place| *place as usize <= index).checked_sub(1),
        }
    }
}

/// A row.
#[derive(Clone, PartialEq, Debug)]
pub struct EventRow {
    /// The event.
    pub index: usize,
    /// Its id.
    pub id: EventId,
    /// Its time, ns.
    pub at: u64,
    /// Its time as people read it.
    pub time: String,
    /// Where it happened.
    pub node: Name,
    /// Its kind.
    pub kind: &'static str,
    /// What happened.
    pub text: String,
    /// The group of its kind.
    pub class: Class,
    /// How much it matters.
    pub severity: Severity,
}

/// The rows from `first` on, `count` of them.
pub fn event_rows(model: &Model, rows: &EventRows, first: usize, count: usize) -> Vec<EventRow> {
    let places = (first..first.saturating_add(count).min(rows.len())).filter_map(|row| rows.index(row));
    let row = |index: usize| {
        let event = model.events().get(index)?;
        Some(EventRow {
            index,
            id: event.id,
            at: event.at,
            time: format_time(event.at),
            node: event.node,
            kind: event.kind.name(),
            text: describe(&event.kind),
            class: model.class(index),
            severity: model.severity(index),
        })
    };
    places.filter_map(row).collect()
}
