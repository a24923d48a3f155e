//! Causality: from any event back to what began it.

use std::collections::BTreeMap;

use trace::{Event, EventId, EventKind, FrameInfo};

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

/// The causal chain of an event with what happened to its requests folded in.
///
/// A timeout's cause is the request it waited for; that chain alone would never show why no answer came. So each sent
/// frame is followed to its drop or delay, whose cause is the fault.
pub struct Causes<'a> {
    events: &'a [Event],
    losses: Option<&'a Losses>,
}

/// A frame among all frames: its connection, correlation id, and whether it is a response.
type FrameKey = (u32, i32, bool);

fn frame_key(info: &FrameInfo) -> FrameKey {
    (info.connection, info.correlation, info.response)
}

/// Where frames were dropped or held, so that [`Causes::why`] need not look for it in the whole trace.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    places: BTreeMap<FrameKey, Vec<u32>>,
}

impl Losses {
    /// Notes the event at this place of the trace. Events must come in order.
    pub fn push(&mut self, place: u32, event: &Event) {
        if let EventKind::FrameDropped(lost) | EventKind::FrameHeld(lost) = &event.kind {
            self.places.entry(frame_key(lost)).or_default().push(place);
        }
    }

    /// The places at which this frame was dropped or held, in order. Connections that reuse a correlation id share them.
    pub fn of(&self, info: &FrameInfo) -> &[u32] {
        self.places.get(&frame_key(info)).map_or(&[], Vec::as_slice)
    }
}

impl<'a> Causes<'a> {
    /// Causes among `events`, which are in order of id.
    pub fn new(events: &'a [Event]) -> Causes<'a> {
        Causes { events, losses: None }
    }

    /// The same with an index of all losses among `events`: fast on long traces.
    pub fn indexed(events: &'a [Event], losses: &'a Losses) -> Causes<'a> {
        Causes { events, losses: Some(losses) }
    }

    /// The event with this id, where the trace holds it.
    pub fn event(&self, id: EventId) -> Option<&'a Event> {
        find(self.events, id)
    }

    /// What became of a frame that was sent: its delivery, drop or hold, in order.
    pub fn fate(&self, sent: EventId) -> Vec<&'a Event> {
        let from = self.events.partition_point(|event| event.id <= sent);
        let is_fate = |event: &&Event| {
            event.cause == sent
                && matches!(
                    event.kind,
                    EventKind::FrameDelivered(_) | EventKind::FrameDropped(_) | EventKind::FrameHeld(_)
                )
        };
        self.events[from..].iter().filter(is_fate).collect()
    }

    /// From `of` back to the faults: the chain, with the fate of every frame after whose loss something timed out.
    pub fn why(&self, of: EventId) -> Vec<&'a Event> {
        let mut reasons = Vec::new();
        for event in chain(self.events, of) {
            if matches!(event.kind, EventKind::FrameSent(_)) {
                let lost = self.fate_by_frame(event);
                reasons.extend(lost);
            }
            reasons.push(event);
        }
        reasons
    }

    /// Drops and holds of a sent frame, found by the frame itself: their cause is the fault.
    fn fate_by_frame(&self, sent: &Event) -> Vec<&'a Event> {
        let EventKind::FrameSent(info) = &sent.kind else { return Vec::new() };
        let from = self.events.partition_point(|event| event.id <= sent.id);
        let is_loss = |event: &&Event| match &event.kind {
            EventKind::FrameDropped(lost) | EventKind::FrameHeld(lost) => {
                event.node == sent.node
                    && lost.connection == info.connection
                    && lost.correlation == info.correlation
                    && lost.response == info.response
            }
            _ => false,
        };
        let mut fate: Vec<&Event> = Vec::new();
        let candidates: Box<dyn Iterator<Item = &'a Event>> = match self.losses {
            None => Box::new(self.events[from..].iter()),
            Some(losses) => {
                let places = losses.of(info).iter().map(|place| *place as usize).filter(move |place| *place >= from);
                Box::new(places.filter_map(|place| self.events.get(place)))
            }
        };
        for lost in candidates.filter(is_loss) {
            fate.push(lost);
            fate.extend(self.event(lost.cause).filter(|cause| matches!(cause.kind, EventKind::FaultBegan { .. })));
        }
        fate.reverse();
        fate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::Name;

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
    fn an_index_of_losses_gives_the_same_answer() {
        let info = |correlation| FrameInfo {
            connection: 3,
            peer: Name::new("y"),
            api: Name::new("Fetch"),
            correlation,
            bytes: 9,
            protocol: trace::Protocol::Kafka,
            response: false,
        };
        let began =
            EventKind::FaultBegan { fault: Name::new("cut"), kind: Name::new("isolate"), target: Name::new("x") };
        let mut events = vec![event(1, 0), event(2, 1), event(3, 0), event(4, 3), event(5, 3), event(6, 2)];
        events[1].kind = EventKind::FrameSent(info(1));
        events[2].kind = began;
        events[3].kind = EventKind::FrameDropped(info(2));
        events[4].kind = EventKind::FrameDropped(info(1));
        let mut losses = Losses::default();
        (0..).zip(&events).for_each(|(place, event)| losses.push(place, event));
        let why = |causes: Causes<'_>| causes.why(EventId(6)).iter().map(|event| event.id.0).collect::<Vec<_>>();
        assert_eq!(why(Causes::new(&events)), [6, 3, 5, 2, 1]);
        assert_eq!(why(Causes::indexed(&events, &losses)), [6, 3, 5, 2, 1]);
    }

    #[test]
    fn a_chain_ends_where_a_ring_begins() {
        let events = [event(10, 3), event(11, 10)];
        assert_eq!(chain(&events, EventId(11)).len(), 2);
        assert!(chain(&events, EventId(3)).is_empty());
    }
}
