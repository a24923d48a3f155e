//! Every class of error: its place, its words, its advice.

use odradek_scenario::{Options, Plan, Scenario, ScenarioError};

const GOOD: &str = r#"schema = 1
name = "good"
intent = "Nothing is wrong here."

[cluster]
brokers = 3
zookeepers = 3
config = { replica.lag.time.max.ms = "10s" }

[[topic]]
name = "orders"
partitions = 3
replication = 3
config = { min.insync.replicas = 2 }

[[producer]]
name = "order-service"
topic = "orders"
rate = "20/s"
value = "100B"
config = { acks = "all" }

[[consumer]]
name = "mail-service"
topics = ["orders"]

[phases]
warmup = "2s"
chaos = "60s"
settle = "30s"

[[fault]]
id = "cut"
at = "5s"
for = "20s"
kind = "partition"
from = "leader(orders/0)"
to = "other(brokers)"

[expect]
always = ["default"]
eventually = [{ that = "isr(orders/*) == 3", within = "20s" }]
"#;

fn errors(text: &str) -> ScenarioError {
    match Scenario::parse("f.toml", text) {
        Ok(_) => panic!("no error in:\n{text}"),
        Err(error) => error,
    }
}

/// Replaces `old` in the good scenario by `new`; the only error must read `LINE:COLUMN: message [help]`.
fn check(old: &str, new: &str, expected: &str) {
    assert_eq!(GOOD.matches(old).count(), 1, "`{old}` stands once in the good scenario");
    let text = GOOD.replace(old, new);
    let found: Vec<String> = errors(&text).diagnostics.iter().map(brief).collect();
    assert_eq!(found, [expected], "after `{old}` became `{new}`");
}

fn brief(diagnostic: &odradek_scenario::Diagnostic) -> String {
    let place = match diagnostic.line {
        0 => diagnostic.file.clone(),
        line => format!("{line}:{}", diagnostic.column),
    };
    match &diagnostic.suggestion {
        Some(help) => format!("{place}: {} [{help}]", diagnostic.message),
        None => format!("{place}: {}", diagnostic.message),
    }
}

#[test]
fn a_core_without_a_quorum_and_unknown_marks_are_refused() {
    for (old, new, words) in [
        ("settle = \"30s\"", "settle = { for = \"30s\", core = [\"zk-1\", \"broker-1\"] }", "a quorum is 2"),
        ("settle = \"30s\"", "settle = { for = \"30s\", core = [\"zk-1\", \"zk-2\", \"zk-9\"] }", "zk-9"),
        ("settle = \"30s\"", "settle = { core = \"random\" }", "for"),
        ("intent =", "buggify = [\"broker/no-such\"]\nintent =", "broker/no-such"),
    ] {
        assert_eq!(GOOD.matches(old).count(), 1);
        let error = errors(&GOOD.replace(old, new)).to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_good_scenario_is_good() {
    Scenario::parse("f.toml", GOOD).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn an_unknown_key_is_an_error_with_a_suggestion() {
    check(
        "replication = 3\n",
        "replicaton = 3\nreplication = 3\n",
        "13:1: unknown key `replicaton` in [[topic]] [did you mean `replication`?]",
    );
    check("partitions = 3", "partition = 3", "12:1: unknown key `partition` in [[topic]] [did you mean `partitions`?]");
    check(
        "zookeepers = 3",
        "zookeepers = 3\nzookeper = 3",
        "8:1: unknown key `zookeper` in [cluster] [did you mean `zookeepers`?]",
    );
    check("[expect]", "[expects]", "40:2: unknown key `expects` in the scenario [did you mean `expect`?]");
    check("id = \"cut\"", "idd = \"cut\"", "33:1: unknown key `idd` in [[fault]] [did you mean `id`?]");
}

#[test]
fn a_missing_key_is_named() {
    check("rate = \"20/s\"\n", "", "16:1: `rate` is missing in [[producer]] (a rate with a unit (/s, /m or /h))");
    check("schema = 1\n", "", "1:1: `schema` is missing in the scenario (a whole number)");
    check(
        "from = \"leader(orders/0)\"\n",
        "",
        "32:1: `from` is missing: partition needs a selector, or a list of them [One side.]",
    );
    check(
        "at = \"5s\"\n",
        "",
        "32:1: `at` or `when` is missing [at = \"5s\" (from the start of chaos), or when = \"isr(orders/0) == 1\"]",
    );
}

#[test]
fn a_wrong_type_says_what_is_expected() {
    check("brokers = 3", "brokers = \"3\"", "6:11: this is a whole number, not a text");
    check("brokers = 3", "brokers = -3", "6:11: this number cannot be negative");
    check("topics = [\"orders\"]", "topics = \"orders\"", "25:10: this is a list in brackets, not a text");
    check("[phases]", "[[phases]]", "27:1: [phases] is a table, not a list");
    check(
        "min.insync.replicas = 2",
        "min.insync.replicas = \"2\"",
        "14:34: `min.insync.replicas` takes a whole number, not a text",
    );
    check("acks = \"all\"", "acks = true", "21:19: `acks` takes one of all, 1, 0, not true or false");
}

#[test]
fn a_missing_unit_says_which_units_there_are() {
    check("for = \"20s\"", "for = \"20\"", "35:7: `20` has no unit [a duration takes ns, us, ms, s, m, h or d]");
    check(
        "for = \"20s\"",
        "for = 20",
        "35:7: this is a duration with a unit (ns, us, ms, s, m, h or d), not a whole number [write for example \"10s\"]",
    );
    check("\"20/s\"", "\"20\"", "19:8: `20` has no unit [a rate takes /s, /m or /h]");
    check("\"100B\"", "\"100\"", "20:9: `100` has no unit [a size takes B, kB, KiB, MB, MiB, GB or GiB]");
    check("\"100B\"", "\"100kb\"", "20:9: `kb` is not a unit of a size [a size takes B, kB, KiB, MB, MiB, GB or GiB]");
    check("\"10s\" }", "\"10\" }", "8:38: `10` has no unit [a duration takes ns, us, ms, s, m, h or d]");
    check("\"10s\" }", "\"10us\" }", "8:38: `10us` is finer than a millisecond");
}

#[test]
fn an_impossible_topology_is_an_error() {
    check(
        "replication = 3",
        "replication = 5",
        "13:15: replication 5 is above the number of brokers, 3 [every replica needs a broker of its own]",
    );
    check("brokers = 3", "brokers = 0", "6:11: `brokers` is from 1 to 99");
    check(
        "replication = 3",
        "replication = 3\nassignment = [[1, 2, 3]]",
        "14:14: the assignment has 1 partitions, the topic 3",
    );
    check(
        "replication = 3",
        "replication = 3\nassignment = [[1, 2, 3], [1, 2, 2], [1, 2, 4]]",
        "14:14: partition 1 needs 3 different replicas",
    );
    check(
        "zookeepers = 3",
        "zookeepers = 3\nbroker = [{ id = 4, rack = \"b\" }]",
        "8:18: there is no broker 4: ids are 1 to 3",
    );
}

#[test]
fn a_reference_to_nothing_is_an_error() {
    check("leader(orders/0)", "leader(order/0)", "37:8: unknown topic `order` [did you mean `orders`?]");
    check("leader(orders/0)", "leader(orders/3)", "37:8: topic `orders` has no partition 3: it has 3, numbered from 0");
    check(
        "leader(orders/0)",
        "leader(orders)",
        "37:8: `orders` is not a partition [write TOPIC/PARTITION, such as `orders/0`]",
    );
    check("leader(orders/0)", "broker-4", "37:8: unknown node `broker-4` [there are `broker-1` to `broker-3`]");
    check("leader(orders/0)", "broker-0", "37:8: unknown node `broker-0` [there are `broker-1` to `broker-3`]");
    check(
        "leader(orders/0)",
        "order-service-1",
        "37:8: unknown node `order-service-1` [there is only `order-service-0`]",
    );
    check(
        "leader(orders/0)",
        "mail-servce",
        "37:8: unknown node or selector `mail-servce` [did you mean `mail-service`?]",
    );
    check("leader(orders/0)", "lead(orders/0)", "37:8: unknown selector `lead` [did you mean `leader`?]");
    check("other(brokers)", "other(brokers", "38:6: a `)` is missing in `other(brokers`");
    check("topic = \"orders\"", "topic = \"order\"", "18:9: unknown topic `order` [did you mean `orders`?]");
    check("isr(orders/*)", "isr(order/*)", "42:24: unknown topic `order` [did you mean `orders`?]");
    check(
        "leader(orders/0)",
        "other(brokers)",
        "37:8: `other` in `from` has nobody to leave out: it means all but those of `from`",
    );
}

#[test]
fn a_condition_is_checked() {
    check("isr(orders/*) == 3", "irs(orders/*) == 3", "42:24: unknown function `irs` [did you mean `isr`?]");
    check(
        "isr(orders/*) == 3",
        "isr(orders/*)",
        "42:24: a comparison is missing after `isr(orders/*)` [write for example `isr(orders/0) == 1`]",
    );
    check(
        "isr(orders/*) == 3",
        "isr(orders/*) == many",
        "42:24: `many` is not a whole number, which `isr` is compared with [write for example `isr(orders/0) == 1`]",
    );
    check(
        "isr(orders/*) == 3",
        "blocked(orders) < 3",
        "42:24: `3` has no unit [a duration takes ns, us, ms, s, m, h or d]",
    );
    check("isr(orders/*) == 3", "done(cutt)", "42:24: unknown fault id `cutt` [did you mean `cut`?]");
    check(
        "isr(orders/*) == 3",
        "lag(mail-servic) == 0",
        "42:24: unknown consumer group, or consumer without a group, `mail-servic` [did you mean `mail-service`?]",
    );
    check("isr(orders/*) == 3", "sessions(orders) == 0", "42:24: `sessions` takes no argument");
    check("within = \"20s\"", "within = \"31s\"", "42:55: settle lasts only 30s, so this cannot be judged within 31s");
}

#[test]
fn an_unknown_name_in_a_catalogue_is_an_error() {
    check(
        "zookeepers = 3",
        "zookeepers = 3\nflaws = [\"hw-truncation-los\"]",
        "8:10: unknown flaw `hw-truncation-los` [did you mean `hw-truncation-loss`?]",
    );
    check(
        "zookeepers = 3",
        "zookeepers = 3\nflaws = [\"torn-hw-read\"]",
        "8:10: flaw `torn-hw-read` is in the catalogue but not supported yet [`odradek flaws` lists those that are]",
    );
    check(
        "kind = \"partition\"",
        "kind = \"partitio\"",
        "36:8: unknown fault kind `partitio` [did you mean `partition`?]",
    );
    check(
        "[\"default\"]",
        "[\"default\", \"-hi-watermark\"]",
        "41:22: unknown oracle `hi-watermark` [did you mean `high-watermark`?]",
    );
    check("[\"default\"]", "[\"O5\"]", "41:11: unknown oracle `O5` [oracles go by their slug: `high-watermark`]");
    check("[\"default\"]", "[\"exactly-once\"]", "41:11: oracle `exactly-once` is not supported yet");
    check("acks = \"all\"", "ack = \"all\"", "21:12: unknown producer setting `ack` [did you mean `acks`?]");
    check(
        "replica.lag.time.max.ms",
        "replica.lag.tim.max.ms",
        "8:12: unknown cluster setting `replica.lag.tim.max.ms` [did you mean `replica.lag.time.max.ms`?]",
    );
    check(
        "acks = \"all\"",
        "min.insync.replicas = 2",
        "21:12: unknown producer setting `min.insync.replicas` [`min.insync.replicas` is a setting of: broker, topic]",
    );
    check("acks = \"all\"", "acks = \"al\"", "21:19: unknown value `al` [did you mean `all`?]");
}

#[test]
fn names_are_unique_and_say_what_they_are() {
    check("name = \"mail-service\"", "name = \"order-service\"", "24:8: client `order-service` is declared twice");
    check("name = \"mail-service\"", "name = \"brokers\"", "24:8: `brokers` already means something else in selectors");
    check(
        "name = \"mail-service\"",
        "name = \"mail-1\"",
        "24:8: `mail-1` looks like the name of a node [a client's nodes are numbered anyway: NAME-0, NAME-1, ...]",
    );
    check(
        "name = \"good\"",
        "name = \"../good\"",
        "2:8: `../good` is not a name: letters, digits, `.`, `_` and `-`, at most 100",
    );
    check(
        "[expect]",
        "[[fault]]\nid = \"cut\"\nat = \"1s\"\nkind = \"crash\"\nnode = \"broker-1\"\n[expect]",
        "41:6: fault id `cut` is used twice",
    );
    check("[[producer]]", "[[topic]]\nname = \"orders\"\n[[producer]]", "17:8: topic `orders` is declared twice");
    let text = GOOD.replace("id = \"cut\"", "id = \"crash-1\"")
        + "[[fault]]\nat = \"1s\"\nkind = \"crash\"\nnode = \"broker-1\"\n";
    assert!(errors(&text).to_string().contains("fault id `crash-1` is used twice"), "a default id counts too");
}

#[test]
fn parameters_that_exclude_each_other_are_errors() {
    check("at = \"5s\"", "at = \"5s\"\nwhen = \"isr(orders/0) == 1\"", "35:1: `at` and `when` exclude each other");
    check("at = \"5s\"", "at = \"5s\"\nafter = \"1s\"", "35:1: `after` goes with `when` [add it to `at` instead]");
    check(
        "value = \"100B\"",
        "value = \"100B\"\ntemplate = \"order {n}\"",
        "21:1: `value` and `template` exclude each other",
    );
    check(
        "at = \"5s\"",
        "at = \"60s\"",
        "34:6: 60s is past the end of chaos, which lasts 60s [times count from the start of chaos]",
    );
    check(
        "acks = \"all\"",
        "acks = 1, enable.idempotence = true",
        "21:19: enable.idempotence = true needs acks = \"all\"",
    );
    check(
        "acks = \"all\"",
        "delivery.timeout.ms = \"10s\"",
        "21:34: delivery.timeout.ms (10s) is below linger.ms + request.timeout.ms (30s)",
    );
    check(
        "[\"default\"]",
        "[\"default\", \"-lost-write\"]\nviolation = [\"lost-write\"]",
        "42:13: `lost-write` is expected as a violation, but `always` leaves it out",
    );
    check(
        "[\"default\"]",
        "[\"default\"]\nallow = [\"lost-write\"]\nviolation = [\"lost-write\"]",
        "43:13: `lost-write` is both expected as a violation and allowed",
    );
    check(
        "[\"orders\"]",
        "[\"orders\"]\ncommit = \"none\"\nconfig.auto.offset.reset = \"soonest\"",
        "27:28: unknown value `soonest` [known are earliest, latest, none]",
    );
}

#[test]
fn only_anomalies_and_oracles_can_be_allowed() {
    check(
        "[\"default\"]",
        "[\"default\"]\nallow = [\"redelivry\"]",
        "42:10: unknown anomaly `redelivry` [did you mean `redelivery`?]",
    );
    check(
        "[\"default\"]",
        "[\"default\"]\nallow = [\"los-write/acked-one\"]",
        "42:10: unknown anomaly `los-write/acked-one`",
    );
    let allowed = GOOD.replace("[\"default\"]", "[\"default\"]\nallow = [\"lost-write/acked-one\", \"log-matching\"]");
    assert!(Scenario::parse("f.toml", &allowed).is_ok());
}

#[test]
fn a_typing_error_in_a_text_is_found() {
    check(
        "value = \"100B\"",
        "template = \"{n} of {kye}\"",
        "20:12: unknown placeholder `{kye}` [known are n, k, key, client]",
    );
    check(
        "value = \"100B\"",
        "fields = { to = \"{clint}\" }",
        "20:17: unknown placeholder `{clint}` [known are n, k, key, client]",
    );
    check("value = \"100B\"", "value = \"17MiB\"", "20:9: a value is at most 16MiB");
    check("config = { acks", "key = \"m{n}\"\nconfig = { acks", "21:7: unknown placeholder `{n}` [there is only `k`]");
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    check(
        "[expect]",
        "[chaos]\nweights = { reassign = 1 }\n[expect]",
        "41:13: drawing `reassign` is not supported yet",
    );
    check(
        "[expect]",
        "[[reseed]]\nseed = 3\n[expect]",
        "40:1: `at` is missing in [[reseed]] (a duration with a unit (ns, us, ms, s, m, h or d))",
    );
    check(
        "topics = [\"orders\"]",
        "topics = [\"orders\"]\nconfig = { isolation.level = \"read_committed\" }",
        "26:12: consumer setting `isolation.level` is not supported yet",
    );
    check(
        "acks = \"all\"",
        "transactional.id = \"t\"",
        "21:12: producer setting `transactional.id` is not supported yet",
    );
    check("brokers = 3", "brokers = 3\ncontrollers = 3", "7:1: KRaft (`controllers`) is not supported yet");
    check(
        "[[consumer]]",
        "[[processor]]\nname = \"billing\"\ngroup = \"billing\"\nfrom = [\"orders\"]\nto = \"orders\"\nexactly_once = true\n[[consumer]]",
        "23:1: processors (`[[processor]]`) are not supported yet",
    );
    let clock = "kind = \"elect-preferred\"\ntopic = \"orders\"";
    let text = GOOD
        .replace("kind = \"partition\"\nfrom = \"leader(orders/0)\"\nto = \"other(brokers)\"", clock)
        .replace("for = \"20s\"\n", "");
    let found: Vec<String> = errors(&text).diagnostics.iter().map(brief).collect();
    assert_eq!(found, ["35:8: fault kind `elect-preferred` is not supported yet"]);
}

#[test]
fn only_topics_of_the_scenario_are_deleted_and_not_the_brokers_own() {
    let cut = "for = \"20s\"\nkind = \"partition\"\nfrom = \"leader(orders/0)\"\nto = \"other(brokers)\"";
    let deletion = |topic: &str| format!("kind = \"delete-topic\"\ntopic = \"{topic}\"\nrecreate = \"3s\"");
    check(cut, &deletion("order"), "36:9: unknown topic `order` [did you mean `orders`?]");
    let own = format!("{}\n\n[[topic]]\nname = \"__consumer_offsets\"", deletion("__consumer_offsets"));
    check(cut, &own, "36:9: `__consumer_offsets` is the brokers' own");
}

#[test]
fn what_a_group_cannot_mean_is_refused() {
    let topics = "topics = [\"orders\"]";
    let member = |rest: &str| format!("{topics}\ngroup = \"mail\"\n{rest}");
    check(
        topics,
        "group = \"mail\"\npattern = \"order\"",
        "26:11: no topic matches `order` [in a pattern `.*` stands for any text, all else for itself]",
    );
    check(
        topics,
        "pattern = \"order.*\"",
        "25:11: only a consumer with a `group` subscribes by pattern [list its `topics`]",
    );
    check(topics, &member("pattern = \"order.*\""), "25:1: `pattern` and `topics` exclude each other");
    check(
        topics,
        &member("config = { enable.auto.commit = true }"),
        "27:33: `commit` says whether enable.auto.commit is on [write commit = \"auto\" for true; any other `commit` is false]",
    );
    check(
        topics,
        &member("config = { session.timeout.ms = \"3s\" }"),
        "27:33: heartbeat.interval.ms (3s) is not below session.timeout.ms (3s) [a third of it is usual]",
    );
    check(
        topics,
        &format!("{topics}\ncommit = \"auto\""),
        "26:10: only a consumer with a `group` commits offsets [leave `commit` out]",
    );
    check(
        topics,
        &format!("{topics}\nconfig = {{ group.instance.id = \"m\" }}"),
        "26:32: only a consumer with a `group` is a static member",
    );
    check(
        topics,
        &format!("{topics}\nrestart = \"5s\""),
        "26:11: a consumer without a `group` never gives up [leave `restart` out]",
    );
}

#[test]
fn another_schema_version_is_the_only_error_reported() {
    check("schema = 1", "schema = 2\nnew_in_2 = true", "1:10: this file has schema 2, and this build reads schema 1");
}

#[test]
fn a_plan_needs_a_seed_and_a_schedule_seed_needs_a_plan() {
    let error = Plan::parse("f.toml", GOOD).expect_err("no seed");
    assert_eq!(
        error.to_string(),
        "f.toml: this is a scenario, not a plan: it has no `seed`\nhelp: resolve it first: `odradek plan SCENARIO --seed N`"
    );
    check(
        "name = \"good\"",
        "schedule_seed = 1\nname = \"good\"",
        "2:1: `schedule_seed` without `seed` [a plan has both; a scenario has neither]",
    );
    check("name = \"good\"", "seed = 9007199254740992\nname = \"good\"", "2:8: `seed` is below 2^53");
    let scenario = Scenario::parse("f.toml", GOOD).expect("it is good");
    let error = scenario.resolve(1 << 53, None).expect_err("too large");
    assert_eq!(error.to_string(), "f.toml: the seed 9007199254740992 is not below 2^53");
}

#[test]
fn all_errors_are_reported_at_once_in_the_order_of_the_file() {
    let text = GOOD
        .replace("brokers = 3", "brokers = 2")
        .replace("rate = \"20/s\"", "rate = \"20\"")
        .replace("leader(orders/0)", "leader(orders/9)")
        .replace("[expect]", "[expect]\nallwed = 1");
    let lines: Vec<usize> = errors(&text).diagnostics.iter().map(|diagnostic| diagnostic.line).collect();
    assert_eq!(lines, [13, 19, 37, 41]);
}

#[test]
fn a_syntax_error_has_its_place() {
    let error = errors("schema = 1\nname = \"unclosed\nintent = 3 4\n");
    let lines: Vec<usize> = error.diagnostics.iter().map(|diagnostic| diagnostic.line).collect();
    assert_eq!(lines, [2, 3], "{error}");
}

#[test]
fn an_error_shows_its_line_a_caret_and_help() {
    let text = GOOD.replace("partitions = 3", "partition = 3");
    let expected = "f.toml:12:1: unknown key `partition` in [[topic]]\n\
                    12 | partition = 3\n   | ^^^^^^^^^\n\
                    help: did you mean `partitions`?";
    assert_eq!(errors(&text).to_string(), expected);
}

/// The scenario with `--set` flags, or the only error.
fn set(flags: &[&str]) -> Result<Plan, String> {
    let options = Options { set: flags.iter().map(|flag| flag.to_string()).collect(), ..Options::default() };
    let scenario = Scenario::parse_with("f.toml", GOOD, &options).map_err(|error| error.to_string())?;
    Ok(scenario.resolve(1, None).expect("1 is a seed"))
}

#[test]
fn set_changes_a_scenario_by_path() {
    let plan = set(&[
        "topic.orders.partitions=6",
        "cluster.brokers=5",
        "producer.order-service.config.acks=1",
        "topic.orders.config.min.insync.replicas=1",
        "cluster.config.replica.lag.time.max.ms=2s",
        "fault.cut.for=8s",
        "phases.settle=\"45s\"",
        "expect.eventually.0.within=45s",
    ])
    .expect("all of these fit");
    assert_eq!((plan.topics[0].partitions, plan.cluster.brokers), (6, 5));
    assert_eq!(plan.producers[0].config.text("acks").as_deref(), Some("1"));
    assert_eq!(plan.topics[0].config.integer("min.insync.replicas"), 1);
    assert_eq!(plan.cluster.config.duration("replica.lag.time.max.ms").millis(), 2_000);
    assert_eq!(plan.faults[0].kind.lasts().map(|lasts| lasts.millis()), Some(8_000));
    assert_eq!(plan.expect.eventually[0].within.millis(), 45_000);
}

#[test]
fn an_error_in_a_set_flag_cites_the_flag() {
    for (flag, expected) in [
        ("topic.orders.partition=6", "unknown key `partition` in [[topic]]\nhelp: did you mean `partitions`?"),
        ("topic.order.partitions=6", "unknown topic `order`\nhelp: did you mean `orders`?"),
        ("topic.orders.partitions=six", "this is a whole number, not a text"),
        (
            "topic.orders.replication=4",
            "replication 4 is above the number of brokers, 3\nhelp: every replica needs a broker of its own",
        ),
        ("cluster.config.replica.lag.time.max.ms=2", ""),
        ("fault.crash-1.down=6s", "unknown fault `crash-1`\nhelp: there is only `cut`"),
        ("note.1.at=6s", "the scenario has no [[note]]"),
        ("cluster.brokers.more=6", "`brokers` is not a table, so it has no `more`"),
        ("topic.orders.partitions", "a `=` is missing\nhelp: write PATH=VALUE, such as topic.orders.partitions=6"),
        ("=6", "`` is not a path\nhelp: write PATH=VALUE, such as topic.orders.partitions=6"),
        ("producer.order-service.config.aks=1", "unknown producer setting `aks`\nhelp: did you mean `acks`?"),
    ] {
        match (set(&[flag]), expected) {
            (Ok(_), "") => {}
            (Err(found), expected) => assert_eq!(found, format!("--set {flag}: {expected}")),
            (Ok(_), expected) => panic!("--set {flag} must fail with {expected}"),
        }
    }
}

#[test]
fn a_control_that_does_not_fit_is_an_error_even_when_it_is_not_used() {
    let text = format!("{GOOD}[control]\nset = {{ \"topic.orders.partitons\" = 1 }}\n");
    let found: Vec<String> = errors(&text).diagnostics.iter().map(brief).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("unknown key `partitons` in [[topic]]"), "{found:?}");
    assert!(found[0].starts_with("44:"), "it stands in [control]: {found:?}");
}

/// The good scenario with these variants; the only error must read so.
fn check_variants(variants: &str, expected: &str) {
    check("[expect]", &format!("{variants}\n[expect]"), expected);
}

#[test]
fn every_variant_must_be_valid_before_any_is_run() {
    check_variants(
        "[[variant]]\nname = \"b\"\nset = { \"topic.orders.partitoins\" = 1 }",
        "42:37: unknown key `partitoins` in [[topic]] [did you mean `partitions`?]",
    );
    check_variants("[[variant]]\nname = \"7\"", "41:8: variant `7` reads like a seed: give it a letter");
    check_variants("[[variant]]\nname = \"b\"\n[[variant]]\nname = \"b\"", "43:8: variant `b` is declared twice");
}

#[test]
fn a_variant_that_is_not_there_is_told_by_its_flag() {
    let wanted = |name: &str, text: &str| {
        let options = Options { variant: Some(name.into()), ..Options::default() };
        Scenario::parse_with("f.toml", text, &options).expect_err("there is none").to_string()
    };
    let two = GOOD.replace("[expect]", "[[variant]]\nname = \"acks-1\"\n[[variant]]\nname = \"acks-all\"\n[expect]");
    assert_eq!(wanted("acks-2", &two), "--variant acks-2: unknown variant `acks-2`\nhelp: did you mean `acks-1`?");
    assert_eq!(wanted("acks-2", GOOD), "--variant acks-2: f.toml has no [[variant]]");
}

#[test]
fn a_variant_changes_settings_and_expectations_and_set_has_the_last_word() {
    let text = GOOD.replace(
        "[expect]",
        "[control]\nset = { topic.orders.partitions = 4, cluster.brokers = 4 }\n[chaos]\nvary = { \"topic.orders.config.min.insync.replicas\" = \"3..3\" }\n\
         [[variant]]\nname = \"loose\"\nset = { producer.order-service.config.acks = \"1\", topic.orders.partitions = 5, \
         \"topic.orders.config.min.insync.replicas\" = 1, \"expect.violation\" = [\"lost-write\"] }\n[expect]",
    );
    let plan = |variant: Option<&str>, set: &[&str], without_flaws| {
        let set = set.iter().map(|flag| flag.to_string()).collect();
        let options = Options { set, without_flaws, variant: variant.map(str::to_owned) };
        let scenario = Scenario::parse_with("f.toml", &text, &options).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(scenario.variants.len(), 1);
        assert_eq!(scenario.variant(), variant);
        scenario.resolve(1, None).unwrap_or_else(|error| panic!("{error}"))
    };
    let min = |plan: &Plan| plan.topics[0].config.integer("min.insync.replicas");
    let base = plan(None, &[], false);
    assert_eq!((base.topics[0].partitions, min(&base), base.expect.violation.len()), (3, 3, 0), "what is drawn counts");
    let loose = plan(Some("loose"), &[], false);
    assert_eq!((loose.topics[0].partitions, min(&loose)), (5, 1), "a variant wins over what is drawn");
    assert_eq!(loose.expect.violation, ["lost-write"]);
    assert_eq!(loose.producers[0].config.text("acks").as_deref(), Some("1"));
    let set = plan(Some("loose"), &["topic.orders.partitions=7"], false);
    assert_eq!(set.topics[0].partitions, 7, "--set wins over a variant");
    let control = plan(Some("loose"), &[], true);
    assert_eq!((control.cluster.brokers, control.topics[0].partitions), (4, 5), "a variant wins over [control]");
    assert!(control.expect.violation.is_empty(), "--without-flaws expects no violation");
}
