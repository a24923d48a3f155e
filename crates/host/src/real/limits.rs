//! What a real node allows those who connect to it: whatever they send, or do not, costs them their own connection and
//! nobody else anything.
//!
//! A connection holds at most one frame of its protocol's maximum (of which only what has arrived takes memory) and one
//! send buffer with a frame on top.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Bytes that may wait in front of a socket's own buffer.
pub(super) const SEND_BUFFER: usize = 1 << 20;
/// How long what was sent before closing may wait for a peer that does not read.
pub(super) const LINGER: Duration = Duration::from_secs(30);

/// What may be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How many connections each port serves at once; one more is closed as soon as it is accepted.
    pub connections: usize,
    /// After how long without a byte in either direction an accepted connection is closed. Votes and transactions between
    /// members of an ensemble are no matter of clients: those connections may be idle.
    pub idle: Duration,
}

impl Default for Limits {
    /// 1024 connections, and Kafka's ten minutes.
    fn default() -> Limits {
        Limits { connections: 1024, idle: Duration::from_secs(600) }
    }
}

/// Counts a port's connections.
#[derive(Clone, Default)]
pub(super) struct Slots(Rc<Cell<usize>>);

/// One connection's place, until dropped.
pub(super) struct Slot(Slots);

impl Slots {
    /// A place, if fewer than `most` are taken.
    pub fn take(&self, most: usize) -> Option<Slot> {
        let taken = self.0.get();
        (taken < most).then(|| {
            self.0.set(taken + 1);
            Slot(self.clone())
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get() - 1);
    }
}
