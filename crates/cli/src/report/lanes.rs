//! A run's lanes as inline SVG: faults, machines, and for each partition its leader and its ISR.

use std::collections::BTreeMap;

use trace::{BrokerList, Event, EventKind, Name, Partition, Phase};

use crate::export::escaped;

/// Partitions beyond this many get no lane.
const PARTITIONS: usize = 16;

/// A deposed leader that goes on for less than this, ns, is everyday life.
const DEPOSED: u64 = 1_000_000_000;

const LABELS: f64 = 170.0;
const WIDTH: f64 = 900.0;
const ROW: f64 = 20.0;
const BAR: f64 = 14.0;

/// A stretch of a lane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// From when, ns.
    pub from: u64,
    /// To when, ns.
    pub to: u64,
    /// What it looks like: a class of the page's style.
    pub class: String,
    /// What is written on it, where there is room.
    pub text: String,
    /// What it says when pointed at.
    pub hint: String,
}

/// A lane.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lane {
    /// Its name.
    pub name: String,
    /// Its segments, in order.
    pub segments: Vec<Segment>,
}

/// What the picture shows.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lanes {
    /// All lanes from top to bottom.
    pub lanes: Vec<Lane>,
    /// When each phase began, ns.
    pub phases: Vec<(u64, String)>,
    /// When something was violated, ns, and what.
    pub violations: Vec<(u64, String)>,
    /// When the run ended, ns.
    pub end: u64,
    /// Partitions without a lane.
    pub left_out: usize,
}

/// A lane that is being folded: the stretch that goes on.
#[derive(Default)]
struct Growing {
    done: Vec<Segment>,
    open: Option<Segment>,
}

impl Growing {
    fn turn(&mut self, at: u64, next: Option<(String, String, String)>) {
        if let Some(mut open) = self.open.take() {
            let same = next.as_ref().is_some_and(|(class, text, _)| *class == open.class && *text == open.text);
            if same {
                self.open = Some(open);
                return;
            }
            open.to = at;
            if open.to > open.from {
                self.done.push(open);
            }
        }
        self.open = next.map(|(class, text, hint)| Segment { from: at, to: at, class, text, hint });
    }

    fn end(mut self, at: u64) -> Vec<Segment> {
        self.turn(at, None);
        self.done
    }
}

/// Folds a trace to its lanes.
pub fn lanes(events: &[Event]) -> Lanes {
    let end = events.last().map_or(0, |event| event.at);
    let mut found = Lanes { end, ..Lanes::default() };
    let mut faults: Vec<(Name, Growing)> = Vec::new();
    let mut nodes: BTreeMap<(bool, Name), Growing> = BTreeMap::new();
    let mut leaders: BTreeMap<Partition, Growing> = BTreeMap::new();
    let mut isrs: BTreeMap<Partition, Growing> = BTreeMap::new();
    let mut replicas: BTreeMap<Partition, usize> = BTreeMap::new();
    let mut beliefs = Beliefs::default();
    for event in events {
        let at = event.at;
        beliefs.observe(event);
        let key = (!event.node.as_str().starts_with("zk-"), event.node);
        match &event.kind {
            EventKind::PhaseBegan { phase } => found.phases.push((at, phase_name(*phase).into())),
            EventKind::Violation { oracle, .. } => found.violations.push((at, oracle.to_string())),
            EventKind::FaultBegan { fault, kind, target } => {
                let mut lane = Growing::default();
                lane.turn(at, Some(("fault".into(), format!("{kind} {target}"), format!("{fault}: {kind} {target}"))));
                faults.push((*fault, lane));
            }
            EventKind::FaultEnded { fault } => {
                let lane = faults.iter_mut().rev().find(|(name, _)| name == fault);
                lane.into_iter().for_each(|(_, lane)| lane.turn(at, None));
            }
            EventKind::NodeStopped { reason } if is_machine(event.node) => {
                let hint = format!("{} is down: {reason:?}", event.node);
                nodes.entry(key).or_default().turn(at, Some(("down".into(), "down".into(), hint)));
            }
            EventKind::NodePaused if is_machine(event.node) => {
                let hint = format!("{} stands still", event.node);
                nodes.entry(key).or_default().turn(at, Some(("paused".into(), "paused".into(), hint)));
            }
            EventKind::NodeStarted { .. } | EventKind::NodeResumed if is_machine(event.node) => {
                nodes.entry(key).or_default().turn(at, None);
            }
            EventKind::PartitionCreated { partition, replicas: all } => {
                replicas.insert(*partition, all.iter().count());
            }
            EventKind::LeadershipDecided { partition, leader, leader_epoch, isr, unclean, .. } => {
                let lane = leaders.entry(*partition).or_default();
                lane.turn(at, Some(leader_segment(*partition, *leader, *leader_epoch, *unclean)));
                isrs.entry(*partition).or_default().turn(at, Some(isr_segment(*partition, *isr, &replicas)));
            }
            EventKind::IsrChanged { partition, isr, .. } => {
                isrs.entry(*partition).or_default().turn(at, Some(isr_segment(*partition, *isr, &replicas)));
            }
            _ => {}
        }
    }
    let lane = |name: String, growing: Growing| Lane { name, segments: growing.end(end) };
    found.lanes.extend(faults.into_iter().map(|(name, growing)| lane(name.to_string(), growing)));
    found.lanes.extend(
        nodes
            .into_iter()
            .map(|((_, name), growing)| lane(name.to_string(), growing))
            .filter(|it| !it.segments.is_empty()),
    );
    found.left_out = leaders.len().saturating_sub(PARTITIONS);
    for (partition, growing) in leaders.into_iter().take(PARTITIONS) {
        found.lanes.push(lane(format!("{partition} leader"), growing));
        let stale = beliefs.stale(partition, end);
        if !stale.is_empty() {
            found.lanes.push(Lane { name: format!("{partition} deposed"), segments: stale });
        }
        found.lanes.extend(isrs.remove(&partition).map(|isr| lane(format!("{partition} ISR"), isr)));
    }
    found
}

/// Who believes to lead what, and since when another leads by the stored state.
#[derive(Default)]
struct Beliefs {
    leading: BTreeMap<(Partition, Name), Option<u64>>,
    over: BTreeMap<Partition, Vec<Segment>>,
}

impl Beliefs {
    fn observe(&mut self, event: &Event) {
        match &event.kind {
            EventKind::BecameLeader { partition, .. } => {
                self.leading.entry((*partition, event.node)).or_insert(None);
            }
            EventKind::BecameFollower { partition, .. } => self.end(*partition, event.node, event.at),
            EventKind::NodeStopped { .. } => {
                let led: Vec<Partition> = self
                    .leading
                    .keys()
                    .filter(|(_, node)| *node == event.node)
                    .map(|(partition, _)| *partition)
                    .collect();
                led.into_iter().for_each(|partition| self.end(partition, event.node, event.at));
            }
            EventKind::LeadershipDecided { partition, leader, .. } => {
                for ((of, node), since) in &mut self.leading {
                    if of == partition {
                        let deposed = trace::broker_id(*node) != Some(*leader);
                        *since = deposed.then(|| since.unwrap_or(event.at));
                    }
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, partition: Partition, node: Name, at: u64) {
        let Some(Some(since)) = self.leading.remove(&(partition, node)) else { return };
        if at - since < DEPOSED {
            return;
        }
        self.over.entry(partition).or_default().push(Segment {
            from: since,
            to: at,
            class: "down".into(),
            text: format!("{node} leads on"),
            hint: format!("{node} believes that it leads {partition}, and is deposed"),
        });
    }

    /// The stretches in which a deposed leader went on, those that end with the run included.
    fn stale(&mut self, partition: Partition, end: u64) -> Vec<Segment> {
        let open: Vec<Name> = self.leading.keys().filter(|(of, _)| *of == partition).map(|(_, node)| *node).collect();
        open.into_iter().for_each(|node| self.end(partition, node, end));
        let mut segments = self.over.remove(&partition).unwrap_or_default();
        segments.sort_by_key(|segment| segment.from);
        segments
    }
}

fn is_machine(node: Name) -> bool {
    ["zk-", "broker-"].iter().any(|stem| node.as_str().starts_with(stem))
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Warmup => "warmup",
        Phase::Chaos => "chaos",
        Phase::Settle => "settle",
        Phase::Verify => "verify",
    }
}

fn leader_segment(partition: Partition, leader: i32, epoch: i32, unclean: bool) -> (String, String, String) {
    if leader < 0 {
        return ("down".into(), "no leader".into(), format!("{partition} has no leader, epoch {epoch}"));
    }
    let how = if unclean { ", elected from outside the ISR" } else { "" };
    let class = format!("broker{}", leader.rem_euclid(8));
    (class, format!("{leader} (epoch {epoch})"), format!("broker {leader} leads {partition}, epoch {epoch}{how}"))
}

fn isr_segment(
    partition: Partition,
    isr: BrokerList,
    replicas: &BTreeMap<Partition, usize>,
) -> (String, String, String) {
    let members: Vec<String> = isr.iter().map(|id| id.to_string()).collect();
    let all = replicas.get(&partition).copied().unwrap_or(members.len());
    let class = match members.len() {
        count if count >= all => "whole",
        0 | 1 => "alone",
        _ => "short",
    };
    let text = members.join(" ");
    (class.into(), text.clone(), format!("ISR of {partition}: {text}"))
}

/// The picture.
pub fn picture(lanes: &Lanes) -> String {
    let x = |at: u64| LABELS + WIDTH * at as f64 / lanes.end.max(1) as f64;
    let top = 22.0;
    let height = top + ROW * lanes.lanes.len() as f64 + 26.0;
    let whole = LABELS + WIDTH + 30.0;
    let mut svg = format!(
        "<svg class=\"lanes\" viewBox=\"0 0 {whole} {height}\" role=\"img\" aria-label=\"Faults, machines, leaders and ISRs over time\">\n"
    );
    for (place, (at, phase)) in lanes.phases.iter().enumerate() {
        let to = lanes.phases.get(place + 1).map_or(lanes.end, |(at, _)| *at);
        let (from, width) = (x(*at), x(to) - x(*at));
        svg += &format!(
            "<rect class=\"phase phase-{phase}\" x=\"{from:.1}\" y=\"0\" width=\"{width:.1}\" height=\"{:.1}\"/>\n",
            height - 20.0
        );
        if width > 40.0 {
            svg += &format!("<text class=\"quiet\" x=\"{:.1}\" y=\"14\">{phase}</text>\n", from + 4.0);
        }
    }
    for (row, lane) in lanes.lanes.iter().enumerate() {
        let y = top + ROW * row as f64;
        svg += &format!(
            "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
            LABELS - 8.0,
            y + 11.0,
            escaped(&cut(&lane.name, 24))
        );
        svg += &format!(
            "<line class=\"rail\" x1=\"{LABELS}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\n",
            LABELS + WIDTH,
            y + BAR / 2.0,
            y + BAR / 2.0
        );
        for segment in &lane.segments {
            let (from, width) = (x(segment.from), (x(segment.to) - x(segment.from)).max(1.5));
            let (begin, end) = (segment.from as f64 / 1e9, segment.to as f64 / 1e9);
            svg += &format!(
                "<rect class=\"{}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\"><title>{}, {begin:.3}s to {end:.3}s</title></rect>\n",
                segment.class,
                escaped(&segment.hint)
            );
            // A character is about 6 wide.
            let room = (width / 6.2) as usize;
            if room >= 3 && (segment.text.chars().count() <= room || room >= 12) {
                svg += &format!(
                    "<text class=\"on\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                    from + 3.0,
                    y + 10.5,
                    escaped(&cut(&segment.text, room))
                );
            }
        }
    }
    for (at, oracle) in &lanes.violations {
        let at_x = x(*at);
        svg += &format!(
            "<line class=\"violation\" x1=\"{at_x:.1}\" x2=\"{at_x:.1}\" y1=\"0\" y2=\"{:.1}\"><title>violation of {}, {:.3}s</title></line>\n",
            height - 20.0,
            escaped(oracle),
            *at as f64 / 1e9
        );
    }
    for tick in ticks(lanes.end) {
        svg += &format!(
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\">{} s</text>\n",
            x(tick),
            height - 5.0,
            tick / 1_000_000_000
        );
    }
    svg + "</svg>\n"
}

/// At most a dozen round times.
fn ticks(end: u64) -> Vec<u64> {
    let second = 1_000_000_000;
    let steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 36_000, 86_400];
    let step = steps.into_iter().map(|step| step * second).find(|step| end / step <= 12).unwrap_or(end.max(1));
    (0..=end / step).map(|tick| tick * step).collect()
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        text.chars().take(most.saturating_sub(1)).collect::<String>() + "…"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trace::{EventId, StopReason};

    fn event(id: u64, second: u64, node: &str, kind: EventKind) -> Event {
        Event { id: EventId(id), at: second * 1_000_000_000, node: Name::new(node), cause: EventId(0), kind }
    }

    fn decided(leader: i32, leader_epoch: i32, isr: &[i32]) -> EventKind {
        EventKind::LeadershipDecided {
            partition: Partition::new("orders", 0),
            leader,
            leader_epoch,
            isr: BrokerList::new(isr.iter().copied()),
            partition_epoch: 0,
            controller_epoch: 1,
            unclean: false,
        }
    }

    fn story() -> Vec<Event> {
        let name = Name::new;
        let replicas = BrokerList::new([1, 2, 3]);
        vec![
            event(1, 0, "world", EventKind::PhaseBegan { phase: Phase::Warmup }),
            event(2, 1, "broker-1", EventKind::PartitionCreated { partition: Partition::new("orders", 0), replicas }),
            event(3, 1, "broker-1", decided(1, 0, &[1, 2, 3])),
            event(
                4,
                4,
                "world",
                EventKind::FaultBegan { fault: name("<b>"), kind: name("crash"), target: name("broker-1") },
            ),
            event(5, 4, "broker-1", EventKind::NodeStopped { reason: StopReason::Crash }),
            event(6, 6, "broker-2", decided(2, 1, &[2, 3])),
            event(7, 8, "broker-1", EventKind::NodeStarted { incarnation: 1 }),
            event(8, 10, "world", EventKind::RunEnded),
        ]
    }

    #[test]
    fn lanes_tell_who_was_down_and_who_led_when() {
        let lanes = lanes(&story());
        let seconds = |it: &Segment| (it.from / 1_000_000_000, it.to / 1_000_000_000, it.class.clone());
        let brief = |lane: &Lane| (lane.name.clone(), lane.segments.iter().map(seconds).collect::<Vec<_>>());
        let brief: Vec<_> = lanes.lanes.iter().map(brief).collect();
        let lane = |name: &str, segments: &[(u64, u64, &str)]| {
            (
                name.to_owned(),
                segments.iter().map(|(from, to, class)| (*from, *to, (*class).to_owned())).collect::<Vec<_>>(),
            )
        };
        let expected = [
            lane("<b>", &[(4, 10, "fault")]),
            lane("broker-1", &[(4, 8, "down")]),
            lane("orders/0 leader", &[(1, 6, "broker1"), (6, 10, "broker2")]),
            lane("orders/0 ISR", &[(1, 6, "whole"), (6, 10, "short")]),
        ];
        assert_eq!(brief, expected);
    }

    #[test]
    fn a_leader_that_goes_on_after_it_was_deposed_has_a_lane() {
        let became = EventKind::BecameLeader {
            partition: Partition::new("orders", 0),
            leader_epoch: 0,
            log_end: 0,
            isr: BrokerList::new([1, 2]),
            partition_epoch: 0,
        };
        let end = |second| event(9, second, "world", EventKind::RunEnded);
        let start = [event(1, 1, "broker-1", decided(1, 0, &[1, 2])), event(2, 1, "broker-1", became)];
        let deposed = event(3, 5, "broker-2", decided(2, 1, &[2]));
        let follows = EventKind::BecameFollower {
            partition: Partition::new("orders", 0),
            leader_epoch: 1,
            leader: 2,
            log_end: 0,
        };
        let stale = |events: Vec<Event>| {
            let found = lanes(&events).lanes.into_iter().find(|lane| lane.name == "orders/0 deposed");
            found.map(|lane| (lane.segments[0].from / 1_000_000_000, lane.segments[0].to / 1_000_000_000))
        };
        let with = |more: Vec<Event>| start.iter().cloned().chain(more).collect::<Vec<_>>();
        assert_eq!(stale(with(vec![end(9)])), None);
        assert_eq!(stale(with(vec![deposed.clone(), end(9)])), Some((5, 9)));
        assert_eq!(stale(with(vec![deposed.clone(), event(4, 7, "broker-1", follows.clone()), end(9)])), Some((5, 7)));
        assert_eq!(stale(with(vec![deposed, event(4, 5, "broker-1", follows), end(9)])), None, "at once");
    }

    #[test]
    fn the_picture_escapes_names() {
        let svg = picture(&lanes(&story()));
        assert!(svg.contains("&lt;b&gt;") && !svg.contains("<b>"), "{svg}");
        assert_eq!(svg.matches("<rect class=\"down\"").count(), 1);
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(10_500_000_000).len(), 11);
        assert!((1..200).all(|minutes| (1..=13).contains(&ticks(minutes * 60_000_000_000).len())));
    }
}
