//! Whole ensembles in the simulator, under faults.

mod failover;
mod judge;
mod power;
mod semantics;
mod sessions;
mod setup;
