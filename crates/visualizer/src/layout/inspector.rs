//! One event in full: fields, what it changed, why it happened.

use state::{Change, describe, difference};
use trace::{EventId, EventKind, Name};

use super::format_time;
use crate::model::{Model, Severity};

/// Steps of a why-chain that are listed; what lies between its ends is folded.
const MOST_STEPS: usize = 400;

/// An event in full.
#[derive(Clone, PartialEq, Debug)]
pub struct Inspection {
    /// The event.
    pub index: usize,
    /// Its id.
    pub id: EventId,
    /// Its time.
    pub time: String,
    /// Where it happened.
    pub node: Name,
    /// Its kind.
    pub kind: &'static str,
    /// What happened.
    pub text: String,
    /// How much it matters.
    pub severity: Severity,
    /// Its line in the trace file.
    pub raw: String,
    /// Its fields, by name.
    pub fields: Vec<(String, String)>,
    /// The event that caused it.
    pub cause: Option<usize>,
    /// What it caused.
    pub effects: Vec<usize>,
    /// What it changed.
    pub changes: Vec<Change>,
    /// From itself back to what began it.
    pub why: Vec<WhyStep>,
}

/// A step back.
#[derive(Clone, PartialEq, Debug)]
pub struct WhyStep {
    /// The event.
    pub index: usize,
    /// Its time.
    pub time: String,
    /// Where it happened.
    pub node: Name,
    /// What happened.
    pub text: String,
    /// Trivial steps between the step before in this list and this one: frames that simply arrived.
    pub folded: usize,
    /// Whether a fault begins here.
    pub fault: bool,
    /// How much it matters.
    pub severity: Severity,
}

/// All there is to say of an event.
pub fn inspect(model: &Model, index: usize) -> Option<Inspection> {
    let event = model.events().get(index)?;
    let value = serde_json::to_value(event).unwrap_or_default();
    let mut fields = Vec::new();
    if let Some(kind) = value.get("kind").and_then(|kind| kind.as_object()) {
        kind.values().for_each(|inner| flatten("", inner, &mut fields));
    }
    Some(Inspection {
        index,
        id: event.id,
        time: format_time(event.at),
        node: event.node,
        kind: event.kind.name(),
        text: describe(&event.kind),
        severity: model.severity(index),
        raw: value.to_string(),
        fields,
        cause: model.index_of(event.cause),
        effects: model.effects(index),
        changes: difference(&model.state_after(index), &model.state_after(index + 1)),
        why: why(model, index),
    })
}

fn flatten(path: &str, value: &serde_json::Value, fields: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::Object(inner) => {
            for (name, value) in inner {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, fields);
            }
        }
        serde_json::Value::String(text) => fields.push((path.to_owned(), text.clone())),
        other => fields.push((path.to_owned(), other.to_string())),
    }
}

/// The chain with frames that simply arrived folded away: they say only that two nodes talked.
fn why(model: &Model, index: usize) -> Vec<WhyStep> {
    let chain = model.why(index);
    let mut steps = Vec::new();
    let mut folded = 0;
    let last = chain.len().saturating_sub(1);
    for (place, index) in chain.iter().enumerate() {
        let event = &model.events()[*index];
        let lost_next = place.checked_sub(1).is_some_and(|before| {
            matches!(model.events()[chain[before]].kind, EventKind::FrameDropped(_) | EventKind::FrameHeld(_))
        });
        let plain = matches!(event.kind, EventKind::FrameSent(_) | EventKind::FrameDelivered(_)) && !lost_next;
        let too_many = steps.len() >= MOST_STEPS;
        if place != 0 && place != last && (plain || too_many) {
            folded += 1;
            continue;
        }
        steps.push(WhyStep {
            index: *index,
            time: format_time(event.at),
            node: event.node,
            text: describe(&event.kind),
            folded: std::mem::take(&mut folded),
            fault: matches!(event.kind, EventKind::FaultBegan { .. }),
            severity: model.severity(*index),
        });
    }
    steps
}
