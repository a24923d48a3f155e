//! Whom a fault hits, now and in words.

use scenario::{Direction, Fault, FaultKind};
use trace::Name;

use super::Injector;

impl Injector {
    /// The nodes of one side, and of the other where the kind has two; or the topic that is hit.
    pub(super) fn targets(&self, fault: &Fault) -> (Vec<String>, Option<Vec<String>>) {
        if let FaultKind::DeleteTopic { topic, .. } = &fault.kind {
            return (vec![topic.clone()], None);
        }
        let (first, second) = fault.kind.selectors();
        let first = self.resolve(fault, first, &[]);
        if let FaultKind::Isolate { .. } = &fault.kind {
            let except = second.map(|except| self.resolve(fault, except, &first)).unwrap_or_default();
            let others = self.all_but(|name| first.contains(name) || except.contains(name));
            return (first, Some(others));
        }
        let second = second.map(|second| self.resolve(fault, second, &first));
        match &fault.kind {
            FaultKind::AddMember { .. } => (self.next_member(first).into_iter().collect(), None),
            FaultKind::RemoveMember { .. } => (self.last_member(first, fault.optional).into_iter().collect(), None),
            _ => (first, second),
        }
    }

    /// Why a fault has nobody to hit.
    pub(super) fn nobody(kind: &FaultKind) -> &'static str {
        match kind {
            FaultKind::AddMember { .. } => "all its nodes run already",
            FaultKind::RemoveMember { .. } => "none of its nodes runs, or it is the last and stays",
            _ => "its selectors matched no node",
        }
    }

    /// All nodes of the world but those.
    pub(super) fn all_but(&self, without: impl Fn(&String) -> bool) -> Vec<String> {
        let all = self.0.world.nodes().into_iter().map(|name| name.to_string());
        all.filter(|name| !without(name)).collect()
    }
}

/// The directed links between two sets of nodes.
pub(super) fn links(from: &[Name], to: &[Name], direction: Direction) -> Vec<(Name, Name)> {
    let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b);
    let directed = |(a, b): (Name, Name)| match direction {
        Direction::Outbound => vec![(a, b)],
        Direction::Inbound => vec![(b, a)],
        Direction::Both => vec![(a, b), (b, a)],
    };
    pairs.flat_map(directed).collect()
}

/// `broker-1`, or `broker-1 -> broker-2, broker-3`.
pub(super) fn describe(kind: &FaultKind, first: &[String], second: Option<&[String]>) -> String {
    let first = first.join(", ");
    match (kind, second) {
        (
            FaultKind::Partition { direction, .. }
            | FaultKind::Flap { direction, .. }
            | FaultKind::LossyLink { direction, .. }
            | FaultKind::SlowLink { direction, .. },
            Some(second),
        ) => {
            let arrow = match direction {
                Direction::Outbound => "->",
                Direction::Inbound => "<-",
                Direction::Both => "<->",
            };
            format!("{first} {arrow} {}", second.join(", "))
        }
        (FaultKind::ResetConnections { .. } | FaultKind::Hold { .. }, Some(second)) => {
            format!("{first} -> {}", second.join(", "))
        }
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(nodes: &[&str]) -> Vec<Name> {
        nodes.iter().map(|name| Name::new(name)).collect()
    }

    #[test]
    fn directions_say_which_frames_vanish() {
        let (a, b) = (names(&["a"]), names(&["a", "b"]));
        let pair = |from: &str, to: &str| (Name::new(from), Name::new(to));
        assert_eq!(links(&a, &b, Direction::Outbound), [pair("a", "b")]);
        assert_eq!(links(&a, &b, Direction::Inbound), [pair("b", "a")]);
        assert_eq!(links(&a, &b, Direction::Both), [pair("a", "b"), pair("b", "a")]);
    }
}
