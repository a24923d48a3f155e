//! What answers, lost connections and the passing of time mean for batches.

use host::Time;
use trace::{EventId, Name, Partition};
use wire::kafka::ErrorCode;

use super::Outcome;
use super::batch::BatchId;
use super::core::{Effects, ProducerCore, RequestId};

/// A broker's answer for one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    /// The partition.
    pub(crate) partition: Partition,
    /// The error.
    pub(crate) error: ErrorCode,
    /// Where the batch is, or -1.
    pub(crate) base_offset: i64,
    /// The log start offset, or -1.
    pub(crate) log_start: i64,
}

/// How a batch's attempt ended without success.
#[derive(Clone, Copy)]
struct Failed {
    error: ErrorCode,
    log_start: i64,
    cause: EventId,
}

impl ProducerCore {
    /// A request was answered; `cause` is the answer's frame. Partitions missing in it count as without an answer.
    pub(crate) fn answered(
        &mut self,
        now: Time,
        request: RequestId,
        answers: &[Answer],
        cause: EventId,
        random: u64,
    ) -> Effects {
        let mut effects = Effects::default();
        for (queue, id) in self.requests.remove(&request).unwrap_or_default() {
            let partition = self.queues[queue].partition;
            self.queues[queue].on_the_wire -= 1;
            let answer = answers.iter().find(|answer| answer.partition == partition).copied();
            match answer {
                Some(answer) if is_success(answer.error) => self.acknowledge(id, answer, cause, &mut effects),
                Some(answer) => self.refuse(now, id, answer, cause, random, &mut effects),
                None => self.lose(now, id, None, cause, random, &mut effects),
            }
        }
        effects
    }

    /// A request without an answer was handed to the kernel: with acks=0 that is success.
    pub(crate) fn sent_without_answer(&mut self, request: RequestId, cause: EventId) -> Effects {
        let mut effects = Effects::default();
        for (queue, id) in self.requests.remove(&request).unwrap_or_default() {
            self.queues[queue].on_the_wire -= 1;
            if self.batches.contains_key(&id) {
                self.decide(id, |_| Outcome::Acked { offset: -1 }, cause, &mut effects);
            }
        }
        effects
    }

    /// A request will not be answered. `sent` is its `FrameSent`; without one, the broker surely never gets it.
    pub(crate) fn lost(
        &mut self,
        now: Time,
        request: RequestId,
        sent: Option<EventId>,
        cause: EventId,
        random: u64,
    ) -> Effects {
        let mut effects = Effects { stale_metadata: Some(cause), ..Effects::default() };
        for (queue, id) in self.requests.remove(&request).unwrap_or_default() {
            self.queues[queue].on_the_wire -= 1;
            self.lose(now, id, sent, cause, random, &mut effects);
        }
        effects
    }

    /// Gives up the batches whose `delivery.timeout.ms` has passed.
    pub(crate) fn expire(&mut self, now: Time) -> Effects {
        let mut effects = Effects::default();
        while let Some((id, batch)) = self.batches.first_key_value()
            && batch.created + self.config.delivery_timeout <= now
        {
            let (id, cause) = (*id, batch.cause);
            self.give_up(id, Name::new("DELIVERY_TIMEOUT"), cause, &mut effects);
        }
        effects
    }

    /// Gives up everything: the producer closes.
    pub(crate) fn abort(&mut self, error: Name) -> Effects {
        let mut effects = Effects::default();
        while let Some((id, batch)) = self.batches.first_key_value() {
            let (id, cause) = (*id, batch.cause);
            self.give_up(id, error, cause, &mut effects);
        }
        effects
    }

    fn acknowledge(&mut self, id: BatchId, answer: Answer, cause: EventId, effects: &mut Effects) {
        // A batch that was given up meanwhile has its outcome.
        let Some(batch) = self.batches.get_mut(&id) else { return };
        batch.attempt = None;
        if let Some(place) = batch.place {
            self.queues[batch.queue].sequences.acknowledge(place);
        }
        let base = answer.base_offset;
        let offset = move |delta| if base < 0 { -1 } else { base + delta };
        self.decide(id, |delta| Outcome::Acked { offset: offset(delta) }, cause, effects);
    }

    /// The connection ended before the answer.
    fn lose(
        &mut self,
        now: Time,
        id: BatchId,
        sent: Option<EventId>,
        cause: EventId,
        random: u64,
        effects: &mut Effects,
    ) {
        let Some(batch) = self.batches.get_mut(&id) else { return };
        batch.attempt = None;
        batch.doubt = sent.or(batch.doubt);
        let failed = Failed { error: ErrorCode::NetworkException, log_start: -1, cause };
        self.retry_or_fail(now, id, failed, random, effects);
    }

    fn refuse(&mut self, now: Time, id: BatchId, answer: Answer, cause: EventId, random: u64, effects: &mut Effects) {
        if shows_stale_metadata(answer.error) {
            effects.stale_metadata = Some(cause);
        }
        let Some(batch) = self.batches.get_mut(&id) else { return };
        let attempt = batch.attempt.take();
        if !surely_not_appended(answer.error) {
            batch.doubt = attempt.and_then(|sent| sent.get()).or(Some(cause));
        }
        let failed = Failed { error: answer.error, log_start: answer.log_start, cause };
        self.retry_or_fail(now, id, failed, random, effects);
    }

    fn retry_or_fail(&mut self, now: Time, id: BatchId, failed: Failed, random: u64, effects: &mut Effects) {
        let batch = &self.batches[&id];
        let in_time = now < batch.created + self.config.delivery_timeout;
        if in_time && batch.retries < self.config.retries && self.may_retry(id, failed) {
            self.retry(now, id, failed.cause, random);
        } else {
            self.give_up(id, Name::new(failed.error.name()), failed.cause, effects);
        }
    }

    /// Whether sending again may help; asks for another epoch where that is what helps. After Kafka's `TransactionManager.canRetry`.
    fn may_retry(&mut self, id: BatchId, failed: Failed) -> bool {
        let batch = &self.batches[&id];
        let Some(place) = batch.place else { return failed.error.retriable() };
        let sequences = &self.queues[batch.queue].sequences;
        match failed.error {
            // Without the log start one cannot tell why the broker forgot us: ask again (KIP-360).
            ErrorCode::UnknownProducerId if failed.log_start == -1 => true,
            ErrorCode::UnknownProducerId => {
                self.to_renumber.insert(batch.queue);
                true
            }
            ErrorCode::OutOfOrderSequenceNumber => {
                let there_is_a_gap = match sequences.unresolved() {
                    // Something before it is under way and will come first.
                    None => sequences.is_next(place.base),
                    Some(next) => next == place.base,
                };
                if there_is_a_gap {
                    self.to_renumber.insert(batch.queue);
                }
                true
            }
            error => error.retriable(),
        }
    }

    fn retry(&mut self, now: Time, id: BatchId, cause: EventId, random: u64) {
        let backoff = self.config.client.retry();
        let batch = self.batches.get_mut(&id).expect("retried batches exist");
        batch.retries += 1;
        batch.not_before = now + backoff.after(batch.retries, random);
        batch.cause = batch.cause.max(cause);
        let queue = &mut self.queues[batch.queue];
        if batch.place.is_none() {
            // Without sequence numbers a retry overtakes nothing but may have been overtaken (hazard H5).
            return queue.waiting.push_front(id);
        }
        let order = |id: &BatchId| queue.undecided.iter().position(|undecided| undecided == id).unwrap_or(usize::MAX);
        let own = order(&id);
        let place = queue.waiting.iter().position(|waiting| order(waiting) > own).unwrap_or(queue.waiting.len());
        queue.waiting.insert(place, id);
    }

    /// Ends a batch without success: failed if it surely is in no log, else unknown.
    fn give_up(&mut self, id: BatchId, error: Name, cause: EventId, effects: &mut Effects) {
        let batch = &self.batches[&id];
        let (doubt, place, queue) = (batch.doubt(), batch.place, batch.queue);
        match (place, doubt) {
            (None, _) => {}
            // Its number will never be in the log: what comes after it needs others.
            (Some(_), None) => drop(self.to_renumber.insert(queue)),
            // It may be in the log. Renumbering now could put its successors in twice (KAFKA-14034): wait and see.
            (Some(place), Some(_)) => self.queues[queue].sequences.leave_unresolved(place),
        }
        match doubt {
            None => self.decide(id, |_| Outcome::Failed { error }, cause, effects),
            Some(doubt) => self.decide(id, |_| Outcome::Unknown { error }, doubt.max(cause), effects),
        }
    }
}

/// DUPLICATE_SEQUENCE_NUMBER: the batch is in the log, only the broker no longer knows where.
fn is_success(error: ErrorCode) -> bool {
    matches!(error, ErrorCode::None | ErrorCode::DuplicateSequenceNumber)
}

/// Whether a broker that answers this has surely not appended the batch. NOT_LEADER_OR_FOLLOWER is not among them: a leader that
/// has appended and then lost its leadership answers it, too.
fn surely_not_appended(error: ErrorCode) -> bool {
    use ErrorCode as E;
    matches!(
        error,
        E::CorruptMessage
            | E::LeaderNotAvailable
            | E::MessageTooLarge
            | E::InvalidTopic
            | E::RecordListTooLarge
            | E::NotEnoughReplicas
            | E::InvalidRequiredAcks
            | E::TopicAuthorizationFailed
            | E::ClusterAuthorizationFailed
            | E::InvalidTimestamp
            | E::UnsupportedVersion
            | E::InvalidRequest
            | E::UnsupportedForMessageFormat
            | E::PolicyViolation
            | E::OutOfOrderSequenceNumber
            | E::InvalidProducerEpoch
            | E::UnknownProducerId
            | E::UnsupportedCompressionType
            | E::FencedLeaderEpoch
            | E::UnknownLeaderEpoch
            | E::InvalidRecord
            | E::ThrottlingQuotaExceeded
            | E::UnknownTopicId
    )
}

/// Whether an error says that the metadata used was old.
fn shows_stale_metadata(error: ErrorCode) -> bool {
    use ErrorCode as E;
    matches!(
        error,
        E::UnknownTopicOrPartition
            | E::LeaderNotAvailable
            | E::NotLeaderOrFollower
            | E::ReplicaNotAvailable
            | E::KafkaStorageError
            | E::FencedLeaderEpoch
            | E::UnknownLeaderEpoch
            | E::UnknownTopicId
            | E::InconsistentTopicId
    )
}
