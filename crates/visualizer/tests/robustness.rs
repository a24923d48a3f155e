//! Whatever the file holds, the app shows what it can and says what it cannot.

mod support;

use std::path::{Path, PathBuf};

use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use support::{harness, model, run};
use trace::{BrokerList, Event, EventId, EventKind, FrameInfo, Header, Name, Partition, Protocol, RecordText, Text};
use trace::{TraceWriter, broker_name};
use visualizer::app::command::Command;
use visualizer::app::layouts::Preset;
use visualizer::app::{App, Settings, Start};
use visualizer::model::Model;

fn header() -> Header {
    Header {
        format: Header::FORMAT.into(),
        schema: trace::SCHEMA_VERSION,
        scenario: "made by hand".into(),
        seed: 1,
        plan: String::new(),
        version: "0.0.0".into(),
        commit: "unknown".into(),
        dropped: 0,
    }
}

/// One event a millisecond.
#[derive(Default)]
struct Story(Vec<Event>);

impl Story {
    fn tell(&mut self, node: &str, kind: EventKind) {
        let id = self.0.len() as u64 + 1;
        let cause = EventId(id - 1);
        self.0.push(Event { id: EventId(id), at: id * 1_000_000, node: Name::new(node), cause, kind });
    }

    /// A partition on these brokers, the first of which leads and has one batch that all have.
    fn partition(&mut self, partition: Partition, brokers: &[i32]) {
        let list = BrokerList::new(brokers.iter().copied());
        self.tell("broker-1", EventKind::PartitionCreated { partition, replicas: list });
        let decided = EventKind::LeadershipDecided {
            partition,
            leader: brokers[0],
            leader_epoch: 0,
            isr: list,
            partition_epoch: 0,
            controller_epoch: 1,
            unclean: false,
        };
        self.tell("broker-1", decided);
        for (place, broker) in brokers.iter().enumerate() {
            let leading = place == 0;
            let node = broker_name(*broker);
            if leading {
                let kind =
                    EventKind::BecameLeader { partition, leader_epoch: 0, log_end: 0, isr: list, partition_epoch: 0 };
                self.tell(node.as_str(), kind);
            }
            let appended = EventKind::Appended {
                partition,
                base_offset: 0,
                producer_id: -1,
                records: 1,
                leader_epoch: 0,
                crc: 7,
                sequence: -1,
                producer_epoch: -1,
                leading,
            };
            self.tell(node.as_str(), appended);
        }
    }
}

/// Draws every layout at the first and the last event, with help, palette and search.
fn look_everywhere(model: Model) -> Harness<'static, App> {
    let mut app = App::new(Settings { tour_seen: true, ..Settings::default() }, Start::default());
    app.show(model, None);
    let mut harness = harness(app);
    for preset in Preset::ALL {
        run(&mut harness, Command::Layout(preset));
        for key in [Key::End, Key::Home, Key::ArrowRight, Key::ArrowLeft, Key::V, Key::L, Key::X, Key::C, Key::R] {
            harness.key_press(key);
            harness.run_ok();
        }
        run(&mut harness, Command::Last);
        run(&mut harness, Command::LogZoom(0.01));
        run(&mut harness, Command::LogZoom(1e4));
        run(&mut harness, Command::Zoom(1e-9));
        run(&mut harness, Command::Fit);
        harness.render().unwrap();
    }
    run(&mut harness, Command::Layout(Preset::Triage));
    harness
}

#[test]
fn an_empty_trace_is_shown_as_empty() {
    let harness = look_everywhere(Model::new(header(), Vec::new(), None));
    assert!(harness.query_all_by_label_contains("The trace holds no event").next().is_some());
    assert!(harness.query_all_by_label_contains("The trace names no partition").next().is_some());
}

#[test]
fn one_node_and_one_event_are_enough() {
    let mut story = Story::default();
    story.tell("broker-1", EventKind::NodeStarted { incarnation: 0 });
    let harness = look_everywhere(Model::new(header(), story.0, None));
    assert!(harness.query_all_by_label_contains("node broker-1: up").next().is_some());
}

#[test]
fn sixty_four_brokers_and_two_hundred_partitions_are_shown() {
    let mut story = Story::default();
    (1..=64).for_each(|id| story.tell(broker_name(id).as_str(), EventKind::NodeStarted { incarnation: 0 }));
    for index in 0..200 {
        let brokers = [index % 64 + 1, (index + 1) % 64 + 1, (index + 2) % 64 + 1];
        story.partition(Partition::new("orders", index), &brokers);
    }
    for id in 2..=64 {
        let info = FrameInfo {
            connection: id as u32,
            peer: broker_name(1),
            api: Name::new("Fetch"),
            correlation: id,
            bytes: 100,
            protocol: Protocol::Kafka,
            response: false,
        };
        story.tell(broker_name(id).as_str(), EventKind::FrameSent(info));
    }
    let mut harness = look_everywhere(Model::new(header(), story.0, None));
    assert_eq!(model(&harness).partitions().len(), 200);
    let last = Partition::new("orders", 199);
    run(&mut harness, Command::Partition(last));
    harness.get_by_label_contains("orders/199 led by broker-8");
    harness.get_by_label("broker-8 offset 0");
}

/// Korean, Arabic (right to left), combining marks, emoji, control characters, and a very long value.
#[test]
fn keys_and_values_may_be_in_any_script() {
    let partition = Partition::new("orders", 0);
    let mut story = Story::default();
    let texts = [
        ("회원-1", "{\"이름\":\"김철수\",\"제목\":\"환영합니다\"}"),
        ("مفتاح", "قيمة"),
        ("e\u{301}\u{323}", "z\u{0}\u{7}\t\n\r\u{202e}"),
        ("\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}", "\u{10ffff}\u{fffd}"),
        ("", ""),
        ("long", &"값".repeat(20_000)),
    ];
    for (sequence, (key, value)) in texts.into_iter().enumerate() {
        let text = Text(Some(Box::new(RecordText { key: key.into(), value: value.into(), timestamp: i64::MIN })));
        story.tell("client", EventKind::RecordSent { partition, sequence: sequence as u64, key: 0, text });
        let appended = EventKind::Appended {
            partition,
            base_offset: sequence as i64,
            producer_id: -1,
            records: 1,
            leader_epoch: 0,
            crc: sequence as u32,
            sequence: -1,
            producer_epoch: -1,
            leading: true,
        };
        story.tell("broker-1", appended);
    }
    // The harness fails where a character without a font is drawn as it is: there is none but the built-in one.
    let harness = look_everywhere(Model::new(header(), story.0, None));
    assert_eq!(model(&harness).find_all(&"김철수".parse().unwrap(), usize::MAX), [0]);
}

/// Offsets, epochs and times at the edges of their types: no arithmetic may overflow.
#[test]
fn absurd_numbers_are_survived() {
    let partition = Partition::new("t", i32::MAX);
    let mut story = Story::default();
    for (base_offset, records, leader_epoch) in
        [(i64::MAX - 3, u32::MAX, i32::MAX), (0, 0, i32::MIN), (5, u32::MAX, -1), (i64::MIN, 3, 0)]
    {
        let appended = EventKind::Appended {
            partition,
            base_offset,
            producer_id: i64::MIN,
            records,
            leader_epoch,
            crc: 0,
            sequence: i32::MIN,
            producer_epoch: i16::MIN,
            leading: true,
        };
        story.tell("broker-255", appended.clone());
        story.tell("broker-254", appended);
    }
    story.tell("broker-1", EventKind::Truncated { partition, to: i64::MIN, from: i64::MAX });
    story.tell("broker-255", EventKind::HighWatermarkMoved { partition, to: i64::MAX, leader_epoch: 0, leading: true });
    story.tell("broker-255", EventKind::LogStartMoved { partition, to: i64::MAX });
    story.tell("client", EventKind::PositionReset { partition, from: -1, to: i64::MAX, reason: Name::new("seek") });
    story.0.last_mut().unwrap().at = u64::MAX;
    look_everywhere(Model::new(header(), story.0, None));
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("odradek-robustness-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The app over this file, after as many frames as loading takes.
fn opened(path: &Path) -> Harness<'static, App> {
    let mut app = App::new(Settings { tour_seen: true, ..Settings::default() }, Start::default());
    app.open(path);
    let mut harness = harness(app);
    wait(&mut harness, |harness| harness.query_by_label_contains("Opening").is_none());
    harness
}

/// Frames until `done`: other threads need their time.
fn wait(harness: &mut Harness<App>, done: impl Fn(&Harness<App>) -> bool) {
    for _ in 0..10_000 {
        harness.step();
        if done(harness) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("it never came to that");
}

fn written(path: &Path, header: &Header, events: &[Event]) -> Vec<u8> {
    let mut writer = TraceWriter::new(Vec::new(), header, false).unwrap();
    events.iter().for_each(|event| writer.event(event).unwrap());
    let bytes = writer.finish().unwrap();
    std::fs::write(path, &bytes).unwrap();
    bytes
}

#[test]
fn a_file_that_vanishes_while_it_is_open_is_told_and_what_was_read_stays() {
    let folder = folder("vanishing");
    let path = folder.join("trace.jsonl");
    let mut story = Story::default();
    story.partition(Partition::new("orders", 0), &[1, 2]);
    written(&path, &header(), &story.0);
    let mut harness = opened(&path);
    assert_eq!(model(&harness).len(), story.0.len());
    std::fs::remove_dir_all(&folder).unwrap();
    wait(&mut harness, |harness| harness.query_all_by_label_contains("trace.jsonl").next().is_some());
    assert_eq!(model(&harness).len(), story.0.len());
    harness.get_by_label("Dismiss").click();
    harness.run_ok();
    assert!(harness.query_by_label("Dismiss").is_none());
}

#[test]
fn a_cut_file_shows_its_sound_part_with_a_warning() {
    let folder = folder("cut");
    let path = folder.join("trace.jsonl");
    let mut story = Story::default();
    story.partition(Partition::new("orders", 0), &[1, 2]);
    let bytes = written(&path, &header(), &story.0);
    std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
    let harness = opened(&path);
    assert_eq!(model(&harness).len(), story.0.len() - 1);
    harness.get_by_label_contains("the file is cut off");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn newer_foreign_and_missing_files_are_refused_with_a_reason() {
    let folder = folder("refused");
    let newer = folder.join("newer.jsonl");
    written(&newer, &Header { schema: 999, ..header() }, &[]);
    let foreign = folder.join("foreign.jsonl");
    std::fs::write(&foreign, [0xff, 0x00, 0x0a]).unwrap();
    let empty = folder.join("empty.jsonl");
    std::fs::write(&empty, "").unwrap();
    for (path, reason) in [
        (&newer, "read it with a newer odradek"),
        (&foreign, "no Odradek trace"),
        (&empty, "the file is empty"),
        (&folder.join("missing.jsonl"), "missing.jsonl"),
        (&folder, "is a folder"),
    ] {
        let harness = opened(path);
        harness.get_by_label_contains("This trace cannot be opened");
        assert!(harness.query_all_by_label_contains(reason).next().is_some(), "{} for {reason}", path.display());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
