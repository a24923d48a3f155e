//! The ways in which a plan can be smaller. Each gives candidates, the boldest first.

use scenario::{Duration, Plan, Rate, Trigger, Value};

/// A way: from a plan to smaller ones.
pub type Way = fn(&Plan) -> Vec<Plan>;

/// The ways in which a run ends sooner. Not the last for what is judged by how long healing takes: less time would be a
/// failure of its own.
pub const SHORTER: &[Way] = &[shorter_run, shorter_settle];

/// All other ways but that of fewer faults.
pub const WAYS: &[Way] = &[fewer_clients, fewer_partitions, fewer_machines, shorter_faults, slower_clients, plainer];

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
        smaller.extend(changed(plan, one_broker_less));
        smaller.extend(changed(plan, |plan| {
            one_broker_less(plan);
            for topic in &mut plan.topics {
                topic.replication = topic.replication.min(plan.cluster.brokers);
            }
        }));
    }
    smaller
}

/// The topic that keeps groups must fit, or none of them ever has a coordinator: another failure than the one looked for.
fn one_broker_less(plan: &mut Plan) {
    plan.cluster.brokers -= 1;
    let factor = "offsets.topic.replication.factor";
    let fits = i64::from(plan.cluster.brokers);
    if plan.consumers.iter().any(|consumer| consumer.group.is_some()) && plan.cluster.config.integer(factor) > fits {
        plan.cluster.config.set(factor, Value::Integer(fits));
    }
}

/// How long chaos must last for every timed fault to begin and end.
fn needed(plan: &Plan) -> Duration {
    let last = plan.faults.iter().filter_map(|fault| match fault.trigger {
        Trigger::At(at) => Some(at.plus(fault.kind.lasts().unwrap_or(Duration::ZERO))),
        Trigger::When { .. } => None,
    });
    last.max().unwrap_or(Duration::ZERO).plus(Duration::from_millis(501))
}

fn shorter_run(plan: &Plan) -> Vec<Plan> {
    let needed = needed(plan).min(plan.phases.chaos);
    let all = changed(plan, |plan| plan.phases.chaos = needed);
    let chaos = changed(plan, |plan| plan.phases.chaos = half(plan.phases.chaos, 1_000));
    let warmup = changed(plan, |plan| plan.phases.warmup = half(plan.phases.warmup, 1_000));
    [all, chaos, warmup].into_iter().flatten().collect()
}

/// A shorter settle; or a longer one that takes over half of the time in which chaos waits for nothing.
fn shorter_settle(plan: &Plan) -> Vec<Plan> {
    let shorter = changed(plan, |plan| plan.phases.settle = half(plan.phases.settle, 5_000));
    let waits = plan.phases.chaos.millis().saturating_sub(needed(plan).millis());
    let over = changed(plan, |plan| {
        plan.phases.chaos = Duration::from_millis(plan.phases.chaos.millis() - waits);
        plan.phases.settle = plan.phases.settle.plus(Duration::from_millis(waits / 2));
    });
    shorter.into_iter().chain(over).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(chaos: &str, settle: &str) -> Plan {
        let text = format!(
            "schema = 1\nname = \"s\"\nintent = \"i\"\nseed = 1\n[cluster]\nbrokers = 3\nzookeepers = 1\n\
             [phases]\nwarmup = \"2s\"\nchaos = \"{chaos}\"\nsettle = \"{settle}\"\n\
             [[fault]]\nid = \"dead\"\nat = \"6s\"\nkind = \"crash\"\nnode = \"broker-1\"\ndown = \"2s\"\n"
        );
        Plan::parse("plan.toml", &text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn every_shorter_run_ends_sooner() {
        for (chaos, settle) in [("30s", "60s"), ("30s", "5s"), ("9s", "5s"), ("7s", "5s")] {
            let plan = plan(chaos, settle);
            let shorter: Vec<Plan> = SHORTER.iter().flat_map(|way| way(&plan)).collect();
            assert!(!shorter.is_empty(), "{chaos}, {settle}");
            for shorter in shorter {
                assert!(shorter.phases.end() < plan.phases.end(), "{:?} of {:?}", shorter.phases, plan.phases);
            }
        }
    }

    #[test]
    fn a_smaller_cluster_can_still_keep_groups() {
        let text = "schema = 1\nname = \"s\"\nintent = \"i\"\nseed = 1\n[cluster]\nbrokers = 3\nzookeepers = 1\n\
                    [[topic]]\nname = \"t\"\npartitions = 1\nreplication = 1\n\
                    [[consumer]]\nname = \"c\"\ngroup = \"g\"\ntopics = [\"t\"]\n\
                    [phases]\nwarmup = \"2s\"\nchaos = \"1s\"\nsettle = \"5s\"\n";
        let mut plan = Plan::parse("plan.toml", text).unwrap_or_else(|error| panic!("{error}"));
        one_broker_less(&mut plan);
        assert_eq!((plan.cluster.brokers, plan.cluster.config.integer("offsets.topic.replication.factor")), (2, 2));
    }

    #[test]
    fn settle_takes_over_what_chaos_does_not_need() {
        let taken = shorter_settle(&plan("30501ms", "5s"));
        let phases: Vec<_> =
            taken.iter().map(|plan| (plan.phases.chaos.millis(), plan.phases.settle.millis())).collect();
        assert_eq!(phases, [(8_501, 16_000)], "it is as short as it gets, and the last fault ends at 8 s");
    }
}
