//! O21: a consumer's position moves by delivery, by seek, or by a reset that a broker's answer called for; and each send has one outcome.
//!
//! From: KIP-320 (KAFKA-7747), librdkafka 1.8.0 (a lost connection taken for an offset out of range).
//! Legal: a reset because the offset is outside of what some replica holds, even one that leads no more.
//! Not checked: where `auto.offset.reset` leads (no event tells the answer), and topics that were deleted and created anew.

use std::collections::BTreeMap;

use trace::{Event, EventId, EventKind, Name, Partition};

use crate::finding::{Charge, Findings};
use crate::judge::{Moment, Oracle};
use crate::records::Outcome;

#[derive(Default)]
pub(crate) struct ClientContract {
    /// The committed offset that a coordinator told a consumer last.
    told: BTreeMap<(Name, Partition), (i64, EventId)>,
}

impl Oracle for ClientContract {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let event = moment.event;
        match &event.kind {
            EventKind::OffsetServed { partition, offset, client, .. } => {
                self.told.insert((*client, *partition), (*offset, event.id));
            }
            EventKind::PositionReset { partition, from, to, reason } => match reason.as_str() {
                "out-of-range" => check_out_of_range(moment, *partition, *from, findings),
                "committed" | "initial" => self.check_first_position(moment, *partition, *to, *reason, findings),
                _ => {}
            },
            EventKind::RecordAcked { sequence, partition, .. }
            | EventKind::RecordFailed { sequence, partition, .. }
            | EventKind::RecordUnknown { sequence, partition, .. } => {
                check_outcome(moment, *partition, *sequence, findings);
            }
            EventKind::NodeStopped { .. } => self.told.retain(|(client, _), _| *client != event.node),
            _ => {}
        }
    }
}

impl ClientContract {
    /// A member begins where its coordinator said, and by `auto.offset.reset` only if nothing was committed.
    fn check_first_position(
        &self,
        moment: &Moment,
        partition: Partition,
        to: i64,
        reason: Name,
        findings: &mut Findings,
    ) {
        let Event { node: client, .. } = moment.event;
        if !moment.context.clients.get(client).is_some_and(|facts| facts.group.is_some()) {
            return;
        }
        findings.fact();
        let told = self.told.get(&(*client, partition));
        let (offset, proof) = told.map_or((-1, None), |(offset, event)| (*offset, Some(*event)));
        let as_told = if reason.as_str() == "committed" { offset == to } else { offset < 0 };
        if !as_told {
            let was = if offset < 0 { "nothing".to_owned() } else { offset.to_string() };
            let summary =
                format!("{partition}: {client} begins at {to} ({reason}), and was told that {was} is committed");
            findings.raise(Charge::at(moment.event, Some(partition), "not-as-committed", summary).proven_by(proof));
        }
    }
}

fn check_out_of_range(moment: &Moment, partition: Partition, from: i64, findings: &mut Findings) {
    let Some(fold) = moment.world.partition(partition) else { return };
    if fold.unclean.is_some() || moment.world.deleted_topics.contains(&partition.topic) {
        return;
    }
    findings.fact();
    if fold.replicas.iter().all(|replica| (replica.log.start..=replica.log.end).contains(&from)) {
        let summary = format!(
            "{partition}: {} takes its offset {from} for out of range, and every replica's log has it",
            moment.event.node
        );
        findings.raise(Charge::at(moment.event, Some(partition), "reset-without-cause", summary));
    }
}

fn check_outcome(moment: &Moment, partition: Partition, sequence: u64, findings: &mut Findings) {
    findings.fact();
    let record = moment.records.record(moment.event.node, sequence);
    if let Some(record) = record.filter(|record| !matches!(record.outcome, Outcome::Pending)) {
        let summary = format!("{partition}: {} tells a second outcome of its record {sequence}", moment.event.node);
        findings.raise(Charge::at(moment.event, Some(partition), "two-outcomes", summary).proven_by([record.resolved]));
    }
}

#[cfg(test)]
mod tests {
    use crate::story::Story;

    const M: &str = "mail-service-0";

    fn story() -> Story {
        Story::of("client-contract")
    }

    #[test]
    fn a_member_begins_where_its_coordinator_says() {
        let mut story = story();
        story.group("mail").commit(9).tells_offset(1, -1).position(M, -1, 0, "initial").tells_offset(1, 4);
        story.position(M, -1, 4, "committed").quiet();
        story.position(M, -1, 2, "committed").fires(&["not-as-committed"]);
    }

    #[test]
    fn auto_offset_reset_is_for_groups_without_an_offset() {
        story().group("mail").tells_offset(1, 4).position(M, -1, 0, "initial").fires(&["not-as-committed"]);
        story().position(M, -1, 0, "initial").vacuous();
    }

    #[test]
    fn an_offset_is_out_of_range_only_if_some_replica_lacks_it() {
        story().commit(3).position(M, 2, 0, "out-of-range").fires(&["reset-without-cause"]);
        story().commit(3).position(M, 4, 0, "out-of-range").quiet();
        story().commit(3).log_start(1, 2).position(M, 1, 2, "out-of-range").quiet();
    }

    #[test]
    fn a_send_has_one_outcome() {
        story().sent(0).acked(0, 0).quiet();
        story().sent(0).unknown(0).acked(0, 0).fires(&["two-outcomes"]);
    }
}
