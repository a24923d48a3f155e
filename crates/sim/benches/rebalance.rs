//! How long a large group takes to rebalance: a member joins 100 others that share 1,000 partitions, by each of the strategies.
//! docs/performance.md says what was reached.
//!
//! A run is one simulated cluster from boot to verdict. It is measured in simulated time, which its seed decides, so one run is enough;
//! only wall time depends on the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use odradek_sim::{RunOptions, Verdict, run_plan};
use scenario::{Plan, Scenario};
use trace::{Event, EventKind, GroupState, Mode, Partition};

const PARTITIONS: usize = 1_000;
const MEMBERS: usize = 100;
const STRATEGIES: [&str; 3] = ["range", "sticky", "cooperative-sticky"];

fn plan(strategy: &str) -> Plan {
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
warmup = "40s"
chaos = "20s"
settle = "20s"
[[fault]]
id = "join"
at = "5s"
kind = "add-member"
consumer = "worker"
[expect]
allow = ["redelivery"]
"#
    );
    let scenario = Scenario::parse("rebalance.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    scenario.resolve(1, None).unwrap_or_else(|error| panic!("{error}"))
}

/// What a rebalance cost, in simulated nanoseconds.
#[derive(Default)]
struct Cost {
    /// When the member joined, until its join is known.
    joined: Option<u64>,
    /// From then until every partition had its new owner.
    took: u64,
    generations: BTreeSet<i32>,
    /// Who owns nothing since when.
    idle_since: BTreeMap<Partition, u64>,
    /// How long each partition that was given up had no owner.
    idle: BTreeMap<Partition, u64>,
    owned: BTreeSet<Partition>,
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
                        assert_eq!(cost.owned.len(), PARTITIONS, "the group had not come to rest before");
                        cost.joined = Some(event.at);
                    }
                }
                EventKind::GroupStateChanged { state: GroupState::CompletingRebalance, generation, .. }
                    if cost.joined.is_some() =>
                {
                    cost.generations.insert(*generation);
                }
                EventKind::PartitionsAssigned { partitions, .. } => cost.assigned(event.at, partitions),
                EventKind::PartitionsRevoked { partitions, .. } => cost.revoked(event.at, partitions),
                _ => {}
            }
        }
        assert_eq!(members, MEMBERS + 1, "one member joins, none is lost");
        assert_eq!(cost.owned.len(), PARTITIONS, "every partition has an owner in the end");
        cost
    }

    fn assigned(&mut self, at: u64, partitions: &[Partition]) {
        self.owned.extend(partitions);
        let Some(joined) = self.joined.filter(|_| !partitions.is_empty()) else { return };
        self.took = at - joined;
        for partition in partitions {
            let since = self.idle_since.remove(partition).expect("it had been given up");
            *self.idle.entry(*partition).or_default() += at - since;
        }
    }

    fn revoked(&mut self, at: u64, partitions: &[Partition]) {
        for partition in partitions {
            self.owned.remove(partition);
            if self.joined.is_some() {
                self.idle_since.insert(*partition, at);
            }
        }
    }
}

fn main() {
    println!("| strategy | rebalance | generations | partitions without an owner | for at most | on average | events | wall time |");
    println!("|---|---|---|---|---|---|---|---|");
    for strategy in STRATEGIES {
        let plan = plan(strategy);
        let options = RunOptions { trace: Mode::Full, ..RunOptions::default() };
        let began = Instant::now();
        let outcome = run_plan(&plan, &options).unwrap_or_else(|error| panic!("{error}"));
        let wall = began.elapsed().as_secs_f64();
        assert_eq!(outcome.record.verdict, Verdict::Pass, "{}", outcome.record.reason);
        let cost = Cost::of(&outcome.events);
        let seconds = |ns: u64| ns as f64 / 1e9;
        let (longest, total) = (cost.idle.values().max().copied().unwrap_or(0), cost.idle.values().sum::<u64>());
        println!(
            "| {strategy} | {:.2} s | {} | {} | {:.2} s | {:.2} s | {} | {wall:.1} s |",
            seconds(cost.took),
            cost.generations.len(),
            cost.idle.len(),
            seconds(longest),
            seconds(total) / PARTITIONS as f64,
            outcome.record.events,
        );
    }
}
