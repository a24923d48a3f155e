//! How long a large group takes to rebalance: a member joins 100 others that share 1,000 partitions, by each of the strategies.
//! docs/performance.md says what was reached.
//!
//! A run is one simulated cluster from boot to verdict. What matters is measured in simulated time, which the seed decides; only wall time
//! depends on the machine. Members hear of a rebalance by their heartbeats, so each seed joins at another time between two of them.

// Wall time is what a bench measures.
#![allow(clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use odradek_sim::{RunOptions, Verdict, run_plan};
use scenario::{Plan, Scenario};
use trace::{Event, EventKind, GroupState, Mode, Name, Partition};

const PARTITIONS: usize = 1_000;
const MEMBERS: usize = 100;
const STRATEGIES: [&str; 3] = ["range", "sticky", "cooperative-sticky"];
const SEEDS: u64 = 5;
/// The default of `heartbeat.interval.ms`.
const HEARTBEAT: u64 = 3_000;

fn plan(strategy: &str, seed: u64) -> Plan {
    let join_at = 5_000 + seed * HEARTBEAT / SEEDS;
    let text = format!(
        r#"
schema = 1
name = "rebalance"
intent = "A member joins a large group."
[cluster]
brokers = 3
zookeepers = 1
[[topic]]
name = "load"
partitions = {PARTITIONS}
replication = 1
[[topic]]
name = "__consumer_offsets"
partitions = 1
replication = 3
[[producer]]
name = "load-service"
topic = "load"
rate = "100/s"
keys = 5000
value = "100B"
[[consumer]]
name = "worker"
group = "workers"
count = {MEMBERS}
topics = ["load"]
process = "1ms"
commit = "after-processing"
config = {{ auto.offset.reset = "earliest", partition.assignment.strategy = "{strategy}" }}
[phases]
warmup = "20s"
chaos = "20s"
settle = "10s"
[[fault]]
id = "join"
at = "{join_at}ms"
kind = "add-member"
consumer = "worker"
[expect]
allow = ["redelivery"]
"#
    );
    let scenario = Scenario::parse("rebalance.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    scenario.resolve(seed, None).unwrap_or_else(|error| panic!("{error}"))
}

/// What a rebalance cost, in simulated nanoseconds.
#[derive(Default)]
struct Cost {
    /// When the member joined, until its join is known.
    joined: Option<u64>,
    /// From then until every partition had its new owner.
    took: u64,
    /// Since when the coordinator waits for all to join again.
    waits_since: u64,
    /// How long it waited so, over all generations.
    waited: u64,
    generations: u64,
    owners: BTreeMap<Partition, Name>,
    /// Partitions without an owner: since when, and whose they were.
    given_up: BTreeMap<Partition, (u64, Name)>,
    /// How long each partition that was given up had no owner.
    unowned: BTreeMap<Partition, u64>,
    /// Partitions that another member got.
    moved: BTreeSet<Partition>,
}

impl Cost {
    fn of(events: &[Event]) -> Cost {
        let mut cost = Cost::default();
        let mut members = 0;
        for event in events {
            match &event.kind {
                EventKind::MemberJoined { .. } => {
                    members += 1;
                    if members > MEMBERS {
                        assert_eq!(cost.owners.len(), PARTITIONS, "the group had not come to rest before");
                        cost.joined = Some(event.at);
                    }
                }
                EventKind::GroupStateChanged { state, .. } if cost.joined.is_some() => cost.became(event.at, *state),
                EventKind::PartitionsAssigned { partitions, .. } => cost.assigned(event, partitions),
                EventKind::PartitionsRevoked { partitions, .. } => cost.revoked(event, partitions),
                _ => {}
            }
        }
        assert_eq!(members, MEMBERS + 1, "one member joins, none is lost");
        assert_eq!(cost.owners.len(), PARTITIONS, "every partition has an owner in the end");
        cost
    }

    fn became(&mut self, at: u64, state: GroupState) {
        match state {
            GroupState::PreparingRebalance => self.waits_since = at,
            GroupState::CompletingRebalance => {
                self.waited += at - self.waits_since;
                self.generations += 1;
            }
            GroupState::Empty | GroupState::Stable | GroupState::Dead => {}
        }
    }

    fn assigned(&mut self, event: &Event, partitions: &[Partition]) {
        self.owners.extend(partitions.iter().map(|partition| (*partition, event.node)));
        let Some(joined) = self.joined.filter(|_| !partitions.is_empty()) else { return };
        self.took = event.at - joined;
        for partition in partitions {
            let (since, owner) = self.given_up.remove(partition).expect("one member has it at a time");
            *self.unowned.entry(*partition).or_default() += event.at - since;
            if owner != event.node {
                self.moved.insert(*partition);
            }
        }
    }

    fn revoked(&mut self, event: &Event, partitions: &[Partition]) {
        for partition in partitions {
            self.owners.remove(partition);
            if self.joined.is_some() {
                self.given_up.insert(*partition, (event.at, event.node));
            }
        }
    }
}

/// A run's cost, its events, and its wall time in seconds.
fn measure(strategy: &str, seed: u64) -> (Cost, u64, f64) {
    let options = RunOptions { trace: Mode::Full, ..RunOptions::default() };
    let (plan, began) = (plan(strategy, seed), Instant::now());
    let outcome = run_plan(&plan, &options).unwrap_or_else(|error| panic!("{error}"));
    let wall = began.elapsed().as_secs_f64();
    assert_eq!(outcome.record.verdict, Verdict::Pass, "{strategy}, seed {seed}: {}", outcome.record.reason);
    (Cost::of(&outcome.events), outcome.record.events, wall)
}

/// The average, least and most of what the runs cost.
fn spread(costs: &[Cost], of: impl Fn(&Cost) -> f64) -> String {
    let values: Vec<f64> = costs.iter().map(of).collect();
    let (least, most) = (values.iter().copied().fold(f64::MAX, f64::min), values.iter().copied().fold(0.0, f64::max));
    format!("{:.2} s ({least:.2} to {most:.2})", values.iter().sum::<f64>() / values.len() as f64)
}

fn main() {
    let columns = [
        "strategy",
        "rebalance",
        "of it waiting for joins",
        "generations",
        "partitions given up",
        "moved",
        "longest without an owner",
        "average of all partitions",
        "events a run",
        "wall time a run",
    ];
    println!("| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()));
    let seconds = |ns: u64| ns as f64 / 1e9;
    for strategy in STRATEGIES {
        let (mut costs, mut events, mut wall) = (Vec::new(), 0, 0.0);
        for seed in 0..SEEDS {
            let (cost, more, took) = measure(strategy, seed);
            (events, wall) = (events + more, wall + took);
            costs.push(cost);
        }
        let list = |of: &dyn Fn(&Cost) -> u64| {
            let values: BTreeSet<u64> = costs.iter().map(of).collect();
            values.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
        };
        let cells = [
            strategy.to_owned(),
            spread(&costs, |cost| seconds(cost.took)),
            spread(&costs, |cost| seconds(cost.waited)),
            list(&|cost| cost.generations),
            list(&|cost| cost.unowned.len() as u64),
            list(&|cost| cost.moved.len() as u64),
            spread(&costs, |cost| seconds(cost.unowned.values().max().copied().unwrap_or(0))),
            spread(&costs, |cost| seconds(cost.unowned.values().sum()) / PARTITIONS as f64),
            format!("{}", events / SEEDS),
            format!("{:.1} s", wall / SEEDS as f64),
        ];
        println!("| {} |", cells.join(" | "));
    }
}
