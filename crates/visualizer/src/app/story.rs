//! The plain sentence with which the app opens: what went wrong, and the fault behind it.

use trace::EventKind;

use crate::layout::format_time;
use crate::model::Model;

/// What a trace is about.
#[derive(Clone, PartialEq, Debug)]
pub struct Story {
    /// One plain sentence.
    pub sentence: String,
    /// The violation it tells of.
    pub violation: Option<usize>,
    /// The fault behind it, and how it reads.
    pub fault: Option<(usize, String)>,
}

impl Story {
    /// The story of a trace.
    pub fn of(model: &Model) -> Story {
        let outline = model.outline();
        let Some(violation) = outline.violations.first() else {
            let what = match model.plan() {
                Some(plan) if !plan.intent.is_empty() => format!(" Its intent: {}", plan.intent),
                _ => String::new(),
            };
            let faults = outline.faults.len();
            let sentence = match model.events().last().map(|event| &event.kind) {
                None => "The trace holds no event.".into(),
                _ => format!("No violation: {} and nothing was lost that the oracles watch.{what}", count(faults)),
            };
            return Story { sentence, violation: None, fault: None };
        };
        let fault = fault_behind(model, violation.index).map(|index| (index, describe_fault(model, index)));
        let expected = if violation.expected { " (the scenario expects it)" } else { "" };
        let sentence = format!("{} violated{expected}: {}.", violation.oracle, violation.summary.trim_end_matches('.'));
        Story { sentence, violation: Some(violation.index), fault }
    }
}

fn count(faults: usize) -> String {
    match faults {
        0 => "no fault was injected".into(),
        1 => "one fault was injected".into(),
        faults => format!("{faults} faults were injected"),
    }
}

/// The fault nearest before a violation on its causal chain; without one there, the last that had begun.
fn fault_behind(model: &Model, violation: usize) -> Option<usize> {
    let began = |index: &usize| matches!(model.events()[*index].kind, EventKind::FaultBegan { .. });
    let on_chain = model.why(violation).into_iter().filter(began).max();
    let committed = model.outline().violations.iter().find(|item| item.index == violation)?.commits;
    let before = committed.unwrap_or(violation);
    let last_begun = || {
        let faults = model.outline().faults.iter();
        faults.filter(|fault| fault.index < before && fault.without_effect.is_none()).map(|fault| fault.index).max()
    };
    on_chain.or_else(last_begun)
}

fn describe_fault(model: &Model, index: usize) -> String {
    let event = &model.events()[index];
    match &event.kind {
        EventKind::FaultBegan { fault, kind, target } => {
            format!("{kind} {target} at {} ({fault})", format_time(event.at))
        }
        other => state::describe(other),
    }
}
