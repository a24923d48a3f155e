//! Frames under way at an instant.

use std::collections::{BTreeMap, VecDeque};

use trace::{Event, EventKind, FrameInfo, Name};

use super::Model;

/// Events in a block: what is under way when a block begins is noted, so that an instant scans one block only.
const BLOCK: usize = 4096;
/// Blocks that a frame may cross; a frame held longer is no longer drawn as under way.
const MOST_BLOCKS: usize = 64;
/// Frames without fate that are remembered of each connection.
const MOST_PENDING: usize = 256;
/// How long a frame that never arrives is drawn, ns.
const UNKNOWN_SHOWN: u64 = 1_000_000_000;

/// What becomes of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It arrives.
    Delivered,
    /// It is lost.
    Dropped,
    /// A fault holds it back, and it arrives later.
    Held,
    /// The trace does not say.
    Unknown,
}

/// A frame under way.
#[derive(Clone, PartialEq, Debug)]
pub struct Flying {
    /// Its `FrameSent`.
    pub sent: usize,
    /// Its delivery or loss, where the trace holds it.
    pub ends: Option<usize>,
    /// The sender.
    pub from: Name,
    /// The receiver.
    pub to: Name,
    /// What the frame is.
    pub frame: FrameInfo,
    /// How far it is, 0 to 1.
    pub progress: f32,
    /// What becomes of it.
    pub fate: Fate,
}

/// The index of frames under way.
#[derive(Default)]
pub struct Flights {
    /// Frames sent before a block began and settled in it or later, by block.
    carried: BTreeMap<usize, Vec<u32>>,
    /// Frames without fate so far, by connection.
    pending: BTreeMap<u32, VecDeque<u32>>,
    /// The drop of a sent frame, and its first hold.
    dropped: BTreeMap<u32, u32>,
    held: BTreeMap<u32, u32>,
}

impl Flights {
    /// Notes the event at `place`, the next after `events`.
    pub fn push(&mut self, events: &[Event], place: usize, event: &Event, cause: Option<usize>) {
        match &event.kind {
            EventKind::FrameSent(info) => {
                let pending = self.pending.entry(info.connection).or_default();
                if pending.len() == MOST_PENDING {
                    pending.pop_front();
                }
                pending.push_back(place as u32);
            }
            EventKind::FrameDelivered(info) => {
                let Some(sent) = cause.filter(|sent| matches!(events[*sent].kind, EventKind::FrameSent(_))) else {
                    return;
                };
                let pending = self.pending.entry(info.connection).or_default();
                if let Some(at) = pending.iter().position(|waiting| *waiting == sent as u32) {
                    pending.remove(at);
                }
                self.carry(sent, place);
            }
            EventKind::FrameDropped(info) | EventKind::FrameHeld(info) => {
                let is_it = |sent: &u32| {
                    let sent = &events[*sent as usize];
                    matches!(&sent.kind, EventKind::FrameSent(other) if sent.node == event.node
                        && other.correlation == info.correlation && other.response == info.response)
                };
                let pending = self.pending.entry(info.connection).or_default();
                let Some(at) = pending.iter().position(is_it) else { return };
                if matches!(event.kind, EventKind::FrameHeld(_)) {
                    self.held.entry(pending[at]).or_insert(place as u32);
                } else if let Some(sent) = pending.remove(at) {
                    self.dropped.insert(sent, place as u32);
                    self.carry(sent as usize, place);
                }
            }
            // Both sides close; what the second one had pending was noted with the first.
            EventKind::ConnectionClosed { connection, .. }
                if self.pending.get(connection).is_some_and(VecDeque::is_empty) =>
            {
                self.pending.remove(connection);
            }
            _ => {}
        }
    }

    fn carry(&mut self, sent: usize, end: usize) {
        for block in (sent / BLOCK + 1..=end / BLOCK).take(MOST_BLOCKS) {
            self.carried.entry(block).or_default().push(sent as u32);
        }
    }

    /// The end of a sent frame.
    pub fn fate(&self, model: &Model, sent: usize) -> Option<(usize, Fate)> {
        if let Some(dropped) = self.dropped.get(&(sent as u32)) {
            return Some((*dropped as usize, Fate::Dropped));
        }
        let delivered = |place: &usize| matches!(model.events()[*place].kind, EventKind::FrameDelivered(_));
        let end = model.effects.newest_first(sent).filter(delivered).last()?;
        let held = self.held.contains_key(&(sent as u32));
        Some((end, if held { Fate::Held } else { Fate::Delivered }))
    }

    /// The frames under way at a time (ns), `index` being the last event at or before it.
    pub fn at(&self, model: &Model, index: usize, time: u64) -> Vec<Flying> {
        let index = index.min(model.len().saturating_sub(1));
        let block = index / BLOCK;
        let carried = self.carried.get(&block).into_iter().flatten().map(|sent| *sent as usize);
        let own = block * BLOCK..(index + 1).min(model.len());
        carried.chain(own).filter_map(|sent| self.one(model, sent, index, time)).collect()
    }

    fn one(&self, model: &Model, sent: usize, index: usize, time: u64) -> Option<Flying> {
        let event = &model.events()[sent];
        let EventKind::FrameSent(frame) = &event.kind else { return None };
        let (ends, fate) = match self.fate(model, sent) {
            Some((end, _)) if end <= index => return None,
            Some((end, fate)) => (Some(end), fate),
            None if time.saturating_sub(event.at) > UNKNOWN_SHOWN => return None,
            None => (None, Fate::Unknown),
        };
        let lasts = ends.map_or(UNKNOWN_SHOWN, |end| model.at(end).saturating_sub(event.at)).max(1);
        let progress = (time.saturating_sub(event.at) as f32 / lasts as f32).min(1.0);
        Some(Flying { sent, ends, from: event.node, to: frame.peer, frame: *frame, progress, fate })
    }
}
