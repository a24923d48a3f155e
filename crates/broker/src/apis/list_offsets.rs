//! ListOffsets: a log's start, its end as the asker may see it, or the first offset from a time on.

use std::rc::Rc;

use trace::{EventId, EventKind, Partition};
use wire::kafka::ErrorCode;
use wire::kafka::messages::list_offsets_request::ListOffsetsPartition;
use wire::kafka::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use wire::kafka::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::{Context, Reply};
use crate::broker::Broker;
use crate::flaws::Flaw;

/// Asks for the end.
pub const LATEST: i64 = -1;
/// Asks for the start.
pub const EARLIEST: i64 = -2;
/// Asks for the record with the greatest timestamp (KIP-734).
pub const MAX_TIMESTAMP: i64 = -3;

/// What was found.
struct Found {
    offset: i64,
    timestamp: i64,
    leader_epoch: i32,
}

/// Answers for each partition asked.
pub fn handle(broker: &Rc<Broker>, context: Context, request: &ListOffsetsRequest) -> Reply {
    let follower = request.replica_id.0 >= 0;
    let mut cause = context.cause;
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let found = lookup(broker, topic.name.as_str(), asked, follower);
            if let (false, Ok(found)) = (follower, &found) {
                cause = told(broker, context, Partition::new(topic.name.as_str(), asked.partition_index), asked, found);
            }
            respond(context, asked.partition_index, found)
        });
        ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    (ListOffsetsResponse::default().with_topics(topics.collect()).into(), cause)
}

/// Says in the trace what a client is told.
fn told(
    broker: &Broker,
    context: Context,
    partition: Partition,
    asked: &ListOffsetsPartition,
    found: &Found,
) -> EventId {
    let (asked, offset, leader_epoch) = (asked.timestamp, found.offset, found.leader_epoch);
    let listed = EventKind::OffsetListed { partition, asked, offset, leader_epoch, client: context.peer };
    broker.host.emit(context.cause, listed)
}

fn lookup(broker: &Broker, topic: &str, asked: &ListOffsetsPartition, follower: bool) -> Result<Found, ErrorCode> {
    let replica = broker.replicas.find_or_error(topic, asked.partition_index)?;
    let offsets = replica.as_leader(asked.current_leader_epoch)?;
    let bound = if follower { offsets.log_end } else { offsets.high_watermark };
    // A new leader's high watermark lags what its predecessor showed: not before it is past the epoch's start may
    // anybody hear of it (KIP-207).
    let lagging = !follower && offsets.high_watermark < offsets.epoch_start;
    let lagging = lagging && !broker.flaws.has(Flaw::HwBackwardListOffsets);
    let (offset, timestamp) = match asked.timestamp {
        LATEST if lagging => return Err(ErrorCode::OffsetNotAvailable),
        LATEST => (bound, -1),
        EARLIEST => (offsets.log_start, -1),
        MAX_TIMESTAMP => match replica.offset_of_max_timestamp()?.filter(|(offset, _)| *offset < bound) {
            Some(found) => found,
            None => return Ok(Found { offset: -1, timestamp: -1, leader_epoch: -1 }),
        },
        timestamp if timestamp < 0 => return Err(ErrorCode::UnsupportedForMessageFormat),
        timestamp => match replica.offset_for_timestamp(timestamp)?.filter(|(offset, _)| *offset < bound) {
            Some(found) => found,
            None if lagging => return Err(ErrorCode::OffsetNotAvailable),
            None => return Ok(Found { offset: -1, timestamp: -1, leader_epoch: -1 }),
        },
    };
    Ok(Found { offset, timestamp, leader_epoch: offsets.leader_epoch })
}

fn respond(context: Context, index: i32, found: Result<Found, ErrorCode>) -> ListOffsetsPartitionResponse {
    let response = ListOffsetsPartitionResponse::default().with_partition_index(index);
    match found {
        Ok(found) => {
            let response = response.with_offset(found.offset).with_timestamp(found.timestamp);
            if context.version >= 4 { response.with_leader_epoch(found.leader_epoch) } else { response }
        }
        Err(error) => {
            // Clients before version 5 do not know this one, and retry that one.
            let old = context.version < 5 && error == ErrorCode::OffsetNotAvailable;
            let error = if old { ErrorCode::LeaderNotAvailable } else { error };
            response.with_error_code(error.code()).with_offset(-1).with_timestamp(-1)
        }
    }
}
