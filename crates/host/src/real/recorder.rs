//! One event stream of all nodes of this operating system process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::wires::Wires;
use trace::{Event, EventId, EventKind, Mode, Name, Recorder};

/// A recorder that nodes on several threads share. Times count from its creation.
#[derive(Clone)]
pub struct SharedRecorder {
    recorder: Arc<Mutex<Recorder>>,
    texts: bool,
    start: Instant,
    /// Connections between those who record here.
    wires: Wires,
}

impl SharedRecorder {
    /// An empty one. It keeps nothing itself in any mode, since a real cluster has no end; [`Mode::Full`] asks for records'
    /// texts.
    pub fn new(mode: Mode) -> SharedRecorder {
        let recorder = Arc::new(Mutex::new(Recorder::new(Mode::None)));
        SharedRecorder { recorder, texts: mode == Mode::Full, start: Instant::now(), wires: Wires::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that `kind` happened on `node` because of `cause`.
    pub fn record(&self, node: Name, cause: EventId, kind: EventKind) -> EventId {
        let mut recorder = self.lock();
        let at = crate::clock::nanos(self.start.elapsed());
        recorder.record(at, node, cause, kind)
    }

    /// Moves the events since the last call into `into`, which is cleared first. Who never calls it keeps them all in memory.
    pub fn take_events(&self, into: &mut Vec<Event>) {
        self.lock().take_fresh(into);
    }

    pub(super) fn wires(&self) -> &Wires {
        &self.wires
    }

    pub(super) fn wants_text(&self) -> bool {
        self.texts
    }
}
