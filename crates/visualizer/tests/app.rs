//! The app driven by what a screen reader sees: labels, clicks and keys, with no window and no GPU.

mod support;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use support::{example, focus, harness, model, run};
use trace::EventKind;
use visualizer::app::command::Command;
use visualizer::app::layouts::Preset;
use visualizer::app::{App, Settings, Start};
use visualizer::theme::Theme;

#[test]
fn the_app_opens_on_the_violation_with_one_sentence_and_the_fault_behind_it() {
    let harness = example(true, Theme::Dark);
    let violation = &model(&harness).outline().violations[0];
    assert_eq!(Some(focus(&harness)), violation.commits, "not when it was reported: when it was done");
    assert_eq!(harness.state().view().unwrap().focus.offset, Some(283), "the first record that is lost");
    harness.get_by_label("broker-1 offset 283, diverged, acknowledged but lost");
    assert!(harness.query_all_by_label_contains("lost-write violated").next().is_some());
    harness.get_by_label_contains("The fault behind it: isolate broker-1");
}

#[test]
fn a_click_on_the_fault_behind_it_moves_the_focus_there_and_back_returns() {
    let mut harness = example(true, Theme::Dark);
    let before = focus(&harness);
    harness.get_by_label_contains("The fault behind it").click();
    harness.run_ok();
    assert!(matches!(model(&harness).events()[focus(&harness)].kind, EventKind::FaultBegan { .. }));
    harness.key_press_modifiers(Modifiers::ALT, Key::ArrowLeft);
    harness.run_ok();
    assert_eq!(focus(&harness), before);
}

#[test]
fn the_why_chain_leads_from_the_violation_to_its_fault_by_clicks() {
    let mut harness = example(true, Theme::Dark);
    for _ in 0..60 {
        let at = focus(&harness);
        if matches!(model(&harness).events()[at].kind, EventKind::FaultBegan { .. }) {
            return;
        }
        let fault = harness.query_all_by_label_contains("world fault cut").next();
        match fault {
            Some(fault) => fault.click_accesskit(),
            None => harness.get_by_label_contains("why 1:").click_accesskit(),
        }
        harness.run_ok();
        assert!(focus(&harness) < at, "a cause lies in the past");
    }
    panic!("no fault was reached");
}

#[test]
fn the_event_that_committed_a_violation_leads_to_its_report() {
    let mut harness = example(true, Theme::Dark);
    harness.get_by_label_contains("report of violation 1: lost-write").click();
    harness.run_ok();
    assert!(matches!(model(&harness).events()[focus(&harness)].kind, EventKind::Violation { .. }));
    assert_eq!(harness.state().view().unwrap().focus.offset, Some(283));
}

#[test]
fn a_deep_link_with_a_partition_keeps_the_offset_that_the_violation_is_about() {
    let at = Some("violation:1".parse().unwrap());
    let focus = Some("orders/0".parse().unwrap());
    let mut app = App::new(Settings { tour_seen: true, ..Settings::default() }, Start { at, focus });
    app.show_example();
    assert_eq!(app.view().unwrap().focus.offset, Some(283));
}

#[test]
fn a_hidden_node_is_gone_from_the_map_and_comes_back() {
    let mut harness = example(true, Theme::Dark);
    let on_map = |harness: &egui_kittest::Harness<App>| harness.query_all_by_label("zk-2").count();
    let before = on_map(&harness);
    run(&mut harness, Command::Node("zk-2".into()));
    harness.key_press(Key::H);
    harness.run_ok();
    assert_eq!((before, on_map(&harness)), (1, 0));
    harness.get_by_label("hidden: zk-2").click();
    harness.run_ok();
    assert!(harness.state().view().unwrap().hidden.is_empty());
    harness.key_press(Key::H);
    harness.run_ok();
    harness.key_press(Key::H);
    harness.run_ok();
    assert!(harness.query_by_label("hidden: zk-2").is_none());
}

#[test]
fn everything_grows_and_shrinks_between_80_and_200_percent() {
    let mut harness = example(true, Theme::Dark);
    for (key, zoom) in [(Key::Plus, 200), (Key::Minus, 80), (Key::Num0, 100)] {
        for _ in 0..12 {
            harness.key_press_modifiers(Modifiers::COMMAND, key);
            harness.run_ok();
        }
        assert_eq!(harness.state().settings().zoom, zoom);
        assert_eq!(harness.ctx.zoom_factor(), f32::from(zoom) / 100.0);
        harness.get_by_label("Replica logs");
    }
}

#[test]
fn with_reduced_motion_nothing_glides_or_fades() {
    let mut harness = example(true, Theme::Dark);
    assert!(harness.ctx.global_style().animation_time > 0.0);
    run(&mut harness, Command::ReduceMotion);
    assert_eq!(harness.ctx.global_style().animation_time, 0.0);
    assert!(harness.state().settings().reduced_motion && harness.state().view().unwrap().reduced_motion);
}

#[test]
fn keys_step_forward_and_back_and_jump_to_the_next_leader_change_and_fault() {
    let mut harness = example(true, Theme::Dark);
    harness.key_press(Key::Home);
    harness.run_ok();
    assert_eq!(focus(&harness), 0);
    harness.key_press(Key::ArrowRight);
    harness.run_ok();
    assert_eq!(focus(&harness), 1);
    harness.key_press(Key::ArrowLeft);
    harness.run_ok();
    assert_eq!(focus(&harness), 0);
    harness.key_press(Key::X);
    harness.run_ok();
    assert!(matches!(model(&harness).events()[focus(&harness)].kind, EventKind::FaultBegan { .. }));
    let fault = focus(&harness);
    harness.key_press(Key::L);
    harness.run_ok();
    assert!(focus(&harness) > fault);
    harness.key_press(Key::V);
    harness.run_ok();
    let violations = &model(&harness).outline().violations;
    assert!(violations.iter().any(|item| [Some(item.index), item.commits].contains(&Some(focus(&harness)))));
    harness.event(egui::Event::Text(",".into()));
    harness.run_ok();
    assert!(focus(&harness) < model(&harness).len() - 1);
}

#[test]
fn a_playing_trace_moves_on_and_pauses() {
    let mut harness = example(true, Theme::Dark);
    run(&mut harness, Command::First);
    run(&mut harness, Command::Speed(4.0));
    harness.get_by_label("Play").click();
    harness.step();
    harness.step();
    harness.run_steps(4);
    let moved = focus(&harness);
    assert!(moved > 0, "time did not run");
    harness.get_by_label("Pause").click();
    harness.run_steps(3);
    let paused = focus(&harness);
    harness.run_steps(3);
    assert_eq!(focus(&harness), paused);
}

#[test]
fn a_filter_shows_only_events_that_match_and_arrows_step_over_them() {
    let mut harness = example(true, Theme::Dark);
    run(&mut harness, Command::Filter("kind:Truncated".into()));
    harness.get_by_label("1 of 24,774");
    run(&mut harness, Command::First);
    harness.key_press(Key::ArrowRight);
    harness.run_ok();
    assert!(matches!(model(&harness).events()[focus(&harness)].kind, EventKind::Truncated { .. }));
}

#[test]
fn plain_keys_do_nothing_while_a_text_field_has_the_keyboard() {
    let mut harness = example(true, Theme::Dark);
    let before = focus(&harness);
    harness.event(egui::Event::Text("/".into()));
    harness.run_steps(3);
    harness.key_press(Key::Home);
    harness.event(egui::Event::Text("x".into()));
    harness.run_steps(3);
    assert_eq!(focus(&harness), before);
    assert_eq!(harness.state().view().unwrap().filter.text, "x");
}

#[test]
fn layouts_switch_by_key_and_by_button() {
    let mut harness = example(true, Theme::Dark);
    harness.get_by_label("Cluster");
    harness.key_press(Key::Num2);
    harness.run_ok();
    assert_eq!(harness.state().view().unwrap().preset, Preset::Log);
    assert!(harness.query_by_label("Cluster").is_none());
    harness.get_by_label("Triage").click();
    harness.run_ok();
    harness.get_by_label("Cluster");
}

#[test]
fn the_first_start_shows_the_tour_and_the_second_does_not() {
    let mut first = example(false, Theme::Dark);
    first.get_by_label("A replay, and one focus");
    for _ in 1..visualizer::app::tour::STEPS.len() {
        first.get_by_label("Next").click();
        first.run_ok();
    }
    first.get_by_label("Done").click();
    first.run_ok();
    assert!(first.state().view().unwrap().overlays.tour.is_none());
    let settings = first.state().settings();
    assert!(settings.tour_seen);
    let mut app = App::new(settings, Start::default());
    app.show_example();
    assert!(app.view().unwrap().overlays.tour.is_none());
}

#[test]
fn the_palette_finds_a_command_by_its_words_and_runs_it() {
    let mut harness = example(true, Theme::Dark);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    harness.run_steps(3);
    harness.event(egui::Event::Text("light".into()));
    harness.run_steps(3);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert_eq!(harness.state().view().unwrap().theme, Theme::Light);
    assert!(harness.state().view().unwrap().overlays.palette.is_none());
}

#[test]
fn help_shows_every_key_and_escape_closes_it() {
    let mut harness = example(true, Theme::Dark);
    harness.get_by_label("Help").click();
    harness.run_ok();
    harness.get_by_label("Legend");
    harness.key_press(Key::Escape);
    harness.run_ok();
    assert!(harness.query_by_label("Legend").is_none());
}

#[test]
fn cells_lanes_and_nodes_carry_labels() {
    let mut harness = example(true, Theme::Dark);
    harness.get_by_label("broker-2 offset 282");
    assert!(harness.query_all_by_label_contains("offset 283 was acknowledged and is lost").next().is_some());
    harness.get_by_label_contains("orders/0 led by broker-1 in epoch 0");
    harness.get_by_label_contains("fault bar cut");
    harness.get_by_label("broker-3 offset 280").click_accesskit();
    harness.run_ok();
    assert_eq!(harness.state().view().unwrap().focus.offset, Some(280));
}

#[test]
fn a_broken_file_is_explained_and_the_app_goes_on() {
    let folder = std::env::temp_dir().join(format!("odradek-visualizer-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("trace.jsonl");
    std::fs::write(&file, "this is no trace\n").unwrap();
    let mut app = App::new(Settings::default(), Start::default());
    app.open(&folder);
    let mut harness = harness(app);
    for _ in 0..10_000 {
        harness.step();
        if harness.query_by_label_contains("This trace cannot be opened").is_some() {
            break;
        }
    }
    harness.get_by_label_contains("This trace cannot be opened");
    harness.get_by_label_contains("no Odradek trace");
    harness.get_by_label("Open the bundled example").click();
    harness.run_ok();
    assert!(harness.state().model().is_some());
    std::fs::remove_dir_all(&folder).unwrap();
}
