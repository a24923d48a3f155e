//! Runs a plan: builds the world, injects faults, drives services, feeds oracles, judges.
//!
//! [`run_plan`] is the one entry. A plan decides its run bit for bit; the outcome carries the fingerprint that proves it.

mod expectation;
mod faults;
mod judge;
mod nodes;
mod outcome;
mod progress;
mod run;
mod scan;
mod services;
mod story;
mod supervisor;
mod table;
mod triggers;
mod view;

pub use outcome::{GroupRecord, Outcome, Percentiles, Records, RunRecord, Verdict, ViolationRecord};
pub use progress::Progress;
pub use run::{RunError, RunOptions, run_plan};
pub use story::story;
pub use table::tables;
