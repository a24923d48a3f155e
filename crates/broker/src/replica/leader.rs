//! A leading replica: its followers' progress, the ISR and the high watermark.

use std::collections::BTreeMap;
use std::time::Duration;

use host::Time;

use super::Assignment;
use crate::flaws::{Flaw, Flaws};

/// How far one follower is, as its leader sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Its log end offset: the offset of its last fetch. -1 until it fetched in this leadership.
    pub log_end: i64,
    /// When it was last known to have all that the leader had, if ever.
    caught_up: Option<Time>,
    /// The leader's log end when it last fetched: having that by its next fetch means it was caught up back then.
    leader_end_then: i64,
    fetched: Option<Time>,
}

impl Progress {
    const UNKNOWN: i64 = -1;

    fn new(in_sync: bool, now: Time) -> Progress {
        let caught_up = in_sync.then_some(now);
        Progress { log_end: Self::UNKNOWN, caught_up, leader_end_then: Self::UNKNOWN, fetched: None }
    }

    fn keeps_up(&self, leader_end: i64, now: Time, lag_max: Duration) -> bool {
        self.log_end == leader_end || self.caught_up.is_some_and(|then| now - then <= lag_max)
    }
}

/// An ISR change the leader wants stored, on condition that the znode still has the version it knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IsrChange {
    /// The ISR it wants.
    pub isr: Vec<i32>,
    /// Its leader epoch.
    pub leader_epoch: i32,
    /// Epoch of the controller that made it leader: the znode repeats it.
    pub controller_epoch: i32,
    /// The znode's version it knows.
    pub partition_epoch: i32,
}

/// How an acks=all produce request stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acknowledgement {
    /// The high watermark has not reached it.
    Waiting,
    /// It is replicated.
    Replicated,
    /// It is below the high watermark, but the ISR has become too small meanwhile.
    NotEnoughReplicas,
}

/// The state of a leading replica.
#[derive(Clone, Debug)]
pub struct Leader {
    local: i32,
    controller_epoch: i32,
    epoch: i32,
    epoch_start: i64,
    since: i32,
    partition_epoch: i32,
    replicas: Vec<i32>,
    isr: Vec<i32>,
    pending: Option<IsrChange>,
    followers: BTreeMap<i32, Progress>,
}

impl Leader {
    /// `local` leads by this assignment; its log ends at `log_end`. `before` is its state if it led already: a
    /// re-elected leader still knows where its followers are.
    pub fn new(local: i32, by: &Assignment, log_end: i64, now: Time, before: Option<Leader>) -> Leader {
        let since = before.as_ref().map_or(by.leader_epoch, |before| before.since);
        let known = before.map(|before| before.followers).unwrap_or_default();
        let follower = |id: &i32| {
            let mut progress = Progress::new(by.isr.contains(id), now);
            if let Some(known) = known.get(id) {
                progress.log_end = known.log_end;
                progress.caught_up = progress.caught_up.or(known.caught_up);
                progress.leader_end_then = log_end;
                progress.fetched = progress.caught_up.and(Some(now));
            }
            (*id, progress)
        };
        Leader {
            local,
            controller_epoch: by.controller_epoch,
            epoch: by.leader_epoch,
            epoch_start: log_end,
            since,
            partition_epoch: by.partition_epoch,
            replicas: by.replicas.clone(),
            isr: by.isr.clone(),
            pending: None,
            followers: by.replicas.iter().filter(|id| **id != local).map(follower).collect(),
        }
    }

    /// The leader epoch.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// The log end offset when this epoch began.
    pub fn epoch_start(&self) -> i64 {
        self.epoch_start
    }

    /// The first epoch of this unbroken leadership: what was appended in it was never truncated here since.
    pub fn since(&self) -> i32 {
        self.since
    }

    /// The ISR as stored, as far as this leader knows.
    pub fn isr(&self) -> &[i32] {
        &self.isr
    }

    /// All replicas, preferred leader first.
    pub fn replicas(&self) -> &[i32] {
        &self.replicas
    }

    /// A follower's progress; none if the broker is no replica.
    pub fn follower(&self, id: i32) -> Option<&Progress> {
        self.followers.get(&id)
    }

    /// The largest ISR that may be stored: while a change is pending nobody knows whether it took effect, so what it
    /// adds counts already and what it removes counts still (`maximalIsr` in Kafka, AsyncIsr.tla).
    pub fn maximal_isr(&self) -> Vec<i32> {
        let mut maximal = self.isr.clone();
        let proposed = self.pending.iter().flat_map(|change| &change.isr);
        maximal.extend(proposed.filter(|id| !self.isr.contains(id)));
        maximal
    }

    /// A follower asks for records from `offset` on, and so has all before. Returns whether its log end moved;
    /// none if it is no replica.
    pub fn fetched(&mut self, follower: i32, offset: i64, leader_end: i64, now: Time) -> Option<bool> {
        let progress = self.followers.get_mut(&follower)?;
        if offset >= leader_end {
            progress.caught_up = progress.caught_up.max(Some(now));
        } else if offset >= progress.leader_end_then {
            progress.caught_up = progress.caught_up.max(progress.fetched);
        }
        let moved = progress.log_end != offset;
        progress.log_end = offset;
        progress.leader_end_then = leader_end;
        progress.fetched = Some(now);
        Some(moved)
    }

    /// Where the high watermark moves, if it does: to the smallest log end among the maximal ISR and the live followers
    /// that keep up and so are about to join, lest it run away from them. It stands still while the ISR is under
    /// `min_isr` (KAFKA-15583). `leader_end` is the part of the own log that may count.
    pub fn high_watermark(
        &self,
        leader_end: i64,
        current: i64,
        min_isr: usize,
        (now, lag_max): (Time, Duration),
        alive: impl Fn(i32) -> bool,
        flaws: Flaws,
    ) -> Option<i64> {
        if self.isr.len() < min_isr && !flaws.has(Flaw::HwAdvancesUnderMinIsr) {
            return None;
        }
        let optimistic = flaws.has(Flaw::OptimisticIsrHw) && self.pending.is_some();
        let maximal = if optimistic { self.isr.clone() } else { self.maximal_isr() };
        let counts = |id: i32, progress: &Progress| {
            maximal.contains(&id) || (!optimistic && progress.keeps_up(leader_end, now, lag_max) && alive(id))
        };
        let ends = self.followers.iter().filter(|(id, progress)| counts(**id, progress)).map(|(_, it)| it.log_end);
        let lowest = ends.fold(leader_end, i64::min);
        (lowest > current).then_some(lowest)
    }

    /// The change that lets `follower` in, if it is time: it must hold all below the high watermark, *and* all from
    /// before this epoch, since a new leader's high watermark lags what is committed (KAFKA-7128).
    pub fn expand(
        &mut self,
        follower: i32,
        high_watermark: i64,
        alive: impl Fn(i32) -> bool,
        flaws: Flaws,
    ) -> Option<IsrChange> {
        let progress = self.followers.get(&follower)?;
        let epoch_start = if flaws.has(Flaw::IsrJoinBeforeEpochStart) { 0 } else { self.epoch_start };
        let in_sync = progress.log_end >= high_watermark && progress.log_end >= epoch_start;
        if self.pending.is_some() || self.isr.contains(&follower) || !in_sync || !alive(follower) {
            return None;
        }
        let mut isr = self.isr.clone();
        isr.push(follower);
        Some(self.propose(isr))
    }

    /// The change that puts out whoever has not caught up for `lag_max`, and who that is.
    pub fn shrink(&mut self, leader_end: i64, now: Time, lag_max: Duration) -> Option<(IsrChange, Vec<i32>)> {
        let lags = |id: &i32| self.followers.get(id).is_some_and(|it| !it.keeps_up(leader_end, now, lag_max));
        let (late, isr): (Vec<i32>, Vec<i32>) = self.isr.iter().partition(|id| lags(id));
        if self.pending.is_some() || late.is_empty() {
            return None;
        }
        Some((self.propose(isr), late))
    }

    fn propose(&mut self, isr: Vec<i32>) -> IsrChange {
        assert!(self.pending.is_none(), "one ISR change at a time");
        assert!(isr.contains(&self.local), "a leader is in its own ISR");
        let change = IsrChange {
            isr,
            leader_epoch: self.epoch,
            controller_epoch: self.controller_epoch,
            partition_epoch: self.partition_epoch,
        };
        self.pending = Some(change.clone());
        change
    }

    /// A change was stored as version `partition_epoch`. False if it is not the pending one any more. A refused change
    /// stays pending: somebody else has written, and the next LeaderAndIsr will tell what.
    pub fn stored(&mut self, change: &IsrChange, partition_epoch: i32) -> bool {
        if self.pending.as_ref() != Some(change) {
            return false;
        }
        self.isr.clone_from(&change.isr);
        self.partition_epoch = partition_epoch;
        self.pending = None;
        true
    }

    /// Whether `change` still waits for its fate.
    pub fn is_pending(&self, change: &IsrChange) -> bool {
        self.pending.as_ref() == Some(change)
    }

    /// How a request stands whose last record must be below `required`.
    pub fn acknowledgement(&self, required: i64, high_watermark: i64, min_isr: usize) -> Acknowledgement {
        match (high_watermark >= required, self.isr.len() >= min_isr) {
            (false, _) => Acknowledgement::Waiting,
            (true, true) => Acknowledgement::Replicated,
            (true, false) => Acknowledgement::NotEnoughReplicas,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1_000)
    }

    fn assignment(isr: &[i32], epoch: i32) -> Assignment {
        Assignment {
            controller_epoch: 1,
            leader: 1,
            leader_epoch: epoch,
            isr: isr.to_vec(),
            partition_epoch: 7,
            replicas: vec![1, 2, 3],
        }
    }

    fn leader(isr: &[i32], log_end: i64) -> Leader {
        Leader::new(1, &assignment(isr, 5), log_end, at(100), None)
    }

    fn hw(leader: &Leader, end: i64, current: i64, now: u64) -> Option<i64> {
        leader.high_watermark(end, current, 1, (at(now), LAG), |_| true, Flaws::NONE)
    }

    #[test]
    fn the_high_watermark_is_the_lowest_log_end_of_the_isr() {
        // (isr, fetches of 2 and 3, leader's log end, current, expected)
        type Case = (&'static [i32], i64, i64, i64, i64, Option<i64>);
        let cases: &[Case] = &[
            (&[1], -1, -1, 10, 4, Some(10)),
            (&[1, 2], 8, -1, 10, 4, Some(8)),
            (&[1, 2, 3], 8, 6, 10, 4, Some(6)),
            (&[1, 2, 3], 8, -1, 10, 4, None), // replica 3 has not fetched in this leadership
            (&[1, 2, 3], 8, 3, 10, 4, None),  // never backwards
            (&[1, 2, 3], 12, 11, 10, 4, Some(10)),
        ];
        for (isr, two, three, end, current, expected) in cases {
            let mut leader = leader(isr, 0);
            for (id, offset) in [(2, *two), (3, *three)] {
                if offset >= 0 {
                    leader.fetched(id, offset, 20, at(100)).unwrap();
                }
            }
            assert_eq!(hw(&leader, *end, *current, 101), *expected, "{isr:?} {two} {three}");
        }
    }

    #[test]
    fn while_an_isr_change_is_pending_the_high_watermark_waits_for_the_maximal_isr() {
        let mut expanding = leader(&[1, 2], 10);
        expanding.fetched(2, 10, 10, at(100));
        expanding.fetched(3, 10, 10, at(100));
        let change = expanding.expand(3, 10, |_| true, Flaws::NONE).expect("3 is in sync");
        assert_eq!(expanding.maximal_isr(), [1, 2, 3]);
        expanding.fetched(2, 12, 12, at(200));
        assert_eq!(hw(&expanding, 12, 10, 200), None, "3 may be in the ISR already");
        assert!(expanding.stored(&change, 8));
        assert_eq!((expanding.isr(), hw(&expanding, 12, 10, 200)), ([1, 2, 3].as_slice(), None));
        expanding.fetched(3, 11, 12, at(200));
        assert_eq!(hw(&expanding, 12, 10, 200), Some(11));

        let mut shrinking = leader(&[1, 2, 3], 10);
        shrinking.fetched(2, 12, 12, at(131));
        let (change, late) = shrinking.shrink(12, at(131), LAG).expect("3 lags");
        assert_eq!((change.isr.as_slice(), late.as_slice()), ([1, 2].as_slice(), [3].as_slice()));
        assert_eq!(hw(&shrinking, 12, 10, 131), None, "3 may still be in the ISR");
        assert!(shrinking.stored(&change, 8));
        assert_eq!(hw(&shrinking, 12, 10, 131), Some(12), "KAFKA-13091: free to move after the shrink");
    }

    #[test]
    fn the_high_watermark_waits_for_a_live_follower_about_to_join() {
        let mut leader = leader(&[1, 2], 10);
        leader.fetched(2, 10, 10, at(100));
        leader.fetched(3, 10, 10, at(100));
        leader.fetched(2, 12, 12, at(101));
        assert_eq!(hw(&leader, 12, 9, 101), Some(10), "3 caught up a second ago");
        assert_eq!(hw(&leader, 12, 9, 131), Some(12), "that was too long ago");
        let dead = leader.high_watermark(12, 9, 1, (at(101), LAG), |id| id != 3, Flaws::NONE);
        assert_eq!(dead, Some(12), "a dead broker is about to join nothing");
    }

    #[test]
    fn the_high_watermark_stands_still_under_min_isr() {
        let leader = leader(&[1], 10);
        let moved = |min_isr, flaws| leader.high_watermark(10, 4, min_isr, (at(100), LAG), |_| true, flaws);
        assert_eq!(moved(2, Flaws::NONE), None);
        assert_eq!(moved(1, Flaws::NONE), Some(10));
        assert_eq!(moved(2, Flaws::NONE.with(Flaw::HwAdvancesUnderMinIsr)), Some(10));
    }

    #[test]
    fn only_the_flaw_moves_the_high_watermark_past_a_replica_that_is_being_let_in() {
        let mut leader = leader(&[1, 2], 10);
        leader.fetched(2, 10, 10, at(100));
        leader.fetched(3, 10, 10, at(100));
        leader.expand(3, 10, |_| true, Flaws::NONE).expect("3 is in sync");
        leader.fetched(2, 12, 12, at(101));
        let moved = |flaws| leader.high_watermark(12, 10, 1, (at(101), LAG), |_| true, flaws);
        assert_eq!(moved(Flaws::NONE), None);
        assert_eq!(moved(Flaws::NONE.with(Flaw::OptimisticIsrHw)), Some(12));
    }

    #[test]
    fn a_follower_joins_only_with_all_from_before_the_epoch() {
        // (its log end, leader's high watermark, alive, joins)
        let cases = [
            (20, 15, true, true),
            (19, 15, true, false), // KAFKA-7128: epoch 5 starts at 20
            (20, 21, true, false),
            (20, 15, false, false),
        ];
        for (end, high_watermark, alive, joins) in cases {
            let mut leader = leader(&[1, 2], 20);
            leader.fetched(3, end, 25, at(100));
            let change = leader.expand(3, high_watermark, |_| alive, Flaws::NONE);
            assert_eq!(change.map(|it| it.isr), joins.then(|| vec![1, 2, 3]), "{end} {high_watermark}");
        }
        let mut flawed = leader(&[1, 2], 20);
        flawed.fetched(3, 19, 25, at(100));
        assert!(flawed.expand(3, 15, |_| true, Flaws::NONE.with(Flaw::IsrJoinBeforeEpochStart)).is_some());
    }

    #[test]
    fn one_isr_change_at_a_time_and_a_refused_one_stays_pending() {
        let mut leader = leader(&[1], 10);
        leader.fetched(2, 10, 10, at(100));
        leader.fetched(3, 10, 10, at(100));
        let change = leader.expand(2, 10, |_| true, Flaws::NONE).unwrap();
        assert_eq!(change.partition_epoch, 7);
        assert_eq!(leader.expand(3, 10, |_| true, Flaws::NONE), None);
        assert_eq!(leader.shrink(10, at(900), LAG), None);
        let next = Leader::new(1, &assignment(&[1, 3], 6), 10, at(101), Some(leader));
        assert!(!next.is_pending(&change) && next.isr() == [1, 3]);
        assert!(!next.clone().stored(&change, 9), "an answer from an earlier epoch changes nothing");
    }

    #[test]
    fn a_follower_is_put_out_when_it_has_not_caught_up_for_the_lag_time() {
        // 2 fetches in time but is always one behind; 3 reads the end once and falls silent.
        let mut leader = leader(&[1, 2, 3], 10);
        leader.fetched(3, 10, 10, at(110));
        for second in 101..=140 {
            let end = 10 + (second as i64 - 100);
            leader.fetched(2, end - 1, end, at(second));
        }
        assert_eq!(leader.shrink(50, at(140), LAG), None);
        let (change, late) = leader.shrink(50, at(141), LAG).expect("3 is late");
        assert_eq!((change.isr, late), (vec![1, 2], vec![3]), "2 had at each fetch what was there at the one before");
    }

    #[test]
    fn a_follower_at_the_log_end_is_never_late() {
        let mut leader = leader(&[1, 2], 10);
        leader.fetched(2, 10, 10, at(100));
        assert_eq!(leader.shrink(10, at(9_000), LAG), None);
    }

    #[test]
    fn a_reelected_leader_remembers_its_followers_and_a_new_one_does_not() {
        let mut first = leader(&[1, 2, 3], 10);
        first.fetched(2, 10, 10, at(100));
        let again = Leader::new(1, &assignment(&[1, 2], 6), 10, at(200), Some(first));
        assert_eq!((again.follower(2).unwrap().log_end, again.since(), again.epoch()), (10, 5, 6));
        let anew = leader(&[1, 2], 10);
        assert_eq!((anew.follower(2).unwrap().log_end, anew.since()), (-1, 5));
    }

    #[test]
    fn an_acknowledgement_needs_the_high_watermark_and_enough_replicas() {
        let leader = leader(&[1, 2], 10);
        assert_eq!(leader.acknowledgement(5, 4, 2), Acknowledgement::Waiting);
        assert_eq!(leader.acknowledgement(5, 5, 2), Acknowledgement::Replicated);
        assert_eq!(leader.acknowledgement(5, 5, 3), Acknowledgement::NotEnoughReplicas);
    }
}
