//! Sessions: how they live, move and end.

use bytes::Bytes;
use trace::{Event, EventKind, Name};
use zookeeper::{ClientEvent, CreateMode, ZkError};

use crate::setup::{CAUSE, SECOND, connected, create, next, with_ensemble};

fn ended(events: &[Event]) -> Vec<(u64, bool, u64)> {
    let ended = |event: &Event| match event.kind {
        EventKind::SessionEnded { session, expired, .. } => Some((session, expired, event.at)),
        _ => None,
    };
    events.iter().filter_map(ended).collect()
}

#[test]
fn an_ephemeral_dies_exactly_with_its_session_6_to_9_seconds_after_its_client() {
    for seed in 0..5 {
        let events = with_ensemble(3, seed, |ensemble| async move {
            let client = ensemble.client("app").await;
            let other = ensemble.client("other").await;
            create(&client, "/e", CreateMode::Ephemeral).await;
            ensemble.sleep(20.0).await;
            other.sync(CAUSE, "/").await.unwrap();
            assert!(other.exists(CAUSE, "/e", true).await.unwrap().value.is_some(), "its client lives");
            ensemble.world.power_loss("app", CAUSE, host::sim::Keep::None);
            next(&other, |event| matches!(event, ClientEvent::Watch { .. }).then_some(())).await;
        });
        let died = events
            .iter()
            .find(|event| event.node == Name::new("app") && matches!(event.kind, EventKind::NodeStopped { .. }));
        let died = died.expect("it lost power").at;
        let (session, expired, at) = ended(&events)[0];
        assert!(expired);
        // Its last ping was up to 2 s before, the leader hears of followers' clients once a second.
        assert!((4 * SECOND..9 * SECOND).contains(&(at - died)), "expired {} ms after", (at - died) / 1_000_000);
        let deleted = |event: &&Event| matches!(event.kind, EventKind::ZnodeChanged { change: trace::ZnodeChange::Deleted, owner, .. } if owner == session);
        assert_eq!(events.iter().filter(deleted).count(), 1);
    }
}

#[test]
fn a_closed_session_ends_at_once() {
    let events = with_ensemble(3, 2, |ensemble| async move {
        let client = ensemble.client("app").await;
        create(&client, "/e", CreateMode::Ephemeral).await;
        client.close();
        ensemble.sleep(0.5).await;
        assert_eq!(client.exists(CAUSE, "/e", false).await, Err(ZkError::Closed));
        let other = ensemble.client("other").await;
        other.sync(CAUSE, "/").await.unwrap();
        assert!(other.exists(CAUSE, "/e", false).await.unwrap().value.is_none());
    });
    assert!(ended(&events).iter().any(|(_, expired, _)| !expired));
}

#[test]
fn a_paused_client_learns_on_resume_that_its_session_expired_and_opens_a_new_one() {
    with_ensemble(3, 3, |ensemble| async move {
        let client = ensemble.client("app").await;
        let (first, new) = connected(&client).await;
        assert!(new);
        create(&client, "/e", CreateMode::Ephemeral).await;
        ensemble.world.pause("app", CAUSE);
        ensemble.sleep(12.0).await;
        ensemble.world.resume("app", CAUSE);
        let expired = next(&client, |event| match event {
            ClientEvent::SessionExpired { session, .. } => Some(*session),
            _ => None,
        });
        assert_eq!(expired.await, first);
        let (second, new) = connected(&client).await;
        assert!(new && second != first);
        assert!(client.exists(CAUSE, "/e", false).await.unwrap().value.is_none());
        assert_eq!(client.session_id(), second);
    });
}

#[test]
fn a_short_pause_costs_nothing() {
    let events = with_ensemble(3, 4, |ensemble| async move {
        let client = ensemble.client("app").await;
        create(&client, "/e", CreateMode::Ephemeral).await;
        for _ in 0..5 {
            ensemble.world.pause("app", CAUSE);
            ensemble.sleep(3.0).await;
            ensemble.world.resume("app", CAUSE);
            ensemble.sleep(1.0).await;
        }
        assert!(client.exists(CAUSE, "/e", false).await.unwrap().value.is_some());
    });
    assert_eq!(ended(&events), []);
}

#[test]
fn a_client_that_reconnects_keeps_its_session_and_hears_what_its_watches_missed() {
    with_ensemble(3, 5, |ensemble| async move {
        let client = ensemble.client("app").await;
        let other = ensemble.client("other").await;
        create(&other, "/n", CreateMode::Persistent).await;
        client.sync(CAUSE, "/n").await.unwrap();
        let (session, _) = connected(&client).await;
        client.get_data(CAUSE, "/n", true).await.unwrap();
        client.exists(CAUSE, "/later", true).await.unwrap();
        let app = [Name::new("app")];
        let cut = ensemble.cut("cut", &app, &ensemble.members);
        other.set_data(CAUSE, "/n", Bytes::from_static(b"missed"), -1).await.unwrap();
        next(&client, |event| matches!(event, ClientEvent::Disconnected { .. }).then_some(())).await;
        ensemble.world.heal(cut);
        assert_eq!(connected(&client).await, (session, false));
        let path = |event: &ClientEvent| match event {
            ClientEvent::Watch { path, .. } => Some(path.clone()),
            _ => None,
        };
        assert_eq!(next(&client, path).await, "/n", "it fires for what happened meanwhile");
        create(&other, "/later", CreateMode::Persistent).await;
        assert_eq!(next(&client, path).await, "/later", "it stands on the new member");
    });
}

#[test]
fn calls_made_while_disconnected_wait_and_calls_under_way_are_unknown() {
    with_ensemble(3, 6, |ensemble| async move {
        let client = ensemble.client("app").await;
        create(&client, "/n", CreateMode::Persistent).await;
        let app = [Name::new("app")];
        let cut = ensemble.cut("cut", &app, &ensemble.members);
        let under_way = client.set_data(CAUSE, "/n", Bytes::new(), -1).await;
        assert_eq!(under_way, Err(ZkError::ConnectionLoss));
        let world = ensemble.world.clone();
        ensemble.world.spawn(async move {
            world.sleep(SECOND / 2).await;
            world.heal(cut);
        });
        let waited = client.set_data(CAUSE, "/n", Bytes::new(), -1).await;
        assert!(waited.is_ok() || waited == Err(ZkError::SessionExpired), "{waited:?}");
    });
}
