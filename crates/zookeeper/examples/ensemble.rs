//! Three members on loopback sockets and real files: `cargo run --example ensemble -- DIRECTORY [PORT]`. They listen for clients
//! at PORT, PORT + 1 and PORT + 2 (default 21811), and run until they are killed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use host::Address;
use host::real::{Addresses, NodeOptions, NodeThread};
use odradek_zookeeper::{MemberConfig, run_member};
use trace::Name;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(directory) = arguments.next().map(PathBuf::from) else {
        eprintln!("usage: ensemble DIRECTORY [PORT]");
        std::process::exit(2);
    };
    let port = arguments.next().map_or(Ok(21811), |port| port.parse::<u16>()).unwrap_or_else(|error| {
        eprintln!("the second argument is no port: {error}");
        std::process::exit(2);
    });
    let members: BTreeMap<u32, Name> = (1..=3).map(|id| (id, Name::new(&format!("zk-{id}")))).collect();
    let mut addresses = Addresses::new();
    for (place, node) in (0..).zip(members.values()) {
        for (kind, at) in [(2181, port), (2888, port + 10), (3888, port + 20)] {
            addresses.insert(Address::new(*node, kind), SocketAddr::from((Ipv4Addr::LOCALHOST, at + place)));
        }
    }
    let addresses = Arc::new(addresses);
    let start = |(id, name): (&u32, &Name)| {
        let data = directory.join(name.as_str());
        let options =
            NodeOptions { name: *name, incarnation: 0, data, addresses: addresses.clone(), recorder: None, seed: None };
        let config = MemberConfig::new(*id, members.clone());
        NodeThread::start(options, move |host| Box::pin(run_member(host, config))).expect("a thread starts")
    };
    let nodes: Vec<NodeThread> = members.iter().map(start).collect();
    println!("127.0.0.1:{port},127.0.0.1:{},127.0.0.1:{}", port + 1, port + 2);
    for node in nodes {
        println!("{:?}", node.join());
    }
}
