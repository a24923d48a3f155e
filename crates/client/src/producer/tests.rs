//! Claims about the producer's core, against the model of brokers.

use proptest::prelude::*;
use trace::Name;
use wire::kafka::ErrorCode;

use super::Outcome;
use super::model::{Injected, Model, config};
use super::sequences::ProducerIdentity;
use crate::config::{ProducerConfig, ProducerFlaws};

/// A model in which records 0 and 1 are in the log of partitions 0 and 1.
fn model() -> Model {
    let mut model = Model::new(config(true));
    model.warm_up();
    model
}

/// Sends records to partition 0, each in a batch of its own.
fn send_batches(model: &mut Model, count: usize) {
    for _ in 0..count {
        model.send(0);
        model.run_sender();
    }
}

fn refuse(error: ErrorCode) -> Option<Injected> {
    Some(Injected { error, appends: false })
}

fn append_and_refuse(error: ErrorCode) -> Option<Injected> {
    Some(Injected { error, appends: true })
}

#[test]
fn a_refused_batch_is_retried_before_its_successors() {
    let mut model = model();
    send_batches(&mut model, 3);
    model.process(0, refuse(ErrorCode::NotEnoughReplicas));
    model.process(0, None);
    model.process(0, None);
    (0..3).for_each(|_| model.receive(0, 200));
    model.settle();
    assert_eq!(model.log(0), [0, 2, 3, 4]);
    model.check(true);
}

#[test]
fn retries_go_one_by_one() {
    let mut model = model();
    send_batches(&mut model, 3);
    assert_eq!(model.requests(0), 3);
    model.break_link(0, false, 200);
    model.advance(1_000);
    model.run_sender();
    assert_eq!(model.requests(0), 1, "the others wait for the first (KAFKA-5494)");
    model.settle();
    assert_eq!(model.log(0), [0, 2, 3, 4]);
}

#[test]
fn numbers_are_not_changed_while_an_answer_is_due() {
    let mut model = model();
    send_batches(&mut model, 3);
    model.process(0, refuse(ErrorCode::MessageTooLarge));
    model.receive(0, 200);
    model.run_sender();
    assert_eq!(model.core.identity.unwrap().epoch, 0, "two answers are due");
    model.settle();
    assert_eq!(model.core.identity.unwrap().epoch, 1);
}

#[test]
fn a_lost_acknowledgement_leads_to_no_duplicate() {
    let mut model = model();
    send_batches(&mut model, 2);
    model.process(0, None);
    model.process(0, None);
    model.break_link(0, false, 200);
    model.settle();
    assert_eq!(model.log(0), [0, 2, 3]);
    assert_eq!(model.outcome(3), Outcome::Acked { offset: 2 });
}

/// Sends a record around a moment in which the topic is missing; returns what is in the log then.
fn log_after_blip(flaws: ProducerFlaws) -> Vec<u64> {
    let mut model = Model::new(ProducerConfig { flaws, ..config(true) });
    model.warm_up();
    model.topic_is_missing = true;
    send_batches(&mut model, 1);
    model.topic_is_missing = false;
    model.settle();
    assert!(matches!(model.outcome(2), Outcome::Acked { .. }));
    model.log(0).to_vec()
}

#[test]
fn a_topic_that_is_missing_once_leaves_the_numbers_alone_unless_the_flaw_is_on() {
    assert_eq!(log_after_blip(ProducerFlaws::default()), [0, 2]);
    // librdkafka before 1.9.0: record 2 has the number of record 0, and counts as that.
    let flaws = ProducerFlaws { metadata_blip_resets_sequences: true, ..ProducerFlaws::default() };
    assert_eq!(log_after_blip(flaws), [0]);
}

/// Appends a batch, loses the answer, and has the retry refused as out of order; returns what is in the log then.
fn log_after_refused_retry(flaws: ProducerFlaws) -> Vec<u64> {
    let mut model = Model::new(ProducerConfig { flaws, ..config(true) });
    model.warm_up();
    send_batches(&mut model, 1);
    model.process(0, None);
    model.break_link(0, false, 200);
    model.advance(1_000);
    model.run_sender();
    model.process(0, refuse(ErrorCode::OutOfOrderSequenceNumber));
    model.receive(0, 200);
    model.settle();
    model.log(0).to_vec()
}

#[test]
fn a_batch_in_doubt_is_not_sent_again_under_a_new_epoch_unless_the_flaw_is_on() {
    assert_eq!(log_after_refused_retry(ProducerFlaws::default()), [0, 2]);
    // Kafka's producer takes the refusal for a proof (KIP-360).
    let flaws = ProducerFlaws { resends_in_doubt: true, ..ProducerFlaws::default() };
    assert_eq!(log_after_refused_retry(flaws), [0, 2, 2]);
}

#[test]
fn without_idempotence_a_lost_acknowledgement_leads_to_a_duplicate() {
    let mut model = Model::new(config(false));
    send_batches(&mut model, 1);
    model.process(0, None);
    model.break_link(0, false, 200);
    model.settle();
    assert_eq!(model.log(0), [0, 0], "hazard H5");
    model.check(false);
}

#[test]
fn a_batch_that_was_never_sent_fails_and_one_that_was_is_unknown() {
    let mut model = model();
    model.leader = 1;
    send_batches(&mut model, 6);
    model.advance(10_000);
    model.run_sender();
    let error = Name::new("DELIVERY_TIMEOUT");
    assert_eq!(model.outcome(2), Outcome::Unknown { error });
    assert_eq!(model.outcome(7), Outcome::Failed { error }, "five requests at most are in flight");
}

#[test]
fn a_batch_refused_for_good_bumps_the_epoch_for_its_successors() {
    let mut model = model();
    send_batches(&mut model, 3);
    model.process(0, refuse(ErrorCode::MessageTooLarge));
    model.settle();
    assert!(matches!(model.outcome(2), Outcome::Failed { .. }));
    assert_eq!(model.log(0), [0, 3, 4]);
    assert_eq!(model.core.identity.unwrap().epoch, 1);
    model.check(true);
}

#[test]
fn an_unknown_server_error_after_the_append_duplicates_nothing() {
    let mut model = model();
    send_batches(&mut model, 3);
    model.process(0, append_and_refuse(ErrorCode::UnknownServerError));
    model.process(0, None);
    model.receive(0, 200);
    model.run_sender();
    model.break_link(0, false, 200);
    model.settle();
    assert!(matches!(model.outcome(2), Outcome::Unknown { .. }), "nobody knows (KAFKA-14034)");
    assert_eq!(model.log(0), [0, 2, 3, 4]);
    assert_eq!(model.core.identity.unwrap().epoch, 0, "the sequence goes on: nothing was renumbered");
}

#[test]
fn a_gap_left_by_an_unclean_election_is_closed_by_a_new_epoch() {
    let mut model = model();
    send_batches(&mut model, 2);
    (0..2).for_each(|_| model.process(0, None));
    (0..2).for_each(|_| model.receive(0, 200));
    model.truncate(0, 1);
    send_batches(&mut model, 2);
    model.settle();
    assert_eq!(model.log(0), [0, 2, 4, 5]);
    assert_eq!(model.core.identity.unwrap().epoch, 1);
}

#[test]
fn an_expired_batch_in_doubt_holds_back_new_ones_until_it_is_settled() {
    let mut model = model();
    send_batches(&mut model, 1);
    model.advance(9_000);
    send_batches(&mut model, 1);
    model.break_link(0, false, 200);
    model.advance(1_000);
    model.run_sender();
    assert!(matches!(model.outcome(2), Outcome::Unknown { .. }));
    send_batches(&mut model, 1);
    assert_eq!(model.requests(0), 1, "the successor, not the new one");
    model.settle();
    assert!(matches!(model.outcome(3), Outcome::Unknown { .. }), "it may be on its way, too");
    assert_eq!(model.log(0), [0, 4], "what was never sent closes the gap under a new epoch");
    assert_eq!(model.core.identity.unwrap().epoch, 1);
}

#[test]
fn the_first_batch_of_all_goes_alone() {
    let mut model = Model::new(config(true));
    send_batches(&mut model, 2);
    model.process(0, refuse(ErrorCode::NotEnoughReplicas));
    model.process(0, None);
    model.settle();
    assert_eq!(model.log(0), [0, 1]);
    model.check(true);
}

#[test]
fn exhausted_epochs_lead_to_a_new_producer_id() {
    let mut model = model();
    let before = ProducerIdentity { epoch: i16::MAX, ..model.core.identity.unwrap() };
    model.core.identity = Some(before);
    model.warm_up();
    send_batches(&mut model, 2);
    model.process(0, refuse(ErrorCode::MessageTooLarge));
    model.settle();
    let after = model.core.identity.unwrap();
    assert_eq!((after.epoch, after.id != before.id), (0, true));
    assert_eq!(model.log(0), [0, 2, 5]);
}

#[test]
fn one_request_in_flight_keeps_order_without_idempotence() {
    let mut model = Model::new(ProducerConfig { max_in_flight: 1, ..config(false) });
    send_batches(&mut model, 3);
    model.process(0, refuse(ErrorCode::NotEnoughReplicas));
    model.receive(0, 200);
    model.settle();
    assert_eq!(model.log(0), [0, 1, 2]);
}

/// One thing that happens; everything else follows from it.
fn act(model: &mut Model, choice: u8, argument: u8) {
    const ERRORS: [(ErrorCode, bool); 10] = [
        (ErrorCode::NotEnoughReplicas, false),
        (ErrorCode::NotEnoughReplicasAfterAppend, true),
        (ErrorCode::RequestTimedOut, true),
        (ErrorCode::NotLeaderOrFollower, true),
        (ErrorCode::NotLeaderOrFollower, false),
        (ErrorCode::UnknownServerError, true),
        (ErrorCode::UnknownServerError, false),
        (ErrorCode::MessageTooLarge, false),
        (ErrorCode::CorruptMessage, false),
        (ErrorCode::KafkaStorageError, true),
    ];
    let broker = i32::from(argument & 1);
    match choice % 16 {
        0..=4 => model.send(i32::from(argument)),
        5..=6 => model.process(broker, None),
        7..=8 => model.receive(broker, u64::from(argument)),
        9 => {
            let (error, appends) = ERRORS[usize::from(argument) % ERRORS.len()];
            model.process(model.leader, Some(Injected { error, appends }));
        }
        10 => model.break_link(broker, argument & 2 == 0, u64::from(argument)),
        11 => model.leader = broker,
        12 => model.process_zombie(),
        13 => model.advance(u64::from(argument) * 40),
        _ => model.advance(u64::from(argument)),
    }
    model.run_sender();
}

fn run(actions: &[(u8, u8)], config: ProducerConfig) {
    let idempotent = config.enable_idempotence;
    let mut model = Model::new(config);
    for (choice, argument) in actions {
        act(&mut model, *choice, *argument);
    }
    model.settle();
    model.check(idempotent);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_order_and_outcomes_hold(actions in prop::collection::vec(any::<(u8, u8)>(), 0..200)) {
        run(&actions, config(true));
    }

    #[test]
    fn without_idempotence_every_record_still_has_one_truthful_outcome(
        actions in prop::collection::vec(any::<(u8, u8)>(), 0..120),
        max_in_flight in 1_usize..6,
    ) {
        run(&actions, ProducerConfig { max_in_flight, ..config(false) });
    }

    #[test]
    fn few_retries_are_no_reason_to_lie(actions in prop::collection::vec(any::<(u8, u8)>(), 0..120), retries in 1_u32..4) {
        run(&actions, ProducerConfig { retries, ..config(true) });
    }
}
