//! Everything at once, drawn from a seed: the judge watches.

use bytes::Bytes;
use host::sim::Keep;
use trace::{Event, EventKind, Name};
use zookeeper::{Client, CreateMode, ZkError};

use crate::setup::{CAUSE, Ensemble, create, with_snapshots};

/// What a client knows of the counter it raises by compare-and-set.
#[derive(Default)]
struct Tally {
    acknowledged: Vec<i32>,
    unknown: u32,
}

/// Raises `/counter` from whatever a (possibly stale) read says, and keeps an ephemeral alive, until `stop` (s).
async fn raise(ensemble: Ensemble, client: Client, name: String, stop: f64) -> Tally {
    let mut tally = Tally::default();
    while ensemble.now() < stop {
        let ephemeral = client.create(CAUSE, &format!("/live-{name}"), Bytes::new(), CreateMode::Ephemeral).await;
        assert!(
            !matches!(ephemeral, Err(ZkError::Refused(_))) || ephemeral == Err(ZkError::NodeExists),
            "{ephemeral:?}"
        );
        let Ok(reply) = client.get_data(CAUSE, "/counter", false).await else { continue };
        let version = reply.value.1.version;
        match client.set_data(CAUSE, "/counter", Bytes::new(), version).await {
            Ok(reply) => {
                assert_eq!(reply.value.version, version + 1);
                tally.acknowledged.push(version + 1);
            }
            Err(ZkError::BadVersion | ZkError::SessionExpired) => {}
            Err(ZkError::ConnectionLoss) => tally.unknown += 1,
            Err(error) => panic!("{error}"),
        }
        ensemble.sleep(0.02).await;
    }
    tally
}

/// One fault after the other; two members may be away at once.
async fn trouble(ensemble: Ensemble, stop: f64) {
    let mut random = ensemble.world.entropy("test-faults");
    let world = &ensemble.world;
    let everybody: Vec<Name> = world.nodes();
    while ensemble.now() < stop {
        ensemble.sleep(random.below(4000) as f64 / 1000.0).await;
        let member = ensemble.members[random.below(ensemble.members.len() as u64) as usize];
        let seconds = random.below(14_000) as f64 / 1000.0;
        let kind = random.below(6);
        let again = ensemble.clone();
        let other = everybody[random.below(everybody.len() as u64) as usize];
        match kind {
            0 => _ = world.kill(member, CAUSE),
            1 => _ = world.power_loss(member, CAUSE, Keep::Random),
            2 => _ = world.power_loss(member, CAUSE, Keep::None),
            5 if world.is_up(other) && !world.is_paused(other) => _ = world.pause(other, CAUSE),
            _ => {}
        }
        let fault = match kind {
            3 => Some(ensemble.cut("both", &[member], &everybody)),
            4 => Some(ensemble.cut_links("one way", &[(member, other)])),
            _ => None,
        };
        let task = async move {
            again.sleep(seconds).await;
            match (kind, fault) {
                (0..3, _) if !again.world.is_up(member) => _ = again.world.start(member, CAUSE),
                (_, Some(fault)) => again.world.heal(fault),
                (5, _) if again.world.is_paused(other) => _ = again.world.resume(other, CAUSE),
                _ => {}
            }
        };
        world.spawn(task);
    }
}

fn run(seed: u64, members: u32) -> Vec<Event> {
    let events = with_snapshots(members, seed, 20, move |ensemble| async move {
        let first = ensemble.client("app-0").await;
        create(&first, "/counter", CreateMode::Persistent).await;
        let mut tallies = Vec::new();
        let (sender, mut done) = tokio::sync::mpsc::unbounded_channel();
        for index in 0..3 {
            let name = format!("app-{index}");
            let client = if index == 0 { first.clone() } else { ensemble.client(&name).await };
            let (raising, sender) = (raise(ensemble.clone(), client, name, 90.0), sender.clone());
            ensemble.world.spawn(async move {
                let _ = sender.send(raising.await);
            });
        }
        trouble(ensemble.clone(), 60.0).await;
        for _ in 0..3 {
            tallies.push(done.recv().await.expect("a tally"));
        }
        let reader = ensemble.client("reader").await;
        while reader.sync(CAUSE, "/counter").await.is_err() {}
        let version = reader.get_data(CAUSE, "/counter", false).await.expect("healed").value.1.version;
        let mut acknowledged: Vec<i32> = tallies.iter().flat_map(|tally| tally.acknowledged.clone()).collect();
        let unknown: u32 = tallies.iter().map(|tally| tally.unknown).sum();
        acknowledged.sort_unstable();
        let raised = acknowledged.len();
        acknowledged.dedup();
        assert_eq!(acknowledged.len(), raised, "no version is given twice");
        assert!(acknowledged.last().is_some_and(|last| *last <= version), "what is acknowledged is there");
        assert!(
            version as u32 <= raised as u32 + unknown,
            "{version} versions, {raised} acknowledged, {unknown} unknown"
        );
        assert!(raised > 100, "only {raised} writes got through");
    });
    let leaders = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::ZabRoleChanged { role: trace::ZabRole::Leading, .. }));
    assert!(leaders.count() > 1, "no leader was ever lost");
    events
}

#[test]
fn three_members_keep_their_word_in_any_trouble() {
    (0..12).for_each(|seed| drop(run(seed, 3)));
}

#[test]
fn five_members_keep_their_word_in_any_trouble() {
    (100..104).for_each(|seed| drop(run(seed, 5)));
}

#[test]
fn equal_seeds_give_equal_runs() {
    assert!(run(7, 3) == run(7, 3), "the same events in the same order at the same times");
}

#[test]
fn every_decision_of_a_member_has_a_cause() {
    let events = run(3, 3);
    let uncaused = |event: &&Event| {
        let quorum = match event.kind {
            EventKind::FrameSent(frame) => frame.protocol == trace::Protocol::Quorum,
            EventKind::ZabRoleChanged { .. }
            | EventKind::ZabProposed { .. }
            | EventKind::ZabDelivered { .. }
            | EventKind::ZabSynchronized { .. }
            | EventKind::ZnodeChanged { .. }
            | EventKind::SessionOpened { .. }
            | EventKind::SessionEnded { .. }
            | EventKind::SessionEstablished { .. }
            | EventKind::SessionLost { .. }
            | EventKind::SessionView { .. }
            | EventKind::WatchFired { .. } => true,
            _ => false,
        };
        quorum && event.cause == CAUSE
    };
    assert_eq!(events.iter().find(uncaused), None);
}
