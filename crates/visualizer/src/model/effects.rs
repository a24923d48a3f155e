//! Forward causality: which events an event caused.

/// No event.
const NONE: u32 = u32::MAX;

/// The events by cause, as linked lists in two arrays: 8 bytes an event, whatever the shape of the tree.
#[derive(Default)]
pub struct Effects {
    /// The newest effect of each event.
    newest: Vec<u32>,
    /// The effect of the same cause before this one.
    before: Vec<u32>,
}

impl Effects {
    /// The next event has this cause.
    pub fn push(&mut self, cause: Option<usize>) {
        let place = self.newest.len();
        self.newest.push(NONE);
        let before = cause.map_or(NONE, |cause| {
            assert!(cause < place, "a cause lies in the past");
            std::mem::replace(&mut self.newest[cause], place as u32)
        });
        self.before.push(before);
    }

    /// The effects of an event in order.
    pub fn of(&self, index: usize) -> Vec<usize> {
        let mut effects: Vec<usize> = self.newest_first(index).collect();
        effects.reverse();
        effects
    }

    /// The effects of an event, the newest first.
    pub fn newest_first(&self, index: usize) -> impl Iterator<Item = usize> {
        let step = |place: u32| (place != NONE).then_some(place);
        let first = self.newest.get(index).copied().and_then(step);
        std::iter::successors(first, move |place| step(self.before[*place as usize])).map(|place| place as usize)
    }
}
