//! One replica's log as events tell it.

/// A record batch in a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Batch {
    pub base: i64,
    pub producer_id: i64,
    pub records: u32,
    pub epoch: i32,
    pub crc: u32,
    pub sequence: i32,
    pub producer_epoch: i16,
}

impl Batch {
    /// The offset after its last record.
    pub fn end(&self) -> i64 {
        self.base.saturating_add(i64::from(self.records))
    }

    /// Whether both are the same batch at the same place, as replicas must agree on. Below `cleaned` a cleaner may have taken
    /// records out of one of them: it keeps its place, with other bytes.
    pub fn same(&self, other: &Batch, cleaned: i64) -> bool {
        let place = |batch: &Batch| (batch.base, batch.records, batch.epoch);
        place(self) == place(other) && (self.crc == other.crc || self.base < cleaned)
    }

    /// Whether it is a transaction marker: a producer id, but no sequence number.
    pub fn is_control(&self) -> bool {
        self.producer_id >= 0 && self.sequence < 0
    }

    /// The sequence number of its last record; they wrap to 0 after `i32::MAX`.
    pub fn last_sequence(&self) -> i32 {
        ((i64::from(self.sequence) + i64::from(self.records) - 1) & i64::from(i32::MAX)) as i32
    }
}

/// What a log is known to hold at an offset.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held<'a> {
    Batch(&'a Batch),
    Nothing,
    /// After a power loss: something unsynced is there, nobody knows what.
    Unknown,
}

/// A truncation that may not have reached the disk.
#[derive(Clone, Copy, Debug)]
struct Cut {
    to: i64,
    from: i64,
    flushed_since: bool,
}

/// A replica's log: its batches in offset order, and what of them is safe from a power loss.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplicaLog {
    pub start: i64,
    pub end: i64,
    /// All below this offset is fsynced.
    pub flushed: i64,
    batches: Vec<Batch>,
    unknown: Option<(i64, i64)>,
    cut: Option<Cut>,
}

impl ReplicaLog {
    /// All batches it holds, also those below the log start.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// Whether it is known what it holds at every offset.
    pub fn is_known(&self) -> bool {
        self.unknown.is_none()
    }

    /// The last batch, unless what is at the end is unknown.
    pub fn last(&self) -> Option<&Batch> {
        self.batches.last().filter(|last| last.end() == self.end)
    }

    /// How many batches begin at or before `offset`. Most questions are about the tail.
    fn upto(&self, offset: i64) -> usize {
        let tail = self.batches.len().saturating_sub(8);
        if self.batches.get(tail).is_some_and(|batch| batch.base <= offset) {
            return tail + self.batches[tail..].iter().take_while(|batch| batch.base <= offset).count();
        }
        self.batches.partition_point(|batch| batch.base <= offset)
    }

    /// What it holds at `offset`.
    pub fn at(&self, offset: i64) -> Held<'_> {
        if self.unknown.is_some_and(|(from, to)| (from..to).contains(&offset)) {
            return Held::Unknown;
        }
        match self.upto(offset).checked_sub(1).map(|place| &self.batches[place]) {
            Some(batch) if batch.end() > offset => Held::Batch(batch),
            _ => Held::Nothing,
        }
    }

    /// Whether a cleaner may have taken all that was at `offset`: a gap inside the log, where a log of the partition was
    /// cleaned.
    pub fn may_lack(&self, offset: i64, cleaned: i64) -> bool {
        offset < cleaned.min(self.end)
    }

    /// The batch right before the one at `base`, if what is there is known and not below the log start.
    pub fn before(&self, base: i64) -> Option<&Batch> {
        let place = self.upto(base.saturating_sub(1)).checked_sub(1)?;
        let batch = &self.batches[place];
        (batch.end() == base && batch.base >= self.start).then_some(batch)
    }

    /// The batches that overlap `from..to`.
    pub fn range(&self, from: i64, to: i64) -> &[Batch] {
        let mut first = self.upto(from);
        if first > 0 && self.batches[first - 1].end() > from {
            first -= 1;
        }
        let last = self.upto(to.saturating_sub(1)).max(first);
        &self.batches[first..last]
    }

    pub(super) fn append(&mut self, batch: Batch) {
        if batch.base < self.end {
            // Log shape is judged elsewhere; here the newer batch wins, as it would for a reader.
            self.cut_to(batch.base);
        }
        self.end = batch.end();
        self.batches.push(batch);
    }

    fn cut_to(&mut self, to: i64) {
        let keep = self.batches.partition_point(|batch| batch.end() <= to);
        self.batches.truncate(keep);
        self.unknown = self.unknown.map(|(from, end)| (from, end.min(to))).filter(|(from, end)| from < end);
        self.end = to;
    }

    pub(super) fn truncate(&mut self, to: i64) {
        let from = self.end;
        if to > from {
            // Truncated fully, to start anew where the leader's log starts.
            self.batches.clear();
            self.start = to;
        }
        self.cut_to(to);
        self.flushed = self.flushed.min(to);
        if to < from {
            let earlier = self.cut.unwrap_or(Cut { to, from, flushed_since: false });
            self.cut = Some(Cut { to: earlier.to.min(to), from: earlier.from.max(from), flushed_since: false });
        }
    }

    /// The first flush after a truncation may have been under way before it, so it counts up to the cut only.
    pub(super) fn flush(&mut self, to: i64) {
        let sure = match &mut self.cut {
            Some(cut) if !cut.flushed_since => {
                cut.flushed_since = true;
                to.min(cut.to)
            }
            _ => {
                self.cut = None;
                to
            }
        };
        self.flushed = self.flushed.max(sure.min(self.end));
    }

    /// The log ends that a load after a stop may find.
    pub fn loadable(&self, power_lost: bool) -> (i64, i64) {
        if !power_lost {
            return (self.end, self.end);
        }
        // An unsynced truncation may be undone: bytes that were cut off are back.
        (self.flushed.min(self.end), self.cut.map_or(self.end, |cut| cut.from.max(self.end)))
    }

    /// The log after a start: what was there up to `end`. Bytes that an unsynced truncation cut off may be back, and where
    /// that can be nobody knows what was found.
    pub(super) fn load(&mut self, start: i64, end: i64, power_lost: bool) {
        let mut sure = self.end.min(end);
        if power_lost {
            sure = self.cut.map_or(sure, |cut| sure.min(cut.to));
            self.cut = None;
        }
        self.cut_to(sure);
        self.start = start;
        self.end = end;
        self.flushed = self.flushed.min(end);
        // Cutting may stop short of `sure` in the middle of a batch, or leave an older unknown range in place.
        let known = self.batches.last().map_or(start.min(end), Batch::end).min(end);
        if known < end {
            self.unknown = Some((self.unknown.map_or(known, |(from, _)| from.min(known)), end));
        }
    }

    pub(super) fn wipe(&mut self) {
        *self = ReplicaLog::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(base: i64, records: u32, crc: u32) -> Batch {
        Batch { base, producer_id: -1, records, epoch: 0, crc, sequence: -1, producer_epoch: -1 }
    }

    fn log_of(batches: u32) -> ReplicaLog {
        let mut log = ReplicaLog::default();
        (0..batches).for_each(|n| log.append(batch(i64::from(n) * 2, 2, n)));
        log
    }

    fn crc_at(log: &ReplicaLog, offset: i64) -> Option<u32> {
        match log.at(offset) {
            Held::Batch(batch) => Some(batch.crc),
            Held::Nothing | Held::Unknown => None,
        }
    }

    #[test]
    fn batches_are_found_by_any_of_their_offsets() {
        let log = log_of(40);
        for offset in 0..80 {
            assert_eq!(crc_at(&log, offset), Some(offset as u32 / 2));
        }
        assert!(matches!(log.at(80), Held::Nothing));
        let crcs: Vec<u32> = log.range(3, 7).iter().map(|batch| batch.crc).collect();
        assert_eq!(crcs, [1, 2, 3]);
        assert_eq!(log.before(4).map(|batch| batch.crc), Some(1));
        assert_eq!(log.before(5).map(|batch| batch.crc), None);
    }

    #[test]
    fn a_crash_keeps_all_and_a_power_loss_what_was_flushed() {
        let mut log = log_of(5);
        log.flush(4);
        assert_eq!(log.loadable(false), (10, 10));
        assert_eq!(log.loadable(true), (4, 10));
        log.load(0, 6, true);
        assert_eq!((crc_at(&log, 5), crc_at(&log, 6)), (Some(2), None));
    }

    #[test]
    fn what_an_unsynced_truncation_cut_off_may_be_back_after_a_power_loss() {
        let mut log = log_of(5);
        log.truncate(4);
        log.append(batch(4, 2, 90));
        assert_eq!(log.loadable(true), (0, 10));
        log.load(0, 8, true);
        assert_eq!(crc_at(&log, 3), Some(1));
        assert!(matches!(log.at(4), Held::Unknown) && matches!(log.at(7), Held::Unknown));
        log.append(batch(8, 2, 91));
        assert_eq!(crc_at(&log, 8), Some(91));
        log.truncate(4);
        log.append(batch(4, 6, 92));
        assert_eq!(crc_at(&log, 7), Some(92));
    }

    #[test]
    fn a_flush_begun_after_a_truncation_settles_it() {
        let mut log = log_of(5);
        log.truncate(4);
        log.append(batch(4, 2, 90));
        log.flush(6);
        assert_eq!(log.flushed, 4, "this flush may have begun before the cut");
        log.flush(6);
        assert_eq!((log.flushed, log.loadable(true)), (6, (6, 6)));
    }

    #[test]
    fn what_a_cleaner_left_of_a_batch_has_its_place_and_other_bytes() {
        let (whole, left) = (batch(4, 2, 1), batch(4, 2, 9));
        assert!(whole.same(&left, 5) && !whole.same(&left, 4));
        assert!(!whole.same(&batch(4, 1, 1), 5) && !whole.same(&Batch { epoch: 1, ..whole }, 5));
        let log = log_of(2);
        assert!(log.may_lack(3, 9) && !log.may_lack(4, 9) && !log.may_lack(3, 3));
    }

    #[test]
    fn sequence_numbers_wrap() {
        let wrapping = Batch { producer_id: 1, sequence: i32::MAX, ..batch(0, 3, 0) };
        assert_eq!(wrapping.last_sequence(), 1);
    }
}
