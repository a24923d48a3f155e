//! Groups: what coordinators and members tell. The group is `mail`, its topic email, its coordinator broker 1.

use trace::{EventKind, GroupState, Name, Partition};

use super::Story;

fn mail() -> Name {
    Name::new("mail")
}

fn partitions(indexes: &[i32]) -> Box<[Partition]> {
    indexes.iter().map(|index| Partition::new("email", *index)).collect()
}

/// The coordinator.
impl Story {
    pub fn member_joins(&mut self, member: &str, instance: &str, client: &str) -> &mut Story {
        let (member, instance, client) = (Name::new(member), Name::new(instance), Name::new(client));
        self.on(1, EventKind::MemberJoined { group: mail(), member, instance, client, generation: 0 })
    }

    pub fn member_leaves(&mut self, member: &str, reason: &str) -> &mut Story {
        let (member, reason) = (Name::new(member), Name::new(reason));
        self.on(1, EventKind::MemberLeft { group: mail(), member, reason, generation: 0 })
    }

    pub fn assigns(&mut self, generation: i32, member: &str, indexes: &[i32]) -> &mut Story {
        let (member, partitions) = (Name::new(member), partitions(indexes));
        self.on(1, EventKind::MemberAssigned { group: mail(), member, generation, partitions })
    }

    pub fn group_state(&mut self, id: i32, state: GroupState, generation: i32, members: u32) -> &mut Story {
        self.on(id, EventKind::GroupStateChanged { group: mail(), state, generation, members })
    }

    pub fn commits(&mut self, id: i32, member: &str, offset: i64) -> &mut Story {
        let (partition, member) = (Partition::new("email", 0), Name::new(member));
        self.on(id, EventKind::OffsetCommitted { group: mail(), partition, offset, member, generation: 1, at: 0 })
    }

    pub fn tells_offset(&mut self, id: i32, offset: i64) -> &mut Story {
        let (partition, client) = (Partition::new("email", 0), Name::new(super::CONSUMER));
        self.on(id, EventKind::OffsetServed { group: mail(), partition, offset, client })
    }

    pub fn forgets(&mut self, id: i32, reason: &str) -> &mut Story {
        let (partition, reason) = (Partition::new("email", 0), Name::new(reason));
        self.on(id, EventKind::OffsetForgotten { group: mail(), partition, offset: 0, reason })
    }
}

/// Members.
impl Story {
    pub fn answered_join(&mut self, client: &str, member: &str, generation: i32) -> &mut Story {
        let (member, protocol) = (Name::new(member), Name::new("range"));
        self.tell(client, EventKind::GroupJoined { group: mail(), member, generation, leads: false, protocol })
    }

    pub fn takes(&mut self, client: &str, member: &str, generation: i32, indexes: &[i32]) -> &mut Story {
        let (member, partitions) = (Name::new(member), partitions(indexes));
        self.tell(client, EventKind::PartitionsAssigned { group: mail(), member, generation, partitions })
    }

    pub fn gives_up(&mut self, client: &str, member: &str, generation: i32, indexes: &[i32]) -> &mut Story {
        let (member, partitions) = (Name::new(member), partitions(indexes));
        self.tell(client, EventKind::PartitionsRevoked { group: mail(), member, generation, lost: false, partitions })
    }

    pub fn commit_acked(&mut self, client: &str, offset: i64) -> &mut Story {
        let partition = Partition::new("email", 0);
        self.tell(client, EventKind::CommitAcked { group: mail(), partition, offset, generation: 1 })
    }

    pub fn position(&mut self, client: &str, from: i64, to: i64, reason: &str) -> &mut Story {
        let (partition, reason) = (Partition::new("email", 0), Name::new(reason));
        self.tell(client, EventKind::PositionReset { partition, from, to, reason })
    }

    pub fn processed_by(&mut self, client: &str, offset: i64, sequence: u64) -> &mut Story {
        let (partition, producer, key) = (Partition::new("email", 0), Name::new(super::PRODUCER), sequence as u32);
        self.tell(client, EventKind::RecordProcessed { partition, offset, sequence, producer, key })
    }
}
