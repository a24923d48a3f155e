//! Each flaw loses or diverges with it on, and does not with it off: the catalogue's scenarios, step by step.

use broker::{Flaw, Flaws};
use host::sim::Keep;
use trace::EventKind;
use wire::control::UpdateMetadataRequest;
use wire::kafka::{Api, ErrorCode, Response};

use crate::support::*;

/// KIP-101: returns what the last leader has of two acked records.
fn after_two_failovers(flaws: Flaws) -> usize {
    simulate(20, async move |world| {
        let (mut cluster, [old, next, last]) = with_witness(world, flaws).await;
        assert_eq!(cluster.produce(old, -1, &["acked"]).await, Ok(1));
        // Before the followers learn the high watermark; and `last` will follow `next`, but not hear from it.
        let crash = cluster.world.power_loss(name(old), ROOT, Keep::All);
        let cut = fault(&cluster, "last - next");
        cluster.world.cut(cut, &links(last, &[name(next)]));
        let following = |kind: &EventKind| matches!(kind, EventKind::BecameFollower { leader, .. } if *leader == next);
        cluster
            .until("the last follows the next", async |cluster| {
                cluster.world.sleep(SECOND).await;
                cluster.kinds(name(last)).iter().filter(|kind| following(kind)).count() == 1
            })
            .await;
        cluster.world.power_loss(name(next), crash, Keep::All);
        cluster.world.heal(cut);
        cluster
            .until("the last leads", async |cluster| cluster.partition(last).await.is_some_and(|(it, _, _)| it == last))
            .await;
        cluster.fetch(last, 0).await.map_or(0, |(values, _)| values.len())
    })
}

#[test]
fn truncating_to_the_high_watermark_loses_an_acked_record() {
    assert_eq!(after_two_failovers(Flaws::NONE), 2);
    assert_eq!(after_two_failovers(Flaws::NONE.with(Flaw::HwTruncationLoss)), 1);
}

/// KIP-279: returns whether the returning leader of the second epoch agrees with the leader of the third.
fn agreement_after_fast_failovers(flaws: Flaws) -> bool {
    simulate(21, async move |world| {
        let (mut cluster, [a, b, c]) = with_witness(world, flaws).await;
        let cut = fault(&cluster, "b");
        cluster.world.cut(cut, &links(b, &[name(a), name(c)]));
        assert_eq!(cluster.produce(a, 1, &["by a"]).await, Ok(1));
        cluster.until("c has it", async |cluster| log_of(cluster, c).len() == 2).await;
        cluster.world.power_loss(name(a), cut, Keep::All);
        let leads = |kind: &EventKind| matches!(kind, EventKind::BecameLeader { .. });
        cluster.until("b leads", async |cluster| cluster.kinds(name(b)).iter().any(leads)).await;
        let by_b = cluster.produce(b, 1, &["by b"]).await;
        let lost = cluster.world.power_loss(name(b), cut, Keep::All);
        cluster.world.heal(cut);
        cluster.until("c leads", async |cluster| cluster.partition(c).await.is_some_and(|(it, _, _)| it == c)).await;
        let by_c = cluster.produce(c, 1, &["by c"]).await;
        assert_eq!((by_b, by_c), (Ok(1), Ok(2)));
        cluster.world.start(name(b), lost);
        cluster
            .until("b has by c", async |cluster| log_of(cluster, b).last().is_some_and(|(base, _)| *base == 2))
            .await;
        log_of(&mut cluster, b) == log_of(&mut cluster, c)
    })
}

#[test]
fn an_epoch_end_without_its_epoch_lets_logs_diverge() {
    assert!(agreement_after_fast_failovers(Flaws::NONE));
    assert!(!agreement_after_fast_failovers(Flaws::NONE.with(Flaw::FastFailoverDivergence)));
}

/// A leader that the controller cannot reach puts a dead follower out of the ISR, which the controller did before.
/// Returns whether its write was (refused, stored).
fn write_over_the_controller(flaws: Flaws) -> (bool, bool) {
    simulate(22, async move |world| {
        let (mut cluster, [leader, _, dead]) = with_witness(world, flaws).await;
        let controller = (1..=4).find(|id| cluster.kinds(name(*id)).iter().any(is_election)).expect("one is elected");
        let cut = fault(&cluster, "controller - leader");
        cluster.world.cut(cut, &links(leader, &[name(controller)]));
        cluster.world.power_loss(name(dead), cut, Keep::All);
        // A follower at the log's end is never late.
        assert_eq!(cluster.produce(leader, 1, &["second"]).await, Ok(1));
        let decided = |kind: &EventKind| matches!(kind, EventKind::LeadershipDecided { leader_epoch: 1, .. });
        cluster.until("decided", async |cluster| cluster.kinds(name(controller)).iter().any(decided)).await;
        cluster.world.sleep(40 * SECOND).await;
        let kinds = cluster.kinds(name(leader));
        let refused = kinds.iter().any(|kind| matches!(kind, EventKind::IsrRefused { leader_epoch: 0, .. }));
        let stored = kinds.iter().any(|kind| matches!(kind, EventKind::IsrChanged { leader_epoch: 0, .. }));
        (refused, stored)
    })
}

fn is_election(kind: &EventKind) -> bool {
    matches!(kind, EventKind::ControllerElected { .. })
}

#[test]
fn a_blind_isr_write_overrules_the_controller() {
    assert_eq!(write_over_the_controller(Flaws::NONE), (true, false));
    assert_eq!(write_over_the_controller(Flaws::NONE.with(Flaw::IsrBlindWrite)), (false, true));
}

/// A broker is back within its session, not registered anew yet, and gets what was meant for its former incarnation.
/// Returns its answer.
fn answer_to_a_request_for_the_former_incarnation(flaws: Flaws) -> i16 {
    simulate(23, async move |world| {
        let (mut cluster, [bounced, ..]) = with_witness(world, flaws).await;
        let epoch = |kind: &EventKind| match kind {
            EventKind::BrokerRegistered { broker_epoch, .. } => Some(*broker_epoch),
            _ => None,
        };
        let former = cluster.kinds(name(bounced)).iter().find_map(epoch).expect("it was registered");
        let crash = cluster.world.power_loss(name(bounced), ROOT, Keep::All);
        cluster.world.start(name(bounced), crash);
        cluster.until("it serves", async |cluster| cluster.metadata(bounced, &[]).await.is_some()).await;
        let request = UpdateMetadataRequest { controller_epoch: 1, broker_epoch: former, ..Default::default() };
        match cluster.call(bounced, Api::UpdateMetadata.range().maximum, request).await {
            Some(Response::UpdateMetadata(response)) => response.error_code,
            other => panic!("{other:?}"),
        }
    })
}

#[test]
fn a_broker_that_is_not_registered_yet_does_not_obey_what_it_was_told_before() {
    let stale = ErrorCode::StaleBrokerEpoch.code();
    assert_eq!(answer_to_a_request_for_the_former_incarnation(Flaws::NONE), stale);
    let flawed = Flaws::NONE.with(Flaw::BouncedBrokerControlRequest);
    assert_eq!(answer_to_a_request_for_the_former_incarnation(flawed), ErrorCode::None.code());
}
