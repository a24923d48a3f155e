//! Whole ensembles in the simulator, under faults.

// The name that the other crates give it.
extern crate odradek_zookeeper as zookeeper;

mod chaos;
mod failover;
mod judge;
mod power;
mod semantics;
mod sessions;
mod setup;
