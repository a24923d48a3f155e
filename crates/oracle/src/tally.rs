//! Counts what became of every record, how long partitions were unavailable, and how long things took.

use serde::Serialize;
use trace::{Event, EventId, EventKind, Name, Partition};

use crate::group_tally::{GroupRow, GroupTally};
use crate::records::{Outcome, Records};
use crate::sparse::{Slots, Sparse, Table};
use crate::{Context, EndOfRun};

/// A gap between a waiting record and the next acknowledgement that counts as unavailability: one second.
const UNAVAILABLE_NS: u64 = 1_000_000_000;

/// What became of records. Every count is of records, not of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct RecordCounts {
    /// Given to a producer by its service.
    pub sent: u64,
    /// Acknowledged (with acks=0: handed to the network).
    pub acked: u64,
    /// Surely not in the log.
    pub failed: u64,
    /// Nobody can tell, also because the producer died before it learned.
    pub unknown: u64,
    /// Polled by at least one consumer.
    pub delivered: u64,
    /// Stored at more than one offset, by the fresh read at the end.
    pub duplicated: u64,
    /// Polled more than once by one reader (a group, or a consumer without one).
    pub redelivered: u64,
    /// Acknowledged, by whatever acks the producer asked for, and absent from the fresh read at the end, but for what a
    /// cleaner may take.
    pub lost: u64,
    /// Stored behind a record of the same producer and key that was sent later.
    pub out_of_order: u64,
}

impl RecordCounts {
    fn add(&mut self, other: &RecordCounts) {
        self.sent += other.sent;
        self.acked += other.acked;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.delivered += other.delivered;
        self.duplicated += other.duplicated;
        self.redelivered += other.redelivered;
        self.lost += other.lost;
        self.out_of_order += other.out_of_order;
    }
}

/// How long something took, in nanoseconds of simulated time. Percentiles are exact (nearest rank).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// Half were at most this.
    pub p50: u64,
    /// 99 in 100 were at most this.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

impl Latency {
    fn of(mut samples: Vec<u64>) -> Latency {
        samples.sort_unstable();
        let rank = |percent: usize| {
            let place = (samples.len() * percent).div_ceil(100).saturating_sub(1);
            samples.get(place).copied().unwrap_or(0)
        };
        Latency { count: samples.len() as u64, p50: rank(50), p99: rank(99), max: rank(100) }
    }
}

/// One topic's row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TopicRow {
    /// The topic.
    pub topic: Name,
    /// What became of its records.
    pub records: RecordCounts,
    /// How long its worst partition was unavailable, in nanoseconds.
    pub unavailable_ns: u64,
    /// From `RecordSent` to `RecordAcked`.
    pub ack: Latency,
    /// From `RecordSent` to a reader's first poll of the record.
    pub end_to_end: Latency,
}

/// One producing client's row, per topic.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ClientRow {
    /// The client.
    pub client: Name,
    /// The topic.
    pub topic: Name,
    /// What became of its records.
    pub records: RecordCounts,
    /// From `RecordSent` to `RecordAcked`.
    pub ack: Latency,
    /// From `RecordSent` to a reader's first poll of the record.
    pub end_to_end: Latency,
}

/// One consuming client's row. Counts are of events: a record that is read twice counts twice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ReaderRow {
    /// The client.
    pub client: Name,
    /// Records that its polls returned.
    pub polled: u64,
    /// Of them, those that it (or its group) had read before.
    pub redelivered: u64,
    /// Records that it did its work for.
    pub processed: u64,
    /// From `RecordSent` to its first poll of the record.
    pub end_to_end: Latency,
}

/// One partition's row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct PartitionRow {
    /// The partition.
    pub partition: Partition,
    /// How long it was unavailable, in nanoseconds.
    pub unavailable_ns: u64,
}

/// The whole tally.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Summary {
    /// All records.
    pub total: RecordCounts,
    /// By topic, sorted by name.
    pub topics: Vec<TopicRow>,
    /// By producing client and topic, sorted by name.
    pub clients: Vec<ClientRow>,
    /// By consuming client, sorted by name.
    pub readers: Vec<ReaderRow>,
    /// By partition, sorted.
    pub partitions: Vec<PartitionRow>,
    /// By consumer group, sorted by name.
    pub groups: Vec<GroupRow>,
}

/// Whether somebody waits for a partition.
#[derive(Clone, Copy, Default)]
struct Waiting {
    /// Records without an outcome.
    pending: u64,
    /// Since when a record has waited and none was acknowledged.
    since: Option<u64>,
    unavailable_ns: u64,
}

impl Waiting {
    fn close(&mut self, now: u64) {
        if let Some(since) = self.since.take() {
            let gap = now.saturating_sub(since);
            self.unavailable_ns += if gap > UNAVAILABLE_NS { gap } else { 0 };
        }
    }
}

/// Per record: what the shared history does not keep.
#[derive(Clone, Copy, Default)]
struct Extra {
    redelivered: bool,
    stored: u32,
    out_of_order: bool,
}

/// What a client's records in one topic add up to.
#[derive(Default)]
struct Sums {
    records: RecordCounts,
    ack: Vec<u64>,
    end_to_end: Vec<u64>,
}

/// What a consuming client did.
#[derive(Default)]
struct Reading {
    polled: u64,
    redelivered: u64,
    processed: u64,
    end_to_end: Vec<u64>,
}

/// Counts records, unavailability and latency; fed like a judge.
///
/// A partition counts as unavailable from the moment a record begins to wait while none is acknowledged, until the next
/// acknowledgement on that partition (or until nobody waits any more), if that took more than a second. So it measures what
/// producers feel: an idle partition is never unavailable.
pub struct Tally {
    records: Records,
    waiting: Slots<Waiting>,
    extras: Table<Name, Sparse<Extra>>,
    /// From sent to first polled, by producer and partition.
    end_to_end: Table<(Name, u32), Vec<u64>>,
    /// What each consuming client did.
    readings: std::collections::BTreeMap<Name, Reading>,
    /// Partitions that were read at the end: how far they were cleaned, and each key's last offset.
    read: Table<Partition, (i64, Table<u32, i64>)>,
    /// How far partitions were cleaned.
    cleaned: Table<Partition, i64>,
    /// When partitions were created, last.
    created: Table<Partition, EventId>,
    groups: GroupTally,
}

impl Tally {
    /// An empty tally.
    pub fn new(context: &Context) -> Tally {
        Tally {
            records: Records::new(context),
            waiting: Slots::default(),
            extras: Table::default(),
            end_to_end: Table::default(),
            readings: std::collections::BTreeMap::new(),
            read: Table::default(),
            cleaned: Table::default(),
            created: Table::default(),
            groups: GroupTally::new(context),
        }
    }

    /// Counts the next event of the run.
    pub fn observe(&mut self, event: &Event) {
        self.groups.observe(event);
        match &event.kind {
            EventKind::RecordPolled { partition, sequence, producer, .. } => {
                let before = self.records.record(*producer, *sequence).map(|record| (record.seen, record.sent_at));
                self.records.observe(event);
                self.polled(event, *partition, (*producer, *sequence), before);
            }
            EventKind::RecordSent { partition, .. } => {
                self.records.observe(event);
                let waiting = self.wait(*partition);
                waiting.pending += 1;
                waiting.since.get_or_insert(event.at);
            }
            EventKind::RecordAcked { partition, .. }
            | EventKind::RecordFailed { partition, .. }
            | EventKind::RecordUnknown { partition, .. } => {
                self.records.observe(event);
                let acked = matches!(event.kind, EventKind::RecordAcked { .. });
                let waiting = self.wait(*partition);
                waiting.pending = waiting.pending.saturating_sub(1);
                if acked || waiting.pending == 0 {
                    waiting.close(event.at);
                    waiting.since = (waiting.pending > 0).then_some(event.at);
                }
            }
            EventKind::PartitionCreated { partition, .. } => {
                self.created.insert(*partition, event.id);
                self.cleaned.swap_remove(partition);
            }
            EventKind::LogCleaned { partition, upto, .. } => {
                let cleaned = self.cleaned.entry(*partition).or_default();
                *cleaned = (*upto).max(*cleaned);
            }
            EventKind::RecordProcessed { .. } => self.readings.entry(event.node).or_default().processed += 1,
            EventKind::NodeStopped { .. } => {
                self.died(event);
                self.records.observe(event);
            }
            EventKind::NodeStarted { .. }
            | EventKind::PositionReset { .. }
            | EventKind::PartitionsAssigned { .. }
            | EventKind::PartitionsRevoked { .. }
            | EventKind::PhaseBegan { .. } => {
                self.records.observe(event);
            }
            _ => {}
        }
    }

    fn wait(&mut self, partition: Partition) -> &mut Waiting {
        let place = self.records.partitions.get_index_of(&partition).unwrap_or(0);
        self.waiting.at(place)
    }

    fn polled(
        &mut self,
        event: &Event,
        partition: Partition,
        (producer, sequence): (Name, u64),
        before: Option<(u64, u64)>,
    ) {
        let Some((seen, sent_at)) = before else { return };
        if self.records.verifying() {
            return;
        }
        let after = self.records.record(producer, sequence).map_or(0, |record| record.seen);
        let reading = self.readings.entry(event.node).or_default();
        reading.polled += 1;
        if after == seen {
            reading.redelivered += 1;
            self.extras.entry(producer).or_default().slot(sequence).redelivered = true;
        } else {
            reading.end_to_end.push(event.at.saturating_sub(sent_at));
            let place = self.records.partitions.get_index_of(&partition).unwrap_or(0) as u32;
            self.end_to_end.entry((producer, place)).or_default().push(event.at.saturating_sub(sent_at));
        }
    }

    /// Nobody waits any more for what a dead producer sent.
    fn died(&mut self, event: &Event) {
        let Some(sender) = self.records.senders.get(&event.node) else { return };
        let pending = sender.records.iter().filter(|(_, record)| record.outcome == Outcome::Pending);
        let places: Vec<u32> =
            pending.filter(|(_, record)| record.sent > sender.died).map(|(_, record)| record.partition).collect();
        for place in places {
            let waiting = self.waiting.at(place as usize);
            waiting.pending = waiting.pending.saturating_sub(1);
            if waiting.pending == 0 {
                waiting.close(event.at);
            }
        }
    }

    /// Counts what only shows when the run is over.
    pub fn finish(&mut self, end: &EndOfRun) {
        self.groups.finish(end.now);
        for place in 0..self.records.partitions.len() {
            self.waiting.at(place).close(end.now);
        }
        for read in end.reads.iter().filter(|read| read.error.is_none()) {
            let cleaned = self.cleaned.get(&read.partition).copied().unwrap_or(0);
            let (_, last_offsets) = self.read.entry(read.partition).or_insert((cleaned, Table::default()));
            let mut last: Table<(Name, u32), u64> = Table::default();
            for (offset, producer, sequence) in &read.records {
                let Some(record) = self.records.record(*producer, *sequence) else { continue };
                let extra = self.extras.entry(*producer).or_default().slot(*sequence);
                extra.stored += 1;
                let last_offset = last_offsets.entry(record.key).or_insert(*offset);
                *last_offset = (*offset).max(*last_offset);
                let newest = last.entry((*producer, record.key)).or_insert(*sequence);
                extra.out_of_order |= extra.stored == 1 && *sequence < *newest;
                *newest = (*sequence).max(*newest);
            }
        }
    }

    /// The rows of the report.
    pub fn summary(&self) -> Summary {
        let mut sums: std::collections::BTreeMap<(Name, Name), Sums> = std::collections::BTreeMap::new();
        for (producer, sequence, record) in self.records.iter() {
            let partition = self.records.partition(record.partition);
            let extra = self.extras.get(&producer).and_then(|extras| extras.get(sequence)).copied().unwrap_or_default();
            // Not what a cleaner may have taken: a later record of its key is there.
            let missed = |(cleaned, last_offsets): &(i64, Table<u32, i64>)| {
                record.offset.max(0) >= *cleaned
                    || last_offsets.get(&record.key).is_none_or(|last| *last <= record.offset)
            };
            // What was sent to a topic that was deleted since went with it.
            let former = self.created.get(&partition).is_some_and(|created| record.sent < *created);
            let missed = !former && extra.stored == 0 && self.read.get(&partition).is_some_and(missed);
            let sum = sums.entry((producer, partition.topic)).or_default();
            let acked = record.outcome == Outcome::Acked;
            sum.records.add(&RecordCounts {
                sent: 1,
                acked: u64::from(acked),
                failed: u64::from(record.outcome == Outcome::Failed),
                unknown: u64::from(matches!(record.outcome, Outcome::Unknown | Outcome::Pending)),
                delivered: u64::from(record.polls > 0),
                duplicated: u64::from(extra.stored > 1),
                redelivered: u64::from(extra.redelivered),
                lost: u64::from(acked && missed),
                out_of_order: u64::from(extra.out_of_order),
            });
            if acked {
                sum.ack.push(record.resolved_at.saturating_sub(record.sent_at));
            }
        }
        for ((producer, place), samples) in &self.end_to_end {
            let topic = self.records.partition(*place).topic;
            sums.entry((*producer, topic)).or_default().end_to_end.extend(samples);
        }
        self.rows(sums)
    }

    fn rows(&self, sums: std::collections::BTreeMap<(Name, Name), Sums>) -> Summary {
        let mut summary = Summary { groups: self.groups.rows(), ..Summary::default() };
        let mut topics: std::collections::BTreeMap<Name, Sums> = std::collections::BTreeMap::new();
        for (place, partition) in self.records.partitions.keys().enumerate() {
            let unavailable_ns = self.waiting.get(place).map_or(0, |waiting| waiting.unavailable_ns);
            summary.partitions.push(PartitionRow { partition: *partition, unavailable_ns });
        }
        summary.partitions.sort_unstable_by_key(|row| row.partition);
        for ((client, topic), sum) in sums {
            summary.total.add(&sum.records);
            let of_topic = topics.entry(topic).or_default();
            of_topic.records.add(&sum.records);
            of_topic.ack.extend(&sum.ack);
            of_topic.end_to_end.extend(&sum.end_to_end);
            let (ack, end_to_end) = (Latency::of(sum.ack), Latency::of(sum.end_to_end));
            summary.clients.push(ClientRow { client, topic, records: sum.records, ack, end_to_end });
        }
        for (client, reading) in &self.readings {
            let Reading { polled, redelivered, processed, end_to_end } = reading;
            let end_to_end = Latency::of(end_to_end.clone());
            let (polled, redelivered, processed) = (*polled, *redelivered, *processed);
            summary.readers.push(ReaderRow { client: *client, polled, redelivered, processed, end_to_end });
        }
        for (topic, sum) in topics {
            let own = summary.partitions.iter().filter(|row| row.partition.topic == topic);
            let unavailable_ns = own.map(|row| row.unavailable_ns).max().unwrap_or(0);
            let (ack, end_to_end) = (Latency::of(sum.ack), Latency::of(sum.end_to_end));
            summary.topics.push(TopicRow { topic, records: sum.records, unavailable_ns, ack, end_to_end });
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::Story;

    #[test]
    fn every_record_is_counted_by_what_became_of_it() {
        let mut story = Story::of("lost-write");
        (0..6).for_each(|n| {
            story.sent_with_key(n, 7);
        });
        story.acked(0, 0).acked(1, 1).acked(2, 2).failed(3).unknown(4);
        story.polled(0, 0).polled(0, 0).polled(1, 1).polled_by("audit-0", 0, 0);
        story.verify().polled_by("auditor-0", 0, 0).polled_by("auditor-0", 2, 2);
        let records = story.read(&[(0, 0), (1, 1), (2, 0)]).summary().total;
        let expected = RecordCounts {
            sent: 6,
            acked: 3,
            failed: 1,
            unknown: 2,
            delivered: 2,
            duplicated: 1,
            redelivered: 1,
            lost: 1,
            out_of_order: 0,
        };
        assert_eq!(records, expected);
    }

    #[test]
    fn a_partition_is_unavailable_while_records_wait_over_a_second_for_an_ack() {
        let mut story = Story::of("lost-write");
        story.sent(0).wait(5).sent(1).wait(5).acked(0, 0).acked(1, 1);
        story.wait(60).sent(2).acked(2, 2);
        story.sent(3).wait(3).failed(3).wait(60);
        let summary = story.read(&[]).summary();
        assert_eq!(
            summary.topics[0].unavailable_ns, 13_000_003_000,
            "ten until the first ack, three until nobody waited, none while idle"
        );
        assert_eq!(summary.partitions[0].unavailable_ns, summary.topics[0].unavailable_ns);
    }

    #[test]
    fn latencies_are_exact_percentiles() {
        assert_eq!(Latency::of((1..=200).rev().collect()), Latency { count: 200, p50: 100, p99: 198, max: 200 });
        assert_eq!(Latency::of(Vec::new()), Latency::default());
        let mut story = Story::of("lost-write");
        story.sent(0).wait(2).acked(0, 0).wait(3).polled(0, 0);
        let summary = story.read(&[(0, 0)]).summary();
        let reader = &summary.readers[0];
        assert_eq!((reader.polled, reader.redelivered, reader.end_to_end.max / 1_000_000_000), (1, 0, 5));
        let row = &summary.clients[0];
        assert_eq!((row.ack.max / 1_000_000_000, row.end_to_end.max / 1_000_000_000), (2, 5));
    }
}
