//! A group's committed offsets.

use std::collections::BTreeMap;

use trace::Partition;

use super::records::OffsetValue;

/// A committed offset and where its record is in the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Committed {
    /// What was committed.
    pub value: OffsetValue,
    /// The offset of the record that says so.
    pub at: i64,
}

/// The offsets of one group: those that count, and how many commits are on their way to the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Offsets {
    committed: BTreeMap<Partition, Committed>,
    pending: BTreeMap<Partition, u32>,
}

impl Offsets {
    /// Whether there is nothing, and nothing on its way.
    pub fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty()
    }

    /// The committed offset of a partition.
    pub fn get(&self, partition: Partition) -> Option<&Committed> {
        self.committed.get(&partition)
    }

    /// All committed offsets.
    pub fn all(&self) -> &BTreeMap<Partition, Committed> {
        &self.committed
    }

    /// A commit is on its way to the log.
    pub fn begin(&mut self, partition: Partition) {
        *self.pending.entry(partition).or_default() += 1;
    }

    /// A commit is in the log and replicated, or (none) it failed.
    pub fn finish(&mut self, partition: Partition, committed: Option<Committed>) {
        if let Some(count) = self.pending.get_mut(&partition) {
            *count -= 1;
            if *count == 0 {
                self.pending.remove(&partition);
            }
        }
        if let Some(committed) = committed {
            self.put(partition, committed);
        }
    }

    /// Takes a commit over, unless a later one in the log is known.
    pub fn put(&mut self, partition: Partition, committed: Committed) {
        let newest = self.committed.get(&partition).map_or(-1, |known| known.at);
        if committed.at > newest {
            self.committed.insert(partition, committed);
        }
    }

    /// Forgets a partition's offset; returns what it was.
    pub fn remove(&mut self, partition: Partition) -> Option<Committed> {
        self.committed.remove(&partition)
    }

    /// Every partition that has an offset or will have one.
    pub fn partitions(&self) -> Vec<Partition> {
        let mut all: Vec<Partition> = self.committed.keys().chain(self.pending.keys()).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Partitions whose offsets are older than `retention_ms`, counted from what `since` says of each; none of `kept`,
    /// and none with a commit on its way.
    pub fn expired(
        &self,
        wall: i64,
        retention_ms: i64,
        since: impl Fn(&OffsetValue) -> i64,
        kept: impl Fn(Partition) -> bool,
    ) -> Vec<Partition> {
        let is_expired = |value: &OffsetValue| match value.expire_timestamp {
            Some(at) => wall >= at,
            None => wall.saturating_sub(since(value)) >= retention_ms,
        };
        let candidates = self.committed.iter().filter(|(partition, _)| !self.pending.contains_key(partition));
        let expired = candidates.filter(|(partition, it)| is_expired(&it.value) && !kept(**partition));
        expired.map(|(partition, _)| *partition).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(offset: i64, commit_timestamp: i64, at: i64) -> Committed {
        let (leader_epoch, metadata, expire_timestamp) = (-1, String::new(), None);
        Committed { value: OffsetValue { offset, leader_epoch, metadata, commit_timestamp, expire_timestamp }, at }
    }

    #[test]
    fn the_last_commit_in_the_log_counts_whichever_is_replicated_first() {
        let (mut offsets, orders) = (Offsets::default(), Partition::new("orders", 0));
        offsets.begin(orders);
        offsets.begin(orders);
        offsets.finish(orders, Some(committed(20, 0, 8)));
        offsets.finish(orders, Some(committed(10, 0, 7)));
        assert_eq!(offsets.get(orders).unwrap().value.offset, 20);
        offsets.begin(orders);
        offsets.finish(orders, None);
        assert_eq!(offsets.get(orders).unwrap().value.offset, 20, "a failed commit changes nothing");
    }

    #[test]
    fn an_offset_expires_at_its_age_unless_it_is_kept_or_changing() {
        let (mut offsets, orders, mail) = (Offsets::default(), Partition::new("orders", 0), Partition::new("mail", 0));
        offsets.put(orders, committed(1, 100, 0));
        offsets.put(mail, committed(1, 150, 1));
        let check = |offsets: &Offsets, wall, kept: Option<Partition>, expected: &[Partition]| {
            let expired = offsets.expired(wall, 100, |value| value.commit_timestamp, |it| Some(it) == kept);
            assert_eq!(expired, expected, "at {wall}, {kept:?} kept");
        };
        check(&offsets, 199, None, &[]);
        check(&offsets, 200, None, &[orders]);
        check(&offsets, 250, None, &[mail, orders]);
        check(&offsets, 250, Some(orders), &[mail]);
        offsets.begin(mail);
        check(&offsets, 250, None, &[orders]);
        assert_eq!(offsets.partitions(), [mail, orders]);
    }
}
