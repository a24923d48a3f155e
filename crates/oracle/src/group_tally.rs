//! Counts what consumer groups went through: generations, commits, records processed again, partitions without owner.

use std::collections::BTreeMap;

use serde::Serialize;
use trace::{Event, EventKind, GroupState, Name, Partition, Phase};

use crate::Context;
use crate::sparse::{Sparse, Table};

/// One group's row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct GroupRow {
    /// The group.
    pub group: Name,
    /// Its generations that had members.
    pub generations: u64,
    /// How often its members were asked to join again.
    pub rebalances: u64,
    /// The most members it had at once.
    pub members: u32,
    /// Commits accepted, counted by partition.
    pub commits: u64,
    /// How often a record was processed that a member had processed before.
    pub reprocessed: u64,
    /// The longest that a partition was without owner after it had its first, in nanoseconds.
    pub unowned_longest_ns: u64,
    /// All that time, of all partitions.
    pub unowned_total_ns: u64,
}

/// Who has a partition.
#[derive(Default)]
struct Ownership {
    owners: Vec<Name>,
    /// Since when nobody has it.
    unowned_since: Option<u64>,
}

/// What a group adds up to.
#[derive(Default)]
struct Sums {
    /// The last generation that had members.
    generation: i32,
    generations: u64,
    rebalances: u64,
    members: u32,
    commits: u64,
    reprocessed: u64,
    processed: Table<Name, Sparse<bool>>,
    partitions: Table<Partition, Ownership>,
    unowned_longest_ns: u64,
    unowned_total_ns: u64,
}

/// The groups' part of a [`Tally`](crate::Tally). Owners are counted as consumers believe, until the clients have stopped.
#[derive(Default)]
pub(crate) struct GroupTally {
    groups: BTreeMap<Name, Sums>,
    /// The group of every client that is in one.
    members: Table<Name, Name>,
    stopped: bool,
}

impl GroupTally {
    pub fn new(context: &Context) -> GroupTally {
        let members = context.clients.iter().filter_map(|(name, facts)| Some((*name, facts.group?)));
        GroupTally { members: members.collect(), ..GroupTally::default() }
    }

    /// Counts an event.
    pub fn observe(&mut self, event: &Event) {
        match &event.kind {
            EventKind::GroupStateChanged { group, state, generation, members } => {
                let sums = self.groups.entry(*group).or_default();
                sums.members = sums.members.max(*members);
                sums.rebalances += u64::from(*state == GroupState::PreparingRebalance);
                // A deposed coordinator's attempts are of numbers that another has given.
                if *state == GroupState::CompletingRebalance && *generation > sums.generation {
                    (sums.generation, sums.generations) = (*generation, sums.generations + 1);
                }
            }
            EventKind::OffsetCommitted { group, .. } => self.groups.entry(*group).or_default().commits += 1,
            EventKind::RecordProcessed { sequence, producer, .. } => {
                let Some(group) = self.members.get(&event.node).filter(|_| !self.stopped) else { return };
                let sums = self.groups.entry(*group).or_default();
                let processed = sums.processed.entry(*producer).or_default().slot(*sequence);
                sums.reprocessed += u64::from(std::mem::replace(processed, true));
            }
            EventKind::PartitionsAssigned { group, partitions, .. } if !self.stopped => {
                let sums = self.groups.entry(*group).or_default();
                partitions.iter().for_each(|partition| sums.take(*partition, event));
            }
            EventKind::PartitionsRevoked { group, partitions, .. } if !self.stopped => {
                let sums = self.groups.entry(*group).or_default();
                for partition in partitions {
                    if let Some(ownership) = sums.partitions.get_mut(partition) {
                        ownership.give_up(event.node, event.at);
                    }
                }
            }
            EventKind::NodeStopped { .. } if !self.stopped => {
                let Some(sums) = self.members.get(&event.node).and_then(|group| self.groups.get_mut(group)) else {
                    return;
                };
                sums.partitions.values_mut().for_each(|ownership| ownership.give_up(event.node, event.at));
            }
            EventKind::PhaseBegan { phase: Phase::Verify } => self.finish(event.at),
            _ => {}
        }
    }

    /// Nobody owns anything from here on, and that counts no more.
    pub fn finish(&mut self, now: u64) {
        self.stopped = true;
        self.groups.values_mut().for_each(|sums| sums.close_all(now));
    }

    /// The rows of the report.
    pub fn rows(&self) -> Vec<GroupRow> {
        let row = |(group, sums): (&Name, &Sums)| GroupRow {
            group: *group,
            generations: sums.generations,
            rebalances: sums.rebalances,
            members: sums.members,
            commits: sums.commits,
            reprocessed: sums.reprocessed,
            unowned_longest_ns: sums.unowned_longest_ns,
            unowned_total_ns: sums.unowned_total_ns,
        };
        self.groups.iter().map(row).collect()
    }
}

impl Ownership {
    fn give_up(&mut self, client: Name, now: u64) {
        let had = self.owners.len();
        self.owners.retain(|owner| *owner != client);
        if had > 0 && self.owners.is_empty() {
            self.unowned_since = Some(now);
        }
    }
}

impl Sums {
    fn take(&mut self, partition: Partition, event: &Event) {
        let ownership = self.partitions.entry(partition).or_default();
        if !ownership.owners.contains(&event.node) {
            ownership.owners.push(event.node);
        }
        let gap = ownership.unowned_since.take().map_or(0, |since| event.at.saturating_sub(since));
        self.count(gap);
    }

    fn count(&mut self, gap: u64) {
        self.unowned_longest_ns = self.unowned_longest_ns.max(gap);
        self.unowned_total_ns += gap;
    }

    fn close_all(&mut self, now: u64) {
        let open = self.partitions.values_mut().filter_map(|ownership| ownership.unowned_since.take());
        let gaps: Vec<u64> = open.map(|since| now.saturating_sub(since)).collect();
        gaps.into_iter().for_each(|gap| self.count(gap));
    }
}

#[cfg(test)]
mod tests {
    use trace::GroupState;

    use crate::story::Story;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn generations_commits_and_members_are_counted() {
        let mut story = Story::grouped("assignment");
        story.joins("b", "").group_is(GroupState::PreparingRebalance, 1);
        story.generation(2, &[("a", &[0]), ("b", &[1])]).commits("a", 2, 1).commits("a", 2, 2);
        story.coordinator(2).group_is(GroupState::Stable, 2);
        let row = story.summary().groups[0];
        assert_eq!((row.group.as_str(), row.generations, row.rebalances), ("mail", 2, 1));
        assert_eq!((row.members, row.commits), (1, 2));
    }

    #[test]
    fn a_record_that_any_member_had_processed_is_reprocessed() {
        let mut story = Story::grouped("assignment");
        story.sent(0).sent(1).processes("a", 0).processes("a", 1).processes("b", 1).processes("b", 1);
        story.verify().processes("a", 0);
        assert_eq!(story.summary().groups[0].reprocessed, 2);
    }

    #[test]
    fn a_partition_is_without_owner_from_the_last_ones_leave_to_the_next_ones_arrival() {
        let mut story = Story::grouped("assignment");
        story.wait(100).takes("a", 1, &[0]).gives("a", 1, &[0]).wait(3).takes("b", 2, &[0]);
        story.wait(50).kill_client("mail-service-1").wait(5).takes("a", 3, &[0]).wait(50);
        let row = story.summary().groups[0];
        assert_eq!((row.unowned_longest_ns / SECOND, row.unowned_total_ns / SECOND), (5, 8));
        story.loses("a", 3, &[0]).wait(7).verify().wait(100);
        assert_eq!(story.summary().groups[0].unowned_longest_ns / SECOND, 7, "until the clients stopped");
    }

    #[test]
    fn while_two_believe_to_own_a_partition_it_is_not_without_owner() {
        let mut story = Story::grouped("assignment");
        story.takes("a", 1, &[0]).takes("b", 2, &[0]).loses("a", 1, &[0]).wait(9).gives("b", 2, &[0]);
        assert_eq!(story.summary().groups[0].unowned_total_ns, 0);
    }
}
