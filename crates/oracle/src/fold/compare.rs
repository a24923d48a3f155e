//! Comparing two replicas' logs, without ever comparing the same stretch twice.

use super::log::{Batch, Held, ReplicaLog};

/// A batch that one log holds and the other does not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Difference {
    pub has: Batch,
    /// What the other holds at that offset.
    pub other: Option<Batch>,
}

/// The first batch wholly in `from..to` of log `a` that log `b` surely does not hold, and did not lose to a cleaner.
fn difference(a: &ReplicaLog, b: &ReplicaLog, (from, to): (i64, i64), cleaned: i64) -> Option<Difference> {
    let from = from.max(a.start).max(b.start);
    let whole = a.range(from, to).iter().filter(|batch| batch.base >= from && batch.end() <= to);
    for batch in whole {
        match b.at(batch.base) {
            Held::Batch(other) if other.same(batch, cleaned) => {}
            Held::Unknown => {}
            Held::Nothing if b.may_lack(batch.base, cleaned) => {}
            Held::Batch(other) => return Some(Difference { has: *batch, other: Some(*other) }),
            Held::Nothing => return Some(Difference { has: *batch, other: None }),
        }
    }
    None
}

/// How far pairs of replicas were found equal, in the current leader epoch.
#[derive(Default)]
pub(crate) struct Matched {
    pairs: Vec<Pair>,
}

struct Pair {
    brokers: (i32, i32),
    epoch: i32,
    upto: i64,
}

impl Matched {
    /// Compares `a` with `b` up to `to`, from where this was done last in this `epoch`; below `cleaned` either may lack what
    /// a cleaner took.
    pub fn compare(
        &mut self,
        epoch: i32,
        (to, cleaned): (i64, i64),
        a: (i32, &ReplicaLog),
        b: (i32, &ReplicaLog),
    ) -> Option<Difference> {
        let brokers = (a.0.min(b.0), a.0.max(b.0));
        let place = self.pairs.iter().position(|pair| pair.brokers == brokers).unwrap_or_else(|| {
            self.pairs.push(Pair { brokers, epoch, upto: 0 });
            self.pairs.len() - 1
        });
        let pair = &mut self.pairs[place];
        if pair.epoch != epoch {
            (pair.epoch, pair.upto) = (epoch, 0);
        }
        let from = pair.upto;
        pair.upto = from.max(to);
        if from >= to { None } else { difference(a.1, b.1, (from, to), cleaned) }
    }

    /// Forgets what was found of `broker` from `offset` on: its log was cut there.
    pub fn cut(&mut self, broker: i32, offset: i64) {
        for pair in self.pairs.iter_mut().filter(|pair| pair.brokers.0 == broker || pair.brokers.1 == broker) {
            pair.upto = pair.upto.min(offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(crcs: &[u32]) -> ReplicaLog {
        let mut log = ReplicaLog::default();
        for crc in crcs {
            let base = log.end;
            log.append(Batch {
                base,
                producer_id: -1,
                records: 2,
                epoch: 0,
                crc: *crc,
                sequence: -1,
                producer_epoch: -1,
            });
        }
        log
    }

    #[test]
    fn only_batches_wholly_within_the_range_are_compared() {
        let (a, b) = (log_of(&[1, 2, 3]), log_of(&[1, 9, 3]));
        assert!(difference(&a, &b, (0, 2), 0).is_none());
        assert!(difference(&a, &b, (0, 3), 0).is_none(), "the second batch ends beyond");
        assert!(difference(&a, &b, (4, 6), 0).is_none());
        assert_eq!(difference(&a, &b, (0, 4), 0).expect("they differ").has.crc, 2);
        assert!(difference(&a, &log_of(&[1]), (0, 4), 0).expect("one is shorter").other.is_none());
    }

    #[test]
    fn a_stretch_is_compared_once_in_an_epoch_and_again_after_a_cut() {
        let (a, b) = (log_of(&[1, 2]), log_of(&[1, 9]));
        let mut matched = Matched::default();
        assert!(matched.compare(0, (4, 0), (1, &a), (2, &b)).is_some());
        assert!(matched.compare(0, (4, 0), (2, &b), (1, &a)).is_none(), "told already");
        assert!(matched.compare(1, (4, 0), (1, &a), (2, &b)).is_some(), "a new epoch");
        matched.cut(2, 2);
        assert!(matched.compare(1, (4, 0), (1, &a), (2, &b)).is_some());
    }
}
