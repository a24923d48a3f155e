//! Every kind of fault has its effect, and heals: the run ends healthy, and its oracles have nothing to say.

use scenario::Plan;
use sim::{Outcome, RunOptions, Verdict};
use trace::{EventKind, Mode, StopReason};

const BASE: &str = r#"schema = 1
name = "one-fault"
intent = "One fault, its effect, its end."
seed = 5
[cluster]
brokers = 3
zookeepers = 3
config = { replica.lag.time.max.ms = "4s", zookeeper.session.timeout.ms = "6s" }
[[topic]]
name = "orders"
partitions = 1
replication = 3
assignment = [[1, 2, 3]]
config = { min.insync.replicas = 2, flush.messages = 1 }
[[producer]]
name = "shop"
topic = "orders"
rate = "20/s"
value = "100B"
config = { acks = "all", request.timeout.ms = "3s" }
[[consumer]]
name = "mail"
topics = ["orders"]
config = { auto.offset.reset = "earliest" }
[phases]
warmup = "6s"
chaos = "20s"
settle = "30s"
[expect]
always = ["default"]
eventually = [{ that = "isr(orders/*) == 3", within = "25s" }, { that = "lag(mail) == 0", within = "30s" }]
"#;

fn run(faults: &str) -> Outcome {
    let plan = Plan::parse("plan.toml", &format!("{BASE}{faults}")).unwrap_or_else(|error| panic!("{error}"));
    let options = RunOptions { trace: Mode::Full, ..RunOptions::default() };
    sim::run_plan(&plan, &options).unwrap_or_else(|error| panic!("{error}"))
}

fn passes(kind: &str, parameters: &str) -> Outcome {
    let outcome = run(&format!("[[fault]]\nid = \"it\"\nat = \"1s\"\nkind = \"{kind}\"\n{parameters}\n"));
    let digest = outcome.digest.render(true);
    assert_eq!(outcome.record.verdict, Verdict::Pass, "{kind}: {}\n{digest}", outcome.record.reason);
    assert_eq!(outcome.record.faults, 1, "{kind} hit something");
    assert!(seconds(&outcome, |kind| matches!(kind, EventKind::FaultEnded { fault } if fault.as_str() == "it")) > 0.0);
    outcome
}

/// When the first such event was, in seconds from the start of chaos; 0 if there was none.
fn seconds(outcome: &Outcome, wanted: impl Fn(&EventKind) -> bool) -> f64 {
    let found = outcome.events.iter().find(|event| event.at > 6_000_000_000 && wanted(&event.kind));
    found.map_or(0.0, |event| (event.at - 6_000_000_000) as f64 / 1e9)
}

fn stops(outcome: &Outcome, node: &str) -> Vec<StopReason> {
    let of = |event: &trace::Event| match event.kind {
        EventKind::NodeStopped { reason } if event.node.as_str() == node => Some(reason),
        _ => None,
    };
    outcome.events.iter().filter_map(of).collect()
}

/// The longest time between two acknowledgements, in seconds.
fn longest_silence(outcome: &Outcome) -> f64 {
    let acked = outcome.events.iter().filter(|event| matches!(event.kind, EventKind::ProduceAcked { .. }));
    let times: Vec<u64> = acked.map(|event| event.at).collect();
    times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e9).fold(0.0, f64::max)
}

#[test]
fn a_lossy_link_delays_and_heals() {
    let outcome = passes("lossy-link", "from = \"broker-1\"\nto = \"other(brokers)\"\nloss = \"60%\"\nfor = \"8s\"");
    assert!(longest_silence(&outcome) > 0.4, "{}", longest_silence(&outcome));
}

#[test]
fn a_flapping_link_cuts_again_and_again() {
    let flap = "from = \"broker-1\"\nto = \"other(brokers)\"\ndown = \"800ms\"\nup = \"800ms\"\nfor = \"8s\"";
    let outcome = passes("flap", flap);
    assert!((0.5..4.0).contains(&longest_silence(&outcome)), "{}", longest_silence(&outcome));
}

#[test]
fn a_swizzle_isolates_nodes_one_by_one_and_heals_them_in_another_order() {
    let outcome = passes("swizzle", "nodes = \"brokers\"\ngap = \"1s\"\nfor = \"6s\"");
    let steps = |begins: bool| -> Vec<String> {
        let step = |event: &trace::Event| match &event.kind {
            EventKind::FaultBegan { fault, .. } if begins => Some(fault.to_string()),
            EventKind::FaultEnded { fault } if !begins => Some(fault.to_string()),
            _ => None,
        };
        outcome.events.iter().filter_map(step).filter(|fault| fault.starts_with("it.")).collect()
    };
    let (mut began, mut ended) = (steps(true), steps(false));
    assert_eq!(began.len(), 3);
    began.sort();
    ended.sort();
    assert_eq!(began, ended);
}

#[test]
fn a_slow_disk_slows_acknowledgements() {
    let slow = passes("slow-disk", "node = \"brokers\"\nsync = { p50 = \"900ms\", p99 = \"1s\" }\nfor = \"8s\"");
    assert!((0.7..6.0).contains(&longest_silence(&slow)), "{}", longest_silence(&slow));
}

#[test]
fn a_stalled_disk_answers_nothing_until_it_heals() {
    let outcome = passes("stall-disk", "node = \"brokers\"\nfor = \"7s\"");
    assert!(longest_silence(&outcome) > 6.0, "{}", longest_silence(&outcome));
    assert!(stops(&outcome, "broker-1").is_empty());
}

#[test]
fn a_full_disk_ends_its_broker_which_comes_back_with_the_space() {
    let outcome = passes("full-disk", "node = \"broker-2\"\nfor = \"8s\"");
    assert_eq!(stops(&outcome, "broker-2"), [StopReason::Exit]);
}

#[test]
fn a_disk_error_ends_its_broker_which_comes_back_with_the_disk() {
    let outcome = passes("disk-error", "node = \"leader(orders/0)\"\nfor = \"8s\"");
    assert_eq!(stops(&outcome, "broker-1"), [StopReason::Exit]);
    assert!(outcome.record.marks.contains_key("leader-changed"));
}

#[test]
fn a_replaced_disk_is_filled_again_from_the_leader() {
    let outcome = passes("replace-disk", "node = \"broker-3\"\ndown = \"9s\"");
    let refilled = |event: &trace::Event| {
        matches!(event.kind, EventKind::BecameFollower { log_end: 0, .. }) && event.node.as_str() == "broker-3"
    };
    assert!(outcome.events.iter().filter(|event| event.at > 10_000_000_000).any(refilled));
}

#[test]
fn rot_on_a_followers_disk_is_found_when_it_loads_its_log() {
    let rot = "[[fault]]\nid = \"rot\"\nat = \"1s\"\nkind = \"bit-rot\"\nnode = \"broker-3\"\npartition = \"orders/0\"\ncount = 5\nfor = \"12s\"\n";
    let crash = "[[fault]]\nid = \"it\"\nat = \"2s\"\nkind = \"crash\"\nnode = \"broker-3\"\ndown = \"6s\"\n";
    let loaded = |faults: &str| {
        let outcome = run(faults);
        assert_eq!(outcome.record.verdict, Verdict::Pass, "{}\n{}", outcome.record.reason, outcome.digest.render(true));
        let log_end = |event: &trace::Event| match event.kind {
            EventKind::LogLoaded { log_end, .. } if event.node.as_str() == "broker-3" => Some(log_end),
            _ => None,
        };
        outcome.events.iter().filter_map(log_end).next_back().expect("it loaded its log")
    };
    assert!(loaded(&format!("{rot}{crash}")) < loaded(crash), "recovery cuts at the first bad batch");
}

#[test]
fn a_fast_clock_expires_nothing_and_runs_true_again() {
    passes("clock", "node = \"brokers\"\njump = \"1h\"\ndrift = \"5%\"\nfor = \"8s\"");
    passes("clock", "node = \"zookeepers\"\njump = \"1h\"\ndrift = \"5%\"\nback = true\nfor = \"8s\"");
}

#[test]
fn an_optional_fault_is_left_out_while_too_many_brokers_are_down() {
    let first = "[[fault]]\nid = \"first\"\nat = \"1s\"\nkind = \"crash\"\nnode = \"broker-1\"\n";
    let second = "[[fault]]\nid = \"second\"\nat = \"2s\"\nkind = \"crash\"\nnode = \"broker-2\"\noptional = true\nmax_down = 1\n";
    let outcome = run(&format!("{first}{second}"));
    assert_eq!(outcome.record.verdict, Verdict::Pass, "{}", outcome.record.reason);
    assert_eq!(outcome.record.faults, 1);
    assert!(stops(&outcome, "broker-2").is_empty());
}

#[test]
fn a_postponed_fault_comes_once_the_broker_is_back_in_every_isr() {
    let first = "[[fault]]\nid = \"first\"\nat = \"1s\"\nkind = \"crash\"\nnode = \"broker-1\"\ndown = \"6s\"\n";
    let second = "[[fault]]\nid = \"second\"\nat = \"2s\"\nkind = \"crash\"\nnode = \"broker-2\"\ndown = \"5s\"\noptional = true\nmax_down = 1\n";
    let outcome = run(&format!("{first}{second}"));
    assert_eq!(outcome.record.verdict, Verdict::Pass, "{}", outcome.record.reason);
    assert_eq!(outcome.record.faults, 2);
    let began =
        seconds(&outcome, |kind| matches!(kind, EventKind::FaultBegan { fault, .. } if fault.as_str() == "second"));
    assert!(began > 7.0, "{began}");
}

#[test]
fn overlapping_faults_never_start_a_node_that_another_holds_down() {
    let crash = "[[fault]]\nid = \"crash\"\nat = \"1s\"\nkind = \"crash\"\nnode = \"broker-2\"\ndown = \"9s\"\n";
    let disk = "[[fault]]\nid = \"disk\"\nat = \"2s\"\nkind = \"full-disk\"\nnode = \"broker-2\"\nfor = \"3s\"\noptional = true\n";
    let outcome = run(&format!("{crash}{disk}"));
    assert_eq!(outcome.record.verdict, Verdict::Pass, "{}", outcome.record.reason);
    let restarted = |event: &trace::Event| {
        matches!(event.kind, EventKind::NodeStarted { incarnation: 1.. }) && event.node.as_str() == "broker-2"
    };
    let times: Vec<u64> =
        outcome.events.iter().filter(|event| restarted(event)).map(|event| event.at / 1_000_000).collect();
    assert_eq!(times, [16_000], "once, when the crash is over");
}

#[test]
fn a_broker_that_is_down_can_get_another_disk() {
    let crash = "[[fault]]\nid = \"crash\"\nat = \"1s\"\nkind = \"crash\"\nnode = \"broker-3\"\ndown = \"12s\"\n";
    let disk = "[[fault]]\nid = \"disk\"\nat = \"9s\"\nkind = \"replace-disk\"\nnode = \"broker-3\"\ndown = \"6s\"\n";
    let outcome = run(&format!("{crash}{disk}"));
    assert_eq!(outcome.record.verdict, Verdict::Pass, "{}", outcome.record.reason);
    assert_eq!(outcome.record.faults, 2);
}

#[test]
fn a_leader_whose_disk_is_replaced_is_not_charged_with_what_it_had_acknowledged() {
    passes("replace-disk", "node = \"leader(orders/0)\"\ndown = \"300ms\"");
}
