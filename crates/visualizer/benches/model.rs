//! Loading, seeking, every layout and whole frames over a large synthetic trace.
//!
//! The number of events comes from `ODRADEK_BENCH_EVENTS` (default one million): `ODRADEK_BENCH_EVENTS=10000000 cargo bench
//! -p odradek-visualizer` shows the aims for large traces. `ODRADEK_BENCH_FRAMES=1` measures
//! frames only. What loading and frames cost is also told in CPU time, which other
//! programs on the machine do not change.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use egui::{Pos2, RawInput, Rect, Vec2};
use trace::{Event, EventId, Name, Partition, TraceWriter};
use visualizer::app::command::Command;
use visualizer::app::layouts::Preset;
use visualizer::app::{App, Settings, Start};
use visualizer::layout::{self, Axis, EventRows, LogView, View};
use visualizer::model::{Direction, Model, Query, parse_bytes};

/// The bundled run, over and over: the times, offsets, sequences and ids of each round follow those of the round before.
fn events(count: usize) -> (Model, Vec<Event>) {
    let example = Model::example();
    // Only steady traffic repeats without contradicting itself: the warm-up after the cluster is up.
    let from = 4_000;
    let to = example.outline().faults[0].index;
    let round = &example.events()[from..to];
    let first = &example.events()[..from];
    let length = example.at(to) - example.at(from);
    let offsets = 1 + round.iter().filter_map(offset_of).max().unwrap_or(0)
        - round.iter().filter_map(offset_of).min().unwrap_or(0);
    let mut events = first.to_vec();
    let mut number = 0;
    while events.len() < count {
        for event in round {
            let mut event = event.clone();
            let shift = number * round.len() as u64;
            event.cause = EventId(if event.cause.0 > from as u64 { event.cause.0 + shift } else { event.cause.0 });
            event.id = EventId(events.len() as u64 + 1);
            event.at += number * length;
            shift_offsets(&mut event, number as i64 * offsets);
            events.push(event);
        }
        number += 1;
    }
    events.truncate(count);
    (example, events)
}

fn offset_of(event: &Event) -> Option<i64> {
    match &event.kind {
        trace::EventKind::Appended { base_offset, .. } => Some(*base_offset),
        _ => None,
    }
}

fn shift_offsets(event: &mut Event, by: i64) {
    use trace::EventKind as K;
    match &mut event.kind {
        K::Appended { base_offset, .. } | K::ProduceAcked { base_offset, .. } | K::Served { base_offset, .. } => {
            *base_offset += by;
        }
        K::HighWatermarkMoved { to, .. } => *to += by,
        K::RecordSent { sequence, .. } => *sequence += by as u64,
        K::RecordAcked { offset, sequence, .. }
        | K::RecordPolled { offset, sequence, .. }
        | K::RecordProcessed { offset, sequence, .. } => {
            *offset += by;
            *sequence += by as u64;
        }
        _ => {}
    }
}

fn resident_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// What this process has used of the CPU so far, in seconds: user and system time, in the kernel's hundredths.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn main() {
    let count = std::env::var("ODRADEK_BENCH_EVENTS").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let (example, events) = events(count);
    let header = example.header().clone();
    let file = |compressed| {
        let mut writer = TraceWriter::new(Vec::new(), &header, compressed).expect("memory");
        events.iter().for_each(|event| writer.event(event).expect("memory"));
        writer.finish().expect("memory")
    };
    let (plain, compressed) = (file(false), file(true));
    drop(events);
    let before = (resident_megabytes(), processor_seconds());
    let began = std::time::Instant::now();
    let model = parse_bytes(&compressed).expect("sound");
    assert_eq!((model.len(), model.problem()), (count, None));
    let grown = resident_megabytes().saturating_sub(before.0);
    let (wall, used) = (began.elapsed(), processor_seconds() - before.1);
    println!("{count} events: opened once in {wall:.2?}, {used:.2} s of CPU, {grown} MB");
    if std::env::var_os("ODRADEK_BENCH_FRAMES").is_some() {
        return frames(model);
    }
    if count <= 2_000_000 {
        criterion.bench_function("load plain", |b| b.iter(|| black_box(parse_bytes(&plain).map(|model| model.len()))));
        criterion.bench_function("load zstd", |b| {
            b.iter(|| black_box(parse_bytes(&compressed).map(|model| model.len())));
        });
    }
    drop((plain, compressed));
    seek(&mut criterion, &model);
    timeline(&mut criterion, &model);
    panels(&mut criterion, &model);
    criterion.final_summary();
    frames(model);
}

/// Layout and tessellation of whole frames while the cursor is dragged along the timeline, at several zooms.
fn frames(model: Model) {
    const FRAMES: usize = 400;
    let count = model.len();
    let settings = Settings { tour_seen: true, ..Settings::default() };
    let mut app = App::new(settings, Start::default());
    app.show(model, None);
    for preset in Preset::ALL {
        for (zoom, factor, cell) in
            [("whole run", 1.0, 0.05), ("a tenth", 0.1, 1.0), ("a thousandth", 1e-3, 3.0), ("1,000 events", 0.0, 26.0)]
        {
            let factor = if factor == 0.0 { 1_000.0 / count as f64 } else { factor };
            app.run(Command::Layout(preset));
            app.run(Command::Scrub(count / 2));
            app.run(Command::Fit);
            app.run(Command::Zoom(factor));
            app.run(Command::LogZoom(cell / app.view().expect("open").logs.cell));
            let context = egui::Context::default();
            visualizer::app::fonts::install_builtin(&context);
            // The cursor goes once over the timeline.
            let shown = (count as f64 * factor) as usize;
            let mut draw = |frame: usize| {
                app.run(Command::Scrub(count / 2 - shown / 2 + shown * frame / FRAMES));
                let input = RawInput {
                    screen_rect: Some(Rect::from_min_size(Pos2::ZERO, Vec2::new(1600.0, 900.0))),
                    time: Some(frame as f64 / 60.0),
                    ..RawInput::default()
                };
                let began = std::time::Instant::now();
                let output = context.run_ui(input, |ui| app.ui(ui));
                let drawn = context.tessellate(output.shapes, output.pixels_per_point);
                black_box(drawn);
                began.elapsed().as_secs_f64() * 1e3
            };
            (0..10).for_each(|frame| {
                black_box(draw(frame));
            });
            let before = processor_seconds();
            let mut walls: Vec<f64> = (0..FRAMES).map(&mut draw).collect();
            let used = (processor_seconds() - before) * 1e3 / FRAMES as f64;
            walls.sort_by(f64::total_cmp);
            let (median, slow) = (walls[FRAMES / 2], walls[FRAMES * 95 / 100]);
            println!(
                "frame, {}, {zoom}: {used:.1} ms of CPU, wall {median:.1} ms, 95 of 100 under {slow:.1} ms",
                preset.name()
            );
        }
    }
}

fn seek(criterion: &mut Criterion, model: &Model) {
    let mut place = 0usize;
    let mut jump = move || {
        place = (place * 7 + 1_234_567) % model.len();
        place
    };
    criterion.bench_function("seek anywhere", |b| {
        b.iter_batched(&mut jump, |place| black_box(model.state_at(place)), BatchSize::PerIteration);
    });
    let mut step = 0;
    criterion.bench_function("step forward", |b| {
        b.iter(|| {
            step = (step + 1) % model.len();
            black_box(model.state_at(step))
        });
    });
    let middle = model.len() / 2;
    criterion.bench_function("why", |b| b.iter(|| black_box(model.why(middle))));
    let query: Query = "kind:Truncated".parse().expect("a query");
    criterion.bench_function("find a kind", |b| b.iter(|| black_box(model.find(&query, 0, Direction::Forward))));
    let query: Query = "node:broker-3 partition:orders/0".parse().expect("a query");
    criterion.bench_function("find all by field", |b| b.iter(|| black_box(model.find_all(&query, usize::MAX).len())));
}

fn timeline(criterion: &mut Criterion, model: &Model) {
    let partitions = [Partition::new("orders", 0)];
    for (name, axis) in [("time", Axis::Time), ("rank", Axis::Rank)] {
        for (zoom, factor) in [("whole", 1.0), ("tenth", 0.1), ("thousandth", 0.001)] {
            let mut view = View::whole(model, axis, 1600.0);
            view.zoom(model, factor, 800.0);
            criterion.bench_function(&format!("density, {name}, {zoom}"), |b| {
                b.iter(|| black_box(layout::density(model, &view, 1600)));
            });
        }
    }
    let view = View::whole(model, Axis::Time, 1600.0);
    criterion.bench_function("operations", |b| b.iter(|| black_box(layout::operations(model, &view, 800))));
    criterion.bench_function("lanes", |b| {
        b.iter(|| {
            black_box(layout::fault_bars(model, &view));
            black_box(layout::leader_lanes(model, &view, &partitions));
            black_box(layout::isr_lanes(model, &view, &partitions));
            black_box(layout::node_lanes(model, &view));
            black_box(layout::markers(model, &view, "en"));
        });
    });
    let lanes: Vec<Name> = model.outline().nodes.iter().map(|node| node.name).collect();
    let mut near = view;
    near.zoom(model, 1_000.0 / model.len() as f64, 800.0);
    criterion.bench_function("space-time, 1000 events", |b| {
        b.iter(|| black_box(layout::messages(model, &near, &lanes, 2_000)));
    });
    criterion.bench_function("space-time, whole", |b| {
        b.iter(|| black_box(layout::messages(model, &view, &lanes, 2_000)));
    });
}

fn panels(criterion: &mut Criterion, model: &Model) {
    let index = model.len() - 1;
    let state = model.state_at(index);
    let orders = Partition::new("orders", 0);
    let tail = LogView::tail(&state, orders, 900.0);
    criterion.bench_function("replica logs, text", |b| {
        b.iter(|| black_box(layout::replica_logs(model, &state, index, &tail)));
    });
    let quads = LogView { cell: 3.0, first: (tail.first - 300.0).max(0.0), ..tail };
    criterion.bench_function("replica logs, quads", |b| {
        b.iter(|| black_box(layout::replica_logs(model, &state, index, &quads)));
    });
    let whole = LogView::fit(&state, orders, 900.0);
    criterion.bench_function("replica logs, whole", |b| {
        b.iter(|| black_box(layout::replica_logs(model, &state, index, &whole)));
    });
    criterion.bench_function("cluster", |b| {
        b.iter(|| black_box(layout::cluster(model, &state, index, 500.0, 400.0)));
    });
    let rows = EventRows::all(model);
    criterion.bench_function("event rows", |b| b.iter(|| black_box(layout::event_rows(model, &rows, index / 2, 60))));
    criterion.bench_function("inspector", |b| b.iter(|| black_box(layout::inspect(model, index / 2))));
}
