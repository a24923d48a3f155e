//! What consumers write in their subscriptions and assignments, as far as a coordinator looks into it.

use std::collections::BTreeSet;

use bytes::Bytes;
use trace::Partition;
use wire::codec::Malformed;
use wire::kafka::consumer_protocol::{decode_assignment, decode_subscription};

use crate::util::is_legal_topic;

/// The protocol type of consumers.
pub const CONSUMER: &str = "consumer";

/// The topics that a consumer subscribes to.
///
/// # Errors
/// If the bytes are malformed.
pub fn subscribed_topics(subscription: &Bytes) -> Result<BTreeSet<String>, Malformed> {
    let subscription = decode_subscription(subscription.clone())?;
    Ok(subscription.topics.iter().map(ToString::to_string).collect())
}

/// The partitions that a consumer is assigned; none if it is empty.
///
/// # Errors
/// If the bytes are malformed.
pub fn assigned_partitions(assignment: &Bytes) -> Result<Vec<Partition>, Malformed> {
    let assignment = decode_assignment(assignment.clone())?;
    let mut partitions = Vec::new();
    for assigned in &assignment.assigned_partitions {
        if !is_legal_topic(assigned.topic.as_str()) {
            return Err(Malformed("an illegal topic"));
        }
        partitions.extend(assigned.partitions.iter().map(|index| Partition::new(assigned.topic.as_str(), *index)));
    }
    Ok(partitions)
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
