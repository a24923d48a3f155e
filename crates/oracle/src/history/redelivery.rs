//! redelivery: a group processes a record twice although it commits before it processes, which is at most once.
//!
//! From: the delivery semantics of Kafka's documentation.
//! Legal: everything but that: who commits after processing, or by the client's timer, gets a record again after a crash, a lost
//! partition or a failed commit (at least once). A hazard scenario that expects `redelivery` wants to see it all the same.
//! Not checked: what a consumer without a group does after a restart.

use trace::EventKind;

use crate::Commits;
use crate::finding::{Charge, Findings};
use crate::judge::{Moment, Oracle};

#[derive(Default)]
pub(crate) struct Redelivery;

impl Oracle for Redelivery {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let EventKind::RecordProcessed { partition, offset, sequence, producer, .. } = &moment.event.kind else {
            return;
        };
        let client = moment.event.node;
        let Some(facts) = moment.context.clients.get(&client).filter(|facts| facts.group.is_some()) else { return };
        findings.fact();
        let record = moment.records.record(*producer, *sequence);
        if record.is_none_or(|record| record.done & moment.records.bit_of(client) == 0) {
            return;
        }
        let kind = match facts.commits {
            Commits::BeforeProcessing => "committed-before",
            _ if moment.context.expected.contains("redelivery") => "processed-again",
            _ => return,
        };
        let summary = format!(
            "{partition}: {client} does its work for {producer}'s record {sequence} at offset {offset}, which its group had done before"
        );
        findings.raise(Charge::at(moment.event, Some(*partition), kind, summary));
    }
}

#[cfg(test)]
mod tests {
    use crate::Commits;
    use crate::story::Story;

    fn story(commits: Commits) -> Story {
        let mut story = Story::grouped("redelivery");
        story.commits_so(commits).sent(0).reads("a", 0).processes("a", 0);
        story
    }

    #[test]
    fn at_least_once_may_be_twice() {
        story(Commits::AfterProcessing).processes("a", 0).quiet();
        story(Commits::Automatically).processes("b", 0).quiet();
    }

    #[test]
    fn at_most_once_is_not_twice() {
        story(Commits::BeforeProcessing).processes("a", 0).fires(&["committed-before"]);
        story(Commits::BeforeProcessing).reads("b", 0).processes("b", 0).fires(&["committed-before"]);
    }

    #[test]
    fn a_hazard_that_wants_to_see_it_sees_it() {
        story(Commits::AfterProcessing).wants("redelivery").processes("a", 0).fires(&["processed-again"]);
    }
}
