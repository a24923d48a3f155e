//! Consumers in a group, against the fake coordinator.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::{
    CommitError, CommitOffset, Consumer, ConsumerConfig, ConsumerError, ConsumerFlaws, GroupError, Polled,
    PolledRecord, Record,
};
use host::Host;
use trace::{Event, EventKind, Name, Partition};
use wire::kafka::{Api, ErrorCode};

use crate::fake::{Fake, SECOND, Script, bootstrap, client_config, event, events, on_client, only, producer, simulate};

const SHORT: Duration = Duration::from_millis(50);

fn at(index: i32) -> Partition {
    Partition::new("t", index)
}

fn config(settings: &[(&str, &str)]) -> ConsumerConfig {
    let mut all = BTreeMap::from([("group.id", "mail"), ("auto.offset.reset", "earliest")]);
    all.insert("enable.auto.commit", "false");
    all.extend(settings.iter().copied());
    let all = all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    ConsumerConfig { client: client_config(), ..ConsumerConfig::from_settings(&all).unwrap() }
}

/// A member that wants topic `t`.
fn member_with(host: &Host, config: ConsumerConfig) -> Consumer {
    let consumer = Consumer::new(host.clone(), bootstrap(), config);
    consumer.subscribe(&[Name::new("t")]).unwrap();
    consumer
}

fn member(host: &Host, settings: &[(&str, &str)]) -> Consumer {
    member_with(host, config(settings))
}

const COOPERATIVE: (&str, &str) = ("partition.assignment.strategy", "cooperative-sticky");

/// A test on the client's node with topic `t`; returns all events.
fn grouped<F: Future<Output = ()> + 'static>(
    partitions: i32,
    body: impl Fn(Host, Fake) -> F + Send + 'static,
) -> Vec<Event> {
    simulate(partitions, |world, fake| async move {
        on_client(&world, move |host| body(host, fake.clone())).await;
        events(&world)
    })
}

/// Polls until there is something to hear.
async fn hear(consumer: &Consumer) -> Polled {
    for _ in 0..200 {
        match consumer.poll_group(SHORT).await.unwrap() {
            Polled::Records(records) if records.is_empty() => {}
            polled => return polled,
        }
    }
    panic!("nothing in ten seconds, {:?}", consumer.errors());
}

async fn join(consumer: &Consumer) -> Vec<Partition> {
    match hear(consumer).await {
        Polled::Assigned(partitions) => partitions,
        other => panic!("{other:?} before it has joined"),
    }
}

async fn records(consumer: &Consumer) -> Vec<PolledRecord> {
    match hear(consumer).await {
        Polled::Records(records) => records,
        other => panic!("{other:?} instead of records"),
    }
}

/// Polls all of them in turn until each owns as many partitions as it should.
async fn settle(consumers: &[(&Consumer, usize)]) {
    for _ in 0..400 {
        for (consumer, _) in consumers {
            consumer.poll_group(SHORT / 5).await.unwrap();
        }
        if consumers.iter().all(|(consumer, count)| consumer.assignment().len() == *count) {
            return;
        }
    }
    panic!("{:?}", consumers.iter().map(|(consumer, _)| consumer.assignment()).collect::<Vec<_>>());
}

async fn produce(host: &Host, partition: i32, from: u64, to: u64) {
    let producer = producer(host);
    for sequence in from..to {
        producer.send(Record::new("t", sequence).partition(partition).value("value")).await.unwrap();
        producer.flush().await;
    }
}

/// What members owned, step by step: no partition ever has two owners by what the events say.
fn check_ownership(events: &[Event]) -> usize {
    let mut owners: BTreeMap<Partition, Name> = BTreeMap::new();
    let mut handovers = 0;
    for event in events {
        match &event.kind {
            EventKind::PartitionsAssigned { member, partitions, .. } => {
                for partition in partitions {
                    assert_eq!(owners.insert(*partition, *member), None, "{partition} is owned");
                }
            }
            EventKind::PartitionsRevoked { member, partitions, .. } => {
                for partition in partitions {
                    assert_eq!(owners.remove(partition), Some(*member));
                    handovers += 1;
                }
            }
            _ => {}
        }
    }
    handovers
}

#[test]
fn a_member_joins_reads_from_the_committed_offset_and_commits_on() {
    let events = grouped(1, |host, fake| async move {
        produce(&host, 0, 0, 4).await;
        fake.with_group(|group| group.offsets.insert(at(0), (2, 0)));
        let consumer = member(&host, &[]);
        assert_eq!(join(&consumer).await, [at(0)]);
        let polled = records(&consumer).await;
        assert_eq!(polled.iter().map(|record| record.offset).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(consumer.lag(at(0)), Some(0));
        let first = BTreeMap::from([polled[0].next()]);
        consumer.commit_sync(Some(first), SECOND).await.unwrap();
        assert_eq!(fake.with_group(|group| group.offsets[&at(0)]), (3, 0));
        consumer.commit_sync(None, SECOND).await.unwrap();
        let committed = consumer.committed(&[at(0)], SECOND).await.unwrap();
        assert_eq!(committed, BTreeMap::from([(at(0), CommitOffset { offset: 4, leader_epoch: 0 })]));
        assert_eq!(consumer.group_metadata().unwrap().generation, 1);
        consumer.close(SECOND).await;
        assert_eq!(fake.with_group(|group| group.left.clone()), ["m-1"]);
    });
    let joined = only(&events, |kind| matches!(kind, EventKind::GroupJoined { leads: true, generation: 1, .. }));
    assert!(matches!(&event(&events, joined.cause).kind, EventKind::FrameDelivered(frame) if frame.response));
    let reset = only(&events, |kind| matches!(kind, EventKind::PositionReset { .. }));
    assert!(matches!(reset.kind, EventKind::PositionReset { to: 2, reason, .. } if reason.as_str() == "committed"));
    assert_eq!(check_ownership(&events), 1);
}

#[test]
fn without_a_committed_offset_the_policy_decides_and_without_a_policy_the_partition_stands() {
    grouped(1, |host, _| async move {
        produce(&host, 0, 0, 1).await;
        let consumer = member(&host, &[("auto.offset.reset", "none")]);
        join(&consumer).await;
        assert!(matches!(consumer.poll_group(SECOND).await, Ok(Polled::Records(records)) if records.is_empty()));
        assert_eq!(consumer.errors(), [(at(0), ConsumerError::NoOffset)]);
        consumer.close(SECOND).await;
        let consumer = member(&host, &[]);
        join(&consumer).await;
        assert_eq!(records(&consumer).await[0].offset, 0);
    });
}

#[test]
fn heartbeats_go_on_while_the_application_works() {
    grouped(1, |host, fake| async move {
        let consumer = member(&host, &[("heartbeat.interval.ms", "1000")]);
        join(&consumer).await;
        let before = fake.with_group(|group| group.heartbeats);
        host.sleep(10 * SECOND + SHORT).await;
        let heartbeats = fake.with_group(|group| group.heartbeats) - before;
        assert!((9..=10).contains(&heartbeats), "{heartbeats} heartbeats");
        drop(consumer);
    });
}

#[test]
fn an_eager_group_gives_up_everything_and_shares_it_out_anew() {
    let events = grouped(4, |host, _| async move {
        let first = member(&host, &[("heartbeat.interval.ms", "100")]);
        assert_eq!(join(&first).await.len(), 4);
        let second = member(&host, &[("heartbeat.interval.ms", "100")]);
        settle(&[(&first, 2), (&second, 2)]).await;
        let (ours, theirs) = (first.assignment(), second.assignment());
        assert_eq!(ours.iter().chain(&theirs).collect::<BTreeSet<_>>().len(), 4);
    });
    assert_eq!(check_ownership(&events), 4);
}

#[test]
fn a_cooperative_group_moves_only_what_has_to_move_and_reads_the_rest_meanwhile() {
    let events = grouped(4, |host, _| async move {
        let settings = [COOPERATIVE, ("heartbeat.interval.ms", "100")];
        let first = member(&host, &settings);
        assert_eq!(join(&first).await.len(), 4);
        let second = member(&host, &settings);
        settle(&[(&first, 2), (&second, 2)]).await;
        produce(&host, first.assignment()[0].index, 0, 1).await;
        assert_eq!(records(&first).await.len(), 1);
    });
    assert_eq!(check_ownership(&events), 2);
}

#[test]
fn before_partitions_are_given_up_the_application_can_commit_what_it_has_in_hand() {
    grouped(1, |host, fake| async move {
        produce(&host, 0, 0, 3).await;
        let consumer = member(&host, &[("heartbeat.interval.ms", "100")]);
        join(&consumer).await;
        records(&consumer).await;
        fake.with_group(|group| group.rebalance(host.now()));
        assert_eq!(hear(&consumer).await, Polled::Revoking(vec![at(0)]));
        assert_eq!(consumer.assignment(), [at(0)], "it still is its own");
        consumer.commit_sync(None, SECOND).await.unwrap();
        assert_eq!(join(&consumer).await, [at(0)]);
        produce(&host, 0, 3, 4).await;
        assert_eq!(records(&consumer).await[0].offset, 3);
    });
}

#[test]
fn a_member_that_does_not_poll_leaves_and_finds_its_partitions_lost() {
    let events = grouped(1, |host, fake| async move {
        let consumer = member(&host, &[("max.poll.interval.ms", "5000")]);
        join(&consumer).await;
        host.sleep(6 * SECOND).await;
        assert_eq!(fake.with_group(|group| group.left.clone()), ["m-1"]);
        assert_eq!(
            consumer.commit_async(Some(BTreeMap::from([(at(0), CommitOffset { offset: 1, leader_epoch: 0 })]))),
            Err(CommitError::NotAMember)
        );
        assert_eq!(hear(&consumer).await, Polled::Lost(vec![at(0)]));
        assert_eq!(join(&consumer).await, [at(0)]);
    });
    only(&events, |kind| matches!(kind, EventKind::PartitionsRevoked { lost: true, generation: 1, .. }));
    only(&events, |kind| matches!(kind, EventKind::CommitFailed { error, .. } if error.as_str() == "NOT_A_MEMBER"));
}

#[test]
fn an_expelled_member_loses_its_partitions_and_joins_as_a_new_one() {
    grouped(1, |host, fake| async move {
        let consumer = member(&host, &[("heartbeat.interval.ms", "100")]);
        join(&consumer).await;
        fake.with_group(|group| group.members.clear());
        assert_eq!(hear(&consumer).await, Polled::Lost(vec![at(0)]));
        join(&consumer).await;
        assert_eq!(consumer.group_metadata().unwrap().member, Some(Name::new("m-2")));
    });
}

#[test]
fn a_fenced_static_member_cannot_go_on() {
    grouped(1, |host, fake| async move {
        let consumer = member(&host, &[("heartbeat.interval.ms", "100"), ("group.instance.id", "one")]);
        join(&consumer).await;
        fake.script(Api::Heartbeat, [Script::Refuse(ErrorCode::FencedInstanceId)]);
        assert_eq!(hear(&consumer).await, Polled::Lost(vec![at(0)]));
        assert_eq!(consumer.poll_group(SECOND).await, Err(GroupError::Fenced));
        assert_eq!(consumer.group_error(), Some(GroupError::Fenced));
    });
}

#[test]
fn a_static_member_does_not_leave_when_it_closes() {
    grouped(1, |host, fake| async move {
        let consumer = member(&host, &[("group.instance.id", "one")]);
        join(&consumer).await;
        consumer.close(SECOND).await;
        assert_eq!(fake.with_group(|group| (group.left.len(), group.members.len())), (0, 1));
    });
}

#[test]
fn a_coordinator_that_moves_is_found_again_and_nothing_is_lost() {
    let events = grouped(1, |host, fake| async move {
        let consumer = member(&host, &[("heartbeat.interval.ms", "100")]);
        join(&consumer).await;
        fake.with_group(|group| group.broker = 2);
        let heartbeats = fake.with_group(|group| group.heartbeats);
        assert!(matches!(consumer.poll_group(2 * SECOND).await, Ok(Polled::Records(_))));
        assert!(fake.with_group(|group| group.heartbeats) > heartbeats + 5);
        assert_eq!(consumer.assignment(), [at(0)]);
    });
    assert!(!events.iter().any(|event| matches!(event.kind, EventKind::PartitionsRevoked { .. })));
}

#[test]
fn errors_that_pass_delay_joining_positions_and_commits_only() {
    let events = grouped(1, |host, fake| async move {
        produce(&host, 0, 0, 2).await;
        fake.script(Api::FindCoordinator, [Script::Refuse(ErrorCode::CoordinatorNotAvailable), Script::DropAnswer]);
        let passing = [
            Script::Refuse(ErrorCode::CoordinatorLoadInProgress),
            Script::DropAnswer,
            Script::Refuse(ErrorCode::NotCoordinator),
        ];
        fake.script(
            Api::JoinGroup,
            [Script::Refuse(ErrorCode::CoordinatorLoadInProgress), Script::Refuse(ErrorCode::NotCoordinator)],
        );
        fake.script(Api::SyncGroup, [Script::Refuse(ErrorCode::RebalanceInProgress)]);
        fake.script(Api::OffsetFetch, passing);
        fake.script(Api::OffsetCommit, passing);
        let consumer = member(&host, &[]);
        join(&consumer).await;
        assert_eq!(records(&consumer).await.len(), 2);
        consumer.commit_sync(None, 10 * SECOND).await.unwrap();
        assert_eq!(fake.with_group(|group| group.offsets[&at(0)]), (2, 0));
    });
    let resets = events.iter().filter(|event| matches!(event.kind, EventKind::PositionReset { .. }));
    assert_eq!(resets.count(), 1);
}

#[test]
fn automatic_commits_cover_what_earlier_polls_returned() {
    grouped(1, |host, fake| async move {
        produce(&host, 0, 0, 3).await;
        let consumer = member(
            &host,
            &[("enable.auto.commit", "true"), ("auto.commit.interval.ms", "1000"), ("max.poll.records", "2")],
        );
        join(&consumer).await;
        assert_eq!(records(&consumer).await.len(), 2);
        host.sleep(2 * SECOND).await;
        assert!(fake.with_group(|group| group.commits.is_empty()), "only a poll commits");
        assert_eq!(records(&consumer).await.len(), 1);
        host.sleep(SECOND / 2).await;
        assert_eq!(fake.with_group(|group| group.commits.clone()), [(at(0), 2)]);
        consumer.close(SECOND).await;
        assert_eq!(fake.with_group(|group| group.commits.clone()), [(at(0), 2), (at(0), 3)]);
    });
}

/// Offsets returned while the commit before a revocation was slow, and what was committed.
fn slow_revocation(flaws: ConsumerFlaws) {
    grouped(1, move |host, fake| async move {
        produce(&host, 0, 0, 3).await;
        let auto = [
            ("enable.auto.commit", "true"),
            ("max.poll.records", "1"),
            ("heartbeat.interval.ms", "100"),
            ("auto.commit.interval.ms", "60000"),
        ];
        let consumer = member_with(&host, ConsumerConfig { flaws, ..config(&auto) });
        join(&consumer).await;
        assert_eq!(records(&consumer).await[0].offset, 0);
        fake.script(Api::OffsetCommit, [Script::Ignore]);
        fake.with_group(|group| group.rebalance(host.now()));
        host.sleep(SECOND / 2).await;
        let during = consumer.poll_group(SECOND / 2).await.unwrap();
        let expected = if flaws.fetch_during_revocation_commit { 1 } else { 0 };
        assert!(matches!(during, Polled::Records(records) if records.len() == expected));
    });
}

#[test]
fn nothing_is_returned_of_a_partition_whose_last_commit_is_on_its_way() {
    slow_revocation(ConsumerFlaws::default());
}

#[test]
fn with_the_flaw_records_are_returned_that_the_commit_does_not_cover() {
    slow_revocation(ConsumerFlaws { fetch_during_revocation_commit: true, ..ConsumerFlaws::default() });
}

/// A partition goes away at offset 2, another member reads it to 5, and it comes back: what is committed then.
fn comes_back(flaws: ConsumerFlaws) -> i64 {
    let (sender, receiver) = std::sync::mpsc::channel();
    grouped(1, move |host, fake| {
        let sender = sender.clone();
        async move {
            produce(&host, 0, 0, 2).await;
            let consumer = member_with(&host, ConsumerConfig { flaws, ..config(&[("heartbeat.interval.ms", "100")]) });
            join(&consumer).await;
            records(&consumer).await;
            fake.with_group(|group| group.rebalance(host.now()));
            assert!(matches!(hear(&consumer).await, Polled::Revoking(_)));
            fake.with_group(|group| group.offsets.insert(at(0), (5, 0)));
            join(&consumer).await;
            host.sleep(SECOND).await;
            sender.send(fake.with_group(|group| group.offsets[&at(0)].0)).unwrap();
        }
    });
    receiver.recv().unwrap()
}

#[test]
fn an_offset_of_an_earlier_ownership_is_committed_only_with_the_flaw() {
    assert_eq!(comes_back(ConsumerFlaws::default()), 5);
    assert_eq!(comes_back(ConsumerFlaws { store_offset_after_revoke: true, ..ConsumerFlaws::default() }), 2);
}

/// The positions that a member was moved to when one fetch got no answer.
fn moves_after_a_disconnection(flaws: ConsumerFlaws) -> usize {
    let events = grouped(1, move |host, fake| async move {
        produce(&host, 0, 0, 2).await;
        let consumer = member_with(&host, ConsumerConfig { flaws, ..config(&[]) });
        join(&consumer).await;
        records(&consumer).await;
        fake.script(Api::Fetch, [Script::DropAnswer]);
        consumer.poll_group(3 * SECOND).await.unwrap();
    });
    events.iter().filter(|event| matches!(event.kind, EventKind::PositionReset { .. })).count()
}

#[test]
fn a_lost_connection_moves_no_position_but_with_the_flaw() {
    assert_eq!(moves_after_a_disconnection(ConsumerFlaws::default()), 1);
    assert!(
        moves_after_a_disconnection(ConsumerFlaws { reset_on_transient_error: true, ..ConsumerFlaws::default() }) > 1
    );
}

#[test]
fn a_pattern_takes_topics_in_when_they_appear() {
    grouped(1, |host, fake| async move {
        let consumer = Consumer::new(host.clone(), bootstrap(), {
            let mut config = config(&[]);
            config.client.metadata_max_age = SECOND;
            config
        });
        consumer.subscribe_pattern("mail.*").unwrap();
        assert_eq!(consumer.poll_group(SECOND).await, Ok(Polled::Records(Vec::new())));
        let late = Partition::new("mail-urgent", 0);
        fake.0.borrow_mut().logs.insert(late, crate::fake::Log { leader: 1, ..Default::default() });
        assert_eq!(join(&consumer).await, [late]);
    });
}

#[test]
fn a_topic_that_grows_is_shared_out_again() {
    grouped(1, |host, fake| async move {
        let mut config = config(&[COOPERATIVE]);
        config.client.metadata_max_age = SECOND;
        let consumer = member_with(&host, config);
        assert_eq!(join(&consumer).await, [at(0)]);
        fake.0.borrow_mut().logs.insert(at(1), crate::fake::Log { leader: 1, ..Default::default() });
        assert_eq!(join(&consumer).await, [at(1)], "cooperative: partition 0 stays");
    });
}

#[test]
fn partitions_assigned_by_hand_begin_at_the_groups_offsets_and_commit_outside_generations() {
    grouped(1, |host, fake| async move {
        produce(&host, 0, 0, 3).await;
        fake.with_group(|group| group.offsets.insert(at(0), (1, 0)));
        let consumer = Consumer::new(host.clone(), bootstrap(), config(&[]));
        consumer.assign(&[Name::new("t")]);
        assert_eq!(consumer.poll(2 * SECOND).await.len(), 2);
        consumer.commit_sync(None, SECOND).await.unwrap();
        assert_eq!(fake.with_group(|group| (group.offsets[&at(0)].0, group.generation)), (3, 0));
    });
}

#[test]
fn poll_alone_serves_a_member_that_does_not_care_for_its_assignment() {
    grouped(2, |host, fake| async move {
        produce(&host, 0, 0, 2).await;
        let consumer = member(&host, &[("heartbeat.interval.ms", "100")]);
        assert_eq!(consumer.poll(2 * SECOND).await.len(), 2);
        consumer.commit_sync(None, SECOND).await.unwrap();
        fake.with_group(|group| group.rebalance(host.now()));
        assert!(consumer.poll(2 * SECOND).await.is_empty());
        assert_eq!(fake.with_group(|group| group.generation), 2);
        assert_eq!(consumer.assignment().len(), 2);
    });
}
