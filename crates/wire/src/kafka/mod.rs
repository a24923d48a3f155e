//! Kafka's protocol: frames, headers, and one `Request` and one `Response` variant per API we speak.
//!
//! The messages are kafka-protocol's structs (re-exported as [`messages`]) and, for what left Kafka with ZooKeeper,
//! those of [`crate::control`].

mod apis;
mod body;
mod codec;
pub mod consumer_protocol;
mod error;
mod frame;
mod guard;
mod names;
pub mod versions;

pub use apis::{Api, Request, Response};
pub(crate) use body::Body;
pub use codec::{
    EncodeError, RequestError, RequestHeader, ResponseError, decode_request, decode_response, encode_request,
    encode_response, unsupported_api_versions,
};
pub use error::ErrorCode;
pub use frame::{MAXIMUM_FRAME, describe_request, describe_response, frame_length};
pub use kafka_protocol::messages;
pub use kafka_protocol::messages::{BrokerId, GroupId, ProducerId, TopicName, TransactionalId};
pub use kafka_protocol::protocol::StrBytes;
pub use names::api_name;
