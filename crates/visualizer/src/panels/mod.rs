//! The panels. Each reads the scene, paints, and collects commands; none changes what others read.

pub mod cluster;
pub mod events;
pub mod inspector;
pub mod logs;
pub mod outline;
pub mod overlays;
pub mod shell;
pub mod timeline;

use std::sync::Arc;

use egui::epaint::Mesh;
use egui::{Color32, FontId, Pos2, Rect, Response, Sense, Stroke, Ui, WidgetInfo, accesskit::Role};
use state::ClusterState;

use crate::app::view::ViewState;
use crate::layout::{EventRows, Inspection};
use crate::model::{Model, Severity};
use crate::theme::Tokens;

/// All that a panel may read.
pub struct Scene<'a> {
    /// The trace.
    pub model: &'a Model,
    /// What one sees and how.
    pub view: &'a ViewState,
    /// The cluster right after the focused event.
    pub state: Arc<ClusterState>,
    /// The rows of the event list.
    pub rows: Arc<EventRows>,
    /// The inspection of the focused event.
    pub inspection: Arc<Option<Inspection>>,
    /// The colours.
    pub tokens: &'static Tokens,
}

/// Makes a painted thing clickable, and findable by its label for screen readers and tests.
pub fn mark(ui: &Ui, rect: Rect, salt: impl egui::AsIdSalt, label: &str) -> Response {
    let response = ui.interact(rect, ui.scope_id().with(salt), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, label));
    response
}

/// Adds a rectangle to a layer.
pub fn quad(mesh: &mut Mesh, rect: Rect, colour: Color32) {
    if rect.is_positive() {
        mesh.add_colored_rect(rect, colour);
    }
}

/// Adds slanted stripes over a rectangle to a layer: a texture where colour alone must not speak.
pub fn hatch(mesh: &mut Mesh, rect: Rect, gap: f32, colour: Color32) {
    let mut x = rect.left() - rect.height();
    while x < rect.right() {
        let slant = |from: f32| {
            let (low, high) =
                (from.clamp(rect.left(), rect.right()), (from + rect.height()).clamp(rect.left(), rect.right()));
            (Pos2::new(low, rect.bottom() - (low - from)), Pos2::new(high, rect.bottom() - (high - from)))
        };
        let ((a, b), (c, d)) = (slant(x), slant(x + 1.5));
        let first = mesh.vertices.len() as u32;
        for corner in [a, b, d, c] {
            mesh.colored_vertex(corner, colour);
        }
        mesh.add_triangle(first, first + 1, first + 2);
        mesh.add_triangle(first, first + 2, first + 3);
        x += gap;
    }
}

/// A crown: filled for who leads, outlined for who is preferred to.
pub fn crown(painter: &egui::Painter, centre: Pos2, size: f32, filled: bool, colour: Color32) {
    let at = |x: f32, y: f32| centre + egui::vec2(x * size, y * size);
    let outline = vec![
        at(-0.5, 0.35),
        at(-0.5, -0.35),
        at(-0.22, 0.02),
        at(0.0, -0.45),
        at(0.22, 0.02),
        at(0.5, -0.35),
        at(0.5, 0.35),
    ];
    if filled {
        // Concave, so painted in convex pieces.
        for piece in [[0, 1, 2, 0], [0, 2, 3, 4], [0, 4, 6, 0], [4, 5, 6, 4]] {
            let corners = piece.map(|corner| outline[corner]).to_vec();
            painter.add(egui::Shape::convex_polygon(corners, colour, Stroke::NONE));
        }
    } else {
        painter.add(egui::Shape::closed_line(outline, Stroke::new(1.0, colour)));
    }
}

/// The glyph of a severity: colour never speaks alone.
pub fn severity_glyph(severity: Severity) -> &'static str {
    match severity {
        Severity::Violation => "\u{26a0}",
        Severity::Error => "\u{2716}",
        Severity::Warning => "\u{25b2}",
        Severity::Notice => "\u{25cf}",
        Severity::Normal | Severity::Trace => "\u{00b7}",
    }
}

/// The colour of a severity's mark.
pub fn severity_colour(tokens: &Tokens, severity: Severity) -> Color32 {
    match severity {
        Severity::Violation => tokens.violation,
        Severity::Error => tokens.fault,
        Severity::Warning => tokens.waiting,
        Severity::Notice => tokens.kafka,
        Severity::Normal | Severity::Trace => tokens.absent,
    }
}

/// Small words.
pub fn small() -> FontId {
    FontId::proportional(10.5)
}

/// Words in a lane or beside a row.
pub fn body() -> FontId {
    FontId::proportional(12.0)
}

/// A panel's heading; it is also where the panel can be dragged to another place.
pub fn heading(ui: &mut Ui, title: &str, detail: &str, tokens: &Tokens) -> Response {
    let (rect, response) = ui.allocate_exact_size(egui::vec2(ui.available_width(), 20.0), Sense::drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Heading, true, title));
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 0.0, tokens.raised);
    let left = rect.left_center() + egui::vec2(6.0, 0.0);
    let end = painter.text(left, egui::Align2::LEFT_CENTER, title, FontId::proportional(12.0), tokens.text).right();
    let at = Pos2::new(end + 10.0, rect.center().y);
    painter.text(at, egui::Align2::LEFT_CENTER, detail, small(), tokens.muted);
    response.on_hover_cursor(egui::CursorIcon::Grab)
}

/// A line of text that can be clicked, with words at its right end.
pub fn line(ui: &mut Ui, selected: bool, text: egui::RichText, right: &str, label: &str) -> Response {
    let muted = ui.visuals().weak_text_color.unwrap_or(ui.visuals().text_color());
    let width = ui.available_width();
    let mut button = egui::Button::selectable(selected, text).truncate().min_size(egui::vec2(width, 18.0));
    if !right.is_empty() {
        button = button.right_text(egui::RichText::new(right).small().color(muted));
    }
    let response = ui.add(button);
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, selected, label));
    response
}
