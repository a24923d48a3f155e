//! Where each node listens, and under which name the others reach it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use host::Address;
use host::real::Addresses;
use trace::Name;

use crate::ServeError;

/// The port that brokers know themselves by, whichever socket is behind it.
pub const KAFKA_PORT: u16 = 9092;
/// The port that members serve clients on, likewise.
pub const ZOOKEEPER_PORT: u16 = 2181;
const QUORUM_PORT: u16 = 2888;
const ELECTION_PORT: u16 = 3888;

/// Most brokers: more threads than any laptop wants.
const MOST_BROKERS: u32 = 32;
const MOST_MEMBERS: u32 = 7;

/// One node of the cluster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Node {
    /// A member of the ensemble, by its id.
    Member(u32),
    /// A broker, by its id.
    Broker(i32),
}

impl Node {
    /// Its name: `broker-1`, `zk-1`.
    pub fn name(self) -> Name {
        match self {
            Node::Member(id) => Name::new(&format!("zk-{id}")),
            Node::Broker(id) => trace::broker_name(id),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}

/// What is asked of a layout.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wishes {
    /// How many brokers.
    pub brokers: u32,
    /// How many members of the ensemble.
    pub zookeepers: u32,
    /// The first broker's port; the others' follow. 0 picks free ones.
    pub port: u16,
    /// The first member's client port; the others' follow. 0 picks free ones.
    pub zookeeper_port: u16,
    /// The address that everything listens on.
    pub bind: IpAddr,
    /// The host that clients are told; by default the address itself.
    pub advertise: Option<String>,
}

/// Where all nodes of a cluster are. The same wishes give the same layout in every process, unless ports are picked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    bind: IpAddr,
    advertise: String,
    brokers: u32,
    members: u32,
    ephemeral: bool,
    /// Each node's ports, as it knows them, and the sockets behind.
    sockets: BTreeMap<(Node, u16), SocketAddr>,
}

impl Layout {
    /// Broker N has `port + N - 1`. Member N serves clients on `zookeeper_port + N - 1`, followers 707 above (2888 where
    /// clients have 2181) and votes 1707 above (3888).
    ///
    /// # Errors
    /// If there cannot be so many nodes or such ports, or clients cannot be told where to connect.
    pub fn new(wishes: &Wishes) -> Result<Layout, ServeError> {
        let Wishes { brokers, zookeepers, port, zookeeper_port, bind, .. } = *wishes;
        let size = |what, wanted, allowed| ServeError::Size { what, wanted, allowed };
        if !(1..=MOST_BROKERS).contains(&brokers) {
            return Err(size("brokers", brokers, "want 1 to 32"));
        }
        if !(1..=MOST_MEMBERS).contains(&zookeepers) || zookeepers % 2 == 0 {
            return Err(size("zookeepers", zookeepers, "want 1, 3, 5 or 7: an even number survives no more failures"));
        }
        let advertise = match &wishes.advertise {
            Some(host) => host.clone(),
            None if bind.is_unspecified() => return Err(ServeError::Unadvertised(bind)),
            None => bind.to_string(),
        };
        let mut wanted = Vec::new();
        for id in 1..=brokers {
            wanted.push((Node::Broker(id as i32), KAFKA_PORT, port, id - 1));
        }
        for id in 1..=zookeepers {
            for known in [ZOOKEEPER_PORT, QUORUM_PORT, ELECTION_PORT] {
                let offset = id - 1 + u32::from(known - ZOOKEEPER_PORT);
                wanted.push((Node::Member(id), known, zookeeper_port, offset));
            }
        }
        let mut held = Vec::new(); // so that no free port is picked twice
        let mut sockets = BTreeMap::new();
        for (node, known, base, offset) in wanted {
            let socket = if base == 0 { free(node, bind, &mut held)? } else { fixed(node, bind, base, offset)? };
            sockets.insert((node, known), socket);
        }
        refuse_shared(&sockets)?;
        let ephemeral = port == 0 || zookeeper_port == 0;
        Ok(Layout { bind, advertise, brokers, members: zookeepers, ephemeral, sockets })
    }

    /// All nodes, the ensemble first: the order to start them in.
    pub fn nodes(&self) -> Vec<Node> {
        let members = (1..=self.members).map(Node::Member);
        members.chain((1..=self.brokers as i32).map(Node::Broker)).collect()
    }

    /// The node of this name, for a process that runs it alone.
    ///
    /// # Errors
    /// If there is none, or its ports were picked, which other processes cannot know.
    pub fn alone(&self, name: &str) -> Result<Node, ServeError> {
        let nodes = self.nodes();
        let Some(node) = nodes.iter().find(|node| node.name().as_str() == name) else {
            let known: Vec<String> = nodes.iter().map(Node::to_string).collect();
            return Err(ServeError::UnknownNode { name: name.to_owned(), known: known.join(", ") });
        };
        if self.ephemeral { Err(ServeError::EphemeralNode) } else { Ok(*node) }
    }

    /// Whether these nodes' ports can be listened on.
    ///
    /// # Errors
    /// Which cannot, and why.
    pub fn check(&self, nodes: &[Node]) -> Result<(), ServeError> {
        let sockets = self.sockets.iter().filter(|((node, _), _)| nodes.contains(node));
        for ((node, _), socket) in sockets {
            TcpListener::bind(socket).map_err(|source| cannot_listen(*node, *socket, source))?;
        }
        Ok(())
    }

    /// How many brokers there are.
    pub fn brokers(&self) -> u32 {
        self.brokers
    }

    /// The members' ids and nodes.
    pub fn members(&self) -> BTreeMap<u32, Name> {
        (1..=self.members).map(|id| (id, Node::Member(id).name())).collect()
    }

    /// The socket that a node serves its clients on.
    pub fn client_socket(&self, node: Node) -> SocketAddr {
        let known = if matches!(node, Node::Broker(_)) { KAFKA_PORT } else { ZOOKEEPER_PORT };
        self.sockets[&(node, known)]
    }

    /// What clients are told of a broker: the bound address, or what stands for it.
    pub fn advertised(&self, broker: i32) -> Address {
        Address::new(self.advertise.as_str(), self.client_socket(Node::Broker(broker)).port())
    }

    /// Kafka's `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.join((1..=self.brokers as i32).map(Node::Broker))
    }

    /// ZooKeeper's connect string.
    pub fn zookeeper(&self) -> String {
        self.join((1..=self.members).map(Node::Member))
    }

    fn join(&self, nodes: impl Iterator<Item = Node>) -> String {
        let host = if self.advertise.contains(':') { format!("[{}]", self.advertise) } else { self.advertise.clone() };
        let one = |node| format!("{host}:{}", self.client_socket(node).port());
        nodes.map(one).collect::<Vec<_>>().join(",")
    }

    /// The sockets as the nodes' hosts want them.
    pub fn addresses(&self) -> Addresses {
        self.sockets.iter().map(|((node, known), socket)| (Address::new(node.name(), *known), *socket)).collect()
    }
}

fn fixed(node: Node, bind: IpAddr, base: u16, offset: u32) -> Result<SocketAddr, ServeError> {
    let port = u32::from(base) + offset;
    let port = u16::try_from(port).map_err(|_| ServeError::NoSuchPort { node: node.to_string(), port })?;
    Ok(SocketAddr::new(bind, port))
}

fn free(node: Node, bind: IpAddr, held: &mut Vec<TcpListener>) -> Result<SocketAddr, ServeError> {
    let any = SocketAddr::new(bind, 0);
    let listener = TcpListener::bind(any).map_err(|source| cannot_listen(node, any, source))?;
    let socket = listener.local_addr().map_err(|source| cannot_listen(node, any, source))?;
    held.push(listener);
    Ok(socket)
}

fn cannot_listen(node: Node, address: SocketAddr, source: io::Error) -> ServeError {
    let help = match source.kind() {
        io::ErrorKind::AddrInUse => "another program has it: stop that, or move --port or --zookeeper-port",
        io::ErrorKind::AddrNotAvailable => "--bind wants an address of this machine, such as 127.0.0.1",
        io::ErrorKind::PermissionDenied => "choose ports above 1023",
        _ => "see --bind, --port and --zookeeper-port",
    };
    ServeError::Listen { node: node.to_string(), address, source, help }
}

fn refuse_shared(sockets: &BTreeMap<(Node, u16), SocketAddr>) -> Result<(), ServeError> {
    let mut taken: BTreeMap<u16, Node> = BTreeMap::new();
    for ((node, _), socket) in sockets {
        if let Some(other) = taken.insert(socket.port(), *node) {
            let (first, second) = (other.to_string(), node.to_string());
            return Err(ServeError::SharedPort { first, second, port: socket.port() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn wishes() -> Wishes {
        Wishes {
            brokers: 3,
            zookeepers: 3,
            port: 9092,
            zookeeper_port: 2181,
            bind: IpAddr::from([127, 0, 0, 1]),
            advertise: None,
        }
    }

    fn refused(wishes: &Wishes) -> String {
        Layout::new(wishes).unwrap_err().to_string()
    }

    #[test]
    fn nodes_listen_on_neighbouring_ports() {
        let layout = Layout::new(&wishes()).unwrap();
        assert_eq!(layout.bootstrap(), "127.0.0.1:9092,127.0.0.1:9093,127.0.0.1:9094");
        assert_eq!(layout.zookeeper(), "127.0.0.1:2181,127.0.0.1:2182,127.0.0.1:2183");
        assert_eq!(layout.advertised(2), Address::new("127.0.0.1", 9093));
        let addresses = layout.addresses();
        assert_eq!(addresses[&Address::new("zk-3", 2888)].port(), 2890);
        assert_eq!(addresses[&Address::new("zk-1", 3888)].port(), 3888);
        let names: Vec<String> = layout.nodes().iter().map(Node::to_string).collect();
        assert_eq!(names, ["zk-1", "zk-2", "zk-3", "broker-1", "broker-2", "broker-3"]);
    }

    #[test]
    fn free_ports_are_picked_once_and_for_one_process() {
        let layout = Layout::new(&Wishes { port: 0, zookeeper_port: 0, ..wishes() }).unwrap();
        let ports: BTreeSet<u16> = layout.addresses().values().map(SocketAddr::port).collect();
        assert_eq!(ports.len(), 12);
        assert!(matches!(layout.alone("broker-2"), Err(ServeError::EphemeralNode)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        assert_eq!(refused(&Wishes { brokers: 0, ..wishes() }), "--brokers 0: want 1 to 32");
        assert!(refused(&Wishes { zookeepers: 2, ..wishes() }).starts_with("--zookeepers 2: want 1, 3, 5 or 7"));
        assert!(refused(&Wishes { port: 65_534, ..wishes() }).contains("broker-3 would listen on port 65536"));
        assert!(refused(&Wishes { port: 2183, ..wishes() }).contains("both listen on port 2183"));
        let everywhere = Wishes { bind: IpAddr::from([0, 0, 0, 0]), ..wishes() };
        assert!(refused(&everywhere).contains("--advertise"));
        let named = Layout::new(&Wishes { advertise: Some("kafka.example".into()), ..everywhere }).unwrap();
        assert_eq!(named.advertised(1), Address::new("kafka.example", 9092));
        let unknown = Layout::new(&wishes()).unwrap().alone("broker-4").unwrap_err().to_string();
        assert!(unknown.contains("`broker-4`") && unknown.contains("broker-3"), "{unknown}");
    }

    #[test]
    fn a_port_in_use_is_named_with_its_node() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let wishes = Wishes { brokers: 1, zookeepers: 1, port, zookeeper_port: 0, ..wishes() };
        let layout = Layout::new(&wishes).unwrap();
        let error = layout.check(&layout.nodes()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("broker-1 cannot listen on 127.0.0.1:{port}: ")), "{error}");
        assert!(error.ends_with("move --port or --zookeeper-port"), "{error}");
    }
}
