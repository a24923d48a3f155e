//! The controller's requests to brokers, and one from a broker to the controller: LeaderAndIsr, StopReplica,
//! UpdateMetadata, ControlledShutdown. Kafka 4 dropped them together with ZooKeeper, and kafka-protocol with it; field
//! names, order and versions here are those of Kafka 3.9, the last release that had them.

mod controlled_shutdown;
mod leader_and_isr;
mod stop_replica;
mod update_metadata;

pub use controlled_shutdown::{ControlledShutdownRequest, ControlledShutdownResponse, RemainingPartition};
pub use leader_and_isr::{
    LeaderAndIsrLiveLeader, LeaderAndIsrPartitionError, LeaderAndIsrPartitionState, LeaderAndIsrRequest,
    LeaderAndIsrResponse, LeaderAndIsrTopicError, LeaderAndIsrTopicState,
};
pub use stop_replica::{
    StopReplicaPartitionError, StopReplicaPartitionState, StopReplicaRequest, StopReplicaResponse,
    StopReplicaTopicState,
};
pub use update_metadata::{
    UpdateMetadataBroker, UpdateMetadataEndpoint, UpdateMetadataPartitionState, UpdateMetadataRequest,
    UpdateMetadataResponse, UpdateMetadataTopicState,
};

use crate::codec::{Malformed, Reader, Writer};

/// A structure with one (flexible) version: its fields, then its tagged fields, of which we have none.
trait Structure: Sized {
    /// Appends the fields.
    fn put(&self, writer: &mut Writer);

    /// Reads the fields.
    fn get(reader: &mut Reader) -> Result<Self, Malformed>;
}

fn put<T: Structure>(writer: &mut Writer, value: &T) {
    value.put(writer);
    writer.tagged_fields();
}

fn get<T: Structure>(reader: &mut Reader) -> Result<T, Malformed> {
    let value = T::get(reader)?;
    reader.tagged_fields()?;
    Ok(value)
}

fn put_integers(writer: &mut Writer, values: &[i32]) {
    writer.compact_array(values, |writer, value| writer.i32(*value));
}

fn get_integers(reader: &mut Reader) -> Result<Vec<i32>, Malformed> {
    reader.compact_array(Reader::i32)
}

/// Gives a top-level structure to the table of APIs. Headers of flexible messages: 2 for requests, 1 for responses.
macro_rules! body {
    ($name:ty, version $version:literal, header $header:literal) => {
        impl crate::kafka::Body for $name {
            const VERSIONS: (i16, i16) = ($version, $version);

            fn header_version(_version: i16) -> i16 {
                $header
            }

            fn size(&self, _version: i16) -> usize {
                512
            }

            fn write(&self, writer: &mut Writer, _version: i16) -> Result<(), crate::kafka::EncodeError> {
                crate::control::put(writer, self);
                Ok(())
            }

            fn read(bytes: bytes::Bytes, _version: i16, _flexible: bool) -> Result<Self, Malformed> {
                crate::control::get(&mut Reader::new(bytes))
            }
        }
    };
}
use body;
