//! The whole grammar, also what is not built yet: read and checked, then refused by name.

use odradek_scenario::{Diagnostic, Scenario};

const WHOLE: &str = r#"schema = 1
name   = "orders-survive-isr-churn"
intent = "No acked order is lost or duplicated while leaders, disks and the ensemble fail."

[cluster]
brokers    = 3
zookeepers = 3
flaws      = []
config     = { replica.lag.time.max.ms = "10s", unclean.leader.election.enable = false }
broker     = [ { id = 2, rack = "b", config = { log.flush.interval.messages = 1 } } ]

[[topic]]
name = "orders"
partitions  = 3
replication = 3
config = { min.insync.replicas = 2 }

[[topic]]
name = "invoices"

[[producer]]
name   = "order-service"
count  = 2
topic  = "orders"
rate   = "200/s"
keys   = 64
value  = "100B"
config = { acks = "all", enable.idempotence = true }

[[consumer]]
name    = "mail-service"
group   = "mail"
count   = 2
topics  = ["orders"]
process = "2ms"
commit  = "after-processing"
config  = { isolation.level = "read_committed" }

[[processor]]
name = "billing"
group = "billing"
from = ["orders"]
to = "invoices"
exactly_once = true

[network]
latency = { p50 = "1ms", p99 = "10ms" }
[disk]
sync = { p50 = "2ms", p99 = "20ms" }

[phases]
warmup = "2s"
chaos  = "60s"
settle = "60s"

[[fault]]
id   = "cut"
at   = "5s"
for  = "20s"
kind = "partition"
from = "leader(orders/0)"
to   = "other(brokers)"
direction = "outbound"

[[fault]]
when = "isr(orders/1) == 1"
after = "200ms"
kind = "power-loss"
node = "leader(orders/1)"
down = "25s"
optional = true

[[fault]]
at = "9s"
kind = "kill-client"
node = "group-coordinator(mail)"

[[reseed]]
at = "10s"
seed = 7
faults = false

[chaos]
kinds = "1..4"
gap   = "exp(2s)"
max_down = { brokers = 1, zookeepers = 1 }
weights = { crash = 4, power-loss = 2, pause = 2, partition = 4, flap = 2, swizzle = 2, slow-disk = 1, full-disk = 1, clock = 1, rebalance = 1 }
vary = { brokers = "3..5", "topic.orders.config.min.insync.replicas" = "1..2", "cluster.config.replica.lag.time.max.ms" = "2s..30s" }

[[variant]]
name = "acks-1"
set  = { "producer.order-service.config.acks" = "1" }

[[note]]
when = "isr(orders/0) == 1"
text = { en = "Only the leader is left in sync: acks=all now waits for nobody else.", ko = "..." }

[expect]
always    = ["default"]
never     = ["blocked(orders) > 30s", "generations(mail) > 5"]
sometimes = ["leader-changed", "isr-shrunk", "log-truncated"]
allow     = ["redelivery"]
eventually = [ { that = "isr(orders/*) == 3", within = "30s" }, { that = "lag(mail) == 0", within = "45s" } ]
[control]
set = {}
"#;

#[test]
fn what_the_whole_grammar_has_is_read_and_only_what_is_not_built_is_refused() {
    let error = Scenario::parse("f.toml", WHOLE).expect_err("parts of it are not built");
    let messages: Vec<&str> = error.diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
    let expected = [
        "consumer setting `isolation.level` is not supported yet",
        "processors (`[[processor]]`) are not supported yet",
    ];
    assert_eq!(messages, expected, "{error}");
}

/// After a change to a part that is not built, the error must be among those reported.
fn check(old: &str, new: &str, expected: &str) {
    assert_eq!(WHOLE.matches(old).count(), 1, "`{old}` stands once");
    let error = Scenario::parse("f.toml", &WHOLE.replace(old, new)).expect_err("it is wrong");
    let brief = |diagnostic: &Diagnostic| match &diagnostic.suggestion {
        Some(help) => format!("{} [{help}]", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    let found: Vec<String> = error.diagnostics.iter().map(brief).collect();
    assert!(found.iter().any(|message| message == expected), "{expected}\nis not among\n{found:#?}");
}

#[test]
fn what_is_not_built_is_checked_nevertheless() {
    check("\"1..4\"", "\"4..1\"", "`4..1` is not a range such as `1..4` (both ends included)");
    check("\"exp(2s)\"", "\"norm(2s)\"", "`norm(2s)` is not a distribution [write `exp(2s)` or `2s`]");
    check("power-loss = 2", "powerloss = 2", "unknown name `powerloss` [did you mean `power-loss`?]");
    check("brokers = 1, zookeepers = 1", "broker = 1", "unknown name `broker` [did you mean `brokers`?]");
    check("to = \"invoices\"", "to = \"invoice\"", "unknown topic `invoice` [did you mean `invoices`?]");
    check(
        "\"after-processing\"",
        "\"afterprocessing\"",
        "unknown way to commit `afterprocessing` [did you mean `after-processing`?]",
    );
    check("group-coordinator(mail)", "group-coordinator(mial)", "unknown consumer group `mial` [did you mean `mail`?]");
    check("generations(mail)", "generations(maill)", "unknown consumer group `maill` [did you mean `mail`?]");
    check(
        "[[reseed]]\nat = \"10s\"",
        "[[reseed]]\nat = \"99s\"",
        "99s is past the end of chaos, which lasts 60s [times count from the start of chaos]",
    );
    check("en = \"Only", "de = \"Nur", "a note has at least an English text: `en`");
    check("group = \"billing\"\n", "", "`group` is missing in [[processor]] (a text)");
}
