//! Settle may heal a live core alone: it recovers, what stays broken stays broken, and only a proof excuses.

use scenario::Plan;
use sim::{Outcome, RunOptions, Verdict};
use trace::{EventKind, Mode};

/// Broker 1 leads and is cut off from its peers, but not from the ensemble, for ever.
fn run(core: &str, fault: &str) -> Outcome {
    let text = format!(
        r#"schema = 1
name = "core"
intent = "A core recovers by itself."
seed = 5
[cluster]
brokers = 3
zookeepers = 3
config = {{ replica.lag.time.max.ms = "4s", zookeeper.session.timeout.ms = "6s" }}
[[topic]]
name = "orders"
partitions = 1
replication = 3
assignment = [[1, 2, 3]]
config = {{ min.insync.replicas = 2 }}
[[producer]]
name = "shop"
topic = "orders"
rate = "20/s"
value = "100B"
config = {{ acks = "all", request.timeout.ms = "3s", delivery.timeout.ms = "10s" }}
[[consumer]]
name = "mail"
topics = ["orders"]
config = {{ auto.offset.reset = "earliest" }}
[phases]
warmup = "6s"
chaos = "20s"
settle = {{ for = "40s", core = {core} }}
[[fault]]
id = "it"
at = "15s"
{fault}
[expect]
always = ["default"]
eventually = [{{ that = "lag(mail) == 0", within = "40s" }}]
"#
    );
    let plan = Plan::parse("plan.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    let options = RunOptions { trace: Mode::Full, ..RunOptions::default() };
    sim::run_plan(&plan, &options).unwrap_or_else(|error| panic!("{error}"))
}

fn healed(outcome: &Outcome) -> bool {
    outcome.events.iter().any(|event| matches!(event.kind, EventKind::FaultEnded { .. }))
}

const CORE: &str = r#"["broker-2", "broker-3", "zk-1", "zk-2"]"#;

#[test]
fn a_core_elects_a_leader_of_its_own_when_the_old_one_is_gone_for_ever() {
    let outcome = run(CORE, "kind = \"isolate\"\nnode = \"broker-1\"");
    assert_eq!(outcome.record.verdict, Verdict::Pass, "{}", outcome.record.reason);
    assert!(outcome.record.excused.is_empty(), "{:?}", outcome.record.excused);
    assert!(!healed(&outcome), "the fault is permanent");
}

#[test]
fn a_leader_outside_the_core_that_keeps_its_session_is_an_excuse_that_is_printed() {
    let outcome = run(CORE, "kind = \"partition\"\nfrom = \"broker-1\"\nto = \"other(brokers)\"\ndirection = \"both\"");
    assert_eq!(outcome.record.verdict, Verdict::Pass, "{}", outcome.record.reason);
    let [excuse] = &outcome.record.excused[..] else { panic!("one excuse: {:?}", outcome.record.excused) };
    assert!(excuse.contains("broker-1, is outside the live core and its session lives"), "{excuse}");
    assert!(outcome.tables.contains(excuse));
}

#[test]
fn a_fault_inside_the_core_is_healed() {
    let core = r#"["broker-1", "broker-2", "zk-1", "zk-2"]"#;
    let outcome = run(core, "kind = \"isolate\"\nnode = \"broker-1\"\nexcept = \"broker-3\"");
    assert_eq!(outcome.record.verdict, Verdict::Pass, "{}", outcome.record.reason);
    assert!(outcome.record.excused.is_empty(), "{:?}", outcome.record.excused);
}
