//! What members of a consumer group tell each other inside JoinGroup and SyncGroup: a version, then a body. To the coordinator it is
//! opaque.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use kafka_protocol::protocol::{Decodable, Encodable};

use super::guard;
use crate::codec::Malformed;

/// The highest version of both messages. A reader of an older version ignores what it does not know at the end.
const VERSION: i16 = 3;

/// A member's subscription, as its JoinGroup carries it.
pub fn encode_subscription(subscription: &ConsumerProtocolSubscription) -> Bytes {
    encode(subscription)
}

/// Reads a member's subscription.
///
/// # Errors
/// If the bytes are none.
pub fn decode_subscription(bytes: Bytes) -> Result<ConsumerProtocolSubscription, Malformed> {
    decode(bytes)
}

/// A member's assignment, as SyncGroup carries it.
pub fn encode_assignment(assignment: &ConsumerProtocolAssignment) -> Bytes {
    encode(assignment)
}

/// Reads a member's assignment; no bytes are an empty one.
///
/// # Errors
/// If the bytes are none.
pub fn decode_assignment(bytes: Bytes) -> Result<ConsumerProtocolAssignment, Malformed> {
    if bytes.is_empty() { Ok(ConsumerProtocolAssignment::default()) } else { decode(bytes) }
}

fn encode(message: &impl Encodable) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(VERSION);
    message.encode(&mut bytes, VERSION).expect("version 3 has every field");
    bytes.freeze()
}

fn decode<T: Decodable>(mut bytes: Bytes) -> Result<T, Malformed> {
    if bytes.len() < 2 {
        return Err(Malformed("no version of the consumer protocol"));
    }
    let version = i16::from_be_bytes(bytes.split_to(2)[..].try_into().expect("two bytes"));
    if version < 0 {
        return Err(Malformed("a negative version of the consumer protocol"));
    }
    guard::decode(bytes, version.min(VERSION), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::protocol::StrBytes;

    #[test]
    fn a_subscription_is_read_back_and_a_later_version_is_read_as_far_as_it_is_known() {
        let subscription = ConsumerProtocolSubscription::default()
            .with_topics(vec![StrBytes::from_static_str("orders")])
            .with_generation_id(7);
        let bytes = encode_subscription(&subscription);
        assert_eq!(decode_subscription(bytes.clone()), Ok(subscription.clone()));
        let mut later = bytes.to_vec();
        later[1] = 9;
        later.push(1);
        assert_eq!(decode_subscription(later.into()), Ok(subscription));
    }

    #[test]
    fn a_declared_length_allocates_nothing() {
        assert!(decode_subscription(Bytes::from_static(&[0, 3, 0x7f, 0xff, 0xff, 0xff])).is_err());
        assert!(decode_assignment(Bytes::from_static(&[0])).is_err());
    }
}
