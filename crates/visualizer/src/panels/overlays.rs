//! What lies over the panels: the command palette, keys and legend, the tour, and the small dialogs.

use egui::{Align2, Key, Modifiers, RichText, Ui, Vec2, WidgetInfo, accesskit::Role};

use crate::app::command::Command;
use crate::app::keys;
use crate::app::layouts::Preset;
use crate::app::tour;
use crate::model::{At, Direction, Jump};
use crate::panels::{Scene, crown};

/// How many rows the palette shows.
const ROWS: usize = 12;

/// What the overlays themselves remember: text that is typed.
pub struct Typed<'a> {
    /// The palette's text and chosen row.
    pub palette: &'a mut Option<(String, usize)>,
    /// The time field's text.
    pub time: &'a mut Option<String>,
    /// The file field's text.
    pub file: &'a mut Option<String>,
}

/// Paints whatever is open.
pub fn ui(scene: &Scene, context: &egui::Context, typed: Typed, commands: &mut Vec<Command>) {
    palette(scene, context, typed.palette, commands);
    time_field(context, typed.time, commands);
    file_field(context, typed.file, commands);
    help(scene, context, commands);
    guide(scene, context, commands);
}

/// All that the palette offers: what it is called, and the command.
fn offers(scene: &Scene, text: &str) -> Vec<(String, Command)> {
    let mut offers: Vec<(String, Command)> = Vec::new();
    if let Ok(at) = text.trim().parse::<At>() {
        offers.push((format!("Go to {at}"), Command::GoTo(at)));
    }
    let forward = Direction::Forward;
    let backward = Direction::Backward;
    let fixed = [
        ("Play or pause", Command::Play),
        ("Next violation", Command::Jump(Jump::Violation, forward)),
        ("Previous violation", Command::Jump(Jump::Violation, backward)),
        ("Next leader change", Command::Jump(Jump::LeaderChange, forward)),
        ("Previous leader change", Command::Jump(Jump::LeaderChange, backward)),
        ("Next fault", Command::Jump(Jump::Fault, forward)),
        ("Previous fault", Command::Jump(Jump::Fault, backward)),
        ("Next note", Command::Jump(Jump::Note, forward)),
        ("First event", Command::First),
        ("Last event", Command::Last),
        ("Go to a time", Command::AskTime),
        ("Search events", Command::Search),
        ("Show the whole run on the timeline", Command::Fit),
        ("Timeline by time or by rank", Command::Axis),
        ("Dim all that did not lead to the focus", Command::Slice),
        ("Pin the focused partition", Command::Pin),
        ("Hide or show the focused node", Command::Hide),
        ("Show all hidden nodes", Command::ShowAll),
        ("Show or hide truncated records", Command::Graveyard),
        ("Light or dark theme", Command::Theme),
        ("Everything larger", Command::Enlarge(1)),
        ("Everything smaller", Command::Enlarge(-1)),
        ("Everything at 100 %", Command::Enlarge(0)),
        ("Reduced motion on or off", Command::ReduceMotion),
        ("Open a trace", Command::AskFile),
        ("Open the bundled example", Command::OpenExample),
        ("Start the tour", Command::TourNext),
        ("Keys and legend", Command::Help),
        ("Panels as they came", Command::ResetLayouts),
    ];
    offers.extend(fixed.map(|(name, command)| (name.to_owned(), command)));
    offers.extend(Preset::ALL.map(|preset| (format!("Layout {}", preset.name()), Command::Layout(preset))));
    let outline = scene.model.outline();
    for (number, item) in outline.violations.iter().enumerate() {
        let at = At::Violation(number + 1);
        offers.push((format!("Violation {}: {}", number + 1, item.oracle), Command::GoTo(at)));
    }
    offers.extend(
        outline
            .faults
            .iter()
            .map(|item| (format!("Fault {}: {} {}", item.fault, item.kind, item.target), Command::Event(item.index))),
    );
    let languages = scene.model.languages();
    if languages.len() > 1 {
        let speak = |code: String| (format!("Notes in the language {code}"), Command::Language(code));
        offers.extend(languages.into_iter().map(speak));
    }
    offers.extend(outline.nodes.iter().map(|item| (format!("Node {}", item.name), Command::Node(item.name))));
    for topic in &outline.topics {
        for index in &topic.partitions {
            let partition = trace::Partition { topic: topic.name, index: *index };
            offers.push((format!("Partition {partition}"), Command::Partition(partition)));
        }
    }
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let typed = text.trim().parse::<At>().ok();
    let is_goto = |command: &Command| typed.is_some_and(|at| *command == Command::GoTo(at));
    offers.retain(|(name, command)| {
        let name = name.to_lowercase();
        is_goto(command) || words.iter().all(|word| name.contains(word))
    });
    if !text.trim().is_empty() {
        offers.push((format!("Search events for `{}`", text.trim()), Command::Filter(text.trim().to_owned())));
    }
    offers
}

fn palette(scene: &Scene, context: &egui::Context, palette: &mut Option<(String, usize)>, commands: &mut Vec<Command>) {
    let Some((text, chosen)) = palette else { return };
    let offers = offers(scene, text);
    let (down, up, enter) = context.input_mut(|input| {
        (
            input.consume_key(Modifiers::NONE, Key::ArrowDown),
            input.consume_key(Modifiers::NONE, Key::ArrowUp),
            input.key_pressed(Key::Enter),
        )
    });
    let last = offers.len().saturating_sub(1);
    *chosen = (*chosen + usize::from(down)).saturating_sub(usize::from(up)).min(last);
    let mut run = None;
    dialog(context, "palette").show(context, |ui| {
        framed(ui, 460.0, |ui| {
            let field =
                egui::TextEdit::singleline(text).hint_text("a command, a node, violation:1, 12.5s, event:48211");
            let response = ui.add_sized([ui.available_width(), 22.0], field);
            response.widget_info(|| WidgetInfo::labeled(Role::SearchInput, true, "Command palette"));
            response.request_focus();
            if response.changed() {
                *chosen = 0;
            }
            let from = chosen.saturating_sub(ROWS - 1);
            for (i, (name, command)) in offers.iter().enumerate().skip(from).take(ROWS) {
                let row = egui::Button::selectable(i == *chosen, name).min_size(Vec2::new(ui.available_width(), 20.0));
                if ui.add(row).clicked() || (enter && i == *chosen) {
                    run = Some(command.clone());
                }
            }
        });
    });
    if let Some(command) = run {
        *palette = None;
        commands.push(command);
    }
}

fn dialog(context: &egui::Context, name: &str) -> egui::Area {
    let screen = context.content_rect();
    let place = egui::pos2(screen.center().x, screen.top() + 90.0);
    egui::Area::new(egui::Id::unique(("dialog", name)))
        .order(egui::Order::Foreground)
        .pivot(Align2::CENTER_TOP)
        .fixed_pos(place)
}

fn framed(ui: &mut Ui, width: f32, contents: impl FnOnce(&mut Ui)) {
    egui::Frame::window(ui.style()).show(ui, |ui| {
        ui.set_width(width);
        contents(ui);
    });
}

fn time_field(context: &egui::Context, time: &mut Option<String>, commands: &mut Vec<Command>) {
    let Some(text) = time else { return };
    let mut done = false;
    dialog(context, "time").show(context, |ui| {
        framed(ui, 300.0, |ui| {
            ui.label("Go to a time, such as 12.5s, or violation:1, or event:48211");
            let response = ui.add(egui::TextEdit::singleline(text).desired_width(f32::INFINITY));
            response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Time"));
            response.request_focus();
            let plain = text.trim();
            // A bare number is meant as seconds.
            let plain = if plain.parse::<f64>().is_ok() { format!("{plain}s") } else { plain.to_owned() };
            match plain.parse::<At>() {
                Ok(at) if ui.input(|input| input.key_pressed(Key::Enter)) => {
                    commands.push(Command::GoTo(at));
                    done = true;
                }
                Err(problem) if !text.is_empty() => {
                    ui.label(RichText::new(problem.to_string()).small());
                }
                _ => {}
            }
        });
    });
    if done {
        *time = None;
    }
}

/// The file field; also shown when no trace is open yet.
pub fn file_field(context: &egui::Context, file: &mut Option<String>, commands: &mut Vec<Command>) {
    let Some(text) = file else { return };
    let mut path = None;
    let mut close = false;
    dialog(context, "file").show(context, |ui| {
        framed(ui, 520.0, |ui| {
            ui.label("Open a trace: a file (trace.jsonl, trace.jsonl.zst) or a run's folder. Dropping it on the window works too.");
            let response = ui.add(egui::TextEdit::singleline(text).hint_text("runs/mail/1").desired_width(f32::INFINITY));
            response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, "Trace file"));
            response.request_focus();
            ui.horizontal(|ui| {
                let enter = ui.input(|input| input.key_pressed(Key::Enter));
                if (ui.button("Open the trace").clicked() || enter) && !text.trim().is_empty() {
                    path = Some(text.trim().to_owned());
                }
                if ui.button("Open the bundled example").clicked() {
                    commands.push(Command::OpenExample);
                    close = true;
                }
                if ui.button("Cancel").clicked() {
                    close = true;
                }
            });
        });
    });
    if let Some(path) = path {
        commands.push(Command::Open(path.into()));
        close = true;
    }
    if close {
        *file = None;
    }
}

fn help(scene: &Scene, context: &egui::Context, commands: &mut Vec<Command>) {
    if !scene.view.overlays.help {
        return;
    }
    let mut open = true;
    egui::Window::new("Keys and legend")
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .anchor(Align2::CENTER_CENTER, Vec2::ZERO)
        .max_size(context.content_rect().size() - Vec2::new(24.0, 60.0))
        .scroll(true)
        .show(context, |ui| {
            ui.horizontal_top(|ui| {
                ui.vertical(|ui| {
                    ui.label(RichText::new("Keys").strong());
                    egui::Grid::new("keys").num_columns(2).spacing([14.0, 2.0]).show(ui, |ui| {
                        for (keys, what) in keys::TABLE {
                            ui.label(RichText::new(*keys).monospace().color(scene.tokens.link));
                            ui.label(*what);
                            ui.end_row();
                        }
                    });
                });
                ui.separator();
                ui.vertical(|ui| {
                    ui.label(RichText::new("Legend").strong());
                    legend(scene, ui);
                });
            });
        });
    if !open {
        commands.push(Command::Help);
    }
}

fn legend(scene: &Scene, ui: &mut Ui) {
    let tokens = scene.tokens;
    let (rect, _) = ui.allocate_exact_size(Vec2::new(300.0, 40.0), egui::Sense::hover());
    let painter = ui.painter_at(rect);
    for (x, filled, text) in [(10.0, true, "leads (or is in charge)"), (170.0, false, "preferred leader")] {
        let at = rect.left_top() + Vec2::new(x, 10.0);
        crown(&painter, at, 12.0, filled, tokens.text);
        painter.text(at + Vec2::new(12.0, 0.0), Align2::LEFT_CENTER, text, crate::panels::small(), tokens.text);
    }
    for (i, colour) in tokens.epochs.iter().enumerate() {
        let at = egui::Rect::from_min_size(rect.left_top() + Vec2::new(i as f32 * 26.0, 24.0), Vec2::new(24.0, 14.0));
        painter.rect_filled(at, 0.0, *colour);
        painter.text(at.center(), Align2::CENTER_CENTER, i, crate::panels::small(), crate::theme::Tokens::on(*colour));
    }
    let at = rect.left_top() + Vec2::new(138.0, 31.0);
    painter.text(at, Align2::LEFT_CENTER, "leader epoch, in turn", crate::panels::small(), tokens.text);
    let rows: [(&str, egui::Color32, &str); 13] = [
        ("\u{26a0}", tokens.violation_text, "a violation: what an oracle found"),
        ("\u{26a1}", tokens.fault, "a fault; hatched while it lasts"),
        ("\u{25b2}", tokens.waiting, "out of sync, or a warning"),
        ("\u{2716}", tokens.fault, "down"),
        ("HW", tokens.text, "high watermark: triangle of a replica, dashed line of the leader"),
        ("LEO", tokens.text, "log end: bar at the end of a row"),
        ("\u{2260}", tokens.violation_text, "framed: differs from the leader at these offsets"),
        ("///", tokens.absent, "below a row, struck through: records that were truncated"),
        ("skull", tokens.violation_text, "acknowledged, and lost"),
        ("\u{25b6}", tokens.good, "flag: processed up to here; hollow: position of a consumer"),
        ("\u{25b6}", tokens.kafka, "triangle on the map: a Kafka message; cross: lost; bar before it: held"),
        ("\u{25c6}", tokens.zookeeper, "diamond on the map: a ZooKeeper message"),
        ("| |", tokens.fault, "bars across a dashed line: cut both ways; one bar: one way"),
    ];
    egui::Grid::new("legend").num_columns(2).spacing([10.0, 2.0]).show(ui, |ui| {
        for (sign, colour, meaning) in rows {
            ui.label(RichText::new(sign).color(colour));
            ui.label(meaning);
            ui.end_row();
        }
    });
}

fn guide(scene: &Scene, context: &egui::Context, commands: &mut Vec<Command>) {
    let Some(step) = scene.view.overlays.tour else { return };
    let Some(shown) = tour::STEPS.get(step) else { return };
    let screen = context.content_rect();
    let target = shown.pane.and_then(|pane| scene.view.places.get(&pane).copied());
    if let Some(target) = target {
        let layer = egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("tour frame"));
        let painter = context.layer_painter(layer);
        painter.rect_stroke(
            target.shrink(1.0),
            4.0,
            egui::Stroke::new(3.0, scene.tokens.link),
            egui::StrokeKind::Inside,
        );
    }
    // Beside its panel: below what stands high, above what stands low.
    let (pivot, place) = match target {
        Some(target) if target.center().y > screen.center().y + 40.0 => {
            (Align2::CENTER_BOTTOM, egui::pos2(target.center().x, target.top() - 8.0))
        }
        Some(target) if target.height() < screen.height() * 0.7 => {
            (Align2::CENTER_TOP, egui::pos2(target.center().x, target.bottom() + 8.0))
        }
        Some(target) if target.center().x < screen.center().x => {
            (Align2::LEFT_CENTER, target.right_center() + Vec2::X * 8.0)
        }
        Some(target) => (Align2::RIGHT_CENTER, target.left_center() - Vec2::X * 8.0),
        None => (Align2::CENTER_CENTER, screen.center()),
    };
    let area = egui::Area::new(egui::Id::unique("tour"))
        .order(egui::Order::Tooltip)
        .pivot(pivot)
        .fixed_pos(place)
        .constrain(true);
    area.show(context, |ui| {
        framed(ui, 340.0, |ui| {
            ui.label(RichText::new(shown.title).strong().size(15.0));
            ui.label(shown.text);
            ui.horizontal(|ui| {
                ui.label(RichText::new(format!("{} of {}", step + 1, tour::STEPS.len())).color(scene.tokens.muted));
                if step > 0 && ui.button("Back").clicked() {
                    commands.push(Command::TourBack);
                }
                let last = step + 1 == tour::STEPS.len();
                if ui.button(if last { "Done" } else { "Next" }).clicked() {
                    commands.push(Command::TourNext);
                }
                if !last && ui.button("Skip the tour").clicked() {
                    commands.push(Command::TourEnd);
                }
            });
        });
    });
}
