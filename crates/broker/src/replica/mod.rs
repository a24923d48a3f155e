//! The functional core of one replica of a partition: what it decides when the controller, followers or time speak.
//!
//! Nothing here touches a disk or a socket. The log's end and the high watermark come in as numbers.

mod follower;
mod leader;

pub use follower::{Start, Truncation, start_following, truncation};
pub use leader::{Acknowledgement, IsrChange, Leader, Progress};

use wire::kafka::ErrorCode;

use crate::flaws::{Flaw, Flaws};

/// What the controller says about a partition in a LeaderAndIsr request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Assignment {
    /// Epoch of the controller that decided it.
    pub controller_epoch: i32,
    /// The leader's broker id, or -1.
    pub leader: i32,
    /// The leader epoch.
    pub leader_epoch: i32,
    /// The in-sync replicas.
    pub isr: Vec<i32>,
    /// Version of the partition's state znode.
    pub partition_epoch: i32,
    /// All replicas, preferred leader first.
    pub replicas: Vec<i32>,
}

/// What a broker becomes by a LeaderAndIsr request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transition {
    /// The leader.
    Lead,
    /// A follower of this broker, or of nobody (-1).
    Follow(i32),
}

/// What `local` becomes, given the leader epoch it has (-1 before the first).
///
/// # Errors
/// `STALE_CONTROLLER_EPOCH` if the epoch is not newer, as Kafka answers; `UNKNOWN_TOPIC_OR_PARTITION` if the broker is
/// no replica.
pub fn transition(local: i32, current_epoch: i32, asked: &Assignment) -> Result<Transition, ErrorCode> {
    if asked.leader_epoch <= current_epoch {
        return Err(ErrorCode::StaleControllerEpoch);
    }
    if !asked.replicas.contains(&local) {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    Ok(if asked.leader == local { Transition::Lead } else { Transition::Follow(asked.leader) })
}

/// Compares the leader epoch that a request believes in (-1: it does not say) with the replica's own (KIP-320).
///
/// # Errors
/// `FENCED_LEADER_EPOCH` if the request is behind, `UNKNOWN_LEADER_EPOCH` if this replica is.
pub fn check_leader_epoch(asked: i32, current: i32) -> Result<(), ErrorCode> {
    match asked {
        -1 => Ok(()),
        asked if asked < current => Err(ErrorCode::FencedLeaderEpoch),
        asked if asked > current => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// Which control requests a broker obeys: none of an older controller than one it has heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ControlFence {
    controller_epoch: i32,
}

impl ControlFence {
    /// The highest controller epoch obeyed so far, 0 before the first.
    pub fn controller_epoch(&self) -> i32 {
        self.controller_epoch
    }

    /// Checks a control request, and remembers its controller epoch if it is to be obeyed. A *larger* broker epoch than
    /// the own is obeyed: the controller may learn of a registration before its broker does (KAFKA-9839).
    ///
    /// # Errors
    /// `STALE_BROKER_EPOCH` if the request is for an earlier incarnation (KIP-380), `STALE_CONTROLLER_EPOCH` if it is
    /// from an earlier controller.
    pub fn admit(
        &mut self,
        controller_epoch: i32,
        broker_epoch: i64,
        own_broker_epoch: i64,
        flaws: Flaws,
    ) -> Result<(), ErrorCode> {
        let newest = if flaws.has(Flaw::FutureEpochReject) { own_broker_epoch } else { i64::MAX };
        if broker_epoch != -1 && !(own_broker_epoch..=newest).contains(&broker_epoch) {
            return Err(ErrorCode::StaleBrokerEpoch);
        }
        if controller_epoch < self.controller_epoch && !flaws.has(Flaw::StaleLeaderAndIsr) {
            return Err(ErrorCode::StaleControllerEpoch);
        }
        self.controller_epoch = controller_epoch;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_newer_leader_epoch_changes_a_replica() {
        let asked = |leader, leader_epoch, replicas: &[i32]| Assignment {
            leader,
            leader_epoch,
            replicas: replicas.to_vec(),
            ..Assignment::default()
        };
        let cases = [
            (asked(1, 0, &[1, 2]), -1, Ok(Transition::Lead)),
            (asked(2, 0, &[1, 2]), -1, Ok(Transition::Follow(2))),
            (asked(-1, 4, &[1, 2]), 3, Ok(Transition::Follow(-1))),
            (asked(1, 3, &[1, 2]), 3, Err(ErrorCode::StaleControllerEpoch)),
            (asked(1, 2, &[1, 2]), 3, Err(ErrorCode::StaleControllerEpoch)),
            (asked(2, 5, &[2, 3]), 3, Err(ErrorCode::UnknownTopicOrPartition)),
        ];
        for (assignment, current, expected) in cases {
            assert_eq!(transition(1, current, &assignment), expected, "{assignment:?} at epoch {current}");
        }
    }

    #[test]
    fn a_request_of_another_leader_epoch_is_fenced() {
        assert_eq!(check_leader_epoch(-1, 7), Ok(()));
        assert_eq!(check_leader_epoch(7, 7), Ok(()));
        assert_eq!(check_leader_epoch(6, 7), Err(ErrorCode::FencedLeaderEpoch));
        assert_eq!(check_leader_epoch(8, 7), Err(ErrorCode::UnknownLeaderEpoch));
    }

    #[test]
    fn control_requests_of_the_past_are_refused_and_of_the_future_obeyed() {
        let mut fence = ControlFence::default();
        assert_eq!(fence.admit(3, 100, 100, Flaws::NONE), Ok(()));
        assert_eq!(fence.admit(2, 100, 100, Flaws::NONE), Err(ErrorCode::StaleControllerEpoch));
        assert_eq!(fence.admit(3, 99, 100, Flaws::NONE), Err(ErrorCode::StaleBrokerEpoch));
        assert_eq!(fence.admit(3, 101, 100, Flaws::NONE), Ok(()), "KAFKA-9839");
        assert_eq!(fence.admit(9, 99, 100, Flaws::NONE), Err(ErrorCode::StaleBrokerEpoch));
        assert_eq!(fence.controller_epoch(), 3, "a refused request leaves no trace");
        let future = Flaws::NONE.with(Flaw::FutureEpochReject);
        assert_eq!(fence.admit(3, 101, 100, future), Err(ErrorCode::StaleBrokerEpoch));
        assert_eq!(fence.admit(2, 100, 100, Flaws::NONE.with(Flaw::StaleLeaderAndIsr)), Ok(()));
    }
}
