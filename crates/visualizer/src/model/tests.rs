//! Claims about the model, over small hand-made stories and the bundled trace.

use std::fmt::Write as _;
use std::io::Write as _;

use super::*;
use trace::{BrokerList, EventKind, FrameInfo, Name, Phase, Protocol, StopReason, TraceWriter};

/// A trace made by hand: one event a second unless told otherwise.
pub(crate) struct Story {
    events: Vec<Event>,
    step: u64,
}

pub(crate) fn orders() -> Partition {
    Partition::new("orders", 0)
}

impl Story {
    pub(crate) fn new() -> Story {
        Story { events: Vec::new(), step: 1_000_000_000 }
    }

    /// Adds what happened; its id.
    pub(crate) fn tell(&mut self, node: &str, cause: u64, kind: EventKind) -> u64 {
        let id = self.events.len() as u64 + 1;
        let event = Event { id: EventId(id), at: id * self.step, node: Name::new(node), cause: EventId(cause), kind };
        self.events.push(event);
        id
    }

    pub(crate) fn append(&mut self, broker: i32, base_offset: i64, records: u32, leader_epoch: i32, crc: u32) -> u64 {
        let kind = EventKind::Appended {
            partition: orders(),
            base_offset,
            producer_id: -1,
            records,
            leader_epoch,
            crc,
            sequence: -1,
            producer_epoch: -1,
            leading: false,
        };
        self.tell(&format!("broker-{broker}"), 0, kind)
    }

    pub(crate) fn decide(&mut self, leader: i32, leader_epoch: i32, isr: &[i32]) -> u64 {
        let kind = EventKind::LeadershipDecided {
            partition: orders(),
            leader,
            leader_epoch,
            isr: BrokerList::new(isr.iter().copied()),
            partition_epoch: leader_epoch,
            controller_epoch: 1,
            unclean: false,
        };
        self.tell("broker-1", 0, kind)
    }

    pub(crate) fn lead(&mut self, broker: i32, leader_epoch: i32) -> u64 {
        let isr = BrokerList::new([broker]);
        let kind = EventKind::BecameLeader { partition: orders(), leader_epoch, log_end: 0, isr, partition_epoch: 0 };
        self.tell(&format!("broker-{broker}"), 0, kind)
    }

    pub(crate) fn follow(&mut self, broker: i32, leader_epoch: i32, leader: i32) -> u64 {
        let kind = EventKind::BecameFollower { partition: orders(), leader_epoch, leader, log_end: 0 };
        self.tell(&format!("broker-{broker}"), 0, kind)
    }

    pub(crate) fn frame(&mut self, from: &str, to: &str, correlation: i32, cause: u64) -> u64 {
        self.tell(from, cause, EventKind::FrameSent(frame(to, correlation)))
    }

    pub(crate) fn fault(&mut self, fault: &str, kind: &str, target: &str) -> u64 {
        let kind = EventKind::FaultBegan { fault: Name::new(fault), kind: Name::new(kind), target: Name::new(target) };
        self.tell("world", 0, kind)
    }

    pub(crate) fn model(self) -> Model {
        Model::new(header(), self.events, None)
    }
}

pub(crate) fn frame(peer: &str, correlation: i32) -> FrameInfo {
    FrameInfo {
        connection: 1,
        peer: Name::new(peer),
        api: Name::new("Fetch"),
        correlation,
        bytes: 100,
        protocol: Protocol::Kafka,
        response: false,
    }
}

fn header() -> Header {
    Header {
        format: Header::FORMAT.into(),
        schema: trace::SCHEMA_VERSION,
        scenario: "by-hand".into(),
        seed: 1,
        plan: String::new(),
        version: "0".into(),
        commit: "unknown".into(),
        dropped: 0,
    }
}

fn file(events: &[Event], compressed: bool) -> Vec<u8> {
    let mut writer = TraceWriter::new(Vec::new(), &header(), compressed).unwrap();
    events.iter().for_each(|event| writer.event(event).unwrap());
    writer.finish().unwrap()
}

fn many(count: usize) -> Vec<Event> {
    let mut story = Story { events: Vec::new(), step: 1_000 };
    (0..count).for_each(|n| {
        story.append(1 + (n % 3) as i32, (n / 3) as i64, 1, 0, n as u32);
    });
    story.events
}

#[test]
fn the_bundled_trace_tells_of_two_expected_losses_and_the_fault_before_them() {
    let model = Model::example();
    assert!(model.problem().is_none() && model.plan().is_some());
    let outline = model.outline();
    assert_eq!(outline.violations.len(), 2);
    assert!(outline.violations.iter().all(|item| item.expected && item.oracle == Name::new("lost-write")));
    assert_eq!(outline.faults[0].target, Name::new("broker-1"));
    assert!(outline.faults[0].ended.is_some());
    assert_eq!(outline.topics[0].partitions, [0]);
    let brokers = outline.nodes.iter().filter(|node| node.role == NodeRole::Broker);
    assert_eq!(brokers.map(|node| node.name.as_str()).collect::<Vec<_>>(), ["broker-1", "broker-2", "broker-3"]);
}

#[test]
fn a_large_file_reads_back_event_for_event_plain_and_compressed() {
    let events = many(40_000);
    for compressed in [false, true] {
        let model = parse_bytes(&file(&events, compressed)).unwrap();
        assert_eq!(model.problem(), None);
        assert!(model.events() == events.as_slice());
    }
}

#[test]
fn a_cut_file_shows_its_sound_part_and_says_where_it_ends() {
    let events = many(30_000);
    let bytes = file(&events, false);
    let model = parse_bytes(&bytes[..bytes.len() - 20]).unwrap();
    assert_eq!(model.len(), 29_999);
    let problem = model.problem().unwrap();
    assert!(problem.starts_with("line 30001: the file ends in the middle"), "{problem}");
    assert!(problem.contains("29999 events"), "{problem}");
    let bytes = file(&events, true);
    let model = parse_bytes(&bytes[..bytes.len() / 2]).unwrap();
    assert!(model.len() < 30_000 && model.problem().is_some());
    assert!(model.events() == &events[..model.len()]);
}

#[test]
fn a_broken_line_ends_what_is_shown_and_is_named() {
    let text = String::from_utf8(file(&many(20_000), false)).unwrap();
    let broken = text.replace("\"id\":15000,", "\"id\":\"x\",");
    let model = parse_bytes(broken.as_bytes()).unwrap();
    assert_eq!(model.len(), 14_999);
    assert!(model.problem().unwrap().starts_with("line 15001, column "), "{:?}", model.problem());
    let missing =
        text.lines().filter(|line| !line.starts_with("{\"id\":12000,")).fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{line}");
            text
        });
    let model = parse_bytes(missing.as_bytes()).unwrap();
    assert_eq!(model.len(), 11_999);
    assert!(model.problem().unwrap().contains("event 12001 follows event 11999"), "{:?}", model.problem());
}

#[test]
fn empty_foreign_and_newer_files_are_refused_with_a_reason() {
    let refusal = |bytes: &[u8]| parse_bytes(bytes).err().expect("refused").to_string();
    assert!(refusal(b"").contains("empty"));
    assert!(refusal(b"hello\n").contains("no Odradek trace"));
    assert!(refusal(&[0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3]).contains("line 1"));
    assert!(refusal(br#"{"format":"odradek-trace","schema":999}"#).contains("newer"));
}

#[test]
fn loading_in_the_background_reports_progress_and_missing_files() {
    let path = std::env::temp_dir().join(format!("odradek-load-{}.jsonl", std::process::id()));
    std::fs::write(&path, file(&many(5_000), false)).unwrap();
    let loading = load(&path);
    let loaded = loading.wait().unwrap();
    assert_eq!(loaded.model.len(), 5_000);
    assert!(loaded.follower.is_some());
    std::fs::remove_file(&path).unwrap();
    let missing = load(&path).wait().err().expect("it is gone").to_string();
    assert!(missing.contains("odradek-load"), "{missing}");
}

#[test]
fn a_growing_file_is_followed_line_by_line() {
    let path = std::env::temp_dir().join(format!("odradek-follow-{}.jsonl", std::process::id()));
    let events = many(3_000);
    let bytes = file(&events, false);
    let cut = bytes.len() / 2;
    std::fs::write(&path, &bytes[..cut]).unwrap();
    let Loaded { mut model, follower } = load(&path).wait().unwrap();
    let mut follower = follower.unwrap();
    let shown = model.len();
    assert!(shown > 1_000 && shown < 3_000);
    assert_eq!(follower.poll(&mut model).unwrap(), 0);
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&bytes[cut..]).unwrap();
    assert_eq!(follower.poll(&mut model).unwrap(), 3_000 - shown);
    assert_eq!(model.problem(), None);
    assert!(model.events() == events.as_slice());
    std::fs::write(&path, b"x\n").unwrap();
    assert!(follower.poll(&mut model).is_err());
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn any_instant_equals_the_fold_from_the_start() {
    let model = Model::example();
    for index in [0, 4_095, 4_096, 11_000, 4_097, 11_001, model.len() - 1] {
        let mut expected = ClusterState::default();
        model.events()[..=index].iter().for_each(|event| expected.apply(event));
        assert_eq!(format!("{:?}", model.state_at(index)), format!("{expected:?}"), "at {index}");
    }
}

#[test]
fn the_loss_leads_back_to_the_cut_and_the_cut_forward_to_the_loss() {
    let model = Model::example();
    let index = model.outline().violations[0].index;
    let why = model.why(index);
    assert_eq!(why[0], index);
    let cut = model.outline().faults[0].index;
    assert!(why.contains(&cut), "{why:?}");
    let why_without_index: Vec<usize> = Causes::new(model.events())
        .why(model.events()[index].id)
        .iter()
        .map(|event| model.index_of(event.id).unwrap())
        .collect();
    assert_eq!(why, why_without_index);
    for effect in model.effects(cut) {
        assert_eq!(model.events()[effect].cause, model.events()[cut].id);
    }
    assert!(model.consequences(cut, 1_000_000).len() >= model.effects(cut).len());
}

#[test]
fn effects_are_all_events_with_that_cause() {
    let mut story = Story::new();
    let first = story.lead(1, 0);
    let second = story.tell("a", first, EventKind::NodePaused);
    story.tell("b", first, EventKind::NodePaused);
    story.tell("c", second, EventKind::NodePaused);
    let model = story.model();
    assert_eq!(model.effects(0), [1, 2]);
    assert_eq!(model.consequences(0, 10), [1, 2, 3]);
    assert_eq!(model.consequences(0, 2), [1, 2]);
}

#[test]
fn counts_and_the_worst_severity_are_exact_for_any_range() {
    let model = Model::example();
    let ranges = [(0, 1), (0, 256), (100, 300), (255, 257), (1, model.len()), (5_000, 12_345), (9, 9)];
    for (from, to) in ranges {
        let mut counts = [0; Class::COUNT];
        let mut worst = Severity::Trace;
        for event in &model.events()[from..to] {
            let (class, severity) = classify(&event.kind);
            counts[class.place()] += 1;
            worst = worst.max(severity);
        }
        assert_eq!(model.index().counts(from..to), counts, "{from}..{to}");
        assert_eq!(model.index().worst(from..to), worst, "{from}..{to}");
        let first = (from..to).find(|place| model.severity(*place) >= Severity::Warning);
        assert_eq!(model.index().first_of(from..to, Severity::Warning), first, "{from}..{to}");
        let last = (from..to).rev().find(|place| model.severity(*place) >= Severity::Warning);
        assert_eq!(model.index().last_of(from..to, Severity::Warning), last, "{from}..{to}");
    }
}

#[test]
fn a_time_finds_the_last_event_not_after_it() {
    let model = Model::example();
    for time in [0, 1, 15_000_000_000, 22_065_663_586, u64::MAX] {
        let expected = model.events().iter().filter(|event| event.at <= time).count().saturating_sub(1);
        assert_eq!(model.index_at(time), expected, "at {time}");
    }
}

#[test]
fn searches_find_by_field_word_and_text() {
    let model = Model::example();
    let count = |text: &str| model.find_all(&text.parse().unwrap(), usize::MAX).len();
    let kind = |name: &str| model.events().iter().filter(|event| event.kind.name() == name).count();
    assert_eq!(count("kind:Truncated"), kind("Truncated"));
    assert_eq!(count("framedropped"), kind("FrameDropped"));
    assert_eq!(count("violation"), 2);
    assert_eq!(count("isolate"), 1);
    let at_broker = model.events().iter().filter(|event| event.node == Name::new("broker-2")).count();
    assert_eq!(count("node:broker-2"), at_broker);
    assert!(count("partition:orders/0 offset:283") > 3);
    assert_eq!(count("partition:orders/7"), 0);
    assert!(count("at:15s..16s node:world") >= 1);
    assert!(count("acknowledged") >= kind("RecordAcked"));
    let query = "truncation".parse().unwrap();
    let found = model.find(&query, 0, Direction::Forward).unwrap();
    assert_eq!(model.find(&query, found, Direction::Forward), None);
    assert_eq!(model.find(&query, model.len(), Direction::Backward), Some(found));
}

#[test]
fn temporal_searches_respect_order_and_window() {
    let mut story = Story::new();
    story.decide(1, 0, &[1, 2]);
    let cut = story.fault("cut", "partition", "broker-1 <-> broker-2");
    story.lead(2, 1);
    let change = story.decide(2, 1, &[2]);
    let model = story.model();
    let found = |text: &str| model.find_all(&text.parse().unwrap(), 10);
    assert_eq!(found("leader-change after partition within 2s"), [change as u32 - 1]);
    assert!(found("leader-change after partition within 1s").is_empty());
    assert_eq!(found("partition before leader-change within 2s"), [cut as u32 - 1]);
    assert!(found("partition after leader-change within 10s").is_empty());
    assert!("after partition within 2s".parse::<Query>().is_err());
    assert!("leader-change after partition within soon".parse::<Query>().is_err());
    assert!("partition:orders".parse::<Query>().unwrap_err().contains("TOPIC/INDEX"));
    for example in Query::examples() {
        assert_eq!(example.parse::<Query>().unwrap().to_string(), *example);
    }
}

#[test]
fn records_are_known_by_offset_and_epoch_even_where_two_share_an_offset() {
    let model = Model::example();
    let both: Vec<_> = model.records().range(orders(), 283, 284).collect();
    assert_eq!(both.iter().map(|(_, epoch, _)| *epoch).collect::<Vec<_>>(), [0, 1], "{both:?}");
    let value = |place: usize| {
        let sent = both[place].2.sent.unwrap() as usize;
        records::text_of(&model.events()[sent]).unwrap().value.clone()
    };
    assert!(value(0).starts_with("order 283 of"), "{}", value(0));
    assert_ne!(value(0), value(1));
    assert!(both.iter().all(|(_, _, joined)| joined.acked.is_some()));
    let sent = both[0].2.sent.unwrap() as usize;
    assert_eq!(model.records().offset_of(&model, sent), Some(283));
}

#[test]
fn history_keeps_leaderships_and_what_truncation_removed() {
    let mut story = Story::new();
    story.decide(1, 0, &[1, 2]);
    story.lead(1, 0);
    story.append(1, 0, 5, 0, 7);
    story.append(1, 5, 5, 0, 8);
    story.lead(2, 1);
    story.decide(2, 1, &[2]);
    story.follow(1, 1, 2);
    story.tell("broker-1", 0, EventKind::Truncated { partition: orders(), to: 5, from: 10 });
    story.tell("broker-2", 0, EventKind::NodeStopped { reason: StopReason::Crash });
    let model = story.model();
    let spans = &model.history().leaders[&orders()];
    let told: Vec<_> = spans.iter().map(|span| (span.broker, span.epoch, span.from, span.to)).collect();
    assert_eq!(told, [(1, 0, 1, Some(6)), (2, 1, 4, Some(8))]);
    assert_eq!(model.history().leader_changes, [4], "obeyed before it is told");
    let removal = &model.history().removals[0];
    assert_eq!((removal.broker, removal.from, removal.to, removal.batches.len()), (1, 10, 5, 1));
    assert_eq!(model.history().downtimes[&Name::new("broker-2")][0].from, 8);
}

#[test]
fn frames_fly_from_their_sending_to_their_delivery_or_loss() {
    let mut story = Story::new();
    let sent = story.frame("broker-1", "broker-2", 1, 0);
    let lost = story.frame("broker-1", "broker-2", 2, 0);
    let cut = story.fault("cut", "isolate", "broker-1");
    story.tell("broker-2", sent, EventKind::FrameDelivered(frame("broker-1", 1)));
    story.tell("broker-1", cut, EventKind::FrameDropped(frame("broker-2", 2)));
    let model = story.model();
    assert_eq!(model.fate_of(sent as usize - 1), Some((3, Fate::Delivered)));
    assert_eq!(model.fate_of(lost as usize - 1), Some((4, Fate::Dropped)));
    let flying = |index: usize| model.flying(index, model.at(index)).iter().map(|one| one.sent).collect::<Vec<_>>();
    assert_eq!(flying(0), [0]);
    assert_eq!(flying(2), [0, 1]);
    assert_eq!(flying(3), [1]);
    assert!(flying(4).is_empty());
    let half = model.flying(0, model.at(0) + 1_500_000_000);
    assert!((half[0].progress - 0.5).abs() < 1e-6);
}

#[test]
fn a_frame_that_crosses_many_events_is_still_seen() {
    let mut story = Story { events: Vec::new(), step: 1_000 };
    let sent = story.frame("broker-1", "broker-2", 1, 0);
    (0..10_000).for_each(|n| {
        story.append(3, n, 1, 0, 0);
    });
    story.tell("broker-2", sent, EventKind::FrameDelivered(frame("broker-1", 1)));
    let model = story.model();
    assert_eq!(model.flying(9_000, model.at(9_000)).len(), 1);
    assert!(model.flying(10_001, model.at(10_001)).is_empty());
}

#[test]
fn the_story_is_told_in_captions_in_the_language_asked_for() {
    let model = Model::example();
    let captions = model.captions("en");
    assert!(captions.windows(2).all(|pair| pair[0].index < pair[1].index));
    let notes: Vec<_> = captions.iter().filter(|caption| caption.kind == CaptionKind::Note).collect();
    assert_eq!(notes.len(), 3);
    assert!(notes[0].text.starts_with("The leader is alone"), "{}", notes[0].text);
    assert_eq!(model.caption_at(notes[1].index, "xx").unwrap().text, notes[1].text);
    assert_eq!(model.caption_at(notes[1].index - 1, "en").unwrap().index, notes[0].index);
    assert_eq!(model.languages(), ["en"]);
}

#[test]
fn deep_links_read_back_and_resolve() {
    for text in ["violation:1", "12.5s", "event:48211"] {
        assert_eq!(text.parse::<At>().unwrap().to_string(), text);
    }
    for text in ["", "violation:0", "violation:x", "noon", "event:-1", "line:3"] {
        assert!(text.parse::<At>().is_err(), "{text}");
    }
    assert_eq!("orders/0".parse(), Ok(FocusLink::Partition(orders())));
    assert_eq!("broker-1".parse(), Ok(FocusLink::Node(Name::new("broker-1"))));
    assert!("orders/x".parse::<FocusLink>().is_err());
    let model = Model::example();
    assert_eq!(model.resolve(At::Violation(1)), model.outline().violations[0].commits);
    assert_eq!(model.resolve(At::Violation(9)), None);
    assert_eq!(model.resolve(At::Event(EventId(17))), Some(16));
    assert_eq!(model.resolve(At::Time(15_000_000_000)), Some(model.index_at(15_000_000_000)));
}

#[test]
fn jumps_go_to_the_nearest_moment_on_either_side() {
    let model = Model::example();
    let fault = &model.outline().faults[0];
    assert_eq!(model.next(Jump::Fault, 0, Direction::Forward), Some(fault.index));
    assert_eq!(model.next(Jump::Fault, fault.index, Direction::Forward), fault.ended.map(|(index, _)| index));
    assert_eq!(model.next(Jump::Fault, fault.index, Direction::Backward), None);
    let change = model.next(Jump::LeaderChange, 0, Direction::Forward).unwrap();
    assert_eq!(model.kind_name(change), "LeadershipDecided");
    assert!(model.next(Jump::Severe, 0, Direction::Forward).is_some());
    let node = model.events()[500].node;
    let next = model.along_lane(500, Direction::Forward).unwrap();
    assert!(next > 500 && model.events()[next].node == node);
    assert_eq!(model.along_lane(next, Direction::Backward), Some(500));
}

#[test]
fn a_ring_trace_that_begins_late_is_read_as_well() {
    let mut events = many(10);
    events.drain(..4);
    let model = parse_bytes(&file(&events, false)).unwrap();
    assert_eq!(model.len(), 6);
    assert_eq!(model.index_of(EventId(5)), Some(0));
    assert_eq!(model.index_of(EventId(4)), None);
    assert_eq!(model.why(2).len(), 1);
}

#[test]
fn an_empty_trace_answers_everything_with_nothing() {
    let model = Model::new(header(), Vec::new(), None);
    assert!(model.is_empty());
    assert_eq!((model.span(), model.index_at(5), model.resolve(At::Time(5))), ((0, 0), 0, None));
    assert!(model.why(0).is_empty() && model.effects(0).is_empty() && model.flying(0, 0).is_empty());
    assert_eq!(model.state_at(3).last, EventId::ROOT);
    assert_eq!(model.next(Jump::Severe, 0, Direction::Forward), None);
    assert_eq!(model.index().counts(0..10), [0; Class::COUNT]);
}

#[test]
fn extending_a_model_equals_building_it_at_once() {
    let model = Model::example();
    let (first, rest) = model.events().split_at(9_999);
    let mut grown = Model::new(model.header().clone(), first.to_vec(), None);
    grown.extend(rest.to_vec());
    assert_eq!(grown.outline().violations, model.outline().violations);
    assert_eq!(grown.history().removals, model.history().removals);
    assert_eq!(grown.index().counts(3..20_000), model.index().counts(3..20_000));
    assert_eq!(grown.history().phases.last().map(|(_, phase)| *phase), Some(Phase::Verify));
}
