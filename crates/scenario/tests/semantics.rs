//! What the parts of a scenario mean: quantities, selectors, conditions, settings, records, warnings, catalogues.

use std::collections::{BTreeMap, BTreeSet};

use odradek_scenario as scenario;
use odradek_scenario::{
    ClusterView, Condition, Config, Distribution, Duration, Function, Metrics, Plan, Rate, Scenario, Scope, Selector,
    Size, Target, Value, explain, template,
};

#[test]
fn quantities_are_exact() {
    let nanos = |text: &str| Duration::parse(text).expect("a duration").nanos();
    assert_eq!(nanos("10s"), 10_000_000_000);
    assert_eq!(nanos("1.5ms"), 1_500_000);
    assert_eq!(nanos("2m"), nanos("120s"));
    assert_eq!(nanos("1h"), nanos("60m"));
    assert_eq!(nanos("0.3us"), 300);
    assert!(
        Duration::parse("0.3ns").is_err() && Duration::parse("1000000h1").is_err() && Duration::parse("-1s").is_err()
    );
    assert_eq!(Size::parse("1KiB"), Ok(Size(1024)));
    assert_eq!(Size::parse("1kB"), Ok(Size(1000)));
    assert_eq!(Rate::parse("200/s").expect("a rate").interval().millis(), 5);
    assert_eq!(Rate::parse("10/m").expect("a rate").interval().millis(), 6_000);
    assert!(Rate::parse("0/s").is_err());
    assert_eq!(Distribution::parse("exp(2s)"), Ok(Distribution::Exponential(Duration::from_secs(2))));
    assert_eq!([1_500_000, 90_000_000_000, 0].map(|n| Duration::from_nanos(n).to_string()), ["1500us", "90s", "0s"]);
}

/// Three brokers; broker-2 leads t/0, with 3 and 1 as followers.
struct View;

impl ClusterView for View {
    fn nodes(&self, group: &str) -> Vec<String> {
        match group {
            "brokers" => names(&["broker-1", "broker-2", "broker-3"]),
            "zookeepers" => names(&["zk-1", "zk-2", "zk-3", "zk-4"]),
            _ => Vec::new(),
        }
    }
    fn leader(&self, topic: &str, partition: u32) -> Option<String> {
        (topic == "t" && partition == 0).then(|| "broker-2".into())
    }
    fn followers(&self, topic: &str, partition: u32) -> Vec<String> {
        self.leader(topic, partition).map(|_| names(&["broker-3", "broker-1"])).unwrap_or_default()
    }
    fn controller(&self) -> Option<String> {
        Some("broker-3".into())
    }
    fn zk_leader(&self) -> Option<String> {
        None
    }
    fn group_coordinator(&self, _: &str) -> Option<String> {
        None
    }
    fn transaction_coordinator(&self, _: &str) -> Option<String> {
        None
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// Resolves with draws that always take the first, which drops the first candidates.
fn check_selector(text: &str, from: &[&str], expected: &[&str]) {
    let selector = Selector::parse(text).expect("a selector");
    let found = selector.resolve(&View, &mut |_: usize| 0, &names(from));
    assert_eq!(found, names(expected), "{text}");
    assert_eq!(Selector::parse(&selector.to_string()), Ok(selector), "{text} comes back from its text");
}

#[test]
fn selectors_resolve_to_the_nodes_they_name() {
    check_selector("broker-1", &[], &["broker-1"]);
    check_selector("leader(t/0)", &[], &["broker-2"]);
    check_selector("leader(t/1)", &[], &[]);
    check_selector("follower(t/0)", &[], &["broker-1"]);
    check_selector("all(follower(t/0))", &[], &["broker-3", "broker-1"]);
    check_selector("other(brokers)", &["broker-2"], &["broker-1", "broker-3"]);
    check_selector("any(other(brokers))", &["broker-3"], &["broker-2"]);
    check_selector("minority(zookeepers)", &[], &["zk-4"]);
    check_selector("majority(zookeepers)", &[], &["zk-2", "zk-3", "zk-4"]);
    check_selector("minority(brokers)", &[], &["broker-3"]);
    check_selector("majority(zk-leader)", &[], &[]);
    check_selector(" controller ", &[], &["broker-3"]);
    let both = Selector::List(vec![Selector::Controller, Selector::Group("brokers".into())]);
    let found = both.resolve(&View, &mut |_: usize| 0, &[]);
    assert_eq!(found, names(&["broker-3", "broker-1", "broker-2"]), "a list has no duplicates");
}

#[test]
fn any_reaches_every_candidate() {
    let selector = Selector::parse("any(brokers)").expect("a selector");
    let mut reached = BTreeSet::new();
    for first in 0..3 {
        for second in 0..2 {
            let mut draws = vec![second, first];
            reached.extend(selector.resolve(&View, &mut |bound: usize| draws.pop().expect("two draws") % bound, &[]));
        }
    }
    assert_eq!(reached.len(), 3);
}

/// Values by target, as text.
struct Table(BTreeMap<&'static str, i64>);

impl Metrics for Table {
    fn value(&self, function: &Function, target: &Target) -> Option<i64> {
        self.0.get(format!("{}{target}", function.name).as_str()).copied()
    }
    fn partitions(&self, topic: &str) -> Option<u32> {
        (topic == "t").then_some(2)
    }
}

#[test]
fn conditions_compare_what_they_measure() {
    let table = Table(BTreeMap::from([
        ("isr(t/0)", 3),
        ("isr(t/1)", 2),
        ("isr(u/0)", 1),
        ("hw(t/0)", 7),
        ("blocked(t)", 30_000_000_001),
        ("sessions", 3),
        ("done(cut)", 1),
    ]));
    for (text, expected) in [
        ("isr(t/0) == 3", Some(true)),
        ("isr(t/0)!=3", Some(false)),
        ("isr(t/*) >= 2", Some(true)),
        ("isr(t/*) == 3", Some(false)),
        ("isr(t/*) > 2", Some(false)),
        ("isr(u/*) == 1", None),
        ("hw(t/1) == 0", None),
        ("hw(t/*) < 7", Some(false)),
        ("hw(t/*) == 7", None),
        ("blocked(t) > 30s", Some(true)),
        ("blocked(t) > 31s", Some(false)),
        ("sessions() <= 3", Some(true)),
        ("sessions < 3", Some(false)),
        ("done(cut)", Some(true)),
        ("done(cut) == false", Some(false)),
    ] {
        let condition = Condition::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"));
        assert_eq!(condition.holds(&table), expected, "{text}");
        assert_eq!(Condition::parse(&condition.to_string()), Ok(condition), "{text} comes back from its text");
    }
}

#[test]
fn settings_that_are_not_given_have_kafkas_defaults() {
    let cluster = Config::new(Scope::Cluster);
    assert_eq!(cluster.duration("replica.lag.time.max.ms"), Duration::from_secs(30));
    assert_eq!(cluster.duration("zookeeper.session.timeout.ms"), Duration::from_secs(18));
    assert_eq!(cluster.duration("log.flush.interval.ms"), Duration::NEVER);
    assert_eq!(cluster.integer("default.replication.factor"), 1);
    assert_eq!(cluster.integer("tickTime"), 3000);
    assert_eq!(Config::new(Scope::Producer).text("acks").as_deref(), Some("all"));
    assert_eq!(Config::new(Scope::Consumer).text("auto.offset.reset").as_deref(), Some("latest"));
    assert_eq!(Config::new(Scope::Producer).text("transactional.id"), None);
}

#[test]
fn every_default_fits_its_own_setting_and_no_name_is_a_prefix_of_another() {
    let all: Vec<_> = scenario::settings().collect();
    for setting in &all {
        match setting.default.value() {
            Value::Unset => {}
            value => Config::new(setting.scope).set(setting.name, value), // panics if it does not fit
        }
        let clash = all.iter().find(|other| {
            other.scope == setting.scope
                && other.name.strip_prefix(setting.name).is_some_and(|rest| rest.starts_with('.'))
        });
        assert!(clash.is_none(), "{} could not be a dotted key beside {clash:?}", setting.name);
        let same = all.iter().filter(|other| other.scope == setting.scope && other.name == setting.name).count();
        assert_eq!(same, 1, "{} stands once", setting.name);
        assert!(setting.meaning.ends_with('.'), "{} is explained", setting.name);
    }
}

#[test]
fn settings_fall_back_from_topic_to_broker_and_from_broker_to_cluster() {
    let plan = plan(|text| {
        text.replace(
            "replica.lag.time.max.ms",
            "tickTime = 2000, log.retention.ms = \"1h\", min.insync.replicas = 1, replica.lag.time.max.ms",
        )
        .replace("[[topic]]", "[[cluster.broker]]\nid = 2\nconfig = { log.retention.ms = \"2h\" }\n[[topic]]")
    });
    let topic = plan.topics[0].effective_config(&plan.cluster);
    assert_eq!(topic.duration("retention.ms"), Duration::from_secs(3600));
    assert_eq!(topic.integer("min.insync.replicas"), 2, "the topic's own comes first");
    assert_eq!(plan.cluster.broker_config(1).duration("log.retention.ms"), Duration::from_secs(3600));
    assert_eq!(plan.cluster.broker_config(2).duration("log.retention.ms"), Duration::from_secs(7200));
    let given: Vec<String> = plan.cluster.broker_config(2).given().map(|(name, _)| name.to_string()).collect();
    assert!(!given.contains(&"tickTime".to_string()), "a broker has no settings of the ensemble: {given:?}");
}

/// The template's plan for seed 1, after a change to its text.
fn plan(change: impl Fn(String) -> String) -> Plan {
    let text = change(template("t"));
    let scenario = Scenario::parse("t.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    scenario.resolve(1, None).expect("1 is a seed")
}

#[test]
fn a_plan_names_its_nodes() {
    let plan = plan(|text| text.replace("keys   = 16", "count = 2"));
    let nodes = "broker-1 broker-2 broker-3 zk-1 zk-2 zk-3 order-service-0 order-service-1 mail-service-0";
    assert_eq!(plan.nodes(), names(&nodes.split(' ').collect::<Vec<_>>()));
    assert_eq!(plan.group("mail-service"), Some(names(&["mail-service-0"])));
    assert_eq!(plan.group("nobody"), None);
}

#[test]
fn the_schedule_seed_follows_the_seed_unless_it_is_given() {
    let scenario = Scenario::parse("t.toml", &template("t")).expect("it is good");
    let of = |seed, schedule| scenario.resolve(seed, schedule).expect("small seeds").schedule_seed;
    assert_eq!(of(1, None), of(1, None));
    assert_ne!(of(1, None), of(2, None));
    assert!(of(1, None) < scenario::SEED_LIMIT);
    assert_eq!(of(1, Some(9)), 9);
}

#[test]
fn a_record_depends_on_seed_client_and_number_only() {
    let plan = plan(|text| {
        text.replace("[[consumer]]", "[[producer]]\nname = \"mailer\"\ntopic = \"orders\"\nrate = \"1/s\"\nfields = { to = \"{key}@example.org\", n = \"a \\\"{n}\\\"\" }\n[[producer]]\nname = \"filler\"\ntopic = \"orders\"\nrate = \"1/s\"\nvalue = \"100B\"\n[[consumer]]")
    });
    let [orders, mailer, filler] = plan.producers.as_slice() else { panic!("three producers") };
    let record = orders.render(1, 0, 17);
    assert_eq!(record, orders.render(1, 0, 17));
    assert_eq!(record.identity, "order-service-0/17");
    assert_eq!(record.value, format!("order 17 of {}", record.key));
    let keys: BTreeSet<String> = (0..1000).map(|n| orders.render(1, 0, n).key).collect();
    assert_eq!(keys.len(), 16, "every key is used");
    let sequence = |seed, client| (0..20).map(|n| orders.render(seed, client, n).key).collect::<Vec<_>>();
    assert_ne!(sequence(1, 0), sequence(2, 0));
    assert_ne!(sequence(1, 0), sequence(1, 1));
    let mail = mailer.render(1, 0, 3);
    assert_eq!(mail.value, format!(r#"{{"to":"{}@example.org","n":"a \"3\""}}"#, mail.key));
    let filled = filler.render(1, 0, 5);
    assert_eq!(filled.value.len(), 100);
    assert!(filled.value.starts_with("filler-0/5 "), "{}", filled.value);
}

#[test]
fn idempotence_yields_to_what_conflicts_with_it() {
    let idempotent = |config: &str| {
        let plan = plan(|text| text.replace("config = { acks = \"all\" }", &format!("config = {{ {config} }}")));
        plan.producers[0].idempotent()
    };
    assert!(idempotent("") && idempotent("acks = \"all\"") && idempotent("acks = -1"));
    assert!(!idempotent("acks = 1") && !idempotent("retries = 0") && !idempotent("enable.idempotence = false"));
    assert!(!idempotent("max.in.flight.requests.per.connection = 6"));
}

/// The only warning after a change, as `LINE: message`.
fn check_warning(old: &str, new: &str, expected: &str) {
    let plan = plan(|text| {
        assert_eq!(text.matches(old).count(), 1, "`{old}` stands once in the template");
        text.replace(old, new)
    });
    let found: Vec<String> = plan.warnings().iter().map(|warning| warning.message.clone()).collect();
    assert_eq!(found, [expected], "after `{old}` became `{new}`");
    assert!(plan.warnings().iter().all(|warning| warning.line > 0), "{:?}", plan.warnings());
    assert!(Plan::parse("p", &plan.to_toml()).expect("a plan that was written").warnings().len() == 1);
}

#[test]
fn timers_that_make_a_fault_inert_draw_a_warning() {
    let cut = |lasts: &str| {
        format!("kind = \"partition\"\nfrom = \"controller\"\nto = \"other(brokers)\"\nfor = \"{lasts}\"")
    };
    check_warning(
        "kind = \"isolate\"\nnode = \"controller\"\nfor  = \"20s\"",
        &cut("8s"),
        "partition lasts 8s, replica.lag.time.max.ms is 10s: the ISR will not shrink",
    );
    check_warning(
        "down = \"20s\"",
        "down = \"5s\"",
        "crash lasts 5s, zookeeper.session.timeout.ms is 6s: the broker's registration does not expire meanwhile",
    );
    check_warning(
        "for  = \"20s\"",
        "for  = \"5s\"",
        "isolate lasts 5s, zookeeper.session.timeout.ms is 6s: no leader will change",
    );
    check_warning(
        "at   = \"5s\"",
        "at   = \"58s\"",
        "crash lasts until settle, 2s, zookeeper.session.timeout.ms is 6s: the broker's registration does not expire meanwhile",
    );
    check_warning("zookeepers = 3", "zookeepers = 4", "4 zookeepers tolerate no more failures than 3");
    check_warning("\"6s\" }", "\"5s\" }", "zookeeper.session.timeout.ms is 5s, but the ensemble makes it 6s");
    check_warning(
        "min.insync.replicas = 2",
        "min.insync.replicas = 4",
        "min.insync.replicas 4 is above replication 3: no write with acks=all can succeed",
    );
    check_warning(
        "acks = \"all\"",
        "acks = 1",
        "min.insync.replicas of `orders` does not bind `order-service`, which has acks=1",
    );
}

#[test]
fn every_flaw_of_the_catalogue_is_there() {
    let numbers: BTreeSet<u32> = scenario::FLAWS.iter().map(|flaw| flaw.number).collect();
    assert_eq!(numbers, (0..=71).collect(), "0 is ours, the canary");
    let names: BTreeSet<&str> = scenario::FLAWS.iter().map(|flaw| flaw.name).collect();
    assert_eq!(names.len(), scenario::FLAWS.len(), "names are unique");
    for flaw in scenario::FLAWS {
        for oracle in flaw.caught_by.split(", ") {
            let known = scenario::ORACLES.iter().any(|entry| entry.number == oracle || entry.slug == oracle);
            assert!(known, "{} is caught by {oracle}", flaw.name);
        }
    }
}

#[test]
fn everything_is_explained() {
    let explained = |word: &str| explain(word).unwrap_or_else(|| panic!("{word} is not explained"));
    for line in scenario::explain_index().lines().filter(|line| line.starts_with("  ")) {
        for word in line.trim().split(", ") {
            assert!(explained(word).len() > 30, "{word} is explained");
        }
    }
    assert!(explained("conditions").contains("isr(orders/0) == 1"));
    assert!(explained("hold").contains("nth: a whole number from 1, optional."));
    assert!(explained("set-config").contains("not supported yet"));
    assert!(explained("request.timeout.ms").matches("Default: 30000").count() == 3, "of brokers, producers, consumers");
    assert!(explained("O5").contains("high-watermark"));
    assert_eq!(explain("nonsense"), None);
    assert_eq!(scenario::explain_nearest("power-los").as_deref(), Some("did you mean `power-loss`?"));
}

#[test]
fn every_fault_kind_is_refused_or_built() {
    for form in scenario::FAULTS {
        let mut text = template("t");
        text.push_str(&format!("\n[[fault]]\nat = \"1s\"\nkind = \"{}\"\n", form.name));
        for parameter in form.parameters.iter().filter(|parameter| parameter.required) {
            let value = match (parameter.takes, parameter.name) {
                (scenario::Takes::Selector, "to") => "\"other(brokers)\"",
                (scenario::Takes::Selector, _) => "\"broker-1\"",
                (scenario::Takes::Latency, _) => "{ p50 = \"1ms\", p99 = \"2ms\" }",
                (scenario::Takes::Api, _) => "\"Fetch\"",
                (scenario::Takes::Until | scenario::Takes::Duration, _) => "\"10s\"",
                (scenario::Takes::Ratio, _) => "\"1%\"",
                (scenario::Takes::Count, _) => "6",
                (scenario::Takes::Counts, _) => "[1, 2]",
                (scenario::Takes::Settings, _) => "{ min.insync.replicas = 1 }",
                (scenario::Takes::Consumer, _) => "\"mail-service\"",
                (scenario::Takes::Topic, _) => "\"orders\"",
                (_, "partition") => "\"orders/0\"",
                (_, _) => "\"orders\"",
            };
            text.push_str(&format!("{} = {value}\n", parameter.name));
        }
        let in_group = form.parameters.iter().any(|parameter| matches!(parameter.takes, scenario::Takes::Consumer));
        if in_group {
            text = text.replace("name   = \"mail-service\"\n", "name   = \"mail-service\"\ngroup  = \"mail\"\n");
        }
        match Scenario::parse("t.toml", &text) {
            Ok(scenario) => {
                let plan = scenario.resolve(0, None).expect("0 is a seed");
                assert_eq!(plan.faults.last().map(|fault| fault.kind.name()), Some(form.name));
            }
            Err(error) => {
                let messages: Vec<&str> =
                    error.diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
                assert_eq!(messages, [format!("fault kind `{}` is not supported yet", form.name)]);
            }
        }
    }
}

#[test]
fn the_default_oracles_are_those_that_are_built() {
    let judged = |always: &str| plan(|text| text.replace("[\"default\"]", always)).expect.oracles();
    let built: Vec<&str> =
        scenario::ORACLES.iter().filter(|oracle| oracle.implemented).map(|oracle| oracle.slug).collect();
    assert_eq!(judged("[\"default\"]"), built);
    assert_eq!(judged("[\"lost-write\", \"log-shape\"]"), ["log-shape", "lost-write"]);
    assert_eq!(judged("[\"default\", \"-liveness\"]").len(), built.len() - 1);
}
