//! Tests of the whole: scenarios and their digests, determinism, the command line.

// Tests look at files and start processes; they are no part of the simulated world.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod buggify;
mod catalogues;
mod causes;
mod command_line;
mod determinism;
mod evidence;
mod faults;
mod hostile_traces;
mod live_core;
mod real_sockets;
// Our own clients against a real cluster, shared with the tests of crate serve.
#[path = "../crates/serve/tests/serve/load.rs"]
mod load;
mod scenarios;
mod serving;
mod streams;
mod supervisor;
mod support;
mod sweeps;
mod variants;
