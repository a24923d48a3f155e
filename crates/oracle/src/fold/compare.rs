//! Comparing two replicas' logs, without ever comparing the same stretch twice.

use super::log::{Batch, Held, ReplicaLog};

/// A batch that one log holds and the other does not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Difference {
    pub has: Batch,
    /// What the other holds at that offset.
    pub other: Option<Batch>,
}

/// The first batch wholly in `from..to` of log `a` that log `b` surely does not hold.
fn difference(a: &ReplicaLog, b: &ReplicaLog, from: i64, to: i64) -> Option<Difference> {
    let from = from.max(a.start).max(b.start);
    let whole = a.range(from, to).iter().filter(|batch| batch.base >= from && batch.end() <= to);
    for batch in whole {
        match b.at(batch.base) {
            Held::Batch(other) if other.same(batch) => {}
            Held::Unknown => {}
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
    /// Compares `a` with `b` up to `to`, from where this was done last in this `epoch`.
    pub fn compare(&mut self, epoch: i32, to: i64, a: (i32, &ReplicaLog), b: (i32, &ReplicaLog)) -> Option<Difference> {
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
        if from >= to { None } else { difference(a.1, b.1, from, to) }
    }

    /// Forgets what was found of `broker` from `offset` on: its log was cut there.
    pub fn cut(&mut self, broker: i32, offset: i64) {
        for pair in self.pairs.iter_mut().filter(|pair| pair.brokers.0 == broker || pair.brokers.1 == broker) {
            pair.upto = pair.upto.min(offset);
        }
    }
}
