//! Causality: from any event back to what began it.

use std::collections::BTreeSet;

use trace::{Event, EventId, EventKind, Name};

/// Who acts this long after a frame acts because nothing more came, ns: no link and no disk takes as long.
const SILENCE: u64 = 1_000_000_000;

/// The causal chain of an event, the event itself first, back to an event without a recorded cause.
///
/// `events` are in order of id; in a ring trace the chain ends where the ring begins.
pub fn chain(events: &[Event], of: EventId) -> Vec<&Event> {
    let mut links = Vec::new();
    let mut next = of;
    while let Some(event) = find(events, next) {
        links.push(event);
        // Causes always lie in the past (the recorder asserts it), so that this ends.
        assert!(event.cause < event.id, "event {} has a cause in its future", event.id);
        next = event.cause;
    }
    links
}

/// The event with this id.
fn find(events: &[Event], id: EventId) -> Option<&Event> {
    let first = events.first()?.id.0;
    let place = usize::try_from(id.0.checked_sub(first)?).ok()?;
    events.get(place).filter(|event| event.id == id)
}

/// Asks a trace for causes.
pub struct Causes<'a> {
    events: &'a [Event],
    /// Where faults begin and end, in order, where somebody keeps them: a long trace is not searched for them then.
    faults: Option<&'a [u32]>,
}

impl<'a> Causes<'a> {
    /// Causes among `events`, which are in order of id.
    pub fn new(events: &'a [Event]) -> Causes<'a> {
        Causes { events, faults: None }
    }

    /// The same, with the places of all `FaultBegan` and `FaultEnded` among `events`, in order.
    pub fn with_faults(events: &'a [Event], faults: &'a [u32]) -> Causes<'a> {
        Causes { events, faults: Some(faults) }
    }

    /// The event with this id, where the trace holds it.
    pub fn event(&self, id: EventId) -> Option<&'a Event> {
        find(self.events, id)
    }

    /// From `of` back to the faults: the chain, and wherever somebody acted because a peer fell silent, what silenced it.
    ///
    /// A timeout's cause is what it last heard or sent; that alone would never show why nothing more came. So such a gap is
    /// followed to the stop of the peer's process, or to the first frame between the two that was held back or lost.
    pub fn why(&self, of: EventId) -> Vec<&'a Event> {
        let chain = chain(self.events, of);
        let mut reasons: Vec<&Event> = Vec::with_capacity(chain.len());
        let mut known = BTreeSet::new();
        for (place, event) in chain.iter().enumerate() {
            if known.insert(event.id) {
                reasons.push(event);
            }
            if let Some(cause) = chain.get(place + 1) {
                for reason in self.silence(cause, event) {
                    if known.insert(reason.id) {
                        reasons.push(reason);
                    }
                }
            }
        }
        reasons
    }

    /// If `effect` came long after the frame `cause`: what kept the peer silent in between, and because of what.
    fn silence(&self, cause: &Event, effect: &Event) -> Vec<&'a Event> {
        let (EventKind::FrameSent(frame) | EventKind::FrameDelivered(frame)) = &cause.kind else { return Vec::new() };
        if effect.at.saturating_sub(cause.at) < SILENCE {
            return Vec::new();
        }
        let (own, peer) = (cause.node, frame.peer);
        let silences = |event: &&Event| match &event.kind {
            EventKind::NodeStopped { .. } | EventKind::NodePaused => event.node == peer || event.node == own,
            EventKind::FrameHeld(lost) | EventKind::FrameDropped(lost) => {
                (event.node == own && lost.peer == peer) || (event.node == peer && lost.peer == own)
            }
            _ => false,
        };
        let from = self.events.partition_point(|event| event.id <= cause.id);
        let to = self.events.partition_point(|event| event.id < effect.id);
        let Some(first) = self.events[from..to].iter().find(silences) else {
            // The peer was there but waited itself, for somebody else: name the fault that was in force.
            return self.in_force(cause, effect).into_iter().collect();
        };
        let fault = self.event(first.cause).filter(|fault| matches!(fault.kind, EventKind::FaultBegan { .. }));
        std::iter::once(first).chain(fault.or_else(|| self.in_force(cause, effect))).collect()
    }

    /// The last fault that began before `effect` and had not ended when `cause` happened.
    fn in_force(&self, cause: &Event, effect: &Event) -> Option<&'a Event> {
        match self.faults {
            Some(places) => {
                last_in_force(places.iter().filter_map(|place| self.events.get(*place as usize)), cause, effect)
            }
            None => last_in_force(self.events.iter(), cause, effect),
        }
    }
}

/// The last fault among `events` that began before `effect` and had not ended when `cause` happened.
fn last_in_force<'a>(
    events: impl DoubleEndedIterator<Item = &'a Event>,
    cause: &Event,
    effect: &Event,
) -> Option<&'a Event> {
    let mut ended: BTreeSet<Name> = BTreeSet::new();
    for event in events.rev().skip_while(|event| event.id >= effect.id) {
        match &event.kind {
            EventKind::FaultEnded { fault } if event.id < cause.id => {
                ended.insert(*fault);
            }
            // Ended since: after this beginning, and before the cause.
            EventKind::FaultBegan { fault, .. } if !ended.contains(fault) => return Some(event),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64, cause: u64) -> Event {
        Event { id: EventId(id), at: id, node: Name::new("x"), cause: EventId(cause), kind: EventKind::RunEnded }
    }

    #[test]
    fn a_chain_leads_back_to_the_root() {
        let events = [event(1, 0), event(2, 1), event(3, 1), event(4, 2)];
        let ids: Vec<u64> = chain(&events, EventId(4)).iter().map(|event| event.id.0).collect();
        assert_eq!(ids, [4, 2, 1]);
    }

    #[test]
    fn a_timeout_leads_through_the_silence_of_its_peer_to_the_fault() {
        let frame = trace::FrameInfo {
            connection: 1,
            peer: Name::new("broker-1"),
            api: Name::new("Fetch"),
            correlation: 7,
            bytes: 10,
            protocol: trace::Protocol::Kafka,
            response: false,
        };
        let began =
            EventKind::FaultBegan { fault: Name::new("f"), kind: Name::new("crash"), target: Name::new("broker-1") };
        let timed_out =
            EventKind::RequestTimedOut { peer: Name::new("broker-1"), api: Name::new("Fetch"), correlation: 7 };
        let story = [
            ("broker-2", 1, 0, EventKind::FrameSent(frame)),
            ("world", 2, 0, began),
            ("broker-1", 3, 2, EventKind::NodeStopped { reason: trace::StopReason::Crash }),
            ("broker-2", 30_000_000_000, 1, timed_out),
        ];
        let events: Vec<Event> = story
            .into_iter()
            .enumerate()
            .map(|(i, (node, at, cause, kind))| Event {
                id: EventId(i as u64 + 1),
                at,
                node: Name::new(node),
                cause: EventId(cause),
                kind,
            })
            .collect();
        let ids: Vec<u64> = Causes::new(&events).why(EventId(4)).iter().map(|event| event.id.0).collect();
        assert_eq!(ids, [4, 3, 2, 1]);
    }

    #[test]
    fn a_chain_ends_where_a_ring_begins() {
        let events = [event(10, 3), event(11, 10)];
        assert_eq!(chain(&events, EventId(11)).len(), 2);
        assert!(chain(&events, EventId(3)).is_empty());
    }
}
