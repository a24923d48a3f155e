//! Fetch: consumers read below the high watermark, followers to the log's end; who finds too little waits.
//!
//! Sessions (KIP-227) are not kept: every fetch names all its partitions, which the protocol allows a server to ask for.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use log::{AppendedBatch, EpochEnd};
use trace::{EventId, EventKind, Partition};
use wire::kafka::ErrorCode;
use wire::kafka::messages::fetch_request::FetchPartition;
use wire::kafka::messages::fetch_response::{EpochEndOffset, FetchableTopicResponse, PartitionData};
use wire::kafka::messages::{FetchRequest, FetchResponse};

use super::{Context, Reply};
use crate::broker::Broker;
use crate::flaws::Flaw;
use crate::purgatory::Found;
use crate::replica_manager::{Offsets, Replica};

/// What one partition has for the reader.
struct Read {
    replica: Option<Rc<Replica>>,
    error: ErrorCode,
    offsets: Option<Offsets>,
    diverging: Option<(i32, i64)>,
    records: Bytes,
    batches: Vec<AppendedBatch>,
}

/// Reads; waits up to `max_wait_ms` for `min_bytes`; answers.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: FetchRequest) -> Reply {
    if request.session_id != 0 {
        let unknown = FetchResponse::default().with_error_code(ErrorCode::FetchSessionIdNotFound.code());
        return (unknown.into(), context.cause);
    }
    let follower = request.replica_id.0 >= 0;
    let deadline = broker.host.now() + Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    // Watching begins before the first look: what changes in between is not missed.
    let purgatory = if follower { &broker.replicas.replicated } else { &broker.replicas.consumed };
    let partitions = known_partitions(broker, &request);
    let watch = purgatory.watch(partitions.clone());
    let mut cause = context.cause;
    let mut reads = read_all(broker, &request, true, cause);
    while !found(&reads).suffices(request.min_bytes) && !partitions.is_empty() {
        let left = deadline - broker.host.now();
        if left.is_zero() {
            break;
        }
        let changed = broker.host.timeout(left, watch.changed()).await;
        if let Ok(changed) = changed {
            cause = changed;
        }
        reads = read_all(broker, &request, false, cause);
        if changed.is_err() {
            cause = context.cause;
            break;
        }
    }
    if !follower {
        cause = served(broker, context, &reads, cause);
    }
    (respond(context, &request, reads).into(), cause)
}

fn known_partitions(broker: &Broker, request: &FetchRequest) -> Vec<Partition> {
    let all =
        request.topics.iter().flat_map(|topic| topic.partitions.iter().map(move |it| (&topic.topic, it.partition)));
    all.filter_map(|(topic, index)| broker.replicas.find(topic.as_str(), index)).map(|it| it.partition).collect()
}

fn found(reads: &[Read]) -> Found {
    let urgent = |read: &Read| !read.error.is_none() || read.diverging.is_some();
    Found { bytes: reads.iter().map(|read| read.records.len()).sum(), urgent: reads.iter().any(urgent) }
}

/// Looks at every partition in the request's order, until `max_bytes` are found. The first batch comes in any case.
fn read_all(broker: &Rc<Broker>, request: &FetchRequest, first_look: bool, cause: EventId) -> Vec<Read> {
    let mut left = usize::try_from(request.max_bytes).unwrap_or(0);
    if broker.host.buggify("broker/fetch-one-batch", cause) {
        left = 1;
    }
    let mut empty = true;
    let mut reads = Vec::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let limit = usize::try_from(partition.partition_max_bytes).unwrap_or(0).min(left);
            let read = read(broker, request, topic.topic.as_str(), partition, (limit, empty), first_look, cause);
            left = left.saturating_sub(read.records.len());
            empty &= read.records.is_empty();
            reads.push(read);
        }
    }
    reads
}

fn read(
    broker: &Rc<Broker>,
    request: &FetchRequest,
    topic: &str,
    asked: &FetchPartition,
    (max_bytes, at_least_one): (usize, bool),
    first_look: bool,
    cause: EventId,
) -> Read {
    let mut read = Read {
        replica: None,
        error: ErrorCode::None,
        offsets: None,
        diverging: None,
        records: Bytes::new(),
        batches: Vec::new(),
    };
    let result = broker.replicas.find_or_error(topic, asked.partition).and_then(|replica| {
        let offsets = replica.as_leader(asked.current_leader_epoch)?;
        read.replica = Some(replica.clone());
        let follower = request.replica_id.0;
        if follower >= 0 && !replica.has_follower(follower) {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        read.diverging = diverging(&replica, asked)?;
        let bound = if follower >= 0 { offsets.log_end } else { offsets.high_watermark };
        if read.diverging.is_none() {
            let found = replica.read(asked.fetch_offset, max_bytes, bound, at_least_one)?;
            (read.records, read.batches) = (found.bytes, found.batches);
        }
        // Only now: a fetch outside of the log, or diverging from it, proves nothing about the follower's log.
        let counts = read.diverging.is_none() || broker.flaws.has(Flaw::DivergingFetchCounts);
        if follower >= 0 && first_look && counts {
            broker.replicas.follower_fetched(&replica, follower, asked.fetch_offset, cause);
        }
        read.offsets = Some(offsets);
        Ok(())
    });
    read.error = result.err().unwrap_or_default();
    read
}

/// Where the reader's log leaves the leader's, if the epoch of its last record ends earlier here (KIP-595).
///
/// # Errors
/// `OFFSET_OUT_OF_RANGE` if this log knows nothing of the epoch.
fn diverging(replica: &Replica, asked: &FetchPartition) -> Result<Option<(i32, i64)>, ErrorCode> {
    if asked.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let end = replica.epoch_end(asked.last_fetched_epoch);
    if end == EpochEnd::UNDEFINED {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let diverges = end.epoch < asked.last_fetched_epoch || end.end_offset < asked.fetch_offset;
    Ok(diverges.then_some((end.epoch, end.end_offset)))
}

/// Says in the trace what a consumer is given; returns what the response is caused by.
fn served(broker: &Broker, context: Context, reads: &[Read], cause: EventId) -> EventId {
    let mut last = cause;
    for read in reads {
        let (Some(replica), Some(offsets)) = (&read.replica, &read.offsets) else { continue };
        for batch in &read.batches {
            let served = EventKind::Served {
                partition: replica.partition,
                base_offset: batch.base_offset,
                high_watermark: offsets.high_watermark,
                records: u32::try_from(batch.last_offset - batch.base_offset + 1).unwrap_or(u32::MAX),
                crc: batch.crc,
                leader_epoch: batch.leader_epoch,
                client: context.peer,
            };
            last = broker.host.emit(cause, served);
        }
    }
    last
}

fn respond(context: Context, request: &FetchRequest, reads: Vec<Read>) -> FetchResponse {
    let mut reads = reads.into_iter();
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let read = reads.next().expect("one read for each partition asked");
            partition_data(context, asked.partition, read)
        });
        FetchableTopicResponse::default().with_topic(topic.topic.clone()).with_partitions(partitions.collect())
    });
    FetchResponse::default().with_responses(topics.collect())
}

fn partition_data(context: Context, index: i32, read: Read) -> PartitionData {
    let offsets = read.offsets.map_or((-1, -1), |offsets| (offsets.high_watermark, offsets.log_start));
    let data = PartitionData::default()
        .with_partition_index(index)
        .with_error_code(read.error.code())
        .with_high_watermark(offsets.0)
        .with_last_stable_offset(offsets.0)
        .with_log_start_offset(offsets.1)
        .with_aborted_transactions(None)
        .with_records(Some(read.records));
    match read.diverging {
        Some((epoch, end_offset)) if context.version >= 12 => {
            data.with_diverging_epoch(EpochEndOffset::default().with_epoch(epoch).with_end_offset(end_offset))
        }
        _ => data,
    }
}
