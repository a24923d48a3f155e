//! The story of a run in captions: phases, faults, the scenario's notes, violations.

use std::collections::BTreeSet;

use state::describe;
use trace::{EventKind, Phase};

use super::Model;

/// What a caption tells of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CaptionKind {
    /// A phase began.
    Phase,
    /// A fault began, or hit nothing.
    Fault,
    /// A fault was healed.
    Healed,
    /// A note of the scenario.
    Note,
    /// A violation.
    Violation,
}

/// One line of the story.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caption {
    /// The event it belongs to.
    pub index: usize,
    /// When, ns.
    pub at: u64,
    /// What it tells of.
    pub kind: CaptionKind,
    /// Its text.
    pub text: String,
}

impl Model {
    /// The whole story in order. Notes come in `language` where the scenario has it, else in English.
    pub fn captions(&self, language: &str) -> Vec<Caption> {
        self.history.moments.iter().map(|moment| self.caption(*moment, language)).collect()
    }

    /// The newest caption at or before an event.
    pub fn caption_at(&self, index: usize, language: &str) -> Option<Caption> {
        let moments = &self.history.moments;
        let after = moments.partition_point(|(place, _)| *place as usize <= index);
        after.checked_sub(1).map(|newest| self.caption(moments[newest], language))
    }

    /// The languages of the scenario's notes, English first.
    pub fn languages(&self) -> Vec<String> {
        let notes = self.plan.iter().flat_map(|plan| &plan.notes);
        let others: BTreeSet<&String> = notes.flat_map(|note| note.text.keys()).filter(|code| *code != "en").collect();
        std::iter::once("en".to_owned()).chain(others.into_iter().cloned()).collect()
    }

    /// What a scenario's note says.
    pub fn note(&self, note: u32, language: &str) -> Option<&str> {
        let note = self.plan.as_ref()?.notes.get(note as usize)?;
        note.text.get(language).or(note.text.get("en")).map(String::as_str)
    }

    fn caption(&self, (place, kind): (u32, CaptionKind), language: &str) -> Caption {
        let event = &self.events[place as usize];
        let text = match &event.kind {
            EventKind::NoteShown { note } => {
                self.note(*note, language).map_or_else(|| describe(&event.kind), ToOwned::to_owned)
            }
            EventKind::Violation { oracle, summary, .. } => format!("{oracle} violated: {summary}"),
            EventKind::PhaseBegan { phase } => match phase {
                Phase::Warmup => "Warm-up: no faults yet.".into(),
                Phase::Chaos => "Chaos: faults happen from here on.".into(),
                Phase::Settle => "Settle: everything is healed; the cluster must recover.".into(),
                Phase::Verify => "Verify: the clients have stopped; every log is read from start to end.".into(),
            },
            kind => describe(kind),
        };
        Caption { index: place as usize, at: event.at, kind, text }
    }
}
