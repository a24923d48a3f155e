//! unprocessed: a group committed past an acknowledged record, and none of its members did its work for it.
//!
//! From: the delivery semantics of Kafka's documentation.
//! Legal: who commits before processing loses what it had in hand when it dies (at most once), unless a hazard scenario expects to see
//! it; offsets behind which a member started or was reset, declared; groups none of whose members runs.
//! Not checked: topics that were deleted once (an offset of the former one, committed late, stands for the new one: offsets are kept by
//! name); what is not committed at the end, and readers beyond the first 64.

use std::collections::BTreeMap;

use trace::{EventKind, Name, Partition};

use crate::Commits;
use crate::finding::{Charge, Findings};
use crate::judge::{Ending, Moment, Oracle};
use crate::records::{Outcome, READERS};

#[derive(Default)]
pub(crate) struct Unprocessed {
    committed: BTreeMap<(Name, Partition), i64>,
}

impl Oracle for Unprocessed {
    fn observe(&mut self, moment: &Moment, _: &mut Findings) {
        match &moment.event.kind {
            EventKind::OffsetCommitted { group, partition, offset, .. } => {
                self.committed.insert((*group, *partition), *offset);
            }
            // An offset of a former topic says nothing of one created anew.
            EventKind::PartitionCreated { partition, .. } => self.committed.retain(|(_, known), _| known != partition),
            _ => {}
        }
    }

    fn finish(&mut self, ending: &Ending, findings: &mut Findings) {
        for (place, reader) in ending.records.readers.iter().enumerate().take(READERS).filter(|(_, it)| it.alive) {
            let mut members = ending.context.clients.values().filter(|facts| facts.group == Some(reader.name));
            let Some(facts) = members.next() else { continue };
            if facts.commits == Commits::BeforeProcessing && !ending.context.expected.contains("unprocessed") {
                continue;
            }
            let judged =
                |read: &&crate::FreshRead| read.error.is_none() && !ending.world.was_deleted(read.partition.topic);
            for read in ending.end.reads.iter().filter(judged) {
                if let Some(committed) = self.committed.get(&(reader.name, read.partition)) {
                    check(ending, read, (place, reader.name, *committed), findings);
                }
            }
        }
    }
}

fn check(
    ending: &Ending,
    read: &crate::FreshRead,
    (place, group, committed): (usize, Name, i64),
    findings: &mut Findings,
) {
    let wanted = ending.context.expected.contains("unprocessed");
    let partition = ending.records.partitions.get_index_of(&read.partition);
    let mut missed = 0;
    let mut first = None;
    for (offset, producer, sequence) in read.records.iter().filter(|(offset, ..)| *offset < committed) {
        let record = ending.records.record(*producer, *sequence);
        let Some(record) = record.filter(|record| record.outcome == Outcome::Acked) else { continue };
        findings.fact();
        let skipped = !wanted && partition.is_some_and(|number| ending.records.skipped(place, number as u32, *offset));
        if record.done & (1 << place) == 0 && !skipped {
            missed += 1;
            first.get_or_insert((*offset, *producer, *sequence, record));
        }
    }
    if let Some((offset, producer, sequence, record)) = first {
        let summary = format!(
            "{}: group {group} committed up to {committed} and never did its work for {producer}'s record {sequence} at offset \
             {offset}, nor for {} more",
            read.partition,
            missed - 1
        );
        let charge = Charge::late(ending.end, Some(read.partition), "committed", summary);
        findings.raise(charge.proven_by([record.sent, record.resolved]).times(missed));
    }
}

#[cfg(test)]
mod tests {
    use crate::Commits;
    use crate::story::Story;

    fn story(commits: Commits) -> Story {
        let mut story = Story::grouped("unprocessed");
        story.commits_so(commits).sent(0).acked(0, 0).sent(1).acked(1, 1).reads("a", 0).reads("a", 1);
        story
    }

    #[test]
    fn what_was_committed_was_done() {
        let mut all = story(Commits::AfterProcessing);
        all.processes("a", 0).processes("a", 1).commits("a", 1, 2).read(&[(0, 0), (1, 1)]).quiet();
        let mut first = story(Commits::AfterProcessing);
        first.processes("a", 0).commits("a", 1, 1).read(&[(0, 0), (1, 1)]).quiet();
    }

    #[test]
    fn a_commit_past_work_that_nobody_did_skips_it() {
        let mut story = story(Commits::AfterProcessing);
        story.processes("a", 1).commits("a", 1, 2).read(&[(0, 0), (1, 1)]).fires(&["committed"]);
    }

    #[test]
    fn a_topic_that_was_deleted_is_not_judged() {
        let mut story = story(Commits::AfterProcessing);
        story.processes("a", 1).commits("a", 1, 2).fault("delete-topic", "email").read(&[(0, 0), (1, 1)]).vacuous();
    }

    #[test]
    fn at_most_once_may_be_never_unless_it_is_what_one_wants_to_see() {
        story(Commits::BeforeProcessing).commits("a", 1, 2).read(&[(0, 0), (1, 1)]).vacuous();
        let mut wanted = story(Commits::BeforeProcessing);
        wanted.wants("unprocessed").commits("a", 1, 2).read(&[(0, 0), (1, 1)]).fires(&["committed"]);
    }
}
