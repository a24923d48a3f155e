//! Consumers and administration against the fake cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use client::{Admin, ClientConfig, ConsumerError, NewTopic, OffsetReset, OffsetSpec, PolledRecord, Record, read_all};
use host::Host;
use trace::{Event, EventKind, Name, Partition};
use wire::kafka::{Api, ErrorCode};

use crate::fake::{
    Fake, Log, ROOT, SECOND, Script, bootstrap, consumer, event, events, on_client, only, producer, simulate,
};

fn partition() -> Partition {
    Partition::new("t", 0)
}

/// Sends records `from..to`, each in its own batch.
async fn produce(host: &Host, from: u64, to: u64) {
    let producer = producer(host);
    for sequence in from..to {
        producer.send(Record::new("t", sequence).partition(0).value(format!("value {sequence}"))).await.unwrap();
        producer.flush().await;
    }
}

/// Polls until there are `count` records.
async fn poll(consumer: &client::Consumer, count: usize) -> Vec<PolledRecord> {
    let mut records = Vec::new();
    while records.len() < count {
        let more = consumer.poll(5 * SECOND).await;
        assert!(!more.is_empty(), "{} of {count} records, {:?}", records.len(), consumer.errors());
        records.extend(more);
    }
    records
}

fn resets(events: &[Event]) -> Vec<(i64, i64, &'static str)> {
    let reset = |event: &Event| match event.kind {
        EventKind::PositionReset { from, to, reason, .. } => Some((from, to, reason.as_str())),
        _ => None,
    };
    events.iter().filter_map(reset).collect()
}

/// A test on the client's node with topic `t` of one partition; returns all events.
fn consume<F: Future<Output = ()> + 'static>(body: impl Fn(Host, Fake) -> F + Send + 'static) -> Vec<Event> {
    simulate(1, |world, fake| async move {
        on_client(&world, move |host| body(host, fake.clone())).await;
        events(&world)
    })
}

#[test]
fn what_is_produced_is_polled_with_its_origin() {
    let events = consume(|host, _| async move {
        produce(&host, 0, 3).await;
        let consumer = consumer(&host, OffsetReset::Earliest);
        consumer.assign(&[Name::new("t")]);
        let records = poll(&consumer, 3).await;
        let seen: Vec<_> = records.iter().map(|record| (record.offset, record.sequence, record.producer)).collect();
        assert_eq!(seen, [0, 1, 2].map(|number| (number, number as u64, Name::new("client"))));
        assert_eq!(consumer.position(partition()), Some(3));
        consumer.processed(&records[2]);
    });
    assert_eq!(resets(&events), [(-1, 0, "initial")]);
    let processed = only(&events, |kind| matches!(kind, EventKind::RecordProcessed { .. }));
    let polled = event(&events, processed.cause);
    assert!(matches!(polled.kind, EventKind::RecordPolled { offset: 2, .. }));
    assert!(matches!(&event(&events, polled.cause).kind, EventKind::FrameDelivered(frame) if frame.response));
}

#[test]
fn latest_starts_at_the_end() {
    consume(|host, _| async move {
        produce(&host, 0, 2).await;
        let consumer = consumer(&host, OffsetReset::Latest);
        consumer.assign(&[Name::new("t")]);
        assert!(consumer.poll(SECOND).await.is_empty());
        produce(&host, 2, 3).await;
        assert_eq!(poll(&consumer, 1).await[0].offset, 2);
    });
}

#[test]
fn a_log_truncated_below_the_position_is_noticed_and_read_from_where_it_diverged() {
    let events = consume(|host, fake| async move {
        produce(&host, 0, 4).await;
        let consumer = consumer(&host, OffsetReset::Latest);
        consumer.assign(&[Name::new("t")]);
        consumer.poll(Duration::from_millis(200)).await;
        consumer.seek(ROOT, partition(), 0);
        poll(&consumer, 4).await;
        fake.with_log(0, |log| {
            (log.leader, log.epoch) = (2, 1);
            log.truncate(2);
        });
        // The log regrows past the position before the consumer looks (KIP-320).
        produce(&host, 4, 8).await;
        let again = poll(&consumer, 4).await;
        assert_eq!(
            again.iter().map(|record| (record.offset, record.sequence)).collect::<Vec<_>>(),
            [(2, 4), (3, 5), (4, 6), (5, 7)]
        );
    });
    assert_eq!(resets(&events), [(-1, 4, "initial"), (4, 0, "seek"), (4, 2, "log-truncation")]);
}

#[test]
fn without_a_reset_policy_a_truncated_log_stops_the_partition() {
    consume(|host, fake| async move {
        produce(&host, 0, 2).await;
        let consumer = consumer(&host, OffsetReset::None);
        consumer.assign(&[Name::new("t")]);
        consumer.poll(Duration::from_millis(200)).await;
        assert_eq!(consumer.errors(), [(partition(), ConsumerError::NoOffset)]);
        consumer.seek(ROOT, partition(), 0);
        poll(&consumer, 2).await;
        fake.with_log(0, |log| {
            log.epoch = 1;
            log.truncate(1);
        });
        assert!(consumer.poll(2 * SECOND).await.is_empty());
        let error = ConsumerError::LogTruncation { position: 2, diverging: Some(1) };
        assert_eq!(consumer.errors(), [(partition(), error)]);
    });
}

#[test]
fn errors_that_pass_do_not_move_the_position() {
    let events = consume(|host, fake| async move {
        produce(&host, 0, 2).await;
        let consumer = consumer(&host, OffsetReset::Earliest);
        consumer.assign(&[Name::new("t")]);
        let refuse = [
            ErrorCode::UnknownTopicOrPartition,
            ErrorCode::OffsetNotAvailable,
            ErrorCode::UnknownLeaderEpoch,
            ErrorCode::UnknownServerError,
        ];
        fake.script(Api::ListOffsets, [Script::DropAnswer, Script::Refuse(ErrorCode::LeaderNotAvailable)]);
        fake.script(Api::Fetch, refuse.map(Script::Refuse).into_iter().chain([Script::DropAnswer, Script::Ignore]));
        poll(&consumer, 2).await;
    });
    assert_eq!(resets(&events), [(-1, 0, "initial")]);
}

#[test]
fn a_position_below_the_log_start_is_reset_as_declared() {
    let events = consume(|host, fake| async move {
        produce(&host, 0, 3).await;
        let consumer = consumer(&host, OffsetReset::Earliest);
        consumer.assign(&[Name::new("t")]);
        poll(&consumer, 3).await;
        fake.with_log(0, |log| *log = Log { leader: 1, start: 10, ..Log::default() });
        consumer.poll(SECOND).await;
        assert_eq!(consumer.position(partition()), Some(10));
    });
    assert_eq!(resets(&events), [(-1, 0, "initial"), (3, 10, "out-of-range")]);
}

#[test]
fn a_corrupt_batch_stops_the_partition() {
    consume(|host, fake| async move {
        produce(&host, 0, 1).await;
        fake.with_log(0, |log| {
            let mut bytes = log.batches[0].to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            log.batches[0] = bytes.into();
        });
        let consumer = consumer(&host, OffsetReset::Earliest);
        consumer.assign(&[Name::new("t")]);
        assert!(consumer.poll(SECOND).await.is_empty());
        assert_eq!(consumer.errors(), [(partition(), ConsumerError::Corrupt(0))]);
    });
}

#[test]
fn paused_partitions_deliver_when_resumed() {
    consume(|host, _| async move {
        produce(&host, 0, 1).await;
        let consumer = consumer(&host, OffsetReset::Earliest);
        consumer.assign(&[Name::new("t")]);
        poll(&consumer, 1).await;
        consumer.pause(&[partition()]);
        produce(&host, 1, 2).await;
        assert!(consumer.poll(SECOND).await.is_empty());
        consumer.resume(&[partition()]);
        assert_eq!(poll(&consumer, 1).await[0].offset, 1);
    });
}

#[test]
fn partitions_added_later_are_read_too() {
    consume(|host, fake| async move {
        produce(&host, 0, 1).await;
        let settings = BTreeMap::from([
            ("metadata.max.age.ms".to_owned(), "1000".to_owned()),
            ("auto.offset.reset".to_owned(), "earliest".to_owned()),
        ]);
        let config = client::ConsumerConfig::from_settings(&settings).unwrap();
        let consumer = client::Consumer::new(host.clone(), bootstrap(), config);
        consumer.assign(&[Name::new("t")]);
        poll(&consumer, 1).await;
        let added = Log { leader: 2, ..Log::default() };
        fake.0.borrow_mut().logs.insert(Partition::new("t", 1), added);
        let writer = producer(&host);
        writer.send(Record::new("t", 1).partition(1).value("late")).await.unwrap();
        assert_eq!(poll(&consumer, 1).await[0].partition, Partition::new("t", 1));
    });
}

#[test]
fn a_poll_returns_at_most_max_poll_records_and_loses_none() {
    consume(|host, _| async move {
        produce(&host, 0, 7).await;
        let settings = BTreeMap::from([
            ("max.poll.records".to_owned(), "2".to_owned()),
            ("auto.offset.reset".to_owned(), "earliest".to_owned()),
        ]);
        let config = client::ConsumerConfig::from_settings(&settings).unwrap();
        let consumer = client::Consumer::new(host.clone(), bootstrap(), config);
        consumer.assign(&[Name::new("t")]);
        let mut sizes = Vec::new();
        while sizes.iter().sum::<usize>() < 7 {
            sizes.push(consumer.poll(SECOND).await.len());
        }
        assert_eq!(sizes, [2, 2, 2, 1]);
    });
}

#[test]
fn a_fresh_reader_reads_from_start_to_end() {
    consume(|host, fake| async move {
        produce(&host, 0, 5).await;
        fake.script(Api::Fetch, [Script::DropAnswer]);
        let records = read_all(&host, bootstrap(), partition(), 10 * SECOND).await.unwrap();
        assert_eq!(records.iter().map(|record| record.sequence).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn an_empty_partition_is_read_at_once() {
    consume(|host, _| async move {
        assert_eq!(read_all(&host, bootstrap(), partition(), SECOND).await, Ok(Vec::new()));
    });
}

#[test]
fn a_topic_is_created_wherever_the_controller_is() {
    consume(|host, fake| async move {
        fake.0.borrow_mut().controller = 2;
        fake.script(Api::CreateTopics, [Script::DropAnswer, Script::Ignore]);
        let admin = Admin::new(host, bootstrap(), ClientConfig { request_timeout: SECOND, ..ClientConfig::default() });
        let topic = |name: &str| NewTopic {
            name: Name::new(name),
            partitions: 2,
            replication: 1,
            assignment: None,
            configs: BTreeMap::new(),
        };
        admin.create_topics(ROOT, &[topic("new")], 20 * SECOND).await.unwrap();
        let described = admin.describe(ROOT, &[Name::new("new"), Name::new("absent")], SECOND).await.unwrap();
        assert_eq!((described.controller, described.brokers.len()), (Some(2), 2));
        assert_eq!(described.topics[&Name::new("new")].len(), 2);
        assert!(!described.topics.contains_key(&Name::new("absent")));
    });
}

#[test]
fn offsets_are_listed_from_every_leader() {
    simulate(2, |world, fake| async move {
        on_client(&world, move |host| {
            let fake = fake.clone();
            async move {
                produce(&host, 0, 3).await;
                fake.with_log(1, |log| (log.leader, log.start) = (2, 7));
                fake.script(Api::ListOffsets, [Script::Refuse(ErrorCode::NotLeaderOrFollower)]);
                let admin = Admin::new(host, bootstrap(), ClientConfig::default());
                let both = [Partition::new("t", 0), Partition::new("t", 1)];
                let ends = admin.list_offsets(ROOT, &both, OffsetSpec::Latest, 5 * SECOND).await.unwrap();
                assert_eq!(ends.into_values().collect::<Vec<_>>(), [3, 7]);
            }
        })
        .await;
    });
}
