//! Each flaw loses or diverges with it on, and does not with it off: the catalogue's scenarios, step by step.

use broker::{Flaw, Flaws};
use host::sim::{Keep, World};
use trace::EventKind;

use crate::support::*;

const SETTINGS: &[(&str, &str)] = &[("zookeeper.session.timeout.ms", "6000"), ("replica.lag.time.max.ms", "20000")];

/// Four brokers, and a topic on all but the controller: its three replicas in order of preference.
async fn started(world: World, flaws: Flaws) -> (Cluster, [i32; 3]) {
    let mut cluster = Cluster::start_with(world, 4, SETTINGS, flaws).await;
    let controller = cluster.metadata(1, &[]).await.unwrap().controller_id.0;
    let replicas: Vec<i32> = (1..=4).filter(|id| *id != controller).collect();
    cluster.create_topic_on(&replicas).await;
    cluster.await_partition(controller, Some(replicas[0]), &replicas).await;
    // The cluster settles: every follower has fetched.
    cluster.until("it is written", async |cluster| cluster.produce(replicas[0], -1, &["first"]).await == Ok(0)).await;
    cluster.world.sleep(2 * SECOND).await;
    (cluster, replicas.try_into().expect("three of four"))
}

/// KIP-101: returns what the last leader has of two acked records.
fn after_two_failovers(flaws: Flaws) -> usize {
    simulate(20, async move |world| {
        let (mut cluster, [old, next, last]) = started(world, flaws).await;
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
        let (mut cluster, [a, b, c]) = started(world, flaws).await;
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
