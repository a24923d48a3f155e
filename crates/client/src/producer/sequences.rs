//! One partition's sequence numbers, as an idempotent producer keeps them (KIP-98, KIP-360).

use wire::batch::increment_sequence;

/// What a producer is to the brokers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ProducerIdentity {
    /// The producer id.
    pub(crate) id: i64,
    /// The producer epoch.
    pub(crate) epoch: i16,
}

/// A batch's place in its partition's sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// Under which identity it was numbered.
    pub(crate) identity: ProducerIdentity,
    /// The first record's number.
    pub(crate) base: i32,
    /// How many records.
    pub(crate) records: i32,
}

impl Place {
    /// The last record's number.
    pub(crate) fn last(self) -> i32 {
        increment_sequence(self.base, self.records - 1)
    }

    /// The number after it.
    pub(crate) fn next(self) -> i32 {
        increment_sequence(self.base, self.records)
    }
}

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sequences {
    identity: Option<ProducerIdentity>,
    next: i32,
    /// -1 before the first acknowledgement.
    last_acked: i32,
    /// The number after a batch whose fate is unknown: until it is settled, nothing new gets a number.
    unresolved: Option<i32>,
}

impl Sequences {
    /// Before any identity.
    pub(crate) const NEW: Sequences = Sequences { identity: None, next: 0, last_acked: -1, unresolved: None };

    /// Numbers from 0 under an identity.
    pub(crate) fn start_over(&mut self, identity: ProducerIdentity) {
        *self = Sequences { identity: Some(identity), ..Sequences::NEW };
    }

    /// Whether numbers are given out under another identity than this.
    pub(crate) fn is_stale(&self, current: ProducerIdentity) -> bool {
        self.identity != Some(current)
    }

    /// Whether the fate of earlier numbers is unknown.
    pub(crate) fn unresolved(&self) -> Option<i32> {
        self.unresolved
    }

    /// Numbers a batch.
    ///
    /// # Panics
    /// Before the first identity.
    pub(crate) fn assign(&mut self, records: i32) -> Place {
        let identity = self.identity.expect("numbers are given out under an identity");
        let place = Place { identity, base: self.next, records };
        self.next = place.next();
        place
    }

    /// A batch was acknowledged.
    pub(crate) fn acknowledge(&mut self, place: Place) {
        // Two leaders may answer out of order.
        if Some(place.identity) == self.identity && !self.is_behind(place.last()) {
            self.last_acked = place.last();
        }
    }

    /// Whether something with this number or a later one was acknowledged. Numbers wrap: "later" is less than half the circle ahead.
    fn is_behind(&self, number: i32) -> bool {
        self.last_acked != -1 && (self.last_acked.wrapping_sub(number) & i32::MAX) < 1 << 30
    }

    /// Whether something was acknowledged under this identity.
    pub(crate) fn has_begun(&self) -> bool {
        self.last_acked != -1
    }

    /// Whether a batch with this first number follows directly on what was acknowledged.
    pub(crate) fn is_next(&self, base: i32) -> bool {
        base == increment_sequence(self.last_acked, 1)
    }

    /// A numbered batch was given up, and nobody knows whether it is in the log.
    pub(crate) fn leave_unresolved(&mut self, place: Place) {
        if Some(place.identity) == self.identity {
            self.unresolved = Some(self.unresolved.map_or(place.next(), |earlier| earlier.max(place.next())));
        }
    }

    /// Every numbered batch is decided. Whether the numbers may go on: then what came after the unknown batch was acknowledged,
    /// so that it is in the log. If not, there may be a gap.
    pub(crate) fn settle(&mut self) -> bool {
        if self.unresolved.is_some() && self.is_next(self.next) {
            self.unresolved = None;
        }
        self.unresolved.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: ProducerIdentity = ProducerIdentity { id: 7, epoch: 0 };

    fn sequences() -> Sequences {
        let mut sequences = Sequences::NEW;
        sequences.start_over(IDENTITY);
        sequences
    }

    #[test]
    fn batches_are_numbered_without_gaps() {
        let mut sequences = sequences();
        assert_eq!([3, 2, 1].map(|records| sequences.assign(records).base), [0, 3, 5]);
        assert!(sequences.is_next(0));
        sequences.acknowledge(Place { identity: IDENTITY, base: 0, records: 3 });
        assert!(sequences.is_next(3) && !sequences.is_next(0));
    }

    #[test]
    fn a_late_acknowledgement_of_an_earlier_batch_changes_nothing() {
        let mut sequences = sequences();
        let (first, second) = (sequences.assign(2), sequences.assign(2));
        sequences.acknowledge(second);
        sequences.acknowledge(first);
        assert!(sequences.is_next(4) && sequences.is_behind(first.base) && !sequences.is_behind(4));
    }

    #[test]
    fn numbers_wrap_to_zero() {
        let place = Place { identity: IDENTITY, base: i32::MAX - 1, records: 3 };
        assert_eq!((place.last(), place.next()), (0, 1));
    }

    #[test]
    fn an_unknown_batch_is_settled_by_the_acknowledgement_of_the_next() {
        let mut sequences = sequences();
        let (unknown, after) = (sequences.assign(2), sequences.assign(1));
        sequences.leave_unresolved(unknown);
        assert!(!sequences.settle(), "a gap may be there");
        sequences.acknowledge(after);
        assert!(sequences.settle());
    }

    #[test]
    fn an_acknowledgement_under_an_old_epoch_settles_nothing() {
        let mut sequences = sequences();
        let old = sequences.assign(2);
        sequences.start_over(ProducerIdentity { id: 7, epoch: 1 });
        sequences.acknowledge(old);
        assert!(sequences.is_next(0));
    }
}
