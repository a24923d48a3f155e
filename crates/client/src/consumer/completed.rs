//! The records of one partition that one Fetch response brought, taken out one by one.

use std::collections::BTreeSet;

use bytes::Bytes;
use trace::EventId;
use wire::batch::{
    Batch, BatchError, Batches, EndTransactionMarker, MarkerKind, Record, Records, batches, record_iterator, verify_crc,
};

/// A transaction that was aborted: its producer's records from `first_offset` to the abort marker do not count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Aborted {
    /// Where its first record is.
    pub(crate) first_offset: i64,
    /// Whose it is.
    pub(crate) producer_id: i64,
}

/// A record for the application, or the end of what was fetched.
#[derive(Debug)]
pub(crate) enum Step {
    /// A record and the leader epoch of its batch.
    Record(Record, i32),
    /// No more; the position is now this offset, after a batch of this epoch.
    End {
        /// The next offset.
        offset: i64,
        /// The leader epoch of the last batch; none if there was no batch.
        epoch: Option<i32>,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Completed {
    /// The response's `FrameDelivered`.
    pub(crate) cause: EventId,
    batches: Batches,
    records: Option<(Records, i32)>,
    /// Records below were asked for before: a batch may begin earlier than the offset fetched.
    from: i64,
    next: i64,
    epoch: Option<i32>,
    check_crcs: bool,
    aborted: Vec<Aborted>,
    aborting: BTreeSet<i64>,
}

impl Completed {
    /// `aborted` is empty unless only committed records are wanted.
    pub(crate) fn new(
        cause: EventId,
        bytes: Bytes,
        from: i64,
        check_crcs: bool,
        mut aborted: Vec<Aborted>,
    ) -> Completed {
        aborted.sort_unstable_by(|left, right| right.cmp(left));
        let batches = batches(bytes);
        Completed {
            cause,
            batches,
            records: None,
            from,
            next: from,
            epoch: None,
            check_crcs,
            aborted,
            aborting: BTreeSet::new(),
        }
    }

    /// The next record.
    ///
    /// # Errors
    /// If a batch is malformed, or has another CRC than it says.
    pub(crate) fn step(&mut self) -> Result<Step, BatchError> {
        loop {
            if let Some((records, epoch)) = &mut self.records {
                match records.next() {
                    Some(record) => {
                        let record = record?;
                        if record.offset >= self.from {
                            return Ok(Step::Record(record, *epoch));
                        }
                        continue;
                    }
                    None => self.records = None,
                }
            }
            match self.batches.next() {
                None => return Ok(Step::End { offset: self.next, epoch: self.epoch }),
                Some(batch) => self.open(batch?)?,
            }
        }
    }

    fn open(&mut self, batch: Batch) -> Result<(), BatchError> {
        if self.check_crcs {
            verify_crc(&batch.bytes)?;
        }
        let header = batch.header;
        self.next = self.next.max(header.next_offset());
        self.epoch = Some(header.partition_leader_epoch);
        if header.is_control() {
            return self.end_transaction(&batch);
        }
        while let Some(aborted) = self.aborted.pop_if(|aborted| aborted.first_offset <= header.last_offset()) {
            self.aborting.insert(aborted.producer_id);
        }
        let is_aborted = header.is_transactional() && self.aborting.contains(&header.producer_id);
        if !is_aborted {
            self.records = Some((record_iterator(&batch.bytes)?, header.partition_leader_epoch));
        }
        Ok(())
    }

    /// An abort marker ends the producer's aborted transaction; what it writes next counts again.
    fn end_transaction(&mut self, batch: &Batch) -> Result<(), BatchError> {
        let Some(record) = record_iterator(&batch.bytes)?.next() else { return Ok(()) };
        let marker = EndTransactionMarker::from_record(&record?)?;
        if marker.is_some_and(|marker| marker.kind == MarkerKind::Abort) {
            self.aborting.remove(&batch.header.producer_id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::batch::BatchBuilder;

    fn batch(base: i64, values: &[&str], producer: Option<i64>) -> Vec<u8> {
        let mut builder = BatchBuilder::default();
        if let Some(id) = producer {
            builder.producer(id, 0, 0).transactional();
        }
        for value in values {
            builder.append(0, None, Some(value.as_bytes()), &[]);
        }
        builder.build(base, 4).to_vec()
    }

    fn marker(base: i64, producer: i64, kind: MarkerKind) -> Vec<u8> {
        EndTransactionMarker { kind, coordinator_epoch: 0 }.to_batch(base, 4, producer, 0, 0).to_vec()
    }

    /// Offsets and values read, and where reading goes on.
    fn read(parts: &[Vec<u8>], from: i64, aborted: &[Aborted]) -> (Vec<(i64, String)>, i64) {
        let mut completed = Completed::new(EventId::ROOT, Bytes::from(parts.concat()), from, true, aborted.to_vec());
        let mut records = Vec::new();
        loop {
            match completed.step().unwrap() {
                Step::Record(record, _) => {
                    records.push((record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
                }
                Step::End { offset, .. } => return (records, offset),
            }
        }
    }

    #[test]
    fn records_below_the_offset_asked_for_are_left_out() {
        let (records, next) = read(&[batch(10, &["a", "b", "c"], None)], 11, &[]);
        assert_eq!(records, [(11, "b".to_owned()), (12, "c".to_owned())]);
        assert_eq!(next, 13);
    }

    #[test]
    fn control_batches_move_the_position_and_deliver_nothing() {
        let (records, next) = read(&[batch(0, &["a"], Some(1)), marker(1, 1, MarkerKind::Commit)], 0, &[]);
        assert_eq!((records.len(), next), (1, 2));
    }

    #[test]
    fn an_aborted_transaction_is_left_out_up_to_its_marker() {
        let parts = [
            batch(0, &["aborted"], Some(1)),
            batch(1, &["other"], Some(2)),
            marker(2, 1, MarkerKind::Abort),
            batch(3, &["committed"], Some(1)),
        ];
        let (records, next) = read(&parts, 0, &[Aborted { first_offset: 0, producer_id: 1 }]);
        let values: Vec<&str> = records.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!((values, next), (vec!["other", "committed"], 4));
    }

    #[test]
    fn an_incomplete_last_batch_is_left_for_the_next_fetch() {
        let whole = batch(0, &["a"], None);
        let partial = batch(1, &["b"], None)[..40].to_vec();
        let (records, next) = read(&[whole, partial], 0, &[]);
        assert_eq!((records.len(), next), (1, 1));
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let mut bytes = batch(0, &["a"], None);
        *bytes.last_mut().unwrap() ^= 1;
        let mut completed = Completed::new(EventId::ROOT, Bytes::from(bytes), 0, true, Vec::new());
        assert!(matches!(completed.step(), Err(BatchError::Crc { .. })));
    }
}
