//! unseen: an acknowledged record that can be read at the end was never polled by a reader (a group, or a consumer without
//! one) of its topic.
//!
//! From: Jepsen's Kafka workload.
//! Legal: readers that are down for good; offsets behind which a reader started or was reset, declared (`PositionReset`).
//! What a cleaner took nobody reads at the end, so it need not have been polled.
//! Not checked: topics that were deleted once (client-contract and liveness judge their readers); readers beyond the first 64; that every *processing* was done (a service's own business).

use trace::Partition;

use crate::finding::{Charge, Findings};
use crate::judge::{Ending, Oracle};
use crate::records::{Outcome, READERS, Reader};

#[derive(Default)]
pub(crate) struct Unseen;

impl Oracle for Unseen {
    fn finish(&mut self, ending: &Ending, findings: &mut Findings) {
        for read in ending.end.reads.iter().filter(|read| read.error.is_none()) {
            let topic = read.partition.topic;
            if ending.world.was_deleted(topic) {
                continue;
            }
            for (place, reader) in ending.records.readers.iter().enumerate().take(READERS) {
                if reader.alive && reads(ending, reader, read.partition) {
                    check(ending, read, (place, reader), findings);
                }
            }
        }
    }
}

/// Whether `reader` should have read `partition`.
fn reads(ending: &Ending, reader: &Reader, partition: Partition) -> bool {
    let member = |(name, facts): (&trace::Name, &crate::ClientFacts)| {
        facts.group.unwrap_or(*name) == reader.name && facts.topics.contains(&partition.topic)
    };
    ending.context.clients.iter().any(member)
}

fn check(ending: &Ending, read: &crate::FreshRead, (place, reader): (usize, &Reader), findings: &mut Findings) {
    let mut unseen = 0;
    let mut first = None;
    let partition = ending.records.partitions.get_index_of(&read.partition);
    for (offset, producer, sequence) in &read.records {
        let record = ending.records.record(*producer, *sequence);
        let Some(record) = record.filter(|record| record.outcome == Outcome::Acked) else { continue };
        findings.fact();
        let skipped = partition.is_some_and(|number| ending.records.skipped(place, number as u32, *offset));
        if record.seen & (1 << place) == 0 && !skipped {
            unseen += 1;
            first.get_or_insert((*offset, *producer, *sequence, record));
        }
    }
    if let Some((offset, producer, sequence, record)) = first {
        let summary = format!(
            "{}: {} never polled {producer}'s record {sequence} at offset {offset}, nor {} more",
            read.partition,
            reader.name,
            unseen - 1
        );
        let charge = Charge::late(ending.end, Some(read.partition), "acked", summary);
        findings.raise(charge.proven_by([record.sent, record.resolved]).times(unseen));
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("unseen")
    }

    #[test]
    fn what_every_reader_polled_is_seen_and_what_was_not_acknowledged_need_not_be() {
        story().sent(0).acked(0, 0).sent(1).unknown(1).polled(0, 0).read(&[(0, 0), (1, 1)]).quiet();
    }

    #[test]
    fn an_acknowledged_record_that_was_never_polled_is_unseen() {
        let mut story = story();
        story.sent(0).acked(0, 0).sent(1).acked(1, 1).polled(0, 0).read(&[(0, 0), (1, 1)]).fires(&["acked"]);
    }

    #[test]
    fn a_reader_that_started_behind_it_or_is_down_need_not_see_it() {
        let mut late = story();
        late.sent(0).acked(0, 0).sent(1).acked(1, 1).reset(-1, 1).polled(1, 1).read(&[(0, 0), (1, 1)]).quiet();
        let mut down = story();
        down.sent(0).acked(0, 0).polled(0, 0).sent(1).acked(1, 1).kill_client("mail-service-0");
        down.read(&[(0, 0), (1, 1)]).vacuous();
    }
}
