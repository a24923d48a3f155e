//! ZooKeeper's client protocol, both sides, in its own encoding, jute.
//!
//! A session begins with [`ConnectRequest`] and [`ConnectResponse`], which have no header. Then each request goes after
//! a [`RequestHeader`], each reply after a [`ReplyHeader`], and a [`WatcherEvent`] comes as a reply to nobody.
//! [`Encoder`] and [`Decoder`] are public: members of an ensemble speak jute among themselves too.

mod code;
mod error;
mod frame;
mod multi;
mod primitives;
mod record;
mod request;
mod response;

pub use code::{AddWatchMode, CreateMode, EventType, KeeperState, OpCode, WatcherType, permission, xid};
pub use error::ErrorCode;
pub use frame::{MAXIMUM_FRAME, MAXIMUM_REQUEST, describe, four_letter_word, frame_length, text_length};
pub use multi::{Operation, OperationResult};
pub use primitives::{Decoder, Encoder, JuteError};
pub use record::{Acl, ConnectRequest, ConnectResponse, Id, ReplyHeader, RequestHeader, Stat, WatcherEvent};
pub use request::{Request, RequestError, decode_request, encode_request};
pub use response::{Reply, Response, decode_reply, encode_error, encode_event, encode_reply};
