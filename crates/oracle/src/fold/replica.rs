//! A partition: its replicas, its leaders, and what was decided about it.

use trace::{BrokerList, EventId, Partition};

use super::log::ReplicaLog;

/// What a replica believes to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Role {
    #[default]
    None,
    Leader {
        epoch: i32,
        isr: BrokerList,
        /// The ISR it is writing, not yet answered: it counts for the high watermark too (maximal ISR).
        pending: Option<BrokerList>,
    },
    Follower {
        epoch: i32,
    },
}

impl Role {
    /// The leader epoch it is in, or -1.
    pub fn epoch(&self) -> i32 {
        match self {
            Role::None => -1,
            Role::Leader { epoch, .. } | Role::Follower { epoch } => *epoch,
        }
    }

    pub fn leads(&self) -> bool {
        matches!(self, Role::Leader { .. })
    }
}

/// Why a replica's log became shorter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LossCause {
    Truncation,
    PowerLoss,
    DiskReplaced,
    Restart,
}

impl LossCause {
    /// As signatures spell it.
    pub fn word(self) -> &'static str {
        match self {
            LossCause::Truncation => "after-truncation",
            LossCause::PowerLoss => "after-power-loss",
            LossCause::DiskReplaced => "after-disk-replacement",
            LossCause::Restart => "after-restart",
        }
    }
}

/// A replica's log became shorter: `to..from` is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loss {
    pub event: EventId,
    pub to: i64,
    pub from: i64,
    pub cause: LossCause,
}

/// One replica.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub broker: i32,
    pub log: ReplicaLog,
    /// Whether its log was loaded since its process began.
    pub loaded: bool,
    /// Whether its log is deleted, or was on a disk that is gone.
    pub deleted: bool,
    /// Whether power was lost since its log was loaded.
    pub power_lost: bool,
    pub role: Role,
    pub hw: i64,
    /// The leader epoch in which the high watermark moved last, or -1: until it moves in an epoch it is only remembered.
    pub hw_epoch: i32,
    /// Whether the high watermark's next move may be downwards.
    pub hw_may_fall: bool,
    /// The furthest its log has reached in this leader epoch: what its leader may remember of it.
    pub peak: i64,
    /// Whether it lost data in a power loss and has not caught up since.
    pub amnesiac: bool,
    pub losses: Vec<Loss>,
}

impl Replica {
    pub(super) fn new(broker: i32) -> Replica {
        Replica {
            broker,
            log: ReplicaLog::default(),
            loaded: false,
            deleted: false,
            power_lost: false,
            role: Role::None,
            hw: 0,
            hw_epoch: -1,
            hw_may_fall: true,
            peak: 0,
            amnesiac: false,
            losses: Vec::new(),
        }
    }

    /// The last event that took `offset` from this log, before `limit`.
    pub fn loss_of(&self, offset: i64, limit: EventId) -> Option<&Loss> {
        let hit = |loss: &&Loss| loss.event < limit && (loss.to..loss.from).contains(&offset);
        self.losses.iter().rev().find(hit)
    }
}

/// A broker began to lead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Term {
    pub epoch: i32,
    pub broker: i32,
    pub event: EventId,
    pub at: u64,
    /// Its log end then.
    pub start: i64,
    pub unclean: bool,
}

/// The stored state of a partition: leader and ISR.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decision {
    pub event: EventId,
    pub leader: i32,
    pub epoch: i32,
    pub isr: BrokerList,
    pub partition_epoch: i32,
    /// The broker epoch that each ISR member had then (same order), to tell a restarted member from the one meant.
    pub members: [i64; BrokerList::CAPACITY],
}

/// One partition.
#[derive(Clone, Debug)]
pub(crate) struct PartitionFold {
    pub partition: Partition,
    /// When it was created again after its topic was deleted.
    pub recreated: Option<EventId>,
    pub assigned: BrokerList,
    pub replicas: Vec<Replica>,
    /// In the order they began.
    pub terms: Vec<Term>,
    /// The newest stored state.
    pub decided: Option<Decision>,
    /// The first election from outside the ISR: from there on much is void.
    pub unclean: Option<EventId>,
    /// A leader went on in an epoch that it led before, though a power loss took the end of its log: nothing tells apart what was
    /// written in that epoch before and after. A controller that starts anew leaves a leader that is back in office.
    pub rewritten: Option<EventId>,
    /// The first offset that no replica has cleaned. Followers copy what is left, so one that never cleaned may lack it too.
    pub cleaned: i64,
}

impl PartitionFold {
    pub(super) fn new(partition: Partition) -> PartitionFold {
        PartitionFold {
            partition,
            recreated: None,
            assigned: BrokerList::default(),
            replicas: Vec::new(),
            terms: Vec::new(),
            decided: None,
            unclean: None,
            rewritten: None,
            cleaned: 0,
        }
    }

    /// The replica on `broker`.
    pub fn replica(&self, broker: i32) -> Option<&Replica> {
        self.replicas.iter().find(|replica| replica.broker == broker)
    }

    pub(super) fn replica_mut(&mut self, broker: i32) -> &mut Replica {
        let place = self.replicas.iter().position(|replica| replica.broker == broker);
        let place = place.unwrap_or_else(|| {
            self.replicas.push(Replica::new(broker));
            self.replicas.len() - 1
        });
        &mut self.replicas[place]
    }

    /// The newest term: the one of the highest epoch.
    pub fn newest_term(&self) -> Option<&Term> {
        self.terms.iter().max_by_key(|term| term.epoch)
    }

    /// The replica that believes to lead, of the highest epoch.
    pub fn leader(&self) -> Option<&Replica> {
        let leading = self.replicas.iter().filter(|replica| replica.role.leads());
        leading.max_by_key(|replica| replica.role.epoch())
    }
}
