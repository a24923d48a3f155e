//! A batch on its way: records of one partition that share one fate.

use bytes::{Bytes, BytesMut};
use host::Time;
use tokio::sync::oneshot;
use trace::EventId;
use wire::batch::{BatchBuilder, BatchHeader, HEADER_LENGTH};

use super::sequences::Place;
use super::{Delivery, RecordBody};
use crate::network::Sent;
use crate::origin::{ORIGIN_HEADER, write_origin};

/// Bytes that a record takes at most beside key, value and headers (Kafka's estimate).
const RECORD_OVERHEAD: usize = 21;
/// Where the CRC is, and where the bytes it covers begin.
const CRC: std::ops::Range<usize> = 17..21;

/// A batch's number, in the order of creation over all partitions.
pub(crate) type BatchId = u64;

/// One record of a batch, while its fate is open.
pub(crate) struct Pending {
    /// The client's own number.
    pub(crate) sequence: u64,
    /// Who wants to be told.
    pub(crate) report: Option<oneshot::Sender<Delivery>>,
}

enum Body {
    Open(Box<BatchBuilder>),
    Closed(Bytes),
}

/// See the module.
pub(crate) struct Batch {
    /// Which queue it belongs to.
    pub(crate) queue: usize,
    /// Its records in order.
    pub(crate) records: Vec<Pending>,
    /// Bytes of `buffer.memory` it holds.
    pub(crate) reserved: usize,
    /// When its first record came.
    pub(crate) created: Time,
    /// Retries so far.
    pub(crate) retries: u32,
    /// Not to be sent before.
    pub(crate) not_before: Time,
    /// Its sequence numbers, once it has some.
    pub(crate) place: Option<Place>,
    /// Whether the kernel has the request that it is in now, if it is in one.
    pub(crate) attempt: Option<Sent>,
    /// An attempt that may have put it into the log without our knowing.
    pub(crate) doubt: Option<EventId>,
    /// The last event that made it go out.
    pub(crate) cause: EventId,
    body: Body,
}

/// How many bytes a record takes at most in a batch.
pub(crate) fn record_size(record: &RecordBody, client: &str) -> usize {
    let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + length(value) + 10).sum();
    // The origin header: its name, lengths, a slash and up to 20 digits.
    let origin = ORIGIN_HEADER.len() + client.len() + 25;
    RECORD_OVERHEAD + length(&record.key) + length(&record.value) + headers + origin
}

impl Batch {
    /// An empty batch; `reserved` bytes of memory belong to it.
    pub(crate) fn new(queue: usize, reserved: usize, now: Time) -> Batch {
        Batch {
            queue,
            records: Vec::new(),
            reserved,
            created: now,
            retries: 0,
            not_before: Time::ZERO,
            place: None,
            attempt: None,
            doubt: None,
            cause: EventId::ROOT,
            body: Body::Open(Box::new(BatchBuilder::with_capacity(1024))),
        }
    }

    /// Whether a record of this size fits; the first always does.
    pub(crate) fn has_room(&self, size: usize) -> bool {
        match &self.body {
            Body::Open(builder) => builder.is_empty() || builder.size() + size <= self.reserved,
            Body::Closed(_) => false,
        }
    }

    /// Whether it is as full as it can get.
    pub(crate) fn is_full(&self) -> bool {
        match &self.body {
            Body::Open(builder) => builder.size() >= self.reserved,
            Body::Closed(_) => true,
        }
    }

    /// Its size in bytes.
    pub(crate) fn size(&self) -> usize {
        match &self.body {
            Body::Open(builder) => builder.size(),
            Body::Closed(bytes) => bytes.len(),
        }
    }

    /// Appends a record; `scratch` is memory to reuse.
    ///
    /// # Panics
    /// If the batch is closed.
    pub(crate) fn append(
        &mut self,
        record: &RecordBody,
        pending: Pending,
        wall: i64,
        client: trace::Name,
        scratch: &mut String,
    ) {
        let Body::Open(builder) = &mut self.body else { panic!("appended to a closed batch") };
        write_origin(scratch, client, pending.sequence);
        let origin = (ORIGIN_HEADER, Some(scratch.as_bytes()));
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        if record.headers.is_empty() {
            builder.append(wall, key, value, &[origin]);
        } else {
            let own = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
            let others = own.filter(|(name, _)| *name != ORIGIN_HEADER);
            let headers: Vec<(&str, Option<&[u8]>)> = others.chain([origin]).collect();
            builder.append(wall, key, value, &headers);
        }
        self.records.push(pending);
    }

    /// How many records it has.
    pub(crate) fn count(&self) -> i32 {
        i32::try_from(self.records.len()).expect("a batch has fewer than 2^31 records")
    }

    /// Its bytes, with its sequence numbers; nothing can be appended from now on.
    pub(crate) fn close(&mut self) -> Bytes {
        let bytes = match std::mem::replace(&mut self.body, Body::Closed(Bytes::new())) {
            Body::Closed(bytes) => bytes,
            Body::Open(mut builder) => {
                if let Some(place) = self.place {
                    builder.producer(place.identity.id, place.identity.epoch, place.base);
                }
                builder.build(0, -1)
            }
        };
        self.body = Body::Closed(bytes.clone());
        bytes
    }

    /// Gives it other sequence numbers.
    pub(crate) fn renumber(&mut self, place: Place) {
        self.place = Some(place);
        if let Body::Closed(bytes) = &self.body {
            self.body = Body::Closed(renumbered(bytes, place));
        }
    }

    /// The attempt that may have put it into the log: an earlier one in doubt, or one still under way.
    pub(crate) fn doubt(&self) -> Option<EventId> {
        let under_way = self.attempt.as_ref().map(|attempt| attempt.get().unwrap_or(self.cause));
        under_way.or(self.doubt)
    }
}

/// A copy of a whole batch under another producer identity and sequence; the CRC covers both.
fn renumbered(batch: &[u8], place: Place) -> Bytes {
    let mut header = BatchHeader::parse(batch).expect("we built it");
    (header.producer_id, header.producer_epoch) = (place.identity.id, place.identity.epoch);
    header.base_sequence = place.base;
    let mut copy = BytesMut::from(batch);
    copy[..HEADER_LENGTH].copy_from_slice(&header.to_bytes());
    let crc = crc32c::crc32c(&copy[CRC.end..]);
    copy[CRC].copy_from_slice(&crc.to_be_bytes());
    copy.freeze()
}

#[cfg(test)]
mod tests {
    use super::super::sequences::ProducerIdentity;
    use super::*;
    use trace::Name;
    use wire::batch::{records, verify_crc};

    fn batch(count: u64) -> Batch {
        let mut batch = Batch::new(0, 16_384, Time::ZERO);
        let body = RecordBody { key: Some(Bytes::from_static(b"k")), value: None, headers: Vec::new() };
        for sequence in 0..count {
            let pending = Pending { sequence, report: None };
            batch.append(&body, pending, 5, Name::new("p-0"), &mut String::new());
        }
        batch
    }

    #[test]
    fn a_renumbered_batch_has_a_valid_crc_and_the_same_records() {
        let mut batch = batch(3);
        let place = |epoch, base| Place { identity: ProducerIdentity { id: 9, epoch }, base, records: 3 };
        batch.place = Some(place(0, 40));
        let before = batch.close();
        batch.renumber(place(1, 0));
        let after = batch.close();
        let header = verify_crc(&after).unwrap();
        assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (9, 1, 0));
        assert_eq!(verify_crc(&before).unwrap().base_sequence, 40);
        assert_eq!(records(&before), records(&after));
    }

    #[test]
    fn a_records_own_headers_come_before_its_only_origin() {
        let mut batch = Batch::new(0, 16_384, Time::ZERO);
        let header = |name: &str| (name.to_owned(), Some(Bytes::from_static(b"x")));
        let body = RecordBody { key: None, value: None, headers: vec![header(ORIGIN_HEADER), header("own")] };
        let pending = Pending { sequence: 4, report: None };
        batch.append(&body, pending, 5, Name::new("p-0"), &mut String::new());
        let records = records(&batch.close()).unwrap();
        let headers: Vec<_> =
            records[0].headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        assert_eq!(headers, [("own", Some(&b"x"[..])), (ORIGIN_HEADER, Some(&b"p-0/4"[..]))]);
    }

    #[test]
    fn every_record_carries_its_origin() {
        let bytes = batch(2).close();
        let origins: Vec<Bytes> =
            records(&bytes).unwrap().iter().map(|record| record.headers[0].1.clone().unwrap()).collect();
        assert_eq!(origins, [&b"p-0/0"[..], b"p-0/1"]);
    }
}
