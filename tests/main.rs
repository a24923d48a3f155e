//! Tests of the whole: scenarios and their digests, determinism, the command line.

// Tests look at files and start processes; they are no part of the simulated world.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod catalogues;
mod causes;
mod command_line;
mod determinism;
mod evidence;
mod faults;
mod hostile_traces;
mod scenarios;
mod streams;
mod support;
mod sweeps;
mod variants;
