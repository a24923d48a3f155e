//! What the host promises.

extern crate odradek_host as host;

mod chaos;
mod conformance;
mod determinism;
mod disk;
mod network;
mod partitions;
mod real;
mod real_world;
mod support;
mod tasks;
