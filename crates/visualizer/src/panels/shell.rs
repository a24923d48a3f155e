//! What surrounds the panels: the bar with file, violations and transport, the story's sentence, and captions.

use egui::{RichText, Ui, WidgetInfo, accesskit::Role};

use crate::app::command::{Command, Stride};
use crate::app::layouts::Preset;
use crate::app::story::Story;
use crate::layout::format_time;
use crate::model::{At, CaptionKind, Direction, Jump};
use crate::panels::Scene;
use crate::panels::events::grouped;
use crate::theme::Theme;

/// The bar at the top.
pub fn bar(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        if ui.button("Open\u{2026}").on_hover_text("Open a trace (Ctrl+O), or drop a file on the window").clicked() {
            commands.push(Command::AskFile);
        }
        run(scene, ui, commands);
        ui.separator();
        transport(scene, ui, commands);
        ui.separator();
        jumps(ui, commands);
        ui.separator();
        clock(scene, ui, commands);
        ui.separator();
        settings(scene, ui, commands);
    });
}

fn run(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    let header = scene.model.header();
    ui.label(RichText::new(&header.scenario).strong());
    let commit: String = header.commit.chars().take(9).collect();
    let seed = ui.label(RichText::new(format!("seed {}", header.seed)).color(scene.tokens.muted));
    seed.on_hover_text(format!("written by odradek {} ({commit})", header.version));
    let violations = scene.model.outline().violations.len();
    let (text, colour) = match violations {
        0 => ("\u{2714} no violation".to_owned(), scene.tokens.text),
        1 => ("\u{26a0} 1 violation".to_owned(), scene.tokens.violation_text),
        count => (format!("\u{26a0} {count} violations"), scene.tokens.violation_text),
    };
    if ui.button(RichText::new(text).color(colour)).clicked() && violations > 0 {
        commands.push(Command::GoTo(At::Violation(1)));
    }
    if let Some(problem) = scene.model.problem() {
        let warning = RichText::new("\u{26a0} the file is cut off").color(scene.tokens.waiting);
        ui.label(warning).on_hover_text(problem);
    }
}

fn icon(ui: &mut Ui, glyph: &str, label: &str, tip: &str) -> bool {
    let response = ui.add(egui::Button::new(glyph).min_size(egui::vec2(24.0, 20.0)));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, label));
    response.on_hover_text(format!("{label} ({tip})")).clicked()
}

fn transport(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    use Direction::{Backward, Forward};
    let step = |stride, direction| Command::Step(stride, direction);
    let mut button = |ui: &mut Ui, glyph: &str, label: &str, tip: &str, command: Command| {
        if icon(ui, glyph, label, tip) {
            commands.push(command);
        }
    };
    button(ui, "\u{23ee}", "First event", "Home", Command::First);
    button(ui, "\u{23ea}", "Back one event", "Left", step(Stride::Events(1), Backward));
    let (glyph, label) = if scene.view.playing { ("\u{23f8}", "Pause") } else { ("\u{25b6}", "Play") };
    button(ui, glyph, label, "Space", Command::Play);
    button(ui, "\u{23e9}", "Forward one event", "Right", step(Stride::Events(1), Forward));
    button(ui, "\u{23ed}", "Last event", "End", Command::Last);
    let mut exponent = scene.view.speed.log10();
    let slider = egui::Slider::new(&mut exponent, -2.0..=3.0).show_value(false);
    let slider = ui.add_sized([70.0, 18.0], slider);
    slider.widget_info(|| WidgetInfo::slider(true, scene.view.speed, "Speed"));
    if slider.on_hover_text("Simulated seconds a second (+ and -)").changed() {
        commands.push(Command::Speed(10f64.powf(exponent)));
    }
    let speed = scene.view.speed;
    let text = if speed >= 10.0 { format!("{speed:.0}x") } else { format!("{speed:.2}x") };
    ui.label(RichText::new(text).monospace().color(scene.tokens.muted));
}

fn jumps(ui: &mut Ui, commands: &mut Vec<Command>) {
    for (name, key, jump) in
        [("violation", "V", Jump::Violation), ("leader change", "L", Jump::LeaderChange), ("fault", "X", Jump::Fault)]
    {
        if icon(ui, "\u{25c2}", &format!("Previous {name}"), &format!("Shift+{key}")) {
            commands.push(Command::Jump(jump, Direction::Backward));
        }
        ui.label(RichText::new(name).small());
        if icon(ui, "\u{25b8}", &format!("Next {name}"), key) {
            commands.push(Command::Jump(jump, Direction::Forward));
        }
    }
}

fn clock(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    let now = if scene.view.playing { scene.view.clock as u64 } else { scene.model.at(scene.view.focus.event) };
    let time = egui::Button::new(RichText::new(format!("t={}", format_time(now))).monospace().strong());
    let response = ui.add(time.min_size(egui::vec2(92.0, 20.0)));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Time {}", format_time(now))));
    if response.on_hover_text("Go to a time (t)").clicked() {
        commands.push(Command::AskTime);
    }
    let place = format!("{} of {}", grouped(scene.view.focus.event + 1), grouped(scene.model.len()));
    ui.add(egui::Label::new(RichText::new(place).monospace().color(scene.tokens.muted)).extend());
}

fn settings(scene: &Scene, ui: &mut Ui, commands: &mut Vec<Command>) {
    for preset in Preset::ALL {
        if ui.selectable_label(scene.view.preset == preset, preset.name()).clicked() {
            commands.push(Command::Layout(preset));
        }
    }
    let (glyph, label) = match scene.view.theme {
        Theme::Dark => ("\u{2600}", "Light theme"),
        Theme::Light => ("\u{1f319}", "Dark theme"),
    };
    if icon(ui, glyph, label, "switch") {
        commands.push(Command::Theme);
    }
    let languages = scene.model.languages();
    if languages.len() > 1 {
        let chosen = egui::ComboBox::from_id_salt("language").width(48.0).selected_text(&scene.view.language).show_ui(
            ui,
            |ui| {
                for language in languages {
                    if ui.selectable_label(scene.view.language == language, &language).clicked() {
                        commands.push(Command::Language(language));
                    }
                }
            },
        );
        chosen.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Language of notes"));
    }
    if ui.button("Commands").on_hover_text("Every command by name (Ctrl+K)").clicked() {
        commands.push(Command::Palette);
    }
    if icon(ui, "?", "Help", "?") {
        commands.push(Command::Help);
    }
}

/// The plain sentence: what went wrong, and the fault behind it.
pub fn story(scene: &Scene, story: &Story, ui: &mut Ui, commands: &mut Vec<Command>) {
    ui.horizontal_wrapped(|ui| {
        let (glyph, colour) = match story.violation {
            Some(_) => ("\u{26a0}", scene.tokens.violation_text),
            None => ("\u{2714}", scene.tokens.text),
        };
        ui.label(RichText::new(format!("{glyph} {}", story.sentence)).color(colour));
        if let Some((index, fault)) = &story.fault {
            ui.label(RichText::new("Behind it:").color(scene.tokens.muted));
            let button = ui.link(RichText::new(format!("\u{26a1} {fault}")).color(scene.tokens.link));
            button.widget_info(|| WidgetInfo::labeled(Role::Link, true, format!("The fault behind it: {fault}")));
            if button.clicked() {
                commands.push(Command::Event(*index));
            }
        }
    });
}

/// What happens now, in the scenario's own words.
pub fn caption(scene: &Scene, ui: &mut Ui) {
    ui.horizontal(|ui| {
        if let Some(notice) = &scene.view.notice {
            ui.label(RichText::new(notice).color(scene.tokens.waiting));
            ui.separator();
        }
        let Some(caption) = scene.model.caption_at(scene.view.focus.event, &scene.view.language) else {
            ui.label(RichText::new("? shows all keys, Ctrl+K every command").color(scene.tokens.muted));
            return;
        };
        let kind = match caption.kind {
            CaptionKind::Phase => "phase",
            CaptionKind::Fault => "fault",
            CaptionKind::Healed => "healed",
            CaptionKind::Note => "note",
            CaptionKind::Violation => "violation",
        };
        ui.label(RichText::new(format!("{} {kind}", format_time(caption.at))).monospace().color(scene.tokens.muted));
        let colour =
            if caption.kind == CaptionKind::Violation { scene.tokens.violation_text } else { scene.tokens.text };
        let (text, _) = crate::app::fonts::readable(ui.ctx(), &caption.text);
        ui.add(egui::Label::new(RichText::new(text.as_ref()).color(colour)).truncate());
    });
}
