//! Brokers, ZooKeeper and a client in the simulator; and a broker on the real host.

extern crate odradek_broker as broker;

mod chaos;
mod cleaning;
mod flaws;
mod groups;
mod one_broker;
mod real;
mod shutdown;
mod support;
mod three_brokers;
