//! The same scenario on real sockets, files and time, judged by the same oracles. Conditions are asked for, never times.

use scenario::{Plan, Scenario};
use sim::{Outcome, RunOptions, Verdict};

use crate::support::{Folder, run};

const SHORT: &str = r#"
schema = 1
name   = "real-sockets"
intent = "A leader crashes and another is cut off: no acknowledged record is lost, on real sockets as well."

[cluster]
brokers    = 3
zookeepers = 1
config     = { replica.lag.time.max.ms = "2s", zookeeper.session.timeout.ms = "2s", tickTime = 500 }

[[topic]]
name        = "orders"
partitions  = 2
replication = 3
config      = { min.insync.replicas = 2 }

[[producer]]
name   = "order-service"
topic  = "orders"
rate   = "50/s"
value  = "100B"
config = { acks = "all", request.timeout.ms = "1s" }

[[consumer]]
name   = "mail-service"
topics = ["orders"]

[phases]
warmup = "3s"
chaos  = "8s"
settle = "8s"

[[fault]]
id   = "leader-crash"
at   = "500ms"
kind = "crash"
node = "leader(orders/0)"
down = "2s"

[[fault]]
id   = "leader-cut-off"
at   = "4s"
kind = "isolate"
node = "leader(orders/1)"
for  = "3s"

[expect]
always = ["default"]
"#;

fn plan() -> Plan {
    let scenario = Scenario::parse("real-sockets.toml", SHORT).unwrap_or_else(|error| panic!("{error}"));
    scenario.resolve(1, None).unwrap_or_else(|error| panic!("{error}"))
}

fn holds(outcome: &Outcome) {
    let record = &outcome.record;
    assert_eq!(record.verdict, Verdict::Pass, "{}\n{}\n{}", record.reason, outcome.digest.render(true), outcome.tables);
    assert_eq!(record.faults, 2, "both faults hit something");
    assert!(record.records.acked > 300, "{:?}", record.records);
    assert_eq!(record.records.lost, 0);
    let unacked = record.records.unknown + record.records.failed;
    assert!(record.records.delivered >= record.records.acked, "{:?}", record.records);
    assert!(record.records.delivered <= record.records.acked + unacked, "{:?}", record.records);
    assert!(record.marks["leader-changed"] >= 2, "{:?}", record.marks);
    assert!(record.oracles.iter().filter(|oracle| oracle.facts > 0).count() >= 15, "{:?}", record.oracles);
}

#[test]
fn one_scenario_holds_simulated_and_on_real_sockets() {
    let plan = plan();
    let simulated = run(&plan);
    holds(&simulated);
    let folder = Folder::new("real-sockets");
    let real = sim::run_plan_really(&plan, &RunOptions::default(), &folder.0).unwrap_or_else(|error| panic!("{error}"));
    holds(&real);
    assert!(real.record.fingerprint.is_empty() && !simulated.record.fingerprint.is_empty());
    assert!(real.record.simulated_seconds >= 19.0, "real time is not skipped");
    assert!(folder.0.join("broker-1/data/orders-0").is_dir(), "its files are real ones");
}
