//! Commands applied: the only place where the view changes.

use crate::app::command::{Command, Stride};
use crate::app::focus::Focus;
use crate::app::view::ViewState;
use crate::layout::{Axis, View};
use crate::model::{At, Direction, Jump, Model, Query};

/// The slowest and the fastest speed, simulated seconds a second.
pub const SPEEDS: (f64, f64) = (0.01, 1000.0);

/// Applies a command about the view. Commands about files and layouts are the app's.
pub fn apply(view: &mut ViewState, model: &Model, command: Command) {
    view.notice = None;
    match command {
        Command::Event(index) => jump(view, model, view.focus.on_event(model, index)),
        Command::Node(node) => jump(view, model, Focus { node: Some(node), ..view.focus }),
        Command::Partition(partition) => {
            let offset = view.focus.offset.filter(|_| view.focus.partition == Some(partition));
            jump(view, model, Focus { partition: Some(partition), offset, ..view.focus });
        }
        Command::Offset(partition, offset) => {
            jump(view, model, Focus { partition: Some(partition), offset: Some(offset), ..view.focus });
        }
        Command::Scrub(index) => slide(view, model, index),
        Command::Step(stride, direction) => step(view, model, stride, direction),
        Command::Jump(what, direction) => {
            let found = model.next(what, view.focus.event, direction);
            go(view, model, found, || format!("No {} {}.", place(direction), jump_name(what)));
        }
        Command::Find(direction) => {
            let found = view.filter.query.as_ref().and_then(|query| model.find(query, view.focus.event, direction));
            go(view, model, found, || format!("Nothing {} matches the search.", place(direction)));
        }
        Command::GoTo(at) => go(view, model, model.resolve(at), || format!("The trace has no {}.", at_name(at))),
        Command::First => slide(view, model, 0),
        Command::Last => slide(view, model, model.len().saturating_sub(1)),
        Command::Back | Command::Forward => {
            let back = command == Command::Back;
            let found = if back { view.history.back(view.focus) } else { view.history.forward(view.focus) };
            if let Some(focus) = found {
                settle(view, model, focus);
            }
        }
        Command::Play => play(view, model),
        Command::Speed(speed) => view.speed = speed.clamp(SPEEDS.0, SPEEDS.1),
        Command::Filter(text) => filter(view, &text),
        Command::Search => view.filter.wants_keyboard = true,
        Command::Slice => slice(view, model),
        Command::Pin => toggle(&mut view.pinned, view.focus.partition),
        Command::Hide => toggle(&mut view.hidden, view.focus.node),
        Command::ShowAll => view.hidden.clear(),
        Command::Theme => view.theme = view.theme.other(),
        Command::Language(language) => view.language = language,
        Command::LogZoom(_) | Command::LogFrom(_) | Command::Graveyard => move_logs(view, &command),
        other => apply_timeline(view, model, other),
    }
}

fn apply_timeline(view: &mut ViewState, model: &Model, command: Command) {
    match command {
        Command::Zoom(factor) => {
            let x = view.timeline.x_of(model, view.focus.event).clamp(0.0, view.timeline.width);
            view.timeline.zoom(model, factor, x);
            view.timeline.clamp(model);
        }
        Command::Pan(share) => {
            let dx = share * view.timeline.width;
            view.timeline.pan(model, dx);
            view.timeline.clamp(model);
        }
        Command::Centre => {
            let half = (view.timeline.to - view.timeline.from) / 2.0;
            let middle = position(view, model);
            (view.timeline.from, view.timeline.to) = (middle - half, middle + half);
            view.timeline.clamp(model);
            view.logs.follows = true;
        }
        Command::Fit => view.timeline = View::whole(model, view.timeline.axis, view.timeline.width),
        Command::Axis => {
            let axis = if view.timeline.axis == Axis::Time { Axis::Rank } else { Axis::Time };
            view.timeline = View::whole(model, axis, view.timeline.width);
        }
        Command::RangeFrom => {
            view.timeline.from = position(view, model).min(view.timeline.to - 1.0);
            view.timeline.clamp(model);
        }
        Command::RangeTo => {
            view.timeline.to = position(view, model).max(view.timeline.from + 1.0);
            view.timeline.clamp(model);
        }
        _ => apply_overlay(view, command),
    }
}

fn apply_overlay(view: &mut ViewState, command: Command) {
    let overlays = &mut view.overlays;
    match command {
        Command::Help => overlays.help = !overlays.help,
        Command::Palette => {
            overlays.palette = if overlays.palette.is_some() { None } else { Some((String::new(), 0)) };
        }
        Command::TourNext => {
            let next = overlays.tour.map_or(0, |step| step + 1);
            overlays.tour = (next < crate::app::tour::STEPS.len()).then_some(next);
        }
        Command::TourBack => overlays.tour = overlays.tour.map(|step| step.saturating_sub(1)),
        Command::TourEnd => overlays.tour = None,
        Command::AskTime => overlays.time = Some(String::new()),
        Command::AskFile => overlays.file = Some(String::new()),
        Command::Clear if overlays.any() => *overlays = Default::default(),
        Command::Clear => filter(view, ""),
        _ => {}
    }
}

fn move_logs(view: &mut ViewState, command: &Command) {
    let logs = &mut view.logs;
    match command {
        Command::LogZoom(factor) => logs.cell = (logs.cell * factor).clamp(0.02, 120.0),
        Command::LogFrom(first) => {
            logs.first = first.max(0.0);
            logs.follows = false;
        }
        Command::Graveyard => logs.graveyard = !logs.graveyard,
        _ => {}
    }
}

fn play(view: &mut ViewState, model: &Model) {
    view.playing = !view.playing;
    if view.playing && view.focus.event + 1 >= model.len() {
        slide(view, model, 0);
        view.playing = true;
    }
}

/// Lets time run for `seconds` of the viewer's time.
pub fn tick(view: &mut ViewState, model: &Model, seconds: f64) {
    if !view.playing {
        return;
    }
    let (_, end) = model.span();
    view.clock = (view.clock + seconds * view.speed * 1e9).min(end as f64);
    // The focus never falls behind: of several events at one instant it may be any.
    let index = model.index_at(view.clock as u64).max(view.focus.event);
    view.focus = view.focus.on_event(model, index);
    keep_in_sight(view, model);
    if view.clock >= end as f64 {
        view.playing = false;
    }
}

fn go(view: &mut ViewState, model: &Model, found: Option<usize>, otherwise: impl Fn() -> String) {
    match found {
        Some(index) => jump(view, model, view.focus.on_event(model, index)),
        None => view.notice = Some(otherwise()),
    }
}

/// A move that can be taken back.
fn jump(view: &mut ViewState, model: &Model, focus: Focus) {
    if focus != view.focus {
        view.history.leave(view.focus);
    }
    settle(view, model, focus);
    view.logs.follows = true;
}

/// A move among many, such as scrubbing.
fn slide(view: &mut ViewState, model: &Model, index: usize) {
    let index = index.min(model.len().saturating_sub(1));
    settle(view, model, view.focus.on_event(model, index));
}

fn settle(view: &mut ViewState, model: &Model, focus: Focus) {
    view.focus = focus;
    view.clock = model.at(focus.event) as f64;
    view.playing = false;
    keep_in_sight(view, model);
}

/// The focus on the timeline's axis.
fn position(view: &ViewState, model: &Model) -> f64 {
    match view.timeline.axis {
        Axis::Time => model.at(view.focus.event) as f64,
        Axis::Rank => view.focus.event as f64,
    }
}

fn keep_in_sight(view: &mut ViewState, model: &Model) {
    let at = position(view, model);
    let width = view.timeline.to - view.timeline.from;
    if at < view.timeline.from || at > view.timeline.to {
        (view.timeline.from, view.timeline.to) = (at - width * 0.3, at + width * 0.7);
        view.timeline.clamp(model);
    }
}

fn step(view: &mut ViewState, model: &Model, stride: Stride, direction: Direction) {
    let event = view.focus.event;
    let found = match stride {
        Stride::Events(count) => step_rows(view, model, count, direction),
        Stride::Node => model.along_lane(event, direction),
        Stride::Partition => view.focus.partition.and_then(|partition| {
            let query: Query = format!("partition:{partition}").parse().ok()?;
            model.find(&query, event, direction)
        }),
    };
    match found {
        Some(index) => slide(view, model, index),
        None => view.notice = Some(format!("Nothing {}.", place(direction))),
    }
}

/// `count` rows of the event list on, or as far as there are.
fn step_rows(view: &mut ViewState, model: &Model, count: usize, direction: Direction) -> Option<usize> {
    let rows = view.rows(model);
    if rows.is_empty() {
        return None;
    }
    let event = view.focus.event;
    let Some(row) = rows.row_of(event) else {
        // All rows come later.
        return (direction == Direction::Forward).then(|| rows.index((count - 1).min(rows.len() - 1))).flatten();
    };
    let on = rows.index(row) == Some(event);
    let target = match direction {
        Direction::Forward => row + count,
        Direction::Backward => (row + usize::from(!on)).saturating_sub(count),
    };
    let index = rows.index(target.min(rows.len() - 1))?;
    (index != event).then_some(index)
}

fn filter(view: &mut ViewState, text: &str) {
    view.filter.text = text.to_owned();
    let parsed = if text.trim().is_empty() { Ok(None) } else { text.parse::<Query>().map(Some) };
    match parsed {
        Ok(query) => {
            view.filter.query = query;
            view.filter.problem = None;
            view.filter.rows = None;
        }
        // What is half typed keeps the rows that were.
        Err(problem) => view.filter.problem = Some(problem),
    }
}

fn slice(view: &mut ViewState, model: &Model) {
    view.slice = !view.slice;
    if view.slice {
        view.sliced = model.why(view.focus.event).into_iter().collect();
    }
}

fn toggle<T: Ord>(set: &mut std::collections::BTreeSet<T>, value: Option<T>) {
    if let Some(value) = value
        && !set.remove(&value)
    {
        set.insert(value);
    }
}

fn place(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "later",
        Direction::Backward => "earlier",
    }
}

fn jump_name(jump: Jump) -> &'static str {
    match jump {
        Jump::Violation => "violation",
        Jump::LeaderChange => "leader change",
        Jump::Fault => "fault",
        Jump::Note => "note",
        Jump::Severe => "severe event",
    }
}

fn at_name(at: At) -> String {
    match at {
        At::Violation(number) => format!("violation {number}"),
        At::Time(_) => "such time".into(),
        At::Event(id) => format!("event {id}"),
    }
}
