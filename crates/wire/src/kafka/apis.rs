//! The table of APIs we speak. One more API is one more line here; enums, versions and dispatch follow from it.

use bytes::Bytes;
use kafka_protocol::messages::*;

use super::body::Body;
use super::codec::EncodeError;
use super::versions::{Audience, Range};
use crate::codec::{Malformed, Writer};
use crate::control::*;

macro_rules! apis {
    ($($key:literal $name:ident($request:ty, $response:ty) $audience:ident $minimum:literal..=$maximum:literal;)*) => {
        /// An API we speak.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum Api {
            $(#[doc = concat!("API key ", $key, ".")] $name = $key,)*
        }

        impl Api {
            /// All of them, by key.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The API with this key, if we speak it.
            pub const fn from_key(key: i16) -> Option<Self> {
                match key { $($key => Some(Self::$name),)* _ => None }
            }

            /// Versions advertised and served.
            pub const fn range(self) -> Range {
                match self { $(Self::$name => Range {
                    api: self,
                    audience: Audience::$audience,
                    minimum: $minimum,
                    maximum: $maximum,
                    served_minimum: {
                        let decodable = <$request as Body>::VERSIONS.0;
                        if decodable > $minimum { decodable } else { $minimum }
                    },
                },)* }
            }

            /// Whether the request at this version has header 2 and so tagged fields and compact lengths (KIP-482).
            pub(super) fn request_is_flexible(self, version: i16) -> bool {
                match self { $(Self::$name => <$request as Body>::header_version(version) == 2,)* }
            }

            /// Whether the response at this version has header 1, with tagged fields: always flexible, though an
            /// ApiVersions response is flexible without it.
            pub(super) fn response_has_tags(self, version: i16) -> bool {
                match self { $(Self::$name => <$response as Body>::header_version(version) == 1,)* }
            }
        }

        /// A request's body.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(clippy::large_enum_variant, reason = "a request is moved once or twice; a box would cost more")]
        pub enum Request {
            $(#[doc = concat!("API key ", $key, ".")] $name($request),)*
        }

        /// A response's body.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(clippy::large_enum_variant, reason = "a response is moved once or twice; a box would cost more")]
        pub enum Response {
            $(#[doc = concat!("API key ", $key, ".")] $name($response),)*
        }

        impl Request {
            /// The API asked for.
            pub const fn api(&self) -> Api {
                match self { $(Self::$name(_) => Api::$name,)* }
            }

            pub(super) fn size(&self, version: i16) -> usize {
                match self { $(Self::$name(body) => body.size(version),)* }
            }

            pub(super) fn write(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {
                match self { $(Self::$name(body) => body.write(writer, version),)* }
            }

            pub(super) fn read(api: Api, bytes: Bytes, version: i16) -> Result<Self, Malformed> {
                let flexible = api.request_is_flexible(version);
                match api { $(Api::$name => <$request as Body>::read(bytes, version, flexible).map(Self::$name),)* }
            }
        }

        impl Response {
            /// The API that answers.
            pub const fn api(&self) -> Api {
                match self { $(Self::$name(_) => Api::$name,)* }
            }

            pub(super) fn size(&self, version: i16) -> usize {
                match self { $(Self::$name(body) => body.size(version),)* }
            }

            pub(super) fn write(&self, writer: &mut Writer, version: i16) -> Result<(), EncodeError> {
                match self { $(Self::$name(body) => body.write(writer, version),)* }
            }

            pub(super) fn read(api: Api, bytes: Bytes, version: i16) -> Result<Self, Malformed> {
                let flexible = api.response_has_tags(version);
                match api { $(Api::$name => <$response as Body>::read(bytes, version, flexible).map(Self::$name),)* }
            }
        }

        $(
            impl From<$request> for Request {
                fn from(body: $request) -> Self {
                    Self::$name(body)
                }
            }

            impl From<$response> for Response {
                fn from(body: $response) -> Self {
                    Self::$name(body)
                }
            }
        )*
    };
}

// Upper bounds are deliberate. Fetch 13 and Produce 13 identify topics by id alone; Produce 12 would put clients on
// transactions v2 (KIP-890). Produce is advertised from 0 although 3 is the first one served: KAFKA-18659.
// StopReplica and its kin are spoken at the last version Kafka 3.9 had.
apis! {
    0  Produce(ProduceRequest, ProduceResponse) Client 0..=11;
    1  Fetch(FetchRequest, FetchResponse) Client 4..=12;
    2  ListOffsets(ListOffsetsRequest, ListOffsetsResponse) Client 1..=7;
    3  Metadata(MetadataRequest, MetadataResponse) Client 0..=12;
    4  LeaderAndIsr(LeaderAndIsrRequest, LeaderAndIsrResponse) Broker 7..=7;
    5  StopReplica(StopReplicaRequest, StopReplicaResponse) Broker 4..=4;
    6  UpdateMetadata(UpdateMetadataRequest, UpdateMetadataResponse) Broker 8..=8;
    7  ControlledShutdown(ControlledShutdownRequest, ControlledShutdownResponse) Broker 3..=3;
    8  OffsetCommit(OffsetCommitRequest, OffsetCommitResponse) Client 2..=9;
    9  OffsetFetch(OffsetFetchRequest, OffsetFetchResponse) Client 1..=9;
    10 FindCoordinator(FindCoordinatorRequest, FindCoordinatorResponse) Client 0..=4;
    11 JoinGroup(JoinGroupRequest, JoinGroupResponse) Client 0..=9;
    12 Heartbeat(HeartbeatRequest, HeartbeatResponse) Client 0..=4;
    13 LeaveGroup(LeaveGroupRequest, LeaveGroupResponse) Client 0..=5;
    14 SyncGroup(SyncGroupRequest, SyncGroupResponse) Client 0..=5;
    15 DescribeGroups(DescribeGroupsRequest, DescribeGroupsResponse) Client 0..=5;
    16 ListGroups(ListGroupsRequest, ListGroupsResponse) Client 0..=5;
    18 ApiVersions(ApiVersionsRequest, ApiVersionsResponse) Client 0..=4;
    19 CreateTopics(CreateTopicsRequest, CreateTopicsResponse) Client 2..=7;
    20 DeleteTopics(DeleteTopicsRequest, DeleteTopicsResponse) Client 1..=6;
    22 InitProducerId(InitProducerIdRequest, InitProducerIdResponse) Client 0..=4;
    23 OffsetForLeaderEpoch(OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse) Client 2..=4;
    32 DescribeConfigs(DescribeConfigsRequest, DescribeConfigsResponse) Client 1..=4;
    33 AlterConfigs(AlterConfigsRequest, AlterConfigsResponse) Client 0..=2;
    35 DescribeLogDirs(DescribeLogDirsRequest, DescribeLogDirsResponse) Client 1..=4;
    37 CreatePartitions(CreatePartitionsRequest, CreatePartitionsResponse) Client 0..=3;
    42 DeleteGroups(DeleteGroupsRequest, DeleteGroupsResponse) Client 0..=2;
    44 IncrementalAlterConfigs(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse) Client 0..=1;
    47 OffsetDelete(OffsetDeleteRequest, OffsetDeleteResponse) Client 0..=0;
    60 DescribeCluster(DescribeClusterRequest, DescribeClusterResponse) Client 0..=2;
}

impl Api {
    /// The key that stands for it on the wire.
    pub const fn key(self) -> i16 {
        self as i16
    }

    /// Kafka's name for it.
    pub fn name(self) -> &'static str {
        super::names::api_name(self.key())
    }
}
