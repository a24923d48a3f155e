//! Clients against a scripted cluster, in simulation.

extern crate odradek_client as client;

mod consuming;
mod coordinator;
mod fake;
mod grouping;
mod producing;
