//! The Kafka broker with its ZooKeeper-mode controller.
pub mod config;
pub mod controller;
pub mod flaws;
pub mod metadata_cache;
pub mod purgatory;
pub mod replica;
pub mod znodes;
