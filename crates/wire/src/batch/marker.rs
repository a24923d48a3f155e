//! Transaction markers: control batches with one record, which end a producer's transaction in a partition (KIP-98).

use bytes::Bytes;

use super::{BatchBuilder, BatchError, Record};
use crate::codec::Reader;

/// How the transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkerKind {
    /// Its records must not be delivered to read_committed consumers.
    Abort,
    /// Its records may be delivered.
    Commit,
}

/// The content of a transaction marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// How the transaction ended.
    pub kind: MarkerKind,
    /// Epoch of the transaction coordinator (its partition's leader epoch) that decided.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// A control batch with this marker. `timestamp` is in ms.
    pub fn to_batch(
        self,
        base_offset: i64,
        leader_epoch: i32,
        producer_id: i64,
        producer_epoch: i16,
        timestamp: i64,
    ) -> Bytes {
        let kind = match self.kind {
            MarkerKind::Abort => 0,
            MarkerKind::Commit => 1,
        };
        let key = [0, 0, 0, kind];
        let mut value = [0; 6];
        value[2..].copy_from_slice(&self.coordinator_epoch.to_be_bytes());
        let mut builder = BatchBuilder::with_capacity(96);
        builder.producer(producer_id, producer_epoch, super::NO_SEQUENCE).transactional().control();
        builder.append(timestamp, Some(&key), Some(&value), &[]);
        builder.build(base_offset, leader_epoch)
    }

    /// Reads the marker from a record of a control batch; none if it is a control record of another kind.
    ///
    /// # Errors
    /// If key or value is too short.
    pub fn from_record(record: &Record) -> Result<Option<Self>, BatchError> {
        let missing = BatchError::Records("control record without key or value");
        let mut key = Reader::new(record.key.clone().ok_or(missing.clone())?);
        key.i16()?;
        let kind = match key.i16()? {
            0 => MarkerKind::Abort,
            1 => MarkerKind::Commit,
            _ => return Ok(None),
        };
        let mut value = Reader::new(record.value.clone().ok_or(missing)?);
        value.i16()?;
        Ok(Some(Self { kind, coordinator_epoch: value.i32()? }))
    }
}
