//! The recorder: numbers events, folds them into the fingerprint, keeps what the trace mode asks for.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{Event, EventId, EventKind, Fingerprint, Name};

/// How much of a run is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing; events are only judged and counted.
    #[default]
    None,
    /// The last [`Recorder::RING`] events.
    Ring,
    /// Everything, records' texts included.
    Full,
}

/// Numbers and keeps the events of one run.
///
/// Events are also queued for the run's judge ([`Recorder::take_fresh`]), who folds them into oracles and state outside of
/// the code that emitted them, so that judging can never change what it judges.
#[derive(Default)]
pub struct Recorder {
    mode: Mode,
    last: u64,
    fingerprint: Fingerprint,
    kept: VecDeque<Event>,
    fresh: Vec<Event>,
}

impl Recorder {
    /// Events kept in [`Mode::Ring`].
    pub const RING: usize = 65_536;

    /// A recorder for a new run.
    pub fn new(mode: Mode) -> Recorder {
        Recorder { mode, ..Recorder::default() }
    }

    /// Whether records' texts should be put into events.
    pub fn wants_text(&self) -> bool {
        self.mode == Mode::Full
    }

    /// Records that `kind` happened `at` this time (ns) on `node`, because of `cause`.
    ///
    /// # Panics
    /// If `cause` lies in the future: an effect without a cause is a bug in whoever emits.
    pub fn record(&mut self, at: u64, node: Name, cause: EventId, kind: EventKind) -> EventId {
        assert!(cause.0 <= self.last, "cause {cause} of {kind:?} has not happened yet (last event: {})", self.last);
        self.last += 1;
        let event = Event { id: EventId(self.last), at, node, cause, kind };
        self.fingerprint.event(&event);
        self.fresh.push(event.clone());
        match self.mode {
            Mode::None => {}
            Mode::Full => self.kept.push_back(event),
            Mode::Ring => {
                if self.kept.len() == Self::RING {
                    self.kept.pop_front();
                }
                self.kept.push_back(event);
            }
        }
        EventId(self.last)
    }

    /// How many events there were.
    pub fn count(&self) -> u64 {
        self.last
    }

    /// Moves the events recorded since the last call into `into`, which is cleared first.
    pub fn take_fresh(&mut self, into: &mut Vec<Event>) {
        into.clear();
        std::mem::swap(&mut self.fresh, into);
    }

    /// Whether somebody should call [`Recorder::take_fresh`].
    pub fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// The fingerprint so far; the run's end folds in disks and the last random number.
    pub fn fingerprint_mut(&mut self) -> &mut Fingerprint {
        &mut self.fingerprint
    }

    /// The events kept, oldest first.
    pub fn into_kept(self) -> Vec<Event> {
        self.kept.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(recorder: &mut Recorder, at: u64, cause: EventId) -> EventId {
        recorder.record(at, Name::new("world"), cause, EventKind::RunEnded)
    }

    #[test]
    fn the_fingerprint_is_the_same_in_every_mode() {
        let mut prints = Vec::new();
        for mode in [Mode::None, Mode::Ring, Mode::Full] {
            let mut recorder = Recorder::new(mode);
            let first = note(&mut recorder, 1, EventId::ROOT);
            note(&mut recorder, 2, first);
            prints.push(recorder.fingerprint_mut().finish());
        }
        assert_eq!(prints[0], prints[1]);
        assert_eq!(prints[1], prints[2]);
    }

    #[test]
    fn the_ring_keeps_the_last_events() {
        let mut recorder = Recorder::new(Mode::Ring);
        for at in 0..Recorder::RING as u64 + 3 {
            note(&mut recorder, at, EventId::ROOT);
        }
        let kept = recorder.into_kept();
        assert_eq!(kept.len(), Recorder::RING);
        assert_eq!(kept[0].id, EventId(4));
    }

    #[test]
    #[should_panic(expected = "has not happened yet")]
    fn a_cause_from_the_future_is_a_bug() {
        note(&mut Recorder::new(Mode::None), 0, EventId(9));
    }
}
