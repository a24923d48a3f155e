//! Brokers, ZooKeeper and a client in the simulator; and a broker on the real host.

extern crate odradek_broker as broker;
extern crate wire as odradek_wire;

mod admin;
#[path = "../../../wire/tests/wire/admin_samples.rs"]
#[allow(dead_code, reason = "shared with the tests of wire")]
mod admin_samples;
mod chaos;
mod cleaning;
mod flaws;
#[path = "../../../wire/tests/wire/group_samples.rs"]
#[allow(dead_code, reason = "shared with the tests of wire")]
mod group_samples;
mod groups;
mod one_broker;
mod real;
#[path = "../../../wire/tests/wire/samples.rs"]
#[allow(dead_code, reason = "shared with the tests of wire")]
mod samples;
mod shutdown;
mod support;
mod three_brokers;
mod versions;
