//! The membership as data: no network, no clock.

use std::time::Duration;

use super::*;
use crate::config::ConsumerConfig;

const SECOND: u64 = 1_000;

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn cause(number: u64) -> EventId {
    EventId(number)
}

fn partitions(indexes: &[i32]) -> BTreeSet<Partition> {
    indexes.iter().map(|index| Partition::new("t", *index)).collect()
}

/// A member of group `g` that wants topic `t`.
fn member(settings: &[(&str, &str)]) -> Membership {
    let mut all: BTreeMap<String, String> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    all.insert("group.id".to_owned(), "g".to_owned());
    let config = ConsumerConfig::from_settings(&all).unwrap();
    let mut member = Membership::new(config.group.unwrap(), config.client.retry());
    member.subscribe(BTreeSet::from([Name::new("t")]));
    member
}

fn eager() -> Membership {
    member(&[])
}

fn cooperative() -> Membership {
    member(&[("partition.assignment.strategy", "cooperative-sticky")])
}

fn answer_join(member: &mut Membership, now: Time, error: ErrorCode) {
    assert_eq!(member.step(now), Step::Join);
    member.joins();
    let refusal = Refusal { error, member: Some(Name::new("m-1")) };
    member.joined(now, 200, member.attempt(), Err(refusal), cause(1));
}

/// Joins and syncs up to the answer.
fn receive(member: &mut Membership, now: Time, generation: i32, assigned: &[i32]) {
    assert_eq!(member.step(now), Step::Join);
    member.joins();
    let strategy = member.strategy();
    let joined = Joined { member: Name::new("m-1"), generation, strategy, leads: false, members: Vec::new() };
    member.joined(now, 200, member.attempt(), Ok(joined), cause(2));
    assert_eq!(member.step(now), Step::Sync);
    member.syncs(None);
    member.synced(now, 200, member.attempt(), Ok(partitions(assigned)), cause(3));
}

/// A member of generation 1 that owns these partitions of `t` since time 0, and has polled then.
fn stable(mut member: Membership, assigned: &[i32]) -> Membership {
    member.polls(at(0), false);
    receive(&mut member, at(0), 1, assigned);
    assert_eq!(member.step(at(0)), Step::TakeOver(partitions(assigned)));
    member.took_over();
    assert_eq!(member.step(at(0)), Step::Idle(Time::NEVER));
    member
}

fn gives_up(indexes: &[i32], lost: bool) -> Step {
    Step::GiveUp { partitions: partitions(indexes), lost }
}

#[test]
fn a_member_id_that_the_coordinator_demands_is_used_at_once() {
    let mut member = eager();
    answer_join(&mut member, at(0), ErrorCode::MemberIdRequired);
    assert_eq!((member.member(), member.generation()), (Some(Name::new("m-1")), -1));
    assert_eq!(member.step(at(0)), Step::Join);
}

#[test]
fn errors_of_a_join_that_pass_are_retried_after_a_backoff() {
    for error in [
        ErrorCode::CoordinatorLoadInProgress,
        ErrorCode::NotCoordinator,
        ErrorCode::CoordinatorNotAvailable,
        ErrorCode::RebalanceInProgress,
        ErrorCode::NetworkException,
    ] {
        let mut member = eager();
        answer_join(&mut member, at(0), error);
        assert_eq!(member.step(at(0)), Step::Idle(at(100)), "{error}");
        assert_eq!(member.step(at(100)), Step::Join);
    }
}

#[test]
fn errors_of_a_join_that_do_not_pass_are_final() {
    for error in
        [ErrorCode::InconsistentGroupProtocol, ErrorCode::GroupMaxSizeReached, ErrorCode::InvalidSessionTimeout]
    {
        let mut member = eager();
        answer_join(&mut member, at(0), error);
        assert_eq!(member.step(at(0)), Step::Fail(GroupError::Refused(error)));
    }
}

#[test]
fn an_eager_member_gives_up_everything_before_it_joins_again() {
    let mut member = stable(eager(), &[0, 1]);
    member.heard(at(10), 0, 1, ErrorCode::RebalanceInProgress, cause(9));
    assert_eq!((member.step(at(10)), member.cause()), (gives_up(&[0, 1], false), cause(9)));
    member.gave_up(&partitions(&[0, 1]));
    receive(&mut member, at(10), 2, &[1]);
    assert_eq!(member.step(at(10)), Step::TakeOver(partitions(&[1])));
}

#[test]
fn a_cooperative_member_keeps_what_it_has_gives_up_the_rest_and_joins_again() {
    let mut member = stable(cooperative(), &[0, 1]);
    member.heard(at(10), 0, 1, ErrorCode::RebalanceInProgress, cause(9));
    receive(&mut member, at(10), 2, &[1, 2]);
    assert_eq!(member.step(at(10)), gives_up(&[0], false));
    assert!(member.identity().is_ok(), "what is given up can be committed");
    member.gave_up(&partitions(&[0]));
    assert_eq!(member.step(at(10)), Step::TakeOver(partitions(&[2])));
    member.took_over();
    assert_eq!(member.step(at(10)), Step::Join, "so that partition 0 can be given to another");
}

#[test]
fn with_an_eager_strategy_among_its_own_a_member_is_eager() {
    let mut member = stable(member(&[("partition.assignment.strategy", "cooperative-sticky,range")]), &[0]);
    member.heard(at(10), 0, 1, ErrorCode::RebalanceInProgress, cause(9));
    assert_eq!(member.step(at(10)), gives_up(&[0], false));
}

#[test]
fn heartbeats_go_out_at_their_interval_and_only_one_at_a_time() {
    let mut member = stable(eager(), &[0]);
    assert_eq!(member.beat(at(0)), Beat::Wait(at(3 * SECOND)));
    assert_eq!(member.beat(at(3 * SECOND)), Beat::Send);
    member.beats(at(3 * SECOND));
    assert_eq!(member.beat(at(9 * SECOND)), Beat::Wait(at(45 * SECOND)));
    member.heard(at(10 * SECOND), 0, 1, ErrorCode::None, cause(9));
    assert_eq!(member.beat(at(10 * SECOND)), Beat::Send);
}

#[test]
fn a_coordinator_that_is_silent_for_the_session_is_looked_for_anew() {
    let mut member = stable(eager(), &[0]);
    member.beats(at(3 * SECOND));
    assert_eq!(member.beat(at(45 * SECOND)), Beat::Silence);
    member.forget_silence(at(45 * SECOND));
    assert_eq!(member.beat(at(45 * SECOND)), Beat::Wait(at(90 * SECOND)));
}

#[test]
fn a_member_that_does_not_poll_leaves_by_itself_and_finds_its_partitions_lost_at_its_next_poll() {
    let mut member = stable(eager(), &[0]);
    member.heard(at(299 * SECOND), 0, 1, ErrorCode::None, cause(5));
    assert_eq!(member.beat(at(300 * SECOND)), Beat::Leave);
    assert_eq!(member.leave(cause(6)), Some(Name::new("m-1")));
    assert_eq!(member.identity(), Err(CommitError::NotAMember));
    assert_eq!((member.step(at(301 * SECOND)), member.cause()), (gives_up(&[0], true), cause(6)));
    member.gave_up(&partitions(&[0]));
    assert_eq!((member.step(at(301 * SECOND)), member.member()), (Step::Join, None));
}

#[test]
fn a_poll_may_wait_longer_than_the_poll_interval() {
    let mut member = stable(eager(), &[0]);
    member.heard(at(299 * SECOND), 0, 1, ErrorCode::None, cause(5));
    member.polls(at(1), true);
    assert_eq!(member.beat(at(301 * SECOND)), Beat::Send);
}

#[test]
fn a_static_member_never_says_that_it_leaves() {
    let mut member = stable(member(&[("group.instance.id", "one")]), &[0]);
    assert_eq!(member.leave(cause(6)), None);
    assert_eq!(member.step(at(1)), gives_up(&[0], true));
}

#[test]
fn a_fenced_static_member_loses_what_it_has_and_cannot_go_on() {
    let mut member = stable(member(&[("group.instance.id", "one")]), &[0]);
    member.heard(at(1), 0, 1, ErrorCode::FencedInstanceId, cause(9));
    assert_eq!(member.step(at(1)), gives_up(&[0], true));
    member.gave_up(&partitions(&[0]));
    assert_eq!(member.step(at(1)), Step::Fail(GroupError::Fenced));
    assert_eq!(member.beat(at(99 * SECOND)), Beat::Wait(Time::NEVER));
}

#[test]
fn an_expelled_member_has_lost_its_partitions_also_a_cooperative_one() {
    for (error, id) in [(ErrorCode::UnknownMemberId, None), (ErrorCode::IllegalGeneration, Some(Name::new("m-1")))] {
        let mut member = stable(cooperative(), &[0, 1]);
        member.heard(at(1), 0, 1, error, cause(9));
        assert_eq!((member.step(at(1)), member.member()), (gives_up(&[0, 1], true), id), "{error}");
    }
}

#[test]
fn a_late_heartbeat_answer_of_an_earlier_generation_means_nothing() {
    let mut member = stable(eager(), &[0]);
    member.heard(at(1), 0, 0, ErrorCode::UnknownMemberId, cause(9));
    assert_eq!(member.step(at(1)), Step::Idle(Time::NEVER));
}

#[test]
fn a_rebalance_during_sync_costs_a_cooperative_member_nothing() {
    let mut member = stable(cooperative(), &[0]);
    member.heard(at(1), 0, 1, ErrorCode::RebalanceInProgress, cause(9));
    assert_eq!(member.step(at(1)), Step::Join);
    member.joins();
    let strategy = member.strategy();
    let joined = Joined { member: Name::new("m-1"), generation: 2, strategy, leads: false, members: Vec::new() };
    member.joined(at(1), 0, member.attempt(), Ok(joined), cause(2));
    member.syncs(None);
    member.synced(at(1), 0, member.attempt(), Err(ErrorCode::RebalanceInProgress), cause(3));
    assert_eq!(member.step(at(1)), Step::Join);
    assert_eq!(member.assigned(), (&partitions(&[0]), 1), "it claims what it had of the generation it had it in");
    assert_eq!(member.identity(), Err(CommitError::Rebalancing));
}

#[test]
fn a_commit_refused_for_the_generation_expels_the_member_and_an_older_one_does_not() {
    let mut member = stable(eager(), &[0]);
    assert_eq!(member.refused_commit(0, ErrorCode::IllegalGeneration, cause(9)), CommitError::NotAMember);
    assert_eq!(member.step(at(1)), Step::Idle(Time::NEVER));
    assert_eq!(member.refused_commit(1, ErrorCode::IllegalGeneration, cause(9)), CommitError::NotAMember);
    assert_eq!(member.step(at(1)), gives_up(&[0], true));
}

#[test]
fn a_commit_refused_for_a_rebalance_makes_the_member_join_again() {
    let mut member = stable(cooperative(), &[0]);
    assert_eq!(member.refused_commit(1, ErrorCode::RebalanceInProgress, cause(9)), CommitError::Rebalancing);
    assert_eq!(member.step(at(1)), Step::Join);
}

#[test]
fn a_changed_subscription_makes_a_member_join_again() {
    let mut member = stable(cooperative(), &[0]);
    member.subscribe(BTreeSet::from([Name::new("u")]));
    assert_eq!(member.step(at(1)), gives_up(&[0], false), "it does not want this topic any more");
    member.gave_up(&partitions(&[0]));
    assert_eq!(member.step(at(1)), Step::Join);
}

#[test]
fn the_leader_joins_again_when_a_topic_it_assigned_over_changed() {
    let mut member = eager();
    assert_eq!(member.step(at(0)), Step::Join);
    member.joins();
    let strategy = member.strategy();
    let joined = Joined { member: Name::new("m-1"), generation: 1, strategy, leads: true, members: Vec::new() };
    member.joined(at(0), 0, member.attempt(), Ok(joined), cause(2));
    member.syncs(Some(BTreeMap::from([(Name::new("t"), Some(1))])));
    member.synced(at(0), 0, member.attempt(), Ok(partitions(&[0])), cause(3));
    assert_eq!(member.step(at(0)), Step::TakeOver(partitions(&[0])));
    member.took_over();
    member.compare(|_| Some(1), cause(4));
    assert_eq!(member.step(at(0)), Step::Idle(Time::NEVER));
    member.compare(|_| Some(2), cause(5));
    assert_eq!((member.step(at(0)), member.cause()), (gives_up(&[0], false), cause(5)));
}

#[test]
fn without_a_subscription_offsets_are_committed_outside_any_generation() {
    let mut member = eager();
    member.subscribe(BTreeSet::new());
    assert_eq!(member.identity(), Ok((None, -1)));
    assert_eq!(member.step(at(0)), Step::Idle(Time::NEVER));
    assert_eq!(member.beat(at(0) + Duration::from_secs(1_000)), Beat::Wait(Time::NEVER));
}
