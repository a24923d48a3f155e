//! The Kafka broker: replication, the ZooKeeper-mode controller, and one file an API.
//!
//! Decisions are plain structs without I/O ([`replica`], [`controller::context`], [`controller::election`],
//! [`purgatory`], [`metadata_cache`]); the rest moves bytes, waits, and applies them. See README.md for the map.

pub mod apis;
pub mod broker;
mod canary;
pub mod config;
pub mod controller;
pub mod described;
pub mod fetcher;
mod flaws;
mod framing;
pub mod group;
pub mod metadata_cache;
pub mod purgatory;
mod registration;
pub mod replica;
pub mod replica_manager;
mod rpc;
mod server;
pub mod topic_configs;
mod util;
pub mod znodes;

pub use broker::{run_broker, run_broker_until};
pub use config::{BrokerConfig, ConfigError, Settings, TopicSettings};
pub use flaws::{Flaw, Flaws, UnknownFlaw};
pub use framing::kafka_framing;
