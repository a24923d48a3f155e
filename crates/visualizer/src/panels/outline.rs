//! Violations, faults, nodes and topics: what there is, and how it stands now.

use egui::{RichText, Ui};
use trace::{Partition, StopReason};

use crate::app::command::Command;
use crate::layout::format_time;
use crate::model::At;
use crate::panels::{Scene, line};

/// Paints the panel.
pub fn ui(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 1.0;
        violations(scene, ui, commands);
        faults(scene, ui, commands);
        nodes(scene, ui, commands);
        topics(scene, ui, commands);
        marks(scene, ui, commands);
    });
}

fn section(ui: &mut Ui, name: &str, count: usize, open: bool, contents: impl FnOnce(&mut Ui)) {
    let title = RichText::new(format!("{name} ({count})")).strong();
    egui::CollapsingHeader::new(title).id_salt(("outline", name)).default_open(open).show_unindented(ui, contents);
}

fn violations(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    let items = &scene.model.outline().violations;
    section(ui, "Violations", items.len(), true, |ui| {
        if items.is_empty() {
            ui.label(RichText::new("\u{2714} none: every oracle is content").color(scene.tokens.muted));
        }
        for (i, item) in items.iter().enumerate() {
            let text = RichText::new(format!("\u{26a0} {}", item.oracle)).color(scene.tokens.violation_text);
            let label = format!("violation {}: {}", i + 1, item.oracle);
            let selected = [Some(item.index), item.commits].contains(&Some(scene.view.focus.event));
            let expected = if item.expected { "\nThe scenario expects it." } else { "" };
            let response = line(ui, selected, text, &format_time(item.at), &label)
                .on_hover_text(format!("{}\n{}{expected}", item.summary, item.signature));
            if response.clicked() {
                commands.push(Command::GoTo(At::Violation(i + 1)));
            }
        }
    });
}

fn faults(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    let items = &scene.model.outline().faults;
    let now = scene.model.at(scene.view.focus.event);
    section(ui, "Faults", items.len(), true, |ui| {
        for item in items {
            let active =
                item.index <= scene.view.focus.event && item.ended.is_none_or(|(end, _)| end > scene.view.focus.event);
            let glyph = if item.without_effect.is_some() {
                "\u{2205}"
            } else if active {
                "\u{25cf}"
            } else {
                "\u{25cb}"
            };
            let text = RichText::new(format!("{glyph} {} {}", item.kind, item.target)).color(scene.tokens.text);
            let text = if active { text.strong() } else { text };
            let until = item.ended.map_or("open".into(), |(_, at)| format_time(at));
            let label = format!("fault {}: {} {}", item.fault, item.kind, item.target);
            let mut tip =
                format!("{}: {} {}\nfrom {} to {until}", item.fault, item.kind, item.target, format_time(item.at));
            if let Some(reason) = item.without_effect {
                tip += &format!("\nhit nothing: {reason}");
            }
            let active_for =
                if active { format!("+{}", format_time(now.saturating_sub(item.at))) } else { format_time(item.at) };
            let response = line(ui, scene.view.focus.event == item.index, text, &active_for, &label).on_hover_text(tip);
            if response.clicked() {
                commands.push(Command::Event(item.index));
            }
        }
    });
}

/// The first of these words that leaves room for the name at its left; nothing where none does.
fn first_that_fits<'a>(ui: &Ui, name: &str, words: [&'a str; 2]) -> &'a str {
    // About what a letter takes, and the sign before the name.
    let room = ui.available_width() - 6.8 * name.chars().count() as f32 - 34.0;
    words.into_iter().find(|words| 5.4 * words.chars().count() as f32 <= room).unwrap_or("")
}

fn nodes(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    let items = &scene.model.outline().nodes;
    section(ui, "Nodes", items.len(), true, |ui| {
        for item in items {
            let standing = scene.state.nodes.get(&item.name);
            let (glyph, word, colour) = match standing {
                Some(node) if node.paused => ("\u{23f8}", "paused", scene.tokens.waiting),
                Some(node) if node.up => ("\u{25cf}", "up", scene.tokens.good),
                Some(node) if node.stopped == Some(StopReason::Exit) => ("\u{25cb}", "ended", scene.tokens.absent),
                Some(_) => ("\u{2716}", "down", scene.tokens.fault),
                None => ("\u{25cb}", "not started", scene.tokens.absent),
            };
            let mut right = word.to_owned();
            if scene.state.controller.is_some_and(|(name, _)| name == item.name) {
                right = format!("controller, {word}");
            } else if scene.state.zookeeper_leader() == Some(item.name) {
                right = format!("ZooKeeper leader, {word}");
            }
            let shown = first_that_fits(ui, item.name.as_str(), [&right, word]);
            let mut text = egui::text::LayoutJob::default();
            let format =
                |colour| egui::TextFormat { color: colour, font_id: crate::panels::body(), ..Default::default() };
            text.append(glyph, 0.0, format(colour));
            text.append(item.name.as_str(), 6.0, format(scene.tokens.text));
            let selected = scene.view.focus.node == Some(item.name);
            let label = format!("node {}: {right}", item.name);
            let muted = scene.tokens.muted;
            let button = egui::Button::selectable(selected, text)
                .truncate()
                .min_size(egui::vec2(ui.available_width(), 18.0))
                .right_text(RichText::new(shown).small().color(muted));
            let response = ui.add(button);
            response.widget_info(|| egui::WidgetInfo::selected(egui::accesskit::Role::Button, true, selected, &label));
            if response.clicked() {
                commands.push(Command::Node(item.name));
            }
        }
    });
}

fn topics(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    let items = &scene.model.outline().topics;
    section(ui, "Topics", items.len(), true, |ui| {
        for topic in items {
            for index in &topic.partitions {
                let partition = Partition { topic: topic.name, index: *index };
                let selected = scene.view.focus.partition == Some(partition);
                let (right, short) = match scene.state.partitions.get(&partition) {
                    Some(state) => {
                        let leader = state.leader.map_or("none".into(), |id| id.to_string());
                        (
                            format!("leader {leader}, ISR {} of {}", state.isr, state.assignment.sorted()),
                            state.isr.len() < state.assignment.len(),
                        )
                    }
                    None => ("not created".into(), false),
                };
                let glyph = if short { "\u{25b2}" } else { "\u{25cf}" };
                let colour = if short { scene.tokens.waiting } else { scene.tokens.text };
                let text = RichText::new(format!("{glyph} {partition}")).color(colour);
                let short = right.split_once(", ").map_or("", |(_, short)| short);
                let shown = first_that_fits(ui, &partition.to_string(), [&right, short]);
                let response = line(ui, selected, text, shown, &format!("partition {partition}: {right}"));
                if response.clicked() {
                    commands.push(Command::Partition(partition));
                }
            }
        }
    });
}

fn marks(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    let items = &scene.model.outline().marks;
    section(ui, "Marks", items.len(), false, |ui| {
        for item in items {
            let at = format_time(scene.model.at(item.index));
            let text = RichText::new(item.mark.as_str()).color(scene.tokens.text);
            if line(ui, scene.view.focus.event == item.index, text, &at, &format!("mark {}", item.mark)).clicked() {
                commands.push(Command::Event(item.index));
            }
        }
    });
}
