//! The ways in which a plan can be smaller. Each gives candidates, the boldest first.

use scenario::{Duration, Plan, Rate, Trigger};

/// A way: from a plan to smaller ones.
pub type Way = fn(&Plan) -> Vec<Plan>;

/// All ways but that of fewer faults.
pub const WAYS: &[Way] =
    &[fewer_clients, fewer_partitions, fewer_machines, shorter_run, shorter_faults, slower_clients, plainer];

fn changed(plan: &Plan, change: impl FnOnce(&mut Plan)) -> Option<Plan> {
    let mut smaller = plan.clone();
    change(&mut smaller);
    (smaller != *plan).then_some(smaller)
}

fn half(duration: Duration, least_ms: u64) -> Duration {
    // Whole milliseconds: a person reads the result.
    Duration::from_millis((duration.millis() / 2).max(least_ms.min(duration.millis())))
}

/// The plan without one of `parts` equal parts of its faults.
pub fn without_parts(plan: &Plan, parts: usize) -> Vec<Plan> {
    let count = plan.faults.len();
    let size = count.div_ceil(parts.max(1));
    (0..count)
        .step_by(size.max(1))
        // The last faults go first: what came after the failure cannot matter.
        .rev()
        .filter_map(|from| changed(plan, |plan| drop(plan.faults.drain(from..(from + size).min(count)))))
        .collect()
}

/// Notes and conditions that the failure does not need; they name topics and clients that could go.
pub fn without_expectations(plan: &Plan) -> Vec<Plan> {
    let simple = changed(plan, |plan| {
        plan.notes.clear();
        plan.expect.never.clear();
        plan.expect.eventually.clear();
        plan.expect.sometimes.clear();
    });
    simple.into_iter().chain(changed(plan, |plan| plan.notes.clear())).collect()
}

fn fewer_clients(plan: &Plan) -> Vec<Plan> {
    let mut smaller = Vec::new();
    for place in 0..plan.consumers.len() {
        smaller.extend(changed(plan, |plan| drop(plan.consumers.remove(place))));
        smaller.extend(changed(plan, |plan| plan.consumers[place].count = 1));
    }
    for place in 0..plan.producers.len() {
        smaller.extend(changed(plan, |plan| drop(plan.producers.remove(place))));
        smaller.extend(changed(plan, |plan| plan.producers[place].count = 1));
    }
    smaller
}

fn fewer_partitions(plan: &Plan) -> Vec<Plan> {
    let mut smaller = Vec::new();
    for place in 0..plan.topics.len() {
        smaller.extend(changed(plan, |plan| drop(plan.topics.remove(place))));
        for partitions in [1, plan.topics[place].partitions / 2, plan.topics[place].partitions - 1] {
            if (1..plan.topics[place].partitions).contains(&partitions) {
                smaller.extend(changed(plan, |plan| {
                    let topic = &mut plan.topics[place];
                    topic.partitions = partitions;
                    if let Some(assignment) = &mut topic.assignment {
                        assignment.truncate(partitions as usize);
                    }
                }));
            }
        }
    }
    smaller
}

fn fewer_machines(plan: &Plan) -> Vec<Plan> {
    let mut smaller = Vec::new();
    if plan.cluster.zookeepers > 1 {
        smaller.extend(changed(plan, |plan| plan.cluster.zookeepers = 1));
    }
    if plan.cluster.brokers > 1 {
        smaller.extend(changed(plan, |plan| plan.cluster.brokers -= 1));
        smaller.extend(changed(plan, |plan| {
            plan.cluster.brokers -= 1;
            for topic in &mut plan.topics {
                topic.replication = topic.replication.min(plan.cluster.brokers);
            }
        }));
    }
    smaller
}

fn shorter_run(plan: &Plan) -> Vec<Plan> {
    let last = plan.faults.iter().filter_map(|fault| match fault.trigger {
        Trigger::At(at) => Some(at.plus(fault.kind.lasts().unwrap_or(Duration::ZERO))),
        Trigger::When { .. } => None,
    });
    let needed = last.max().unwrap_or(Duration::ZERO).plus(Duration::from_millis(500));
    let mut smaller = Vec::new();
    if needed < plan.phases.chaos {
        smaller.extend(changed(plan, |plan| plan.phases.chaos = Duration::from_millis(needed.millis() + 1)));
    }
    smaller.extend(changed(plan, |plan| plan.phases.chaos = half(plan.phases.chaos, 1_000)));
    smaller.extend(changed(plan, |plan| plan.phases.warmup = half(plan.phases.warmup, 1_000)));
    smaller
}

/// A shorter settle. Not for what is judged by how long healing takes: less time would be a failure of its own.
pub fn shorter_settle(plan: &Plan) -> Vec<Plan> {
    changed(plan, |plan| plan.phases.settle = half(plan.phases.settle, 5_000)).into_iter().collect()
}

fn shorter_faults(plan: &Plan) -> Vec<Plan> {
    let halves = |place: usize| {
        let lasts = plan.faults[place].kind.lasts().filter(|lasts| lasts.millis() > 200)?;
        changed(plan, |plan| plan.faults[place].kind.set_lasts(half(lasts, 200)))
    };
    (0..plan.faults.len()).filter_map(halves).collect()
}

fn slower_clients(plan: &Plan) -> Vec<Plan> {
    let slower = |place: usize| {
        let rate = plan.producers[place].rate;
        let half = Rate { count: rate.count / 2, ..rate };
        (half.count > 0).then(|| changed(plan, |plan| plan.producers[place].rate = half))?
    };
    (0..plan.producers.len()).filter_map(slower).collect()
}

/// A plan with a plainer network, faults without limits, and fewer rare paths.
fn plainer(plan: &Plan) -> Vec<Plan> {
    let limits = changed(plan, |plan| plan.faults.iter_mut().for_each(|fault| fault.max_down = None));
    let loss = changed(plan, |plan| plan.network.loss = scenario::Ratio(0));
    let bandwidth = changed(plan, |plan| plan.network.bandwidth = None);
    let marks = (0..plan.buggify.len()).map(|place| changed(plan, |plan| drop(plan.buggify.remove(place))));
    let marks: Vec<_> = std::iter::once(changed(plan, |plan| plan.buggify.clear())).chain(marks).collect();
    [limits, loss, bandwidth].into_iter().chain(marks).flatten().collect()
}
