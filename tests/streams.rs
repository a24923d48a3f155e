//! Everything random comes from a stream of its own: what is deleted from a plan changes nothing that it did not touch.

use std::collections::BTreeMap;

use scenario::Plan;
use sim::{Outcome, RunOptions};
use trace::{EventKind, Mode};

/// Two services, and eight faults that each draw a broker; `first` is a ninth, of the ensemble, that touches no client.
fn plan(first: &str) -> Plan {
    let mut text = String::from(
        r#"schema = 1
name = "streams"
intent = "Faults with draws of their own."
seed = 11
[cluster]
brokers = 3
zookeepers = 3
[[topic]]
name = "orders"
partitions = 2
replication = 3
[[producer]]
name = "shop"
count = 2
topic = "orders"
rate = "20/s"
value = "20B"
config = { acks = "all" }
[[producer]]
name = "stock"
topic = "orders"
rate = "10/s"
template = "{n} of {key}"
config = { acks = "all" }
[phases]
warmup = "6s"
chaos = "20s"
settle = "15s"
[expect]
always = ["default"]
"#,
    );
    text += first;
    for number in 1..=8 {
        text += &format!(
            "[[fault]]\nid = \"disk-{number}\"\nat = \"{}s\"\nkind = \"slow-disk\"\nnode = \"any(brokers)\"\n\
             sync = {{ p50 = \"5ms\", p99 = \"9ms\" }}\nfor = \"1s\"\n",
            2 * number
        );
    }
    Plan::parse("plan.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn run(plan: &Plan) -> Outcome {
    let options = RunOptions { trace: Mode::Full, ..RunOptions::default() };
    sim::run_plan(plan, &options).unwrap_or_else(|error| panic!("{error}"))
}

/// Whom each fault hit.
fn targets(outcome: &Outcome) -> BTreeMap<String, String> {
    let began = outcome.events.iter().filter_map(|event| match &event.kind {
        EventKind::FaultBegan { fault, target, .. } => Some((fault.to_string(), target.to_string())),
        _ => None,
    });
    began.collect()
}

/// Key and value of every record, by client and number.
fn records(outcome: &Outcome) -> BTreeMap<(String, u64), (String, String)> {
    let sent = outcome.events.iter().filter_map(|event| match &event.kind {
        EventKind::RecordSent { sequence, text, .. } => {
            let text = text.0.as_ref().expect("a full trace keeps texts");
            Some(((event.node.to_string(), *sequence), (text.key.clone(), text.value.clone())))
        }
        _ => None,
    });
    sent.collect()
}

#[test]
fn deleting_a_fault_that_touched_no_client_leaves_records_and_all_other_draws_as_they_were() {
    let first = "[[fault]]\nid = \"other\"\nat = \"1s\"\nkind = \"pause\"\nnode = \"any(zookeepers)\"\nfor = \"2s\"\n";
    let (with, without) = (run(&plan(first)), run(&plan("")));
    assert_ne!(with.record.fingerprint, without.record.fingerprint, "the fault did something");
    let mut targets_with = targets(&with);
    assert!(targets_with.remove("other").is_some());
    assert_eq!(targets_with.len(), 8);
    assert_eq!(targets_with, targets(&without));
    let (one, two) = (records(&with), records(&without));
    let common = one.keys().filter(|key| two.contains_key(*key)).count();
    assert!(common > 900, "{common} records are in both runs");
    for (key, record) in &one {
        assert_eq!(two.get(key).unwrap_or(record), record, "{key:?}");
    }
}
