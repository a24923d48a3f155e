//! The replica logs of one partition, side by side on one scale of offsets.

use egui::epaint::Mesh;
use egui::{Align2, Color32, FontId, Pos2, Rect, Sense, Shape, Stroke, StrokeKind, Ui, Vec2};
use trace::Partition;

use crate::app::command::Command;
use crate::app::fonts;
use crate::app::view::LogCamera;
use crate::layout::{Cell, Detail, LogView, ReplicaLogs, ReplicaRow, Standing, replica_logs};
use crate::panels::{Scene, body, crown, hatch, mark, quad, small};
use crate::theme::{Tokens, thin};

/// Room for names at the left.
const GUTTER: f32 = 128.0;
const RULER: f32 = 30.0;
const ROW: f32 = 56.0;
const CELL: f32 = 24.0;
/// How many cells carry words and a label: more would not be readable, and shapes cost.
const CELLS: usize = 1500;

/// Where things are painted.
struct Frame<'a> {
    painter: &'a egui::Painter,
    tokens: &'static Tokens,
    /// The area of offsets.
    area: Rect,
    view: LogView,
}

impl Frame<'_> {
    fn x(&self, offset: i64) -> f32 {
        self.area.left() + ((offset as f64 - self.view.first) * f64::from(self.view.cell)) as f32
    }

    /// Whether an edge lies in sight.
    fn sees(&self, x: f32) -> bool {
        (self.area.left() - 1.0..=self.area.right() + 1.0).contains(&x)
    }

    fn clipped(&self, rect: Rect) -> Rect {
        rect.intersect(self.area)
    }
}

/// Paints the panel.
pub fn ui(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    let Some(partition) = scene.view.focus.partition else {
        ui.label("The trace names no partition.");
        return;
    };
    let width = (ui.available_width() - GUTTER - 8.0).max(40.0);
    let view = camera(scene, partition, width);
    let logs = replica_logs(scene.model, &scene.state, scene.view.focus.event, &view);
    chooser(scene, ui, &logs, commands);
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let height = (RULER + ROW * logs.rows.len() as f32 + consumers_height(&logs)).max(ui.available_height());
        let (rect, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), height), Sense::click_and_drag());
        let area = Rect::from_min_max(
            Pos2::new(rect.left() + GUTTER, rect.top()),
            Pos2::new(rect.left() + GUTTER + width, rect.bottom()),
        );
        navigate(ui, &response, &view, area, commands);
        let painter = ui.painter_at(rect);
        let frame = Frame { painter: &painter, tokens: scene.tokens, area, view };
        ruler(&frame, rect);
        for (i, row) in logs.rows.iter().enumerate() {
            let top = rect.top() + RULER + ROW * i as f32;
            paint_row(
                scene,
                ui,
                &frame,
                &logs,
                row,
                Rect::from_min_size(Pos2::new(rect.left(), top), Vec2::new(rect.width(), ROW)),
                commands,
            );
        }
        leader_watermark(&frame, &logs);
        focus_column(scene, &frame, &logs);
        lost(ui, &frame, &logs, commands);
        consumers(&frame, &logs, rect.top() + RULER + ROW * logs.rows.len() as f32, rect.left());
    });
}

fn chooser(scene: &Scene, ui: &mut Ui, logs: &ReplicaLogs, commands: &mut Vec<Command>) {
    let partition = logs.partition;
    ui.horizontal(|ui| {
        let chosen = egui::ComboBox::from_id_salt("partition").selected_text(partition.to_string()).show_ui(ui, |ui| {
            for topic in &scene.model.outline().topics {
                for index in &topic.partitions {
                    let other = Partition { topic: topic.name, index: *index };
                    if ui.selectable_label(other == partition, other.to_string()).clicked() {
                        commands.push(Command::Partition(other));
                    }
                }
            }
        });
        chosen.response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::ComboBox, true, "Partition"));
        if logs.believed_leaders.len() > 1 {
            let ids: Vec<String> = logs.believed_leaders.iter().map(i32::to_string).collect();
            let warning = format!("brokers {} believe to lead", ids.join(" and "));
            let short = egui::RichText::new("\u{26a0} two leaders").color(scene.tokens.violation_text);
            ui.label(short).on_hover_text(warning);
        }
        if let Some(state) = scene.state.partitions.get(&partition) {
            let leader = state.leader.map_or("none".into(), |id| format!("broker-{id}"));
            let text =
                format!("leader {leader}, epoch {}, ISR {} of {}", state.leader_epoch, state.isr, state.assignment);
            // The buttons at the right come first.
            let room = (ui.available_width() - 130.0).max(20.0);
            let label = egui::Label::new(egui::RichText::new(&text).color(scene.tokens.muted)).truncate();
            ui.scope(|ui| {
                ui.set_max_width(room);
                ui.add(label).on_hover_text(text);
            });
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let LogCamera { graveyard, .. } = scene.view.logs;
            if ui.selectable_label(graveyard, "truncated").on_hover_text("Show records that were cut off (G)").clicked()
            {
                commands.push(Command::Graveyard);
            }
            for (text, label, factor) in [("+", "Zoom logs in", 1.5), ("\u{2212}", "Zoom logs out", 1.0 / 1.5)] {
                let button = ui.small_button(text);
                button.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Button, true, label));
                if button.clicked() {
                    commands.push(Command::LogZoom(factor));
                }
            }
        });
    });
}

/// What the camera shows: around the focused offset or the leader's high watermark while it follows.
fn camera(scene: &Scene, partition: Partition, width: f32) -> LogView {
    let camera = scene.view.logs;
    let mut first = camera.first;
    if camera.follows {
        let state = scene.state.partitions.get(&partition);
        let tail = || {
            let replicas = state?.replicas.values();
            replicas.map(|replica| replica.log_end).max()
        };
        let visible = f64::from(width / camera.cell);
        let end = tail().unwrap_or(0) as f64;
        first = match scene.view.focus.offset {
            Some(offset) => offset as f64 - visible * 0.4,
            None => end - visible * 0.8,
        };
        first = first.min(end - visible * 0.5).max(0.0).floor();
    }
    LogView { partition, first, cell: camera.cell, width, graveyard: camera.graveyard }
}

fn navigate(ui: &Ui, response: &egui::Response, view: &LogView, area: Rect, commands: &mut Vec<Command>) {
    if response.dragged() {
        commands.push(Command::LogFrom(view.first - f64::from(response.drag_delta().x / view.cell)));
    }
    let Some(pointer) = response.hover_pos() else { return };
    if response.clicked() && area.contains(pointer) {
        let offset = view.first + f64::from((pointer.x - area.left()) / view.cell);
        commands.push(Command::Offset(view.partition, offset.max(0.0) as i64));
    }
    let zoom = ui.input(egui::InputState::zoom_delta);
    if zoom != 1.0 {
        commands.push(Command::LogZoom(zoom));
    }
    let sideways = ui.input(|input| input.smooth_scroll_delta.x);
    if sideways != 0.0 {
        commands.push(Command::LogFrom(view.first - f64::from(sideways / view.cell)));
    }
}

fn ruler(frame: &Frame, rect: Rect) {
    let least = 56.0 / f64::from(frame.view.cell);
    let mut step = 1i64;
    for factor in [2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000, 100_000, 1_000_000] {
        if (step as f64) < least {
            step = factor;
        }
    }
    let from = (frame.view.first.max(0.0) as i64).div_euclid(step) * step;
    let visible = f64::from(frame.area.width() / frame.view.cell) as i64;
    for offset in (0..=visible / step + 1).map(|n| from.saturating_add(n * step)) {
        let x = frame.x(offset);
        if frame.sees(x) {
            let at = Pos2::new(x + 2.0, rect.top() + 9.0);
            frame.painter.text(at, Align2::LEFT_CENTER, offset, small(), frame.tokens.muted);
            frame.painter.vline(x, rect.top() + 4.0..=rect.top() + 14.0, Stroke::new(1.0, frame.tokens.line));
        }
    }
    let title = Pos2::new(rect.left() + 6.0, rect.top() + 9.0);
    frame.painter.text(title, Align2::LEFT_CENTER, "offset", small(), frame.tokens.muted);
}

fn paint_row(
    scene: &Scene,
    ui: &Ui,
    frame: &Frame,
    logs: &ReplicaLogs,
    row: &ReplicaRow,
    rect: Rect,
    commands: &mut Vec<Command>,
) {
    let tokens = frame.tokens;
    gutter(frame, row, rect);
    let name = mark(
        ui,
        Rect::from_min_size(rect.min, Vec2::new(GUTTER - 4.0, ROW - 4.0)),
        ("replica", row.broker),
        &row_label(row),
    );
    if name.on_hover_text(row_label(row)).clicked() {
        commands.push(Command::Node(row.node));
    }
    let cells = Rect::from_min_size(Pos2::new(rect.left(), rect.top() + 12.0), Vec2::new(rect.width(), CELL));
    let offline = row.standing == Standing::Offline;
    let mut layer = Mesh::default();
    let gap = if frame.view.cell >= 6.0 { 1.0 } else { 0.0 };
    for run in &row.runs {
        let left = frame.area.left() + run.x;
        let run_rect =
            Rect::from_min_max(Pos2::new(left, cells.top()), Pos2::new(left + run.width - gap, cells.bottom()));
        let colour = if offline { thin(tokens.epoch(run.epoch), 0.45) } else { tokens.epoch(run.epoch) };
        quad(&mut layer, frame.clipped(run_rect), colour);
    }
    frame.painter.add(layer);
    if logs.detail != Detail::Density {
        separators(frame, row, cells);
    }
    ghosts(ui, frame, row, cells, commands);
    for run in &row.runs {
        let left = (frame.area.left() + run.x).max(frame.area.left());
        let room = frame.area.left() + run.x + run.width - left;
        if room > 16.0 {
            let at = Pos2::new(left + 1.0, cells.top() - 1.0);
            let text = if room > 60.0 { format!("epoch {}", run.epoch) } else { format!("e{}", run.epoch) };
            frame.painter.text(at, Align2::LEFT_BOTTOM, text, FontId::proportional(9.5), tokens.muted);
        }
    }
    if logs.detail == Detail::Text {
        for cell in row.cells.iter().take(CELLS) {
            paint_cell(scene, ui, frame, row, cell, cells, commands);
        }
    }
    divergence(frame, row, cells);
    row_marks(frame, row, cells);
}

fn row_label(row: &ReplicaRow) -> String {
    let standing = match row.standing {
        Standing::Leader => "leads",
        Standing::InSync => "in sync",
        Standing::OutOfSync => "out of sync",
        Standing::Offline => "offline",
    };
    format!(
        "{} {standing}, epoch {}, log {} to {}, high watermark {}, fsynced below {}",
        row.node, row.leader_epoch, row.log_start, row.log_end, row.high_watermark, row.recovery_point
    )
}

fn gutter(frame: &Frame, row: &ReplicaRow, rect: Rect) {
    let tokens = frame.tokens;
    let area = Rect::from_min_size(rect.min + Vec2::new(2.0, 10.0), Vec2::new(GUTTER - 8.0, CELL + 4.0));
    let mut layer = Mesh::default();
    quad(&mut layer, area, tokens.raised);
    if row.standing == Standing::OutOfSync {
        hatch(&mut layer, area, 6.0, thin(tokens.waiting, 0.35));
    }
    frame.painter.add(layer);
    let colour = if row.standing == Standing::Offline { tokens.absent } else { tokens.text };
    let centre = Pos2::new(area.left() + 12.0, area.center().y);
    if row.believes_leader || row.standing == Standing::Leader {
        crown(frame.painter, centre, 12.0, true, colour);
    } else if row.preferred {
        crown(frame.painter, centre, 12.0, false, colour);
    }
    frame.painter.text(Pos2::new(area.left() + 24.0, area.top() + 8.0), Align2::LEFT_CENTER, row.node, body(), colour);
    let (word, colour) = match row.standing {
        Standing::Leader => ("leader", tokens.good),
        Standing::InSync => ("in sync", tokens.good),
        Standing::OutOfSync => ("out of sync", tokens.waiting),
        Standing::Offline => ("\u{2716} offline", tokens.absent),
    };
    frame.painter.text(Pos2::new(area.left() + 24.0, area.bottom() - 7.0), Align2::LEFT_CENTER, word, small(), colour);
}

fn separators(frame: &Frame, row: &ReplicaRow, cells: Rect) {
    let mut layer = Mesh::default();
    let visible = f64::from(frame.area.width() / frame.view.cell) as i64 + 2;
    let from = (frame.view.first as i64).max(row.log_start);
    for offset in from..from.saturating_add(visible).min(row.log_end) {
        let x = frame.x(offset);
        quad(
            &mut layer,
            frame.clipped(Rect::from_min_max(Pos2::new(x - 1.0, cells.top()), Pos2::new(x, cells.bottom()))),
            frame.tokens.panel,
        );
    }
    frame.painter.add(layer);
}

fn paint_cell(
    scene: &Scene,
    ui: &Ui,
    frame: &Frame,
    row: &ReplicaRow,
    cell: &Cell,
    cells: Rect,
    commands: &mut Vec<Command>,
) {
    let left = frame.area.left() + cell.x;
    let rect = Rect::from_min_size(Pos2::new(left, cells.top()), Vec2::new(frame.view.cell - 1.0, CELL));
    if rect.left() < frame.area.left() - 0.5 || rect.right() > frame.area.right() + 0.5 {
        return;
    }
    let fill = frame.tokens.epoch(cell.epoch);
    let words = if row.standing == Standing::Offline { frame.tokens.text } else { Tokens::on(fill) };
    let digits = cell.offset.to_string();
    if digits.len() as f32 * 5.6 <= rect.width() {
        frame.painter.text(
            rect.center_top() + Vec2::new(0.0, 2.0),
            Align2::CENTER_TOP,
            &digits,
            FontId::proportional(9.5),
            words,
        );
    }
    if let Some(text) = &cell.text
        && rect.width() >= 20.0
    {
        let (key, _) = fonts::readable(ui.ctx(), &text.key);
        let fits = (rect.width() / 5.0) as usize;
        let said = if rect.width() < 60.0 {
            fonts::end_of(&key, fits).into_owned()
        } else {
            let (value, _) = fonts::readable(ui.ctx(), &text.value);
            fonts::start_of(&format!("{key} = {value}"), fits).into_owned()
        };
        let at = rect.center_bottom() - Vec2::new(0.0, 1.0);
        frame.painter.text(at, Align2::CENTER_BOTTOM, said, FontId::proportional(8.5), words);
    }
    if scene.view.focus.offset == Some(cell.offset) {
        frame.painter.rect_stroke(rect, 0.0, Stroke::new(1.5, frame.tokens.cursor), StrokeKind::Inside);
    }
    let label = format!("{} offset {}{}", row.node, cell.offset, cell.flaws());
    let response = mark(ui, rect, ("cell", row.broker, cell.offset), &label);
    let clicked = response.clicked();
    response.on_hover_ui(|ui| {
        ui.label(cell.label(row.node));
        if let Some(text) = &cell.text {
            let (key, _) = fonts::readable(ui.ctx(), &text.key);
            let (value, lacking) = fonts::readable(ui.ctx(), &text.value);
            ui.label(format!(
                "key {key}\nvalue {value}\ntimestamp {} ms\nrecord {} of {}\ncrc {:08x}",
                text.timestamp, text.sequence, text.producer, cell.crc
            ));
            if lacking {
                ui.label(fonts::ADVICE);
            }
        }
    });
    if clicked {
        commands.push(Command::Offset(frame.view.partition, cell.offset));
    }
}

fn ghosts(ui: &Ui, frame: &Frame, row: &ReplicaRow, cells: Rect, commands: &mut Vec<Command>) {
    for (i, ghost) in row.ghosts.iter().enumerate() {
        let left = frame.area.left() + ghost.x;
        let top = cells.bottom() + 9.0;
        let rect =
            frame.clipped(Rect::from_min_max(Pos2::new(left, top), Pos2::new(left + ghost.width.max(3.0), top + 7.0)));
        if !rect.is_positive() {
            continue;
        }
        let colour =
            if ghost.fresh { frame.tokens.epoch(ghost.epoch) } else { thin(frame.tokens.epoch(ghost.epoch), 0.45) };
        let mut layer = Mesh::default();
        hatch(&mut layer, rect, 4.0, colour);
        frame.painter.add(layer);
        frame.painter.rect_stroke(rect, 0.0, Stroke::new(0.8, colour), StrokeKind::Inside);
        frame.painter.hline(rect.x_range(), rect.center().y, Stroke::new(1.0, frame.tokens.text));
        let label = &ghost.label;
        let response = mark(ui, rect, ("ghost", row.broker, i), label).on_hover_text(label);
        if response.clicked() {
            commands.push(Command::Event(ghost.index));
        }
    }
}

/// Where the replica differs from the leader: a zig-zag at the first offset, an outline, and words.
fn divergence(frame: &Frame, row: &ReplicaRow, cells: Rect) {
    let stroke = Stroke::new(2.0, frame.tokens.violation);
    for (from, to) in &row.diverged {
        let (from, to) = (frame.x(*from), frame.x(*to));
        let rect = frame.clipped(Rect::from_min_max(Pos2::new(from, cells.top()), Pos2::new(to, cells.bottom())));
        if !rect.is_positive() {
            continue;
        }
        frame.painter.rect_stroke(rect, 0.0, stroke, StrokeKind::Outside);
        if frame.sees(from) {
            let teeth = 5;
            let height = CELL / teeth as f32;
            let zigzag: Vec<Pos2> = (0..=teeth)
                .map(|i| Pos2::new(from + if i % 2 == 0 { -2.0 } else { 2.0 }, cells.top() + height * i as f32))
                .collect();
            frame.painter.add(Shape::line(zigzag, stroke));
        }
        // The epoch stands at the stretch's left.
        let words = if rect.width() > 190.0 { "\u{2260} differs from the leader" } else { "\u{2260}" };
        let sign = frame.painter.layout_no_wrap(words.into(), small(), frame.tokens.violation_text);
        let at = Pos2::new(rect.right() - sign.size().x - 2.0, cells.top() - sign.size().y - 2.0);
        let ground = Rect::from_min_size(at, sign.size()).expand2(Vec2::new(1.0, 0.0));
        frame.painter.rect_filled(ground, 2.0, frame.tokens.panel);
        frame.painter.galley(at, sign, frame.tokens.violation_text);
    }
}

fn row_marks(frame: &Frame, row: &ReplicaRow, cells: Rect) {
    let tokens = frame.tokens;
    let start = frame.x(row.log_start);
    if frame.sees(start) && row.log_start > 0 {
        let stroke = Stroke::new(2.0, tokens.text);
        frame.painter.vline(start, cells.top() - 3.0..=cells.bottom() + 3.0, stroke);
    }
    let end = frame.x(row.log_end);
    if frame.sees(end) {
        frame.painter.vline(end, cells.top() - 3.0..=cells.bottom() + 3.0, Stroke::new(2.0, tokens.text));
        let at = Pos2::new(end + 4.0, cells.top() - 1.0);
        frame.painter.text(
            at,
            Align2::LEFT_BOTTOM,
            format!("LEO {}", row.log_end),
            FontId::proportional(9.5),
            tokens.muted,
        );
    }
    let watermark = frame.x(row.high_watermark);
    if frame.sees(watermark) {
        let tip = Pos2::new(watermark, cells.bottom());
        let triangle = vec![tip, tip + Vec2::new(4.5, 7.0), tip + Vec2::new(-4.5, 7.0)];
        frame.painter.add(Shape::convex_polygon(triangle, tokens.text, Stroke::NONE));
        let at = tip + Vec2::new(7.0, 4.0);
        frame.painter.text(
            at,
            Align2::LEFT_CENTER,
            format!("HW {}", row.high_watermark),
            FontId::proportional(9.5),
            tokens.muted,
        );
    }
}

fn leader_watermark(frame: &Frame, logs: &ReplicaLogs) {
    let Some(watermark) = logs.full_hw else { return };
    let x = frame.x(watermark);
    if frame.sees(x) {
        let bottom = frame.area.top() + RULER + ROW * logs.rows.len() as f32;
        let ends = [Pos2::new(x, frame.area.top() + RULER - 2.0), Pos2::new(x, bottom)];
        frame.painter.extend(Shape::dashed_line(&ends, Stroke::new(1.0, frame.tokens.text), 5.0, 3.0));
    }
}

fn focus_column(scene: &Scene, frame: &Frame, logs: &ReplicaLogs) {
    let Some(offset) = scene.view.focus.offset else { return };
    let (left, right) = (frame.x(offset), frame.x(offset.saturating_add(1)));
    let bottom = frame.area.top() + RULER + ROW * logs.rows.len() as f32;
    let rect = frame.clipped(Rect::from_min_max(
        Pos2::new(left, frame.area.top() + 16.0),
        Pos2::new(right.max(left + 2.0), bottom),
    ));
    if rect.is_positive() {
        frame.painter.rect_filled(rect, 0.0, thin(frame.tokens.cursor, 0.08));
        frame.painter.rect_stroke(rect, 0.0, Stroke::new(1.0, thin(frame.tokens.cursor, 0.5)), StrokeKind::Middle);
    }
}

/// Records that were acknowledged and that the leader does not have.
fn lost(ui: &Ui, frame: &Frame, logs: &ReplicaLogs, commands: &mut Vec<Command>) {
    let mut shown_to = f32::NEG_INFINITY;
    for cell in &logs.lost {
        let x = frame.x(cell.offset);
        if !frame.sees(x) || x < shown_to {
            continue;
        }
        shown_to = x + 12.0;
        let width = frame.view.cell.max(14.0);
        let rect = Rect::from_min_size(Pos2::new(x, frame.area.top() + 15.0), Vec2::new(width, 14.0));
        skull(frame.painter, rect.center(), frame.tokens);
        let label = format!("offset {} was acknowledged and is lost", cell.offset);
        let brokers: Vec<String> = cell.on.iter().map(|id| format!("broker-{id}")).collect();
        let on =
            if brokers.is_empty() { "no replica has it".into() } else { format!("only on {}", brokers.join(", ")) };
        let response = mark(ui, rect, ("lost", cell.offset), &label).on_hover_text(format!("{label}; {on}"));
        if response.clicked() {
            commands.push(Command::Event(cell.acked));
        }
    }
}

fn skull(painter: &egui::Painter, at: Pos2, tokens: &Tokens) {
    let colour = tokens.violation;
    painter.circle_filled(at - Vec2::new(0.0, 1.5), 5.0, colour);
    painter.rect_filled(Rect::from_center_size(at + Vec2::new(0.0, 3.0), Vec2::new(6.0, 5.0)), 1.0, colour);
    for dx in [-2.0, 2.0] {
        painter.circle_filled(at + Vec2::new(dx, -1.5), 1.4, tokens.panel);
    }
}

fn consumers_height(logs: &ReplicaLogs) -> f32 {
    if logs.consumers.is_empty() { 4.0 } else { 10.0 + 28.0 * logs.consumers.len() as f32 }
}

fn consumers(frame: &Frame, logs: &ReplicaLogs, top: f32, left: f32) {
    let tokens = frame.tokens;
    for (i, consumer) in logs.consumers.iter().enumerate() {
        let y = top + 12.0 + 28.0 * i as f32;
        let name = Pos2::new(left + 6.0, y);
        frame.painter.text(name, Align2::LEFT_CENTER, consumer.client, small(), tokens.text);
        let flag = |x: f32, filled: bool, colour: Color32| {
            let x = frame.area.left() + x;
            if !frame.sees(x) {
                return;
            }
            frame.painter.vline(x, y - 7.0..=y + 6.0, Stroke::new(1.5, colour));
            let corners = vec![Pos2::new(x, y - 7.0), Pos2::new(x + 9.0, y - 3.5), Pos2::new(x, y)];
            let fill = if filled { colour } else { Color32::TRANSPARENT };
            frame.painter.add(Shape::convex_polygon(corners, fill, Stroke::new(1.0, colour)));
        };
        if let Some(x) = consumer.x_position {
            flag(x, false, tokens.link);
        }
        if let Some(x) = consumer.x_processed {
            flag(x, true, tokens.good);
        }
        let position = consumer.position.map_or("none".into(), |offset| offset.to_string());
        let text = format!("position {position}, processed to {}, lag {}", consumer.processed_to, consumer.lag);
        let at = Pos2::new(left + 6.0, y + 12.0);
        frame.painter.text(at, Align2::LEFT_CENTER, text, small(), tokens.muted);
    }
}
