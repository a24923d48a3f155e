//! A service whose process gave up is started again, if its scenario says so.

use scenario::{Options, Scenario};
use sim::RunOptions;
use trace::{EventKind, Mode, Name, StopReason};

use crate::support::file;

/// The ends by themselves and the starts of the first of two processes with one `group.instance.id`.
fn life_of_the_fenced(set: &[&str]) -> (usize, usize) {
    let path = file("scenarios/flaws/static-duplicate-instance.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let options =
        Options { set: set.iter().map(|flag| flag.to_string()).collect(), without_flaws: true, ..Options::default() };
    let plan = Scenario::parse_with("it", &text, &options).unwrap().resolve(1, None).unwrap();
    let outcome = sim::run_plan(&plan, &RunOptions { trace: Mode::Full, ..RunOptions::default() }).unwrap();
    let own = || outcome.events.iter().filter(|event| event.node == Name::new("mail-service-0"));
    let gave_up = |kind: &EventKind| *kind == EventKind::NodeStopped { reason: StopReason::Exit };
    let started = |kind: &EventKind| matches!(kind, EventKind::NodeStarted { .. });
    (own().filter(|event| gave_up(&event.kind)).count(), own().filter(|event| started(&event.kind)).count())
}

#[test]
fn a_fenced_service_stays_down_unless_it_has_a_supervisor() {
    assert_eq!(life_of_the_fenced(&[]), (1, 1));
    let (gave_up, started) = life_of_the_fenced(&["consumer.mail-service.restart=\"4s\""]);
    // Its namesake is fenced in turn, and comes back, too.
    assert!(gave_up > 1 && started >= gave_up, "{gave_up} ends, {started} starts");
}
