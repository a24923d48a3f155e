//! Key frames: the state every so many events, so that any instant is near one of them.

use std::sync::Arc;

use trace::Event;

use crate::ClusterState;

/// Key frames at which every second one is dropped: what they hold in memory stays bounded however long a trace is.
const MOST: usize = 512;
/// Events between the key frames of a short trace.
const FIRST_INTERVAL: usize = 4096;

/// Snapshots of the fold over events that were pushed in order.
#[derive(Clone, Debug)]
pub struct KeyFrames {
    /// Frame n is the state after `n * interval` events.
    frames: Vec<Arc<ClusterState>>,
    interval: usize,
    state: ClusterState,
    count: usize,
}

impl Default for KeyFrames {
    fn default() -> KeyFrames {
        KeyFrames { frames: vec![Arc::default()], interval: FIRST_INTERVAL, state: ClusterState::default(), count: 0 }
    }
}

impl KeyFrames {
    /// Folds the next event.
    pub fn push(&mut self, event: &Event) {
        self.state.apply(event);
        self.count += 1;
        if self.count.is_multiple_of(self.interval) {
            self.frames.push(Arc::new(self.state.clone()));
            if self.frames.len() > MOST {
                self.interval *= 2;
                let mut place = 0;
                self.frames.retain(|_| {
                    place += 1;
                    place % 2 == 1
                });
            }
        }
    }

    /// The state after all events pushed so far.
    pub fn state(&self) -> &ClusterState {
        &self.state
    }

    /// Events between two key frames: the most that [`KeyFrames::state_after`] folds.
    pub fn interval(&self) -> usize {
        self.interval
    }

    /// The state after the first `count` of `events`, which are those that were pushed. `near` may be a state that was
    /// reached before, with its count: folding goes on from there when it is closer than the key frame.
    pub fn state_after(
        &self,
        events: &[Event],
        count: usize,
        near: Option<(usize, &Arc<ClusterState>)>,
    ) -> Arc<ClusterState> {
        let count = count.min(self.count).min(events.len());
        let frame = (count / self.interval).min(self.frames.len() - 1);
        let (from, base) = match near {
            Some((from, state)) if from <= count && from > frame * self.interval => (from, state),
            _ => (frame * self.interval, &self.frames[frame]),
        };
        let mut state = Arc::clone(base);
        if from < count {
            let state = Arc::make_mut(&mut state);
            events[from..count].iter().for_each(|event| state.apply(event));
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::{EventId, EventKind, Name, Partition};

    /// Appends with a truncation now and then.
    fn events(count: u64) -> Vec<Event> {
        let partition = Partition::new("orders", 0);
        let mut end = 0;
        let mut kind = |n: u64| {
            if n % 97 == 96 {
                let from = end;
                end -= 10;
                return EventKind::Truncated { partition, to: end, from };
            }
            end += 1;
            EventKind::Appended {
                partition,
                base_offset: end - 1,
                producer_id: -1,
                records: 1,
                leader_epoch: (n / 97) as i32,
                crc: n as u32,
                sequence: -1,
                producer_epoch: -1,
                leading: true,
            }
        };
        let event =
            |n| Event { id: EventId(n + 1), at: n, node: Name::new("broker-1"), cause: EventId::ROOT, kind: kind(n) };
        (0..count).map(event).collect()
    }

    fn keyed(events: &[Event]) -> KeyFrames {
        let mut frames = KeyFrames::default();
        events.iter().for_each(|event| frames.push(event));
        frames
    }

    #[test]
    fn every_instant_equals_the_fold_from_the_start() {
        let events = events(10_000);
        let frames = keyed(&events);
        for count in [0, 1, 4095, 4096, 4097, 9_999, 10_000] {
            let mut expected = ClusterState::default();
            events[..count].iter().for_each(|event| expected.apply(event));
            let reached = frames.state_after(&events, count, None);
            assert_eq!(format!("{expected:?}"), format!("{reached:?}"), "after {count} events");
        }
    }

    #[test]
    fn folding_goes_on_from_a_state_nearby() {
        let events = events(6_000);
        let frames = keyed(&events);
        let near = frames.state_after(&events, 5_000, None);
        let reached = frames.state_after(&events, 5_010, Some((5_000, &near)));
        assert_eq!(format!("{reached:?}"), format!("{:?}", frames.state_after(&events, 5_010, None)));
        let back = frames.state_after(&events, 4_500, Some((5_000, &near)));
        assert_eq!(back.last, EventId(4_500));
    }

    #[test]
    fn a_long_trace_keeps_a_bounded_number_of_frames() {
        let event =
            Event { id: EventId(1), at: 0, node: Name::new("world"), cause: EventId::ROOT, kind: EventKind::RunEnded };
        let mut frames = KeyFrames::default();
        for n in 0..(FIRST_INTERVAL * MOST * 2 + 10) as u64 {
            frames.push(&Event { id: EventId(n + 1), ..event.clone() });
        }
        assert!(frames.frames.len() <= MOST + 1, "{} frames", frames.frames.len());
        for (place, frame) in frames.frames.iter().enumerate() {
            assert_eq!(frame.last.0, (place * frames.interval) as u64);
        }
    }
}
