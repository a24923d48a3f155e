//! lost-write: a record that its producer saw acknowledged, by the acks it asked for, cannot be read at the end.
//!
//! From: Jepsen's Kafka workload. The signature says what was promised (`acked-all`, `acked-one`, `acked-none`) and what took
//! the record: the first election after that whose leader's log ended before it, and what had shortened that log; or
//! a leader that acknowledged it when another had taken over already.
//! Legal: nothing. With acks=0 or 1 it is a hazard of that configuration, which a scenario may expect or allow. Offsets below
//! the log start, what was sent to a topic before it was deleted, and below what a cleaner of the partition reached a record whose key has a later one that is
//! read, are not judged.
//! Not checked: partitions that the fresh reader could not read (liveness says so).

use trace::{EventId, EventKind, Name, Partition};

use crate::finding::{Charge, Findings};
use crate::fold::PartitionFold;
use crate::invariant::retention::superseded;
use crate::judge::{Ending, Moment, Oracle};
use crate::records::{Outcome, Record};
use crate::sparse::Table;

/// Records that a leader acknowledged after another had taken over.
struct Deposed {
    partition: Partition,
    base: i64,
    end: i64,
    epoch: i32,
    event: EventId,
    at: u64,
    node: Name,
    successor: EventId,
}

#[derive(Default)]
pub(crate) struct LostWrite {
    deposed: Vec<Deposed>,
}

/// Lost records with the same fate: one finding.
struct Lost {
    first: (u64, Record),
    count: u64,
    blame: (EventId, u64),
    cause: EventId,
    words: String,
}

impl Oracle for LostWrite {
    fn observe(&mut self, moment: &Moment, _: &mut Findings) {
        let EventKind::ProduceAcked { partition, base_offset, records, leader_epoch, .. } = &moment.event.kind else {
            return;
        };
        let newest = moment.place.and_then(|place| moment.world.partitions[place].newest_term());
        if let Some(term) = newest.filter(|term| term.epoch > *leader_epoch && term.start <= *base_offset) {
            self.deposed.push(Deposed {
                partition: *partition,
                base: *base_offset,
                end: base_offset.saturating_add(i64::from(*records)),
                epoch: *leader_epoch,
                event: moment.event.id,
                at: moment.event.at,
                node: moment.event.node,
                successor: term.event,
            });
        }
    }

    fn finish(&mut self, ending: &Ending, findings: &mut Findings) {
        let readable = readable(ending);
        let mut lost: Table<(Partition, Name, String), Lost> = Table::default();
        for (producer, sequence, record) in ending.records.iter() {
            let partition = ending.records.partition(record.partition);
            // What was sent to a topic that was deleted since went with it.
            let former = ending.world.partition(partition).is_some_and(|fold| fold.recreated > Some(record.sent));
            let judged = record.outcome == Outcome::Acked && readable.contains_key(&partition) && !former;
            if !judged {
                continue;
            }
            findings.fact();
            if readable[&partition].contains_key(&(producer, sequence))
                || below_start(ending, partition, record)
                || superseded(ending, partition, record)
            {
                continue;
            }
            let acks = ending.context.clients.get(&producer).map_or("acked-all", |facts| facts.acks_word());
            let fate = self.fate(ending, partition, record);
            let kind = format!("{acks}/{}", fate.place);
            let entry = lost.entry((partition, producer, kind)).or_insert_with(|| Lost {
                first: (sequence, *record),
                count: 0,
                blame: fate.blame,
                cause: fate.cause,
                words: fate.words,
            });
            entry.count += 1;
        }
        for ((partition, producer, kind), lost) in lost {
            report(ending, (partition, producer, kind), lost, findings);
        }
    }
}

fn report(
    ending: &Ending,
    (partition, producer, kind): (Partition, Name, String),
    lost: Lost,
    findings: &mut Findings,
) {
    let (sequence, record) = lost.first;
    let place = if record.offset >= 0 { format!(" at offset {}", record.offset) } else { String::new() };
    let more = match lost.count - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let summary = format!(
        "{partition}: {producer}'s record {sequence}, acknowledged{place}, cannot be read{more}: {}",
        lost.words
    );
    let evidence = [record.sent, record.resolved, lost.cause];
    let charge = Charge::late(ending.end, Some(partition), kind, summary).blaming(lost.blame.0, lost.blame.1);
    findings.raise(charge.proven_by(evidence).times(lost.count));
}

/// What the fresh reader got of every partition it could read to the end.
fn readable(ending: &Ending) -> Table<Partition, Table<(Name, u64), ()>> {
    let judged = |partition: Partition| !ending.world.is_deleted(partition);
    let reads = ending.end.reads.iter().filter(|read| read.error.is_none() && judged(read.partition));
    reads
        .map(|read| {
            let found = read.records.iter().map(|(_, producer, sequence)| ((*producer, *sequence), ()));
            (read.partition, found.collect())
        })
        .collect()
}

fn below_start(ending: &Ending, partition: Partition, record: &Record) -> bool {
    let leader = ending.world.partition(partition).and_then(|fold| fold.replica(fold.newest_term()?.broker));
    record.offset >= 0 && leader.is_some_and(|leader| record.offset < leader.log.start)
}

/// What took a record.
struct Fate {
    place: &'static str,
    blame: (EventId, u64),
    cause: EventId,
    words: String,
}

impl LostWrite {
    fn fate(&self, ending: &Ending, partition: Partition, record: &Record) -> Fate {
        let acked = |deposed: &&Deposed| {
            deposed.partition == partition
                && (deposed.base..deposed.end).contains(&record.offset)
                && (record.sent..record.resolved).contains(&deposed.event)
        };
        if let Some(deposed) = self.deposed.iter().find(acked) {
            let words =
                format!("{} acknowledged it in epoch {}, when another broker led already", deposed.node, deposed.epoch);
            let blame = (deposed.event, deposed.at);
            return Fate { place: "by-deposed-leader", blame, cause: deposed.successor, words };
        }
        let fold = ending.world.partition(partition).filter(|_| record.offset >= 0);
        fold.and_then(|fold| taken(fold, record)).unwrap_or_else(|| {
            let nowhere = (EventId::ROOT, 0);
            let (place, words) = if record.offset < 0 {
                ("never-stored", "nobody waited for a broker to store it")
            } else {
                ("unexplained", "no election explains it")
            };
            Fate { place, blame: nowhere, cause: EventId::ROOT, words: words.to_owned() }
        })
    }
}

/// The first election after the acknowledgement whose leader did not have the record, or else the last one while the
/// acknowledgement was on its way.
fn taken(fold: &PartitionFold, record: &Record) -> Option<Fate> {
    let mut without = fold.terms.iter().filter(|term| term.event > record.sent && term.start <= record.offset);
    let later = without.clone().find(|term| term.event > record.resolved);
    let term = later.or_else(|| without.next_back())?;
    let loss = fold.replica(term.broker).and_then(|leader| leader.loss_of(record.offset, term.event));
    let loss = loss.filter(|loss| loss.event > record.sent);
    let place = match loss {
        _ if term.unclean => "after-unclean-election",
        Some(loss) => loss.cause.word(),
        None => "after-election",
    };
    let words = format!("broker {} leads epoch {} from offset {}", term.broker, term.epoch, term.start);
    let cause = loss.map_or(EventId::ROOT, |loss| loss.event);
    Some(Fate { place, blame: (term.event, term.at), cause, words })
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        Story::of("lost-write")
    }

    #[test]
    fn an_acknowledged_record_that_is_read_is_not_lost_and_a_failed_one_need_not_be_read() {
        story().sent(0).acked(0, 0).sent(1).failed(1).sent(2).unknown(2).read(&[(0, 0)]).quiet();
    }

    #[test]
    fn an_acknowledged_record_is_lost_by_an_election() {
        let mut story = story();
        story.sent(0).produce(1, 1).acked(0, 0).crash(1).elect(2, &[2, 3]).read(&[]);
        story.fires(&["acked-all/after-election"]);
    }

    #[test]
    fn what_was_sent_to_a_topic_before_it_was_deleted_went_with_it_and_what_came_later_did_not() {
        let mut deleted = story();
        deleted.sent(0).commit(1).acked(0, 0).fault("delete-topic", "email").read(&[]).vacuous();
        let mut anew = story();
        anew.sent(0).commit(1).acked(0, 0).fault("delete-topic", "email").recreate().sent(1).commit(1).acked(1, 0);
        anew.read(&[(0, 1)]).quiet();
        anew.read(&[]).fires(&["acked-all/unexplained"]);
    }

    #[test]
    fn a_hazardous_configuration_shows_in_the_signature_and_may_be_allowed() {
        let mut story = story();
        story.producer_acks(1).sent(0).produce(1, 1).acked(0, 0).crash(1).elect(2, &[2, 3]).read(&[]);
        story.fires(&["acked-one/after-election"]);
        story.allow("lost-write/acked-one").quiet();
    }

    #[test]
    fn a_deposed_leader_acknowledges_what_will_be_cut_off() {
        let mut story = story();
        story.producer_acks(1).decide(2, &[2, 3]).leads(2).sent(0).produce(1, 1).produce_acked_by_one(1, 0).acked(0, 0);
        story.read(&[]).fires(&["acked-one/by-deposed-leader"]);
    }

    #[test]
    fn a_power_loss_a_truncation_and_an_unclean_election_are_told_apart() {
        let mut power = story();
        power.sent(0).commit(1).acked(0, 0).power_loss(1).restart(1, 0).elect(1, &[1]).read(&[]);
        power.fires(&["acked-all/after-power-loss"]);
        let mut cut = story();
        cut.sent(0).commit(1).acked(0, 0).crash(1).truncate(2, 0).elect(2, &[2]).read(&[]);
        cut.fires(&["acked-all/after-truncation"]);
        let mut unclean = story();
        unclean.isr(1, &[1]).sent(0).produce(1, 1).hw(1, 1).acked(0, 0).crash(1).elect_unclean(2).read(&[]);
        unclean.fires(&["acked-all/after-unclean-election"]);
    }

    #[test]
    fn the_election_before_it_was_stored_did_not_take_it() {
        let mut story = story();
        story.sent(0).crash(1).elect(2, &[2]).produce(2, 1).acked(0, 0);
        story.power_loss(2).restart(2, 0).elect(2, &[2]).read(&[]).fires(&["acked-all/after-power-loss"]);
    }

    #[test]
    fn retention_does_not_lose_records() {
        story().sent(0).commit(1).acked(0, 0).log_start(1, 1).read(&[]).quiet();
    }

    #[test]
    fn a_cleaner_may_take_what_is_superseded_below_what_it_reached() {
        let two = || {
            let mut story = story();
            story.compacted().sent_with_key(0, 7).sent_with_key(1, 7).commit(1).commit(1).acked(0, 0).acked(1, 1);
            story
        };
        two().clean(1, 1).read(&[(1, 1)]).quiet();
        two().read(&[(1, 1)]).fires(&["acked-all/unexplained"]);
        two().clean(1, 2).read(&[(0, 0)]).fires(&["acked-all/unexplained"]);
    }

    #[test]
    fn a_record_that_nobody_knows_the_place_of_is_lost_where_nothing_was_cleaned() {
        let lost = |upto: i64| {
            let mut story = story();
            story.producer_acks(0).sent_with_key(0, 7).acked(0, -1).sent_with_key(1, 7).commit(1).acked(1, -1);
            story.clean(1, upto).read(&[(0, 1)]);
            story
        };
        lost(0).fires(&["acked-none/never-stored"]);
        assert_eq!(lost(0).summary().total.lost, 1);
        lost(1).quiet();
        assert_eq!(lost(1).summary().total.lost, 0);
    }

    #[test]
    fn what_could_not_be_read_proves_nothing() {
        story().sent(0).acked(0, 0).unreadable("timeout").vacuous();
    }
}
