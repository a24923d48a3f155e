//! The cluster of the simulations on real sockets and files: where its nodes listen, how they are started and stopped one by
//! one, and what of their events people and traces are told. See README.md for the map.

// The outermost crate of the real cluster: it looks at ports, files and the clock before there is a Host.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod cluster;
mod directory;
mod error;
mod journal;
mod layout;
mod probe;
mod settings;
mod trace_file;

pub use cluster::{Cluster, Ended, Options};
pub use directory::DataDirectory;
pub use error::ServeError;
pub use journal::Journal;
pub use layout::{KAFKA_PORT, Layout, Node, Wishes, ZOOKEEPER_PORT};
pub use probe::Probe;
pub use settings::ClusterSettings;
pub use trace_file::TraceFile;
