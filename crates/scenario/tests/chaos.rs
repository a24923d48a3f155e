//! Chaos is drawn before the run: concrete, repeatable, within the limits that the scenario sets.

use std::collections::BTreeSet;

use odradek_scenario::{FaultKind, Plan, Scenario, Selector, template};

fn scenario(chaos: &str) -> Scenario {
    let text = format!("{}\n[chaos]\n{chaos}\n", template("t"));
    Scenario::parse("t.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn plans(chaos: &str, seeds: u64) -> Vec<Plan> {
    let scenario = scenario(chaos);
    (0..seeds).map(|seed| scenario.resolve(seed, None).unwrap_or_else(|error| panic!("{error}"))).collect()
}

fn kinds(plan: &Plan) -> BTreeSet<&'static str> {
    let drawn = plan.faults.iter().filter(|fault| fault.id.starts_with("chaos-"));
    drawn.map(|fault| fault.kind.name()).collect()
}

#[test]
fn a_seed_always_draws_the_same_plan_and_the_plan_comes_back_from_its_text() {
    let again = plans("kinds = \"1..6\"", 60);
    for (plan, again) in plans("kinds = \"1..6\"", 60).iter().zip(&again) {
        assert_eq!(plan, again);
        let read =
            Plan::parse("plan.toml", &plan.to_toml()).unwrap_or_else(|error| panic!("{}\n{error}", plan.to_toml()));
        assert_eq!(*plan, read);
        assert!(plan.faults.iter().filter(|fault| fault.id.starts_with("chaos-")).all(|fault| fault.optional));
    }
}

#[test]
fn each_seed_disables_most_kinds_and_together_they_use_them_all() {
    let plans = plans("kinds = \"1..3\"\ngap = \"exp(1s)\"", 300);
    assert!(plans.iter().all(|plan| kinds(plan).len() <= 3));
    let all: BTreeSet<_> = plans.iter().flat_map(kinds).collect();
    assert_eq!(all.len(), 17, "{all:?}");
    assert!(!all.contains("bit-rot") && !all.contains("replace-disk"), "data is destroyed only on request");
}

#[test]
fn weights_leave_kinds_out() {
    for plan in plans("kinds = \"4\"\nweights = { crash = 1, pause = 9 }", 40) {
        assert!(kinds(&plan).is_subset(&BTreeSet::from(["crash", "pause"])));
    }
}

#[test]
fn power_losses_come_with_a_flush_of_every_message() {
    for plan in plans("kinds = \"1\"\nweights = { crash = 1, power-loss = 1 }\ngap = \"1s\"", 40) {
        let flush = plan.cluster.config.gives("log.flush.interval.messages");
        assert_eq!(flush, kinds(&plan).contains("power-loss"), "seed {}", plan.seed);
    }
}

#[test]
fn the_fault_atlas_leaves_all_disks_but_one_whole() {
    let harmed = |chaos: &str| {
        let of = |plan: &Plan| -> BTreeSet<String> {
            let disks = plan.faults.iter().filter_map(|fault| match &fault.kind {
                FaultKind::BitRot { node, .. } | FaultKind::ReplaceDisk { node, .. } => Some((node, fault.max_down)),
                _ => None,
            });
            disks.map(|(node, limit)| format!("{node} {limit:?}")).collect()
        };
        plans(chaos, 40).iter().map(of).collect::<Vec<_>>()
    };
    let weights = "kinds = \"2\"\ngap = \"1s\"\nweights = { bit-rot = 1, replace-disk = 1 }";
    assert!(harmed(weights).iter().all(|nodes| nodes.len() <= 1 && nodes.iter().all(|node| node.ends_with("Some(1)"))));
    let unrestricted = format!("{weights}\nunrestricted = true");
    assert!(harmed(&unrestricted).iter().any(|nodes| nodes.len() > 1));
    assert!(plans(&unrestricted, 5).iter().all(|plan| !plan.expect.oracles().contains(&"liveness")));
}

#[test]
fn max_down_goes_with_every_fault_that_takes_a_machine_down() {
    for plan in plans("max_down = { brokers = 1, zookeepers = 1 }", 60) {
        for fault in plan.faults.iter().filter(|fault| fault.id.starts_with("chaos-")) {
            let stops = matches!(
                fault.kind,
                FaultKind::Crash { .. }
                    | FaultKind::PowerLoss { .. }
                    | FaultKind::Pause { .. }
                    | FaultKind::FullDisk { .. }
            );
            assert!(!stops || fault.max_down == Some(1), "{fault:?}");
        }
    }
}

#[test]
fn settings_vary_within_their_ranges_and_the_command_line_wins() {
    let vary = "vary = { brokers = \"3..5\", \"cluster.config.replica.lag.time.max.ms\" = \"2s..30s\" }";
    let drawn: BTreeSet<u32> = plans(vary, 40).iter().map(|plan| plan.cluster.brokers).collect();
    assert_eq!(drawn, BTreeSet::from([3, 4, 5]));
    for plan in plans(vary, 40) {
        let lag = plan.cluster.config.duration("replica.lag.time.max.ms").millis();
        assert!((2_000..=30_000).contains(&lag), "{lag}");
    }
    let text = format!("{}\n[chaos]\n{vary}\n", template("t"));
    let options = odradek_scenario::Options { set: vec!["cluster.brokers=7".into()], ..Default::default() };
    let scenario = Scenario::parse_with("t.toml", &text, &options).unwrap_or_else(|error| panic!("{error}"));
    assert!((0..9).all(|seed| scenario.resolve(seed, None).unwrap().cluster.brokers == 7));
}

#[test]
fn ranges_that_make_no_valid_scenario_are_refused_when_it_is_read() {
    for wrong in [
        "vary = { brokers = \"5..3\" }",
        "vary = { brokers = \"0..3\" }",
        "vary = { \"topic.nope.partitions\" = \"1..2\" }",
    ] {
        let text = format!("{}\n[chaos]\n{wrong}\n", template("t"));
        assert!(Scenario::parse("t.toml", &text).is_err(), "{wrong}");
    }
}

#[test]
fn drawn_targets_are_nodes_or_roles() {
    for plan in plans("kinds = \"16\"\ngap = \"200ms\"", 20) {
        let nodes = plan.nodes();
        for fault in &plan.faults {
            fault.kind.selectors().0.walk(&mut |part| {
                if let Selector::Node(name) = part {
                    assert!(nodes.contains(name), "{name}");
                }
            });
        }
    }
}

#[test]
fn half_of_all_seeds_switch_buggify_marks_on_each_with_a_quarter() {
    let plans = plans("kinds = \"1\"", 400);
    let marked = plans.iter().filter(|plan| !plan.buggify.is_empty()).count();
    assert!((150..=230).contains(&marked), "{marked} of 400 seeds");
    let marks: usize = plans.iter().map(|plan| plan.buggify.len()).sum();
    let most = 200 * odradek_scenario::BUGGIFY.len();
    assert!((most / 5..=most / 3).contains(&marks), "{marks} of {most}");
    assert!(self::plans("buggify = false", 60).iter().all(|plan| plan.buggify.is_empty()));
}

#[test]
fn all_machines_lose_power_at_once_only_on_request_and_never_where_a_disk_is_replaced() {
    let together = |chaos: &str| {
        let plans = plans(chaos, 200);
        let all = |plan: &Plan| {
            plan.faults.iter().any(|fault| {
                matches!(&fault.kind, FaultKind::PowerLoss { node: Selector::Group(_), .. }) && fault.max_down.is_none()
            })
        };
        plans.iter().filter(|plan| all(plan)).count()
    };
    assert!(together("weights = { power-loss = 1 }\ncorrelated = true\nmax_down = { brokers = 1 }") > 100);
    assert_eq!(together("weights = { power-loss = 1 }"), 0);
    assert_eq!(together("kinds = \"2\"\nweights = { power-loss = 1, replace-disk = 1 }\ncorrelated = true"), 0);
}

#[test]
fn a_random_core_is_a_bare_quorum_that_the_plan_names() {
    let text = template("t").replace("settle = \"30s\"", "settle = { for = \"30s\", core = \"random\" }");
    assert!(text.contains("core"), "the template has a settle phase to change");
    let scenario = Scenario::parse("t.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    let mut cores = BTreeSet::new();
    for seed in 0..40 {
        let plan = scenario.resolve(seed, None).unwrap();
        let odradek_scenario::Core::Nodes(names) = &plan.core else { panic!("{:?}", plan.core) };
        assert_eq!(names.iter().filter(|name| name.starts_with("zk-")).count(), 2);
        assert_eq!(names.iter().filter(|name| name.starts_with("broker-")).count(), 2);
        assert_eq!(Plan::parse("plan.toml", &plan.to_toml()).unwrap(), plan);
        cores.insert(names.clone());
    }
    assert!(cores.len() > 5, "{cores:?}");
}
