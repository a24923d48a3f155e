//! The part of the transaction log that is in memory: all since the last snapshot but one.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::types::Zxid;

/// A logged transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its zxid.
    pub zxid: Zxid,
    /// Its content, which Zab does not look into.
    pub payload: Bytes,
}

/// How a follower's log becomes the leader's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plan {
    /// It is a prefix: what comes after its last zxid is sent.
    Diff,
    /// It is cut after this zxid, and what comes after that is sent.
    Trunc(Zxid),
    /// It is too old: the whole state is sent.
    Snap,
}

/// Consecutive entries after a base.
///
/// Two histories that hold the same zxid agree on all before it: an entry is only ever accepted from the leader of its epoch
/// or by synchronizing with somebody who holds it, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    base: Zxid,
    entries: VecDeque<Entry>,
}

impl History {
    /// The history of `entries` after a state that ends at `base`.
    ///
    /// # Panics
    /// If they are out of order.
    pub fn new(base: Zxid, entries: impl IntoIterator<Item = Entry>) -> History {
        let mut history = History { base, entries: VecDeque::new() };
        entries.into_iter().for_each(|entry| history.push(entry));
        history
    }

    /// The zxid before the first entry.
    pub fn base(&self) -> Zxid {
        self.base
    }

    /// The last zxid.
    pub fn last(&self) -> Zxid {
        self.entries.back().map_or(self.base, |entry| entry.zxid)
    }

    /// Appends an entry.
    ///
    /// # Panics
    /// If it does not come after the last one.
    pub fn push(&mut self, entry: Entry) {
        assert!(entry.zxid > self.last(), "{} appended after {}", entry.zxid, self.last());
        self.entries.push_back(entry);
    }

    /// Whether the history ends with `zxid` at some point of its own past.
    pub fn holds(&self, zxid: Zxid) -> bool {
        zxid == self.base || self.entries.binary_search_by_key(&zxid, |entry| entry.zxid).is_ok()
    }

    /// The entries after `zxid`.
    pub fn after(&self, zxid: Zxid) -> impl Iterator<Item = &Entry> + '_ {
        let start = self.entries.partition_point(|entry| entry.zxid <= zxid);
        self.entries.range(start..)
    }

    /// Drops the entries after `zxid`.
    ///
    /// # Panics
    /// If `zxid` is not held: two logs that should agree do not.
    pub fn truncate(&mut self, zxid: Zxid) {
        assert!(self.holds(zxid), "cannot truncate to {zxid}: not in a log from {} to {}", self.base, self.last());
        let keep = self.entries.partition_point(|entry| entry.zxid <= zxid);
        self.entries.truncate(keep);
    }

    /// Forgets the entries up to `zxid`, which a snapshot covers.
    pub fn trim(&mut self, zxid: Zxid) {
        assert!(self.holds(zxid), "a snapshot ends at an entry");
        let drop = self.entries.partition_point(|entry| entry.zxid <= zxid);
        self.entries.drain(..drop);
        self.base = zxid;
    }

    /// How to synchronize a follower whose log ends with `last`.
    pub fn plan(&self, last: Zxid) -> Plan {
        if last < self.base {
            return Plan::Snap;
        }
        if self.holds(last) {
            return Plan::Diff;
        }
        // Both logs agree up to the last entry of this one before the follower's: see the type's invariant.
        let keep = self.entries.partition_point(|entry| entry.zxid <= last);
        Plan::Trunc(if keep == 0 { self.base } else { self.entries[keep - 1].zxid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(base: Zxid, zxids: &[Zxid]) -> History {
        History::new(base, zxids.iter().map(|zxid| Entry { zxid: *zxid, payload: Bytes::new() }))
    }

    #[test]
    fn a_follower_is_synchronized_by_the_least_that_suffices() {
        let zxid = Zxid::new;
        let leader = history(zxid(1, 4), &[zxid(1, 5), zxid(1, 6), zxid(3, 1)]);
        let cases = [
            (zxid(1, 3), Plan::Snap),
            (zxid(1, 4), Plan::Diff),
            (zxid(1, 6), Plan::Diff),
            (zxid(3, 1), Plan::Diff),
            (zxid(1, 7), Plan::Trunc(zxid(1, 6))),
            (zxid(2, 1), Plan::Trunc(zxid(1, 6))),
            (zxid(3, 2), Plan::Trunc(zxid(3, 1))),
        ];
        for (last, plan) in cases {
            assert_eq!(leader.plan(last), plan, "{last}");
        }
        let fresh = history(Zxid::ZERO, &[]);
        assert_eq!(fresh.plan(Zxid::ZERO), Plan::Diff);
        assert_eq!(fresh.plan(zxid(1, 1)), Plan::Trunc(Zxid::ZERO));
    }

    #[test]
    fn trimming_and_truncating_keep_what_is_between() {
        let zxid = |counter| Zxid::new(1, counter);
        let mut log = history(Zxid::ZERO, &[zxid(1), zxid(2), zxid(3), zxid(4)]);
        log.truncate(zxid(3));
        log.trim(zxid(1));
        assert_eq!((log.base(), log.last()), (zxid(1), zxid(3)));
        assert_eq!(log.after(zxid(2)).map(|entry| entry.zxid).collect::<Vec<_>>(), [zxid(3)]);
    }
}
