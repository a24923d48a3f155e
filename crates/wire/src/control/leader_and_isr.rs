//! LeaderAndIsr 7: the controller tells a broker which replicas it leads or follows.

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::{Structure, body, get, get_integers, put, put_integers};
use crate::codec::{Malformed, Reader, Writer};

/// Become leader or follower.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaderAndIsrRequest {
    /// The controller's broker id.
    pub controller_id: i32,
    /// Whether a KRaft controller asks, during a migration.
    pub is_kraft_controller: bool,
    /// The controller's epoch; a lower one than known is refused (STALE_CONTROLLER_EPOCH).
    pub controller_epoch: i32,
    /// The epoch of the broker's registration that is meant, its znode's czxid (KIP-380); -1 for any.
    pub broker_epoch: i64,
    /// 0 unknown, 1 incremental, 2 full. KRaft migration only.
    pub request_type: i8,
    /// What to become, by topic.
    pub topic_states: Vec<LeaderAndIsrTopicState>,
    /// Addresses of the leaders named above.
    pub live_leaders: Vec<LeaderAndIsrLiveLeader>,
}

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaderAndIsrTopicState {
    /// The topic's name.
    pub topic_name: TopicName,
    /// The topic's id; nil if it has none.
    pub topic_id: Uuid,
    /// Its partitions.
    pub partition_states: Vec<LeaderAndIsrPartitionState>,
}

/// One partition's leadership.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaderAndIsrPartitionState {
    /// Index within the topic.
    pub partition_index: i32,
    /// Epoch of the controller that last changed this state.
    pub controller_epoch: i32,
    /// The leader's broker id; -1 if there is none, -2 while the topic is being deleted.
    pub leader: i32,
    /// The leader's epoch.
    pub leader_epoch: i32,
    /// In-sync replicas.
    pub isr: Vec<i32>,
    /// The version of the state znode, for the leader's compare-and-set.
    pub partition_epoch: i32,
    /// All replicas, the preferred one first.
    pub replicas: Vec<i32>,
    /// Replicas being added by a reassignment.
    pub adding_replicas: Vec<i32>,
    /// Replicas being removed by a reassignment.
    pub removing_replicas: Vec<i32>,
    /// Whether the replica is expected not to exist yet.
    pub is_new: bool,
    /// 0 recovered, 1 recovering from an unclean election (KIP-704).
    pub leader_recovery_state: i8,
}

/// Where to reach a leader.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaderAndIsrLiveLeader {
    /// Its broker id.
    pub broker_id: i32,
    /// Its host.
    pub host_name: StrBytes,
    /// Its port.
    pub port: i32,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaderAndIsrResponse {
    /// Error of the whole request.
    pub error_code: i16,
    /// Results by topic.
    pub topics: Vec<LeaderAndIsrTopicError>,
}

/// Results of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaderAndIsrTopicError {
    /// The topic's id.
    pub topic_id: Uuid,
    /// Results by partition.
    pub partition_errors: Vec<LeaderAndIsrPartitionError>,
}

/// Result of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeaderAndIsrPartitionError {
    /// Index within the topic.
    pub partition_index: i32,
    /// Its error.
    pub error_code: i16,
}

body!(LeaderAndIsrRequest, version 7, header 2);
body!(LeaderAndIsrResponse, version 7, header 1);

impl Structure for LeaderAndIsrRequest {
    fn put(&self, writer: &mut Writer) {
        writer.i32(self.controller_id);
        writer.bool(self.is_kraft_controller);
        writer.i32(self.controller_epoch);
        writer.i64(self.broker_epoch);
        writer.i8(self.request_type);
        writer.compact_array(&self.topic_states, put);
        writer.compact_array(&self.live_leaders, put);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            controller_id: reader.i32()?,
            is_kraft_controller: reader.bool()?,
            controller_epoch: reader.i32()?,
            broker_epoch: reader.i64()?,
            request_type: reader.i8()?,
            topic_states: reader.compact_array(get)?,
            live_leaders: reader.compact_array(get)?,
        })
    }
}

impl Structure for LeaderAndIsrTopicState {
    fn put(&self, writer: &mut Writer) {
        writer.compact_string(&self.topic_name);
        writer.uuid(self.topic_id);
        writer.compact_array(&self.partition_states, put);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            topic_name: TopicName(reader.compact_string()?),
            topic_id: reader.uuid()?,
            partition_states: reader.compact_array(get)?,
        })
    }
}

impl Structure for LeaderAndIsrPartitionState {
    fn put(&self, writer: &mut Writer) {
        writer.i32(self.partition_index);
        writer.i32(self.controller_epoch);
        writer.i32(self.leader);
        writer.i32(self.leader_epoch);
        put_integers(writer, &self.isr);
        writer.i32(self.partition_epoch);
        put_integers(writer, &self.replicas);
        put_integers(writer, &self.adding_replicas);
        put_integers(writer, &self.removing_replicas);
        writer.bool(self.is_new);
        writer.i8(self.leader_recovery_state);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            partition_index: reader.i32()?,
            controller_epoch: reader.i32()?,
            leader: reader.i32()?,
            leader_epoch: reader.i32()?,
            isr: get_integers(reader)?,
            partition_epoch: reader.i32()?,
            replicas: get_integers(reader)?,
            adding_replicas: get_integers(reader)?,
            removing_replicas: get_integers(reader)?,
            is_new: reader.bool()?,
            leader_recovery_state: reader.i8()?,
        })
    }
}

impl Structure for LeaderAndIsrLiveLeader {
    fn put(&self, writer: &mut Writer) {
        writer.i32(self.broker_id);
        writer.compact_string(&self.host_name);
        writer.i32(self.port);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self { broker_id: reader.i32()?, host_name: reader.compact_string()?, port: reader.i32()? })
    }
}

impl Structure for LeaderAndIsrResponse {
    fn put(&self, writer: &mut Writer) {
        writer.i16(self.error_code);
        writer.compact_array(&self.topics, put);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self { error_code: reader.i16()?, topics: reader.compact_array(get)? })
    }
}

impl Structure for LeaderAndIsrTopicError {
    fn put(&self, writer: &mut Writer) {
        writer.uuid(self.topic_id);
        writer.compact_array(&self.partition_errors, put);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self { topic_id: reader.uuid()?, partition_errors: reader.compact_array(get)? })
    }
}

impl Structure for LeaderAndIsrPartitionError {
    fn put(&self, writer: &mut Writer) {
        writer.i32(self.partition_index);
        writer.i16(self.error_code);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self { partition_index: reader.i32()?, error_code: reader.i16()? })
    }
}
