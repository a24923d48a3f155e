//! A log with vector clocks for ShiViz (<https://bestchai.bitbucket.io/shiviz/>).
//!
//! ShiViz takes its parser from the file's first line and the delimiter of executions from the second, which is empty here.
//! A host's clock counts the events of this file, so a window of a trace is a log of its own.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use state::describe;
use trace::{Event, EventId, Name};

/// The regular expression that reads the log: also its first line.
pub const REGEX: &str = r"(?<host>\S*) (?<clock>{.*})\n(?<event>.*)";

/// The whole log.
pub fn log(events: &[Event]) -> String {
    let mut text = format!("{REGEX}\n\n");
    let mut clocks: BTreeMap<Name, BTreeMap<Name, u64>> = BTreeMap::new();
    // What other nodes may learn from: the clock at each event so far.
    let mut at_event: BTreeMap<EventId, (Name, BTreeMap<Name, u64>)> = BTreeMap::new();
    for event in events {
        let learned =
            at_event.get(&event.cause).filter(|(node, _)| *node != event.node).map(|(_, clock)| clock.clone());
        let clock = clocks.entry(event.node).or_default();
        *clock.entry(event.node).or_default() += 1;
        for (node, count) in learned.into_iter().flatten().filter(|(node, _)| *node != event.node) {
            let known = clock.entry(node).or_default();
            *known = (*known).max(count);
        }
        let numbers: Map<String, Value> =
            clock.iter().map(|(node, count)| (node.to_string(), (*count).into())).collect();
        let told = describe(&event.kind).replace(['\n', '\r'], " ");
        text += &format!("{} {}\n{:.6}s {told}\n", event.node, Value::Object(numbers), event.at as f64 / 1e9);
        at_event.insert(event.id, (event.node, clock.clone()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::examples::events;

    /// Host, clock and text of each event, read as the regular expression reads them.
    fn parse(text: &str) -> Vec<(String, BTreeMap<String, u64>, String)> {
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[1]), (REGEX, ""));
        let pairs = lines[2..].chunks(2).map(|pair| {
            let (host, clock) = pair[0].split_once(' ').expect("a host and a clock");
            (host.to_owned(), serde_json::from_str(clock).expect("a clock is JSON"), pair[1].to_owned())
        });
        pairs.collect()
    }

    #[test]
    fn every_host_counts_its_events_and_learns_what_caused_them() {
        let parsed = parse(&log(&events()));
        assert_eq!(parsed.len(), events().len());
        let mut own: BTreeMap<String, u64> = BTreeMap::new();
        for (host, clock, _) in &parsed {
            let count = own.entry(host.clone()).or_default();
            *count += 1;
            assert_eq!(clock[host], *count, "a host's own clock goes up by one");
        }
        assert_eq!(
            parsed[2].1,
            BTreeMap::from([("broker-2".into(), 2), ("shop-0".into(), 1)]),
            "a frame carries the clock"
        );
        assert_eq!(parsed[4].1["broker-2"], 2, "and its answer carries it back");
        assert!(parsed[3].2.contains("a <-> \"b\", c"));
    }

    #[test]
    fn the_regular_expression_needs_one_line_an_event() {
        let mut events = events();
        events[0].kind = trace::EventKind::NodePanicked { message: Name::new("first\nsecond") };
        assert_eq!(parse(&log(&events)).len(), events.len());
    }
}
