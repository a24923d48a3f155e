//! What consumers write in their subscriptions and assignments, as far as a coordinator looks into it.

use std::collections::BTreeSet;

use bytes::Bytes;
use trace::Partition;
use wire::codec::{Malformed, Reader};

use crate::util::is_legal_topic;

/// The protocol type of consumers.
pub const CONSUMER: &str = "consumer";

/// The topics that a consumer subscribes to (ConsumerProtocolSubscription, all versions).
///
/// # Errors
/// If the bytes are malformed.
pub fn subscribed_topics(subscription: &Bytes) -> Result<BTreeSet<String>, Malformed> {
    let mut reader = Reader::new(subscription.clone());
    reader.i16()?;
    let mut topics = BTreeSet::new();
    for _ in 0..reader.i32()? {
        topics.insert(string(&mut reader)?);
    }
    Ok(topics)
}

/// The partitions that a consumer is assigned (ConsumerProtocolAssignment, all versions); none if it is empty.
///
/// # Errors
/// If the bytes are malformed.
pub fn assigned_partitions(assignment: &Bytes) -> Result<Vec<Partition>, Malformed> {
    let mut partitions = Vec::new();
    if assignment.is_empty() {
        return Ok(partitions);
    }
    let mut reader = Reader::new(assignment.clone());
    reader.i16()?;
    for _ in 0..reader.i32()? {
        let topic = string(&mut reader)?;
        if !is_legal_topic(&topic) {
            return Err(Malformed("an illegal topic"));
        }
        for _ in 0..reader.i32()? {
            partitions.push(Partition::new(&topic, reader.i32()?));
        }
    }
    Ok(partitions)
}

fn string(reader: &mut Reader) -> Result<String, Malformed> {
    let text = reader.nullable_string()?.ok_or(Malformed("null where a string is required"))?;
    Ok(text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_partitions_are_found_whatever_follows() {
        let subscription = Bytes::from_static(b"\0\x01\0\0\0\x02\0\x01b\0\x01a\xff\xff\xff\xff\0\0\0\0");
        assert_eq!(subscribed_topics(&subscription), Ok(BTreeSet::from(["a".to_owned(), "b".to_owned()])));
        let assignment = Bytes::from_static(b"\0\0\0\0\0\x01\0\x01a\0\0\0\x02\0\0\0\x01\0\0\0\x04\xff\xff\xff\xff");
        assert_eq!(assigned_partitions(&assignment), Ok(vec![Partition::new("a", 1), Partition::new("a", 4)]));
        assert_eq!(assigned_partitions(&Bytes::new()), Ok(vec![]));
        assert!(subscribed_topics(&Bytes::from_static(b"\0\x01\x7f\xff\xff\xff")).is_err());
    }
}
