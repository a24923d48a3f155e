//! Every panel as a picture, light and dark, through the CPU rasteriser: the same bytes on every machine.

mod support;

use egui_kittest::kittest::Queryable as _;
use support::{example, run};
use visualizer::app::command::Command;
use visualizer::app::layouts::Preset;
use visualizer::theme::Theme;

/// An instant with much to see: just after the new leader was elected, while the old one still believes to lead.
const INSTANT: &str = "23s";

/// Small, so that the repository stays so.
const SIZE: egui::Vec2 = egui::vec2(1180.0, 720.0);

fn picture(theme: Theme, preset: Preset, name: &str) {
    let mut harness = example(true, theme);
    harness.set_size(SIZE);
    run(&mut harness, Command::Layout(preset));
    run(&mut harness, Command::GoTo(INSTANT.parse().unwrap()));
    harness.remove_cursor();
    harness.run_ok();
    harness.get_by_label("Replica logs");
    harness.snapshot(name);
}

#[test]
fn all_panels_dark() {
    picture(Theme::Dark, Preset::Triage, "triage-dark");
}

#[test]
fn all_panels_light() {
    picture(Theme::Light, Preset::Triage, "triage-light");
}

#[test]
fn log_layout_dark() {
    picture(Theme::Dark, Preset::Log, "log-dark");
}

#[test]
fn help_and_legend_light() {
    let mut harness = example(true, Theme::Light);
    harness.set_size(SIZE);
    run(&mut harness, Command::Help);
    harness.snapshot("help-light");
}

#[test]
fn a_frame_drawn_twice_gives_the_same_bytes() {
    let draw = || example(true, Theme::Dark).render().unwrap();
    assert_eq!(draw(), draw());
}
