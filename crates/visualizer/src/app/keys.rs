//! The key map, and its table for the help.

use egui::{Key, Modifiers};

use crate::app::command::{Command, Stride};
use crate::app::layouts::Preset;
use crate::app::view::ViewState;
use crate::model::{Direction, Jump};

/// Keys and what they do, as the help shows them.
pub const TABLE: &[(&str, &str)] = &[
    ("Space", "play, pause"),
    ("Left, Right", "previous, next event that the filter shows; with Shift 100 at once"),
    ("Home, End", "first, last event"),
    (", .", "previous, next event of the same node"),
    ("< >", "previous, next event of the same partition"),
    ("V  L  X", "next violation, leader change, fault; with Shift the one before"),
    ("Alt+Left, Alt+Right", "back to the focus before, and forward again"),
    ("A  D", "move the timeline"),
    ("W  S", "zoom the timeline in and out"),
    ("[  ]", "the timeline begins, ends at the focus"),
    ("F", "bring the focus to the middle; FF shows the whole run"),
    ("R", "timeline by time or by rank of events"),
    ("C", "dim all that did not lead to the focus"),
    ("/  n  N", "search; next, previous match"),
    ("t", "go to a time"),
    ("+  -", "faster, slower"),
    ("P", "pin the partition's lanes to the top"),
    ("H", "hide the focused node, show it again"),
    ("G", "show or hide truncated records"),
    ("1  2", "layout Triage, Log"),
    ("Ctrl + - 0", "everything larger, smaller, at 100 %"),
    ("Ctrl+K", "command palette"),
    ("Ctrl+O", "open a trace"),
    ("?", "these keys and the legend"),
    ("Esc", "close what lies on top, clear the search"),
];

/// How long after one F a second one means "the whole run", in seconds.
const DOUBLE: f64 = 0.4;

/// The commands of the keys that went down.
pub fn commands(context: &egui::Context, view: &ViewState) -> Vec<Command> {
    let mut commands = Vec::new();
    context.input_mut(|input| {
        if input.consume_key(Modifiers::COMMAND, Key::K) {
            commands.push(Command::Palette);
        }
        if input.consume_key(Modifiers::COMMAND, Key::O) {
            commands.push(Command::AskFile);
        }
        for (key, steps) in [(Key::Plus, 1), (Key::Equals, 1), (Key::Minus, -1), (Key::Num0, 0)] {
            if input.consume_key(Modifiers::COMMAND, key) {
                commands.push(Command::Enlarge(steps));
            }
        }
    });
    if context.input(|input| input.key_pressed(Key::Escape)) {
        commands.push(Command::Clear);
    }
    // Plain keys belong to a text field while one has the keyboard.
    if context.text_edit_focused() || view.overlays.palette.is_some() {
        return commands;
    }
    let events = context.input(|input| input.events.clone());
    for event in &events {
        match event {
            egui::Event::Key { key, pressed: true, modifiers, .. } => commands.extend(by_key(*key, *modifiers, view)),
            egui::Event::Text(text) => commands.extend(text.chars().filter_map(by_character)),
            _ => {}
        }
    }
    if commands.contains(&Command::Centre) && is_second_press(context) {
        commands.push(Command::Fit);
    }
    commands
}

fn is_second_press(context: &egui::Context) -> bool {
    let now = context.input(|input| input.time);
    let id = egui::Id::unique("last press of F");
    let last = context.data_mut(|data| data.get_temp::<f64>(id));
    context.data_mut(|data| data.insert_temp(id, now));
    last.is_some_and(|last| now - last < DOUBLE)
}

fn by_key(key: Key, modifiers: Modifiers, view: &ViewState) -> Option<Command> {
    if modifiers.command || modifiers.ctrl {
        return None;
    }
    let direction = if modifiers.shift { Direction::Backward } else { Direction::Forward };
    let many = if modifiers.shift { 100 } else { 1 };
    Some(match key {
        Key::ArrowLeft if modifiers.alt => Command::Back,
        Key::ArrowRight if modifiers.alt => Command::Forward,
        _ if modifiers.alt => return None,
        Key::Space => Command::Play,
        Key::ArrowLeft => Command::Step(Stride::Events(many), Direction::Backward),
        Key::ArrowRight => Command::Step(Stride::Events(many), Direction::Forward),
        Key::Home => Command::First,
        Key::End => Command::Last,
        Key::A => Command::Pan(-0.2),
        Key::D => Command::Pan(0.2),
        Key::W => Command::Zoom(0.7),
        Key::S => Command::Zoom(1.0 / 0.7),
        Key::F => Command::Centre,
        Key::V => Command::Jump(Jump::Violation, direction),
        Key::L => Command::Jump(Jump::LeaderChange, direction),
        Key::X => Command::Jump(Jump::Fault, direction),
        Key::N => Command::Find(direction),
        Key::C => Command::Slice,
        Key::R => Command::Axis,
        Key::T => Command::AskTime,
        Key::P => Command::Pin,
        Key::H => Command::Hide,
        Key::G => Command::Graveyard,
        Key::Num1 => Command::Layout(Preset::Triage),
        Key::Num2 => Command::Layout(Preset::Log),
        Key::Plus | Key::Equals => Command::Speed(view.speed * 2.0),
        Key::Minus => Command::Speed(view.speed / 2.0),
        _ => return None,
    })
}

/// Keys that stand elsewhere on every keyboard are told by what they write.
fn by_character(character: char) -> Option<Command> {
    Some(match character {
        ',' => Command::Step(Stride::Node, Direction::Backward),
        '.' => Command::Step(Stride::Node, Direction::Forward),
        '<' => Command::Step(Stride::Partition, Direction::Backward),
        '>' => Command::Step(Stride::Partition, Direction::Forward),
        '[' => Command::RangeFrom,
        ']' => Command::RangeTo,
        '/' => Command::Search,
        '?' => Command::Help,
        _ => return None,
    })
}
