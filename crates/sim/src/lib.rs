//! Runs a plan: builds the world, injects faults, drives services, feeds oracles, judges.
//!
//! [`run_plan`] is the one entry. A plan decides its run bit for bit; the outcome carries the fingerprint that proves it.
//! [`run_plan_really`] runs the same code on real sockets and files.

mod expectation;
mod faults;
mod judge;
mod nodes;
mod outcome;
mod progress;
mod real;
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
pub use real::{Skipped, for_real};
pub use run::{RunError, RunOptions, run_plan, run_plan_really};
pub use story::story;
pub use table::tables;
