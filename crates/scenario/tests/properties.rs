//! Whatever the text, reading never panics; whatever is read comes back from its plan.

use odradek_scenario::{Condition, Duration, Options, Plan, Rate, Scenario, Selector, Size, explain, template};
use proptest::prelude::*;

/// A plan that uses every part of the grammar that is supported.
const EVERYTHING: &str = r#"schema = 1
name = "everything"
intent = "Every part of the grammar, with \"quotes\" and ümlauts."
[cluster]
brokers = 5
zookeepers = 3
flaws = ["hw-truncation-loss", "no-dir-fsync"]
config = { replica.lag.time.max.ms = "10s", tickTime = 2000, unclean.leader.election.enable = false, leader.imbalance.per.broker.percentage = 20 }
broker = [{ id = 2, rack = "b", config = { log.flush.interval.messages = 1 } }, { id = 3 }]
[[topic]]
name = "orders"
partitions = 2
replication = 3
assignment = [[1, 2, 3], [4, 5, 1]]
config = { min.insync.replicas = 2, "flush.messages" = 1, segment.bytes = "1MiB" }
[[topic]]
name = "a.b"
[[producer]]
name = "bytes"
topic = "orders"
rate = "10/m"
value = "1KiB"
[[producer]]
name = "template"
count = 3
topic = "a.b"
rate = "200/s"
keys = 4
key = "member-{k}"
template = "order {n} of {key}: \\ \" {} {N}"
config = { acks = -1, enable.idempotence = true, linger.ms = "5ms" }
[[producer]]
name = "fields"
topic = "orders"
rate = "1/h"
fields = { to = "{key}@example.org", "the subject" = "line\none" }
[[consumer]]
name = "reader"
topics = ["orders", "a.b"]
process = "2ms"
config = { auto.offset.reset = "earliest" }
[network]
latency = { p50 = "1500us", p99 = "10ms" }
bandwidth = "100Mbit/s"
loss = "0.5%"
[disk]
sync = { p50 = "2ms", p99 = "20ms" }
[phases]
warmup = "500ms"
chaos = "2m"
settle = "60s"
[[fault]]
at = "1s"
kind = "crash"
node = "leader(orders/0)"
[[fault]]
at = "2s"
kind = "crash"
node = ["broker-1", "any(follower(orders/1))"]
down = "25s"
optional = true
[[fault]]
id = "power"
when = "isr(orders/*) <= 1"
after = "200ms"
kind = "power-loss"
node = "minority(brokers)"
keep = "none"
[[fault]]
at = "3s"
kind = "pause"
node = "zk-leader"
for = "3s"
[[fault]]
at = "3s"
kind = "partition"
from = "controller"
to = "other(all(brokers))"
direction = "inbound"
for = "11s"
[[fault]]
at = "3s"
kind = "isolate"
node = "template"
except = "zookeepers"
[[fault]]
when = "blocked(orders) > 1500ms"
kind = "slow-link"
from = "clients"
to = "majority(brokers)"
latency = { p50 = "100ms", p99 = "1s" }
[[fault]]
when = "done(power)"
kind = "reset-connections"
from = "clients"
to = "brokers"
[[fault]]
when = "sessions() < 5"
kind = "hold"
api = "LeaderAndIsr"
from = "controller"
to = "other(brokers)"
nth = 3
until = "leader-epoch(orders/0) >= 2"
response = true
[[fault]]
at = "4s"
kind = "replace-disk"
node = "broker-2"
down = "9s"
optional = true
max_down = 1
[[fault]]
at = "4s"
kind = "flap"
from = "broker-1"
to = "other(brokers)"
direction = "outbound"
down = "200ms"
for = "9s"
[[fault]]
at = "4s"
kind = "swizzle"
nodes = "zookeepers"
gap = "700ms"
for = "9s"
[[fault]]
at = "4s"
kind = "lossy-link"
from = "clients"
to = "brokers"
loss = "30%"
[[fault]]
at = "4s"
kind = "delete-topic"
topic = "a.b"
recreate = "3s"
[[fault]]
at = "4s"
kind = "delete-topic"
topic = "a.b"
[[fault]]
at = "4s"
kind = "bit-rot"
node = "broker-3"
partition = "orders/1"
count = 3
[[fault]]
at = "4s"
kind = "slow-disk"
node = "zk-leader"
sync = { p50 = "100ms", p99 = "1s" }
for = "9s"
[[fault]]
at = "4s"
kind = "stall-disk"
node = "broker-1"
for = "9s"
[[fault]]
at = "4s"
kind = "full-disk"
node = "broker-1"
[[fault]]
at = "4s"
kind = "disk-error"
node = "broker-1"
for = "9s"
[[fault]]
at = "4s"
kind = "clock"
node = "broker-1"
jump = "1h"
drift = "200ppm"
back = true
for = "9s"
[[reseed]]
at = "7s"
seed = 9
faults = false
[[reseed]]
at = "3s"
[[note]]
at = "1s"
text = { en = "Hello", ko = "안녕" }
[expect]
always = ["default", "-liveness"]
never = ["leaderless(orders/*) > 30s", "acked(template) > 1000000"]
sometimes = ["leader-changed"]
allow = ["duplicate", "redelivery", "lost-write/acked-one", "log-matching"]
eventually = [{ that = "lag(reader) == 0", within = "60s" }, { that = "delivered(orders/0) >= 1", within = "1s" }]
violation = ["lost-write"]
[control]
set = { "topic.orders.config.flush.messages" = 2, "producer.template.config.acks" = "all", "cluster.broker.2.rack" = "c" }
"#;

#[test]
fn every_part_of_the_grammar_comes_back_from_a_plan() {
    let scenario = Scenario::parse("f.toml", EVERYTHING).unwrap_or_else(|error| panic!("{error}"));
    let plan = scenario.resolve(3, Some(4)).expect("small seeds");
    let written = plan.to_toml();
    let read = Plan::parse("plan.toml", &written).unwrap_or_else(|error| panic!("{written}\n{error}"));
    assert_eq!(plan, read, "{written}");
    assert_eq!((read.seed, read.schedule_seed), (3, 4));
    let ids: Vec<&str> = read.faults.iter().map(|fault| fault.id.as_str()).collect();
    let expected = [
        "crash-1",
        "crash-2",
        "power",
        "pause-1",
        "partition-1",
        "isolate-1",
        "slow-link-1",
        "reset-connections-1",
        "hold-1",
        "replace-disk-1",
        "flap-1",
        "swizzle-1",
        "lossy-link-1",
        "delete-topic-1",
        "delete-topic-2",
        "bit-rot-1",
        "slow-disk-1",
        "stall-disk-1",
        "full-disk-1",
        "disk-error-1",
        "clock-1",
    ];
    assert_eq!(ids, expected);
}

#[test]
fn a_plan_is_a_scenario_that_resolves_to_itself() {
    let plan = Scenario::parse("f.toml", EVERYTHING).expect("it is good").resolve(3, None).expect("a small seed");
    let pinned = Scenario::parse("plan.toml", &plan.to_toml()).expect("a plan is a scenario");
    assert!(pinned.is_plan());
    let again = pinned.resolve(pinned.seed.expect("it is a plan"), pinned.schedule_seed).expect("the same seeds");
    assert_eq!(plan, again);
}

#[test]
fn a_control_run_of_a_plan_is_that_of_its_scenario() {
    let options = Options { without_flaws: true, ..Options::default() };
    let scenario = Scenario::parse_with("f.toml", EVERYTHING, &options).expect("it is good");
    let flawed = Scenario::parse("f.toml", EVERYTHING).expect("it is good").resolve(3, None).expect("a small seed");
    let plan = Plan::parse_with("plan.toml", &flawed.to_toml(), &options).expect("it is good");
    assert_eq!(scenario.resolve(3, None).expect("a small seed"), plan);
    assert_eq!(plan.topics[0].config.integer("flush.messages"), 2, "quoted and dotted names are the same setting");
    assert_eq!(plan.cluster.rack(2), Some("c"));
}

/// Reads everything that reads text; only that it returns matters.
fn read_all(text: &str) {
    let _ = Scenario::parse("f.toml", text).map_err(|error| error.to_string());
    let _ = Duration::parse(text).map(|it| it.to_string());
    let _ = Rate::parse(text).map(|it| (it.to_string(), it.interval()));
    let _ = Size::parse(text).map(|it| it.to_string());
    let _ = Selector::parse(text).map(|it| it.to_string());
    let _ = Condition::parse(text).map(|it| it.to_string());
    let _ = explain(text);
    let options = Options { set: vec![text.to_string()], without_flaws: true, ..Options::default() };
    let _ = Scenario::parse_with("f.toml", EVERYTHING, &options).map_err(|error| error.to_string());
}

fn mutated(text: &str, at: usize, length: usize, insert: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let start = at % characters.len();
    let end = (start + length).min(characters.len());
    let keep = |part: &[char]| part.iter().collect::<String>();
    format!("{}{insert}{}", keep(&characters[..start]), keep(&characters[end..]))
}

#[test]
fn deep_nesting_is_an_error() {
    for (open, close) in [("[", "]"), ("{a=", "}"), ("any(", ")"), ("a.", "b")] {
        let deep = format!("{}{}", open.repeat(5_000), close.repeat(5_000));
        read_all(&deep);
        read_all(&format!("schema = 1\nname = {deep}\n"));
    }
    assert!(Selector::parse(&format!("{}t{}", "any(".repeat(5_000), ")".repeat(5_000))).is_err());
    let flag = format!("{}=1", "a.".repeat(1_000_000) + "a");
    let options = Options { set: vec![flag], ..Options::default() };
    assert!(Scenario::parse_with("f.toml", EVERYTHING, &options).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_text_never_panics(text in "\\PC{0,60}") {
        read_all(&text);
    }

    #[test]
    fn random_punctuation_never_panics(text in "[a-z0-9 ()/*=<>\".,_\\-\\[\\]{}\n#']{0,60}") {
        read_all(&text);
    }

    #[test]
    fn a_mutated_scenario_never_panics(at in 0usize..4000, length in 0usize..40, insert in "\\PC{0,6}") {
        let text = mutated(EVERYTHING, at, length, &insert);
        if let Ok(scenario) = Scenario::parse("f.toml", &text) {
            let plan = scenario.resolve(1, None).expect("1 is a seed");
            let _ = plan.warnings();
            let read = Plan::parse("plan.toml", &plan.to_toml()).unwrap_or_else(|error| panic!("{text}\n{error}"));
            prop_assert_eq!(plan, read);
        }
    }

    #[test]
    fn lines_may_be_dropped_and_swapped(first in 0usize..200, second in 0usize..200) {
        let mut lines: Vec<&str> = EVERYTHING.lines().collect();
        let (first, second) = (first % lines.len(), second % lines.len());
        lines.swap(first, second);
        read_all(&lines.join("\n"));
        lines.remove(first);
        read_all(&lines.join("\r\n"));
    }

    #[test]
    fn durations_come_back_from_their_text(nanos in any::<u64>()) {
        let duration = Duration::from_nanos(nanos);
        prop_assert_eq!(Duration::parse(&duration.to_string()), Ok(duration));
    }

    #[test]
    fn any_name_makes_a_template_that_never_panics(name in "\\PC{0,20}") {
        let _ = Scenario::parse("f.toml", &template(&name)).map_err(|error| error.to_string());
    }
}
