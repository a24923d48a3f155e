//! Every violation, and every timeout during chaos, leads back to a fault.

use scenario::Options;
use sim::{Outcome, RunOptions};
use state::Causes;
use trace::{Event, EventKind, Mode, Phase};

use crate::support::plan;

fn traced(name: &str) -> Outcome {
    let options = RunOptions { trace: Mode::Full, ..RunOptions::default() };
    sim::run_plan(&plan(name, 1, None, &Options::default()), &options).unwrap_or_else(|error| panic!("{error}"))
}

fn leads_to_a_fault(events: &[Event], event: &Event) -> bool {
    let why = Causes::new(events).why(event.id);
    why.iter().any(|reason| matches!(reason.kind, EventKind::FaultBegan { .. }))
}

#[test]
fn the_violation_of_every_flaw_scenario_leads_back_to_a_fault() {
    for name in ["hw-truncation-loss", "fast-failover-divergence", "isr-blind-write", "no-dir-fsync"] {
        let outcome = traced(&format!("flaws/{name}"));
        let events = &outcome.events;
        let first = events.iter().find(|event| matches!(event.kind, EventKind::Violation { .. }));
        let first = first.unwrap_or_else(|| panic!("{name} has a violation"));
        assert!(leads_to_a_fault(events, first), "{name}: event {} leads to no fault", first.id);
    }
}

#[test]
fn every_timeout_during_chaos_leads_back_to_a_fault() {
    for name in ["mail", "split-brain"] {
        let outcome = traced(name);
        let events = &outcome.events;
        let chaos = events.iter().position(|event| event.kind == EventKind::PhaseBegan { phase: Phase::Chaos });
        let chaos = chaos.expect("there is chaos");
        let timeouts: Vec<&Event> =
            events[chaos..].iter().filter(|event| matches!(event.kind, EventKind::RequestTimedOut { .. })).collect();
        assert!(!timeouts.is_empty(), "{name}: nothing timed out");
        for timeout in timeouts {
            assert!(leads_to_a_fault(events, timeout), "{name}: event {} leads to no fault", timeout.id);
        }
    }
}
