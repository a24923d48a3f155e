//! Leaders come and go.

use bytes::Bytes;
use trace::{EventKind, ZabRole};
use zookeeper::{ClientEvent, CreateMode, ZkError};

use crate::setup::{CAUSE, connected, create, next, with_ensemble, with_snapshots};

#[test]
fn a_crashed_leader_is_replaced_within_seconds_and_sessions_survive() {
    for seed in 0..5 {
        let events = with_ensemble(3, seed, |ensemble| async move {
            let client = ensemble.client("app").await;
            create(&client, "/e", CreateMode::Ephemeral).await;
            let leader = ensemble.leader().await;
            ensemble.world.kill(leader, CAUSE);
            let before = ensemble.now();
            ensemble.sleep(0.01).await;
            let second = ensemble.leader().await;
            assert_ne!(second, leader);
            assert!(ensemble.now() - before < 3.0, "took {} s", ensemble.now() - before);
            while client.set_data(CAUSE, "/e", Bytes::new(), -1).await.is_err() {}
            assert!(ensemble.now() - before < 5.0, "took {} s", ensemble.now() - before);
            ensemble.world.start(leader, CAUSE);
            ensemble.sleep(20.0).await;
            assert_eq!(ensemble.roles()[&leader].0, ZabRole::Following);
            assert_eq!(ensemble.leader().await, second, "who comes back does not disturb");
            assert!(client.exists(CAUSE, "/e", false).await.unwrap().value.is_some());
        });
        assert!(!events.iter().any(|event| matches!(event.kind, EventKind::SessionEnded { .. })), "no session ends");
    }
}

#[test]
fn a_minority_makes_no_progress_and_drops_its_clients() {
    with_ensemble(3, 3, |ensemble| async move {
        let client = ensemble.client("app").await;
        create(&client, "/n", CreateMode::Persistent).await;
        let leader = ensemble.leader().await;
        let others = ensemble.others(leader);
        // The client can reach the leader only, the leader nobody else.
        ensemble.cut("client", &["app".into()], &others);
        next(&client, |event| matches!(event, ClientEvent::Connected { .. }).then_some(())).await;
        ensemble.cut("leader", &[leader], &others);
        ensemble.sleep(15.0).await;
        let roles = ensemble.roles();
        assert_eq!(roles[&leader].0, ZabRole::Looking, "it knows that it lost its quorum");
        assert!(others.iter().any(|other| roles[other].0 == ZabRole::Leading), "the majority goes on");
        let events = ensemble.events();
        let (lost, _) = events
            .iter()
            .enumerate()
            .rfind(|(_, event)| event.node == leader && matches!(event.kind, EventKind::ZabRoleChanged { .. }))
            .expect("it changed its role");
        ensemble.sleep(20.0).await;
        let after = &ensemble.events()[lost..];
        assert!(
            !after.iter().any(|event| event.node == leader && matches!(event.kind, EventKind::ZabDelivered { .. }))
        );
        let back = |kind: &EventKind| matches!(kind, EventKind::SessionEstablished { .. });
        assert!(!after.iter().any(|event| back(&event.kind)), "nobody serves the client");
    });
}

#[test]
fn what_only_a_deposed_leader_logged_is_cut_and_what_was_acknowledged_stays() {
    for seed in 0..4 {
        with_ensemble(3, seed, |ensemble| async move {
            let client = ensemble.client("app").await;
            create(&client, "/n", CreateMode::Persistent).await;
            let leader = ensemble.leader().await;
            let others = ensemble.others(leader);
            ensemble.cut("client", &["app".into()], &others);
            while ensemble.events().iter().rev().find_map(|event| match event.kind {
                EventKind::SessionEstablished { member, .. } => Some(member),
                _ => None,
            }) != Some(leader)
            {
                ensemble.sleep(0.1).await;
            }
            client.set_data(CAUSE, "/n", Bytes::from_static(b"kept"), -1).await.unwrap();
            let cut = ensemble.cut("leader", &[leader], &others);
            let doomed = client.set_data(CAUSE, "/n", Bytes::from_static(b"doomed"), -1).await;
            assert_eq!(doomed, Err(ZkError::ConnectionLoss));
            ensemble.sleep(15.0).await;
            let other = ensemble.client("other").await;
            ensemble.world.heal(cut);
            let fresh = other.set_data(CAUSE, "/n", Bytes::from_static(b"new"), 1).await;
            assert!(fresh.is_ok(), "version 1 is the one that was acknowledged: {fresh:?}");
            ensemble.sleep(15.0).await;
            assert_ne!(ensemble.roles()[&leader].0, ZabRole::Looking, "it is back");
        });
    }
}

#[test]
fn a_leader_whose_followers_do_not_hear_it_is_replaced_although_it_hears_them() {
    with_ensemble(3, 4, |ensemble| async move {
        let leader = ensemble.leader().await;
        let links: Vec<_> = ensemble.others(leader).into_iter().map(|other| (leader, other)).collect();
        ensemble.cut_links("deaf", &links);
        ensemble.sleep(40.0).await;
        let second = ensemble.leader().await;
        assert_ne!(second, leader);
    });
}

#[test]
fn five_members_lose_two_and_go_on() {
    with_ensemble(5, 5, |ensemble| async move {
        let client = ensemble.client("app").await;
        create(&client, "/n", CreateMode::Persistent).await;
        for _ in 0..2 {
            ensemble.world.kill(ensemble.leader().await, CAUSE);
            ensemble.sleep(0.1).await;
        }
        while client.set_data(CAUSE, "/n", Bytes::new(), -1).await.is_err() {}
    });
}

#[test]
fn a_member_far_behind_gets_a_snapshot_and_serves_what_was_written_meanwhile() {
    let events = with_snapshots(3, 6, 10, |ensemble| async move {
        let client = ensemble.client("app").await;
        create(&client, "/n", CreateMode::Persistent).await;
        let leader = ensemble.leader().await;
        let away = ensemble.others(leader)[0];
        ensemble.world.kill(away, CAUSE);
        let mut done = 0;
        while done < 60 {
            done += u32::from(client.set_data(CAUSE, "/n", Bytes::new(), -1).await.is_ok());
        }
        ensemble.world.start(away, CAUSE);
        ensemble.sleep(5.0).await;
        assert_eq!(ensemble.roles()[&away].0, ZabRole::Following);
        for other in ensemble.others(away) {
            ensemble.world.kill(other, CAUSE);
        }
        ensemble.world.start(ensemble.others(away)[0], CAUSE);
        let (data, stat) = loop {
            if let Ok(reply) = client.get_data(CAUSE, "/n", false).await {
                break reply.value;
            }
        };
        assert!(data.is_empty() && stat.version >= 60);
    });
    let snap = |kind: &EventKind| matches!(kind, EventKind::FrameSent(frame) if frame.api.as_str() == "SNAP");
    assert!(events.iter().any(|event| snap(&event.kind)), "a snapshot was sent");
}

#[test]
fn the_first_connection_is_a_new_session() {
    with_ensemble(3, 7, |ensemble| async move {
        let client = ensemble.client("app").await;
        assert_eq!(client.session_id(), 0);
        let (session, new) = connected(&client).await;
        assert!(new && session != 0 && client.session_id() == session);
    });
}
