//! A recorded run told again.

use scenario::Plan;
use state::{ClusterState, Digest, DigestBuilder};
use trace::Event;

/// The story of a plan's run, from its full trace, without the closing lines that only the run itself can tell.
pub fn story(plan: &Plan, events: &[Event]) -> Digest {
    let notes = plan.notes.iter().map(|note| note.text.get("en").cloned().unwrap_or_default()).collect();
    let mut digest = DigestBuilder::new(crate::run::title(plan), notes);
    let mut state = ClusterState::default();
    for event in events {
        state.apply(event);
        digest.observe(event, &state);
    }
    digest.finish(Vec::new(), &state)
}
