//! Where a failure became likely: prefixes of a failing run are replayed, each with several tails whose randomness is drawn
//! anew, and the share of tails that fail in the same way is a curve over time. Where it jumps, the cause is near.
//!
//! Two curves: with the plan's later faults, and without any fault that begins after the instant. The first tells how much
//! was chance; the second, from which fault on the failure could come.

mod plot;

use scenario::{Duration, Plan, Reseed};
use serde::Serialize;
use state::describe;
use trace::{Event, EventKind};

pub use plot::text;

/// A plan whose tail is drawn anew from `at` on, counted from the start of chaos.
pub fn with_tail(plan: &Plan, at: Duration, seed: u64, faults: bool) -> Plan {
    let mut tail = plan.clone();
    tail.reseeds.retain(|reseed| reseed.at < at);
    tail.reseeds.push(Reseed { at, seed, faults });
    tail
}

/// `count` instants from 0 up to just before `end`, evenly, in whole milliseconds.
pub fn instants(end: Duration, count: u64) -> Vec<Duration> {
    between(0, end.millis().saturating_sub(1), count)
}

fn between(from: u64, to: u64, count: u64) -> Vec<Duration> {
    let steps = count.saturating_sub(1).max(1);
    let mut instants: Vec<u64> = (0..count).map(|step| from + (to - from) * step / steps).collect();
    instants.dedup();
    instants.into_iter().map(Duration::from_millis).collect()
}

/// Further instants inside of a jump, without its ends.
pub fn closer(jump: &Jump, chaos_starts: u64, count: u64) -> Vec<Duration> {
    let millis = |ns: u64| (ns - chaos_starts) / 1_000_000;
    let (from, to) = (millis(jump.from_ns), millis(jump.to_ns));
    let inner = between(from, to, count + 2);
    inner.into_iter().filter(|it| it.millis() > from && it.millis() < to).collect()
}

/// How likely the failure is from one instant on.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Point {
    /// The instant, ns since the start of the run.
    pub at_ns: u64,
    /// Share of tails that fail, where later faults begin as planned.
    pub with_later_faults: f64,
    /// Share of tails that fail, where no fault begins any more.
    pub without_later_faults: f64,
}

/// A step of a curve.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Jump {
    /// `with_later_faults` or `without_later_faults`.
    pub curve: &'static str,
    /// The instant before, ns since the start of the run.
    pub from_ns: u64,
    /// The instant after.
    pub to_ns: u64,
    /// The share of failing tails before.
    pub before: f64,
    /// And after.
    pub after: f64,
    /// Faults that began or ended in between, by id in the plan.
    pub faults: Vec<String>,
    /// Events in between that tell something, by id in the trace.
    pub events: Vec<u64>,
}

/// A curve's name, and how it reads a point.
type Curve = (&'static str, fn(&Point) -> f64);

/// The largest rise of each curve, if it rises by a tenth or more at all.
pub fn jumps(points: &[Point]) -> Vec<Jump> {
    let curves: [Curve; 2] = [
        ("without_later_faults", |point| point.without_later_faults),
        ("with_later_faults", |point| point.with_later_faults),
    ];
    let largest = |(curve, value): &Curve| {
        let steps = points.windows(2).map(|pair| Jump {
            curve,
            from_ns: pair[0].at_ns,
            to_ns: pair[1].at_ns,
            before: value(&pair[0]),
            after: value(&pair[1]),
            faults: Vec::new(),
            events: Vec::new(),
        });
        // Of equal ones the first: `max_by` would give the last.
        let rise = |jump: &Jump| jump.after - jump.before;
        steps
            .reduce(|best, next| if rise(&next) > rise(&best) { next } else { best })
            .filter(|best| rise(best) >= 0.0999)
    };
    curves.iter().filter_map(largest).collect()
}

impl Jump {
    /// Adds what happened meanwhile. The instant before is included: a fault of the same time begins after the reseeding.
    pub fn find_events(&mut self, events: &[Event]) {
        let meanwhile = |event: &&Event| (self.from_ns..self.to_ns).contains(&event.at) && tells(&event.kind);
        for event in events.iter().filter(meanwhile) {
            self.events.push(event.id.0);
            if let EventKind::FaultBegan { fault, .. } | EventKind::FaultEnded { fault } = &event.kind {
                let fault = fault.to_string();
                if !self.faults.contains(&fault) {
                    self.faults.push(fault);
                }
            }
        }
    }
}

/// Whether an event is a turn of the story.
fn tells(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::FaultBegan { .. }
            | EventKind::FaultEnded { .. }
            | EventKind::NodeStarted { .. }
            | EventKind::NodeStopped { .. }
            | EventKind::NodePaused
            | EventKind::NodeResumed
            | EventKind::UnsyncedLost { .. }
            | EventKind::SessionEnded { expired: true, .. }
            | EventKind::ControllerElected { .. }
            | EventKind::LeadershipDecided { .. }
            | EventKind::IsrChanged { .. }
            | EventKind::BecameLeader { .. }
            | EventKind::Truncated { .. }
            | EventKind::Violation { .. }
    )
}

/// A curve over time, and what it points at: `--json`.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Likelihood {
    /// Always `likelihood`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Version of this object.
    pub schema: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// What failed.
    pub signature: String,
    /// When the run failed, ns since its start.
    pub failed_at_ns: u64,
    /// How many tails each instant of each curve got.
    pub tails: u64,
    /// The curves.
    pub points: Vec<Point>,
    /// Their largest rises.
    pub jumps: Vec<Jump>,
}

/// An event on one line, with its time.
fn told(event: &Event) -> String {
    format!("{:>9.3}s  {:<16} {}", event.at as f64 / 1e9, event.node.to_string(), describe(&event.kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[(u64, f64, f64)]) -> Vec<Point> {
        let point = |&(second, with_later_faults, without_later_faults): &(u64, f64, f64)| Point {
            at_ns: second * 1_000_000_000,
            with_later_faults,
            without_later_faults,
        };
        values.iter().map(point).collect()
    }

    #[test]
    fn the_largest_rise_of_each_curve_is_named() {
        let found = jumps(&points(&[(10, 0.5, 0.0), (12, 0.5, 0.1), (14, 0.5, 0.9), (16, 1.0, 1.0)]));
        let brief: Vec<_> = found.iter().map(|it| (it.curve, it.from_ns / 1_000_000_000, it.after)).collect();
        assert_eq!(brief, [("without_later_faults", 12, 0.9), ("with_later_faults", 14, 1.0)]);
        assert!(jumps(&points(&[(10, 1.0, 1.0), (12, 1.0, 1.0)])).is_empty(), "certain from the start");
        assert!(jumps(&points(&[(10, 1.0, 0.3)])).is_empty());
    }

    #[test]
    fn instants_end_before_the_failure_and_never_repeat() {
        let millis = |instants: Vec<Duration>| instants.iter().map(|it| it.millis()).collect::<Vec<_>>();
        assert_eq!(millis(instants(Duration::from_millis(10_001), 3)), [0, 5_000, 10_000]);
        assert_eq!(millis(instants(Duration::from_millis(2), 20)), [0, 1]);
        assert_eq!(millis(instants(Duration::from_millis(500), 1)), [0]);
        let jump = &jumps(&points(&[(10, 0.0, 0.0), (12, 0.0, 1.0)]))[0];
        assert_eq!(millis(closer(jump, 8_000_000_000, 3)), [2_500, 3_000, 3_500]);
    }
}
