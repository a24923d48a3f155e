//! StopReplica 4: the controller tells a broker to stop following, and perhaps to delete, its replicas.

use kafka_protocol::messages::TopicName;

use super::{Structure, body, get, put};
use crate::codec::{Malformed, Reader, Writer};

/// Stop these replicas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopReplicaRequest {
    /// The controller's broker id.
    pub controller_id: i32,
    /// Whether a KRaft controller asks, during a migration.
    pub is_kraft_controller: bool,
    /// The controller's epoch.
    pub controller_epoch: i32,
    /// The epoch of the broker's registration that is meant; -1 for any.
    pub broker_epoch: i64,
    /// What to stop, by topic.
    pub topic_states: Vec<StopReplicaTopicState>,
}

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopReplicaTopicState {
    /// The topic's name.
    pub topic_name: TopicName,
    /// Its partitions.
    pub partition_states: Vec<StopReplicaPartitionState>,
}

/// One replica to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StopReplicaPartitionState {
    /// Index within the topic.
    pub partition_index: i32,
    /// The leader epoch it is stopped at, so that a delayed request stops no newer replica (KIP-570); -1 unknown, -2
    /// when the topic is deleted.
    pub leader_epoch: i32,
    /// Whether to delete its log too.
    pub delete_partition: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopReplicaResponse {
    /// Error of the whole request.
    pub error_code: i16,
    /// Results by partition.
    pub partition_errors: Vec<StopReplicaPartitionError>,
}

/// Result of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StopReplicaPartitionError {
    /// The topic's name.
    pub topic_name: TopicName,
    /// Index within the topic.
    pub partition_index: i32,
    /// Its error.
    pub error_code: i16,
}

body!(StopReplicaRequest, version 4, header 2);
body!(StopReplicaResponse, version 4, header 1);

impl Structure for StopReplicaRequest {
    fn put(&self, writer: &mut Writer) {
        writer.i32(self.controller_id);
        writer.bool(self.is_kraft_controller);
        writer.i32(self.controller_epoch);
        writer.i64(self.broker_epoch);
        writer.compact_array(&self.topic_states, put);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            controller_id: reader.i32()?,
            is_kraft_controller: reader.bool()?,
            controller_epoch: reader.i32()?,
            broker_epoch: reader.i64()?,
            topic_states: reader.compact_array(get)?,
        })
    }
}

impl Structure for StopReplicaTopicState {
    fn put(&self, writer: &mut Writer) {
        writer.compact_string(&self.topic_name);
        writer.compact_array(&self.partition_states, put);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self { topic_name: TopicName(reader.compact_string()?), partition_states: reader.compact_array(get)? })
    }
}

impl Structure for StopReplicaPartitionState {
    fn put(&self, writer: &mut Writer) {
        writer.i32(self.partition_index);
        writer.i32(self.leader_epoch);
        writer.bool(self.delete_partition);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self { partition_index: reader.i32()?, leader_epoch: reader.i32()?, delete_partition: reader.bool()? })
    }
}

impl Structure for StopReplicaResponse {
    fn put(&self, writer: &mut Writer) {
        writer.i16(self.error_code);
        writer.compact_array(&self.partition_errors, put);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self { error_code: reader.i16()?, partition_errors: reader.compact_array(get)? })
    }
}

impl Structure for StopReplicaPartitionError {
    fn put(&self, writer: &mut Writer) {
        writer.compact_string(&self.topic_name);
        writer.i32(self.partition_index);
        writer.i16(self.error_code);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            topic_name: TopicName(reader.compact_string()?),
            partition_index: reader.i32()?,
            error_code: reader.i16()?,
        })
    }
}
