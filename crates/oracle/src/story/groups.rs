//! A consumer group: its coordinator, its members, their assignments, their commits.
//!
//! The group `mail` lives in `__consumer_offsets/0`. Members `a..` run on mail-service-0, members `b..` on mail-service-1.

use trace::{EventKind, FrameInfo, GroupState, Name, Partition, Protocol};

use super::{CONSUMER, SECOND, Story, broker, email, list};
use crate::fold::Batch;
use crate::{ClientFacts, Commits, Context};

const OTHER: &str = "mail-service-1";

fn mail() -> Name {
    Name::new("mail")
}

fn offsets() -> Partition {
    Partition::new("__consumer_offsets", 0)
}

fn client(member: &str) -> &'static str {
    if member.starts_with('a') { CONSUMER } else { OTHER }
}

fn partitions(indexes: &[i32]) -> Box<[Partition]> {
    indexes.iter().map(|index| Partition::new("email", *index)).collect()
}

fn with_group(mut context: Context) -> Context {
    let facts: &mut ClientFacts = context.clients.get_mut(&Name::new(CONSUMER)).expect("the consumer");
    (facts.group, facts.revocation_commit_ns) = (Some(mail()), 300 * SECOND);
    facts.max_poll_interval_ns = 10 * SECOND;
    let facts = facts.clone();
    context.clients.insert(Name::new(OTHER), facts);
    context
}

impl Story {
    /// A story of a group: broker 1 coordinates it, and its member `a` is alone in generation 1.
    pub fn grouped(slug: &'static str) -> Story {
        let mut story = Story::of(slug);
        story.context = with_group(story.context);
        story.on(1, EventKind::PartitionCreated { partition: offsets(), replicas: list(&[1, 2, 3]) });
        for id in 1..=3 {
            let (partition, log_start, log_end, high_watermark) = (offsets(), 0, 0, 0);
            story.on(id, EventKind::LogLoaded { partition, log_start, log_end, high_watermark, clean: true });
        }
        story.coordinator(1).joins("a", "").generation(1, &[("a", &[0])]);
        story
    }

    /// When members commit.
    pub fn commits_so(&mut self, commits: Commits) -> &mut Story {
        let members = self.context.clients.values_mut().filter(|facts| facts.group.is_some());
        members.for_each(|facts| facts.commits = commits);
        self
    }

    /// The scenario wants to see this violation.
    pub fn wants(&mut self, slug: &str) -> &mut Story {
        self.context.expected.insert(slug.to_owned());
        self
    }

    fn coordinating(&self) -> i32 {
        let decided = self.world.partition(offsets()).and_then(|fold| fold.decided);
        decided.expect("a coordinator").leader
    }

    fn coordinates(&mut self, kind: EventKind) -> &mut Story {
        self.on(self.coordinating(), kind)
    }

    fn offsets_log(&self, id: i32) -> Vec<Batch> {
        let fold = self.world.partition(offsets()).expect("it exists");
        fold.replica(id).map(|replica| replica.log.batches().to_vec()).unwrap_or_default()
    }

    /// A broker is elected for the group's partition and has read it.
    pub fn coordinator(&mut self, id: i32) -> &mut Story {
        let decided = self.world.partition(offsets()).and_then(|fold| fold.decided);
        let (epoch, version) = decided.map_or((0, 0), |decided| (decided.epoch + 1, decided.partition_epoch + 1));
        let (partition, isr, log_end) =
            (offsets(), list(&[1, 2, 3]), self.offsets_log(id).last().map_or(0, Batch::end));
        self.on(
            1,
            EventKind::LeadershipDecided {
                partition,
                leader: id,
                leader_epoch: epoch,
                isr,
                partition_epoch: version,
                controller_epoch: 1,
                unclean: false,
            },
        );
        self.on(id, EventKind::BecameLeader { partition, leader_epoch: epoch, log_end, isr, partition_epoch: version });
        self.on(id, EventKind::CoordinatorLoaded { partition, leader_epoch: epoch, groups: 0, offsets: 0 })
    }

    /// The group's partition is elected uncleanly: its new leader lacks everything.
    pub fn coordinator_without_log(&mut self, id: i32) -> &mut Story {
        let partition = offsets();
        let from = self.offsets_log(id).last().map_or(0, Batch::end);
        self.on(id, EventKind::Truncated { partition, to: 0, from }).coordinator(id)
    }

    pub fn group_is(&mut self, state: GroupState, generation: i32) -> &mut Story {
        self.coordinates(EventKind::GroupStateChanged { group: mail(), state, generation, members: 1 })
    }

    pub fn joins(&mut self, member: &str, instance: &str) -> &mut Story {
        let (group, instance, client) = (mail(), Name::new(instance), Name::new(client(member)));
        let member = Name::new(member);
        self.coordinates(EventKind::MemberJoined { group, member, instance, client, generation: 0 })
    }

    pub fn leaves(&mut self, member: &str, reason: &str) -> &mut Story {
        let (group, member, reason) = (mail(), Name::new(member), Name::new(reason));
        self.coordinates(EventKind::MemberLeft { group, member, reason, generation: 0 })
    }

    /// All members of a generation have joined and are assigned their partitions.
    pub fn generation(&mut self, generation: i32, members: &[(&str, &[i32])]) -> &mut Story {
        self.group_is(GroupState::CompletingRebalance, generation);
        for (member, _) in members {
            let (leads, protocol) = (false, Name::new("cooperative-sticky"));
            let joined =
                EventKind::GroupJoined { group: mail(), member: Name::new(member), generation, leads, protocol };
            self.tell(client(member), joined);
        }
        self.group_is(GroupState::Stable, generation);
        members.iter().fold(self, |story, (member, indexes)| story.is_assigned(member, generation, indexes))
    }

    pub fn is_assigned(&mut self, member: &str, generation: i32, indexes: &[i32]) -> &mut Story {
        let (group, member, partitions) = (mail(), Name::new(member), partitions(indexes));
        self.coordinates(EventKind::MemberAssigned { group, member, generation, partitions })
    }

    /// A member takes partitions over.
    pub fn takes(&mut self, member: &str, generation: i32, indexes: &[i32]) -> &mut Story {
        let (group, id, partitions) = (mail(), Name::new(member), partitions(indexes));
        self.tell(client(member), EventKind::PartitionsAssigned { group, member: id, generation, partitions })
    }

    pub fn gives(&mut self, member: &str, generation: i32, indexes: &[i32]) -> &mut Story {
        self.revoked(member, generation, indexes, false)
    }

    pub fn loses(&mut self, member: &str, generation: i32, indexes: &[i32]) -> &mut Story {
        self.revoked(member, generation, indexes, true)
    }

    fn revoked(&mut self, member: &str, generation: i32, indexes: &[i32], lost: bool) -> &mut Story {
        let (group, id, partitions) = (mail(), Name::new(member), partitions(indexes));
        self.tell(client(member), EventKind::PartitionsRevoked { group, member: id, generation, lost, partitions })
    }

    /// A position moves without delivery.
    pub fn moves(&mut self, member: &str, reason: &str, from: i64, to: i64) -> &mut Story {
        let reason = Name::new(reason);
        self.tell(client(member), EventKind::PositionReset { partition: email(), from, to, reason })
    }

    /// A member begins at the committed offset.
    pub fn starts(&mut self, member: &str, to: i64) -> &mut Story {
        self.moves(member, "committed", -1, to)
    }

    /// A member begins by policy.
    pub fn initial(&mut self, member: &str, to: i64) -> &mut Story {
        self.moves(member, "initial", -1, to)
    }

    pub fn reads(&mut self, member: &str, offset: i64) -> &mut Story {
        self.polled_by(client(member), offset, offset as u64)
    }

    pub fn processes(&mut self, member: &str, offset: i64) -> &mut Story {
        let (partition, sequence, producer) = (email(), offset as u64, Name::new(super::PRODUCER));
        self.tell(client(member), EventKind::RecordProcessed { partition, offset, sequence, producer, key: 0 })
    }

    /// A commit is written and replicated, and its place is where the log ended.
    pub fn commits(&mut self, member: &str, generation: i32, offset: i64) -> &mut Story {
        let at = self.writes_commit();
        self.commits_at(member, generation, offset, at)
    }

    /// The record of a commit is in all logs.
    pub fn writes_commit(&mut self) -> i64 {
        let leader = self.coordinating();
        let leader_epoch = self.world.partition(offsets()).and_then(|fold| fold.decided).expect("decided").epoch;
        let base_offset = self.offsets_log(leader).last().map_or(0, Batch::end);
        self.next_crc += 1;
        let crc = self.next_crc;
        for id in [leader, 1, 2, 3] {
            if id == leader && self.offsets_log(id).last().map_or(0, Batch::end) > base_offset {
                continue;
            }
            let kind = EventKind::Appended {
                partition: offsets(),
                base_offset,
                producer_id: -1,
                records: 1,
                leader_epoch,
                crc,
                sequence: -1,
                producer_epoch: -1,
                leading: id == leader,
            };
            self.on(id, kind);
        }
        base_offset
    }

    pub fn commits_at(&mut self, member: &str, generation: i32, offset: i64, at: i64) -> &mut Story {
        let (group, partition, member) = (mail(), email(), Name::new(member));
        self.coordinates(EventKind::OffsetCommitted { group, partition, offset, member, generation, at })
    }

    pub fn commit_acked(&mut self, member: &str, generation: i32, offset: i64) -> &mut Story {
        let (group, partition) = (mail(), email());
        self.tell(client(member), EventKind::CommitAcked { group, partition, offset, generation })
    }

    pub fn commit_failed(&mut self, member: &str, generation: i32, offset: i64, error: &str) -> &mut Story {
        let (group, partition, error) = (mail(), email(), Name::new(error));
        self.tell(client(member), EventKind::CommitFailed { group, partition, offset, generation, error })
    }

    /// The coordinator tells a member the committed offset.
    pub fn served_offset(&mut self, member: &str, offset: i64) -> &mut Story {
        self.served_offset_by(self.coordinating(), member, offset)
    }

    pub fn served_offset_by(&mut self, id: i32, member: &str, offset: i64) -> &mut Story {
        let (group, partition, client) = (mail(), email(), Name::new(client(member)));
        self.tell(&broker(id), EventKind::OffsetServed { group, partition, offset, client })
    }

    pub fn forgets(&mut self, offset: i64, reason: &str) -> &mut Story {
        let (group, partition, reason) = (mail(), email(), Name::new(reason));
        self.coordinates(EventKind::OffsetForgotten { group, partition, offset, reason })
    }

    /// A broker deletes its replica.
    pub fn stopped(&mut self, id: i32) -> &mut Story {
        self.on(id, EventKind::ReplicaStopped { partition: email(), deleted: true })
    }

    /// The consumer asks for metadata and is answered.
    pub fn learns(&mut self) -> &mut Story {
        let frame = |peer: &str, response: bool| FrameInfo {
            connection: 1,
            peer: Name::new(peer),
            api: Name::new("Metadata"),
            correlation: 1,
            bytes: 100,
            protocol: Protocol::Kafka,
            response,
        };
        let request = EventKind::FrameSent(frame("broker-1", false));
        self.tell(CONSUMER, request).tell(CONSUMER, EventKind::FrameDelivered(frame("broker-1", true)))
    }

    /// The topic is deleted and created anew.
    pub fn recreate(&mut self) -> &mut Story {
        self.stopped(1).stopped(2).stopped(3);
        self.on(1, EventKind::PartitionCreated { partition: email(), replicas: list(&[1, 2, 3]) });
        self.decide_as(1, 0, &[1, 2, 3], 0, 1).leads(1).follows(2).follows(3)
    }
}
