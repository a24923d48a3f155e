//! O21: a consumer's position moves only by delivery, seek or declared reset; a reset says why, and the reason is true; a topic that
//! was created anew is not read from where its former self was left; each send resolves once.
//!
//! From: KafkaConsumer's and KafkaProducer's contracts; librdkafka 1.8.0 (a reset on disconnect), KAFKA-12257 (a recreated topic).
//! Legal: a reset out of range where a leader had lost the end or moved the start of its log (committed-durability tells whether it
//! might); after an unclean election any such reset; a fetch of the new topic by who has not asked for metadata since it has a leader
//! (a Fetch below version 13 names its topic, KIP-516: no broker can tell the two apart).
//! Not checked: where a position ends that moved (poll-skip and nonmonotonic-poll judge what is polled next); a client that still
//! returns what it had fetched before its topic was deleted.

use trace::{EventId, EventKind, Name, Partition};

use crate::finding::{Charge, Findings};
use crate::fold::{PartitionFold, Replica};
use crate::judge::{Moment, Oracle};
use crate::records::Outcome;
use crate::sparse::Table;

/// Answers about one partition that may be on their way to a client at once.
const UNDER_WAY: usize = 8;

#[derive(Default)]
pub(crate) struct ClientContract {
    /// The committed offsets that a client was told since it was assigned the partition.
    told: Table<(Name, Partition), Vec<i64>>,
    /// Requests for metadata without an answer yet: who asked, on which connection, under which number, and when.
    asking: Table<(Name, u32, i32), EventId>,
    /// When each client last asked for the metadata that it was answered with.
    informed: Table<Name, EventId>,
    /// Who took which new topic for the former one: that is told once.
    mistaken: Table<(Name, Partition), EventId>,
}

impl Oracle for ClientContract {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let event = moment.event;
        match &event.kind {
            EventKind::RecordPolled { partition, offset, .. } => check_declared(moment, *partition, *offset, findings),
            EventKind::RecordAcked { partition, sequence, .. }
            | EventKind::RecordFailed { partition, sequence, .. }
            | EventKind::RecordUnknown { partition, sequence, .. } => {
                check_outcome(moment, *partition, *sequence, findings);
            }
            EventKind::OffsetServed { partition, offset, client, .. } => {
                let told = self.told.entry((*client, *partition)).or_default();
                told.push(*offset);
                if told.len() > UNDER_WAY {
                    told.remove(0);
                }
            }
            EventKind::PartitionsAssigned { partitions, .. } => {
                for partition in partitions {
                    self.told.swap_remove(&(event.node, *partition));
                }
            }
            EventKind::PositionReset { partition, from, to, reason } => {
                self.check_reset(moment, *partition, (*from, *to), *reason, findings);
            }
            EventKind::FrameSent(info) if !info.response => {
                self.asking.insert((event.node, info.connection, info.correlation), event.id);
            }
            EventKind::FrameDelivered(info) if info.response => {
                let asked = self.asking.swap_remove(&(event.node, info.connection, info.correlation));
                let informed = self.informed.entry(event.node).or_default();
                *informed = asked.unwrap_or_default().max(*informed);
            }
            EventKind::Served { partition, base_offset, client, .. } => {
                self.check_incarnation(moment, *partition, (*client, *base_offset), findings);
            }
            _ => {}
        }
    }
}

/// Who polls has told where it begins.
fn check_declared(moment: &Moment, partition: Partition, offset: i64, findings: &mut Findings) {
    let client = moment.event.node;
    // What one service asks another for directly is in no partition.
    if !moment.context.clients.contains_key(&client) || moment.world.partition(partition).is_none() {
        return;
    }
    findings.fact();
    if moment.records.position(client, partition).is_none() {
        let summary = format!("{partition}: {client} polled offset {offset} and never said where it begins");
        findings.raise(Charge::at(moment.event, Some(partition), "undeclared-position", summary));
    }
}

fn check_outcome(moment: &Moment, partition: Partition, sequence: u64, findings: &mut Findings) {
    let producer = moment.event.node;
    let Some(record) = moment.records.record(producer, sequence) else { return };
    findings.fact();
    if record.outcome != Outcome::Pending {
        let summary = format!("{partition}: {producer} was told a second time what became of its record {sequence}");
        let charge = Charge::at(moment.event, Some(partition), "resolved-twice", summary);
        findings.raise(charge.proven_by([record.sent, record.resolved]));
    }
}

/// Whether a leader's log may have begun behind `position`, or ended before it, when it was asked for it.
fn was_out_of_range(fold: &PartitionFold, position: i64) -> bool {
    let led_since = |replica: &Replica, loss: EventId| {
        replica.role.leads() || fold.terms.iter().any(|term| term.broker == replica.broker && term.event > loss)
    };
    fold.replicas.iter().any(|replica| {
        let lost = replica.losses.iter().any(|loss| loss.to < position && led_since(replica, loss.event));
        lost || replica.log.start > position || (replica.role.leads() && replica.log.end < position)
    })
}

impl ClientContract {
    fn check_reset(
        &self,
        moment: &Moment,
        partition: Partition,
        (from, to): (i64, i64),
        reason: Name,
        findings: &mut Findings,
    ) {
        let client = moment.event.node;
        let told = || self.told.get(&(client, partition)).map_or([].as_slice(), Vec::as_slice);
        let grouped = moment.records.group_of(client).is_some();
        let (kind, why) = match reason.as_str() {
            "out-of-range" => {
                let fold = moment.world.partition(partition);
                let excused = fold.is_some_and(|it| it.unclean.is_some() || it.rewritten.is_some())
                    || moment.world.is_gone(partition);
                findings.fact();
                // Who has no position asks for no records.
                if from >= 0 && (excused || fold.is_some_and(|fold| was_out_of_range(fold, from))) {
                    return;
                }
                ("reset-without-cause", "which is out of no leader's range".to_owned())
            }
            "committed" => {
                findings.fact();
                if told().contains(&to) {
                    return;
                }
                ("not-as-served", format!("and was told that {:?} is committed", told()))
            }
            "initial" if grouped => {
                findings.fact();
                if told().contains(&-1) {
                    return;
                }
                ("initial-despite-committed", format!("and was told that {:?} is committed", told()))
            }
            _ => return,
        };
        let summary = format!("{partition}: {client} went from offset {from} to {to} ({reason}), {why}");
        findings.raise(Charge::at(moment.event, Some(partition), kind, summary));
    }

    /// A fetch of the new topic from a position of the old one.
    fn check_incarnation(
        &mut self,
        moment: &Moment,
        partition: Partition,
        (client, base): (Name, i64),
        findings: &mut Findings,
    ) {
        let Some(fold) = moment.world.partition(partition) else { return };
        let Some(recreated) = fold.recreated else { return };
        let knows = |led: EventId| self.informed.get(&client).is_some_and(|informed| *informed > led);
        if !fold.terms.first().is_some_and(|first| knows(first.event)) {
            return;
        }
        let Some(position) = moment.records.position(client, partition) else { return };
        findings.fact();
        let is_former = position.next > 0 && position.event < recreated;
        if is_former && self.mistaken.insert((client, partition), recreated) != Some(recreated) {
            let summary = format!(
                "{partition}: {client} reads from offset {base} of a topic that was created anew, where it stood in the former \
                 one at {}",
                position.next
            );
            let charge = Charge::at(moment.event, Some(partition), "old-incarnation", summary);
            findings.raise(charge.proven_by([position.event, recreated]));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    fn story() -> Story {
        let mut story = Story::of("client-contract");
        story.commit(1).commit(1).commit(1);
        story
    }

    fn member() -> Story {
        let mut story = Story::grouped("client-contract");
        story.commit(1).commit(1).commit(1).takes("a", 1, &[0]);
        story
    }

    #[test]
    fn a_consumer_that_declares_where_it_begins_and_reads_on_keeps_the_contract() {
        story().initial("a", 0).polled(0, 0).polled(1, 1).moves("a", "seek", 2, 0).polled(0, 0).quiet();
        member().served_offset("a", 1).starts("a", 1).polled(1, 1).quiet();
        member().served_offset("a", -1).initial("a", 0).polled(0, 0).quiet();
    }

    #[test]
    fn nobody_reads_without_having_said_from_where() {
        story().polled(0, 0).fires(&["undeclared-position"]);
        let mut again = member();
        again.served_offset("a", 0).starts("a", 0).polled(0, 0).gives("a", 1, &[0]).takes("a", 2, &[0]).polled(1, 1);
        again.fires(&["undeclared-position"]);
    }

    #[test]
    fn a_position_within_the_log_is_not_out_of_range() {
        // reset-on-transient-error, librdkafka 1.8.0.
        story().initial("a", 0).polled(0, 0).moves("a", "out-of-range", 1, 3).fires(&["reset-without-cause"]);
        story().moves("a", "out-of-range", -1, 3).fires(&["reset-without-cause"]);
    }

    #[test]
    fn a_position_that_retention_or_a_lossy_leader_left_behind_is_out_of_range() {
        story().initial("a", 0).log_start(1, 2).moves("a", "out-of-range", 0, 2).quiet();
        let mut lost = story();
        lost.initial("a", 3)
            .power_loss(1)
            .restart(1, 1)
            .elect(1, &[1])
            .produce(1, 5)
            .moves("a", "out-of-range", 3, 6)
            .quiet();
        story().initial("a", 3).elect_unclean(3).moves("a", "out-of-range", 3, 0).quiet();
    }

    #[test]
    fn a_member_begins_where_its_coordinator_said() {
        member().served_offset("a", 1).starts("a", 2).fires(&["not-as-served"]);
        member().starts("a", 2).fires(&["not-as-served"]);
        member().served_offset("a", 1).served_offset("a", 2).starts("a", 1).quiet();
    }

    #[test]
    fn a_member_begins_by_policy_only_if_nothing_is_committed() {
        member().served_offset("a", 1).initial("a", 3).fires(&["initial-despite-committed"]);
    }

    #[test]
    fn a_send_resolves_once() {
        story().sent(0).acked(0, 0).sent(1).unknown(1).quiet();
        story().sent(0).acked(0, 0).unknown(0).fires(&["resolved-twice"]);
        story().sent(0).failed(0).acked(0, 0).fires(&["resolved-twice"]);
    }

    #[test]
    fn a_recreated_topic_is_not_read_from_where_the_old_one_was_left() {
        // topic-recreated-same-name, KAFKA-12257.
        let left = || {
            let mut story = story();
            story.initial("a", 0).polled(0, 0).polled(1, 1).recreate();
            story
        };
        left().learns().commit(1).commit(1).commit(1).serve(1, 2).fires(&["old-incarnation"]);
        // It has not heard of it yet.
        left().commit(1).commit(1).commit(1).serve(1, 2).quiet();
    }

    #[test]
    fn a_recreated_topic_may_be_read_from_a_declared_position() {
        let mut story = story();
        story.initial("a", 0).polled(0, 0).polled(1, 1).recreate().commit(1).moves("a", "log-truncation", 2, 0);
        story.serve(1, 0).polled(0, 0).quiet();
    }
}
