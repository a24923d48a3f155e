//! Claims about layouts, over small hand-made stories and the bundled trace.

use super::*;
use crate::model::tests::{Story, frame, orders};
use crate::model::{Fate, Model, Query, Severity};
use trace::{EventKind, Name, StopReason};

fn logs_at(model: &Model, index: usize, view: &LogView) -> ReplicaLogs {
    replica_logs(model, &model.state_at(index), index, view)
}

fn view(first: f64, cell: f32) -> LogView {
    LogView { partition: orders(), first, cell, width: 600.0, graveyard: false }
}

/// Broker 1 leads and is cut off with two records of its own; broker 2 leads on.
fn split() -> Story {
    let mut story = Story::new();
    for broker in 1..=3 {
        story.tell(&format!("broker-{broker}"), 0, EventKind::NodeStarted { incarnation: 0 });
    }
    story.tell(
        "broker-1",
        0,
        EventKind::PartitionCreated { partition: orders(), replicas: trace::BrokerList::new([1, 2, 3]) },
    );
    story.decide(1, 0, &[1, 2, 3]);
    story.lead(1, 0);
    story.follow(2, 0, 1);
    story.follow(3, 0, 1);
    for broker in 1..=3 {
        story.append(broker, 0, 4, 0, 40);
    }
    story.append(1, 4, 1, 0, 41);
    story.append(1, 5, 1, 0, 42);
    story.lead(2, 1);
    story.decide(2, 1, &[2, 3]);
    story.follow(3, 1, 2);
    story.append(2, 4, 2, 1, 50);
    story.append(3, 4, 2, 1, 50);
    story
}

#[test]
fn rows_come_leader_first_then_in_sync_then_out_of_sync_then_offline() {
    let mut story = split();
    story.tell("broker-3", 0, EventKind::NodeStopped { reason: StopReason::Crash });
    let model = story.model();
    let logs = logs_at(&model, model.len() - 1, &view(0.0, 20.0));
    let told: Vec<_> = logs.rows.iter().map(|row| (row.broker, row.standing)).collect();
    assert_eq!(told, [(2, Standing::Leader), (1, Standing::OutOfSync), (3, Standing::Offline)]);
    assert!(logs.rows[1].preferred && !logs.rows[0].preferred);
}

#[test]
fn two_believed_leaders_and_the_first_difference_are_shown() {
    let model = split().model();
    let logs = logs_at(&model, model.len() - 1, &view(0.0, 20.0));
    assert_eq!((logs.leader, logs.believed_leaders.as_slice()), (Some(2), &[1, 2][..]));
    let row = |broker: i32| logs.rows.iter().find(|row| row.broker == broker).unwrap();
    assert_eq!(row(1).diverged, [(4, 6)]);
    assert!(row(2).diverged.is_empty() && row(3).diverged.is_empty());
    let diverged: Vec<_> = row(1).cells.iter().filter(|cell| cell.diverged).map(|cell| cell.offset).collect();
    assert_eq!(diverged, [4, 5]);
    assert!(row(1).cells[4].label(Name::new("broker-1")).contains("broker-1 offset 4 epoch 0, diverged"));
}

#[test]
fn a_shorter_or_a_longer_log_that_agrees_does_not_diverge() {
    let mut story = Story::new();
    story.decide(1, 0, &[1, 2, 3]);
    for (broker, batches) in [(1, 100), (2, 60), (3, 140)] {
        (0..batches).for_each(|n| {
            story.append(broker, n, 1, 0, n as u32);
        });
    }
    let model = story.model();
    let logs = logs_at(&model, model.len() - 1, &view(0.0, 1.0));
    assert!(logs.rows.iter().all(|row| row.diverged.is_empty()), "{:?}", logs.rows);
}

/// What a flaw can do: logs agree again behind a stretch in which they differ. Halving would miss it.
#[test]
fn logs_that_agree_again_diverge_only_in_between() {
    let mut story = Story::new();
    story.decide(1, 2, &[1, 2]);
    for broker in [1, 2] {
        (0..10).for_each(|n| {
            story.append(broker, n, 1, 0, n as u32);
        });
        (10..13).for_each(|n| {
            story.append(broker, n, 1, broker - 1, 100 * broker as u32);
        });
        (13..40).for_each(|n| {
            story.append(broker, n, 1, 2, n as u32);
        });
    }
    story.lead(1, 2);
    story.follow(2, 2, 1);
    let model = story.model();
    let last = model.len() - 1;
    let logs = logs_at(&model, last, &view(0.0, 20.0));
    assert!(logs.rows[0].diverged.is_empty());
    assert_eq!(logs.rows[1].diverged, [(10, 13)]);
    let cells: Vec<_> = logs.rows[1].cells.iter().filter(|cell| cell.diverged).map(|cell| cell.offset).collect();
    assert_eq!(cells, [10, 11, 12]);
    assert_eq!(diverged(&model, &model.state_at(last), orders()), [(10, 13)]);
}

#[test]
fn runs_are_stretches_of_one_epoch_clipped_to_the_view() {
    let model = split().model();
    let logs = logs_at(&model, model.len() - 1, &view(2.0, 100.0));
    let leader = &logs.rows[0];
    let told: Vec<_> = leader.runs.iter().map(|run| (run.from, run.to, run.epoch, run.x, run.width)).collect();
    assert_eq!(told, [(0, 4, 0, 0.0, 200.0), (4, 6, 1, 200.0, 200.0)]);
    assert_eq!(leader.cells.iter().map(|cell| cell.offset).collect::<Vec<_>>(), [2, 3, 4, 5]);
    assert!(!leader.cells[0].batch_first && leader.cells[2].batch_first);
}

#[test]
fn small_cells_have_no_text_and_tiny_ones_are_only_runs() {
    let model = split().model();
    for (cell, detail) in [(14.0, Detail::Text), (13.9, Detail::Quads), (3.0, Detail::Quads), (2.9, Detail::Density)] {
        let logs = logs_at(&model, model.len() - 1, &view(0.0, cell));
        assert_eq!(logs.detail, detail);
        assert_eq!(logs.rows[0].cells.is_empty(), detail != Detail::Text);
        assert!(!logs.rows[0].runs.is_empty());
    }
}

#[test]
fn truncated_batches_stay_as_ghosts_for_a_second_and_in_the_graveyard_for_good() {
    let mut story = split();
    let cut = story.tell("broker-1", 0, EventKind::Truncated { partition: orders(), to: 4, from: 6 }) as usize - 1;
    story.follow(1, 1, 2);
    story.append(1, 4, 2, 1, 50);
    let model = story.model();
    let ghosts = |index: usize, graveyard: bool| {
        let logs = logs_at(&model, index, &LogView { graveyard, ..view(0.0, 20.0) });
        logs.rows.iter().find(|row| row.broker == 1).unwrap().ghosts.clone()
    };
    assert!(ghosts(cut - 1, true).is_empty());
    let fresh = ghosts(cut, false);
    assert_eq!((fresh.len(), fresh[0].from, fresh[0].to, fresh[0].fresh), (1, 4, 6, true));
    assert!(ghosts(cut + 2, false).is_empty());
    assert_eq!(ghosts(cut + 2, true).len(), 1);
}

#[test]
fn the_bundled_trace_shows_text_in_cells_and_what_was_acknowledged_and_lost() {
    let model = Model::example();
    let healed = model.outline().faults[0].ended.unwrap().0;
    let logs = logs_at(&model, healed, &view(280.0, 60.0));
    assert!(logs.lost.iter().any(|lost| lost.offset == 283 && lost.epoch == 0 && lost.on == [1]), "{:?}", logs.lost);
    let old = logs.rows.iter().find(|row| row.broker == 1).unwrap();
    assert_eq!(old.diverged.first().map(|(from, _)| *from), Some(283));
    let cell = old.cells.iter().find(|cell| cell.offset == 284).unwrap();
    assert!(cell.lost && cell.diverged);
    assert!(cell.text.as_ref().unwrap().value.starts_with("order 284 of"));
    let before = model.outline().faults[0].index;
    assert!(logs_at(&model, before, &view(0.0, 2.0)).lost.is_empty());
    let flag = logs.consumers.iter().find(|flag| flag.client == Name::new("mail-service-0")).unwrap();
    assert!(flag.position.is_some() && flag.processed_to > 0);
}

#[test]
fn nothing_is_lost_while_all_is_well() {
    let model = Model::example();
    for index in (0..model.outline().faults[0].index).step_by(500) {
        let state = model.state_at(index);
        let logs = replica_logs(&model, &state, index, &LogView::fit(&state, orders(), 800.0));
        assert!(logs.lost.is_empty(), "at {index}: {:?}", logs.lost);
        assert!(logs.rows.iter().all(|row| row.diverged.is_empty()), "at {index}");
    }
}

#[test]
fn density_columns_hold_every_event_in_view_once_on_both_axes() {
    let model = Model::example();
    for axis in [Axis::Time, Axis::Rank] {
        let mut view = View::whole(&model, axis, 1000.0);
        let columns = density(&model, &view, 500);
        assert_eq!(columns.iter().map(DensityColumn::total).sum::<u32>() as usize, model.len());
        assert!(columns.iter().any(|column| column.worst == Severity::Violation));
        view.zoom(&model, 0.1, 400.0);
        let columns = density(&model, &view, 500);
        let range = view.range(&model);
        assert_eq!(columns.iter().map(DensityColumn::total).sum::<u32>() as usize, range.len());
        for column in &columns {
            for index in column.events.clone() {
                let x = view.x_of(&model, index);
                assert!(x >= column.x - 0.01 && x <= column.x + column.width + 0.01, "{axis:?} {index}: {x}");
            }
        }
    }
}

#[test]
fn zooming_keeps_what_is_under_the_pointer_and_stays_inside_the_run() {
    let model = Model::example();
    let mut view = View::whole(&model, Axis::Time, 1000.0);
    let under = view.value_at(300.0);
    view.zoom(&model, 0.2, 300.0);
    assert!((view.value_at(300.0) - under).abs() < 1_000.0);
    view.pan(&model, 1e9);
    assert_eq!(view.to, model.span().1 as f64);
    view.zoom(&model, 1e9, 10.0);
    assert_eq!(view, View::whole(&model, Axis::Time, 1000.0));
    view.zoom(&model, 0.0, 500.0);
    assert!(view.to > view.from);
    view.centre(&model, 12_000);
    assert!((view.x_of(&model, 12_000) - 500.0).abs() < 1.0);
    assert_eq!(model.at(view.index_at_x(&model, 500.0)) / 1_000, model.at(12_000) / 1_000);
}

#[test]
fn overlapping_faults_take_rows_and_unhealed_ones_reach_the_end() {
    let mut story = Story::new();
    story.fault("a", "crash", "broker-1");
    story.fault("b", "pause", "broker-2");
    story.tell("world", 0, EventKind::FaultEnded { fault: Name::new("a") });
    story.fault("c", "crash", "broker-3");
    let model = story.model();
    let view = View::whole(&model, Axis::Rank, 400.0);
    let told: Vec<_> =
        fault_bars(&model, &view).iter().map(|bar| (bar.fault.as_str(), bar.row, bar.x, bar.width, bar.open)).collect();
    assert_eq!(told, [("a", 0, 0.0, 200.0, false), ("b", 1, 100.0, 300.0, true), ("c", 0, 300.0, 100.0, true)]);
}

#[test]
fn leader_lanes_show_gaps_and_split_brain() {
    let mut story = Story::new();
    story.lead(1, 0);
    story.lead(2, 1);
    story.follow(1, 1, 2);
    story.tell("broker-2", 0, EventKind::NodeStopped { reason: StopReason::Crash });
    story.lead(1, 2);
    story.lead(1, 3);
    story.append(1, 0, 1, 3, 1);
    let model = story.model();
    let view = View::whole(&model, Axis::Rank, 70.0);
    let lane = &leader_lanes(&model, &view, &[orders()])[0];
    let blocks: Vec<_> = lane.blocks.iter().map(|block| (block.broker, block.epoch, block.row, block.x)).collect();
    assert_eq!(blocks, [(1, 0, 0, 0.0), (2, 1, 1, 10.0), (1, 2, 0, 40.0), (1, 3, 0, 50.0)]);
    let spans = |spans: &[Span]| spans.iter().map(|span| (span.x, span.width)).collect::<Vec<_>>();
    assert_eq!(spans(&lane.overlaps), [(10.0, 10.0)]);
    assert_eq!(spans(&lane.gaps), [(30.0, 10.0)]);
    assert!(leader_lanes(&model, &view, &[trace::Partition::new("none", 0)])[0].blocks.is_empty());
}

#[test]
fn isr_steps_follow_each_other_without_a_hole() {
    let model = Model::example();
    let view = View::whole(&model, Axis::Time, 900.0);
    let lane = &isr_lanes(&model, &view, &[orders()])[0];
    assert_eq!(lane.replication, 3);
    assert!(lane.steps.len() >= 3);
    for pair in lane.steps.windows(2) {
        assert!((pair[0].x + pair[0].width - pair[1].x).abs() < 0.01);
    }
    assert!((lane.steps.last().map_or(0.0, |step| step.x + step.width) - 900.0).abs() < 0.01);
}

#[test]
fn operations_phases_downtimes_and_markers_cover_the_run() {
    let model = Model::example();
    let view = View::whole(&model, Axis::Time, 900.0);
    let acked: u32 = operations(&model, &view, 300).iter().map(|column| column.acked).sum();
    let expected = model.events().iter().filter(|event| event.kind.name() == "RecordAcked").count();
    assert_eq!(acked as usize, expected);
    assert_eq!(phases(&model, &view).len(), 4);
    assert_eq!(node_lanes(&model, &view).len(), model.outline().nodes.len());
    let markers = markers(&model, &view, "en");
    let violation = markers.iter().find(|marker| marker.kind == crate::model::CaptionKind::Violation).unwrap();
    assert_eq!(Some(violation.index), model.outline().violations[0].commits);
    let ticks = ticks(&view);
    assert!(ticks.len() >= 5 && ticks.len() <= 12, "{ticks:?}");
    assert!(ticks.iter().all(|tick| tick.label.ends_with('s')));
}

#[test]
fn arrows_end_where_frames_arrive_and_a_crowd_becomes_traffic() {
    let model = Model::example();
    let lanes: Vec<Name> = model.outline().nodes.iter().map(|node| node.name).collect();
    let mut view = View::whole(&model, Axis::Time, 900.0);
    let crowd = messages(&model, &view, &lanes, 500);
    assert!(crowd.crowded && crowd.arrows.is_empty());
    assert!(crowd.traffic.iter().flatten().sum::<u32>() > 500);
    view.zoom(&model, 0.005, 300.0);
    let few = messages(&model, &view, &lanes, 5_000);
    assert!(!few.crowded && !few.arrows.is_empty());
    assert!(few.arrows.iter().all(|arrow| arrow.x1 >= arrow.x0 && arrow.from != arrow.to));
}

#[test]
fn the_ring_marks_the_cut_node_its_links_and_messages() {
    let model = Model::example();
    let index = model.outline().faults[0].index + 50;
    let ring = cluster(&model, &model.state_at(index), index, 400.0, 300.0);
    let node = |name: &str| ring.nodes.iter().position(|node| node.name == Name::new(name)).unwrap();
    assert_eq!(ring.nodes[node("broker-1")].badges.len(), 1);
    let link = |a: usize, b: usize| ring.links.iter().find(|link| (link.a, link.b) == (a.min(b), a.max(b)));
    let cut = link(node("broker-1"), node("broker-2")).unwrap();
    assert!(cut.cut_ab && cut.cut_ba);
    assert!(link(node("broker-1"), node("order-service-0")).is_none_or(|link| !link.cut_ab && !link.cut_ba));
    assert_eq!(ring.hulls.len(), 2);
    assert!(ring.nodes.iter().filter(|node| node.controller).count() == 1);
    for node in &ring.nodes {
        assert!((0.0..=400.0).contains(&node.x) && (0.0..=300.0).contains(&node.y), "{node:?}");
    }
    let later = cluster(&model, &model.state_at(20_000), 20_000, 400.0, 300.0);
    for (before, after) in ring.nodes.iter().zip(&later.nodes) {
        assert_eq!((before.x, before.y), (after.x, after.y));
    }
}

#[test]
fn one_way_cuts_are_cut_one_way_and_messages_move() {
    let mut story = Story::new();
    for broker in 1..=2 {
        story.tell(&format!("broker-{broker}"), 0, EventKind::NodeStarted { incarnation: 0 });
    }
    let sent = story.frame("broker-1", "broker-2", 1, 0);
    let cut = story.fault("cut", "partition", "broker-1 -> broker-2");
    story.tell("broker-1", cut, EventKind::FrameDropped(frame("broker-2", 1)));
    let model = story.model();
    let ring = cluster(&model, &model.state_at(3), 3, 300.0, 300.0);
    assert_eq!(ring.links.iter().map(|link| (link.cut_ab, link.cut_ba)).collect::<Vec<_>>(), [(true, false)]);
    let message = ring.messages[0];
    assert_eq!((message.index, message.fate), (sent as usize - 1, Fate::Dropped));
    assert!((message.progress - 0.5).abs() < 1e-6);
}

#[test]
fn event_rows_are_made_only_where_asked_and_find_their_place() {
    let model = Model::example();
    let all = EventRows::all(&model);
    let rows = event_rows(&model, &all, 100, 5);
    assert_eq!(rows.iter().map(|row| row.index).collect::<Vec<_>>(), [100, 101, 102, 103, 104]);
    assert!(event_rows(&model, &all, model.len() - 2, 50).len() == 2);
    let query: Query = "kind:RecordAcked".parse().unwrap();
    let some = EventRows::filtered(&model, &query);
    let tenth = some.index(10).unwrap();
    assert_eq!(some.row_of(tenth), Some(10));
    assert_eq!(some.row_of(tenth + 1), Some(10));
    assert_eq!(some.row_of(0), None);
    assert!(event_rows(&model, &some, 0, 20).iter().all(|row| row.kind == "RecordAcked"));
}

#[test]
fn the_inspector_shows_fields_what_changed_and_why() {
    let model = Model::example();
    let change = model.history().leader_changes[0] as usize;
    let seen = inspect(&model, change).unwrap();
    assert!(seen.changes.iter().any(|change| change.field == "leader" && change.before == "1" && change.after == "2"));
    assert!(seen.fields.iter().any(|(name, value)| name == "leader_epoch" && value == "1"));
    assert!(seen.raw.starts_with('{'));
    let violation = inspect(&model, model.outline().violations[0].index).unwrap();
    assert!(violation.why.iter().any(|step| step.fault), "{:?}", violation.why);
    assert_eq!(violation.why[0].index, violation.index);
    let steps: usize = violation.why.iter().map(|step| step.folded + 1).sum();
    assert_eq!(steps, model.why(violation.index).len());
    assert!(inspect(&model, model.len()).is_none());
}

#[test]
fn times_read_as_seconds() {
    assert_eq!(format_time(12_482_000_999), "12.482s");
    assert_eq!(format_time(0), "0.000s");
}
