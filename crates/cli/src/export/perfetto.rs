//! Chrome's trace format (JSON), which Perfetto (<https://ui.perfetto.dev>) opens: a process for each node, tracks for its
//! process, its frames and its partitions, and an arrow for each frame.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use state::describe;
use trace::{Event, EventId, EventKind, Name, Partition};

use super::{nodes, places};

/// Frames are moments; a slice this long can be seen and carry an arrow, in microseconds.
const MOMENT: f64 = 1.0;

/// Tracks of a node, by their number within its process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Track {
    Process,
    Network,
    Ensemble,
    Client,
    Faults,
    Partition(Partition),
}

/// The whole trace as one JSON object.
pub fn trace(events: &[Event]) -> Value {
    let nodes = nodes(events);
    let places = places(&nodes);
    let mut writer = Writer { places, tracks: BTreeMap::new(), written: Vec::new(), open: BTreeMap::new() };
    events.iter().for_each(|event| writer.event(event));
    let end = events.last().map_or(0, |event| event.at);
    writer.finish(&nodes, end)
}

/// A slice that has begun: its name, its beginning and its event.
struct Open {
    name: String,
    at: u64,
    event: EventId,
}

struct Writer {
    places: BTreeMap<Name, usize>,
    tracks: BTreeMap<(usize, Track), usize>,
    written: Vec<Value>,
    open: BTreeMap<(usize, Track, Name), Open>,
}

fn micros(ns: u64) -> f64 {
    ns as f64 / 1e3
}

impl Writer {
    fn track(&mut self, node: usize, track: Track) -> usize {
        let next = self.tracks.len() + 1;
        *self.tracks.entry((node, track)).or_insert(next)
    }

    fn event(&mut self, event: &Event) {
        let node = self.places[&event.node];
        let none = Name::new("");
        match &event.kind {
            EventKind::FrameSent(frame) => {
                self.frame(event, node, &format!("{} to {}", frame.api, frame.peer), Some("s"))
            }
            EventKind::FrameDelivered(frame) => {
                self.frame(event, node, &format!("{} from {}", frame.api, frame.peer), Some("f"));
            }
            EventKind::FrameDropped(frame) => {
                self.frame(event, node, &format!("lost: {} from {}", frame.api, frame.peer), None)
            }
            EventKind::FaultBegan { fault, kind, target } => {
                self.begin(node, Track::Faults, *fault, format!("{fault}: {kind} {target}"), event);
            }
            EventKind::FaultEnded { fault } => self.end(node, Track::Faults, *fault, event.at),
            EventKind::NodeStarted { incarnation } => {
                self.begin(node, Track::Process, none, format!("up, start {}", incarnation + 1), event);
            }
            EventKind::NodeStopped { .. } => {
                self.end_all(node, event.at);
                self.moment(event, node, Track::Process);
            }
            EventKind::BecameLeader { partition, leader_epoch, .. } => {
                self.end(node, Track::Partition(*partition), none, event.at);
                self.begin(node, Track::Partition(*partition), none, format!("leads, epoch {leader_epoch}"), event);
            }
            EventKind::BecameFollower { partition, leader, leader_epoch, .. } => {
                self.end(node, Track::Partition(*partition), none, event.at);
                let name = format!("follows {leader}, epoch {leader_epoch}");
                self.begin(node, Track::Partition(*partition), none, name, event);
            }
            kind => self.moment(event, node, track_of(kind)),
        }
    }

    fn begin(&mut self, node: usize, track: Track, key: Name, name: String, event: &Event) {
        self.open.insert((node, track, key), Open { name, at: event.at, event: event.id });
    }

    fn end(&mut self, node: usize, track: Track, key: Name, at: u64) {
        let Some(open) = self.open.remove(&(node, track, key)) else { return };
        let tid = self.track(node, track);
        self.written.push(json!({
            "ph": "X", "pid": node + 1, "tid": tid, "ts": micros(open.at), "dur": micros(at - open.at),
            "name": open.name, "args": { "event": open.event.0 },
        }));
    }

    /// A process ends, and with it all that it did.
    fn end_all(&mut self, node: usize, at: u64) {
        let keys: Vec<_> = self.open.keys().filter(|(of, _, _)| *of == node).copied().collect();
        keys.into_iter().for_each(|(node, track, key)| self.end(node, track, key, at));
    }

    fn args(event: &Event) -> Value {
        json!({ "event": event.id.0, "cause": event.cause.0, "what": describe(&event.kind) })
    }

    fn moment(&mut self, event: &Event, node: usize, track: Track) {
        let tid = self.track(node, track);
        self.written.push(json!({
            "ph": "i", "s": "t", "pid": node + 1, "tid": tid, "ts": micros(event.at),
            "name": event.kind.name(), "args": Self::args(event),
        }));
    }

    /// A short slice, since arrows run between slices; the arrow's number is that of the `FrameSent`.
    fn frame(&mut self, event: &Event, node: usize, name: &str, arrow: Option<&str>) {
        let tid = self.track(node, Track::Network);
        let (pid, ts) = (node + 1, micros(event.at));
        self.written.push(json!({
            "ph": "X", "pid": pid, "tid": tid, "ts": ts, "dur": MOMENT, "name": name, "cat": "frame", "args": Self::args(event),
        }));
        let Some(arrow) = arrow else { return };
        let id = if arrow == "s" { event.id.0 } else { event.cause.0 };
        let mut flow =
            json!({ "ph": arrow, "pid": pid, "tid": tid, "ts": ts, "id": id, "name": "frame", "cat": "frame" });
        if arrow == "f" {
            flow["bp"] = "e".into();
        }
        self.written.push(flow);
    }

    fn finish(mut self, nodes: &[Name], end: u64) -> Value {
        let open: Vec<_> = self.open.keys().copied().collect();
        open.into_iter().for_each(|(node, track, key)| self.end(node, track, key, end));
        let mut all = Vec::with_capacity(self.written.len() + nodes.len() * 4);
        for (place, node) in nodes.iter().enumerate() {
            let pid = place + 1;
            all.push(json!({ "ph": "M", "pid": pid, "name": "process_name", "args": { "name": node.as_str() } }));
            all.push(json!({ "ph": "M", "pid": pid, "name": "process_sort_index", "args": { "sort_index": place } }));
        }
        for ((node, track), tid) in &self.tracks {
            let name = match track {
                Track::Process => "process".to_owned(),
                Track::Network => "frames".to_owned(),
                Track::Ensemble => "ZooKeeper".to_owned(),
                Track::Client => "records".to_owned(),
                Track::Faults => "faults".to_owned(),
                Track::Partition(partition) => partition.to_string(),
            };
            all.push(
                json!({ "ph": "M", "pid": node + 1, "tid": tid, "name": "thread_name", "args": { "name": name } }),
            );
        }
        all.append(&mut self.written);
        json!({ "traceEvents": all, "displayTimeUnit": "ms" })
    }
}

/// Where a moment stands.
fn track_of(kind: &EventKind) -> Track {
    use EventKind as K;
    match kind {
        kind if kind.of_client() => Track::Client,
        K::ConnectionOpened { .. }
        | K::ConnectionClosed { .. }
        | K::ConnectFailed { .. }
        | K::FrameHeld(_)
        | K::RequestTimedOut { .. } => Track::Network,
        K::ZabRoleChanged { .. }
        | K::ZabProposed { .. }
        | K::ZabDelivered { .. }
        | K::ZabSynchronized { .. }
        | K::ZnodeChanged { .. }
        | K::SessionOpened { .. }
        | K::SessionEnded { .. }
        | K::SessionEstablished { .. }
        | K::SessionLost { .. }
        | K::SessionView { .. }
        | K::WatchFired { .. } => Track::Ensemble,
        K::BecameLeader { .. } | K::BecameFollower { .. } => Track::Process,
        kind if kind.of_coordinator() => Track::Process,
        kind => kind.partition().map_or(Track::Process, Track::Partition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::examples::events;

    #[test]
    fn it_reads_back_with_an_arrow_from_each_frame_to_its_delivery() {
        let text = serde_json::to_string(&trace(&events())).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        let all = read["traceEvents"].as_array().unwrap();
        let of = |phase: &str| all.iter().filter(|it| it["ph"] == phase).collect::<Vec<_>>();
        let (starts, ends) = (of("s"), of("f"));
        assert_eq!((starts.len(), ends.len()), (2, 1), "one of the two frames arrives");
        assert_eq!((&ends[0]["id"], &ends[0]["bp"]), (&starts[0]["id"], &json!("e")));
        // An arrow needs a slice around each end.
        for end in starts.iter().chain(&ends) {
            let around = |it: &&&Value| it["pid"] == end["pid"] && it["tid"] == end["tid"] && it["ts"] == end["ts"];
            assert!(of("X").iter().any(|slice| around(&slice)), "{end}");
        }
        assert!(all.iter().all(|it| it["pid"].as_u64().is_some_and(|pid| pid > 0)));
    }

    #[test]
    fn a_fault_and_a_process_are_slices_as_long_as_they_last() {
        let trace = trace(&events());
        let slice = |name: &str| {
            let found = trace["traceEvents"].as_array().unwrap().iter().find(|it| it["name"] == name).cloned();
            let found = found.unwrap_or_else(|| panic!("{name} is missing"));
            (found["ts"].as_f64().unwrap(), found["dur"].as_f64().unwrap())
        };
        assert_eq!(slice("cut: partition a <-> \"b\", c"), (4_000.0, 5_000.0));
        assert_eq!(slice("up, start 1"), (0.0, 9_000.0), "up to the end of the trace");
    }
}
