//! A producer against the fake cluster.

use std::rc::Rc;
use std::time::Duration;

use client::{Outcome, Producer, ProducerConfig, Record, SendError};
use trace::{EventKind, Name, Partition};
use wire::kafka::{Api, ErrorCode};

use crate::fake::{ROOT, SECOND, Script, bootstrap, client_config, event, events, on_client, only, producer, simulate};

fn record(sequence: u64) -> Record {
    Record::new("t", sequence).key(b"key".as_slice()).value(format!("value {sequence}"))
}

async fn send(producer: &Producer, sequence: u64) -> Outcome {
    producer.send_reported(record(sequence)).await.unwrap().await.unwrap().outcome
}

#[test]
fn an_acked_record_is_in_the_log_and_its_event_is_caused_by_the_answer() {
    simulate(1, |world, fake| async move {
        on_client(&world, |host| async move {
            let producer = producer(&host);
            assert_eq!(send(&producer, 0).await, Outcome::Acked { offset: 0 });
            assert_eq!(send(&producer, 1).await, Outcome::Acked { offset: 1 });
            producer.close(SECOND).await;
        })
        .await;
        assert_eq!(fake.values(0), ["value 0", "value 1"]);
        let events = events(&world);
        let acked = only(&events, |kind| matches!(kind, EventKind::RecordAcked { sequence: 1, .. }));
        let EventKind::FrameDelivered(frame) = &event(&events, acked.cause).kind else { panic!("{acked:?}") };
        assert_eq!((frame.api, frame.response), (Name::new("Produce"), true));
        only(&events, |kind| matches!(kind, EventKind::ProducerInitialized { producer_id: 1, producer_epoch: 0 }));
    });
}

#[test]
fn records_handed_over_together_travel_in_one_batch() {
    simulate(1, |world, fake| async move {
        on_client(&world, |host| async move {
            let producer = producer(&host);
            for sequence in 0..10 {
                producer.send(record(sequence)).await.unwrap();
            }
            producer.flush().await;
            assert_eq!(producer.in_flight(), 0);
        })
        .await;
        assert_eq!(fake.with_log(0, |log| log.batches.len()), 1);
    });
}

#[test]
fn a_dropped_answer_leads_to_no_duplicate() {
    simulate(1, |world, fake| async move {
        fake.script(Api::Produce, [Script::DropAnswer, Script::Refuse(ErrorCode::NotEnoughReplicas)]);
        on_client(&world, |host| async move {
            let producer = producer(&host);
            assert_eq!(send(&producer, 0).await, Outcome::Acked { offset: 0 });
        })
        .await;
        assert_eq!(fake.values(0), ["value 0"]);
    });
}

#[test]
fn an_unanswered_request_costs_the_connection_and_its_record_is_unknown() {
    simulate(1, |world, fake| async move {
        on_client(&world, {
            let fake = fake.clone();
            move |host| {
                let fake = fake.clone();
                async move {
                    let producer = producer(&host);
                    send(&producer, 0).await;
                    fake.script(Api::Produce, [Script::Ignore; 10]);
                    let error = Name::new("DELIVERY_TIMEOUT");
                    assert_eq!(send(&producer, 1).await, Outcome::Unknown { error });
                }
            }
        })
        .await;
        let events = events(&world);
        let timeouts = events.iter().filter(|event| matches!(event.kind, EventKind::RequestTimedOut { .. }));
        for timeout in timeouts.clone() {
            assert!(matches!(event(&events, timeout.cause).kind, EventKind::FrameSent(_)), "{timeout:?}");
        }
        assert_eq!(timeouts.count(), 2, "one request a second, delivery.timeout.ms is 3 s");
        let unknown = only(&events, |kind| matches!(kind, EventKind::RecordUnknown { .. }));
        let EventKind::FrameSent(frame) = &event(&events, unknown.cause).kind else { panic!("{unknown:?}") };
        assert_eq!(frame.api, Name::new("Produce"));
    });
}

#[test]
fn a_producer_survives_a_cut_link_and_sends_nothing_twice() {
    simulate(1, |world, fake| async move {
        let cutter = world.clone();
        on_client(&world, move |host| {
            let world = cutter.clone();
            async move {
                let producer = producer(&host);
                send(&producer, 0).await;
                let back = [(Name::new("broker-1"), Name::new("client"))];
                let fault = (Name::new("cut"), Name::new("partition"), Name::new("broker-1 -> client"));
                let fault = world.emit(ROOT, EventKind::FaultBegan { fault: fault.0, kind: fault.1, target: fault.2 });
                world.cut(fault, &back);
                for sequence in 1..10 {
                    producer.send(record(sequence)).await.unwrap();
                }
                host.sleep(Duration::from_millis(1500)).await;
                assert_eq!(producer.in_flight(), 9, "the answers are cut off");
                world.heal(fault);
                producer.flush().await;
            }
        })
        .await;
        let expected: Vec<String> = (0..10).map(|sequence| format!("value {sequence}")).collect();
        assert_eq!(fake.values(0), expected);
        let events = events(&world);
        assert_eq!(events.iter().filter(|event| matches!(event.kind, EventKind::RecordAcked { .. })).count(), 10);
    });
}

#[test]
fn records_that_never_left_are_failed() {
    simulate(1, |world, _| async move {
        let kill = world.clone();
        on_client(&world, move |host| {
            let world = kill.clone();
            async move {
                let producer = producer(&host);
                send(&producer, 0).await;
                world.kill("broker-1", ROOT);
                host.sleep(Duration::from_millis(10)).await;
                let error = Name::new("DELIVERY_TIMEOUT");
                assert_eq!(send(&producer, 1).await, Outcome::Failed { error });
            }
        })
        .await;
    });
}

#[test]
fn without_metadata_a_record_fails_after_max_block() {
    simulate(1, |world, _| async move {
        on_client(&world, |host| async move {
            let config = ProducerConfig { max_block: SECOND, ..ProducerConfig::default() };
            let producer = Producer::new(host, bootstrap(), config);
            let missing = Record::new("missing", 0).key(b"key".as_slice());
            assert_eq!(producer.send(missing).await, Err(SendError::Metadata(Name::new("missing"))));
        })
        .await;
        let events = events(&world);
        let failed = only(&events, |kind| matches!(kind, EventKind::RecordFailed { .. }));
        let sent = event(&events, failed.cause);
        let nowhere = Partition::new("missing", -1);
        assert!(matches!(sent.kind, EventKind::RecordSent { partition, .. } if partition == nowhere), "{sent:?}");
    });
}

#[test]
fn a_moved_leader_is_found() {
    simulate(1, |world, fake| async move {
        on_client(&world, {
            let fake = fake.clone();
            move |host| {
                let fake = fake.clone();
                async move {
                    let producer = producer(&host);
                    send(&producer, 0).await;
                    fake.with_log(0, |log| (log.leader, log.epoch) = (2, 1));
                    assert_eq!(send(&producer, 1).await, Outcome::Acked { offset: 1 });
                }
            }
        })
        .await;
    });
}

#[test]
fn a_full_buffer_holds_senders_back_until_max_block() {
    simulate(1, |world, fake| async move {
        on_client(&world, move |host| {
            let fake = fake.clone();
            async move {
                let config = ProducerConfig {
                    client: client_config(),
                    buffer_memory: 400,
                    batch_size: 200,
                    max_block: SECOND,
                    ..ProducerConfig::default()
                };
                let producer = Producer::new(host.clone(), bootstrap(), config);
                for sequence in 0..20 {
                    producer.send(record(sequence)).await.unwrap();
                }
                producer.flush().await;
                fake.script(Api::Produce, [Script::Ignore; 10]);
                let mut taken = 0;
                let refused = loop {
                    match producer.send(record(20 + taken)).await {
                        Ok(()) => taken += 1,
                        Err(error) => break error,
                    }
                };
                assert_eq!((refused, taken > 0), (SendError::BufferExhausted, true));
            }
        })
        .await;
    });
}

#[test]
fn closing_decides_every_record() {
    simulate(1, |world, fake| async move {
        on_client(&world, {
            let fake = fake.clone();
            move |host| {
                let fake = fake.clone();
                async move {
                    let producer = producer(&host);
                    let mut deliveries = producer.deliveries();
                    send(&producer, 0).await;
                    fake.script(Api::Produce, [Script::Ignore; 10]);
                    producer.send(record(1)).await.unwrap();
                    host.sleep(Duration::from_millis(10)).await;
                    producer.close(Duration::from_millis(100)).await;
                    let outcomes: Vec<Outcome> =
                        std::iter::from_fn(|| deliveries.try_recv().ok()).map(|delivery| delivery.outcome).collect();
                    let error = Name::new("PRODUCER_CLOSED");
                    assert_eq!(outcomes, [Outcome::Acked { offset: 0 }, Outcome::Unknown { error }]);
                }
            }
        })
        .await;
    });
}

#[test]
fn acks_0_counts_as_acked_when_the_kernel_has_it() {
    simulate(1, |world, fake| async move {
        on_client(&world, |host| async move {
            let settings = [("acks".to_owned(), "0".to_owned())].into();
            let producer = Producer::new(host, bootstrap(), ProducerConfig::from_settings(&settings).unwrap());
            assert_eq!(send(&producer, 0).await, Outcome::Acked { offset: -1 });
            producer.close(SECOND).await;
        })
        .await;
        let events = events(&world);
        let acked = only(&events, |kind| matches!(kind, EventKind::RecordAcked { .. }));
        assert!(matches!(event(&events, acked.cause).kind, EventKind::FrameSent(_)));
        drop(fake);
    });
}

#[test]
fn records_without_a_key_fill_a_batch_before_they_change_partition() {
    simulate(4, |world, fake| async move {
        on_client(&world, |host| async move {
            let producer = Rc::new(producer(&host));
            for sequence in 0..5 {
                producer.send(Record::new("t", sequence).value(format!("value {sequence}"))).await.unwrap();
            }
            producer.flush().await;
        })
        .await;
        let counts: Vec<usize> = (0..4).map(|index| fake.values(index).len()).collect();
        assert_eq!(counts.iter().filter(|count| **count > 0).count(), 1, "{counts:?}");
    });
}

#[test]
fn an_unreachable_producer_id_is_asked_for_again() {
    simulate(1, |world, fake| async move {
        let refuse = Script::Refuse(ErrorCode::CoordinatorLoadInProgress);
        fake.script(Api::InitProducerId, [Script::Ignore, refuse, Script::DropAnswer]);
        on_client(&world, |host| async move {
            let producer = producer(&host);
            assert_eq!(send(&producer, 0).await, Outcome::Acked { offset: 0 });
        })
        .await;
    });
}

#[test]
fn a_broker_that_hangs_is_reported_by_the_request_it_does_not_answer() {
    simulate(1, |world, fake| async move {
        fake.script(Api::ApiVersions, [Script::Ignore]);
        on_client(&world, |host| async move {
            let producer = producer(&host);
            assert_eq!(send(&producer, 0).await, Outcome::Acked { offset: 0 });
        })
        .await;
        let events = events(&world);
        let timeout = only(&events, |kind| matches!(kind, EventKind::RequestTimedOut { .. }));
        let EventKind::FrameSent(frame) = &event(&events, timeout.cause).kind else { panic!("{timeout:?}") };
        assert_eq!(frame.api, Name::new("ApiVersions"));
    });
}

#[test]
fn equal_worlds_have_equal_runs() {
    let run = || {
        simulate(3, |world, fake| async move {
            fake.script(Api::Produce, [Script::DropAnswer, Script::Ignore]);
            on_client(&world, |host| async move {
                let producer = producer(&host);
                for sequence in 0..50 {
                    producer.send(Record::new("t", sequence).value("value")).await.unwrap();
                    host.sleep(Duration::from_millis(1)).await;
                }
                producer.flush().await;
            })
            .await;
            world.finish().fingerprint
        })
    };
    assert_eq!(run(), run());
}
