//! The one focus that every panel follows: an event, and the node, partition and offset that it is about.

use trace::{EventKind, Name, Partition};

use crate::layout::{diverged, first_lost};
use crate::model::Model;

/// Where one looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Focus {
    /// The event (its place in the trace): all panels show the cluster right after it.
    pub event: usize,
    /// The node.
    pub node: Option<Name>,
    /// The partition whose replica logs are shown.
    pub partition: Option<Partition>,
    /// The offset that is marked in them.
    pub offset: Option<i64>,
}

impl Focus {
    /// The focus on `event`: node, partition and offset follow where the event names them, and stay otherwise.
    pub fn on_event(self, model: &Model, event: usize) -> Focus {
        let Some(found) = model.events().get(event) else { return self };
        let (partition, offset) = subject(&found.kind);
        let node = (found.node.as_str() != "world").then_some(found.node).or(self.node);
        let offset = if partition.is_some() { offset } else { self.offset };
        let focus = Focus { event, node, partition: partition.or(self.partition), offset };
        let violations = &model.outline().violations;
        let violation = violations.iter().find(|item| item.index == event || item.commits == Some(event));
        violation.map_or(focus, |item| focus.on_evidence(model, &item.summary))
    }

    /// The focus on what a violation's sentence is about: where the logs begin to differ, or the record that was lost.
    fn on_evidence(self, model: &Model, summary: &str) -> Focus {
        let Some(partition) = partition_in(summary).or(self.partition) else { return self };
        let named = offset_in(summary);
        let state = model.state_at(self.event);
        let stretches = diverged(model, &state, partition);
        // A sentence may name the last offset of a stretch, or the first one behind it.
        let stretch = match named {
            Some(named) => stretches.iter().find(|(from, to)| (*from..=*to).contains(&named)),
            None => stretches.first(),
        };
        let lost = || first_lost(model, &state, self.event, partition);
        let offset = stretch.map(|(from, _)| *from).or(named).or_else(lost).or(self.offset);
        Focus { partition: Some(partition), offset, ..self }
    }
}

/// How many focuses one can go back.
const HISTORY: usize = 200;

/// The focuses that were, for going back and forward.
#[derive(Default, Debug)]
pub struct History {
    past: Vec<Focus>,
    future: Vec<Focus>,
}

impl History {
    /// Remembers `left`, which was just left by a jump.
    pub fn leave(&mut self, left: Focus) {
        if self.past.last() != Some(&left) {
            self.past.push(left);
        }
        if self.past.len() > HISTORY {
            self.past.remove(0);
        }
        self.future.clear();
    }

    /// The focus before `current`.
    pub fn back(&mut self, current: Focus) -> Option<Focus> {
        let focus = self.past.pop()?;
        self.future.push(current);
        Some(focus)
    }

    /// The focus that [`History::back`] left.
    pub fn forward(&mut self, current: Focus) -> Option<Focus> {
        let focus = self.future.pop()?;
        self.past.push(current);
        Some(focus)
    }
}

/// The partition and offset that an event is about.
fn subject(kind: &EventKind) -> (Option<Partition>, Option<i64>) {
    use EventKind as K;
    let offset = match kind {
        K::LogLoaded { log_end, .. } | K::BecameLeader { log_end, .. } | K::BecameFollower { log_end, .. } => {
            Some(*log_end)
        }
        K::Appended { base_offset, .. }
        | K::Deduplicated { base_offset, .. }
        | K::ProduceAcked { base_offset, .. }
        | K::Served { base_offset, .. } => Some(*base_offset),
        K::Truncated { to, .. }
        | K::LogStartMoved { to, .. }
        | K::LogCleaned { upto: to, .. }
        | K::HighWatermarkMoved { to, .. }
        | K::PositionReset { to, .. } => Some(*to),
        K::OffsetListed { offset, .. }
        | K::RecordAcked { offset, .. }
        | K::RecordPolled { offset, .. }
        | K::RecordProcessed { offset, .. }
        | K::OffsetCommitted { offset, .. }
        | K::OffsetForgotten { offset, .. }
        | K::OffsetServed { offset, .. }
        | K::CommitAcked { offset, .. }
        | K::CommitFailed { offset, .. } => Some(*offset).filter(|offset| *offset >= 0),
        _ => None,
    };
    (kind.partition(), offset)
}

/// The partition that a violation's sentence begins with: `orders/0: ...`.
fn partition_in(summary: &str) -> Option<Partition> {
    let (topic, index) = summary.split_once(": ")?.0.rsplit_once('/')?;
    Some(Partition::new(topic, index.parse().ok()?))
}

/// The first offset that a violation's sentence names: `... at offset 141 of ...`.
fn offset_in(summary: &str) -> Option<i64> {
    let after = summary.split_once("offset ")?.1;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_names_its_partition_and_offset() {
        let summary = "orders/0: broker-3 leads epoch 2 without 1 committed record, the first at offset 141 of epoch 0";
        assert_eq!(partition_in(summary), Some(Partition::new("orders", 0)));
        assert_eq!(offset_in(summary), Some(141));
        assert_eq!(partition_in("nothing here"), None);
    }

    #[test]
    fn going_back_and_forward_returns_to_where_one_was() {
        let (one, two) = (Focus { event: 1, ..Focus::default() }, Focus { event: 2, ..Focus::default() });
        let mut history = History::default();
        history.leave(one);
        assert_eq!(history.back(two), Some(one));
        assert_eq!(history.back(one), None);
        assert_eq!(history.forward(one), Some(two));
    }
}
