//! A space-time diagram as SVG: a column for each node, a row for each event, time downwards, an arrow for each frame.
//!
//! Rows are evenly spaced, not by time: events come in bursts, and nothing may overlap. The time stands at the left.

use std::collections::BTreeMap;

use state::describe;
use trace::{Event, EventId, EventKind, FrameInfo};

use super::{escaped, nodes, places};

/// More rows than this nobody reads.
pub const LIMIT: usize = 2_000;

const ROW: usize = 16;
const TOP: usize = 40;
const LEFT: usize = 100;
const COLUMN: usize = 110;

/// Whether an event gets a row. A frame's own row is the one where it is sent.
pub fn is_drawn(kind: &EventKind) -> bool {
    // Who polls tells nothing that the served batch does not.
    !matches!(kind, EventKind::SessionView { .. } | EventKind::RecordPolled { .. } | EventKind::RecordProcessed { .. })
}

/// The diagram of these events.
pub fn diagram(title: &str, events: &[Event]) -> String {
    let drawn: Vec<&Event> = events.iter().filter(|event| is_drawn(&event.kind)).collect();
    let nodes = nodes(events);
    let places = places(&nodes);
    let x = |place: usize| LEFT + COLUMN / 2 + place * COLUMN;
    let texts = LEFT + nodes.len() * COLUMN + 10;
    let (width, height) = (texts + 640, TOP + ROW * (drawn.len() + 2));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n",
        escaped(title)
    );
    for (place, node) in nodes.iter().enumerate() {
        let x = x(place);
        svg += &format!("<line class=\"life\" x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{height}\"/>\n");
        svg += &format!("<text class=\"node\" x=\"{x}\" y=\"{}\">{}</text>\n", TOP - 12, escaped(node.as_str()));
    }
    let rows: BTreeMap<EventId, usize> = drawn.iter().enumerate().map(|(row, event)| (event.id, row)).collect();
    let mut last = None;
    for (row, event) in drawn.iter().enumerate() {
        let (own_x, y) = (x(places[&event.node]), row_y(row));
        if last != Some(event.at) {
            svg += &format!(
                "<text class=\"time\" x=\"{}\" y=\"{}\">{:.6}s</text>\n",
                LEFT - 10,
                y + 4,
                event.at as f64 / 1e9
            );
            last = Some(event.at);
        }
        match &event.kind {
            EventKind::FrameDelivered(frame) => {
                let sent = rows.get(&event.cause).zip(places.get(&frame.peer));
                let from = sent.map(|(row, place)| (x(*place), row_y(*row)));
                svg += &from.map_or(String::new(), |from| arrow(event.cause, frame, from, (own_x, y)));
            }
            EventKind::FrameDropped(frame) => {
                let from_left = places.get(&frame.peer).is_some_and(|place| x(*place) < own_x);
                svg += &lost(from_left, (own_x, y));
            }
            _ => {}
        }
        let class = class(&event.kind);
        svg += &format!(
            "<circle class=\"{class}\" cx=\"{own_x}\" cy=\"{y}\" r=\"3\"><title>event {}, because of {}</title></circle>\n",
            event.id, event.cause
        );
        let told = format!("{} {}", event.node, describe(&event.kind));
        svg += &format!("<text class=\"{class}\" x=\"{texts}\" y=\"{}\">{}</text>\n", y + 4, escaped(&told));
    }
    svg + "</svg>\n"
}

fn row_y(row: usize) -> usize {
    TOP + ROW + row * ROW
}

/// From where a frame was sent to where it arrived.
fn arrow(sent: EventId, frame: &FrameInfo, from: (usize, usize), to: (usize, usize)) -> String {
    let class = if frame.response { "frame answer" } else { "frame" };
    let ((from_x, from_y), (x, y)) = (from, to);
    // The head, seven wide, on the side that the frame comes from.
    let back = if from_x < x { x - 7 } else { x + 7 };
    format!(
        "<line class=\"{class}\" data-frame=\"{sent}\" x1=\"{from_x}\" y1=\"{from_y}\" x2=\"{x}\" y2=\"{y}\"/>\n\
         <path class=\"head\" d=\"M{x} {y} L{back} {} L{back} {} Z\"/>\n",
        y - 4,
        y + 3
    )
}

/// A frame that did not arrive: its cause is what swallowed it, so that only its direction is known.
fn lost(from_left: bool, (x, y): (usize, usize)) -> String {
    let from = if from_left { x - 30 } else { x + 30 };
    format!(
        "<line class=\"lost\" x1=\"{from}\" y1=\"{y}\" x2=\"{x}\" y2=\"{y}\"/>\n\
         <path class=\"lost\" d=\"M{} {} l8 8 m-8 0 l8 -8\"/>\n",
        x - 4,
        y - 4
    )
}

fn class(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::FrameSent(_) | EventKind::FrameDelivered(_) => "quiet",
        EventKind::FrameDropped(_) | EventKind::FrameHeld(_) => "bad",
        EventKind::FaultBegan { .. }
        | EventKind::FaultEnded { .. }
        | EventKind::NodeStopped { .. }
        | EventKind::NodePaused
        | EventKind::NodePanicked { .. }
        | EventKind::Violation { .. } => "bad",
        EventKind::LeadershipDecided { .. }
        | EventKind::BecameLeader { .. }
        | EventKind::BecameFollower { .. }
        | EventKind::IsrChanged { .. }
        | EventKind::Truncated { .. }
        | EventKind::ControllerElected { .. } => "turn",
        _ => "plain",
    }
}

const STYLE: &str = "\
text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:#1f2328}.page{fill:#fff}.life{stroke:#d0d7de}.node{font-weight:700;text-anchor:middle}\
.time{text-anchor:end;fill:#656d76}text.quiet{fill:#8c959f}text.bad{fill:#cf222e}text.turn{fill:#0969da}circle.quiet{fill:#8c959f}\
circle.plain{fill:#57606a}circle.bad{fill:#cf222e}circle.turn{fill:#0969da}.frame{stroke:#8c959f}.answer{stroke-dasharray:4 3}.head{fill:#8c959f}\
.lost{stroke:#cf222e;stroke-width:1.5;fill:none}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117}.life{stroke:#30363d}.time{fill:#8d96a0}text.bad{fill:#ff7b72}\
text.turn{fill:#79c0ff}circle.bad{fill:#ff7b72}circle.turn{fill:#79c0ff}circle.plain{fill:#8d96a0}.lost{stroke:#ff7b72}}";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::examples::events;

    /// The elements of a document, by name, if every tag is closed in its order.
    fn elements(text: &str) -> Vec<String> {
        let (mut open, mut found) = (Vec::new(), Vec::new());
        for tag in text.split('<').skip(1) {
            let tag = tag.split('>').next().expect("a tag ends");
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop().as_deref(), Some(name), "closed in order"),
                None => {
                    let name = tag.split([' ', '/']).next().expect("a tag has a name").to_owned();
                    found.push(name.clone());
                    if !tag.ends_with('/') {
                        open.push(name);
                    }
                }
            }
        }
        assert!(open.is_empty(), "{open:?} is not closed");
        found
    }

    #[test]
    fn the_picture_is_well_formed_and_has_an_arrow_for_each_frame_that_arrives() {
        let svg = diagram("a <title> & \"more\"", &events());
        let found = elements(&svg);
        let count = |name: &str| found.iter().filter(|element| *element == name).count();
        assert_eq!(count("circle"), events().len());
        assert_eq!(svg.matches("data-frame=\"2\"").count(), 1, "the frame of event 2 arrives");
        assert_eq!(svg.matches("<path class=\"lost\"").count(), 1);
        assert!(
            svg.contains("cut: partition a &lt;-&gt; &quot;b&quot;, c") || svg.contains("a &lt;-&gt; &quot;b&quot;, c")
        );
    }
}
