//! Where requests wait that cannot be answered yet: produce requests for the high watermark, fetches for data.
//!
//! A waiting request watches its partitions. Who changes one of them says so; the request then looks again by itself.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::Notify;
use trace::{EventId, Partition};
use wire::kafka::ErrorCode;

#[derive(Default)]
struct Signal {
    notify: Notify,
    cause: Cell<EventId>,
}

#[derive(Default)]
struct Watchers {
    next: u64,
    by_partition: BTreeMap<Partition, BTreeMap<u64, Rc<Signal>>>,
}

/// Requests waiting for partitions to change.
#[derive(Clone, Default)]
pub struct Purgatory {
    watchers: Rc<RefCell<Watchers>>,
}

impl Purgatory {
    /// Watches `partitions` from now on until the watch is dropped.
    pub fn watch(&self, partitions: Vec<Partition>) -> Watch {
        let signal = Rc::new(Signal::default());
        let mut watchers = self.watchers.borrow_mut();
        let number = watchers.next;
        watchers.next += 1;
        for partition in &partitions {
            watchers.by_partition.entry(*partition).or_default().insert(number, signal.clone());
        }
        drop(watchers);
        Watch { purgatory: self.clone(), partitions, number, signal }
    }

    /// Wakes all that watch `partition`.
    pub fn changed(&self, partition: Partition, cause: EventId) {
        if let Some(watchers) = self.watchers.borrow().by_partition.get(&partition) {
            for signal in watchers.values() {
                signal.cause.set(cause);
                signal.notify.notify_one();
            }
        }
    }

    /// How many requests wait for `partition`.
    pub fn waiting(&self, partition: Partition) -> usize {
        self.watchers.borrow().by_partition.get(&partition).map_or(0, BTreeMap::len)
    }
}

/// A request's watch.
pub struct Watch {
    purgatory: Purgatory,
    partitions: Vec<Partition>,
    number: u64,
    signal: Rc<Signal>,
}

impl Watch {
    /// Waits for the next change since the last call; returns the event behind the latest one.
    pub async fn changed(&self) -> EventId {
        self.signal.notify.notified().await;
        self.signal.cause.get()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watchers = self.purgatory.watchers.borrow_mut();
        for partition in &self.partitions {
            if let Some(signals) = watchers.by_partition.get_mut(partition) {
                signals.remove(&self.number);
                if signals.is_empty() {
                    watchers.by_partition.remove(partition);
                }
            }
        }
    }
}

/// An acks=all produce request that is appended and waits for its followers.
#[derive(Clone, Debug)]
pub struct DelayedProduce<K> {
    waiting: Vec<K>,
}

impl<K> DelayedProduce<K> {
    /// The parts of a request that wait.
    pub fn new(waiting: Vec<K>) -> DelayedProduce<K> {
        DelayedProduce { waiting }
    }

    /// Asks `fate` about each part still waiting, and returns those decided now with their error or `None` (no error).
    pub fn decide(&mut self, fate: impl Fn(&K) -> Option<ErrorCode>) -> Vec<(K, ErrorCode)> {
        let mut decided = Vec::new();
        for part in std::mem::take(&mut self.waiting) {
            match fate(&part) {
                Some(error) => decided.push((part, error)),
                None => self.waiting.push(part),
            }
        }
        decided
    }

    /// Whether every part is decided.
    pub fn is_complete(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Its time is up: what still waits has timed out. Its records stay in the log; nobody knows what becomes of them.
    pub fn expire(self) -> Vec<(K, ErrorCode)> {
        self.waiting.into_iter().map(|part| (part, ErrorCode::RequestTimedOut)).collect()
    }
}

/// What one look at a fetch's partitions found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// Bytes of records.
    pub bytes: usize,
    /// Whether a partition has an error, or diverges: the reader must hear of it at once.
    pub urgent: bool,
}

impl Found {
    /// Whether a fetch for at least `min_bytes` is answered with this, or may wait for more.
    pub fn suffices(self, min_bytes: i32) -> bool {
        self.urgent || self.bytes >= usize::try_from(min_bytes).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_produce_request_completes_when_every_partition_is_decided() {
        let mut produce = DelayedProduce::new(vec![("orders", 5), ("mail", 9)]);
        let at = |high_watermark: i64| move |part: &(&str, i64)| (high_watermark >= part.1).then_some(ErrorCode::None);
        assert_eq!(produce.decide(at(4)), []);
        assert_eq!(produce.decide(at(7)), [(("orders", 5), ErrorCode::None)]);
        assert_eq!(produce.decide(at(7)), [], "decided once");
        assert!(!produce.is_complete());
        let lost = produce.clone().decide(|_| Some(ErrorCode::NotLeaderOrFollower));
        assert_eq!(lost, [(("mail", 9), ErrorCode::NotLeaderOrFollower)]);
        assert_eq!(produce.expire(), [(("mail", 9), ErrorCode::RequestTimedOut)]);
    }

    #[test]
    fn a_fetch_waits_for_its_min_bytes_unless_something_is_urgent() {
        let found = |bytes, urgent| Found { bytes, urgent };
        for (found, min_bytes, suffices) in [
            (found(0, false), 1, false),
            (found(0, false), 0, true),
            (found(99, false), 100, false),
            (found(100, false), 100, true),
            (found(0, true), 100, true),
            (found(0, false), -5, true),
        ] {
            assert_eq!(found.suffices(min_bytes), suffices, "{found:?} of {min_bytes}");
        }
    }

    #[test]
    fn a_watch_is_woken_by_its_own_partitions_and_forgotten_when_dropped() {
        use std::future::Future;
        let purgatory = Purgatory::default();
        let (mine, other) = (Partition::new("orders", 0), Partition::new("orders", 1));
        let watch = purgatory.watch(vec![mine]);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut poll = || std::pin::pin!(watch.changed()).poll(&mut context);
        purgatory.changed(other, EventId(1));
        assert!(poll().is_pending());
        purgatory.changed(mine, EventId(2));
        purgatory.changed(mine, EventId(3));
        assert_eq!(poll(), std::task::Poll::Ready(EventId(3)), "the cause is the last change");
        assert!(poll().is_pending());
        drop(watch);
        assert_eq!(purgatory.waiting(mine), 0);
    }
}
