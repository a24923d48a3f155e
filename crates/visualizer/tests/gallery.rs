//! Every panel as a picture, light and dark, through the CPU rasteriser: the same bytes on every machine.

mod support;

use egui_kittest::kittest::Queryable as _;
use support::{example, harness, run};
use visualizer::app::command::Command;
use visualizer::app::layouts::Preset;
use visualizer::app::{App, Settings, Start};
use visualizer::theme::Theme;

/// An instant with much to see: just after the new leader was elected, while the old one still believes to lead.
const INSTANT: &str = "23s";

/// Small, so that the repository stays so.
const SIZE: egui::Vec2 = egui::vec2(1180.0, 720.0);
const SMALL: egui::Vec2 = egui::vec2(900.0, 560.0);

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
fn log_layout_light() {
    picture(Theme::Light, Preset::Log, "log-light");
}

/// What lies over the panels, on a small window: nothing may be cut off there.
fn overlay(theme: Theme, command: Command, name: &str) {
    let mut harness = example(true, theme);
    harness.set_size(SMALL);
    run(&mut harness, command);
    harness.run_ok();
    harness.remove_cursor();
    harness.snapshot(name);
}

#[test]
fn the_command_palette_dark() {
    overlay(Theme::Dark, Command::Palette, "palette-dark");
}

#[test]
fn the_command_palette_light() {
    overlay(Theme::Light, Command::Palette, "palette-light");
}

fn tour(theme: Theme, name: &str) {
    let mut harness = example(false, theme);
    harness.set_size(SMALL);
    harness.run_ok();
    harness.get_by_label("Next").click();
    harness.run_ok();
    harness.remove_cursor();
    harness.run_ok();
    harness.snapshot(name);
}

#[test]
fn the_tour_dark() {
    tour(Theme::Dark, "tour-dark");
}

#[test]
fn the_tour_light() {
    tour(Theme::Light, "tour-light");
}

fn failure(theme: Theme, name: &str) {
    let mut app = App::new(Settings { theme, ..Settings::default() }, Start::default());
    app.fail("runs/mail/1/trace.jsonl.zst: line 1: this is no Odradek trace (no header)".into());
    let mut harness = harness(app);
    harness.set_size(egui::vec2(640.0, 400.0));
    harness.run_ok();
    harness.snapshot(name);
}

#[test]
fn a_failure_to_open_dark() {
    failure(Theme::Dark, "failure-dark");
}

#[test]
fn a_failure_to_open_light() {
    failure(Theme::Light, "failure-light");
}

#[test]
fn help_and_legend_dark() {
    let mut harness = example(true, Theme::Dark);
    harness.set_size(SIZE);
    run(&mut harness, Command::Help);
    harness.snapshot("help-dark");
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
