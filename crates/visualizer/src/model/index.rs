//! Kinds, counts and severities of all events, for any range at once.
//!
//! Counts are sums before each block of events, so that a range costs two look-ups and its two edges: exact at every zoom.
//! The worst severity comes from a pyramid over the blocks: a violation never vanishes when zoomed out.

use std::mem::{Discriminant, discriminant};
use std::ops::Range;

use trace::{Event, EventKind};

use super::facts::{Class, Severity, classify};

/// Events in a block.
pub const BLOCK: usize = 256;

/// The index of kinds, counts and severities.
#[derive(Default)]
pub struct Index {
    /// The kind of each event, as a place in `learned`.
    kinds: Vec<u8>,
    /// The kinds seen so far: the frequent ones come early, so that finding one is cheap.
    learned: Vec<(Discriminant<EventKind>, &'static str)>,
    /// Class and severity of each event: `class | severity << 4`.
    tags: Vec<u8>,
    /// Counts by class before each block.
    totals: Vec<[u32; Class::COUNT]>,
    running: [u32; Class::COUNT],
    /// The worst severity of each block; then of each pair, and so on.
    worst: Vec<Vec<u8>>,
    /// The time of each block's first event.
    times: Vec<u64>,
}

impl Index {
    /// Notes the next event.
    pub fn push(&mut self, event: &Event) {
        let place = self.tags.len();
        if place.is_multiple_of(BLOCK) {
            self.totals.push(self.running);
            self.times.push(event.at);
        }
        let (class, severity) = classify(&event.kind);
        self.running[class.place()] += 1;
        self.tags.push(class as u8 | (severity as u8) << 4);
        let which = discriminant(&event.kind);
        let kind = self.learned.iter().position(|(known, _)| *known == which).unwrap_or_else(|| {
            self.learned.push((which, event.kind.name()));
            self.learned.len() - 1
        });
        self.kinds.push(u8::try_from(kind).expect("under 256 kinds"));
        self.raise(place / BLOCK, severity as u8);
    }

    fn raise(&mut self, block: usize, severity: u8) {
        let mut level = 0;
        loop {
            if self.worst.len() == level {
                // A new top level starts with what the one below says so far.
                let below = level.checked_sub(1).map(|below| &self.worst[below]);
                let first = below.and_then(|below| below.iter().max().copied()).unwrap_or(0);
                self.worst.push(vec![first]);
            }
            let cells = &mut self.worst[level];
            let cell = block >> level;
            if cells.len() <= cell {
                cells.resize(cell + 1, 0);
            }
            cells[cell] = cells[cell].max(severity);
            if cells.len() == 1 {
                return;
            }
            level += 1;
        }
    }

    /// The class of an event.
    pub fn class(&self, index: usize) -> Class {
        Class::ALL[usize::from(self.tags.get(index).copied().unwrap_or(0) & 15)]
    }

    /// The severity of an event.
    pub fn severity(&self, index: usize) -> Severity {
        Severity::ALL[usize::from(self.tags.get(index).copied().unwrap_or(0) >> 4)]
    }

    /// A number for the kind of each event; its name is [`Index::kind_names`] at that place.
    pub fn kinds(&self) -> &[u8] {
        &self.kinds
    }

    /// The names of the kinds that occur.
    pub fn kind_names(&self) -> impl Iterator<Item = &'static str> {
        self.learned.iter().map(|(_, name)| *name)
    }

    fn before(&self, index: usize) -> [u32; Class::COUNT] {
        let index = index.min(self.tags.len());
        let Some(counts) = self.totals.get(index / BLOCK) else { return self.running };
        let mut counts = *counts;
        for tag in &self.tags[index / BLOCK * BLOCK..index] {
            counts[usize::from(tag & 15)] += 1;
        }
        counts
    }

    /// How many events of each class lie in a range: exact.
    pub fn counts(&self, range: Range<usize>) -> [u32; Class::COUNT] {
        let (mut counts, before) = (self.before(range.end.max(range.start)), self.before(range.start));
        counts.iter_mut().zip(before).for_each(|(count, before)| *count -= before);
        counts
    }

    /// The counts of adjacent ranges; `bounds` ascend, and range n is `bounds[n]..bounds[n + 1]`.
    pub fn counts_between(&self, bounds: &[usize]) -> Vec<[u32; Class::COUNT]> {
        let before: Vec<[u32; Class::COUNT]> = bounds.iter().map(|bound| self.before(*bound)).collect();
        before
            .windows(2)
            .map(|pair| std::array::from_fn(|class| pair[1][class].saturating_sub(pair[0][class])))
            .collect()
    }

    fn worst_of_tags(&self, range: Range<usize>) -> u8 {
        self.tags[range].iter().map(|tag| tag >> 4).max().unwrap_or(0)
    }

    /// The worst severity in a range.
    pub fn worst(&self, range: Range<usize>) -> Severity {
        let (from, to) = (range.start, range.end.min(self.tags.len()));
        if from >= to {
            return Severity::Trace;
        }
        let (mut low, mut high) = (from.div_ceil(BLOCK), to / BLOCK);
        if low >= high {
            return Severity::ALL[usize::from(self.worst_of_tags(from..to))];
        }
        let edges = self.worst_of_tags(from..low * BLOCK).max(self.worst_of_tags(high * BLOCK..to));
        let mut worst = edges;
        for level in &self.worst {
            if low >= high {
                break;
            }
            if low % 2 == 1 {
                worst = worst.max(level[low]);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                worst = worst.max(level[high]);
            }
            low /= 2;
            high /= 2;
        }
        Severity::ALL[usize::from(worst)]
    }

    /// The first event in a range that is at least this severe.
    pub fn first_of(&self, range: Range<usize>, least: Severity) -> Option<usize> {
        let mut place = range.start;
        let end = range.end.min(self.tags.len());
        while place < end {
            let block_end = (place / BLOCK + 1) * BLOCK;
            if self.worst[0][place / BLOCK] >= least as u8 {
                let tags = &self.tags[place..block_end.min(end)];
                if let Some(found) = tags.iter().position(|tag| tag >> 4 >= least as u8) {
                    return Some(place + found);
                }
            }
            place = block_end;
        }
        None
    }

    /// The last event in a range that is at least this severe.
    pub fn last_of(&self, range: Range<usize>, least: Severity) -> Option<usize> {
        let mut end = range.end.min(self.tags.len());
        while end > range.start {
            let block = (end - 1) / BLOCK;
            let start = (block * BLOCK).max(range.start);
            if self.worst[0][block] >= least as u8 {
                let tags = &self.tags[start..end];
                if let Some(found) = tags.iter().rposition(|tag| tag >> 4 >= least as u8) {
                    return Some(start + found);
                }
            }
            end = start;
        }
        None
    }

    /// The first of `events` later than a time (ns).
    pub fn first_after(&self, events: &[Event], time: u64) -> usize {
        // The blocks' times fit into a cache where the events do not.
        let block = self.times.partition_point(|first| *first <= time);
        let Some(start) = block.checked_sub(1).map(|block| block * BLOCK) else { return 0 };
        let end = (start + BLOCK).min(events.len());
        start + events[start..end].partition_point(|event| event.at <= time)
    }
}
