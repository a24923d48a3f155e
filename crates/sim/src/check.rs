//! The determinism check: two event streams of the same plan, compared in lockstep.

use trace::Event;

/// The first place where two runs of one plan differ.
#[derive(Clone, Debug)]
pub struct Divergence {
    /// The first event of the left run that the right one does not have; `None`: it ended.
    pub left: Option<Event>,
    /// The same of the right run.
    pub right: Option<Event>,
}

/// Compares in lockstep.
pub fn first_divergence(
    left: impl IntoIterator<Item = Event>,
    right: impl IntoIterator<Item = Event>,
) -> Option<Divergence> {
    let mut left = left.into_iter();
    let mut right = right.into_iter();
    loop {
        match (left.next(), right.next()) {
            (None, None) => return None,
            (a, b) if a == b => {}
            (left, right) => return Some(Divergence { left, right }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::{EventId, EventKind, Name};

    fn events(kinds: &[EventKind]) -> Vec<Event> {
        let numbered = kinds.iter().cloned().enumerate();
        numbered
            .map(|(i, kind)| Event {
                id: EventId(i as u64 + 1),
                at: 0,
                node: Name::new("x"),
                cause: EventId::ROOT,
                kind,
            })
            .collect()
    }

    #[test]
    fn equal_streams_do_not_diverge() {
        let stream = events(&[EventKind::NodePaused, EventKind::RunEnded]);
        assert!(first_divergence(stream.clone(), stream).is_none());
    }

    #[test]
    fn the_first_difference_is_named_also_where_one_stream_is_shorter() {
        let long = events(&[EventKind::NodePaused, EventKind::RunEnded]);
        let other = events(&[EventKind::NodePaused, EventKind::NodeResumed]);
        let found = first_divergence(long.clone(), other).unwrap();
        assert_eq!(found.left.unwrap().kind, EventKind::RunEnded);
        let found = first_divergence(long[..1].to_vec(), long).unwrap();
        assert!(found.left.is_none() && found.right.is_some());
    }
}
