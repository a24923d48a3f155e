//! The producer's decisions: which batch a record joins, which batches go out, and what their answers mean.
//!
//! Two lists per partition carry the order. `waiting` holds the batches to be sent; `undecided` those that have sequence numbers
//! but no outcome, in sequence order, whether they are on the wire or wait for a retry. A batch that must be retried returns to
//! `waiting` before everything that comes after it in sequence.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use bytes::Bytes;
use host::Time;
use trace::{EventId, Name, Partition};

use super::batch::{Batch, BatchId, Pending, record_size};
use super::sequences::{ProducerIdentity, Sequences};
use super::{Outcome, RecordBody};
use crate::config::ProducerConfig;
use crate::network::Sent;

/// How many batches a broker remembers per producer and partition (KAFKA-5494). With more undecided, spread over an old and a new
/// leader, a retry of the first could look like a gap.
const REMEMBERED_BATCHES: usize = 5;

/// A request's number.
pub(crate) type RequestId = u64;

/// What the cluster looks like to the producer.
pub(crate) trait Cluster {
    /// The broker that leads the partition, if one is known.
    fn leader(&self, partition: Partition) -> Option<i32>;
    /// Whether the last answer about the topic did not know it.
    fn is_missing(&self, topic: Name) -> bool;
    /// Whether a request can go to the broker now.
    fn can_send(&self, broker: i32) -> bool;
}

/// A request to be sent. Whoever sends it says how its `sent` cells are filled: see [`ProducerCore::on_the_wire`].
pub(crate) struct ProduceRequestPlan {
    /// Its number.
    pub(crate) id: RequestId,
    /// To whom.
    pub(crate) broker: i32,
    /// Partitions and batches.
    pub(crate) batches: Vec<(Partition, Bytes)>,
    /// The last event that made it go out.
    pub(crate) cause: EventId,
}

/// A record's fate, for the shell to tell.
pub(crate) struct Decided {
    /// Its partition.
    pub(crate) partition: Partition,
    /// The record.
    pub(crate) record: Pending,
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// The event that decided it.
    pub(crate) cause: EventId,
}

/// What came of an answer or its lack.
#[derive(Default)]
pub(crate) struct Effects {
    /// Records decided.
    pub(crate) decided: Vec<Decided>,
    /// The event that shows the metadata to be old.
    pub(crate) stale_metadata: Option<EventId>,
}

/// A record was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    /// Whether the sender should look: a batch was begun or filled.
    pub(crate) wake_sender: bool,
    /// Bytes that it added.
    pub(crate) size: usize,
}

/// A record was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotTaken {
    /// `buffer.memory` is used up for now.
    NoRoom,
    /// It takes this many bytes and can never be sent.
    TooLarge(usize),
}

pub(super) struct Queue {
    pub(super) partition: Partition,
    pub(super) waiting: VecDeque<BatchId>,
    pub(super) undecided: Vec<BatchId>,
    /// Batches in requests without an answer, also those given up meanwhile.
    pub(super) on_the_wire: usize,
    pub(super) sequences: Sequences,
}

/// See the module.
pub(crate) struct ProducerCore {
    pub(super) config: Rc<ProducerConfig>,
    client: Name,
    pub(super) queues: Vec<Queue>,
    places: BTreeMap<Partition, usize>,
    /// Every batch without an outcome. Ids grow with time, so the first is the oldest.
    pub(super) batches: BTreeMap<BatchId, Batch>,
    next_batch: BatchId,
    pub(super) requests: BTreeMap<RequestId, Vec<(usize, BatchId)>>,
    next_request: RequestId,
    pub(super) free_memory: usize,
    records: usize,
    pub(super) identity: Option<ProducerIdentity>,
    /// Partitions whose undecided batches get new numbers under the next epoch.
    pub(super) to_renumber: BTreeSet<usize>,
    /// Where the next drain begins, so that no partition starves behind others (as in Kafka).
    next_queue: usize,
    /// Everything goes out at once: somebody flushes, waits for room or closes.
    pub(crate) in_a_hurry: bool,
    scratch: String,
}

impl ProducerCore {
    pub(crate) fn new(config: Rc<ProducerConfig>, client: Name) -> ProducerCore {
        ProducerCore {
            free_memory: config.buffer_memory,
            config,
            client,
            queues: Vec::new(),
            places: BTreeMap::new(),
            batches: BTreeMap::new(),
            next_batch: 0,
            requests: BTreeMap::new(),
            next_request: 0,
            records: 0,
            identity: None,
            to_renumber: BTreeSet::new(),
            next_queue: 0,
            in_a_hurry: false,
            scratch: String::new(),
        }
    }

    /// Records without an outcome.
    pub(crate) fn records(&self) -> usize {
        self.records
    }

    /// The number that the next batch will have: all batches so far are below it.
    pub(crate) fn next_batch(&self) -> BatchId {
        self.next_batch
    }

    /// Whether all batches below this number have their outcome.
    pub(crate) fn all_decided_below(&self, batch: BatchId) -> bool {
        self.batches.first_key_value().is_none_or(|(oldest, _)| *oldest >= batch)
    }

    /// Puts a record into its partition's last batch, or a new one.
    ///
    /// # Errors
    /// See [`NotTaken`]; nothing has changed then, and `pending` comes back.
    pub(crate) fn append(
        &mut self,
        now: Time,
        wall: i64,
        partition: Partition,
        record: &RecordBody,
        pending: Pending,
    ) -> Result<Taken, (NotTaken, Pending)> {
        let size = record_size(record, self.client.as_str());
        let place = self.queue(partition);
        let open = self.queues[place].waiting.back().copied().filter(|id| self.batches[id].has_room(size));
        let (id, is_new) = match open {
            Some(id) => (id, false),
            None => match self.begin_batch(place, size, now) {
                Ok(id) => (id, true),
                Err(error) => return Err((error, pending)),
            },
        };
        let batch = self.batches.get_mut(&id).expect("just found");
        batch.append(record, pending, wall, self.client, &mut self.scratch);
        self.records += 1;
        Ok(Taken { wake_sender: is_new || batch.is_full(), size })
    }

    /// The event of the record just appended: why its batch goes out.
    pub(crate) fn appended_because(&mut self, partition: Partition, cause: EventId) {
        let last = self.places.get(&partition).and_then(|place| self.queues[*place].waiting.back());
        if let Some(batch) = last.and_then(|id| self.batches.get_mut(id)) {
            batch.cause = batch.cause.max(cause);
        }
    }

    fn queue(&mut self, partition: Partition) -> usize {
        if let Some(place) = self.places.get(&partition) {
            return *place;
        }
        let place = self.queues.len();
        self.places.insert(partition, place);
        self.queues.push(Queue {
            partition,
            waiting: VecDeque::new(),
            undecided: Vec::new(),
            on_the_wire: 0,
            sequences: Sequences::NEW,
        });
        place
    }

    fn begin_batch(&mut self, queue: usize, size: usize, now: Time) -> Result<BatchId, NotTaken> {
        let reserved = self.config.batch_size.max(size + wire::batch::HEADER_LENGTH);
        if size > self.config.max_request_size || reserved > self.config.buffer_memory {
            return Err(NotTaken::TooLarge(size));
        }
        if reserved > self.free_memory {
            return Err(NotTaken::NoRoom);
        }
        self.free_memory -= reserved;
        let id = self.next_batch;
        self.next_batch += 1;
        self.batches.insert(id, Batch::new(queue, reserved, now));
        self.queues[queue].waiting.push_back(id);
        Ok(id)
    }

    /// Whether a producer id must be asked for.
    pub(crate) fn needs_identity(&self) -> bool {
        self.config.enable_idempotence && self.identity.is_none()
    }

    /// A producer id was given.
    pub(crate) fn identify(&mut self, identity: ProducerIdentity) -> Effects {
        self.identity = Some(identity);
        self.renumber(identity)
    }

    /// Settles sequence gaps before anything is sent. Returns the new identity if the epoch was bumped.
    ///
    /// An idempotent producer without a transactional id bumps by itself, as Kafka's does: nobody else has its id (KIP-360).
    pub(crate) fn bump_epoch_if_needed(&mut self) -> Option<(ProducerIdentity, Effects)> {
        let current = self.identity?;
        for (place, queue) in self.queues.iter_mut().enumerate() {
            if queue.undecided.is_empty() && !queue.sequences.settle() {
                self.to_renumber.insert(place);
            }
        }
        if !self.to_renumber.iter().any(|place| self.queues[*place].on_the_wire == 0) {
            return None;
        }
        let Some(epoch) = current.epoch.checked_add(1) else {
            // Epochs are used up: another id, and `identify` renumbers.
            self.identity = None;
            return None;
        };
        let bumped = ProducerIdentity { epoch, ..current };
        self.identity = Some(bumped);
        Some((bumped, self.renumber(bumped)))
    }

    /// Numbers the undecided batches of the partitions that asked for it from 0 again, once all their answers are in.
    ///
    /// A batch in doubt is given up instead. Kafka's producer sends it again, although the first copy may still be on its way
    /// under the old number, and then is in the log twice: no broker could tell.
    fn renumber(&mut self, identity: ProducerIdentity) -> Effects {
        let mut effects = Effects::default();
        for place in std::mem::take(&mut self.to_renumber) {
            if self.queues[place].on_the_wire > 0 {
                self.to_renumber.insert(place);
                continue;
            }
            for id in self.queues[place].undecided.clone() {
                let (doubt, cause) = (self.batches[&id].doubt, self.batches[&id].cause);
                if let Some(doubt) = doubt.filter(|_| !self.config.flaws.resends_in_doubt) {
                    let error = Name::new("IN_DOUBT_AT_EPOCH_BUMP");
                    self.decide(id, |_| Outcome::Unknown { error }, doubt.max(cause), &mut effects);
                }
            }
            let queue = &mut self.queues[place];
            queue.sequences.start_over(identity);
            for id in &queue.undecided {
                let batch = self.batches.get_mut(id).expect("undecided batches exist");
                let numbers = queue.sequences.assign(batch.count());
                batch.renumber(numbers);
            }
        }
        effects
    }

    /// The flaw `metadata_blip_resets_sequences`: with the topic, its partitions' sequence numbers are forgotten.
    pub(crate) fn forget_missing(&mut self, cluster: &dyn Cluster) {
        let idle = self.queues.iter_mut().filter(|queue| queue.undecided.is_empty());
        for queue in idle.filter(|queue| cluster.is_missing(queue.partition.topic)) {
            queue.sequences = Sequences::NEW;
        }
    }

    /// The next request that can go out, if any. Call it until there is none.
    pub(crate) fn drain(&mut self, now: Time, cluster: &dyn Cluster) -> Option<ProduceRequestPlan> {
        let mut chosen: Option<i32> = None;
        let (mut picked, mut bytes, mut cause, mut size) = (Vec::new(), Vec::new(), EventId::ROOT, 0);
        let count = self.queues.len();
        for step in 0..count {
            let place = (self.next_queue + step) % count;
            let Some(id) = self.sendable(place, now) else { continue };
            let Some(broker) = cluster.leader(self.queues[place].partition) else { continue };
            if chosen.is_some_and(|chosen| chosen != broker) || (chosen.is_none() && !cluster.can_send(broker)) {
                continue;
            }
            let batch_size = self.batches[&id].size();
            if chosen.is_some() && size + batch_size > self.config.max_request_size {
                continue;
            }
            chosen = Some(broker);
            size += batch_size;
            let batch = self.take(place, id);
            cause = cause.max(batch.cause);
            bytes.push((self.queues[place].partition, self.batches.get_mut(&id).expect("taken").close()));
            picked.push((place, id));
        }
        let broker = chosen?;
        self.next_queue = (picked[0].0 + 1) % count;
        let id = self.next_request;
        self.next_request += 1;
        self.requests.insert(id, picked);
        Some(ProduceRequestPlan { id, broker, batches: bytes, cause })
    }

    /// A request was handed to the network; `sent` tells whether the kernel has it.
    pub(crate) fn on_the_wire(&mut self, request: RequestId, sent: &Sent) {
        for (_, id) in self.requests.get(&request).into_iter().flatten() {
            if let Some(batch) = self.batches.get_mut(id) {
                batch.attempt = Some(sent.clone());
            }
        }
    }

    /// Takes a batch out of `waiting`, with sequence numbers.
    fn take(&mut self, place: usize, id: BatchId) -> &Batch {
        let queue = &mut self.queues[place];
        let first = queue.waiting.pop_front();
        assert_eq!(first, Some(id), "only the first batch of a partition is sent");
        queue.on_the_wire += 1;
        let batch = self.batches.get_mut(&id).expect("waiting batches exist");
        if let Some(identity) = self.identity
            && batch.place.is_none()
        {
            if queue.sequences.is_stale(identity) {
                assert!(queue.undecided.is_empty(), "an epoch begins after all of the last one is decided");
                queue.sequences.start_over(identity);
            }
            batch.place = Some(queue.sequences.assign(batch.count()));
            queue.undecided.push(id);
        }
        batch.attempt = Some(Sent::default());
        batch
    }

    /// The partition's first batch, if it may go out now.
    fn sendable(&self, place: usize, now: Time) -> Option<BatchId> {
        let id = self.first_unblocked(place)?;
        (self.due(place, id) <= now).then_some(id)
    }

    /// The partition's first batch, unless order or sequence numbers forbid to send it whatever the time.
    fn first_unblocked(&self, place: usize) -> Option<BatchId> {
        let queue = &self.queues[place];
        let id = *queue.waiting.front()?;
        let is_muted = self.config.max_in_flight == 1 && queue.on_the_wire > 0;
        if is_muted || self.needs_identity() || self.to_renumber.contains(&place) {
            return None;
        }
        let Some(identity) = self.identity else { return Some(id) };
        let may_go = if self.batches[&id].place.is_some() {
            // A retry goes when everything before it in sequence is decided: one at a time.
            queue.undecided.first() == Some(&id)
        } else {
            // Nothing new while numbers of another epoch are undecided, or the fate of earlier numbers is unknown.
            let is_stale = queue.sequences.is_stale(identity) && !queue.undecided.is_empty();
            // A broker that knows nothing of a producer takes any first number, so that a second batch could overtake a first
            // one that was refused: the first of all goes alone.
            let window = if queue.sequences.has_begun() { REMEMBERED_BATCHES } else { 1 };
            let fits_window = queue.undecided.len() < window;
            !is_stale && fits_window && queue.sequences.unresolved().is_none()
        };
        may_go.then_some(id)
    }

    /// When a partition's first batch goes out, if the cluster lets it.
    fn due(&self, place: usize, id: BatchId) -> Time {
        let batch = &self.batches[&id];
        if batch.retries > 0 {
            return batch.not_before;
        }
        let at_once = self.in_a_hurry || batch.is_full() || self.queues[place].waiting.len() > 1;
        if at_once { Time::ZERO } else { batch.created + self.config.linger }
    }

    /// Whether a batch is due in a partition without a known leader.
    pub(crate) fn waits_for_leader(&self, now: Time, cluster: &dyn Cluster) -> bool {
        let waits = |place: &usize| {
            self.sendable(*place, now).is_some() && cluster.leader(self.queues[*place].partition).is_none()
        };
        (0..self.queues.len()).any(|place| waits(&place))
    }

    /// Brokers that lead a partition with a batch due: connections to have.
    pub(crate) fn wanted_brokers(&self, now: Time, cluster: &dyn Cluster) -> BTreeMap<i32, EventId> {
        let mut wanted = BTreeMap::new();
        for place in 0..self.queues.len() {
            if let Some(id) = self.sendable(place, now)
                && let Some(broker) = cluster.leader(self.queues[place].partition)
            {
                let cause = wanted.entry(broker).or_insert(EventId::ROOT);
                *cause = self.batches[&id].cause.max(*cause);
            }
        }
        wanted
    }

    /// When something becomes due by itself: a linger or backoff ends, a delivery times out.
    pub(crate) fn next_wakeup(&self, now: Time) -> Time {
        let due = (0..self.queues.len()).filter_map(|place| Some(self.due(place, self.first_unblocked(place)?)));
        let expiry = self.batches.first_key_value().map(|(_, batch)| batch.created + self.config.delivery_timeout);
        due.filter(|at| *at > now).chain(expiry).min().unwrap_or(Time::NEVER)
    }

    /// Takes a batch out of everything and decides its records.
    pub(super) fn decide(
        &mut self,
        id: BatchId,
        outcome: impl Fn(i64) -> Outcome,
        cause: EventId,
        effects: &mut Effects,
    ) {
        let batch = self.batches.remove(&id).expect("a batch is decided once");
        let queue = &mut self.queues[batch.queue];
        queue.waiting.retain(|waiting| *waiting != id);
        queue.undecided.retain(|undecided| *undecided != id);
        self.free_memory += batch.reserved;
        assert!(self.free_memory <= self.config.buffer_memory, "more memory returned than taken");
        self.records -= batch.records.len();
        let partition = queue.partition;
        let records = batch.records.into_iter().enumerate();
        effects.decided.extend(records.map(|(delta, record)| {
            let outcome = outcome(delta as i64);
            Decided { partition, record, outcome, cause }
        }));
    }
}
