//! O15: a commit is accepted only from a member of the group's generation (from outside only while the group is empty); a coordinator
//! tells the last commit that is in its log; an offset is forgotten only when nobody reads its topic; a member commits no more than
//! it was given, and takes nothing back.
//!
//! From: KIP-211, KIP-345; KAFKA-5600 (stale after a failover), KAFKA-4682 (expiry), KAFKA-14196 and KAFKA-14024 (polls during the
//! commit before a revocation), librdkafka before 1.9.0 (a stored offset committed after the partition came back).
//! Legal: answers of a coordinator that is deposed and not aware of it; commits that the log lost (a power loss, a disk, an unclean
//! election: committed-durability tells of that); a commit that is told without ever having been acknowledged; the return of a
//! forgotten offset, since tombstones are not waited for; a commit that was accepted while its generation lasted and is replicated
//! later, or whose client gave it up and whose frame arrives all the same; going back after a declared reset.
//! Not checked: that what is told and was never known to be accepted was ever sent; when an empty group's offsets may expire;
//! transactional commits.

use trace::{EventId, EventKind, Name, Partition};

use crate::finding::{Charge, Findings};
use crate::fold::{Held, Replica};
use crate::judge::{Moment, Oracle};
use crate::sparse::Table;

/// A commit is checked before it is replicated: twice the default `offsets.commit.timeout.ms`.
const LATE_NS: u64 = 10_000_000_000;

/// Commits of one partition that are remembered.
const REMEMBERED: usize = 256;

/// An accepted commit.
#[derive(Clone, Copy)]
struct Commit {
    offset: i64,
    /// Where its record is in `__consumer_offsets`, and the batch's leader epoch and CRC.
    at: i64,
    batch: (i32, u32),
    client: Name,
    generation: i32,
    coordinator: Name,
    event: EventId,
}

/// What a group has committed in a partition, in the order of the log.
#[derive(Default)]
struct Committed {
    commits: Vec<Commit>,
    forgotten: bool,
}

/// What a consumer was given of a partition.
#[derive(Default)]
struct Reach {
    /// When it was last assigned the partition, and in which generation.
    assigned: EventId,
    assigned_in: i32,
    /// Where its position was reset to last, and at least, since then.
    start: Option<i64>,
    lowest: Option<i64>,
    next: i64,
    /// The furthest it has ever been.
    furthest: i64,
    polled_at: u64,
    /// The last commit acknowledged after the last poll.
    acked: Option<i64>,
    /// Whether a commit failed after the last poll.
    failed: bool,
    /// Offsets of commits that it gave up without an answer.
    given_up: Vec<i64>,
}

#[derive(Default)]
pub(crate) struct GroupOffsets {
    /// The partition of `__consumer_offsets` that keeps each group.
    homes: Table<Name, Partition>,
    committed: Table<(Name, Partition), Committed>,
    /// By client and partition.
    reaches: Table<(Name, Partition), Reach>,
}

impl Oracle for GroupOffsets {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let event = moment.event;
        match &event.kind {
            EventKind::OffsetCommitted { group, partition, offset, member, generation, at } => {
                let known = moment.world.groups.get(group).and_then(|group| group.members.get(member));
                let client = known.map_or(*member, |member| member.client);
                let (coordinator, batch) = (event.node, (-1, 0));
                let (generation, event) = (*generation, event.id);
                let commit = Commit { offset: *offset, at: *at, batch, client, generation, coordinator, event };
                check_right(moment, (*group, *partition), *member, generation, findings);
                self.accept(moment, (*group, *partition), commit, findings);
            }
            EventKind::OffsetServed { group, partition, offset, .. } => {
                self.check_served(moment, (*group, *partition), *offset, findings);
            }
            EventKind::OffsetForgotten { group, partition, reason, .. } => {
                self.committed.entry((*group, *partition)).or_default().forgotten = true;
                check_forgotten(moment, (*group, *partition), *reason, findings);
            }
            EventKind::PartitionsRevoked { group, partitions, lost: false, .. } => {
                partitions.iter().for_each(|partition| self.check_revoked(moment, *group, *partition, findings));
            }
            _ => self.follow(moment),
        }
    }
}

/// A commit is a current member's, or comes from outside of an empty group.
fn check_right(
    moment: &Moment,
    (group, partition): (Name, Partition),
    member: Name,
    generation: i32,
    findings: &mut Findings,
) {
    let (event, known) = (moment.event, moment.world.groups.get(&group));
    // A group that only keeps offsets has no state to tell.
    let Some(view) = known.and_then(|group| group.view(event.node)) else { return };
    findings.fact();
    let is_late = |since: u64| event.at > since.saturating_add(LATE_NS);
    let mut charge = |kind: &str, what: String, proof: EventId| {
        let summary =
            format!("{partition}: group {group}: a commit of {member} in generation {generation} was accepted, {what}");
        findings.raise(Charge::at(event, Some(partition), kind, summary).proven_by([proof]));
    };
    if generation < 0 {
        if view.peopled_at.is_some_and(is_late) {
            charge("from-outside", "and the group has members".to_owned(), view.event);
        }
        return;
    }
    if generation > view.generation || (generation < view.generation && is_late(view.generation_at)) {
        charge("stale-generation", format!("and the group is in generation {}", view.generation), view.event);
    }
    match known.and_then(|group| group.members.get(&member)) {
        None => charge("not-a-member", "and it never joined".to_owned(), EventId::ROOT),
        Some(member) => {
            if let Some(left) = member.left.filter(|left| left.told_by == event.node && is_late(left.at)) {
                charge("not-a-member", "and it had left".to_owned(), left.event);
            }
        }
    }
}

/// What somebody reads is not forgotten.
fn check_forgotten(moment: &Moment, (group, partition): (Name, Partition), reason: Name, findings: &mut Findings) {
    let Some(known) = moment.world.groups.get(&group).filter(|_| !moment.world.is_gone(partition)) else { return };
    findings.fact();
    let reads = |client: Name| {
        let facts = moment.context.clients.get(&client);
        facts.is_some_and(|facts| facts.group == Some(group) && facts.topics.contains(&partition.topic))
    };
    if let Some((_, member)) = known.live(moment.event.node).find(|(_, member)| reads(member.client)) {
        let summary =
            format!("{partition}: group {group}: the committed offset was {reason}, and {} reads it", member.client);
        let kind = format!("{reason}-while-read");
        findings.raise(Charge::at(moment.event, Some(partition), kind, summary).proven_by([member.joined]));
    }
}

/// The epoch and CRC of the batch that a replica holds there, if that is known.
fn batch_at(replica: &Replica, at: i64) -> Option<(i32, u32)> {
    match replica.log.at(at) {
        Held::Batch(batch) => Some((batch.epoch, batch.crc)),
        Held::Nothing | Held::Unknown => None,
    }
}

impl Committed {
    /// The last commit that this replica's log holds, of those before `limit`.
    fn last(&self, replica: &Replica, limit: i64) -> Option<&Commit> {
        let before = self.commits.iter().rev().filter(|commit| commit.at < limit);
        before.into_iter().find(|commit| batch_at(replica, commit.at) == Some(commit.batch))
    }

    fn insert(&mut self, commit: Commit) {
        self.forgotten = false;
        let place = self.commits.partition_point(|known| known.at < commit.at);
        match self.commits.get_mut(place) {
            // The log was lost, and goes on from there.
            Some(known) if known.at == commit.at => *known = commit,
            _ => self.commits.insert(place, commit),
        }
        if self.commits.len() > REMEMBERED {
            self.commits.remove(0);
        }
    }
}

impl GroupOffsets {
    /// The coordinator's replica of the group's partition, if it leads.
    fn home<'a>(&mut self, moment: &'a Moment, group: Name) -> Option<&'a Replica> {
        let home = match self.homes.get(&group) {
            Some(home) => *home,
            None => {
                let home = moment.world.offsets_partition(group)?;
                self.homes.insert(group, home);
                home
            }
        };
        let fold = moment.world.partition(home)?;
        let replica = fold.replica(moment.world.node(moment.event.node)?.broker?)?;
        replica.role.leads().then_some(replica)
    }

    /// Takes a commit over, and looks at what its member may commit.
    fn accept(&mut self, moment: &Moment, key: (Name, Partition), mut commit: Commit, findings: &mut Findings) {
        let Some(replica) = self.home(moment, key.0) else { return };
        let Some(batch) = batch_at(replica, commit.at) else { return };
        commit.batch = batch;
        let committed = self.committed.entry(key).or_default();
        if commit.generation >= 0
            && let Some(reach) = self.reaches.get(&(commit.client, key.1))
            && !moment.world.is_gone(key.1)
        {
            check_reach(moment, key, &commit, reach, findings);
            let before = committed.last(replica, commit.at).filter(|_| !committed.forgotten);
            // A commit of an earlier assignment may have waited long to be replicated.
            let is_of_now = commit.generation >= reach.assigned_in;
            if let Some(before) = before.filter(|before| before.offset > commit.offset && is_of_now) {
                check_way_back(moment, key, (&commit, before), reach, findings);
            }
        }
        committed.insert(commit);
    }

    fn check_served(&mut self, moment: &Moment, key: (Name, Partition), offset: i64, findings: &mut Findings) {
        let Some(replica) = self.home(moment, key.0) else { return };
        let fold = self.homes.get(&key.0).and_then(|home| moment.world.partition(*home)).expect("it has a replica");
        let is_deposed = fold.decided.is_some_and(|decided| decided.epoch > replica.role.epoch());
        let is_void = fold.unclean.is_some() || fold.rewritten.is_some() || moment.world.is_gone(key.1);
        let Some(committed) = self.committed.get(&key).filter(|it| !it.forgotten && !is_deposed && !is_void) else {
            return;
        };
        let Some(last) = committed.last(replica, i64::MAX) else { return };
        findings.fact();
        let is_older = || committed.commits.iter().any(|commit| commit.at < last.at && commit.offset == offset);
        let kind = match offset {
            _ if offset == last.offset => return,
            -1 => "lost",
            _ if is_older() => "stale",
            // A commit that nobody was told of.
            _ => return,
        };
        let ((group, partition), node) = (key, moment.event.node);
        let told = if offset < 0 { "none".to_owned() } else { offset.to_string() };
        let summary = format!(
            "{partition}: group {group}: {node} tells the committed offset {told}, and its log has a commit of {} at {}",
            last.offset, last.at
        );
        let kind = if last.coordinator == node { kind.to_owned() } else { format!("{kind}/after-failover") };
        findings.raise(Charge::at(moment.event, Some(partition), kind, summary).proven_by([last.event]));
    }

    /// What polls returned was committed before the partition is given up, if that is automatic.
    fn check_revoked(&mut self, moment: &Moment, group: Name, partition: Partition, findings: &mut Findings) {
        let client = moment.event.node;
        let patience = moment.context.clients.get(&client).map_or(0, |facts| facts.revocation_commit_ns);
        let Some(reach) = self.reaches.get(&(client, partition)) else { return };
        let waited = moment.event.at.saturating_sub(reach.polled_at);
        let (Some(acked), false) = (reach.acked, reach.failed || waited >= patience) else { return };
        findings.fact();
        let log_end = moment.world.partition(partition).and_then(|fold| fold.leader()).map_or(0, |it| it.log.end);
        if acked < reach.next && reach.next <= log_end && !moment.world.is_gone(partition) {
            let summary = format!(
                "{partition}: {client} of group {group} gives it up at offset {}, and its last commit, acknowledged since its last poll, \
                 is {acked}",
                reach.next
            );
            findings.raise(Charge::at(moment.event, Some(partition), "revoked-uncommitted", summary));
        }
    }

    /// Follows what a member of a group is given.
    fn follow(&mut self, moment: &Moment) {
        let event = moment.event;
        match &event.kind {
            EventKind::RecordPolled { partition, offset, .. } => {
                let Some(reach) = self.reaches.get_mut(&(event.node, *partition)) else { return };
                reach.next = offset.saturating_add(1);
                reach.furthest = reach.furthest.max(reach.next);
                (reach.polled_at, reach.acked, reach.failed) = (event.at, None, false);
            }
            EventKind::PositionReset { partition, to, .. } => {
                let Some(reach) = self.reaches.get_mut(&(event.node, *partition)) else { return };
                (reach.start, reach.next, reach.acked) = (Some(*to), *to, None);
                reach.lowest = Some(reach.lowest.map_or(*to, |lowest| lowest.min(*to)));
                reach.furthest = reach.furthest.max(*to);
            }
            EventKind::PartitionsAssigned { generation, partitions, .. } => {
                for partition in partitions {
                    let reach = self.reaches.entry((event.node, *partition)).or_default();
                    (reach.assigned, reach.assigned_in) = (event.id, *generation);
                    (reach.start, reach.lowest, reach.acked) = (None, None, None);
                }
            }
            EventKind::CommitAcked { partition, offset, .. } => {
                if let Some(reach) = self.reaches.get_mut(&(event.node, *partition)) {
                    reach.acked = Some(*offset);
                }
            }
            EventKind::CommitFailed { partition, offset, error, .. } => {
                let Some(reach) = self.reaches.get_mut(&(event.node, *partition)) else { return };
                reach.failed = true;
                if matches!(error.as_str(), "NETWORK_EXCEPTION" | "REQUEST_TIMED_OUT")
                    && !reach.given_up.contains(offset)
                {
                    reach.given_up.push(*offset);
                }
            }
            _ => {}
        }
    }
}

/// Nobody commits what it was never given.
fn check_reach(moment: &Moment, key: (Name, Partition), commit: &Commit, reach: &Reach, findings: &mut Findings) {
    let (group, partition) = key;
    let compacted = moment.context.topics.get(&partition.topic).is_some_and(|facts| facts.compacted);
    let Some(leader) = moment.world.partition(partition).and_then(|fold| fold.leader()).filter(|_| !compacted) else {
        return;
    };
    findings.fact();
    let from = reach.furthest.max(leader.log.start);
    if commit.offset > from && leader.log.range(from, commit.offset).iter().any(|batch| !batch.is_control()) {
        let summary = format!(
            "{partition}: {} of group {group} committed {}, and was never given what is at {from}",
            commit.client, commit.offset
        );
        findings.raise(Charge::at(moment.event, Some(partition), "unread", summary));
    }
}

/// A commit below the one before it: only where its member had begun anew, as it declared, or could not know of that one.
fn check_way_back(
    moment: &Moment,
    (group, partition): (Name, Partition),
    (commit, before): (&Commit, &Commit),
    reach: &Reach,
    findings: &mut Findings,
) {
    let is_own =
        before.client == commit.client && before.generation == commit.generation && before.event > reach.assigned;
    let goes_back = if is_own {
        // Its position has passed what it had committed, and was not reset since.
        reach.start.is_none_or(|start| start <= before.offset) && before.offset <= reach.next
    } else {
        before.event < reach.assigned && reach.lowest.is_none_or(|lowest| lowest > commit.offset)
    };
    if goes_back && !reach.given_up.contains(&commit.offset) {
        let summary = format!(
            "{partition}: {} of group {group} committed {} though {} was committed, and its position was not reset to there",
            commit.client, commit.offset, before.offset
        );
        let charge = Charge::at(moment.event, Some(partition), "went-back", summary);
        findings.raise(charge.proven_by([before.event, reach.assigned]));
    }
}

#[cfg(test)]
mod tests {
    use trace::GroupState;

    use crate::story::Story;

    /// Ten records, and `a` has read those below `upto` and committed that.
    fn story(upto: i64) -> Story {
        let mut story = Story::grouped("group-offsets");
        (0..10).for_each(|_| {
            story.commit(1);
        });
        story.takes("a", 1, &[0]).served_offset("a", -1).initial("a", 0);
        (0..upto).for_each(|offset| {
            story.reads("a", offset);
        });
        story.commits("a", 1, upto).commit_acked("a", 1, upto);
        story
    }

    /// The partition has passed to `b`, which has read and committed all.
    fn handed_over() -> Story {
        let mut story = story(4);
        story.gives("a", 1, &[0]).joins("b", "").generation(2, &[("a", &[]), ("b", &[0])]).takes("b", 2, &[0]);
        story.served_offset("b", 4).starts("b", 4);
        (4..10).for_each(|offset| {
            story.reads("b", offset);
        });
        story.commits("b", 2, 10).commit_acked("b", 2, 10);
        story
    }

    #[test]
    fn commits_that_go_forward_and_survive_a_failover_are_as_they_should_be() {
        let mut story = handed_over();
        story.coordinator(2).group_is(GroupState::Stable, 2).served_offset("b", 10).coordinator(1);
        story.group_is(GroupState::Stable, 2).served_offset("b", 10).gives("b", 2, &[0]).quiet();
    }

    #[test]
    fn a_coordinator_tells_the_last_commit_also_after_a_failover() {
        handed_over().served_offset("b", 4).fires(&["stale"]);
        // load-stale-cache, KAFKA-5600.
        handed_over().coordinator(2).served_offset("b", 4).fires(&["stale/after-failover"]);
        handed_over().coordinator(2).served_offset("b", -1).fires(&["lost/after-failover"]);
    }

    #[test]
    fn a_deposed_coordinator_and_one_whose_log_lost_the_commit_may_tell_less() {
        handed_over().coordinator(2).served_offset_by(1, "b", 4).quiet();
        handed_over().coordinator_without_log(2).served_offset("b", 4).quiet();
    }

    #[test]
    fn a_commit_that_nobody_was_told_of_may_be_told() {
        let mut story = story(4);
        story.reads("a", 4).writes_commit();
        story.coordinator(2).served_offset("a", 5).quiet();
    }

    #[test]
    fn the_commit_that_is_later_in_the_log_counts_whichever_is_told_first() {
        let mut story = story(4);
        let (first, second) = (story.writes_commit(), story.writes_commit());
        story.reads("a", 4).reads("a", 5).commits_at("a", 1, 6, second).commits_at("a", 1, 5, first);
        story.served_offset("a", 6).quiet().served_offset("a", 5).fires(&["stale"]);
    }

    #[test]
    fn only_members_commit_and_only_in_their_generation() {
        story(4).commits("x", 1, 4).fires(&["not-a-member"]);
        story(4).leaves("a", "left").commits("a", 1, 4).quiet().wait(11).commits("a", 1, 4).fires(&["not-a-member"]);
        handed_over().commits("b", 1, 10).quiet().wait(11).commits("b", 1, 10).fires(&["stale-generation"]);
        story(4).commits("a", 2, 4).fires(&["stale-generation"]);
    }

    #[test]
    fn who_is_no_member_commits_to_an_empty_group_only() {
        story(4).wait(11).commits("", -1, 2).fires(&["from-outside"]);
        story(4).leaves("a", "left").group_is(GroupState::Empty, 2).wait(11).commits("", -1, 2).quiet();
    }

    #[test]
    fn a_coordinator_that_reads_its_groups_again_forgets_what_it_saw_before() {
        story(4).coordinator(2).coordinator(1).wait(11).commits("", -1, 2).group_is(GroupState::Stable, 1).quiet();
    }

    #[test]
    fn offsets_expire_only_when_nobody_reads() {
        // offsets-expire-while-live, KAFKA-4682.
        story(4).forgets(4, "expired").fires(&["expired-while-read"]);
        story(4).forgets(4, "deleted").fires(&["deleted-while-read"]);
        story(4)
            .leaves("a", "left")
            .group_is(GroupState::Empty, 2)
            .forgets(4, "expired")
            .served_offset("a", -1)
            .quiet();
        story(4).recreate().forgets(4, "deleted").quiet();
    }

    #[test]
    fn a_forgotten_offset_may_return_with_a_lost_tombstone() {
        let mut story = story(4);
        story.leaves("a", "left").group_is(GroupState::Empty, 2).forgets(4, "expired").coordinator(2);
        story.served_offset("a", 4).quiet();
    }

    #[test]
    fn a_member_commits_only_what_it_was_given() {
        story(4).commits("a", 1, 6).fires(&["unread"]);
        story(4).moves("a", "seek", 4, 8).commits("a", 1, 8).quiet();
        story(4).produce_as(1, 1, 9, 0, -1).moves("a", "seek", 4, 10).commits("a", 1, 11).quiet();
    }

    #[test]
    fn a_stored_offset_of_an_earlier_assignment_is_not_committed_again() {
        // store-offset-after-revoke, librdkafka before 1.9.0.
        let mut story = handed_over();
        story.gives("b", 2, &[0]).generation(3, &[("a", &[0]), ("b", &[])]).takes("a", 3, &[0]).commits("a", 3, 4);
        story.fires(&["went-back"]);
    }

    #[test]
    fn a_member_does_not_take_back_its_own_commit_but_after_a_reset() {
        story(4).commits("a", 1, 3).fires(&["went-back"]);
        story(4).moves("a", "seek", 4, 2).reads("a", 2).commits("a", 1, 3).quiet();
        story(4).commit_failed("a", 1, 3, "NETWORK_EXCEPTION").commits("a", 1, 3).quiet();
    }

    #[test]
    fn a_commit_of_the_owner_before_that_was_still_under_way_may_be_passed_below() {
        let mut story = story(2);
        let late = story.reads("a", 2).reads("a", 3).reads("a", 4).writes_commit();
        story.gives("a", 1, &[0]).joins("b", "").generation(2, &[("a", &[]), ("b", &[0])]).takes("b", 2, &[0]);
        story.served_offset("b", 2).starts("b", 2).commits_at("a", 1, 5, late);
        story.reads("b", 2).commits("b", 2, 3).quiet();
    }

    #[test]
    fn what_polls_returned_is_committed_before_a_partition_is_given_up() {
        // fetch-during-revocation-commit, KAFKA-14196: the commit was under way when the poll returned more.
        story(4).reads("a", 4).commit_acked("a", 1, 4).gives("a", 1, &[0]).fires(&["revoked-uncommitted"]);
        story(4).reads("a", 4).commits("a", 1, 5).commit_acked("a", 1, 5).gives("a", 1, &[0]).quiet();
        story(4)
            .reads("a", 4)
            .commit_acked("a", 1, 4)
            .commit_failed("a", 1, 5, "NOT_COORDINATOR")
            .gives("a", 1, &[0])
            .quiet();
        story(4).reads("a", 4).commit_acked("a", 1, 4).wait(300).gives("a", 1, &[0]).quiet();
        story(4).reads("a", 4).commit_acked("a", 1, 4).loses("a", 1, &[0]).quiet();
    }
}
