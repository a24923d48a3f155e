//! Deep links: `--at violation:1`, `--at 12.5s`, `--at event:48211`, `--focus orders/0`.

use std::fmt;
use std::str::FromStr;

use trace::{EventId, Name, Partition};

/// An instant of a run, as people write it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// The event that committed the n-th violation, from 1.
    Violation(usize),
    /// A simulated time, ns.
    Time(u64),
    /// An event by its id.
    Event(EventId),
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<At, String> {
        let wanted = || format!("`{text}` is no instant: write violation:1, event:48211 or a time such as 12.5s");
        match text.trim().split_once(':') {
            Some(("violation", number)) => {
                number.parse().ok().filter(|number| *number > 0).map(At::Violation).ok_or_else(wanted)
            }
            Some(("event", id)) => id.parse().map(|id| At::Event(EventId(id))).map_err(|_| wanted()),
            Some(_) => Err(wanted()),
            None => scenario::Duration::parse(text.trim()).map(|time| At::Time(time.nanos())).map_err(|_| wanted()),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Violation(number) => write!(f, "violation:{number}"),
            At::Time(time) => {
                let text = format!("{}.{:09}", time / 1_000_000_000, time % 1_000_000_000);
                write!(f, "{}s", text.trim_end_matches('0').trim_end_matches('.'))
            }
            At::Event(id) => write!(f, "event:{id}"),
        }
    }
}

/// What to look at, as people write it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FocusLink {
    /// `orders/0`
    Partition(Partition),
    /// `broker-1`
    Node(Name),
}

impl FromStr for FocusLink {
    type Err = String;

    fn from_str(text: &str) -> Result<FocusLink, String> {
        let text = text.trim();
        match text.rsplit_once('/') {
            Some((topic, index)) if !topic.is_empty() => match index.parse() {
                Ok(index) if index >= 0 => Ok(FocusLink::Partition(Partition::new(topic, index))),
                _ => Err(format!("`{text}` is no partition: write TOPIC/INDEX, such as orders/0")),
            },
            _ if text.is_empty() => Err("write a partition (orders/0) or a node (broker-1)".into()),
            _ => Ok(FocusLink::Node(Name::new(text))),
        }
    }
}

impl fmt::Display for FocusLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FocusLink::Partition(partition) => write!(f, "{partition}"),
            FocusLink::Node(node) => write!(f, "{node}"),
        }
    }
}
