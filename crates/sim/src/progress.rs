//! How far a run has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The simulated time that a run has reached. Another thread may look at it; the run itself only writes it, so that watching
/// does not change a run.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Simulated time since the start of the run.
    pub fn reached(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn reach(&self, ns: u64) {
        self.0.store(ns, Ordering::Relaxed);
    }
}
