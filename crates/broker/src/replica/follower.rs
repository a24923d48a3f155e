//! A following replica: where to cut its log so that it is a prefix of its leader's.

use crate::flaws::{Flaw, Flaws};

/// How a new follower begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// Ask the leader where this epoch ends there (KIP-101).
    AskEpochEnd(i32),
    /// Cut the log here, then fetch.
    TruncateTo(i64),
}

/// What a follower does first, given its log's last epoch and its own high watermark.
pub fn start_following(latest_epoch: Option<i32>, high_watermark: i64, flaws: Flaws) -> Start {
    if flaws.has(Flaw::HwTruncationLoss) {
        return Start::TruncateTo(high_watermark);
    }
    // Without any epoch there is no record either: every batch carries its epoch.
    latest_epoch.map_or(Start::TruncateTo(high_watermark), Start::AskEpochEnd)
}

/// What to do with an answer to OffsetForLeaderEpoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Truncation {
    /// Cut the log here, if it is longer.
    pub to: i64,
    /// Whether the log then agrees with the leader's. If not, ask again for what is the last epoch then (KIP-279).
    pub complete: bool,
}

/// Where a follower cuts its log, which ends at `log_end`, given the leader's answer: the largest epoch up to the asked
/// one, and its end. `own_end` gives the same for an epoch of the own log; (-1, -1) stands for "none".
pub fn truncation(
    (leaders_epoch, leaders_end): (i32, i64),
    log_end: i64,
    high_watermark: i64,
    own_end: impl Fn(i32) -> (i32, i64),
) -> Truncation {
    if leaders_end < 0 {
        return Truncation { to: high_watermark.min(log_end), complete: true };
    }
    if leaders_epoch < 0 {
        // Only an end, as before KIP-279: all there is to go by.
        return Truncation { to: leaders_end.min(log_end), complete: true };
    }
    match own_end(leaders_epoch) {
        (_, end) if end < 0 => Truncation { to: leaders_end.min(log_end), complete: true },
        (epoch, end) if epoch == leaders_epoch => Truncation { to: leaders_end.min(end).min(log_end), complete: true },
        (_, end) => Truncation { to: end.min(log_end), complete: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log as its epochs' first offsets, and its end.
    #[derive(Clone)]
    struct Epochs(Vec<(i32, i64)>, i64);

    impl Epochs {
        fn end_of(&self, epoch: i32) -> (i32, i64) {
            if self.0.last().is_none_or(|(latest, _)| epoch > *latest) {
                return (-1, -1);
            }
            let end = self.0.iter().find(|(other, _)| *other > epoch).map_or(self.1, |(_, start)| *start);
            let floor = self.0.iter().rev().find(|(other, _)| *other <= epoch).map_or(epoch, |(floor, _)| *floor);
            (floor, end)
        }

        fn truncate(&mut self, to: i64) {
            self.1 = self.1.min(to);
            self.0.retain(|(_, start)| *start < to);
        }
    }

    /// Follows until complete; returns where the log ends and how often it asked.
    fn follow(mut follower: Epochs, leader: &Epochs, with_epoch: bool) -> (i64, usize) {
        for asked in 1.. {
            let Some((latest, _)) = follower.0.last().copied() else { return (follower.1, asked - 1) };
            let (epoch, end) = leader.end_of(latest);
            let answer = (if with_epoch { epoch } else { -1 }, end);
            let own = follower.clone();
            let step = truncation(answer, own.1, 0, |epoch| own.end_of(epoch));
            follower.truncate(step.to);
            if step.complete {
                return (follower.1, asked);
            }
        }
        unreachable!("the loop returns")
    }

    #[test]
    fn a_follower_truncates_to_where_its_last_epoch_ends_at_the_leader() {
        let leader = Epochs(vec![(0, 0), (2, 20), (4, 30)], 35);
        // (follower, end after, questions)
        let cases = [
            (Epochs(vec![(0, 0)], 15), 15, 1),          // shorter than the leader: nothing to cut
            (Epochs(vec![(0, 0)], 25), 20, 1),          // wrote more in epoch 0 than survived
            (Epochs(vec![(0, 0), (2, 20)], 28), 28, 1), // same epoch
            (Epochs(vec![(0, 0), (1, 18)], 25), 18, 1), // epoch 1 is unknown to the leader, 0 is known to both
            (Epochs(vec![(0, 0), (1, 18), (3, 22)], 25), 18, 2), // KIP-279: iterate until both know the epoch
            (Epochs(vec![], 0), 0, 0),
        ];
        for (follower, end, questions) in cases {
            assert_eq!(follow(follower.clone(), &leader, true), (end, questions), "{:?}", follower.0);
        }
    }

    #[test]
    fn without_the_epoch_in_the_answer_a_follower_keeps_what_its_leader_never_had() {
        // KIP-279's scenario: B led epoch 2 alone from offset 10, C leads epoch 3 from 12 on without B's records.
        let leader = Epochs(vec![(1, 0), (3, 12)], 15);
        let follower = Epochs(vec![(1, 0), (2, 10)], 12);
        assert_eq!(follow(follower.clone(), &leader, true), (10, 1));
        assert_eq!(follow(follower, &leader, false), (12, 1), "offsets 10 and 11 diverge");
    }

    #[test]
    fn an_undefined_answer_falls_back_to_the_high_watermark() {
        assert_eq!(truncation((-1, -1), 20, 13, |_| (-1, -1)), Truncation { to: 13, complete: true });
    }

    #[test]
    fn only_the_flaw_truncates_to_the_high_watermark_unasked() {
        assert_eq!(start_following(Some(4), 13, Flaws::NONE), Start::AskEpochEnd(4));
        assert_eq!(start_following(None, 0, Flaws::NONE), Start::TruncateTo(0));
        assert_eq!(start_following(Some(4), 13, Flaws::NONE.with(Flaw::HwTruncationLoss)), Start::TruncateTo(13));
    }
}
