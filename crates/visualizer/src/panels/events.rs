//! The list of events: only rows in sight are laid out.

use egui::{RichText, Ui, WidgetInfo, accesskit::Role};

use crate::app::command::Command;
use crate::layout::{EventRow, event_rows};
use crate::model::{Direction, Query};
use crate::panels::{Scene, severity_colour, severity_glyph};

const ROW: f32 = 18.0;

/// Paints the panel.
pub fn ui(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    search(scene, ui, commands);
    let count = scene.rows.len();
    if count == 0 {
        ui.label(RichText::new("No event matches. Esc clears the search.").color(scene.tokens.muted));
        return;
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    let mut area = egui::ScrollArea::vertical().auto_shrink(false);
    let focus = scene.view.focus.event;
    let seen = ui.scope_id().with("followed");
    let key = (focus, count);
    if ui.data(|data| data.get_temp::<(usize, usize)>(seen)) != Some(key) {
        ui.data_mut(|data| data.insert_temp(seen, key));
        let row = scene.rows.row_of(focus).unwrap_or(0) as f32;
        area = area.vertical_scroll_offset((row * ROW - ui.available_height() * 0.45).max(0.0));
    }
    area.show_rows(ui, ROW, count, |ui, range| {
        for row in event_rows(scene.model, &scene.rows, range.start, range.len()) {
            event_row(scene, ui, &row, commands);
        }
    });
}

fn search(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    let filter = &scene.view.filter;
    let mut text = filter.text.clone();
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 150.0).max(60.0);
        let field = egui::TextEdit::singleline(&mut text).hint_text("search events").desired_width(width);
        let response = ui.add(field);
        response.widget_info(|| WidgetInfo::labeled(Role::SearchInput, true, "Search events"));
        if filter.wants_keyboard {
            response.request_focus();
        }
        if response.changed() {
            commands.push(Command::Filter(text));
        }
        if response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter)) {
            commands.push(Command::Find(Direction::Forward));
        }
        response.on_hover_ui(|ui| {
            ui.label("Words are joined by and. For example:");
            for example in Query::examples() {
                ui.monospace(*example);
            }
        });
        let found = format!("{} of {}", grouped(scene.rows.len()), grouped(scene.model.len()));
        ui.label(RichText::new(found).small().color(scene.tokens.muted));
    });
    if let Some(problem) = &filter.problem {
        ui.label(RichText::new(format!("\u{26a0} {problem}")).color(scene.tokens.waiting));
    }
}

fn event_row(scene: &Scene, ui: &mut Ui, row: &EventRow, commands: &mut Vec<Command>) {
    let tokens = scene.tokens;
    let selected = row.index == scene.view.focus.event;
    let (rect, response) = ui.allocate_exact_size(egui::vec2(ui.available_width(), ROW), egui::Sense::click());
    response.widget_info(|| {
        let label = format!("event {} {} {}: {}", row.id, row.time, row.node, row.text);
        WidgetInfo::selected(Role::Row, true, selected, label)
    });
    let painter = ui.painter_at(rect);
    if selected {
        painter.rect_filled(rect, 0.0, tokens.selected);
    } else if response.hovered() {
        painter.rect_filled(rect, 0.0, tokens.raised);
    }
    let faint = scene.view.dimmed(row.index);
    let of = |colour| if faint { crate::theme::thin(colour, 0.4) } else { colour };
    let y = rect.center().y;
    let put = |x: f32, text: &str, font: egui::FontId, colour| {
        let at = egui::pos2(rect.left() + x, y);
        painter.text(at, egui::Align2::LEFT_CENTER, text, font, of(colour)).right() - rect.left()
    };
    let mono = egui::FontId::monospace(11.0);
    put(4.0, &row.time, mono.clone(), tokens.muted);
    put(70.0, severity_glyph(row.severity), mono.clone(), severity_colour(tokens, row.severity));
    let left = (put(84.0, row.node.as_str(), mono, tokens.link) + 8.0).max(190.0);
    let (text, _) = crate::app::fonts::readable(ui.ctx(), &row.text);
    let mut job = egui::text::LayoutJob::simple_singleline(text.into_owned(), crate::panels::body(), of(tokens.text));
    job.wrap = egui::text::TextWrapping::truncate_at_width((rect.width() - left - 4.0).max(20.0));
    let words = painter.layout_job(job);
    painter.galley(egui::pos2(rect.left() + left, y - words.size().y / 2.0), words, tokens.text);
    let response = response.on_hover_text_at_pointer(format!("{} {}\n{}", row.kind, row.id, row.text));
    if response.clicked() {
        commands.push(Command::Event(row.index));
    }
}

/// A count with thousands separated.
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn counts_have_their_thousands_apart() {
        assert_eq!(super::grouped(999), "999");
        assert_eq!(super::grouped(1_204_811), "1,204,811");
    }
}
