//! Clients against a scripted cluster, in simulation.

extern crate odradek_client as client;

mod consuming;
mod fake;
mod producing;
