//! All over time: density and severity, phases, faults, downtimes, leaders, ISR, what clients got, and messages.

use std::sync::Arc;

use egui::epaint::Mesh;
use egui::{Align2, Color32, Pos2, Rect, Sense, Shape, Stroke, StrokeKind, Ui, Vec2};
use trace::{Name, Partition};

use crate::app::command::Command;
use crate::layout::{
    Axis, LeaderLane, SpaceTime, View, density, fault_bars, format_time, isr_lanes, leader_lanes, markers, messages,
    node_lanes, operations, phases, ticks,
};
use crate::model::{CaptionKind, Class, NodeRole};
use crate::panels::{Scene, hatch, mark, quad, severity_colour, small};
use crate::theme::{Tokens, thin};

/// Room for lane names at the left.
const GUTTER: f32 = 120.0;
const RULER: f32 = 16.0;
const DENSITY: f32 = 34.0;
const LANE: f32 = 15.0;
/// How many partitions get lanes; the pinned and the focused come first.
const PARTITIONS: usize = 24;
/// How many arrows of messages: more would be a cloud.
const ARROWS: usize = 800;

struct Frame<'a> {
    painter: &'a egui::Painter,
    tokens: &'static Tokens,
    area: Rect,
    left: f32,
}

impl Frame<'_> {
    fn rect(&self, x: f32, width: f32, top: f32, height: f32) -> Rect {
        let left = (self.area.left() + x).max(self.area.left());
        let right = (self.area.left() + x + width.max(1.0)).min(self.area.right());
        Rect::from_min_max(Pos2::new(left, top), Pos2::new(right, top + height))
    }

    fn name(&self, top: f32, height: f32, text: &str) {
        let at = Pos2::new(self.left + 6.0, top + height / 2.0);
        let painter = self
            .painter
            .with_clip_rect(Rect::everything_left_of(self.area.left() - 4.0).intersect(self.painter.clip_rect()));
        painter.text(at, Align2::LEFT_CENTER, text, small(), self.tokens.muted);
    }
}

/// Paints the panel.
pub fn ui(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    let width = (ui.available_width() - GUTTER - 10.0).max(40.0);
    let view = View { width, ..scene.view.timeline };
    let partitions = partitions(scene);
    let bars = fault_bars(scene.model, &view);
    let nodes = shown_nodes(scene);
    let fault_rows = bars.iter().map(|bar| bar.row + 1).max().unwrap_or(0);
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let space = space_time_height(ui, &nodes, partitions.len(), fault_rows);
        let lanes =
            RULER + DENSITY + 6.0 + (fault_rows + nodes.len() + 2 * partitions.len()) as f32 * LANE + LANE * 2.0 + 22.0;
        let height = (lanes + space).max(ui.available_height());
        let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), height), Sense::click_and_drag());
        let area = Rect::from_min_size(rect.min + Vec2::new(GUTTER, 0.0), Vec2::new(width, height));
        let painter = ui.painter_at(rect);
        let frame = Frame { painter: &painter, tokens: scene.tokens, area, left: rect.left() };
        navigate(scene, ui, &response, &view, area, commands);
        ruler(scene, &frame, &view);
        let mut top = rect.top() + RULER;
        tint(&frame, &bars, rect.top() + RULER);
        top = density_lane(scene, &frame, &view, top);
        top = fault_lanes(scene, ui, &frame, &bars, top, fault_rows, commands);
        top = node_rows(scene, ui, &frame, &view, &nodes, top);
        top = leader_rows(scene, ui, &frame, &view, &partitions, top, commands);
        top = isr_rows(scene, ui, &frame, &view, &partitions, top);
        top = operations_lane(scene, &frame, &view, top);
        if space > 0.0 {
            space_time(scene, &frame, &view, &nodes, top + 4.0, space - 8.0);
        }
        story_marks(scene, ui, &frame, &view, rect.top(), commands);
        cursor(scene, &frame, &view);
    });
}

fn partitions(scene: &Scene) -> Vec<Partition> {
    let all = scene.model.outline().topics.iter();
    let mut all: Vec<Partition> = all
        .flat_map(|topic| topic.partitions.iter().map(|index| Partition { topic: topic.name, index: *index }))
        .collect();
    let rank = |partition: &Partition| {
        (!scene.view.pinned.contains(partition), scene.view.focus.partition != Some(*partition))
    };
    all.sort_by_key(rank);
    all.truncate(PARTITIONS);
    all
}

fn shown_nodes(scene: &Scene) -> Vec<Name> {
    let nodes = scene.model.outline().nodes.iter();
    nodes
        .filter(|node| {
            matches!(node.role, NodeRole::Broker | NodeRole::ZooKeeper) && !scene.view.hidden.contains(&node.name)
        })
        .map(|node| node.name)
        .collect()
}

/// The space-time diagram takes what room is left, if that is enough to read it.
fn space_time_height(ui: &Ui, nodes: &[Name], partitions: usize, fault_rows: usize) -> f32 {
    let used = RULER + DENSITY + (fault_rows + nodes.len() + 2 * partitions) as f32 * LANE + LANE * 2.0 + 28.0;
    let left = ui.available_height() - used;
    let wanted = nodes.len() as f32 * 12.0;
    if left >= wanted && !nodes.is_empty() { left.min(wanted * 2.0) } else { 0.0 }
}

fn navigate(scene: &Scene, ui: &Ui, response: &egui::Response, view: &View, area: Rect, commands: &mut Vec<Command>) {
    let pointer = response.interact_pointer_pos().or(response.hover_pos());
    let Some(pointer) = pointer else { return };
    let inside = area.expand(4.0).contains(pointer);
    if (response.dragged() || response.clicked()) && inside {
        commands.push(Command::Scrub(view.index_at_x(scene.model, pointer.x - area.left())));
    }
    if !response.hovered() {
        return;
    }
    let (zoom, scroll) = ui.input(|input| (input.zoom_delta(), input.smooth_scroll_delta));
    if zoom != 1.0 {
        commands.push(Command::Zoom(1.0 / f64::from(zoom)));
    }
    if scroll.x != 0.0 {
        commands.push(Command::Pan(-scroll.x / view.width));
    }
}

fn ruler(scene: &Scene, frame: &Frame, view: &View) {
    for tick in ticks(view) {
        let x = frame.area.left() + tick.x;
        frame.painter.vline(x, frame.area.y_range(), Stroke::new(0.5, thin(frame.tokens.line, 0.6)));
        if tick.x > view.width - 26.0 {
            continue;
        }
        let at = Pos2::new(x + 2.0, frame.area.top() + 7.0);
        frame.painter.text(at, Align2::LEFT_CENTER, tick.label, small(), frame.tokens.muted);
    }
    let title = if view.axis == Axis::Time { "time" } else { "events in order" };
    frame.name(frame.area.top(), RULER, title);
    for band in phases(scene.model, view) {
        let x = frame.area.left() + band.x;
        if band.x > 0.0 {
            frame.painter.extend(Shape::dashed_line(
                &[Pos2::new(x, frame.area.top()), Pos2::new(x, frame.area.bottom())],
                Stroke::new(1.0, frame.tokens.absent),
                2.0,
                3.0,
            ));
        }
        if band.width > 48.0 {
            let at = Pos2::new(frame.area.left() + band.x + band.width / 2.0, frame.area.top() + RULER + 5.0);
            let name = format!("{:?}", band.phase).to_lowercase();
            frame.painter.text(at, Align2::CENTER_CENTER, name, small(), frame.tokens.muted);
        }
    }
}

/// Every fault colours all lanes behind it a little.
fn tint(frame: &Frame, bars: &[crate::layout::FaultBar], top: f32) {
    let mut layer = Mesh::default();
    for bar in bars {
        quad(&mut layer, frame.rect(bar.x, bar.width, top, frame.area.bottom() - top), thin(frame.tokens.fault, 0.05));
    }
    frame.painter.add(layer);
}

fn density_lane(scene: &Scene, frame: &Frame, view: &View, top: f32) -> f32 {
    frame.name(top, DENSITY, "events, severity");
    let columns = density(scene.model, view, (view.width / 2.0) as usize);
    let total = |counts: &[u32; Class::COUNT]| counts.iter().map(|count| f64::from(*count)).sum::<f64>();
    // A root keeps quiet columns visible beside busy ones.
    let most = columns.iter().map(|column| total(&column.counts)).fold(1.0, f64::max).sqrt();
    let mut layer = Mesh::default();
    let bottom = top + DENSITY - 4.0;
    for column in &columns {
        let share = (total(&column.counts).sqrt() / most) as f32;
        if share > 0.0 {
            let height = (share * (DENSITY - 12.0)).max(1.0);
            quad(
                &mut layer,
                frame.rect(column.x, column.width, bottom - height, height),
                thin(frame.tokens.kafka, 0.75),
            );
            use crate::model::Severity;
            if column.worst >= Severity::Warning {
                let tall = if column.worst >= Severity::Violation { DENSITY - 4.0 } else { 4.0 };
                let width = if column.worst >= Severity::Violation { column.width.max(3.0) } else { column.width };
                quad(
                    &mut layer,
                    frame.rect(column.x, width, bottom - tall.max(4.0) + if tall < 5.0 { 4.0 } else { 0.0 }, tall),
                    severity_colour(frame.tokens, column.worst),
                );
            }
        }
    }
    frame.painter.add(layer);
    top + DENSITY
}

fn fault_lanes(
    scene: &Scene,
    ui: &Ui,
    frame: &Frame,
    bars: &[crate::layout::FaultBar],
    top: f32,
    rows: usize,
    commands: &mut Vec<Command>,
) -> f32 {
    if rows > 0 {
        frame.name(top, LANE, "faults");
    }
    for bar in bars {
        let rect = frame.rect(bar.x, bar.width.max(4.0), top + bar.row as f32 * LANE + 1.0, LANE - 2.0);
        let mut layer = Mesh::default();
        quad(&mut layer, rect, thin(frame.tokens.fault, 0.30));
        hatch(&mut layer, rect, 7.0, thin(frame.tokens.fault, 0.55));
        quad(&mut layer, Rect::from_min_size(rect.min, Vec2::new(2.5, rect.height())), frame.tokens.fault);
        frame.painter.add(layer);
        let text = format!("{} {}", bar.kind, bar.target);
        let at = rect.left_center() + Vec2::new(5.0, 0.0);
        let galley = frame.painter.layout_no_wrap(text, small(), frame.tokens.text);
        let ground =
            Rect::from_min_size(Pos2::new(at.x - 1.0, rect.top()), Vec2::new(galley.size().x + 3.0, rect.height()));
        frame.painter.rect_filled(ground.intersect(frame.area), 0.0, thin(frame.tokens.panel, 0.75));
        frame.painter.with_clip_rect(frame.area).galley(
            at - Vec2::new(0.0, galley.size().y / 2.0),
            galley,
            frame.tokens.text,
        );
        let label = format!("fault bar {}: {} {}", bar.fault, bar.kind, bar.target);
        let response = mark(ui, rect, ("fault", bar.index), &label);
        let began = format_time(scene.model.at(bar.index));
        if response
            .on_hover_text(format!("{label}\nfrom {began}{}", if bar.open { ", never healed" } else { "" }))
            .clicked()
        {
            commands.push(Command::Event(bar.index));
        }
    }
    top + rows as f32 * LANE + 2.0
}

fn node_rows(scene: &Scene, ui: &Ui, frame: &Frame, view: &View, nodes: &[Name], top: f32) -> f32 {
    let lanes = node_lanes(scene.model, view);
    for (i, node) in nodes.iter().enumerate() {
        let y = top + i as f32 * LANE;
        frame.name(y, LANE, node.as_str());
        let line = frame.rect(0.0, view.width, y + LANE / 2.0 - 1.0, 2.0);
        let mut layer = Mesh::default();
        quad(&mut layer, line, thin(frame.tokens.good, 0.6));
        let lane = lanes.iter().find(|lane| lane.node == *node);
        for down in lane.iter().flat_map(|lane| &lane.down) {
            let rect = frame.rect(down.x, down.width, y + 2.0, LANE - 4.0);
            let colour = if down.reason.is_none() { frame.tokens.waiting } else { frame.tokens.fault };
            quad(&mut layer, rect, frame.tokens.panel);
            quad(&mut layer, rect, thin(colour, 0.25));
            hatch(&mut layer, rect, 5.0, colour);
        }
        frame.painter.add(layer);
        for (k, down) in lane.iter().flat_map(|lane| &lane.down).enumerate() {
            let rect = frame.rect(down.x, down.width, y + 2.0, LANE - 4.0);
            let word = if down.reason.is_none() { "paused" } else { "down" };
            if rect.width() > 40.0 {
                let at = rect.center();
                let galley = frame.painter.layout_no_wrap(word.into(), small(), frame.tokens.text);
                let ground = Rect::from_center_size(at, galley.size() + Vec2::new(6.0, -2.0));
                frame.painter.rect_filled(ground, 2.0, frame.tokens.panel);
                frame.painter.galley(at - galley.size() / 2.0, galley, frame.tokens.text);
            }
            mark(ui, rect, ("down", i, k), &format!("{node} {word}"));
        }
    }
    top + nodes.len() as f32 * LANE + 2.0
}

fn leader_rows(
    scene: &Scene,
    ui: &Ui,
    frame: &Frame,
    view: &View,
    partitions: &[Partition],
    top: f32,
    commands: &mut Vec<Command>,
) -> f32 {
    for (i, lane) in leader_lanes(scene.model, view, partitions).iter().enumerate() {
        let y = top + i as f32 * LANE;
        frame.name(y, LANE, &lane_name(scene, &lane.partition, "leader"));
        let height = LANE - 3.0;
        let mut layer = Mesh::default();
        for gap in &lane.gaps {
            let rect = frame.rect(gap.x, gap.width, y + 1.0, height);
            hatch(&mut layer, rect, 4.0, frame.tokens.waiting);
        }
        for block in &lane.blocks {
            quad(&mut layer, frame.rect(block.x, block.width - 1.0, y + 1.0, height), frame.tokens.epoch(block.epoch));
        }
        // Where two believe to lead, the lane is split: the older one above.
        for overlap in &lane.overlaps {
            let covers = |block: &&crate::layout::LeaderBlock| {
                block.x <= overlap.x + 1.0 && block.x + block.width >= overlap.x + overlap.width - 1.0
            };
            if let Some(older) = lane.blocks.iter().filter(covers).min_by_key(|block| block.epoch) {
                quad(
                    &mut layer,
                    frame.rect(overlap.x, overlap.width, y + 1.0, height / 2.0),
                    frame.tokens.epoch(older.epoch),
                );
            }
        }
        frame.painter.add(layer);
        for (k, block) in lane.blocks.iter().enumerate() {
            let rect = frame.rect(block.x, block.width - 1.0, y + 1.0, height);
            let fill = frame.tokens.epoch(block.epoch);
            let text = if rect.width() > 90.0 {
                format!("broker-{} e{}", block.broker, block.epoch)
            } else {
                format!("{}", block.broker)
            };
            let split = lane.overlaps.iter().any(|overlap| (overlap.x - block.x).abs() < 1.0);
            if rect.width() > 9.0 && split {
                frame.painter.text(
                    rect.right_center() - Vec2::X * 4.0,
                    Align2::RIGHT_CENTER,
                    text,
                    small(),
                    Tokens::on(fill),
                );
            } else if rect.width() > 9.0 {
                frame.painter.text(
                    rect.left_center() + Vec2::X * 3.0,
                    Align2::LEFT_CENTER,
                    text,
                    small(),
                    Tokens::on(fill),
                );
            }
            let label = format!("{} led by broker-{} in epoch {}", lane.partition, block.broker, block.epoch);
            let response = mark(ui, rect, ("leader", i, k), &label).on_hover_text(&label);
            if response.clicked() {
                commands.push(Command::Event(block.index));
            }
        }
        two_leaders(frame, lane, y);
    }
    top + partitions.len() as f32 * LANE
}

/// Where two brokers believe to lead at once.
fn two_leaders(frame: &Frame, lane: &LeaderLane, top: f32) {
    for overlap in &lane.overlaps {
        let rect = frame.rect(overlap.x, overlap.width, top, LANE - 1.0);
        frame.painter.rect_stroke(rect, 0.0, Stroke::new(1.5, frame.tokens.violation), StrokeKind::Inside);
        let text = frame.painter.layout_no_wrap("\u{26a0} two leaders".into(), small(), frame.tokens.violation_text);
        if rect.width() > text.size().x + 12.0 {
            let ground = Rect::from_center_size(rect.center(), text.size() + Vec2::new(6.0, -1.0));
            frame.painter.rect_filled(ground, 2.0, frame.tokens.panel);
            frame.painter.galley(rect.center() - text.size() / 2.0, text, frame.tokens.violation_text);
        }
    }
}

fn lane_name(scene: &Scene, partition: &Partition, what: &str) -> String {
    let pinned = if scene.view.pinned.contains(partition) { "\u{2022} " } else { "" };
    format!("{pinned}{partition} {what}")
}

/// A staircase: the more replicas are in sync, the higher.
fn isr_rows(scene: &Scene, ui: &Ui, frame: &Frame, view: &View, partitions: &[Partition], top: f32) -> f32 {
    for (i, lane) in isr_lanes(scene.model, view, partitions).iter().enumerate() {
        let y = top + i as f32 * LANE;
        frame.name(y, LANE, &lane_name(scene, &lane.partition, "ISR"));
        let full = LANE - 3.0;
        let mut layer = Mesh::default();
        for step in &lane.steps {
            let share = step.isr.len() as f32 / lane.replication.max(1) as f32;
            let height = (full * share).max(1.0);
            let whole = step.isr.len() >= lane.replication;
            let colour = if whole { frame.tokens.good } else { frame.tokens.waiting };
            let rect = frame.rect(step.x, step.width - 1.0, y + 1.0 + full - height, height);
            quad(&mut layer, rect, thin(colour, if whole { 0.45 } else { 0.85 }));
        }
        frame.painter.add(layer);
        for (k, step) in lane.steps.iter().enumerate() {
            let rect = frame.rect(step.x, step.width - 1.0, y + 1.0, full);
            if rect.width() > 24.0 {
                let text = step.isr.to_string();
                let galley = frame.painter.layout_no_wrap(text, small(), frame.tokens.text);
                let ground = Rect::from_center_size(rect.center(), galley.size() + Vec2::new(4.0, -2.0));
                frame.painter.rect_filled(ground, 2.0, frame.tokens.panel);
                frame.painter.galley(rect.center() - galley.size() / 2.0, galley, frame.tokens.text);
            }
            let label = format!("{} ISR {}", lane.partition, step.isr);
            mark(ui, rect, ("isr", i, k), &label).on_hover_text(label);
        }
    }
    top + partitions.len() as f32 * LANE
}

fn operations_lane(scene: &Scene, frame: &Frame, view: &View, top: f32) -> f32 {
    let height = LANE * 2.0;
    frame.name(top, height, "clients: ok, fail, ?");
    let columns = operations(scene.model, view, (view.width / 3.0) as usize);
    let most = columns.iter().map(|column| column.acked.max(column.failed + column.unknown)).max().unwrap_or(1).max(1);
    let mut layer = Mesh::default();
    let middle = top + height * 0.6;
    for column in &columns {
        let tall = |count: u32, room: f32| if count == 0 { 0.0 } else { (count as f32 / most as f32 * room).max(1.5) };
        let ok = tall(column.acked, height * 0.55);
        quad(&mut layer, frame.rect(column.x, column.width, middle - ok, ok), frame.tokens.good);
        let unknown = tall(column.unknown, height * 0.35);
        quad(&mut layer, frame.rect(column.x, column.width, middle + 1.0, unknown), frame.tokens.waiting);
        let failed = tall(column.failed, height * 0.35);
        quad(&mut layer, frame.rect(column.x, column.width, middle + 1.0 + unknown, failed), frame.tokens.fault);
    }
    frame.painter.add(layer);
    frame.painter.hline(frame.area.x_range(), middle + 0.5, Stroke::new(0.7, frame.tokens.line));
    top + height
}

/// Messages between nodes: an arrow delivered, a cross lost, dots still on the way.
fn space_time(scene: &Scene, frame: &Frame, view: &View, nodes: &[Name], top: f32, height: f32) {
    let step = height / nodes.len().max(1) as f32;
    let y = |lane: usize| top + step * (lane as f32 + 0.5);
    for (i, node) in nodes.iter().enumerate() {
        frame.name(y(i) - step / 2.0, step, &format!("messages {node}"));
        frame.painter.hline(frame.area.x_range(), y(i), Stroke::new(0.5, frame.tokens.line));
    }
    let diagram = diagram(scene, frame.painter.ctx(), view, nodes);
    if diagram.crowded {
        traffic(frame, &diagram.traffic, nodes, top, step);
        return;
    }
    let painter = frame.painter.with_clip_rect(frame.area);
    for arrow in &diagram.arrows {
        let from = Pos2::new(frame.area.left() + arrow.x0, y(arrow.from));
        let to = Pos2::new(frame.area.left() + arrow.x1, y(arrow.to));
        let colour =
            if scene.view.dimmed(arrow.index) { thin(frame.tokens.kafka, 0.2) } else { thin(frame.tokens.kafka, 0.8) };
        match arrow.fate {
            crate::model::Fate::Dropped => {
                let stop = from + (to - from) * 0.6;
                painter.line_segment([from, stop], Stroke::new(1.0, frame.tokens.fault));
                cross(&painter, stop, frame.tokens.fault);
            }
            crate::model::Fate::Delivered => {
                painter.line_segment([from, to], Stroke::new(0.8, colour));
                painter.circle_filled(to, 1.6, colour);
            }
            _ => painter.extend(Shape::dotted_line(&[from, to], frame.tokens.waiting, 4.0, 1.0)),
        }
    }
}

/// The messages in view, kept while the view stays: they need a look at every event in it.
fn diagram(scene: &Scene, context: &egui::Context, view: &View, nodes: &[Name]) -> Arc<SpaceTime> {
    type Kept = Arc<(View, Vec<Name>, usize, (u64, u64), Arc<SpaceTime>)>;
    let id = egui::Id::unique("messages in view");
    let (count, span) = (scene.model.len(), scene.model.span());
    let kept: Option<Kept> = context.data(|data| data.get_temp(id));
    if let Some(kept) = kept
        && (&kept.0, kept.1.as_slice(), kept.2, kept.3) == (view, nodes, count, span)
    {
        return Arc::clone(&kept.4);
    }
    let diagram = Arc::new(messages(scene.model, view, nodes, ARROWS));
    let kept: Kept = Arc::new((*view, nodes.to_vec(), count, span, Arc::clone(&diagram)));
    context.data_mut(|data| data.insert_temp(id, kept));
    diagram
}

/// Too many messages for arrows: how many went from each node (row) to each (column).
fn traffic(frame: &Frame, counts: &[Vec<u32>], nodes: &[Name], top: f32, step: f32) {
    let most = counts.iter().flatten().copied().max().unwrap_or(1).max(1) as f32;
    let width = (frame.area.width() / nodes.len().max(1) as f32).min(130.0);
    let mut layer = Mesh::default();
    let cell = |row: usize, column: usize| {
        frame.rect(column as f32 * width, width - 2.0, top + step * row as f32 + 1.0, step - 2.0)
    };
    for (row, counts) in counts.iter().enumerate() {
        for (column, count) in counts.iter().enumerate() {
            let share = (*count as f32 / most).sqrt();
            quad(&mut layer, cell(row, column), thin(frame.tokens.kafka, 0.08 + 0.5 * share));
        }
    }
    frame.painter.add(layer);
    for (row, counts) in counts.iter().enumerate() {
        for (column, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let text = if width > 90.0 { format!("{count} to {}", nodes[column]) } else { count.to_string() };
            let rect = cell(row, column);
            let galley = frame.painter.layout_no_wrap(text, small(), frame.tokens.text);
            frame.painter.galley(rect.center() - galley.size() / 2.0, galley, frame.tokens.text);
        }
    }
}

fn cross(painter: &egui::Painter, at: Pos2, colour: Color32) {
    for (dx, dy) in [(3.0, 3.0), (3.0, -3.0)] {
        let reach = Vec2::new(dx, dy);
        painter.line_segment([at - reach, at + reach], Stroke::new(1.4, colour));
    }
}

/// Violations and notes stand on the ruler.
fn story_marks(scene: &Scene, ui: &Ui, frame: &Frame, view: &View, top: f32, commands: &mut Vec<Command>) {
    for marker in markers(scene.model, view, &scene.view.language) {
        let x = frame.area.left() + marker.x;
        if !frame.area.x_range().contains(x) {
            continue;
        }
        let (glyph, colour) = match marker.kind {
            CaptionKind::Violation => ("\u{26a0}", frame.tokens.violation_text),
            CaptionKind::Note => ("\u{25bc}", frame.tokens.link),
            _ => continue,
        };
        if marker.kind == CaptionKind::Violation {
            frame.painter.vline(x, top + RULER..=frame.area.bottom(), Stroke::new(1.5, frame.tokens.violation));
        }
        let rect = Rect::from_center_size(Pos2::new(x, top + RULER + 6.0), Vec2::splat(13.0));
        frame.painter.rect_filled(rect, 2.0, frame.tokens.panel);
        frame.painter.text(rect.center(), Align2::CENTER_CENTER, glyph, crate::panels::body(), colour);
        let label = format!("{:?}: {}", marker.kind, marker.text);
        let response = mark(ui, rect, ("marker", marker.index), &label).on_hover_text(&marker.text);
        if response.clicked() {
            commands.push(Command::Event(marker.index));
        }
    }
}

fn cursor(scene: &Scene, frame: &Frame, view: &View) {
    let x = match view.axis {
        Axis::Time if scene.view.playing => view.x_at_time(scene.model, scene.view.clock as u64),
        _ => view.x_of(scene.model, scene.view.focus.event),
    };
    if (0.0..=view.width).contains(&x) {
        let x = frame.area.left() + x;
        frame.painter.vline(x, frame.area.y_range(), Stroke::new(1.2, frame.tokens.cursor));
        let tip = vec![
            Pos2::new(x - 5.0, frame.area.top()),
            Pos2::new(x + 5.0, frame.area.top()),
            Pos2::new(x, frame.area.top() + 7.0),
        ];
        frame.painter.add(Shape::convex_polygon(tip, frame.tokens.cursor, Stroke::NONE));
    }
}

/// The width of the lanes in a panel that takes `place`.
pub fn width(place: Rect) -> f32 {
    (place.width() - 8.0 - GUTTER - 10.0).max(40.0)
}
