//! Where each leader epoch begins in the log (KIP-101), and the question that followers ask of it (KIP-279).

/// The first offset of a leader epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct EpochStart {
    /// The leader epoch.
    pub epoch: i32,
    /// Offset of its first record; for an epoch without any, the log end offset at its election.
    pub start_offset: i64,
}

/// The answer to OffsetForLeaderEpoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EpochEnd {
    /// The largest epoch in the log that is not above the one asked for.
    pub epoch: i32,
    /// The offset after that epoch's last record.
    pub end_offset: i64,
}

impl EpochEnd {
    /// Nothing is known of the epoch.
    pub const UNDEFINED: EpochEnd = EpochEnd { epoch: -1, end_offset: -1 };
}

/// The epochs of a log, both epochs and start offsets strictly rising.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EpochCache {
    entries: Vec<EpochStart>,
}

impl EpochCache {
    /// The entries in order.
    pub fn entries(&self) -> &[EpochStart] {
        &self.entries
    }

    /// The newest epoch, with or without records.
    pub fn latest(&self) -> Option<i32> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// The epoch that wrote `offset`, if the offset is in the log.
    pub fn epoch_of(&self, offset: i64) -> Option<i32> {
        let after = self.entries.partition_point(|entry| entry.start_offset <= offset);
        self.entries[..after].last().map(|entry| entry.epoch)
    }

    /// Notes that `epoch` begins at `start_offset`: at an election, or with a batch. Returns whether that was news.
    ///
    /// An entry that the new one contradicts is dropped: an epoch that was elected but never wrote, for instance.
    pub fn assign(&mut self, epoch: i32, start_offset: i64) -> bool {
        let contradicts = |last: &EpochStart| last.epoch > epoch || last.start_offset > start_offset;
        let replaces = |last: &EpochStart| last.epoch != epoch && last.start_offset == start_offset;
        let before = self.entries.len();
        while self.entries.last().is_some_and(|last| contradicts(last) || replaces(last)) {
            self.entries.pop();
        }
        let goes_on = self.entries.last().is_some_and(|last| last.epoch == epoch);
        if !goes_on {
            self.entries.push(EpochStart { epoch, start_offset });
        }
        !goes_on || self.entries.len() < before
    }

    /// The largest epoch not above `epoch` and where it ends; `log_end` ends the newest.
    ///
    /// Undefined for an epoch newer than all. For one older than all the answer is where the oldest begins: its data is
    /// gone, and the follower shall go on from there.
    pub fn end_of(&self, epoch: i32, log_end: i64) -> EpochEnd {
        let after = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let floor = self.entries[..after].last().map_or(epoch, |entry| entry.epoch);
        match self.entries.get(after) {
            _ if epoch < 0 => EpochEnd::UNDEFINED,
            Some(higher) => EpochEnd { epoch: floor, end_offset: higher.start_offset },
            None if self.latest() == Some(epoch) => EpochEnd { epoch, end_offset: log_end },
            None => EpochEnd::UNDEFINED,
        }
    }

    /// Forgets the epochs that begin at or after `end_offset`, where the log now ends. Returns whether there were any.
    pub fn truncate_from_end(&mut self, end_offset: i64) -> bool {
        let keep = self.entries.partition_point(|entry| entry.start_offset < end_offset);
        let news = keep < self.entries.len();
        self.entries.truncate(keep);
        news
    }

    /// Forgets the epochs that end at or before `start_offset`, where the log now starts; the epoch that goes on there
    /// starts there. Returns whether anything changed.
    pub fn truncate_from_start(&mut self, start_offset: i64) -> bool {
        let after = self.entries.partition_point(|entry| entry.start_offset <= start_offset);
        let Some(current) = after.checked_sub(1) else { return false };
        let news = current > 0 || self.entries[current].start_offset < start_offset;
        self.entries.drain(..current);
        self.entries[0].start_offset = start_offset;
        news
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(i32, i64)]) -> EpochCache {
        let mut cache = EpochCache::default();
        for (epoch, start_offset) in entries {
            assert!(cache.assign(*epoch, *start_offset));
        }
        cache
    }

    fn entries(cache: &EpochCache) -> Vec<(i32, i64)> {
        cache.entries().iter().map(|entry| (entry.epoch, entry.start_offset)).collect()
    }

    #[test]
    fn the_answer_is_the_largest_epoch_not_above_the_one_asked_and_its_end() {
        let cache = cache(&[(2, 10), (3, 20), (7, 30)]);
        for (asked, epoch, end_offset) in [
            (7, 7, 42),   // the newest ends with the log
            (3, 3, 30),   // another ends where the next begins
            (5, 3, 30),   // one that never was: the one below it (KIP-279)
            (1, 1, 10),   // older than all: its data is gone, go on from the oldest
            (8, -1, -1),  // newer than all
            (-1, -1, -1), // no epoch at all
        ] {
            assert_eq!(cache.end_of(asked, 42), EpochEnd { epoch, end_offset }, "asked for {asked}");
        }
        assert_eq!(EpochCache::default().end_of(0, 0), EpochEnd::UNDEFINED);
    }

    #[test]
    fn epoch_zero_is_an_epoch() {
        // KAFKA-10432.
        let cache = cache(&[(0, 0), (1, 5)]);
        assert_eq!(cache.end_of(0, 9), EpochEnd { epoch: 0, end_offset: 5 });
        assert_eq!(cache.epoch_of(4), Some(0));
    }

    #[test]
    fn an_election_without_records_gives_way_to_the_next() {
        let mut cache = cache(&[(1, 0), (2, 10)]);
        assert!(cache.assign(4, 10));
        assert_eq!(entries(&cache), [(1, 0), (4, 10)]);
    }

    #[test]
    fn an_epoch_begins_once() {
        let mut cache = cache(&[(1, 0)]);
        assert!(!cache.assign(1, 5));
        assert_eq!(entries(&cache), [(1, 0)]);
    }

    #[test]
    fn an_older_epoch_replaces_elections_that_never_wrote() {
        let mut cache = cache(&[(1, 0), (5, 10)]);
        assert!(cache.assign(3, 10));
        assert_eq!(entries(&cache), [(1, 0), (3, 10)]);
        assert!(cache.assign(5, 20));
        assert!(cache.assign(3, 20));
        assert_eq!(entries(&cache), [(1, 0), (3, 10)], "the older epoch goes on");
    }

    #[test]
    fn cutting_the_log_forgets_what_began_there_or_later() {
        let mut cache = cache(&[(1, 0), (2, 10), (3, 20)]);
        assert!(!cache.truncate_from_end(21));
        assert!(cache.truncate_from_end(20));
        assert_eq!(entries(&cache), [(1, 0), (2, 10)]);
        assert!(cache.truncate_from_end(0));
        assert_eq!(cache.latest(), None);
    }

    #[test]
    fn the_epoch_that_goes_on_at_a_new_log_start_starts_there() {
        let mut cache = cache(&[(1, 0), (2, 10), (3, 20)]);
        assert!(!cache.truncate_from_start(0));
        assert!(cache.truncate_from_start(15));
        assert_eq!(entries(&cache), [(2, 15), (3, 20)]);
        assert!(cache.truncate_from_start(20));
        assert_eq!(entries(&cache), [(3, 20)]);
        assert!(!EpochCache::default().truncate_from_start(5));
    }

    #[test]
    fn every_offset_knows_its_epoch() {
        let cache = cache(&[(2, 10), (3, 20)]);
        assert_eq!(
            [9, 10, 19, 20, 99].map(|offset| cache.epoch_of(offset)),
            [None, Some(2), Some(2), Some(3), Some(3)]
        );
    }
}
