//! UpdateMetadata 8: the controller tells every broker what to answer Metadata requests with.

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::{Structure, body, get, get_integers, put, put_integers};
use crate::codec::{Malformed, Reader, Writer};

/// What changed in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateMetadataRequest {
    /// The controller's broker id.
    pub controller_id: i32,
    /// Whether a KRaft controller asks, during a migration.
    pub is_kraft_controller: bool,
    /// 0 unknown, 1 incremental, 2 full. KRaft migration only.
    pub request_type: i8,
    /// The controller's epoch.
    pub controller_epoch: i32,
    /// The epoch of the broker's registration that is meant; -1 for any.
    pub broker_epoch: i64,
    /// Partitions that changed, by topic.
    pub topic_states: Vec<UpdateMetadataTopicState>,
    /// All live brokers.
    pub live_brokers: Vec<UpdateMetadataBroker>,
}

/// Partitions of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateMetadataTopicState {
    /// The topic's name.
    pub topic_name: TopicName,
    /// The topic's id; nil if it has none.
    pub topic_id: Uuid,
    /// Its partitions.
    pub partition_states: Vec<UpdateMetadataPartitionState>,
}

/// One partition, as clients are to see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateMetadataPartitionState {
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
    /// The version of the state znode.
    pub zk_version: i32,
    /// All replicas, the preferred one first.
    pub replicas: Vec<i32>,
    /// Replicas on dead brokers or failed disks.
    pub offline_replicas: Vec<i32>,
}

/// A live broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateMetadataBroker {
    /// Its id.
    pub id: i32,
    /// Where it listens.
    pub endpoints: Vec<UpdateMetadataEndpoint>,
    /// Its rack, if it has one.
    pub rack: Option<StrBytes>,
}

/// One address of a broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateMetadataEndpoint {
    /// Port.
    pub port: i32,
    /// Host.
    pub host: StrBytes,
    /// The listener's name.
    pub listener: StrBytes,
    /// 0 plaintext, 1 SSL, 2 SASL over plaintext, 3 SASL over SSL.
    pub security_protocol: i16,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UpdateMetadataResponse {
    /// Error of the whole request.
    pub error_code: i16,
}

body!(UpdateMetadataRequest, version 8, header 2);
body!(UpdateMetadataResponse, version 8, header 1);

impl Structure for UpdateMetadataRequest {
    fn put(&self, writer: &mut Writer) {
        writer.i32(self.controller_id);
        writer.bool(self.is_kraft_controller);
        writer.i8(self.request_type);
        writer.i32(self.controller_epoch);
        writer.i64(self.broker_epoch);
        writer.compact_array(&self.topic_states, put);
        writer.compact_array(&self.live_brokers, put);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            controller_id: reader.i32()?,
            is_kraft_controller: reader.bool()?,
            request_type: reader.i8()?,
            controller_epoch: reader.i32()?,
            broker_epoch: reader.i64()?,
            topic_states: reader.compact_array(get)?,
            live_brokers: reader.compact_array(get)?,
        })
    }
}

impl Structure for UpdateMetadataTopicState {
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

impl Structure for UpdateMetadataPartitionState {
    fn put(&self, writer: &mut Writer) {
        writer.i32(self.partition_index);
        writer.i32(self.controller_epoch);
        writer.i32(self.leader);
        writer.i32(self.leader_epoch);
        put_integers(writer, &self.isr);
        writer.i32(self.zk_version);
        put_integers(writer, &self.replicas);
        put_integers(writer, &self.offline_replicas);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            partition_index: reader.i32()?,
            controller_epoch: reader.i32()?,
            leader: reader.i32()?,
            leader_epoch: reader.i32()?,
            isr: get_integers(reader)?,
            zk_version: reader.i32()?,
            replicas: get_integers(reader)?,
            offline_replicas: get_integers(reader)?,
        })
    }
}

impl Structure for UpdateMetadataBroker {
    fn put(&self, writer: &mut Writer) {
        writer.i32(self.id);
        writer.compact_array(&self.endpoints, put);
        writer.compact_nullable_string(self.rack.as_deref());
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self { id: reader.i32()?, endpoints: reader.compact_array(get)?, rack: reader.compact_nullable_string()? })
    }
}

impl Structure for UpdateMetadataEndpoint {
    fn put(&self, writer: &mut Writer) {
        writer.i32(self.port);
        writer.compact_string(&self.host);
        writer.compact_string(&self.listener);
        writer.i16(self.security_protocol);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self {
            port: reader.i32()?,
            host: reader.compact_string()?,
            listener: reader.compact_string()?,
            security_protocol: reader.i16()?,
        })
    }
}

impl Structure for UpdateMetadataResponse {
    fn put(&self, writer: &mut Writer) {
        writer.i16(self.error_code);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self { error_code: reader.i16()? })
    }
}
