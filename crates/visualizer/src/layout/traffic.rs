//! Frames between nodes over time: the space-time diagram.

use trace::{EventKind, Name};

use super::View;
use crate::model::{Fate, Model};

/// Events that are looked at for arrows; beyond, the view is crowded anyway.
const MOST_LOOKED_AT: usize = 400_000;

/// A frame between two lanes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Arrow {
    /// The sender's lane.
    pub from: usize,
    /// The receiver's lane.
    pub to: usize,
    /// Where it was sent.
    pub x0: f32,
    /// Where it arrived or was lost; the edge of the view where the trace does not tell.
    pub x1: f32,
    /// Its API.
    pub api: Name,
    /// Whether it answers a request.
    pub response: bool,
    /// What became of it.
    pub fate: Fate,
    /// Its `FrameSent`.
    pub index: usize,
}

/// The frames in view.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SpaceTime {
    /// The arrows, unless there are too many.
    pub arrows: Vec<Arrow>,
    /// Whether there were more than the limit: draw `traffic` instead.
    pub crowded: bool,
    /// Frames sent from lane to lane: `traffic[from][to]`, of what was looked at.
    pub traffic: Vec<Vec<u32>>,
}

/// The frames sent in view between these lanes; at most `limit` arrows.
pub fn messages(model: &Model, view: &View, lanes: &[Name], limit: usize) -> SpaceTime {
    let mut diagram = SpaceTime { traffic: vec![vec![0; lanes.len()]; lanes.len()], ..SpaceTime::default() };
    let lane = |name: Name| lanes.iter().position(|lane| *lane == name);
    let range = view.range(model);
    diagram.crowded = range.len() > MOST_LOOKED_AT;
    for index in range.take(MOST_LOOKED_AT) {
        let event = &model.events()[index];
        let EventKind::FrameSent(frame) = &event.kind else { continue };
        let (Some(from), Some(to)) = (lane(event.node), lane(frame.peer)) else { continue };
        diagram.traffic[from][to] += 1;
        if diagram.crowded {
            continue;
        }
        let fate = model.fate_of(index);
        diagram.arrows.push(Arrow {
            from,
            to,
            x0: view.x_of(model, index),
            x1: fate.map_or(view.width, |(end, _)| view.x_of(model, end)),
            api: frame.api,
            response: frame.response,
            fate: fate.map_or(Fate::Unknown, |(_, fate)| fate),
            index,
        });
        if diagram.arrows.len() > limit {
            diagram.crowded = true;
            diagram.arrows.clear();
        }
    }
    diagram
}
