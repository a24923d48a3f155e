//! What clients may rely on.

use bytes::Bytes;
use trace::EventKind;
use zookeeper::{ClientEvent, CreateMode, ErrorCode, Op, OpResult, WatchKind, ZkError};

use crate::setup::{CAUSE, connected, create, creation, next, with_ensemble};

#[test]
fn a_single_member_serves_alone() {
    with_ensemble(1, 1, |ensemble| async move {
        let client = ensemble.client("app").await;
        let path = create(&client, "/a", CreateMode::Persistent).await;
        assert_eq!(path, "/a");
        let stat = client.set_data(CAUSE, "/a", Bytes::from_static(b"two"), 0).await.unwrap().value;
        assert_eq!((stat.version, stat.data_length), (1, 3));
        let (data, _) = client.get_data(CAUSE, "/a", false).await.unwrap().value;
        assert_eq!(&data[..], b"two");
        assert_eq!(client.set_data(CAUSE, "/a", Bytes::new(), 0).await, Err(ZkError::BadVersion));
        assert_eq!(client.get_data(CAUSE, "/b", false).await, Err(ZkError::NoNode));
        assert_eq!(client.exists(CAUSE, "/b", false).await.unwrap().value, None);
        assert_eq!(client.get_children(CAUSE, "/", false).await.unwrap().value.0, ["a", "zookeeper"]);
        client.delete(CAUSE, "/a", 1).await.unwrap();
        client.sync(CAUSE, "/").await.unwrap();
        assert!(client.exists(CAUSE, "/a", false).await.unwrap().value.is_none());
    });
}

#[test]
fn what_one_client_wrote_another_sees_after_a_sync() {
    with_ensemble(3, 2, |ensemble| async move {
        let writer = ensemble.client("writer").await;
        let reader = ensemble.client("reader").await;
        create(&writer, "/n", CreateMode::Persistent).await;
        for round in 0..20u8 {
            writer.set_data(CAUSE, "/n", Bytes::from(vec![round]), -1).await.unwrap();
            reader.sync(CAUSE, "/n").await.unwrap();
            assert_eq!(reader.get_data(CAUSE, "/n", false).await.unwrap().value.0[..], [round]);
        }
    });
}

#[test]
fn a_watch_event_comes_before_the_change_is_seen() {
    let events = with_ensemble(3, 3, |ensemble| async move {
        let writer = ensemble.client("writer").await;
        let watcher = ensemble.client("watcher").await;
        create(&writer, "/n", CreateMode::Persistent).await;
        watcher.sync(CAUSE, "/n").await.unwrap();
        for _ in 0..20 {
            let seen = watcher.get_data(CAUSE, "/n", true).await.unwrap().value.1.version;
            writer.set_data(CAUSE, "/n", Bytes::new(), seen).await.unwrap();
            let read = watcher.get_data(CAUSE, "/n", false);
            let told = next(&watcher, |event| match event {
                ClientEvent::Watch { path, kind, .. } => Some((path.clone(), *kind)),
                _ => None,
            });
            assert_eq!(told.await, ("/n".into(), WatchKind::DataChanged));
            assert!(read.await.unwrap().value.1.version > seen, "asked behind the event, it is seen");
        }
    });
    // Per session: no reply may show a zxid at which a watch had fired before the event was received.
    let fired = events.iter().filter(|event| matches!(event.kind, EventKind::WatchFired { .. })).count();
    assert_eq!(fired, 20);
}

#[test]
fn watches_tell_of_creation_deletion_and_children() {
    with_ensemble(3, 4, |ensemble| async move {
        let client = ensemble.client("app").await;
        connected(&client).await;
        assert!(client.exists(CAUSE, "/n", true).await.unwrap().value.is_none());
        client.get_children(CAUSE, "/", true).await.unwrap();
        create(&client, "/n", CreateMode::Persistent).await;
        client.get_children(CAUSE, "/n", true).await.unwrap();
        client.delete(CAUSE, "/n", -1).await.unwrap();
        let mut told = Vec::new();
        for _ in 0..3 {
            let event = |event: &ClientEvent| match event {
                ClientEvent::Watch { path, kind, .. } => Some((path.clone(), *kind)),
                _ => None,
            };
            told.push(next(&client, event).await);
        }
        let expected = [("/n", WatchKind::Created), ("/", WatchKind::ChildrenChanged), ("/n", WatchKind::Deleted)];
        assert_eq!(told, expected.map(|(path, kind)| (path.to_owned(), kind)));
    });
}

#[test]
fn a_multi_does_all_or_nothing_and_names_the_culprit() {
    with_ensemble(3, 5, |ensemble| async move {
        let client = ensemble.client("app").await;
        create(&client, "/epoch", CreateMode::Persistent).await;
        let check = |version| Op::Check { path: "/epoch".into(), version };
        let ops =
            vec![check(0), creation("/a", CreateMode::Ephemeral), creation("/s-", CreateMode::PersistentSequential)];
        let results = client.multi(CAUSE, ops).await.unwrap().value;
        let OpResult::Created(created) = &results[2] else { panic!("{results:?}") };
        assert_eq!((results[0].clone(), created.path.as_str()), (OpResult::Checked, "/s-0000000002"));
        let ops = vec![creation("/b", CreateMode::Persistent), check(1), creation("/c", CreateMode::Persistent)];
        let refused = client.multi(CAUSE, ops).await;
        assert_eq!(refused, Err(ZkError::Multi { index: 1, error: ErrorCode::BadVersion }));
        assert!(client.exists(CAUSE, "/b", false).await.unwrap().value.is_none());
    });
}

#[test]
fn sequential_names_are_unique_over_clients_and_leaders() {
    with_ensemble(3, 6, |ensemble| async move {
        let clients = [ensemble.client("one").await, ensemble.client("two").await];
        create(&clients[0], "/q", CreateMode::Persistent).await;
        clients[1].sync(CAUSE, "/q").await.unwrap();
        let mut names = Vec::new();
        for round in 0..10 {
            if round == 5 {
                ensemble.world.kill(ensemble.leader().await, CAUSE);
            }
            for client in &clients {
                let created = client.create(CAUSE, "/q/n-", Bytes::new(), CreateMode::PersistentSequential).await;
                names.extend(created.ok().map(|created| created.value.path));
            }
        }
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
        assert!(names.len() >= 17, "at most a few were lost with the leader: {names:?}");
    });
}
