//! Three brokers and one ZooKeeper: replication, failover, and what comes after.

use broker::Flaws;
use host::sim::{Keep, World};
use trace::{EventKind, Name};
use wire::kafka::messages::DeleteTopicsRequest;
use wire::kafka::{ErrorCode, Response};

use crate::support::*;

const SETTINGS: &[(&str, &str)] = &[("zookeeper.session.timeout.ms", "6000"), ("replica.lag.time.max.ms", "10000")];

/// Three brokers and a topic with one partition on all of them; the leader too.
async fn started(world: World, settings: &[(&str, &str)]) -> (Cluster, i32) {
    let mut cluster = Cluster::start(world, 3, SETTINGS).await;
    cluster.create_topic(1, 3, settings).await;
    let (leader, _) = cluster.await_partition(1, None, &[1, 2, 3]).await;
    (cluster, leader)
}

#[test]
fn an_acked_batch_is_on_every_replica() {
    simulate(10, async |world| {
        let (mut cluster, leader) = started(world, &[]).await;
        for (place, value) in ["a", "b", "c"].into_iter().enumerate() {
            assert_eq!(cluster.produce(leader, -1, &[value]).await, Ok(place as i64));
            let logs = [1, 2, 3].map(|id| log_of(&mut cluster, id));
            assert!(logs.iter().all(|log| log.len() == place + 1), "{logs:?}");
        }
        let wrong = others(leader)[0];
        assert_eq!(cluster.produce(wrong, -1, &["d"]).await, Err(ErrorCode::NotLeaderOrFollower));
        assert_eq!(cluster.fetch(wrong, 0).await, Err(ErrorCode::NotLeaderOrFollower));
        cluster.world.sleep(SECOND).await;
        for id in others(leader) {
            let learned =
                |kind: &EventKind| matches!(kind, EventKind::HighWatermarkMoved { to: 3, leading: false, .. });
            assert!(cluster.kinds(name(id)).iter().any(learned), "follower {id} knows the high watermark");
        }
    });
}

#[test]
fn a_crashed_leader_is_replaced_truncated_and_readmitted() {
    simulate(11, async |world| {
        let (mut cluster, old) = started(world, &[]).await;
        cluster.produce(old, -1, &["committed"]).await.unwrap();
        // What only the leader gets is acked with acks=1, and lost.
        let cut = fault(&cluster, "followers");
        let peers = others(old).map(name);
        cluster.world.cut(cut, &links(old, &peers));
        assert_eq!(cluster.produce(old, 1, &["doomed"]).await, Ok(1));
        let crash = cluster.world.power_loss(name(old), cut, Keep::All);
        cluster.world.heal(cut);
        let witness = others(old)[0];
        let (new, epoch) = cluster.await_partition(witness, None, &others(old)).await;
        assert!(new != old && epoch > 0);
        assert_eq!(cluster.produce(new, -1, &["kept"]).await, Ok(1));

        cluster.world.start(name(old), crash);
        cluster.await_partition(witness, Some(new), &[1, 2, 3]).await;
        let truncated = |kind: &EventKind| matches!(kind, EventKind::Truncated { to: 1, from: 2, .. });
        assert!(cluster.kinds(name(old)).iter().any(truncated));
        assert_eq!(cluster.produce(new, -1, &["all"]).await, Ok(2));
        assert_equal_logs(&mut cluster, 3).await;
        let (values, high_watermark) = cluster.fetch(new, 0).await.unwrap();
        let expected = [(0, "committed"), (1, "kept"), (2, "all")].map(|(offset, value)| (offset, value.to_owned()));
        assert_eq!((values.as_slice(), high_watermark), (expected.as_slice(), 3));
    });
}

#[test]
fn a_silent_follower_leaves_the_isr_and_returns() {
    simulate(12, async |world| {
        let (mut cluster, leader) = started(world, &[("min.insync.replicas", "3")]).await;
        let [slow, other] = others(leader);
        let cut = fault(&cluster, "follower");
        // ZooKeeper still hears it: this is the leader's business, not the controller's.
        cluster.world.cut(cut, &links(slow, &[name(leader)]));
        let timed_out = cluster.produce_batch(leader, -1, batch(&["a"]), 1_000).await;
        assert_eq!(timed_out, Err(ErrorCode::RequestTimedOut));
        let mut two = vec![leader, other];
        two.sort_unstable();
        cluster.await_partition(other, Some(leader), &two).await;
        assert_eq!(cluster.produce(leader, -1, &["b"]).await, Err(ErrorCode::NotEnoughReplicas));
        assert_eq!(
            cluster.fetch(leader, 1).await,
            Ok((vec![], 0)),
            "beyond the high watermark is nothing, and no error"
        );
        assert_eq!(cluster.fetch(leader, 0).await.unwrap().1, 0, "the high watermark stands still under min.insync");
        cluster.world.heal(cut);
        cluster.await_partition(other, Some(leader), &[1, 2, 3]).await;
        assert_eq!(cluster.produce(leader, -1, &["c"]).await, Ok(1));
        let kinds = cluster.kinds(name(leader));
        for wanted in ["IsrProposed", "IsrChanged"] {
            let count = kinds.iter().filter(|kind| format!("{kind:?}").starts_with(wanted)).count();
            assert_eq!(count, 2, "{wanted}: out and in");
        }
        assert_equal_logs(&mut cluster, 2).await;
    });
}

#[test]
fn a_leader_cut_off_from_everybody_acks_nothing_and_loses_what_it_took() {
    simulate(13, async |world| {
        let (mut cluster, old) = started(world, &[("min.insync.replicas", "2")]).await;
        cluster.produce(old, -1, &["a"]).await.unwrap();
        let cut = fault(&cluster, "leader");
        let [one, two] = others(old).map(name);
        cluster.world.cut(cut, &links(old, &[one, two, Name::new("zk-1")]));
        let (new, _) = cluster.await_partition(others(old)[0], None, &others(old)).await;
        assert_ne!(new, old);
        // It still believes that it leads.
        assert_eq!(cluster.produce(old, 1, &["zombie"]).await, Ok(1));
        let stale = cluster.produce_batch(old, -1, batch(&["never"]), 2_000).await;
        assert_eq!(stale, Err(ErrorCode::RequestTimedOut));
        assert_eq!(cluster.produce(new, -1, &["b"]).await, Ok(1));
        cluster.world.heal(cut);
        cluster.await_partition(others(old)[0], Some(new), &[1, 2, 3]).await;
        assert_equal_logs(&mut cluster, 2).await;
        let refused = cluster.produce(old, 1, &["no"]).await;
        assert_eq!(refused, Err(ErrorCode::NotLeaderOrFollower));
    });
}

#[test]
fn another_broker_becomes_the_controller_when_it_dies() {
    simulate(14, async |world| {
        let (mut cluster, leader) = started(world, &[]).await;
        let controller = cluster.metadata(1, &[]).await.unwrap().controller_id.0;
        let crash = cluster.world.kill(name(controller), ROOT);
        let witness = others(controller)[0];
        cluster
            .until("another controller", async |cluster| {
                let metadata = cluster.metadata(witness, &[]).await.unwrap();
                metadata.controller_id.0 != controller && metadata.brokers.len() == 2
            })
            .await;
        cluster.await_partition(witness, None, &others(controller)).await;
        cluster.world.start(name(controller), crash);
        cluster.await_partition(witness, None, &[1, 2, 3]).await;
        cluster.collect();
        let epochs: Vec<i32> = cluster
            .events
            .iter()
            .filter_map(|event| match event.kind {
                EventKind::ControllerElected { epoch } => Some(epoch),
                _ => None,
            })
            .collect();
        assert_eq!(epochs, [1, 2]);
        let (leader_now, _) = cluster.await_partition(witness, None, &[1, 2, 3]).await;
        assert!(leader == controller || leader_now == leader, "only the controller's own partitions moved");
    });
}

#[test]
fn with_a_flush_a_message_nothing_acked_is_lost_when_all_machines_lose_power() {
    simulate(15, async |world| {
        let settings = [("flush.messages", "1"), ("min.insync.replicas", "2")];
        let (mut cluster, leader) = started(world, &settings).await;
        for value in ["a", "b", "c", "d"] {
            cluster.produce(leader, -1, &[value]).await.unwrap();
        }
        for id in 1..=3 {
            cluster.world.power_loss(name(id), ROOT, Keep::None);
        }
        cluster.world.sleep(10 * SECOND).await;
        for id in 1..=3 {
            cluster.world.start(name(id), ROOT);
        }
        cluster
            .until("all four records again", async |cluster| {
                for id in 1..=3 {
                    if cluster
                        .fetch(id, 0)
                        .await
                        .is_ok_and(|(all, high_watermark)| all.len() == 4 && high_watermark == 4)
                    {
                        return true;
                    }
                }
                false
            })
            .await;
    });
}

#[test]
fn a_deleted_topic_is_gone_from_metadata_and_disks() {
    simulate(16, async |world| {
        let (mut cluster, leader) = started(world, &[]).await;
        cluster.produce(leader, -1, &["a"]).await.unwrap();
        let controller = cluster.metadata(1, &[]).await.unwrap().controller_id.0;
        let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name(TOPIC)]).with_timeout_ms(20_000);
        let Some(Response::DeleteTopics(response)) = cluster.call(controller, 5, request).await else {
            panic!("no answer")
        };
        assert_eq!(response.responses[0].error_code, 0);
        cluster
            .until("no directory is left", async |cluster| {
                (1..=3).all(|id| {
                    cluster.world.disk(name(id)).list("data").unwrap().iter().all(|entry| entry.name != "orders-0")
                })
            })
            .await;
        cluster.world.sleep(SECOND).await;
        cluster.create_topic(1, 3, &[]).await;
        let (leader, _) = cluster.await_partition(1, None, &[1, 2, 3]).await;
        assert_eq!(cluster.produce(leader, -1, &["anew"]).await, Ok(0));
    });
}

#[test]
fn a_new_leader_hides_its_lagging_high_watermark() {
    simulate(18, async |world| {
        let (mut cluster, [old, new, other]) = with_witness(world, Flaws::NONE).await;
        assert_eq!(cluster.produce(old, -1, &["acked"]).await, Ok(1));
        assert_eq!(cluster.list_offset(old, -1, 7).await, Ok(2));
        cluster.world.power_loss(name(old), ROOT, Keep::All);
        let cut = fault(&cluster, "new - other");
        cluster.world.cut(cut, &links(new, &[name(other)]));
        cluster
            .until("the new leader has no offset to tell", async |cluster| {
                cluster.list_offset(new, -1, 7).await == Err(ErrorCode::OffsetNotAvailable)
            })
            .await;
        assert_eq!(
            cluster.list_offset(new, -1, 4).await,
            Err(ErrorCode::LeaderNotAvailable),
            "in the words of version 4"
        );
        assert_eq!(cluster.list_offset(new, -2, 7).await, Ok(0));
        cluster.world.heal(cut);
        cluster.until("it has", async |cluster| cluster.list_offset(new, -1, 7).await == Ok(2)).await;
    });
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        simulate(17, async |world| {
            let (mut cluster, leader) = started(world, &[]).await;
            cluster.produce(leader, -1, &["a"]).await.unwrap();
            cluster.world.kill(name(leader), ROOT);
            let (new, _) = cluster.await_partition(others(leader)[0], None, &others(leader)).await;
            cluster.produce(new, -1, &["b"]).await.unwrap();
            let Cluster { world, client, .. } = cluster;
            drop(client);
            world.finish().fingerprint
        })
    };
    assert_eq!(run(), run());
}
