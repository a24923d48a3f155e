//! ControlledShutdown 3: a broker asks the controller to move its leaderships before it stops.

use kafka_protocol::messages::TopicName;

use super::{Structure, body, get, put};
use crate::codec::{Malformed, Reader, Writer};

/// I am about to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ControlledShutdownRequest {
    /// Who stops.
    pub broker_id: i32,
    /// The epoch of its registration (KIP-380); -1 if unknown.
    pub broker_epoch: i64,
}

/// What still stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ControlledShutdownResponse {
    /// Error of the whole request.
    pub error_code: i16,
    /// Partitions that the broker still leads; the shutdown may go on when there are none.
    pub remaining_partitions: Vec<RemainingPartition>,
}

/// A partition that still has its leader on the broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RemainingPartition {
    /// The topic's name.
    pub topic_name: TopicName,
    /// Index within the topic.
    pub partition_index: i32,
}

body!(ControlledShutdownRequest, version 3, header 2);
body!(ControlledShutdownResponse, version 3, header 1);

impl Structure for ControlledShutdownRequest {
    fn put(&self, writer: &mut Writer) {
        writer.i32(self.broker_id);
        writer.i64(self.broker_epoch);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self { broker_id: reader.i32()?, broker_epoch: reader.i64()? })
    }
}

impl Structure for ControlledShutdownResponse {
    fn put(&self, writer: &mut Writer) {
        writer.i16(self.error_code);
        writer.compact_array(&self.remaining_partitions, put);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self { error_code: reader.i16()?, remaining_partitions: reader.compact_array(get)? })
    }
}

impl Structure for RemainingPartition {
    fn put(&self, writer: &mut Writer) {
        writer.compact_string(&self.topic_name);
        writer.i32(self.partition_index);
    }

    fn get(reader: &mut Reader) -> Result<Self, Malformed> {
        Ok(Self { topic_name: TopicName(reader.compact_string()?), partition_index: reader.i32()? })
    }
}
