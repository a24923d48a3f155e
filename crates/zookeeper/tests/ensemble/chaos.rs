//! Everything at once, drawn from a seed: the judge watches.

use bytes::Bytes;
use host::sim::Keep;
use trace::{EventKind, Name};
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
        assert!(!matches!(ephemeral, Err(ZkError::Refused(_))) || ephemeral == Err(ZkError::NodeExists), "{ephemeral:?}");
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
        let heal = match kind {
            0 => drop(world.kill(member, CAUSE)),
            1 => drop(world.power_loss(member, CAUSE, Keep::Random)),
            2 => drop(world.power_loss(member, CAUSE, Keep::None)),
            _ => {}
        };
        let () = heal;
        let fault = match kind {
            3 => Some(ensemble.cut("both", &[member], &everybody)),
            4 => Some(ensemble.cut_links("one way", &[(member, other)])),
            _ => None,
        };
        if kind == 5 && world.is_up(other) && !world.is_paused(other) {
            world.pause(other, CAUSE);
        }
        let task = async move {
            again.sleep(seconds).await;
            match (kind, fault) {
                (0..3, _) if !again.world.is_up(member) => drop(again.world.start(member, CAUSE)),
                (_, Some(fault)) => again.world.heal(fault),
                (5, _) if again.world.is_paused(other) => drop(again.world.resume(other, CAUSE)),
                _ => {}
            }
        };
        world.spawn(task);
    }
}

fn run(seed: u64, members: u32) {
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
        assert!(version as u32 <= raised as u32 + unknown, "{version} versions, {raised} acknowledged, {unknown} unknown");
        assert!(raised > 100, "only {raised} writes got through");
    });
    let leaders = events.iter().filter(|event| matches!(event.kind, EventKind::ZabRoleChanged { role: trace::ZabRole::Leading, .. }));
    assert!(leaders.count() > 1, "no leader was ever lost");
}

#[test]
fn three_members_keep_their_word_in_any_trouble() {
    (0..100).for_each(|seed| run(seed, 3));
}

#[test]
fn five_members_keep_their_word_in_any_trouble() {
    (100..160).for_each(|seed| run(seed, 5));
}
