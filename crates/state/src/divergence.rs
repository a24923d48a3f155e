//! Where two traces part: the first event that differs, and the first difference that shows in the story.
//!
//! Events are aligned twice. *Exactly*: one after the other by their ids, equal in time, node, cause and every field; two
//! runs of one plan by one build must agree so to the end, and a ring of one is compared with the same part of the other.
//! *By identity*: node and fields, at whatever time, which tells whether an event that is missing here comes later there.
//! The *story* (faults, processes, controllers, leaders, ISRs, violations) is compared subject by subject in order, without
//! times, ids and frames: what happens to `orders/0` does not differ because `orders/1` was elected first.

use std::collections::BTreeMap;

use trace::{Event, EventKind};

use crate::describe;

/// One trace at the place where it parts from another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Side<'a> {
    /// The first event that the other trace does not have at this place; `None`: this trace ended.
    pub event: Option<&'a Event>,
    /// That same event, by node and fields, in the rest of the other trace.
    pub elsewhere: Option<&'a Event>,
}

/// The first place where two traces differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Divergence<'a> {
    /// How many events are equal before it.
    pub common: usize,
    /// The last of them.
    pub last_common: Option<&'a Event>,
    /// How the first trace goes on.
    pub left: Side<'a>,
    /// How the second goes on.
    pub right: Side<'a>,
}

/// The first exact difference of two traces; `None` if they are equal where both have events.
pub fn divergence<'a>(left: &'a [Event], right: &'a [Event]) -> Option<Divergence<'a>> {
    let (left, right) = overlap(left, right);
    let common = left.iter().zip(right).take_while(|(left, right)| left == right).count();
    if common == left.len() && common == right.len() {
        return None;
    }
    let side = |own: &'a [Event], other: &'a [Event]| {
        let event = own.get(common);
        let rest = || other[common..].iter();
        let elsewhere = event.and_then(|event| rest().find(|it| it.node == event.node && it.kind == event.kind));
        Side { event, elsewhere }
    };
    let last_common = common.checked_sub(1).map(|last| &left[last]);
    Some(Divergence { common, last_common, left: side(left, right), right: side(right, left) })
}

/// A ring begins late: both traces from where both have events.
fn overlap<'a>(left: &'a [Event], right: &'a [Event]) -> (&'a [Event], &'a [Event]) {
    let (Some(first), Some(other)) = (left.first(), right.first()) else { return (left, right) };
    let from = first.id.max(other.id);
    let cut = |events: &'a [Event]| &events[events.partition_point(|event| event.id < from)..];
    (cut(left), cut(right))
}

/// The first difference in the story of two traces.
#[derive(Clone, Debug, PartialEq)]
pub struct StoryDivergence<'a> {
    /// What differs: a partition, a node, `faults`, `violations`.
    pub subject: String,
    /// What the first trace says next of it; `None`: nothing more.
    pub left: Option<&'a Event>,
    /// What the second says.
    pub right: Option<&'a Event>,
}

/// The first difference in the story of two traces; `None` if they tell the same.
pub fn story_divergence<'a>(left: &'a [Event], right: &'a [Event]) -> Option<StoryDivergence<'a>> {
    let (left, right) = overlap(left, right);
    let (mut left, mut right) = (story(left), story(right));
    let mut subjects: Vec<String> = left.keys().chain(right.keys()).cloned().collect();
    subjects.sort();
    subjects.dedup();
    let first = |subject: String| {
        let (left, right) = (left.remove(&subject).unwrap_or_default(), right.remove(&subject).unwrap_or_default());
        let same = left.iter().zip(&right).take_while(|(left, right)| left.0 == right.0).count();
        let next = |own: &[(String, &'a Event)]| own.get(same).map(|(_, event)| *event);
        let (left, right) = (next(&left), next(&right));
        (left.is_some() || right.is_some()).then_some(StoryDivergence { subject, left, right })
    };
    let when = |it: &StoryDivergence<'_>| it.left.into_iter().chain(it.right).map(|event| event.at).min();
    subjects.into_iter().filter_map(first).min_by_key(when)
}

/// What is told of each subject, in order.
fn story(events: &[Event]) -> BTreeMap<String, Vec<(String, &Event)>> {
    let mut story: BTreeMap<String, Vec<(String, &Event)>> = BTreeMap::new();
    for event in events {
        let told = |subject: String| Some((subject, describe(&event.kind)));
        let told = match &event.kind {
            EventKind::FaultBegan { .. } | EventKind::FaultEnded { .. } | EventKind::FaultWithoutEffect { .. } => {
                told("faults".into())
            }
            // Its words hold offsets and counts, which differ where nothing else does.
            EventKind::Violation { oracle, .. } => Some(("violations".into(), oracle.to_string())),
            EventKind::NodeStarted { .. }
            | EventKind::NodeStopped { .. }
            | EventKind::NodePaused
            | EventKind::NodeResumed
            | EventKind::NodePanicked { .. } => told(event.node.to_string()),
            EventKind::ControllerElected { .. } => Some(("controller".into(), event.node.to_string())),
            EventKind::LeadershipDecided { partition, .. } | EventKind::IsrChanged { partition, .. } => {
                told(partition.to_string())
            }
            _ => None,
        };
        if let Some((subject, words)) = told {
            story.entry(subject).or_default().push((words, event));
        }
    }
    story
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::{EventId, Name};

    fn trace(events: &[(u64, &str, EventKind)]) -> Vec<Event> {
        let numbered = events.iter().enumerate();
        numbered
            .map(|(i, (at, node, kind))| Event {
                id: EventId(i as u64 + 1),
                at: *at,
                node: Name::new(node),
                cause: EventId::ROOT,
                kind: kind.clone(),
            })
            .collect()
    }

    fn began(fault: &str) -> EventKind {
        EventKind::FaultBegan { fault: Name::new(fault), kind: Name::new("crash"), target: Name::new("broker-1") }
    }

    #[test]
    fn equal_traces_do_not_diverge() {
        let events = trace(&[(1, "zk-1", EventKind::NodePaused), (2, "zk-1", EventKind::NodeResumed)]);
        assert!(divergence(&events, &events).is_none() && story_divergence(&events, &events).is_none());
    }

    #[test]
    fn the_first_different_event_is_named_and_found_again_where_it_comes_later() {
        let left =
            trace(&[(1, "zk-1", EventKind::NodePaused), (2, "world", began("a")), (3, "world", EventKind::RunEnded)]);
        let right =
            trace(&[(1, "zk-1", EventKind::NodePaused), (3, "zk-2", EventKind::NodePaused), (4, "world", began("a"))]);
        let found = divergence(&left, &right).expect("they differ");
        assert_eq!((found.common, found.last_common), (1, Some(&left[0])));
        assert_eq!(found.left, Side { event: Some(&left[1]), elsewhere: Some(&right[2]) });
        assert_eq!(found.right, Side { event: Some(&right[1]), elsewhere: None });
    }

    #[test]
    fn a_trace_that_ends_early_diverges_at_its_end() {
        let long = trace(&[(1, "zk-1", EventKind::NodePaused), (2, "zk-1", EventKind::NodeResumed)]);
        let found = divergence(&long[..1], &long).expect("they differ");
        assert_eq!((found.left.event, found.right.event), (None, Some(&long[1])));
    }

    #[test]
    fn a_ring_is_compared_with_the_same_part_of_a_full_trace() {
        let full = trace(&[(1, "zk-1", EventKind::NodePaused), (2, "zk-1", EventKind::NodeResumed)]);
        assert!(divergence(&full[1..], &full).is_none() && divergence(&full, &full[1..]).is_none());
        let mut other = full.clone();
        other[1].at = 3;
        assert_eq!(divergence(&full[1..], &other).expect("a time differs").common, 0);
    }

    #[test]
    fn the_story_ignores_times_and_the_order_of_unrelated_subjects() {
        let left =
            trace(&[(1, "zk-1", EventKind::NodePaused), (2, "zk-2", EventKind::NodePaused), (3, "world", began("a"))]);
        let right =
            trace(&[(5, "zk-2", EventKind::NodePaused), (6, "zk-1", EventKind::NodePaused), (7, "world", began("b"))]);
        assert_eq!(divergence(&left, &right).expect("times differ").common, 0);
        let found = story_divergence(&left, &right).expect("the faults differ");
        assert_eq!((found.subject.as_str(), found.left, found.right), ("faults", Some(&left[2]), Some(&right[2])));
        assert!(story_divergence(&left[..2], &right[..2]).is_none());
    }
}
