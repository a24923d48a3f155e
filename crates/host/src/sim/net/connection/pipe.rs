//! What one side has sent and the other has not acknowledged.
//!
//! A frame in the pipe is delivered but not acknowledged, in flight, or waiting:
//! `base <= delivered <= transmitted <= base + frames`.

use std::collections::VecDeque;

use bytes::Bytes;
use trace::{EventId, FrameInfo};

use super::super::super::heap::Key;

/// What one side sends.
pub(super) struct Pipe {
    pub(super) frames: VecDeque<Flight>,
    /// The place of `frames[0]`.
    pub(super) base: u64,
    pub(super) delivered: u64,
    pub(super) transmitted: u64,
    /// Counts losses: what was in flight before one does not arrive.
    pub(super) generation: u32,
    pub(super) buffered_bytes: usize,
    /// Transmitted and not acknowledged.
    pub(super) unacknowledged_bytes: usize,
    /// TCP keeps order: nothing arrives before this.
    pub(super) last_arrival: u64,
    /// A transmission was lost and must be repeated before anything else is sent.
    pub(super) lost: bool,
    /// The window is full.
    pub(super) blocked: bool,
    pub(super) backoff: u32,
    pub(super) unacknowledged_since: Option<u64>,
    pub(super) timer: Option<Key>,
    /// What swallowed the last transmission or acknowledgement, and whether it is a fault.
    pub(super) swallowed_by: Option<(EventId, bool)>,
    /// The hold rule that something in here waits for.
    pub(super) held_by: Option<EventId>,
}

/// A frame on its way, or the FIN.
pub(super) struct Flight {
    pub(super) frame: Option<(Bytes, FrameInfo)>,
    /// Its `FrameSent`; of a FIN, the close.
    pub(super) sent: EventId,
    /// The hold rule that caught it.
    pub(super) held: Option<EventId>,
    /// `FrameHeld` was recorded.
    pub(super) reported: bool,
}

impl Flight {
    pub(super) fn size(&self) -> usize {
        self.frame.as_ref().map_or(0, |(bytes, _)| bytes.len())
    }
}

impl Pipe {
    pub(super) fn new() -> Pipe {
        Pipe {
            frames: VecDeque::new(),
            base: 0,
            delivered: 0,
            transmitted: 0,
            generation: 0,
            buffered_bytes: 0,
            unacknowledged_bytes: 0,
            last_arrival: 0,
            lost: false,
            blocked: false,
            backoff: 0,
            unacknowledged_since: None,
            timer: None,
            swallowed_by: None,
            held_by: None,
        }
    }

    pub(super) fn index_of(&self, place: u64) -> usize {
        (place - self.base) as usize
    }

    /// Forgets the transmissions in flight: they must be repeated.
    pub(super) fn rewind(&mut self) {
        let lost = self.index_of(self.delivered)..self.index_of(self.transmitted);
        let bytes: usize = self.frames.range(lost).map(Flight::size).sum();
        self.unacknowledged_bytes -= bytes;
        self.transmitted = self.delivered;
        self.generation += 1;
    }

    /// Takes out what was delivered.
    pub(super) fn acknowledge(&mut self) {
        while self.base < self.delivered {
            let size = self.frames.pop_front().expect("delivered frames are in the pipe").size();
            self.buffered_bytes -= size;
            self.unacknowledged_bytes -= size;
            self.base += 1;
        }
        self.backoff = 0;
        self.unacknowledged_since = None;
    }
}
