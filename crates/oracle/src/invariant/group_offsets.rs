//! O15: a group's committed offset is what a member committed last: it survives failovers, it is forgotten only when the group is empty
//! or somebody deletes it, nobody moves it back who was not sent back, and what a member gives up in good order it has committed.
//!
//! From: KAFKA-5600 (KAFKA-2163, KAFKA-9065), KIP-211 (KAFKA-4682), KAFKA-14196, librdkafka before 1.9.0.
//! Legal: a deposed coordinator that does not know it yet; a later commit whose answer was lost; a lower commit of a member that began
//! lower, as after a race of two owners; what was not flushed at a power loss, and unclean elections, void it.
//! Not checked: that a commit's generation was the group's (the broker's own tests do).

use std::collections::BTreeMap;

use trace::{Event, EventId, EventKind, GroupState, Name, Partition, StopReason};

use crate::finding::{Charge, Findings};
use crate::judge::{Moment, Oracle};
use crate::{Commits, Context};

#[derive(Clone, Copy)]
struct Committed {
    offset: i64,
    event: EventId,
}

/// What a group's coordinator told of it.
#[derive(Default)]
struct Group {
    coordinator: Option<Name>,
    live: bool,
    clients: BTreeMap<Name, Name>,
    committed: BTreeMap<Partition, Committed>,
}

/// A member and one of its partitions, since it was given it.
#[derive(Clone, Copy, Default)]
struct Standing {
    /// Where it was told to begin.
    start: Option<i64>,
    /// Whether that was below what is committed.
    sent_back: bool,
    /// Behind the last record polled, and the event.
    polled: Option<(i64, EventId)>,
    /// The last commit that was acknowledged; none after one failed.
    acked: Option<(i64, EventId)>,
}

#[derive(Default)]
pub(crate) struct GroupOffsets {
    groups: BTreeMap<Name, Group>,
    standings: BTreeMap<(Name, Partition), Standing>,
    void: bool,
}

impl Oracle for GroupOffsets {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let event = moment.event;
        match &event.kind {
            EventKind::GroupStateChanged { group, state, members, .. } => {
                let known = self.group(*group, event.node);
                known.live = *members > 0 && !matches!(state, GroupState::Empty | GroupState::Dead);
            }
            EventKind::MemberJoined { group, member, client, .. } => {
                self.group(*group, event.node).clients.insert(*member, *client);
            }
            EventKind::OffsetCommitted { group, partition, offset, member, .. } => {
                self.committed(event, (*group, *partition, *offset, *member), findings);
            }
            EventKind::OffsetServed { group, partition, offset, .. } => {
                self.served(event, (*group, *partition, *offset), findings);
            }
            EventKind::OffsetForgotten { group, partition, reason, .. } => {
                self.forgotten(moment.context, event, (*group, *partition, *reason), findings);
            }
            EventKind::LeadershipDecided { unclean: true, .. } => self.void = true,
            EventKind::NodeStopped { reason } => {
                self.standings.retain(|(client, _), _| *client != event.node);
                self.void |= *reason == StopReason::PowerLoss && !moment.context.flush_every_message;
            }
            _ => self.follow_member(moment, findings),
        }
    }
}

impl GroupOffsets {
    fn group(&mut self, name: Name, coordinator: Name) -> &mut Group {
        let group = self.groups.entry(name).or_default();
        group.coordinator = Some(coordinator);
        group
    }

    fn follow_member(&mut self, moment: &Moment, findings: &mut Findings) {
        let event = moment.event;
        let client = event.node;
        match &event.kind {
            EventKind::PartitionsAssigned { partitions, .. } => {
                self.standings.extend(partitions.iter().map(|it| ((client, *it), Standing::default())));
            }
            EventKind::PartitionsRevoked { partitions, lost, .. } => {
                for partition in partitions {
                    let standing = self.standings.remove(&(client, *partition));
                    if let Some(standing) = standing.filter(|_| !lost) {
                        check_given_up(moment, *partition, standing, findings);
                    }
                }
            }
            EventKind::PositionReset { partition, to, .. } => {
                let group = moment.context.clients.get(&client).and_then(|facts| facts.group);
                let committed = group.and_then(|group| self.groups.get(&group)?.committed.get(partition));
                let sent_back = committed.is_some_and(|committed| *to < committed.offset);
                if let Some(standing) = self.standings.get_mut(&(client, *partition)) {
                    (standing.start, standing.sent_back) = (Some(*to), sent_back);
                }
            }
            EventKind::RecordPolled { partition, offset, .. } => {
                if let Some(standing) = self.standings.get_mut(&(client, *partition)) {
                    standing.polled = Some((offset.saturating_add(1), event.id));
                }
            }
            EventKind::CommitAcked { partition, offset, .. } => {
                if let Some(standing) = self.standings.get_mut(&(client, *partition)) {
                    standing.acked = Some((*offset, event.id));
                }
            }
            EventKind::CommitFailed { partition, .. } => {
                if let Some(standing) = self.standings.get_mut(&(client, *partition)) {
                    standing.acked = None;
                }
            }
            _ => {}
        }
    }

    fn committed(
        &mut self,
        event: &Event,
        (name, partition, offset, member): (Name, Partition, i64, Name),
        findings: &mut Findings,
    ) {
        findings.fact();
        let void = self.void;
        let group = self.groups.entry(name).or_default();
        group.coordinator = Some(event.node);
        let before = group.committed.insert(partition, Committed { offset, event: event.id });
        let client = group.clients.get(&member).copied();
        let (Some(before), Some(client)) = (before, client) else { return };
        if before.offset <= offset || void {
            return;
        }
        let start = self.standings.get(&(client, partition)).and_then(|standing| standing.start);
        if start.is_none_or(|start| start > offset) {
            let summary = format!(
                "group {name}: {client} commits {partition}:{offset} where {} was committed, and nobody had sent it back",
                before.offset
            );
            findings.raise(Charge::at(event, Some(partition), "went-back", summary).proven_by([before.event]));
        }
    }

    fn served(&mut self, event: &Event, (name, partition, offset): (Name, Partition, i64), findings: &mut Findings) {
        let Some(group) = self.groups.get(&name).filter(|group| group.coordinator == Some(event.node)) else { return };
        findings.fact();
        let Some(committed) = group.committed.get(&partition).filter(|it| it.offset > offset && !self.void) else {
            return;
        };
        // A commit of a member that had been sent back may be stored without its answer having got out.
        let members = self.standings.iter().filter(|((_, at), _)| *at == partition);
        if offset >= 0 && members.into_iter().any(|(_, it)| it.sent_back && it.start.is_some_and(|it| it <= offset)) {
            return;
        }
        let (kind, told) = if offset < 0 { ("lost", "none".to_owned()) } else { ("stale", offset.to_string()) };
        let summary = format!(
            "group {name}: {} tells that {told} is committed for {partition}, and {} was",
            event.node, committed.offset
        );
        findings.raise(Charge::at(event, Some(partition), kind, summary).proven_by([committed.event]));
    }

    fn forgotten(
        &mut self,
        context: &Context,
        event: &Event,
        (name, partition, reason): (Name, Partition, Name),
        findings: &mut Findings,
    ) {
        findings.fact();
        let group = self.group(name, event.node);
        let proof = group.committed.remove(&partition).map(|committed| committed.event);
        let reads = |facts: &crate::ClientFacts| facts.group == Some(name) && facts.topics.contains(&partition.topic);
        if reason.as_str() == "expired" && group.live && context.clients.values().any(reads) {
            let summary =
                format!("group {name}: the offset of {partition} expired, and the group has members that read it");
            findings.raise(Charge::at(event, Some(partition), "expired-while-live", summary).proven_by(proof));
        }
    }
}

/// With automatic commits, a member that gives a partition up has committed all that polls returned of it.
fn check_given_up(moment: &Moment, partition: Partition, standing: Standing, findings: &mut Findings) {
    let client = moment.event.node;
    let (Some((polled, at)), Some((acked, answer))) = (standing.polled, standing.acked) else { return };
    if !moment.context.clients.get(&client).is_some_and(|facts| facts.commits == Commits::Automatically) {
        return;
    }
    findings.fact();
    // An answer from before the last record says nothing: the commit that should follow it may have been cut off.
    if acked < polled && answer > at {
        let summary = format!(
            "{partition}: {client} gave it up with {acked} committed, though polls had returned all below {polled}"
        );
        findings
            .raise(Charge::at(moment.event, Some(partition), "given-up-uncommitted", summary).proven_by([at, answer]));
    }
}

#[cfg(test)]
mod tests {
    use trace::GroupState;

    use crate::Commits;
    use crate::story::Story;

    const M: &str = "mail-service-0";

    fn story() -> Story {
        let mut story = Story::of("group-offsets");
        story.group("mail").member_joins("m-0", "", M).group_state(1, GroupState::Stable, 1, 1);
        story.takes(M, "m-0", 1, &[0]);
        story
    }

    #[test]
    fn a_commit_is_told_to_whoever_asks_also_by_the_next_coordinator() {
        let mut story = story();
        story.tells_offset(1, -1).position(M, -1, 0, "initial").commits(1, "m-0", 5).tells_offset(1, 5);
        story.group_state(2, GroupState::Stable, 1, 1).tells_offset(2, 5).quiet();
    }

    #[test]
    fn a_coordinator_does_not_tell_an_older_commit_nor_none() {
        story()
            .commits(1, "m-0", 5)
            .commits(1, "m-0", 9)
            .group_state(2, GroupState::Stable, 1, 1)
            .tells_offset(2, 5)
            .fires(&["stale"]);
        story().commits(1, "m-0", 5).tells_offset(1, -1).fires(&["lost"]);
    }

    #[test]
    fn a_deposed_coordinator_may_lag_and_a_commit_without_answer_may_count() {
        let mut deposed = story();
        deposed
            .commits(1, "m-0", 5)
            .group_state(2, GroupState::Stable, 1, 1)
            .commits(2, "m-0", 9)
            .tells_offset(1, 5)
            .quiet();
        story().commits(1, "m-0", 5).tells_offset(1, 7).quiet();
    }

    #[test]
    fn nobody_moves_an_offset_back_who_was_not_sent_back() {
        story().position(M, -1, 5, "committed").commits(1, "m-0", 9).commits(1, "m-0", 4).fires(&["went-back"]);
        story().commits(1, "m-0", 9).commits(1, "m-0", 4).fires(&["went-back"]);
        story().commits(1, "m-0", 9).position(M, 9, 2, "seek").commits(1, "m-0", 4).quiet();
    }

    #[test]
    fn offsets_expire_only_in_an_empty_group() {
        story().commits(1, "m-0", 9).forgets(1, "expired").fires(&["expired-while-live"]);
        story()
            .commits(1, "m-0", 9)
            .group_state(1, GroupState::Empty, 2, 0)
            .forgets(1, "expired")
            .tells_offset(1, -1)
            .quiet();
        story().commits(1, "m-0", 9).forgets(1, "deleted").tells_offset(1, -1).quiet();
    }

    #[test]
    fn what_polls_returned_is_committed_before_a_partition_is_given_up() {
        let mut early = story();
        early.commits_so(Commits::Automatically).polled(0, 0).polled(1, 1).commit_acked(M, 1).gives_up(
            M,
            "m-0",
            1,
            &[0],
        );
        early.fires(&["given-up-uncommitted"]);
        let mut good = story();
        good.commits_so(Commits::Automatically)
            .polled(0, 0)
            .polled(1, 1)
            .commit_acked(M, 2)
            .gives_up(M, "m-0", 1, &[0])
            .quiet();
        let mut by_hand = story();
        by_hand.polled(0, 0).polled(1, 1).commit_acked(M, 1).gives_up(M, "m-0", 1, &[0]).vacuous();
    }

    #[test]
    fn what_was_not_flushed_may_be_gone_after_a_power_loss() {
        story().commits(1, "m-0", 9).power_loss(1).tells_offset(1, -1).quiet();
    }
}
