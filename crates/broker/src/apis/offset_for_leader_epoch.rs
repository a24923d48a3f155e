//! OffsetForLeaderEpoch: where an epoch ends in the leader's log, so that others can cut what diverges (KIP-101).

use std::rc::Rc;

use wire::kafka::ErrorCode;
use wire::kafka::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use wire::kafka::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use wire::kafka::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use crate::broker::Broker;
use crate::flaws::Flaw;

/// Answers for each partition asked: the largest epoch up to the one asked for, and its end.
pub fn handle(broker: &Rc<Broker>, request: &OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let response = EpochEndOffset::default().with_partition(asked.partition);
            match epoch_end(broker, topic.topic.as_str(), asked) {
                Ok((epoch, end)) => response.with_leader_epoch(epoch).with_end_offset(end),
                Err(error) => response.with_error_code(error.code()).with_leader_epoch(-1).with_end_offset(-1),
            }
        });
        OffsetForLeaderTopicResult::default().with_topic(topic.topic.clone()).with_partitions(partitions.collect())
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

fn epoch_end(broker: &Broker, topic: &str, asked: &OffsetForLeaderPartition) -> Result<(i32, i64), ErrorCode> {
    let replica = broker.replicas.find_or_error(topic, asked.partition)?;
    replica.as_leader(asked.current_leader_epoch)?;
    let end = replica.epoch_end(asked.leader_epoch);
    // Before KIP-279 the answer had no epoch, and a follower had to take the end for that of the epoch it asked for.
    let epoch = if broker.flaws.has(Flaw::FastFailoverDivergence) { -1 } else { end.epoch };
    Ok((epoch, end.end_offset))
}
