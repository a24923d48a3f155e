//! Kafka clients: producer, consumer, administration.
//!
//! Decisions are made by plain structs (batching, sequence numbers, positions, metadata); the async code around them only moves
//! bytes and waits. All access to clock, network and entropy goes through a [`host::Host`].

mod admin;
mod backoff;
mod config;
mod consumer;
mod error;
mod framing;
mod hash;
mod metadata;
mod network;
mod offsets;
mod origin;
mod producer;
mod race;
mod reader;

pub use admin::{Admin, Description, NewTopic, PartitionDescription};
pub use config::{
    Acks, ClientConfig, ConsumerConfig, ConsumerFlaws, GroupConfig, Isolation, OffsetReset, ProducerConfig,
    ProducerFlaws,
};
pub use consumer::{CommitOffset, Consumer, GroupMetadata, Polled, PolledRecord, assignor};
pub use error::{ClientError, CommitError, ConfigError, ConsumerError, GroupError, SendError};
pub use hash::{key_hash, partition_for_key};
pub use offsets::OffsetSpec;
pub use origin::ORIGIN_HEADER;
pub use producer::{Delivery, Outcome, Producer, Record};
pub use reader::read_all;
