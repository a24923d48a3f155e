//! One broker and one ZooKeeper.

use trace::EventKind;
use wire::kafka::messages::{ApiVersionsRequest, InitProducerIdRequest};
use wire::kafka::{ErrorCode, Response};

use crate::support::*;

#[test]
fn a_topic_is_created_written_and_read() {
    simulate(1, async |world| {
        let mut cluster = Cluster::start(world, 1, &[]).await;
        cluster.create_topic(1, 1, &[]).await;
        assert_eq!(cluster.partition(1).await, Some((1, 0, vec![1])));
        assert_eq!(cluster.produce(1, -1, &["a", "b"]).await, Ok(0));
        assert_eq!(cluster.produce(1, 1, &["c"]).await, Ok(2));
        let (values, high_watermark) = cluster.fetch(1, 1).await.unwrap();
        assert_eq!(high_watermark, 3);
        assert_eq!(values, [(0, "a"), (1, "b"), (2, "c")].map(|(offset, value)| (offset, value.to_owned())));
        assert_eq!(cluster.fetch(1, 4).await, Err(ErrorCode::OffsetOutOfRange));
        assert_eq!(cluster.list_offset(1, -1, 7).await, Ok(3));
        assert_eq!(cluster.list_offset(1, -2, 1).await, Ok(0));
        let kinds = cluster.kinds("broker-1");
        for wanted in ["BrokerRegistered", "ControllerElected", "PartitionCreated", "LeadershipDecided", "BecameLeader"]
        {
            assert!(kinds.iter().any(|kind| format!("{kind:?}").starts_with(wanted)), "{wanted}");
        }
        let acked = kinds.iter().filter(|kind| matches!(kind, EventKind::ProduceAcked { .. })).count();
        let served = kinds.iter().filter(|kind| matches!(kind, EventKind::Served { .. })).count();
        assert_eq!((acked, served), (2, 2));
    });
}

#[test]
fn offsets_are_found_by_time() {
    simulate(8, async |world| {
        let mut cluster = Cluster::start(world, 1, &[]).await;
        cluster.create_topic(1, 1, &[]).await;
        assert_eq!(cluster.list_offset(1, -3, 7).await, Ok(-1), "an empty log has no greatest timestamp");
        for time in [1_000, 3_000, 2_000] {
            let mut builder = wire::batch::BatchBuilder::default();
            builder.append(time, None, Some(b"first"), &[]);
            builder.append(time + 10, None, Some(b"second"), &[]);
            cluster.produce_batch(1, -1, builder.build(0, -1), 1_000).await.unwrap();
        }
        for (asked, found) in [(0, 0), (1_000, 0), (1_001, 1), (1_011, 2), (3_011, -1), (-3, 3)] {
            assert_eq!(cluster.list_offset(1, asked, 7).await, Ok(found), "{asked}");
        }
    });
}

#[test]
fn every_event_but_the_brokers_start_has_a_cause_before_it() {
    simulate(2, async |world| {
        let mut cluster = Cluster::start(world, 1, &[]).await;
        cluster.create_topic(1, 1, &[]).await;
        cluster.produce(1, -1, &["a"]).await.unwrap();
        cluster.collect();
        for event in cluster.events.iter().filter(|event| event.node == name(1)) {
            assert!(event.cause < event.id, "{event:?}");
            let rooted = event.cause == ROOT;
            assert!(!rooted || !is_decision(&event.kind), "{event:?}");
        }
    });
}

fn is_decision(kind: &EventKind) -> bool {
    use EventKind::*;
    matches!(
        kind,
        BrokerRegistered { .. }
            | ControllerElected { .. }
            | PartitionCreated { .. }
            | LeadershipDecided { .. }
            | ControlApplied { .. }
            | BecameLeader { .. }
            | Appended { .. }
            | HighWatermarkMoved { .. }
            | ProduceAcked { .. }
    )
}

#[test]
fn a_topic_is_created_when_a_client_asks_for_it() {
    simulate(3, async |world| {
        let mut cluster = Cluster::start(world, 1, &[("num.partitions", "3")]).await;
        let first = cluster.metadata(1, &[TOPIC]).await.unwrap();
        assert_eq!(first.topics[0].error_code, ErrorCode::LeaderNotAvailable.code());
        cluster.await_partition(1, Some(1), &[1]).await;
        assert_eq!(cluster.metadata(1, &[TOPIC]).await.unwrap().topics[0].partitions.len(), 3);
        let illegal = cluster.metadata(1, &["no/such"]).await.unwrap();
        assert_eq!(illegal.topics[0].error_code, ErrorCode::InvalidTopic.code());
    });
}

#[test]
fn records_and_high_watermark_survive_a_crash() {
    simulate(4, async |world| {
        let mut cluster = Cluster::start(world, 1, &[("zookeeper.session.timeout.ms", "6000")]).await;
        cluster.create_topic(1, 1, &[]).await;
        for value in ["a", "b", "c"] {
            cluster.produce(1, -1, &[value]).await.unwrap();
        }
        let crash = cluster.world.kill("broker-1", ROOT);
        cluster.world.sleep(SECOND).await;
        cluster.world.start("broker-1", crash);
        // The old registration lives until its session expires; then the broker leads again.
        cluster
            .until("the partition is led again", async |cluster| {
                cluster.fetch(1, 0).await.is_ok_and(|(all, _)| all.len() == 3)
            })
            .await;
        let loaded = |kind: &EventKind| match kind {
            EventKind::LogLoaded { log_end, clean, .. } => Some((*log_end, *clean)),
            _ => None,
        };
        assert_eq!(cluster.kinds("broker-1").iter().find_map(loaded), Some((3, false)));
        assert_eq!(cluster.produce(1, -1, &["d"]).await, Ok(3));
    });
}

#[test]
fn an_idempotent_batch_sent_twice_is_stored_once() {
    simulate(5, async |world| {
        let mut cluster = Cluster::start(world, 1, &[]).await;
        cluster.create_topic(1, 1, &[]).await;
        let ask = || async {
            match cluster.call(1, 4, InitProducerIdRequest::default().with_transactional_id(None)).await {
                Some(Response::InitProducerId(response)) => response.producer_id.0,
                other => panic!("{other:?}"),
            }
        };
        let (first, second) = (ask().await, ask().await);
        assert_eq!((first, second), (0, 1));
        let mut builder = wire::batch::BatchBuilder::default();
        builder.producer(second, 0, 0).append(0, None, Some(b"once"), &[]);
        let batch = builder.build(0, -1);
        assert_eq!(cluster.produce_batch(1, -1, batch.clone(), 1_000).await, Ok(0));
        assert_eq!(cluster.produce_batch(1, -1, batch, 1_000).await, Ok(0));
        assert_eq!(cluster.fetch(1, 0).await.unwrap().1, 1);
    });
}

#[test]
fn a_fetch_waits_for_data_and_not_longer_than_asked() {
    simulate(6, async |world| {
        let mut cluster = Cluster::start(world, 1, &[]).await;
        cluster.create_topic(1, 1, &[]).await;
        let begun = cluster.world.now_ns();
        let Some(Response::Fetch(_)) = cluster.call(1, 11, fetch_request(0, 700)).await else { panic!("no answer") };
        let waited = cluster.world.now_ns() - begun;
        assert!((700_000_000..800_000_000).contains(&waited), "{waited}");
        let fetch = cluster.call(1, 11, fetch_request(0, 5_000));
        let produce = async {
            cluster.world.sleep(SECOND).await;
            cluster.produce(1, 1, &["a"]).await.unwrap();
        };
        let begun = cluster.world.now_ns();
        let (fetched, _) = join(fetch, produce).await;
        let Some(Response::Fetch(response)) = fetched else { panic!("no answer") };
        assert_eq!(response.responses[0].partitions[0].high_watermark, 1);
        assert!(cluster.world.now_ns() - begun < 2 * SECOND);
    });
}

#[test]
fn nonsense_closes_the_connection_and_leaves_the_broker_alive() {
    simulate(7, async |world| {
        let cluster = Cluster::start(world, 1, &[]).await;
        for frame in
            [vec![0, 0, 0, 8, 0, 1, 0, 11, 0, 0, 0, 1], vec![0, 0, 0, 8, 0, 99, 0, 0, 0, 0, 0, 1], vec![0, 0, 0, 1, 7]]
        {
            let mut connection = cluster.client.connect(address(1), broker::kafka_framing(), ROOT).await.unwrap();
            connection.sender.send(ROOT, frame.into()).await.unwrap();
            assert!(connection.receiver.next().await.is_err());
        }
        assert!(cluster.call(1, 3, ApiVersionsRequest::default()).await.is_some());
        assert!(cluster.world.is_up("broker-1"));
    });
}
