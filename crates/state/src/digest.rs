//! The digest: a run told in at most 40 lines, fit for review in a pull request.
//!
//! It names what changed, fault by fault, net of the way there: no ids, offsets, latencies, retries or counts of events, so
//! that it stays the same when only the schedule differs. The same story with times is what `odradek run` prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use trace::{BrokerList, Event, EventKind, Name, Partition, Phase};

use crate::ClusterState;
use crate::cluster::{Delivered, transaction};
use crate::groups::GroupOutline;

/// One line of the story.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// When it became so, ns.
    pub at: u64,
    /// What.
    pub text: String,
    /// What depends on the schedule (offsets, which record): told in the story, left out of the digest.
    pub detail: String,
}

impl Line {
    fn new(at: u64, text: String) -> Line {
        Line { at, text, detail: String::new() }
    }
}

/// What began with a fault, with its end, or with a phase.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chapter {
    /// When it began, ns.
    pub at: u64,
    /// What began it.
    pub heading: String,
    /// What of it depends on the schedule: told in the story, left out of the digest.
    pub detail: String,
    /// What followed, net.
    pub lines: Vec<Line>,
}

impl Chapter {
    fn new(at: u64, heading: &str, lines: Vec<Line>) -> Chapter {
        Chapter { at, heading: heading.into(), detail: String::new(), lines }
    }
}

/// The story of a run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Digest {
    /// What was run.
    pub title: String,
    /// Fault by fault.
    pub chapters: Vec<Chapter>,
    /// Counts and verdict.
    pub closing: Vec<String>,
}

impl Digest {
    /// As text; with times it is the story that `run` prints, without it is fit for a snapshot.
    pub fn render(&self, times: bool) -> String {
        let mut text = format!("{}\n", self.title);
        let stamp = |at: u64| if times { format!("{:>9.3}s ", at as f64 / 1e9) } else { String::new() };
        for chapter in &self.chapters {
            let detail = if times { chapter.detail.as_str() } else { "" };
            writeln!(text, "{}{}{detail}", stamp(chapter.at), chapter.heading).expect("a string takes all");
            for line in self.told(chapter, times) {
                let detail = if times { line.detail.as_str() } else { "" };
                writeln!(text, "{}   {}{detail}", stamp(line.at), line.text).expect("a string takes all");
            }
        }
        for line in &self.closing {
            writeln!(text, "{line}").expect("a string takes all");
        }
        text
    }
}

impl Digest {
    /// A chapter's lines: in the order of time in a story; in a digest by kind, and equal ones once.
    fn told<'a>(&self, chapter: &'a Chapter, times: bool) -> Vec<&'a Line> {
        if times {
            let mut told: Vec<&Line> = chapter.lines.iter().collect();
            told.sort_by_key(|line| line.at);
            return told;
        }
        let mut told: Vec<&Line> = Vec::new();
        for line in &chapter.lines {
            if !told.iter().any(|before| before.text == line.text) {
                told.push(line);
            }
        }
        told
    }
}

/// What the digest compares before and after: all of it is stored or announced, none of it is believed by one node only.
#[derive(Clone, Default, PartialEq)]
struct Outline {
    controller: Option<(Name, i32)>,
    zookeeper_leader: Option<Name>,
    partitions: BTreeMap<Partition, (Option<i32>, i32, BrokerList)>,
    /// Brokers that were registered: with more than one left, chance decides who becomes the controller.
    registered: BTreeSet<i32>,
    groups: BTreeMap<Name, GroupOutline>,
}

impl Outline {
    fn of(state: &ClusterState) -> Outline {
        let of_partition = |(partition, state): (&Partition, &crate::PartitionState)| {
            (*partition, (state.leader, state.leader_epoch, state.isr.sorted()))
        };
        Outline {
            controller: state.controller,
            zookeeper_leader: state.zookeeper_leader(),
            partitions: state.partitions.iter().map(of_partition).collect(),
            registered: state.registered.keys().copied().collect(),
            groups: state.groups.iter().map(|(name, group)| (*name, group.outline())).collect(),
        }
    }
}

/// What happened since the current chapter began.
#[derive(Default)]
struct Act {
    before: Outline,
    last_change: u64,
    last_group_change: u64,
    smallest_isr: BTreeMap<Partition, BrokerList>,
    expired: BTreeSet<i32>,
    truncated: BTreeMap<Name, BTreeSet<Partition>>,
    /// Since when.
    cleaned: BTreeMap<Partition, u64>,
    notes: Vec<(u64, u32)>,
    violations: Vec<Line>,
}

/// The heading of the chapter that goes on.
struct Heading {
    at: u64,
    text: String,
    detail: String,
}

/// Builds the digest while a run goes on.
pub struct DigestBuilder {
    digest: Digest,
    notes: Vec<String>,
    fault_numbers: BTreeMap<Name, usize>,
    act: Act,
    heading: Option<Heading>,
    delivered: Delivered,
    /// Whether several brokers raced for /controller when the present one won.
    controller_by_chance: bool,
    /// After the run's checks began, nothing the cluster does belongs to the story.
    over: bool,
}

impl DigestBuilder {
    /// A digest with this title; `notes` are the texts of the scenario's notes in order.
    pub fn new(title: String, notes: Vec<String>) -> DigestBuilder {
        DigestBuilder {
            digest: Digest { title, ..Digest::default() },
            notes,
            fault_numbers: BTreeMap::new(),
            act: Act::default(),
            heading: None,
            delivered: Delivered::default(),
            controller_by_chance: false,
            over: false,
        }
    }

    /// Folds one event; `state` already holds it.
    pub fn observe(&mut self, event: &Event, state: &ClusterState) {
        if transaction(&event.kind).is_some_and(|zxid| !self.delivered.is_news(zxid, event.node)) {
            return;
        }
        match &event.kind {
            EventKind::Violation { oracle, summary, .. } => {
                let (text, detail) = (format!("VIOLATION {oracle}"), format!(": {summary}"));
                self.act.violations.push(Line { at: event.at, text, detail });
            }
            _ if self.over => {}
            EventKind::PhaseBegan { phase } => self.phase(*phase, event.at, state),
            EventKind::FaultBegan { fault, kind, target } => {
                let number = self.fault_numbers.len() + 1;
                let number = *self.fault_numbers.entry(*fault).or_insert(number);
                let (roles, detail) = self.roles(*target, state);
                self.turn(event.at, Some((format!("#{number} {kind} {target}{roles}"), detail)), state);
            }
            EventKind::FaultEnded { fault } => {
                let number = self.fault_numbers.get(fault).copied().unwrap_or(0);
                // What is over at once needs no heading for its end.
                let own = format!("#{number} ");
                if self.heading.as_ref().is_some_and(|it| it.at == event.at && it.text.starts_with(&own)) {
                    return;
                }
                self.turn(event.at, Some((format!("#{number} healed"), String::new())), state);
            }
            EventKind::NoteShown { note } => self.act.notes.push((event.at, *note)),
            EventKind::Truncated { partition, .. } => {
                self.act.truncated.entry(event.node).or_default().insert(*partition);
            }
            EventKind::LogCleaned { partition, .. } => {
                self.act.cleaned.entry(*partition).or_insert(event.at);
            }
            EventKind::ZnodeChanged { path, change: trace::ZnodeChange::Deleted, .. } => {
                let id: Option<i32> = path.as_str().strip_prefix("/brokers/ids/").and_then(|id| id.parse().ok());
                self.act.expired.extend(id);
                self.act.last_change = event.at;
            }
            EventKind::IsrChanged { partition, .. } | EventKind::LeadershipDecided { partition, .. } => {
                self.act.last_change = event.at;
                let isr = state.partitions[partition].isr.sorted();
                let smallest = self.act.smallest_isr.entry(*partition).or_insert(isr);
                if isr.len() < smallest.len() {
                    *smallest = isr;
                }
            }
            EventKind::ControllerElected { .. } => {
                self.act.last_change = event.at;
                self.controller_by_chance = state.registered.len() > 1;
            }
            EventKind::ZabRoleChanged { .. } => self.act.last_change = event.at,
            EventKind::GroupStateChanged { .. } => self.act.last_group_change = event.at,
            _ => {}
        }
    }

    fn phase(&mut self, phase: Phase, at: u64, state: &ClusterState) {
        match phase {
            Phase::Warmup => {}
            // What the cluster did to come up is no story: chapters begin with the faults.
            Phase::Chaos => self.act = Act { before: Outline::of(state), ..Act::default() },
            Phase::Settle => {
                self.turn(at, Some(("settle: everything healed and restarted".into(), String::new())), state)
            }
            Phase::Verify => {
                self.turn(at, None, state);
                self.over = true;
            }
        }
    }

    /// Ends the current chapter and begins the next.
    fn turn(&mut self, at: u64, heading: Option<(String, String)>, state: &ClusterState) {
        let after = Outline::of(state);
        let before = Act { before: after.clone(), ..Act::default() };
        let act = std::mem::replace(&mut self.act, before);
        let lines = act.lines(&after, &self.notes);
        match self.heading.take() {
            Some(Heading { at, text, detail }) => {
                self.digest.chapters.push(Chapter { at, heading: text, detail, lines });
            }
            None if lines.is_empty() => {}
            None => self.digest.chapters.push(Chapter::new(at, "before any fault", lines)),
        }
        self.heading = heading.map(|(text, detail)| Heading { at, text, detail });
    }

    /// What a node is at the moment a fault hits it, such as ` (controller, leads email/0)`; and what of it is chance.
    fn roles(&self, target: Name, state: &ClusterState) -> (String, String) {
        let mut roles = Vec::new();
        let mut detail = String::new();
        if state.controller.is_some_and(|(controller, _)| controller == target) {
            if self.controller_by_chance {
                detail = " (the controller)".into();
            } else {
                roles.push("controller".to_owned());
            }
        }
        if state.zookeeper_leader() == Some(target) {
            roles.push("Zab leader".to_owned());
        }
        let id = trace::broker_id(target);
        let led = state.partitions.iter().filter(|(_, partition)| id.is_some() && partition.leader == id);
        let led: Vec<Partition> = led.map(|(partition, _)| *partition).collect();
        if !led.is_empty() {
            roles.push(format!("leads {}", group(&led, state.partitions.keys())));
        }
        let roles = if roles.is_empty() { String::new() } else { format!(" ({})", roles.join(", ")) };
        (roles, detail)
    }

    /// The digest, with what the run's checks concluded.
    pub fn finish(mut self, closing: Vec<String>, state: &ClusterState) -> Digest {
        let at = state.at;
        if self.heading.is_some() {
            self.turn(at, None, state);
        }
        let mut lines = std::mem::take(&mut self.act.violations);
        lines.sort_by(|a, b| (&a.text, a.at).cmp(&(&b.text, b.at)));
        if !lines.is_empty() {
            self.digest.chapters.push(Chapter::new(at, "checks at the end", lines));
        }
        self.digest.closing = closing;
        self.digest
    }
}

/// Partitions as few words: `email/*` when all of a topic, else `email/0,2`.
fn group<'a>(partitions: &[Partition], all: impl Iterator<Item = &'a Partition>) -> String {
    let mut totals: BTreeMap<Name, usize> = BTreeMap::new();
    all.for_each(|partition| *totals.entry(partition.topic).or_default() += 1);
    let mut by_topic: BTreeMap<Name, Vec<String>> = BTreeMap::new();
    for partition in partitions {
        by_topic.entry(partition.topic).or_default().push(partition.index.to_string());
    }
    let words = by_topic.iter().map(|(topic, indexes)| {
        let whole = totals.get(topic) == Some(&indexes.len()) && indexes.len() > 1;
        if whole { format!("{topic}/*") } else { format!("{topic}/{}", indexes.join(",")) }
    });
    words.collect::<Vec<_>>().join(" ")
}

impl Act {
    fn lines(self, after: &Outline, notes: &[String]) -> Vec<Line> {
        let at = self.last_change;
        let mut lines = Vec::new();
        if !self.expired.is_empty() {
            let ids: Vec<String> = self.expired.iter().map(|id| format!("/brokers/ids/{id}")).collect();
            lines.push(Line::new(at, format!("{} expired", ids.join(", "))));
        }
        if self.before.zookeeper_leader != after.zookeeper_leader {
            let word = |member: Option<Name>| member.map_or("none", Name::as_str);
            let (before, after) = (word(self.before.zookeeper_leader), word(after.zookeeper_leader));
            lines.push(Line::new(at, format!("Zab leader {before} -> {after}")));
        }
        if self.before.controller != after.controller {
            let old = self.before.controller.and_then(|(name, _)| trace::broker_id(name));
            let raced = after.registered.iter().filter(|id| Some(**id) != old).count() > 1;
            let (text, detail) = controller_change(self.before.controller, after.controller, raced);
            lines.push(Line { at, text, detail });
        }
        lines.extend(self.partition_changes(after).into_iter().map(|text| Line::new(at, text)));
        for (broker, partitions) in &self.truncated {
            let partitions: Vec<Partition> = partitions.iter().copied().collect();
            lines.push(Line::new(at, format!("{broker} truncated {}", group(&partitions, after.partitions.keys()))));
        }
        for (name, group) in &after.groups {
            let change = group.change(self.before.groups.get(name));
            lines.extend(change.map(|change| Line::new(self.last_group_change, format!("group {name}  {change}"))));
        }
        if let Some(at) = self.cleaned.values().min() {
            let partitions: Vec<Partition> = self.cleaned.keys().copied().collect();
            lines.push(Line::new(*at, format!("cleaned {}", group(&partitions, after.partitions.keys()))));
        }
        for (at, note) in self.notes {
            let text = notes.get(note as usize).map_or("", String::as_str);
            lines.push(Line::new(at, format!("note: {text}")));
        }
        // In the order of their names: which of two oracles sees a loss first depends on the schedule.
        let mut violations = self.violations;
        violations.sort_by(|a, b| (&a.text, a.at).cmp(&(&b.text, b.at)));
        lines.extend(violations);
        lines
    }

    /// Net changes of leader and ISR, partitions with the same change on one line.
    fn partition_changes(&self, after: &Outline) -> Vec<String> {
        let mut changes: BTreeMap<String, Vec<Partition>> = BTreeMap::new();
        for (partition, (leader, epoch, isr)) in &after.partitions {
            let Some((old_leader, old_epoch, old_isr)) = self.before.partitions.get(partition) else {
                changes.entry("created".into()).or_default().push(*partition);
                continue;
            };
            let mut words = Vec::new();
            let name = |leader: &Option<i32>| leader.map_or("none".to_owned(), |id| id.to_string());
            if leader == old_leader && epoch != old_epoch {
                words.push(format!("epoch {old_epoch} -> {epoch}"));
            } else if leader != old_leader {
                words.push(format!("leader {} -> {}, epoch {old_epoch} -> {epoch}", name(old_leader), name(leader)));
            }
            let smallest = self.smallest_isr.get(partition).copied().unwrap_or(*isr);
            if smallest.len() < isr.len().min(old_isr.len()) {
                words.push(format!("ISR {old_isr} -> {smallest} -> {isr}"));
            } else if isr != old_isr {
                words.push(format!("ISR {old_isr} -> {isr}"));
            }
            if !words.is_empty() {
                changes.entry(words.join("; ")).or_default().push(*partition);
            }
        }
        let mut lines: Vec<(Partition, String)> = changes
            .into_iter()
            .map(|(change, partitions)| {
                (partitions[0], format!("{}  {change}", group(&partitions, after.partitions.keys())))
            })
            .collect();
        lines.sort();
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

/// The change, and who won where several brokers raced for /controller.
fn controller_change(before: Option<(Name, i32)>, after: Option<(Name, i32)>, raced: bool) -> (String, String) {
    let id = |controller: Option<(Name, i32)>| match controller {
        Some((name, _)) => trace::broker_id(name).map_or(name.to_string(), |id| id.to_string()),
        None => "none".into(),
    };
    let epoch = |controller: Option<(Name, i32)>| controller.map_or(0, |(_, epoch)| epoch);
    match after {
        Some((name, _)) => {
            let (winner, detail) =
                if raced { ("another".into(), format!(" ({name})")) } else { (id(after), String::new()) };
            let epochs = format!("epoch {} -> {}", epoch(before), epoch(after));
            (format!("controller {} -> {winner}, {epochs}", id(before)), detail)
        }
        None => (format!("controller {} resigned", id(before)), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::{EventId, StopReason};

    fn tell(story: Vec<(&str, EventKind)>) -> Digest {
        let mut state = ClusterState::default();
        let mut builder = DigestBuilder::new("a story".into(), vec!["Only the leader is left.".into()]);
        for (i, (node, kind)) in story.into_iter().enumerate() {
            let id = EventId(i as u64 + 1);
            let event = Event { id, at: id.0 * 1_000_000_000, node: Name::new(node), cause: EventId::ROOT, kind };
            state.apply(&event);
            builder.observe(&event, &state);
        }
        builder.finish(vec!["PASS".into()], &state)
    }

    fn decided(index: i32, leader: i32, leader_epoch: i32, isr: &[i32]) -> EventKind {
        EventKind::LeadershipDecided {
            partition: Partition::new("email", index),
            leader,
            leader_epoch,
            isr: BrokerList::new(isr.iter().copied()),
            partition_epoch: leader_epoch,
            controller_epoch: 1,
            unclean: false,
        }
    }

    fn crash_of_broker_1(index: i32) -> Vec<(&'static str, EventKind)> {
        vec![
            ("broker-2", decided(0, 1, 0, &[1, 2, 3])),
            ("broker-2", decided(1, 2, 0, &[1, 2, 3])),
            ("world", EventKind::PhaseBegan { phase: Phase::Chaos }),
            (
                "world",
                EventKind::FaultBegan {
                    fault: Name::new("f"),
                    kind: Name::new("crash"),
                    target: Name::new("broker-1"),
                },
            ),
            ("broker-1", EventKind::NodeStopped { reason: StopReason::Crash }),
            ("broker-2", decided(0, 2, 1, &[2, 3])),
            ("broker-2", decided(index, 2, 1, &[2, 3])),
            ("world", EventKind::NoteShown { note: 0 }),
            ("world", EventKind::PhaseBegan { phase: Phase::Settle }),
            ("world", EventKind::PhaseBegan { phase: Phase::Verify }),
        ]
    }

    #[test]
    fn a_fault_is_followed_by_what_changed_net() {
        let text = tell(crash_of_broker_1(0)).render(false);
        let expected = "a story
#1 crash broker-1 (leads email/0)
   email/0  leader 1 -> 2, epoch 0 -> 1; ISR 123 -> 23
   note: Only the leader is left.
settle: everything healed and restarted
PASS
";
        assert_eq!(text, expected);
    }

    #[test]
    fn partitions_with_the_same_change_share_a_line() {
        let mut story = crash_of_broker_1(1);
        story[1].1 = decided(1, 1, 0, &[1, 2, 3]);
        let text = tell(story).render(false);
        assert!(text.contains("email/*  leader 1 -> 2, epoch 0 -> 1; ISR 123 -> 23"), "{text}");
    }

    #[test]
    fn times_stand_in_the_story_and_not_in_the_snapshot() {
        let digest = tell(crash_of_broker_1(0));
        assert!(digest.render(true).contains("4.000s #1 crash"), "{}", digest.render(true));
        assert!(!digest.render(false).contains("4.000"));
    }
}
