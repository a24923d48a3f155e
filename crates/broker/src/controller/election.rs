//! Who leads a partition: decisions about one partition, whatever stores them.

/// A partition's leadership as it is stored.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LeaderAndIsr {
    /// The leader's broker id, or -1.
    pub leader: i32,
    /// The leader epoch.
    pub leader_epoch: i32,
    /// The in-sync replicas.
    pub isr: Vec<i32>,
    /// Epoch of the controller that decided it.
    pub controller_epoch: i32,
    /// The version it is stored as.
    pub partition_epoch: i32,
}

/// Stands for no leader.
pub const NO_LEADER: i32 = -1;

impl LeaderAndIsr {
    /// The next epoch with this leader and ISR, decided by the controller of `controller_epoch`.
    fn next(&self, leader: i32, isr: Vec<i32>, controller_epoch: i32) -> LeaderAndIsr {
        LeaderAndIsr {
            leader,
            leader_epoch: self.leader_epoch + 1,
            isr,
            controller_epoch,
            partition_epoch: self.partition_epoch,
        }
    }
}

/// What is decided, to be stored where `partition_epoch` still is the version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The next leadership.
    pub next: LeaderAndIsr,
    /// Whether the leader comes from outside the ISR.
    pub unclean: bool,
}

impl Decision {
    fn clean(next: LeaderAndIsr) -> Decision {
        Decision { next, unclean: false }
    }
}

/// A new partition's first leadership: the first live replica leads, all live ones are in sync. None if none lives.
pub fn initial(replicas: &[i32], controller_epoch: i32, live: impl Fn(i32) -> bool) -> Option<LeaderAndIsr> {
    let isr: Vec<i32> = replicas.iter().copied().filter(|id| live(*id)).collect();
    let leader = *isr.first()?;
    Some(LeaderAndIsr { leader, leader_epoch: 0, isr, controller_epoch, partition_epoch: 0 })
}

/// A leader for a partition that has none alive: the first live replica in the ISR; else, if `unclean` elections are
/// allowed, the first live replica, which then is the whole ISR.
pub fn offline(
    replicas: &[i32],
    current: &LeaderAndIsr,
    controller_epoch: i32,
    unclean: bool,
    live: impl Fn(i32) -> bool,
) -> Option<Decision> {
    let in_sync = |id: &&i32| live(**id) && current.isr.contains(id);
    if let Some(leader) = replicas.iter().find(in_sync) {
        let isr = current.isr.iter().copied().filter(|id| live(*id)).collect();
        return Some(Decision::clean(current.next(*leader, isr, controller_epoch)));
    }
    let leader = *replicas.iter().find(|id| live(**id)).filter(|_| unclean)?;
    Some(Decision { next: current.next(leader, vec![leader], controller_epoch), unclean: true })
}

/// The preferred leader, if it can lead and does not.
pub fn preferred(
    replicas: &[i32],
    current: &LeaderAndIsr,
    controller_epoch: i32,
    live: impl Fn(i32) -> bool,
) -> Option<Decision> {
    let preferred = *replicas.first()?;
    let eligible = live(preferred) && current.isr.contains(&preferred) && current.leader != preferred;
    eligible.then(|| Decision::clean(current.next(preferred, current.isr.clone(), controller_epoch)))
}

/// Leadership moves off a broker that is about to stop, to the first other live replica in the ISR.
pub fn moved_off(
    broker: i32,
    replicas: &[i32],
    current: &LeaderAndIsr,
    controller_epoch: i32,
    live: impl Fn(i32) -> bool,
) -> Option<Decision> {
    let successor = |id: &&i32| **id != broker && live(**id) && current.isr.contains(id);
    let leader = replicas.iter().find(successor)?;
    let isr = current.isr.iter().copied().filter(|id| *id != broker).collect();
    Some(Decision::clean(current.next(*leader, isr, controller_epoch)))
}

/// A broker leaves the ISR. The last member stays, and only it may lead again (KAFKA-5083). None if it is no member, or
/// the last one of a partition that knows already that it has no leader.
pub fn removed_from_isr(broker: i32, current: &LeaderAndIsr, controller_epoch: i32) -> Option<Decision> {
    if !current.isr.contains(&broker) {
        return None;
    }
    let leader = if current.leader == broker { NO_LEADER } else { current.leader };
    let mut isr = current.isr.clone();
    if isr.len() > 1 {
        isr.retain(|id| *id != broker);
    }
    if isr == current.isr && leader == current.leader {
        return None;
    }
    Some(Decision::clean(current.next(leader, isr, controller_epoch)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(leader: i32, isr: &[i32]) -> LeaderAndIsr {
        LeaderAndIsr { leader, leader_epoch: 4, isr: isr.to_vec(), controller_epoch: 1, partition_epoch: 9 }
    }

    fn among(live: &[i32]) -> impl Fn(i32) -> bool + '_ {
        |id| live.contains(&id)
    }

    /// (leader, ISR, unclean) of a decision of controller epoch 2.
    fn told(decision: Option<Decision>) -> Option<(i32, Vec<i32>, bool)> {
        let decision = decision?;
        assert_eq!((decision.next.leader_epoch, decision.next.controller_epoch), (5, 2), "a decision begins an epoch");
        assert_eq!(decision.next.partition_epoch, 9, "stored on condition of the version it came from");
        Some((decision.next.leader, decision.next.isr, decision.unclean))
    }

    #[test]
    fn an_offline_partition_is_led_by_the_first_live_replica_in_sync() {
        // (replicas, isr, live, unclean allowed, expected)
        type Case = (&'static [i32], &'static [i32], &'static [i32], bool, Option<(i32, Vec<i32>, bool)>);
        let cases: &[Case] = &[
            (&[1, 2, 3], &[1, 2, 3], &[2, 3], false, Some((2, vec![2, 3], false))),
            (&[3, 2, 1], &[1, 2, 3], &[1, 2], false, Some((2, vec![1, 2], false))),
            (&[1, 2, 3], &[1, 3], &[2, 3], false, Some((3, vec![3], false))),
            (&[1, 2, 3], &[1], &[2, 3], false, None),
            (&[1, 2, 3], &[1], &[2, 3], true, Some((2, vec![2], true))),
            (&[1, 2, 3], &[1, 3], &[2, 3], true, Some((3, vec![3], false))),
            (&[1, 2, 3], &[1], &[], true, None),
        ];
        for (replicas, isr, live, unclean, expected) in cases {
            let decision = offline(replicas, &stored(1, isr), 2, *unclean, among(live));
            assert_eq!(told(decision), *expected, "{replicas:?} isr {isr:?} live {live:?}");
        }
    }

    #[test]
    fn a_new_partition_is_led_by_its_first_live_replica() {
        let first = initial(&[1, 2, 3], 2, among(&[2, 3])).unwrap();
        assert_eq!((first.leader, first.leader_epoch, first.isr), (2, 0, vec![2, 3]));
        assert_eq!(initial(&[1], 2, among(&[2])), None);
    }

    #[test]
    fn the_last_member_stays_in_the_isr() {
        let cases = [
            (1, stored(1, &[1, 2, 3]), Some((-1, vec![2, 3], false))),
            (2, stored(1, &[1, 2, 3]), Some((1, vec![1, 3], false))),
            (1, stored(1, &[1]), Some((-1, vec![1], false))),
            (1, stored(-1, &[1]), None),
            (2, stored(1, &[1]), None),
        ];
        for (broker, current, expected) in cases {
            assert_eq!(told(removed_from_isr(broker, &current, 2)), expected, "{broker} from {current:?}");
        }
    }

    #[test]
    fn the_preferred_leader_returns_only_in_sync() {
        let replicas = [1, 2, 3];
        type Case = (LeaderAndIsr, &'static [i32], Option<(i32, Vec<i32>, bool)>);
        let cases: &[Case] = &[
            (stored(2, &[2, 1]), &[1, 2], Some((1, vec![2, 1], false))),
            (stored(2, &[2, 3]), &[1, 2, 3], None),
            (stored(2, &[2, 1]), &[2], None),
            (stored(1, &[1]), &[1], None),
        ];
        for (current, live, expected) in cases {
            assert_eq!(told(preferred(&replicas, current, 2, among(live))), *expected, "{current:?}");
        }
    }

    #[test]
    fn a_stopping_broker_hands_over_to_the_in_sync_only() {
        let replicas = [1, 2, 3];
        let handed = |isr: &[i32], live: &[i32]| told(moved_off(1, &replicas, &stored(1, isr), 2, among(live)));
        assert_eq!(handed(&[1, 2, 3], &[1, 2, 3]), Some((2, vec![2, 3], false)));
        assert_eq!(handed(&[1, 3], &[1, 2, 3]), Some((3, vec![3], false)));
        assert_eq!(handed(&[1], &[1, 2, 3]), None, "no clean successor");
    }
}
