//! The log on a simulated disk.

// The name that other crates know it by.
extern crate odradek_log as log;

mod appending;
mod checkpoints;
mod cleaning;
mod failing;
mod flushing;
mod malformed;
mod model;
mod reading;
mod recovering;
mod retention;
mod support;
mod truncating;
