//! The canary: a flaw that few runs show, to prove that a sweep's alarm works. It is no flaw that Kafka had.
//!
//! Drawn at a broker's start, not for each batch, so that the share of failing seeds does not depend on the load.

use std::cell::Cell;

use host::Host;

use crate::flaws::{Flaw, Flaws};

/// How many of a million starts draw it. A seed of the chaos set starts about five brokers, so one in a hundred fails.
const PPM: u32 = 2_000;
/// It sings at one of the first so many batches that the broker appends as a leader.
const WITHIN: u64 = 50;

/// Counts down to the batch that is counted as committed before any follower has it.
pub(crate) struct Canary(Cell<Option<u64>>);

impl Canary {
    /// Draws whether this incarnation has it, and when.
    pub fn new(host: &Host, flaws: Flaws) -> Canary {
        let drawn = flaws.has(Flaw::Canary).then(|| host.entropy("canary"));
        let batch = drawn.and_then(|mut entropy| entropy.chance(PPM).then(|| entropy.below(WITHIN)));
        Canary(Cell::new(batch))
    }

    /// Whether the batch appended now is the one.
    pub fn is_due(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.and_then(|left| left.checked_sub(1)));
        left == Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_once_at_the_batch_drawn() {
        let due = |drawn: Option<u64>| {
            let canary = Canary(Cell::new(drawn));
            (0..100).filter(|_| canary.is_due()).count()
        };
        assert_eq!((due(Some(0)), due(Some(49)), due(None)), (1, 1, 0));
        let third = Canary(Cell::new(Some(2)));
        assert_eq!([third.is_due(), third.is_due(), third.is_due(), third.is_due()], [false, false, true, false]);
    }
}
