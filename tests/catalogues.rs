//! What the grammar says is built, is built; and what is built can be said.

use std::collections::BTreeSet;

use scenario::{Scenario, Scope};

use crate::support::file;

#[test]
fn the_flaws_that_scenarios_may_switch_on_are_those_of_the_broker() {
    let offered: BTreeSet<&str> = scenario::FLAWS.iter().filter(|it| it.implemented).map(|it| it.name).collect();
    let built: BTreeSet<&str> = broker::Flaw::ALL.iter().map(|flaw| flaw.name()).collect();
    assert_eq!(offered, built);
}

#[test]
fn the_oracles_that_scenarios_may_name_are_those_that_judge() {
    let offered: BTreeSet<&str> = scenario::ORACLES.iter().filter(|it| it.implemented).map(|it| it.slug).collect();
    let built: BTreeSet<&str> = oracle::SLUGS.into_iter().collect();
    assert_eq!(offered, built);
}

#[test]
fn every_setting_that_a_scenario_may_give_a_topic_is_one_the_broker_reads() {
    for setting in scenario::settings().filter(|it| it.scope == Scope::Topic && it.implemented()) {
        assert!(broker::TopicSettings::NAMES.contains(&setting.name), "{} is accepted and ignored", setting.name);
    }
}

#[test]
fn a_flaw_of_groups_has_a_directed_scenario_with_a_group() {
    for flaw in scenario::FLAWS.iter().filter(|flaw| flaw.implemented && flaw.needs_group()) {
        let path = file(&format!("scenarios/flaws/{}.toml", flaw.name));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(Scenario::parse(flaw.name, &text).unwrap().has_group(), "{}", flaw.name);
    }
}
