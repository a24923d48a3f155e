//! The log cleaner in a running broker.

use host::sim::{Keep, World};
use log::checkpoint;
use trace::EventKind;
use wire::batch::BatchBuilder;
use wire::kafka::Response;
use wire::kafka::messages::DeleteTopicsRequest;

use crate::support::*;

const SETTINGS: &[(&str, &str)] = &[("log.cleaner.backoff.ms", "1000"), ("zookeeper.session.timeout.ms", "6000")];
/// A few batches a segment, cleaned whenever there is a sealed one.
const COMPACTED: &[(&str, &str)] =
    &[("cleanup.policy", "compact"), ("segment.bytes", "300"), ("min.cleanable.dirty.ratio", "0.01")];

/// A cluster with a topic that holds forty versions of two keys.
async fn written(
    world: World,
    brokers: i32,
    settings: &'static [(&'static str, &'static str)],
    topic: &[(&str, &str)],
) -> (Cluster, i32) {
    let mut cluster = Cluster::start(world, brokers, settings).await;
    cluster.create_topic(1, brokers as i16, topic).await;
    let isr: Vec<i32> = (1..=brokers).collect();
    let (leader, _) = cluster.await_partition(1, None, &isr).await;
    for version in 0..40 {
        let (key, value) = (format!("key {}", version % 2), format!("version {version}"));
        let mut batch = BatchBuilder::default();
        batch.append(1_700_000_000_000, Some(key.as_bytes()), Some(value.as_bytes()), &[]);
        cluster.produce_batch(leader, -1, batch.build(0, -1), 30_000).await.expect("acknowledged");
    }
    (cluster, leader)
}

/// How far a broker has told that its log is cleaned, and how many records that took away.
fn cleaned(cluster: &mut Cluster, id: i32) -> (i64, u32) {
    let all = cluster.kinds(name(id)).into_iter().filter_map(|kind| match kind {
        EventKind::LogCleaned { upto, removed, .. } => Some((upto, removed)),
        _ => None,
    });
    all.fold((0, 0), |(end, sum), (upto, removed)| (end.max(upto), sum + removed))
}

/// How far the log is clean by the broker's checkpoint.
fn checkpointed(cluster: &Cluster, id: i32) -> Option<i64> {
    let bytes = cluster.world.disk(name(id)).read("data/cleaner-offset-checkpoint").ok()?;
    checkpoint::decode_offsets(&bytes).expect("a sound checkpoint").get(&orders()).copied()
}

/// All that the leader's log holds. A fetch ends with a segment, and may find nothing but an emptied batch.
async fn read_all(cluster: &Cluster, leader: i32) -> Vec<(i64, String)> {
    let (mut records, mut from): (Vec<(i64, String)>, i64) = (Vec::new(), 0);
    while from < 40 {
        let (found, high_watermark) = cluster.fetch(leader, from).await.unwrap();
        assert_eq!(high_watermark, 40);
        from = found.last().map_or(from, |(last, _)| *last) + 1;
        records.extend(found);
    }
    records.dedup();
    records
}

#[test]
fn every_replica_keeps_each_keys_latest_record_and_checkpoints_how_far_it_is_clean() {
    simulate(60, async |world| {
        let (mut cluster, leader) = written(world, 3, SETTINGS, COMPACTED).await;
        cluster.world.sleep(5 * SECOND).await;
        for id in 1..=3 {
            let (upto, removed) = cleaned(&mut cluster, id);
            assert!(upto > 30 && removed > 25, "broker {id}: {upto}, {removed}");
            assert_eq!(checkpointed(&cluster, id), Some(upto), "broker {id}");
        }
        let (upto, _) = cleaned(&mut cluster, leader);
        let expected: Vec<(i64, String)> = (upto - 2..40).map(|offset| (offset, format!("version {offset}"))).collect();
        assert_eq!(read_all(&cluster, leader).await, expected);
    });
}

#[test]
fn what_is_clean_is_not_cleaned_again_after_a_restart() {
    simulate(61, async |world| {
        let (mut cluster, _) = written(world, 1, SETTINGS, COMPACTED).await;
        cluster.world.sleep(5 * SECOND).await;
        let before = cleaned(&mut cluster, 1);
        let stopped = cluster.world.power_loss(name(1), ROOT, Keep::All);
        cluster.world.start(name(1), stopped);
        cluster.await_partition(1, Some(1), &[1]).await;
        cluster.world.sleep(5 * SECOND).await;
        assert_eq!(cleaned(&mut cluster, 1), before);
        assert_eq!(cluster.produce(1, -1, &["no key"]).await, Err(wire::kafka::ErrorCode::InvalidRecord));
    });
}

#[test]
fn a_topic_that_begins_anew_was_never_cleaned() {
    simulate(62, async |world| {
        let (mut cluster, _) = written(world, 1, SETTINGS, COMPACTED).await;
        cluster.world.sleep(5 * SECOND).await;
        assert!(checkpointed(&cluster, 1).is_some());
        let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name(TOPIC)]).with_timeout_ms(20_000);
        let Some(Response::DeleteTopics(_)) = cluster.call(1, 5, request).await else { panic!("no answer") };
        cluster.world.sleep(5 * SECOND).await;
        cluster.create_topic(1, 1, COMPACTED).await;
        assert_eq!(checkpointed(&cluster, 1), None);
    });
}

#[test]
fn only_compacted_logs_are_cleaned_and_only_if_the_cleaner_is_enabled() {
    const DISABLED: &[(&str, &str)] = &[("log.cleaner.enable", "false"), ("log.cleaner.backoff.ms", "1000")];
    for (settings, topic) in [(DISABLED, COMPACTED), (SETTINGS, &[("segment.bytes", "300")])] {
        simulate(63, async move |world| {
            let (mut cluster, leader) = written(world, 1, settings, topic).await;
            cluster.world.sleep(5 * SECOND).await;
            assert_eq!((cleaned(&mut cluster, 1), checkpointed(&cluster, 1)), ((0, 0), None));
            assert_eq!(read_all(&cluster, leader).await.len(), 40);
        });
    }
}
