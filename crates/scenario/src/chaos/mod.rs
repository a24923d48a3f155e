//! `[chaos]`: draws a seed's settings and faults, before the run and apart from it.
//!
//! Swarm testing (Groce et al., ISSTA 2012): each seed disables a random subset of the fault kinds and varies the rest wildly,
//! because a mix of everything hides what only shows when something is missing. What is drawn is concrete: the plan holds
//! faults with times and targets, and shrinking edits them one by one.

mod faults;
mod settings;

use std::collections::BTreeMap;

use crate::random::Stream;
use crate::{BUGGIFY, Chaos, Core, Distribution, Duration, Plan, Trigger};
use faults::Drawing;

pub(crate) use settings::{check_range, draw_settings, extremes};

/// The kinds that can be drawn, and how often if `weights` says nothing.
const KINDS: &[(&str, u32)] = &[
    ("crash", 4),
    ("shutdown", 1),
    ("power-loss", 2),
    ("pause", 3),
    ("replace-disk", 0),
    ("partition", 4),
    ("isolate", 2),
    ("flap", 1),
    ("swizzle", 1),
    ("slow-link", 2),
    ("lossy-link", 2),
    ("reset-connections", 1),
    ("hold", 2),
    ("bit-rot", 0),
    ("slow-disk", 1),
    ("stall-disk", 1),
    ("full-disk", 1),
    ("disk-error", 1),
    ("clock", 1),
    ("rebalance", 0),
    ("kill-client", 0),
    ("add-member", 0),
    ("remove-member", 0),
    ("slow-consumer", 0),
    ("delete-topic", 0),
];

/// With more a run would be noise.
const MOST_FAULTS: usize = 64;

/// Whether this kind can be drawn.
pub(crate) fn drawn(kind: &str) -> bool {
    KINDS.iter().any(|(name, _)| *name == kind) && crate::support::fault(kind).is_none()
}

/// Adds the faults that the plan's seed draws, and what they need of the cluster.
pub(crate) fn draw_faults(chaos: &Chaos, plan: &mut Plan) {
    let weights = swarm(chaos, plan.seed);
    if weights.contains_key("power-loss") && !chaos.unrestricted {
        // With Kafka's default of never flushing, losing acknowledged data to power losses is real behaviour, not a bug.
        if !plan.cluster.config.gives("log.flush.interval.messages") {
            plan.cluster.config.set("log.flush.interval.messages", crate::Value::Integer(1));
        }
    }
    if chaos.unrestricted {
        plan.expect.always.push("-liveness".into());
        plan.expect.eventually.clear();
    }
    if chaos.buggify {
        plan.buggify = draw_marks(plan.seed);
    }
    let mut times = Stream::new(plan.seed, "chaos/times");
    let mut drawing = Drawing::new(chaos, plan, &weights);
    // A seed's faults come thick or thin.
    let stretch = *times.pick(&[1_u64, 2, 4, 8]);
    let mut at = Duration::ZERO;
    let mut number = 0;
    while number < MOST_FAULTS {
        at = at.plus(gap(chaos.gap, stretch, &mut times));
        if times.one_in(12) {
            // A stability window: what was started may finish, and what goes wrong only in peace can.
            at = at.plus(times.duration(5_000, 20_000));
        }
        if at >= plan.phases.chaos {
            break;
        }
        number += 1;
        let kind = weighted(&weights, &mut times);
        drawing.begin(&format!("chaos-{number}"));
        let trigger = drawing.event(plan).unwrap_or(Trigger::At(at));
        if let Some(fault) = drawing.fault(plan, kind, trigger) {
            plan.faults.push(fault);
        }
    }
}

/// Names the machines of a random live core: a bare quorum of the ensemble, and a bare majority of the brokers.
pub(crate) fn draw_core(plan: &mut Plan) {
    if plan.core != Core::Random {
        return;
    }
    let mut stream = Stream::new(plan.seed, "chaos/core");
    let mut names = Vec::new();
    for group in ["brokers", "zookeepers"] {
        let mut left = plan.group(group).unwrap_or_default();
        for _ in 0..left.len() / 2 + 1 {
            names.push(left.remove(stream.below(left.len() as u64) as usize));
        }
    }
    names.sort();
    plan.core = Core::Nodes(names);
}

/// The buggify marks of this seed: half of all seeds have none, the others each with a probability of a quarter.
fn draw_marks(seed: u64) -> Vec<String> {
    let mut stream = Stream::new(seed, "chaos/buggify");
    if stream.one_in(2) {
        return Vec::new();
    }
    BUGGIFY.iter().filter(|_| stream.one_in(4)).map(|mark| mark.name.to_owned()).collect()
}

/// The kinds of this seed with their weights.
fn swarm(chaos: &Chaos, seed: u64) -> BTreeMap<&'static str, u32> {
    let mut stream = Stream::new(seed, "chaos/kinds");
    let weight = |kind: &str, default: u32| match chaos.weights.is_empty() {
        true => default,
        false => chaos.weights.get(kind).copied().unwrap_or(0),
    };
    let mut all: BTreeMap<&'static str, u32> =
        KINDS.iter().map(|(kind, default)| (*kind, weight(kind, *default))).filter(|(_, weight)| *weight > 0).collect();
    let wanted = stream.between(chaos.kinds.low, chaos.kinds.high) as usize;
    let mut chosen = BTreeMap::new();
    while chosen.len() < wanted && !all.is_empty() {
        let kind = weighted(&all, &mut stream);
        let weight = all.remove(kind).expect("it was drawn from them");
        chosen.insert(kind, weight.saturating_mul(1 << stream.below(4)));
    }
    chosen
}

fn weighted(weights: &BTreeMap<&'static str, u32>, stream: &mut Stream) -> &'static str {
    let total: u64 = weights.values().map(|weight| u64::from(*weight)).sum();
    let mut left = stream.below(total.max(1));
    for (kind, weight) in weights {
        match left.checked_sub(u64::from(*weight)) {
            Some(rest) => left = rest,
            None => return kind,
        }
    }
    weights.keys().next().copied().unwrap_or("crash")
}

fn gap(gap: Distribution, stretch: u64, stream: &mut Stream) -> Duration {
    let drawn = match gap {
        Distribution::Constant(gap) => gap,
        Distribution::Exponential(mean) => {
            stream.exponential(Duration::from_nanos(mean.nanos().saturating_mul(stretch)))
        }
    };
    Duration::from_millis(drawn.millis().max(1))
}
