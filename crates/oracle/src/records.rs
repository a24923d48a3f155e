//! The clients' histories: what became of every record, and who read it.

use trace::{Event, EventId, EventKind, Name, Partition, Phase};

use crate::Context;
use crate::sparse::{Sparse, Table};

/// What a producer knows of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Outcome {
    /// Nobody sent it: a hole in the numbering.
    #[default]
    Unsent,
    Pending,
    Acked,
    Failed,
    Unknown,
}

/// One record, from the service that sent it to those that read it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Record {
    pub sent: EventId,
    pub sent_at: u64,
    pub resolved: EventId,
    pub resolved_at: u64,
    /// Where it was acknowledged to be, or -1.
    pub offset: i64,
    /// Who polled it, one bit a reader.
    pub seen: u64,
    /// Who did its work for it, one bit a reader.
    pub done: u64,
    /// How many polls returned it.
    pub polls: u32,
    pub partition: u32,
    pub key: u32,
    pub outcome: Outcome,
}

/// A producing client.
#[derive(Default)]
pub(crate) struct Sender {
    pub records: Sparse<Record>,
    /// Its process ended after this event: what was pending then never gets an outcome.
    pub died: EventId,
}

/// A declared move of a reader's position, without delivery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Skip {
    pub reader: usize,
    pub partition: u32,
    pub from: i64,
    pub to: i64,
}

/// How far one consumer has read one partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    /// The offset it wants next.
    pub next: i64,
    /// The event that moved it there.
    pub event: EventId,
}

/// A group, or a consumer without one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reader {
    pub name: Name,
    /// Whether any of its consumers was running when clients stopped.
    pub alive: bool,
}

/// Readers that are told apart record by record; more are not judged.
pub(crate) const READERS: usize = 64;

/// Everything that clients told.
#[derive(Default)]
pub(crate) struct Records {
    pub partitions: Table<Partition, ()>,
    pub senders: Table<Name, Sender>,
    pub readers: Vec<Reader>,
    pub skips: Vec<Skip>,
    /// By consumer and partition.
    pub positions: Table<(Name, u32), Position>,
    /// Which reader a consumer belongs to, and whether it runs.
    consumers: Table<Name, (usize, bool)>,
    verifying: bool,
    groups: Table<Name, Name>,
}

impl Records {
    pub fn new(context: &Context) -> Records {
        let grouped = context.clients.iter().filter_map(|(name, facts)| Some((*name, facts.group?)));
        Records { groups: grouped.collect(), ..Records::default() }
    }

    /// The partition at `place`.
    pub fn partition(&self, place: u32) -> Partition {
        *self.partitions.get_index(place as usize).expect("a numbered partition").0
    }

    /// The record that `producer` numbered `sequence`, if it was sent.
    pub fn record(&self, producer: Name, sequence: u64) -> Option<&Record> {
        let record = self.senders.get(&producer)?.records.get(sequence)?;
        (record.outcome != Outcome::Unsent).then_some(record)
    }

    /// Where a consumer stands in a partition, as long as it has it.
    pub fn position(&self, consumer: Name, partition: Partition) -> Option<&Position> {
        let place = self.partitions.get_index_of(&partition)?;
        self.positions.get(&(consumer, place as u32))
    }

    /// The group that a consumer belongs to.
    pub fn group_of(&self, consumer: Name) -> Option<Name> {
        self.groups.get(&consumer).copied()
    }

    /// Whether the clients have stopped, and only the end-of-run checks read.
    pub fn verifying(&self) -> bool {
        self.verifying
    }

    /// All records sent, by producer and sequence.
    pub fn iter(&self) -> impl Iterator<Item = (Name, u64, &Record)> {
        self.senders.iter().flat_map(|(name, sender)| {
            let sent = sender.records.iter().filter(|(_, record)| record.outcome != Outcome::Unsent);
            sent.map(|(sequence, record)| (*name, sequence, record))
        })
    }

    /// Whether `reader` was told to skip `offset`: it started, or was reset, behind it.
    pub fn skipped(&self, reader: usize, partition: u32, offset: i64) -> bool {
        let covers = |skip: &Skip| (skip.from..skip.to).contains(&offset);
        self.skips.iter().any(|skip| (skip.reader, skip.partition) == (reader, partition) && covers(skip))
    }

    /// Folds an event in; true if it was a client's.
    pub fn observe(&mut self, event: &Event) {
        match &event.kind {
            EventKind::RecordSent { partition, sequence, key, .. } => {
                let partition = self.place(*partition);
                let record = self.senders.entry(event.node).or_default().records.slot(*sequence);
                if record.outcome == Outcome::Unsent {
                    (record.partition, record.key, record.offset) = (partition, *key, -1);
                    (record.sent, record.sent_at, record.outcome) = (event.id, event.at, Outcome::Pending);
                }
            }
            EventKind::RecordAcked { offset, sequence, .. } => {
                if let Some(record) = self.resolve(event, *sequence, Outcome::Acked) {
                    record.offset = *offset;
                }
            }
            EventKind::RecordFailed { sequence, .. } => {
                self.resolve(event, *sequence, Outcome::Failed);
            }
            EventKind::RecordUnknown { sequence, .. } => {
                self.resolve(event, *sequence, Outcome::Unknown);
            }
            EventKind::RecordPolled { partition, offset, sequence, producer, .. } => {
                let partition = self.place(*partition);
                let reader = self.consumer(event.node).0;
                self.positions
                    .insert((event.node, partition), Position { next: offset.saturating_add(1), event: event.id });
                let record = self.senders.get_mut(producer).map(|sender| sender.records.slot(*sequence));
                // Once the end-of-run checks read, a poll says nothing of the services.
                if let Some(record) = record.filter(|_| !self.verifying) {
                    record.polls += 1;
                    record.seen |= if reader < READERS { 1 << reader } else { 0 };
                }
            }
            EventKind::RecordProcessed { sequence, producer, .. } => {
                let bit = self.bit_of(event.node);
                let record = self.senders.get_mut(producer).map(|sender| sender.records.slot(*sequence));
                if let Some(record) = record.filter(|_| !self.verifying) {
                    record.done |= bit;
                }
            }
            EventKind::PositionReset { partition, from, to, reason } => {
                let partition = self.place(*partition);
                let reader = self.consumer(event.node).0;
                self.positions.insert((event.node, partition), Position { next: *to, event: event.id });
                // What its group has committed is not skipped: the group has read it.
                if *to > *from && reason.as_str() != "committed" {
                    self.skips.push(Skip { reader, partition, from: (*from).max(0), to: *to });
                }
            }
            // A member's positions last as long as its assignment.
            EventKind::PartitionsAssigned { partitions, .. } | EventKind::PartitionsRevoked { partitions, .. } => {
                let places = partitions.iter().filter_map(|partition| self.partitions.get_index_of(partition));
                for place in places {
                    self.positions.swap_remove(&(event.node, place as u32));
                }
            }
            EventKind::PhaseBegan { phase: Phase::Verify } => self.verifying = true,
            EventKind::NodeStarted { .. } => self.started(event.node),
            EventKind::NodeStopped { .. } if !self.verifying => self.stopped(event),
            _ => {}
        }
    }

    /// The bit of the reader that a consumer belongs to; none beyond the first 64.
    pub fn bit_of(&self, consumer: Name) -> u64 {
        let reader = self.consumers.get(&consumer).map_or(READERS, |(reader, _)| *reader);
        if reader < READERS { 1 << reader } else { 0 }
    }

    fn place(&mut self, partition: Partition) -> u32 {
        if let Some(place) = self.partitions.get_index_of(&partition) {
            return place as u32;
        }
        self.partitions.insert_full(partition, ()).0 as u32
    }

    /// The first outcome counts: each send resolves once.
    fn resolve(&mut self, event: &Event, sequence: u64, outcome: Outcome) -> Option<&mut Record> {
        let record = self.senders.get_mut(&event.node)?.records.slot(sequence);
        if record.outcome != Outcome::Pending {
            return None;
        }
        (record.resolved, record.resolved_at, record.outcome) = (event.id, event.at, outcome);
        Some(record)
    }

    fn consumer(&mut self, name: Name) -> &mut (usize, bool) {
        if let Some(place) = self.consumers.get_index_of(&name) {
            return &mut self.consumers[place];
        }
        let reader = self.groups.get(&name).copied().unwrap_or(name);
        let place = self.readers.iter().position(|known| known.name == reader).unwrap_or_else(|| {
            self.readers.push(Reader { name: reader, alive: true });
            self.readers.len() - 1
        });
        self.consumers.entry(name).or_insert((place, true))
    }

    fn started(&mut self, name: Name) {
        // A consumer's positions are its process's memory.
        self.positions.retain(|(consumer, _), _| *consumer != name);
        if self.consumers.contains_key(&name) {
            self.consumer(name).1 = true;
            self.count_alive();
        }
    }

    fn stopped(&mut self, event: &Event) {
        if let Some(sender) = self.senders.get_mut(&event.node) {
            sender.died = event.id;
        }
        if self.consumers.contains_key(&event.node) {
            self.consumer(event.node).1 = false;
            self.count_alive();
        }
    }

    fn count_alive(&mut self) {
        self.readers.iter_mut().for_each(|reader| reader.alive = false);
        for (reader, alive) in self.consumers.values() {
            self.readers[*reader].alive |= alive;
        }
    }
}
