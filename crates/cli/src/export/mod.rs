//! Traces in the formats of other tools. Each format is a pure function from events to text.

pub mod csv;
pub mod perfetto;
pub mod shiviz;
pub mod svg;

use std::collections::BTreeMap;

use trace::{Event, Name};

/// The nodes of these events, the world first, then by name with numbers in their order.
pub fn nodes(events: &[Event]) -> Vec<Name> {
    let mut nodes: Vec<Name> =
        events.iter().map(|event| event.node).collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    nodes.sort_by_key(|node| (node.as_str() != "world", rank(node.as_str())));
    nodes
}

/// Ensemble, brokers, then clients; `broker-10` after `broker-9`.
fn rank(name: &str) -> (u8, String, u64) {
    let (stem, number) = name.rsplit_once('-').unwrap_or((name, ""));
    let kind = match stem {
        "zk" => 0,
        "broker" => 1,
        _ => 2,
    };
    (kind, stem.to_owned(), number.parse().unwrap_or(0))
}

/// The place of each node in a list.
pub fn places(nodes: &[Name]) -> BTreeMap<Name, usize> {
    nodes.iter().enumerate().map(|(place, node)| (*node, place)).collect()
}

/// Text that XML and HTML take, also inside of quoted attributes.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // No control character but these is allowed in XML.
            '\t' | '\n' => escaped.push(character),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Events that the tests of all formats share.
#[cfg(test)]
pub mod examples {
    use trace::{Event, EventId, EventKind, FrameInfo, Name, Protocol};

    /// A fault, a frame that arrives, one that does not, and a text that wants escaping.
    pub fn events() -> Vec<Event> {
        let name = Name::new;
        let frame = |peer: &str| FrameInfo {
            connection: 1,
            peer: name(peer),
            api: name("Produce"),
            correlation: 7,
            bytes: 120,
            protocol: Protocol::Kafka,
            response: false,
        };
        let event = |id: u64, at: u64, node: &str, cause: u64, kind| Event {
            id: EventId(id),
            at: at * 1_000_000,
            node: name(node),
            cause: EventId(cause),
            kind,
        };
        let cut = EventKind::FaultBegan { fault: name("cut"), kind: name("partition"), target: name("a <-> \"b\", c") };
        vec![
            event(1, 0, "broker-2", 0, EventKind::NodeStarted { incarnation: 0 }),
            event(2, 1, "shop-0", 0, EventKind::FrameSent(frame("broker-2"))),
            event(3, 3, "broker-2", 2, EventKind::FrameDelivered(frame("shop-0"))),
            event(4, 4, "world", 0, cut),
            event(5, 5, "shop-0", 3, EventKind::FrameSent(frame("broker-2"))),
            event(6, 6, "broker-2", 4, EventKind::FrameDropped(frame("shop-0"))),
            event(7, 9, "world", 4, EventKind::FaultEnded { fault: name("cut") }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_stand_in_the_order_people_expect() {
        let events: Vec<Event> = ["shop-0", "broker-10", "broker-2", "zk-1", "world"]
            .map(|node| Event { node: Name::new(node), ..examples::events()[0].clone() })
            .into();
        let names: Vec<String> = nodes(&events).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["world", "zk-1", "broker-2", "broker-10", "shop-0"]);
    }

    #[test]
    fn nothing_escapes_the_escaping() {
        assert_eq!(escaped("<a href='x'>&\"\u{1}"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\u{fffd}");
    }
}
