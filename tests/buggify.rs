//! Buggify marks: each one that is switched on is taken, none that is not, and the cluster bears them all.

use std::collections::BTreeSet;

use scenario::{BUGGIFY, Options};
use sim::{RunOptions, Verdict};
use trace::{EventKind, Mode, Name, Phase};

use crate::support::plan;

fn fired(seed: u64, buggify: Vec<String>) -> (BTreeSet<Name>, Verdict, String) {
    let mut plan = plan("mail", seed, None, &Options::default());
    plan.buggify = buggify;
    plan.expect.eventually.clear(); // its bounds are those of a cluster that does not dawdle
    let options = RunOptions { trace: Mode::Full, ..RunOptions::default() };
    let outcome = sim::run_plan(&plan, &options).unwrap_or_else(|error| panic!("{error}"));
    let settle = |kind: &EventKind| matches!(kind, EventKind::PhaseBegan { phase: Phase::Settle });
    let end = outcome.events.iter().position(|event| settle(&event.kind)).expect("it settles");
    let mark = |event: &trace::Event| match event.kind {
        EventKind::Mark { mark } => Some(mark),
        _ => None,
    };
    assert!(outcome.events[end..].iter().all(|event| mark(event).is_none()), "marks fire no more in settle");
    (outcome.events.iter().filter_map(mark).collect(), outcome.record.verdict, outcome.record.reason)
}

#[test]
fn every_mark_that_is_on_fires_and_the_cluster_bears_them_together() {
    let all: Vec<String> = BUGGIFY.iter().map(|mark| mark.name.to_owned()).collect();
    let mut seen = BTreeSet::new();
    for seed in 1..=4 {
        let (fired, verdict, reason) = fired(seed, all.clone());
        assert_eq!(verdict, Verdict::Pass, "seed {seed}: {reason}");
        seen.extend(fired);
    }
    assert_eq!(seen, all.iter().map(|mark| Name::new(mark)).collect());
}

#[test]
fn a_mark_that_is_off_never_fires() {
    let (fired, ..) = fired(1, vec!["broker/fetch-one-batch".to_owned()]);
    assert_eq!(fired, BTreeSet::from([Name::new("broker/fetch-one-batch")]));
    let (fired, ..) = self::fired(1, Vec::new());
    assert_eq!(fired, BTreeSet::new());
}
