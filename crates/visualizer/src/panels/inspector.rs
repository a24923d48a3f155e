//! The event in focus: what it says, what it changed, why it happened, and what it led to.

use egui::{RichText, Ui};

use crate::app::command::Command;
use crate::app::fonts;
use crate::layout::{Inspection, WhyStep, format_time};
use crate::model::Severity;
use crate::panels::{Scene, line, severity_colour, severity_glyph};

/// How many effects are listed: the rest is counted.
const EFFECTS: usize = 12;
/// How many violations of one event are told in full.
const COMMITTED: usize = 3;

/// Paints the panel.
pub fn ui(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    let Some(inspection) = scene.inspection.as_ref() else {
        ui.label(RichText::new("The trace holds no event.").color(scene.tokens.muted));
        return;
    };
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        headline(scene, inspection, ui);
        committed(scene, ui, commands);
        why(scene, inspection, ui, commands);
        changes(scene, inspection, ui);
        details(scene, inspection, ui);
        effects(scene, inspection, ui, commands);
    });
}

fn headline(scene: &Scene, inspection: &Inspection, ui: &mut Ui) {
    let (tokens, severity) = (scene.tokens, inspection.severity);
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(severity_glyph(severity)).color(severity_colour(tokens, severity)));
        ui.label(RichText::new(inspection.kind.to_string()).strong());
        ui.label(RichText::new(format!("{}  {}", inspection.time, inspection.node)).color(tokens.link));
        ui.label(RichText::new(format!("event {}", inspection.id)).small().color(tokens.muted));
    });
    let (text, lacking) = fonts::readable(ui.ctx(), &inspection.text);
    let colour = if severity == Severity::Violation { tokens.violation_text } else { tokens.text };
    ui.label(RichText::new(text.as_ref()).color(colour));
    if lacking {
        ui.label(RichText::new(fonts::ADVICE).small().color(tokens.muted));
    }
    ui.add_space(4.0);
}

/// The violations that the event in focus committed: each leads to its report.
fn committed(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    let violations = scene.model.outline().violations.iter().enumerate();
    for (i, item) in violations.filter(|(_, item)| item.commits == Some(scene.view.focus.event)).take(COMMITTED) {
        let said = format!("\u{26a0} With this, {} was violated: {}", item.oracle, item.summary);
        let (text, _) = fonts::readable(ui.ctx(), &said);
        let link = ui.link(RichText::new(text.as_ref()).color(scene.tokens.violation_text));
        let label = format!("report of violation {}: {}", i + 1, item.oracle);
        link.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Link, true, &label));
        if link.clicked() {
            commands.push(Command::Event(item.index));
        }
    }
}

fn why(scene: &Scene, inspection: &Inspection, ui: &mut Ui, commands: &mut Vec<Command>) {
    let steps = &inspection.why;
    section(ui, "Why", &format!("{} steps", steps.len()), true, |ui| {
        let mut shown = std::collections::BTreeSet::new();
        let mut repeats = 0;
        for (i, step) in steps.iter().enumerate().skip(1) {
            // Frame after frame may be lost to one fault: the first tells it all.
            let lost = step.text.split('(').next().unwrap_or_default();
            let subject = if step.fault { step.index.to_string() } else { format!("{} {lost}", step.node) };
            if shown.insert(subject) {
                why_step(scene, ui, i, step, commands);
            } else {
                repeats += 1;
            }
        }
        if repeats > 0 {
            ui.label(RichText::new(format!("and {repeats} steps that repeat these")).small().color(scene.tokens.muted));
        }
        if steps.len() <= 1 {
            ui.label(RichText::new("Nothing recorded caused it: it began by itself.").color(scene.tokens.muted));
        }
    });
}

fn why_step(scene: &Scene, ui: &mut Ui, i: usize, step: &WhyStep, commands: &mut Vec<Command>) {
    let tokens = scene.tokens;
    if step.folded > 0 {
        let folded = format!("   \u{2026} {} steps between, such as frames", step.folded);
        ui.label(RichText::new(folded).small().color(tokens.muted));
    }
    let glyph = if step.fault { "\u{26a1}" } else { "\u{2190}" };
    let colour = if step.fault { tokens.fault } else { tokens.text };
    let (text, _) = fonts::readable(ui.ctx(), &step.text);
    let shown = RichText::new(format!("{glyph} {}: {text}", step.node)).color(colour);
    let shown = if step.fault { shown.strong() } else { shown };
    let label = format!("why {i}: {} {}", step.node, step.text);
    let response = line(ui, false, shown, &step.time.to_string(), &label).on_hover_text(&step.text);
    if response.clicked() {
        commands.push(Command::Event(step.index));
    }
}

fn changes(scene: &Scene, inspection: &Inspection, ui: &mut Ui) {
    let changes = &inspection.changes;
    let tokens = scene.tokens;
    section(ui, "Changed", &changes.len().to_string(), true, |ui| {
        if changes.is_empty() {
            ui.label(RichText::new("Nothing of the cluster's state.").color(tokens.muted));
        }
        for change in changes {
            ui.horizontal_wrapped(|ui| {
                ui.label(RichText::new(&change.subject).color(tokens.link));
                ui.label(RichText::new(change.field).color(tokens.muted));
                ui.label(RichText::new(&change.before).strikethrough().color(tokens.muted));
                ui.label("\u{2192}");
                ui.label(RichText::new(&change.after).strong());
            });
        }
    });
}

fn details(scene: &Scene, inspection: &Inspection, ui: &mut Ui) {
    let tokens = scene.tokens;
    section(ui, "Fields", &inspection.fields.len().to_string(), true, |ui| {
        egui::Grid::new("fields").num_columns(2).spacing([10.0, 2.0]).show(ui, |ui| {
            for (name, value) in &inspection.fields {
                ui.label(RichText::new(name).color(tokens.muted));
                let (value, _) = fonts::readable(ui.ctx(), value);
                ui.add(egui::Label::new(RichText::new(value.as_ref()).monospace()).wrap());
                ui.end_row();
            }
        });
    });
    section(ui, "Raw line", "", false, |ui| {
        let (raw, _) = fonts::readable(ui.ctx(), &inspection.raw);
        ui.add(egui::Label::new(RichText::new(raw.as_ref()).monospace().small()).wrap());
        if ui.button("Copy the line").clicked() {
            ui.ctx().copy_text(inspection.raw.clone());
        }
    });
}

fn effects(scene: &Scene, inspection: &Inspection, ui: &mut Ui, commands: &mut Vec<Command>) {
    let effects = &inspection.effects;
    section(ui, "Led to", &effects.len().to_string(), false, |ui| {
        for (i, index) in effects.iter().copied().enumerate().take(EFFECTS) {
            let Some(event) = scene.model.events().get(index) else { continue };
            let said = state::describe(&event.kind);
            let (text, _) = fonts::readable(ui.ctx(), &said);
            let shown = RichText::new(format!("\u{2192} {}: {text}", event.node)).color(scene.tokens.text);
            let label = format!("effect {}: {} {said}", i + 1, event.node);
            if line(ui, false, shown, &format_time(event.at), &label).clicked() {
                commands.push(Command::Event(index));
            }
        }
        if effects.len() > EFFECTS {
            let rest = format!("and {} more", effects.len() - EFFECTS);
            ui.label(RichText::new(rest).color(scene.tokens.muted));
        }
    });
}

fn section(ui: &mut Ui, title: &str, count: &str, open: bool, contents: impl FnOnce(&mut Ui)) {
    let title_text = if count.is_empty() { title.to_owned() } else { format!("{title} ({count})") };
    egui::CollapsingHeader::new(RichText::new(title_text).strong())
        .id_salt(("inspector", title))
        .default_open(open)
        .show_unindented(ui, contents);
}
