//! What can keep a cluster from being served. Each message says where and what to do.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// So many nodes there cannot be.
    #[error("--{what} {wanted}: {allowed}")]
    Size {
        /// The option.
        what: &'static str,
        /// What was asked for.
        wanted: u32,
        /// What is possible.
        allowed: &'static str,
    },
    /// There is no such node.
    #[error("there is no node `{name}`; the nodes are {known}")]
    UnknownNode {
        /// The name given.
        name: String,
        /// All that there are.
        known: String,
    },
    /// The last port lies beyond 65535.
    #[error("{node} would listen on port {port}, and ports end at 65535; choose a smaller --port or --zookeeper-port")]
    NoSuchPort {
        /// The node.
        node: String,
        /// The port that is none.
        port: u32,
    },
    /// Two nodes would share a port.
    #[error("{first} and {second} would both listen on port {port}; move --port or --zookeeper-port")]
    SharedPort {
        /// A node.
        first: String,
        /// Another one.
        second: String,
        /// The port.
        port: u16,
    },
    /// Several processes cannot agree on ports that each picks for itself.
    #[error("port 0 picks free ports for one process alone; with --node, name --port and --zookeeper-port")]
    EphemeralNode,
    /// Clients cannot connect to "any address".
    #[error("--bind {0} means all addresses, which no client can connect to; say with --advertise what they shall use")]
    Unadvertised(std::net::IpAddr),
    /// A port cannot be listened on.
    #[error("{node} cannot listen on {address}: {source}; {help}")]
    Listen {
        /// The node.
        node: String,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
        /// What to do.
        help: &'static str,
    },
    /// A setting is not `NAME=VALUE`, or unknown, or has no such value.
    #[error("--set {given}: {reason}")]
    Setting {
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process serves this node from this directory.
    #[error("{} is in use by another process: stop that one, or choose another --data", .0.display())]
    Locked(PathBuf),
    /// A file or folder cannot be used.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The operating system gives no thread.
    #[error("cannot start a thread for {node}: {source}")]
    Thread {
        /// The node.
        node: String,
        /// Why not.
        source: io::Error,
    },
}

impl ServeError {
    pub(crate) fn file(what: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> ServeError {
        let path = path.to_owned();
        move |source| ServeError::File { what, path, source }
    }
}
