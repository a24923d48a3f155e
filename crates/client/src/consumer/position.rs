//! Where a consumer stands in one partition, and what may move it: delivery, seek, or a declared reset (never a passing error).

use host::Time;
use trace::Partition;
use uuid::Uuid;
use wire::kafka::ErrorCode;

use super::completed::Completed;
use crate::config::OffsetReset;
use crate::error::ConsumerError;
use crate::metadata::Leadership;

/// The next record's offset, and the leader epoch of the one before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    /// The next record's offset.
    pub(crate) offset: i64,
    /// The leader epoch of what was read last; none if nothing was read, so that there is nothing to validate.
    pub(crate) epoch: Option<i32>,
}

/// A position moved without delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Moved {
    /// The offset before, or -1.
    pub(crate) from: i64,
    /// The offset now.
    pub(crate) to: i64,
    /// `initial`, `committed`, `out-of-range`, `log-truncation` or `seek`.
    pub(crate) reason: &'static str,
}

/// What a partition needs next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Want {
    /// Its first or last offset.
    Offset(OffsetReset),
    /// Where the leader's log leaves this epoch.
    EpochEnd(i32),
    /// Records from this offset.
    Records(i64),
    /// The group's committed offset: a question to its coordinator.
    Committed,
}

/// A question on its way to the leader, to tell whether its answer is still of use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Question {
    /// The partition.
    pub(crate) partition: Partition,
    /// What was asked for.
    pub(crate) want: Want,
    /// The leader epoch we believe in.
    pub(crate) leader_epoch: i32,
    generation: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The position must come from the group's committed offset.
    Committed,
    /// The position must come from the log's start or end.
    Reset { reason: &'static str },
    /// The leader changed: is what we have read still in the log?
    Validate,
    /// All is well.
    Fetch,
    /// It cannot go on by itself.
    Stuck(ConsumerError),
}

/// See the module.
pub(crate) struct PartitionState {
    /// The partition.
    pub(crate) partition: Partition,
    /// Whether the application does not want its records for now.
    pub(crate) paused: bool,
    /// Whether the partition is about to be given up: nothing more of it is returned, so that what is committed is all that was.
    pub(crate) revoking: bool,
    /// How far the leader lets read, as last heard.
    pub(crate) end: Option<i64>,
    /// Fetched and not polled yet.
    pub(crate) completed: Option<Completed>,
    policy: OffsetReset,
    stage: Stage,
    position: Option<Position>,
    leadership: Leadership,
    /// The topic that is read; nil while unknown.
    topic: Uuid,
    asking: bool,
    not_before: Time,
    failures: u32,
    /// Grows whenever the answers under way are about something past.
    generation: u64,
}

impl PartitionState {
    /// A partition just assigned. `assignment` differs from assignment to assignment, so that no answer to a question of an
    /// earlier one is taken for an answer to this one's.
    pub(crate) fn new(partition: Partition, policy: OffsetReset, assignment: u32) -> PartitionState {
        let mut state = PartitionState {
            partition,
            paused: false,
            revoking: false,
            end: None,
            completed: None,
            policy,
            stage: Stage::Fetch,
            position: None,
            leadership: Leadership { leader: None, epoch: -1 },
            topic: Uuid::nil(),
            asking: false,
            not_before: Time::ZERO,
            failures: 0,
            generation: u64::from(assignment) << 32,
        };
        state.reset("initial", ConsumerError::NoOffset);
        state
    }

    /// A partition of a member of a group: it begins at the group's committed offset, and by policy only if there is none.
    pub(crate) fn of_group(partition: Partition, policy: OffsetReset, assignment: u32) -> PartitionState {
        let mut state = PartitionState::new(partition, policy, assignment);
        state.enter(Stage::Committed);
        state
    }

    /// The next record's offset.
    pub(crate) fn position(&self) -> Option<Position> {
        self.position
    }

    /// The position to commit: none while it is to be found anew.
    pub(crate) fn consumed(&self) -> Option<Position> {
        self.position.filter(|_| !matches!(self.stage, Stage::Reset { .. } | Stage::Committed))
    }

    /// The leader to ask.
    pub(crate) fn leader(&self) -> Option<i32> {
        self.leadership.leader
    }

    /// Why it cannot go on.
    pub(crate) fn error(&self) -> Option<ConsumerError> {
        match self.stage {
            Stage::Stuck(error) => Some(error),
            _ => None,
        }
    }

    /// Whether fetched records may be delivered.
    pub(crate) fn delivers(&self) -> bool {
        self.stage == Stage::Fetch && !self.paused && !self.revoking
    }

    /// Whether the position is of a leader epoch that our metadata do not know yet: the leader they name may lag behind it, and must not
    /// be asked to validate it. Not for ever, since a topic created anew begins its epochs again.
    pub(crate) fn outruns_metadata(&self) -> bool {
        const REFRESHES: u32 = 8;
        let epoch = self.position.and_then(|position| position.epoch);
        self.stage == Stage::Validate && epoch > Some(self.leadership.epoch) && self.failures < REFRESHES
    }

    /// The metadata say who leads. A new epoch makes what was read before doubtful (KIP-320).
    pub(crate) fn learn(&mut self, leadership: Leadership) {
        let is_new_epoch = leadership.epoch != self.leadership.epoch;
        self.leadership = leadership;
        if !is_new_epoch {
            return;
        }
        let was_read = self.position.is_some_and(|position| position.epoch.is_some());
        let next = match self.stage {
            Stage::Fetch if was_read && leadership.epoch >= 0 => Stage::Validate,
            stage => stage,
        };
        // Questions under way carry the old epoch; their answers count for nothing (KAFKA-7786).
        self.enter(next);
    }

    /// The metadata say which topic has the name. Of another one nothing was read (KIP-516): its epochs may be the same, so that there
    /// would be nothing to validate.
    pub(crate) fn learn_topic(&mut self, id: Uuid) {
        if id.is_nil() {
            return;
        }
        let former = std::mem::replace(&mut self.topic, id);
        if let Some(position) = self.position
            && !former.is_nil()
            && former != id
        {
            self.reset("log-truncation", ConsumerError::LogTruncation { position: position.offset, diverging: None });
        }
    }

    /// What to ask the leader now, if anything.
    pub(crate) fn question(&self, now: Time) -> Option<Question> {
        if self.asking || self.not_before > now || self.leadership.leader.is_none() || self.outruns_metadata() {
            return None;
        }
        let want = match (self.stage, self.position) {
            (Stage::Reset { .. }, _) => Want::Offset(self.policy),
            (Stage::Validate, Some(Position { epoch: Some(epoch), .. })) => Want::EpochEnd(epoch),
            (Stage::Fetch, Some(position)) if !self.paused && !self.revoking && self.completed.is_none() => {
                Want::Records(position.offset)
            }
            _ => return None,
        };
        Some(self.ask(want))
    }

    /// What to ask the group's coordinator now, if anything.
    pub(crate) fn group_question(&self, now: Time) -> Option<Question> {
        let asks = self.stage == Stage::Committed && !self.asking && self.not_before <= now;
        asks.then(|| self.ask(Want::Committed))
    }

    fn ask(&self, want: Want) -> Question {
        let Self { partition, generation, .. } = *self;
        Question { partition, want, leader_epoch: self.leadership.epoch, generation }
    }

    /// The coordinator said what is committed: an offset and the epoch of the record before it, or nothing.
    pub(crate) fn committed(&mut self, committed: Option<(i64, i32)>) -> Option<Moved> {
        if self.stage != Stage::Committed {
            return None;
        }
        self.failures = 0;
        let Some((offset, epoch)) = committed else {
            self.reset("initial", ConsumerError::NoOffset);
            return None;
        };
        let epoch = (epoch >= 0).then_some(epoch);
        let moved = self.move_to(Position { offset, epoch }, "committed");
        if epoch.is_some() {
            // KIP-320: the log may have been cut since.
            self.enter(Stage::Validate);
        }
        Some(moved)
    }

    /// The flaw `reset-on-transient-error`.
    pub(crate) fn reset_without_reason(&mut self) {
        self.reset("out-of-range", ConsumerError::NoOffset);
    }

    /// The question was sent.
    pub(crate) fn asked(&mut self) {
        self.asking = true;
    }

    /// When it may ask again after a failure.
    pub(crate) fn not_before(&self) -> Time {
        self.not_before
    }

    /// An answer, or its lack, came; whether it is still of use.
    pub(crate) fn answered(&mut self, question: Question) -> bool {
        let is_current = question.generation == self.generation;
        if is_current {
            self.asking = false;
        }
        is_current
    }

    /// The answer was an error that passes: ask again after `wait`.
    pub(crate) fn retry(&mut self, now: Time, wait: impl FnOnce(u32) -> std::time::Duration) {
        self.failures += 1;
        self.not_before = now + wait(self.failures);
    }

    /// The leader said where its log starts or ends.
    pub(crate) fn found(&mut self, offset: i64, epoch: i32) -> Option<Moved> {
        let Stage::Reset { reason } = self.stage else { return None };
        self.failures = 0;
        Some(self.move_to(Position { offset, epoch: (epoch >= 0).then_some(epoch) }, reason))
    }

    /// The leader said where its log leaves the epoch of what we have read last: `end` is (largest epoch not above it, its end).
    pub(crate) fn validated(&mut self, end_epoch: i32, end_offset: i64) -> Option<Moved> {
        let position = self.position?;
        if self.stage != Stage::Validate {
            return None;
        }
        self.failures = 0;
        let is_known = end_epoch >= 0 && end_offset >= 0;
        if is_known && end_offset >= position.offset {
            self.enter(Stage::Fetch);
            return None;
        }
        let diverging = is_known.then_some(end_offset);
        let error = ConsumerError::LogTruncation { position: position.offset, diverging };
        if is_known && self.policy != OffsetReset::None {
            let to = Position { offset: end_offset, epoch: Some(end_epoch) };
            return Some(self.move_to(to, "log-truncation"));
        }
        self.reset("log-truncation", error);
        None
    }

    /// The leader's log does not have the offset fetched.
    pub(crate) fn out_of_range(&mut self, offset: i64) {
        self.reset("out-of-range", ConsumerError::OutOfRange(offset));
    }

    /// It cannot go on.
    pub(crate) fn stop(&mut self, error: ConsumerError) {
        self.enter(Stage::Stuck(error));
    }

    /// Records arrived.
    pub(crate) fn complete(&mut self, completed: Completed) {
        self.failures = 0;
        self.completed = Some(completed);
    }

    /// Everything below `offset` was delivered or need not be; `epoch` is that of the last batch.
    pub(crate) fn advance(&mut self, offset: i64, epoch: i32) {
        self.position = Some(Position { offset, epoch: (epoch >= 0).then_some(epoch) });
    }

    /// The application wants to go on from here.
    pub(crate) fn seek(&mut self, offset: i64) -> Moved {
        self.move_to(Position { offset, epoch: None }, "seek")
    }

    fn move_to(&mut self, position: Position, reason: &'static str) -> Moved {
        let from = self.position.map_or(-1, |position| position.offset);
        self.position = Some(position);
        self.completed = None;
        self.enter(Stage::Fetch);
        Moved { from, to: position.offset, reason }
    }

    fn reset(&mut self, reason: &'static str, error: ConsumerError) {
        let stage = if self.policy == OffsetReset::None { Stage::Stuck(error) } else { Stage::Reset { reason } };
        self.enter(stage);
    }

    fn enter(&mut self, stage: Stage) {
        if stage != Stage::Fetch {
            self.completed = None;
        }
        self.stage = stage;
        self.generation += 1;
        (self.asking, self.not_before) = (false, Time::ZERO);
    }
}

/// What an error of a Fetch, ListOffsets or OffsetForLeaderEpoch answer calls for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Remedy {
    /// Ask again, with fresh metadata.
    Refresh,
    /// Ask again.
    Retry,
    /// Give up.
    Stop,
}

/// After Kafka's `FetchCollector.handleInitializeErrors` and `OffsetsForLeaderEpochUtils`.
pub(crate) fn remedy(error: ErrorCode) -> Remedy {
    use ErrorCode as E;
    match error {
        E::NotLeaderOrFollower
        | E::ReplicaNotAvailable
        | E::KafkaStorageError
        | E::FencedLeaderEpoch
        | E::OffsetNotAvailable
        | E::LeaderNotAvailable
        | E::UnknownTopicOrPartition
        | E::UnknownTopicId
        | E::InconsistentTopicId => Remedy::Refresh,
        E::UnknownLeaderEpoch | E::UnknownServerError => Remedy::Retry,
        error if error.retriable() => Remedy::Retry,
        _ => Remedy::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEADER_1: Leadership = Leadership { leader: Some(1), epoch: 1 };

    /// Read up to offset 10, the last batch under epoch 1.
    fn reading(policy: OffsetReset) -> PartitionState {
        let mut state = PartitionState::new(Partition::new("t", 0), policy, 0);
        state.learn(LEADER_1);
        state.seek(0);
        state.advance(10, 1);
        state
    }

    fn want(state: &PartitionState) -> Option<Want> {
        state.question(Time::ZERO).map(|question| question.want)
    }

    #[test]
    fn a_new_partition_asks_for_its_first_position() {
        let mut state = PartitionState::new(Partition::new("t", 0), OffsetReset::Earliest, 0);
        assert_eq!(want(&state), None, "nobody leads yet");
        state.learn(LEADER_1);
        assert_eq!(want(&state), Some(Want::Offset(OffsetReset::Earliest)));
        assert_eq!(state.found(5, 0), Some(Moved { from: -1, to: 5, reason: "initial" }));
        assert_eq!(want(&state), Some(Want::Records(5)));
    }

    #[test]
    fn without_a_reset_policy_a_partition_without_position_is_stuck_until_a_seek() {
        let mut state = PartitionState::new(Partition::new("t", 0), OffsetReset::None, 0);
        state.learn(LEADER_1);
        assert_eq!((want(&state), state.error()), (None, Some(ConsumerError::NoOffset)));
        state.seek(3);
        assert_eq!((want(&state), state.error()), (Some(Want::Records(3)), None));
    }

    #[test]
    fn a_topic_created_anew_is_read_from_where_the_policy_says_even_in_an_epoch_of_that_number() {
        let mut state = reading(OffsetReset::Earliest);
        state.learn_topic(Uuid::from_u128(7));
        assert_eq!(want(&state), Some(Want::Records(10)));
        let old = state.question(Time::ZERO).unwrap();
        state.asked();
        state.learn_topic(Uuid::from_u128(8));
        assert!(!state.answered(old), "it was asked about the former one");
        assert_eq!(want(&state), Some(Want::Offset(OffsetReset::Earliest)));
        assert_eq!(state.found(0, 1), Some(Moved { from: 10, to: 0, reason: "log-truncation" }));
        state.learn_topic(Uuid::nil());
        assert_eq!(want(&state), Some(Want::Records(0)));
    }

    #[test]
    fn a_new_leader_epoch_makes_the_position_doubtful_and_answers_under_way_void() {
        let mut state = reading(OffsetReset::Latest);
        let old = state.question(Time::ZERO).unwrap();
        state.asked();
        state.learn(Leadership { leader: Some(2), epoch: 2 });
        assert!(!state.answered(old), "it was asked under epoch 1");
        assert_eq!(want(&state), Some(Want::EpochEnd(1)));
        assert_eq!(state.validated(1, 10), None);
        assert_eq!(want(&state), Some(Want::Records(10)));
    }

    #[test]
    fn a_position_beyond_the_end_of_its_epoch_moves_to_where_the_logs_diverge() {
        let mut state = reading(OffsetReset::Latest);
        state.learn(Leadership { leader: Some(2), epoch: 2 });
        assert_eq!(state.validated(1, 7), Some(Moved { from: 10, to: 7, reason: "log-truncation" }));
        assert_eq!(state.position(), Some(Position { offset: 7, epoch: Some(1) }));
    }

    #[test]
    fn truncation_without_a_reset_policy_is_an_error() {
        let mut state = reading(OffsetReset::None);
        state.learn(Leadership { leader: Some(2), epoch: 2 });
        assert_eq!(state.validated(1, 7), None);
        assert_eq!(state.error(), Some(ConsumerError::LogTruncation { position: 10, diverging: Some(7) }));
    }

    #[test]
    fn an_epoch_the_leader_does_not_know_resets_by_policy() {
        let mut state = reading(OffsetReset::Earliest);
        state.learn(Leadership { leader: Some(2), epoch: 2 });
        assert_eq!(state.validated(-1, -1), None);
        assert_eq!(want(&state), Some(Want::Offset(OffsetReset::Earliest)));
        assert_eq!(state.found(0, -1), Some(Moved { from: 10, to: 0, reason: "log-truncation" }));
    }

    #[test]
    fn a_passing_error_moves_no_position() {
        let mut state = reading(OffsetReset::Latest);
        state.retry(Time::ZERO, |failures| std::time::Duration::from_millis(100 * u64::from(failures)));
        assert_eq!(want(&state), None);
        assert_eq!(state.question(Time::from_millis(100)).unwrap().want, Want::Records(10));
        for code in ErrorCode::ALL.iter().filter(|code| code.retriable()) {
            assert_ne!(remedy(*code), Remedy::Stop, "{code}");
        }
    }

    #[test]
    fn out_of_range_resets_only_with_a_policy() {
        let mut state = reading(OffsetReset::Latest);
        state.out_of_range(10);
        assert_eq!(want(&state), Some(Want::Offset(OffsetReset::Latest)));
        assert_eq!(state.found(90, 3), Some(Moved { from: 10, to: 90, reason: "out-of-range" }));
        let mut state = reading(OffsetReset::None);
        state.out_of_range(10);
        assert_eq!(state.error(), Some(ConsumerError::OutOfRange(10)));
    }

    #[test]
    fn a_groups_partition_begins_at_the_committed_offset_and_validates_its_epoch() {
        let mut state = PartitionState::of_group(Partition::new("t", 0), OffsetReset::Latest, 0);
        state.learn(LEADER_1);
        assert_eq!(want(&state), None, "the leader is not asked");
        assert_eq!(state.group_question(Time::ZERO).unwrap().want, Want::Committed);
        assert_eq!(state.committed(Some((7, 1))), Some(Moved { from: -1, to: 7, reason: "committed" }));
        assert_eq!(want(&state), Some(Want::EpochEnd(1)));
        assert_eq!(state.validated(1, 9), None);
        assert_eq!(want(&state), Some(Want::Records(7)));
    }

    #[test]
    fn without_a_committed_offset_the_policy_decides() {
        let mut state = PartitionState::of_group(Partition::new("t", 0), OffsetReset::Earliest, 0);
        state.learn(LEADER_1);
        assert_eq!(state.committed(None), None);
        assert_eq!(want(&state), Some(Want::Offset(OffsetReset::Earliest)));
        let mut state = PartitionState::of_group(Partition::new("t", 0), OffsetReset::None, 0);
        state.committed(None);
        assert_eq!(state.error(), Some(ConsumerError::NoOffset));
    }

    #[test]
    fn a_committed_epoch_above_that_of_the_metadata_waits_for_newer_metadata() {
        let mut state = PartitionState::of_group(Partition::new("t", 0), OffsetReset::Latest, 0);
        state.learn(LEADER_1);
        state.committed(Some((7, 3)));
        assert_eq!((want(&state), state.outruns_metadata()), (None, true));
        state.learn(Leadership { leader: Some(2), epoch: 3 });
        assert_eq!(want(&state), Some(Want::EpochEnd(3)));
    }

    #[test]
    fn a_partition_about_to_be_given_up_is_neither_fetched_nor_delivered() {
        let mut state = reading(OffsetReset::Latest);
        state.revoking = true;
        assert_eq!((want(&state), state.delivers()), (None, false));
    }

    #[test]
    fn a_paused_partition_is_not_fetched() {
        let mut state = reading(OffsetReset::Latest);
        state.paused = true;
        assert_eq!(want(&state), None);
    }
}
