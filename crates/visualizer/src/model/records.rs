//! Which record lies at which offset: what clients sent, joined with where brokers say it went.

use std::collections::BTreeMap;

use trace::{Event, EventKind, Name, Partition, RecordText};

use super::Model;

/// A record in a log. An offset may hold two in one run: another one in each leader epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Joined {
    /// Its `RecordSent`, where the trace holds it.
    pub sent: Option<u32>,
    /// Its `RecordAcked`.
    pub acked: Option<u32>,
}

/// The join.
#[derive(Default)]
pub struct Records {
    sent: BTreeMap<Name, Sent>,
    places: BTreeMap<Partition, BTreeMap<(i64, i32), Joined>>,
}

/// A client's records by its own number, which counts up: an array, and a map for what does not fit into one.
#[derive(Default)]
struct Sent {
    first: u64,
    dense: Vec<u32>,
    sparse: BTreeMap<u64, u32>,
}

impl Sent {
    fn insert(&mut self, sequence: u64, place: u32) {
        if self.dense.is_empty() {
            self.first = sequence;
        }
        if sequence.checked_sub(self.first) == Some(self.dense.len() as u64) {
            self.dense.push(place);
        } else {
            self.sparse.insert(sequence, place);
        }
    }

    fn get(&self, sequence: u64) -> Option<u32> {
        let dense = sequence.checked_sub(self.first).and_then(|n| self.dense.get(usize::try_from(n).ok()?));
        dense.or_else(|| self.sparse.get(&sequence)).copied()
    }
}

impl Records {
    /// Notes the event at `place`, the next after `events`.
    pub fn push(&mut self, events: &[Event], place: usize, event: &Event, cause: Option<usize>) {
        match &event.kind {
            EventKind::RecordSent { sequence, .. } => {
                self.sent.entry(event.node).or_default().insert(*sequence, place as u32);
            }
            EventKind::RecordAcked { partition, offset, sequence } if *offset >= 0 => {
                let sent = self.sent.get(&event.node).and_then(|sent| sent.get(*sequence));
                let epoch = acked_epoch(events, *partition, cause);
                let joined = self.at(*partition, *offset, epoch.unwrap_or(-1));
                joined.sent = sent.or(joined.sent);
                joined.acked = joined.acked.or(Some(place as u32));
            }
            EventKind::RecordPolled { partition, offset, sequence, producer, leader_epoch, .. } => {
                let sent = self.sent.get(producer).and_then(|sent| sent.get(*sequence));
                let joined = self.at(*partition, *offset, *leader_epoch);
                joined.sent = joined.sent.or(sent);
            }
            // A batch of one record that came straight from its client: known even if it is never acknowledged.
            EventKind::Appended { partition, base_offset, records: 1, leader_epoch, leading: true, .. } => {
                let sent = ancestors(events, cause).take(4).find(|place| {
                    matches!(&events[*place].kind, EventKind::RecordSent { partition: of, .. } if of == partition)
                });
                if let Some(sent) = sent {
                    self.at(*partition, *base_offset, *leader_epoch).sent = Some(sent as u32);
                }
            }
            _ => {}
        }
    }

    fn at(&mut self, partition: Partition, offset: i64, epoch: i32) -> &mut Joined {
        let places = self.places.entry(partition).or_default();
        places.entry((offset, epoch)).or_insert(Joined { sent: None, acked: None })
    }

    /// The record at an offset in a leader epoch.
    pub fn get(&self, partition: Partition, offset: i64, epoch: i32) -> Option<Joined> {
        self.places.get(&partition)?.get(&(offset, epoch)).copied()
    }

    /// The records at offsets of `from..to`, with offset and leader epoch (-1 where the trace does not tell), in order.
    pub fn range(&self, partition: Partition, from: i64, to: i64) -> impl Iterator<Item = (i64, i32, Joined)> {
        let bounds = (from, i32::MIN)..(to.max(from), i32::MIN);
        let places = self.places.get(&partition).into_iter().flat_map(move |places| places.range(bounds.clone()));
        places.map(|((offset, epoch), joined)| (*offset, *epoch, *joined))
    }

    /// The offset at which a record lies: the acknowledged one, else the first one known.
    pub fn offset_of(&self, model: &Model, sent: usize) -> Option<i64> {
        let EventKind::RecordSent { partition, .. } = &model.events().get(sent)?.kind else { return None };
        let is_it = |joined: &Joined| joined.sent == Some(sent as u32);
        let places = self.places.get(partition)?;
        places.iter().find(|(_, joined)| is_it(joined)).map(|((offset, _), _)| *offset)
    }
}

/// The event at `cause`, its cause, and so on.
fn ancestors(events: &[Event], cause: Option<usize>) -> impl Iterator<Item = usize> {
    let first = events.first().map_or(0, |event| event.id.0);
    let up = move |place: &usize| {
        let above = usize::try_from(events[*place].cause.0.checked_sub(first)?).ok()?;
        (above < *place).then_some(above)
    };
    std::iter::successors(cause, up)
}

/// The leader epoch in which the broker acknowledged what this client event tells.
fn acked_epoch(events: &[Event], partition: Partition, cause: Option<usize>) -> Option<i32> {
    ancestors(events, cause).take(4).find_map(|place| match &events[place].kind {
        EventKind::ProduceAcked { partition: of, leader_epoch, .. } if *of == partition => Some(*leader_epoch),
        _ => None,
    })
}

/// The text of a `RecordSent`, in full traces.
pub fn text_of(event: &Event) -> Option<&RecordText> {
    match &event.kind {
        EventKind::RecordSent { text, .. } => text.0.as_deref(),
        _ => None,
    }
}
