//! The producer: records in, batches out, one outcome a record.

mod batch;
mod core;
#[cfg(test)]
mod model;
mod sender;
mod sequences;
mod settle;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use host::{Address, Host, Task, Time};
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use trace::{EventId, EventKind, Name, Partition, RecordText, Text};

use self::batch::Pending;
use self::core::{Decided, Effects, NotTaken, ProducerCore};
use self::sender::{Identifying, Notice};
use crate::config::ProducerConfig;
use crate::error::SendError;
use crate::hash::{key_hash, partition_for_key};
use crate::network::{Network, until};

/// A record to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Where to.
    pub topic: Name,
    /// A partition of one's own choice; without one the key decides, and without a key the producer.
    pub partition: Option<i32>,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers; the origin header is added, and replaces one of that name.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// The client's own number for it, from 0.
    pub sequence: u64,
    /// The event that made the client send it.
    pub cause: EventId,
}

impl Record {
    /// An empty record.
    pub fn new(topic: impl Into<Name>, sequence: u64) -> Record {
        let topic = topic.into();
        Record { topic, partition: None, key: None, value: None, headers: Vec::new(), sequence, cause: EventId::ROOT }
    }

    /// With this key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Record {
        self.key = Some(key.into());
        self
    }

    /// With this value.
    #[must_use]
    pub fn value(mut self, value: impl Into<Bytes>) -> Record {
        self.value = Some(value.into());
        self
    }

    /// To this partition.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Record {
        self.partition = Some(partition);
        self
    }

    /// Because of this event.
    #[must_use]
    pub fn cause(mut self, cause: EventId) -> Record {
        self.cause = cause;
        self
    }
}

/// What a batch is built from.
pub(crate) struct RecordBody {
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Vec<(String, Option<Bytes>)>,
}

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is in the log at this offset; -1 with acks=0, and when the broker remembers that it has it but not where.
    Acked {
        /// The offset.
        offset: i64,
    },
    /// It surely is not in the log.
    Failed {
        /// Why.
        error: Name,
    },
    /// Nobody knows whether it is.
    Unknown {
        /// Why.
        error: Name,
    },
}

/// The report on a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Its partition.
    pub partition: Partition,
    /// The client's own number.
    pub sequence: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// The event that says so (RecordAcked, RecordFailed or RecordUnknown).
    pub cause: EventId,
}

/// A Kafka producer. Every record given to it gets exactly one outcome, as an event and, where asked for, as a [`Delivery`].
///
/// Dropping it ends it at once, without further outcomes; [`Producer::close`] waits.
pub struct Producer {
    shared: Rc<Shared>,
    sender: Task,
}

struct Shared {
    host: Host,
    config: Rc<ProducerConfig>,
    network: Network,
    core: RefCell<ProducerCore>,
    notices: RefCell<VecDeque<Notice>>,
    identifying: Cell<Identifying>,
    /// Wakes the sender.
    wake: Rc<Notify>,
    /// Tells that records were decided and memory is free.
    progress: Notify,
    /// Whoever waits for room waits in line.
    line: Mutex<()>,
    in_line: Cell<u32>,
    hurries: Cell<u32>,
    sticky: RefCell<BTreeMap<Name, Sticky>>,
    listeners: RefCell<Vec<mpsc::UnboundedSender<Delivery>>>,
    /// The last answer or failure that was looked at.
    last_notice: Cell<EventId>,
    closed: Cell<bool>,
}

/// Where records without a key go for now (KIP-480, KIP-794).
#[derive(Clone, Copy)]
struct Sticky {
    partition: i32,
    bytes: usize,
}

impl Producer {
    /// Starts a producer. It connects when the first record is sent (or, if idempotent, at once, for its producer id).
    pub fn new(host: Host, bootstrap: Vec<Address>, config: ProducerConfig) -> Producer {
        let wake = Rc::new(Notify::new());
        let network = Network::new(host.clone(), config.client.clone(), bootstrap, wake.clone());
        let config = Rc::new(config);
        let shared = Rc::new(Shared {
            core: RefCell::new(ProducerCore::new(config.clone(), host.name())),
            config,
            network,
            notices: RefCell::default(),
            identifying: Cell::new(Identifying::Idle { not_before: Time::ZERO, failures: 0 }),
            wake,
            progress: Notify::new(),
            line: Mutex::new(()),
            in_line: Cell::new(0),
            hurries: Cell::new(0),
            sticky: RefCell::default(),
            listeners: RefCell::default(),
            last_notice: Cell::new(EventId::ROOT),
            closed: Cell::new(false),
            host: host.clone(),
        });
        let running = shared.clone();
        let sender = host.spawn("kafka producer", async move { running.run_sender().await });
        Producer { shared, sender }
    }

    /// Hands a record over. Waits for the topic's metadata and for room, for `max.block.ms` in all.
    ///
    /// # Errors
    /// If the record was not taken: it is recorded as sent and failed then (with partition -1 if none was chosen).
    pub async fn send(&self, record: Record) -> Result<(), SendError> {
        self.shared.send(record, None).await
    }

    /// Like [`Producer::send`]; the receiver gets the record's outcome.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub async fn send_reported(&self, record: Record) -> Result<oneshot::Receiver<Delivery>, SendError> {
        let (report, receiver) = oneshot::channel();
        self.shared.send(record, Some(report)).await?;
        Ok(receiver)
    }

    /// A channel that gets every outcome from now on.
    pub fn deliveries(&self) -> mpsc::UnboundedReceiver<Delivery> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.shared.listeners.borrow_mut().push(sender);
        receiver
    }

    /// How many records have no outcome yet.
    pub fn in_flight(&self) -> usize {
        self.shared.core.borrow().records()
    }

    /// Sends what lingers, and waits until every record handed over before has its outcome.
    pub async fn flush(&self) {
        self.shared.flush().await;
    }

    /// Takes no more records and waits for the outcomes; what is open after `timeout` is given up as failed or unknown.
    pub async fn close(self, timeout: Duration) {
        self.shared.closed.set(true);
        let deadline = self.shared.host.now() + timeout;
        if until(&self.shared.host, deadline, self.shared.flush()).await.is_none() {
            let given_up = self.shared.core.borrow_mut().abort(Name::new("PRODUCER_CLOSED"));
            self.shared.apply(given_up);
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.sender.cancel();
        self.shared.closed.set(true);
        // Requests on their way hold the producer: let them go.
        self.shared.network.close();
    }
}

/// While one lives, batches do not linger.
struct Hurry<'a>(&'a Shared);

impl Hurry<'_> {
    fn begin(shared: &Shared) -> Hurry<'_> {
        shared.hurries.set(shared.hurries.get() + 1);
        shared.core.borrow_mut().in_a_hurry = true;
        shared.wake.notify_one();
        Hurry(shared)
    }
}

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        self.0.hurries.set(self.0.hurries.get() - 1);
        self.0.core.borrow_mut().in_a_hurry = self.0.hurries.get() > 0;
    }
}

/// A place in the line of those that wait for room.
struct InLine<'a>(&'a Cell<u32>);

impl InLine<'_> {
    fn join(count: &Cell<u32>) -> InLine<'_> {
        count.set(count.get() + 1);
        InLine(count)
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Shared {
    async fn send(&self, record: Record, report: Option<oneshot::Sender<Delivery>>) -> Result<(), SendError> {
        let deadline = self.host.now() + self.config.max_block;
        let Record { topic, partition, key, value, headers, sequence, cause } = record;
        let key_hash = key.as_deref().map_or(0, key_hash);
        let body = RecordBody { key, value, headers };
        let mut pending = Pending { sequence, report };
        let mut target = Partition { topic, index: partition.unwrap_or(-1) };
        let refused = match self.choose(&mut target, &body, cause, deadline).await {
            Err(error) => error,
            Ok(()) => match self.append(target, &body, key_hash, cause, &mut pending, deadline).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            },
        };
        let sent = self.emit_sent(cause, target, sequence, key_hash, &body);
        let outcome = Outcome::Failed { error: refused.name() };
        self.tell(Decided { partition: target, record: pending, outcome, cause: sent });
        Err(refused)
    }

    /// Fills in the partition.
    async fn choose(
        &self,
        target: &mut Partition,
        body: &RecordBody,
        cause: EventId,
        deadline: Time,
    ) -> Result<(), SendError> {
        let count = self.partition_count(target.topic, target.index, cause, deadline).await?;
        if target.index < 0 {
            target.index = match &body.key {
                Some(key) => partition_for_key(key, count),
                None => self.sticky_partition(target.topic, count),
            };
        }
        Ok(())
    }

    /// The topic's number of partitions, more than `wanted`.
    async fn partition_count(
        &self,
        topic: Name,
        wanted: i32,
        cause: EventId,
        deadline: Time,
    ) -> Result<i32, SendError> {
        let known = || self.network.with_metadata(|metadata| metadata.partition_count(topic));
        let enough = || known().filter(|count| *count > wanted);
        if let Some(count) = enough() {
            return Ok(count);
        }
        self.network.add_interest(topic, cause);
        let wait = self.network.wait_for(|| {
            let found = enough();
            if found.is_none() {
                self.network.request_refresh_once(cause);
            }
            found
        });
        match until(&self.host, deadline, wait).await {
            Some(count) => Ok(count),
            None if known().is_some() => Err(SendError::NoPartition(Partition { topic, index: wanted })),
            None => Err(SendError::Metadata(topic)),
        }
    }

    /// One partition until a batch is full, then another: preferably one that has a leader.
    fn sticky_partition(&self, topic: Name, count: i32) -> i32 {
        let current = self.sticky.borrow().get(&topic).copied();
        if let Some(sticky) = current
            && sticky.bytes < self.config.batch_size
            && sticky.partition < count
        {
            return sticky.partition;
        }
        let has_leader = |index: &i32| self.network.leadership(Partition { topic, index: *index }).leader.is_some();
        let available: Vec<i32> = (0..count).filter(has_leader).collect();
        let random = self.network.random();
        let partition = match available.len() {
            0 => (random % count as u64) as i32,
            some => available[(random % some as u64) as usize],
        };
        self.sticky.borrow_mut().insert(topic, Sticky { partition, bytes: 0 });
        partition
    }

    async fn append(
        &self,
        partition: Partition,
        body: &RecordBody,
        key: u32,
        cause: EventId,
        pending: &mut Pending,
        deadline: Time,
    ) -> Result<(), SendError> {
        if self.in_line.get() == 0
            && let Some(result) = self.try_append(partition, body, key, cause, pending)
        {
            return result;
        }
        let _hurry = Hurry::begin(self);
        let _place = InLine::join(&self.in_line);
        let waiting = async {
            let _turn = self.line.lock().await;
            loop {
                let mut progress = pin!(self.progress.notified());
                progress.as_mut().enable();
                if let Some(result) = self.try_append(partition, body, key, cause, pending) {
                    return result;
                }
                progress.await;
            }
        };
        until(&self.host, deadline, waiting).await.unwrap_or(Err(SendError::BufferExhausted))
    }

    /// None if there is no room now.
    fn try_append(
        &self,
        partition: Partition,
        body: &RecordBody,
        key: u32,
        cause: EventId,
        pending: &mut Pending,
    ) -> Option<Result<(), SendError>> {
        if self.closed.get() {
            return Some(Err(SendError::Closed));
        }
        let sequence = pending.sequence;
        let taken = Pending { sequence, report: pending.report.take() };
        let mut core = self.core.borrow_mut();
        let result = core.append(self.host.now(), self.host.wall(), partition, body, taken);
        let taken = match result {
            Ok(taken) => taken,
            Err((error, back)) => {
                *pending = back;
                return match error {
                    NotTaken::NoRoom => None,
                    NotTaken::TooLarge(size) => Some(Err(SendError::TooLarge(size))),
                };
            }
        };
        let sent = self.emit_sent(cause, partition, sequence, key, body);
        core.appended_because(partition, sent);
        if body.key.is_none()
            && let Some(sticky) = self.sticky.borrow_mut().get_mut(&partition.topic)
        {
            sticky.bytes += taken.size;
        }
        if taken.wake_sender {
            self.wake.notify_one();
        }
        Some(Ok(()))
    }

    fn emit_sent(&self, cause: EventId, partition: Partition, sequence: u64, key: u32, body: &RecordBody) -> EventId {
        let readable =
            |bytes: &Option<Bytes>| String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
        let text = self.host.wants_text().then(|| {
            let timestamp = self.host.wall();
            Box::new(RecordText { key: readable(&body.key), value: readable(&body.value), timestamp })
        });
        self.host.emit(cause, EventKind::RecordSent { partition, sequence, key, text: Text(text) })
    }

    async fn flush(&self) {
        let _hurry = Hurry::begin(self);
        let bound = self.core.borrow().next_batch();
        loop {
            let mut progress = pin!(self.progress.notified());
            progress.as_mut().enable();
            if self.core.borrow().all_decided_below(bound) {
                return;
            }
            progress.await;
        }
    }

    /// Tells what was decided.
    fn apply(&self, effects: Effects) {
        if let Some(cause) = effects.stale_metadata {
            self.network.request_refresh(cause);
        }
        if effects.decided.is_empty() {
            return;
        }
        effects.decided.into_iter().for_each(|decided| self.tell(decided));
        self.progress.notify_waiters();
    }

    fn tell(&self, decided: Decided) {
        let Decided { partition, record, outcome, cause } = decided;
        let sequence = record.sequence;
        let event = self.host.emit(
            cause,
            match outcome {
                Outcome::Acked { offset } => EventKind::RecordAcked { partition, offset, sequence },
                Outcome::Failed { error } => EventKind::RecordFailed { partition, sequence, error },
                Outcome::Unknown { error } => EventKind::RecordUnknown { partition, sequence, error },
            },
        );
        let delivery = Delivery { partition, sequence, outcome, cause: event };
        if let Some(report) = record.report {
            // Nobody has to listen.
            let _ = report.send(delivery);
        }
        self.listeners.borrow_mut().retain(|listener| listener.send(delivery).is_ok());
    }
}
