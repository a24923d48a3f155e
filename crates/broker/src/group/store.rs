//! Writing to `__consumer_offsets`: appended like any producer's batch, and replicated before it counts.

use std::rc::Rc;

use bytes::Bytes;
use trace::{EventId, Partition};
use wire::batch::BatchBuilder;
use wire::kafka::ErrorCode;

use super::OFFSETS_TOPIC;
use super::coordinator::decide;
use super::records::{GroupValue, Key, OffsetValue};
use super::turn::Then;
use crate::broker::Broker;
use crate::config::milliseconds;
use crate::replica_manager::Written;

/// Appends a batch and waits until it is replicated (`offsets.commit.required.acks`, `offsets.commit.timeout.ms`). Returns
/// also the event that made it so.
///
/// # Errors
/// As Produce would answer.
async fn append(
    broker: &Rc<Broker>,
    index: i32,
    batch: Bytes,
    acks: i16,
    cause: EventId,
) -> Result<(Written, EventId), ErrorCode> {
    let replica = broker.replicas.find_or_error(OFFSETS_TOPIC, index)?;
    let written = broker.replicas.append(&replica, batch, acks, cause).await?;
    if acks != -1 {
        return Ok((written, written.event));
    }
    let watch = broker.replicas.produced.watch(vec![replica.partition]);
    let hasty = broker.host.buggify("broker/commit-times-out", cause);
    let patience = if hasty { 0 } else { broker.settings.offsets_commit_timeout_ms };
    let deadline = broker.host.now() + milliseconds(patience);
    let mut event = written.event;
    loop {
        match replica.fate(written.last_offset + 1, written.since) {
            Some(ErrorCode::None) => return Ok((written, event)),
            Some(error) => return Err(error),
            None => match broker.host.timeout(deadline - broker.host.now(), watch.changed()).await {
                Ok(changed) => event = changed,
                Err(_elapsed) => return Err(ErrorCode::RequestTimedOut),
            },
        }
    }
}

fn required_acks(broker: &Broker) -> i16 {
    i16::try_from(broker.settings.offsets_commit_required_acks).unwrap_or(-1)
}

/// Writes committed offsets; returns the offset of the first one's record and the event that made it replicated.
///
/// # Errors
/// What the client is told.
pub async fn write_offsets(
    broker: &Rc<Broker>,
    index: i32,
    group: &str,
    commits: &[(Partition, OffsetValue)],
    cause: EventId,
) -> Result<(i64, EventId), ErrorCode> {
    let wall = broker.host.wall();
    let mut batch = BatchBuilder::default();
    for (partition, value) in commits {
        batch.append(wall, Some(&offset_key(group, *partition)), Some(&value.encode()), &[]);
    }
    let written = append(broker, index, batch.build(0, -1), required_acks(broker), cause).await;
    let (written, event) = written.map_err(|error| match error {
        // The client may wonder for itself whether it was stored.
        ErrorCode::RequestTimedOut => ErrorCode::RequestTimedOut,
        other => group_error(other, ErrorCode::InvalidCommitOffsetSize),
    })?;
    Ok((written.base_offset, event))
}

/// Writes a group's record, and lets the group go on.
pub(super) async fn store_group(
    broker: Rc<Broker>,
    index: i32,
    load: u64,
    name: String,
    value: GroupValue,
    then: Then,
    cause: EventId,
) {
    let mut batch = BatchBuilder::default();
    let key = Key::Group { group: name.clone() }.encode();
    batch.append(broker.host.wall(), Some(&key), Some(&value.encode()), &[]);
    let result = append(&broker, index, batch.build(0, -1), required_acks(&broker), cause).await;
    let (error, event) = match result {
        Ok((_, event)) => (ErrorCode::None, event),
        Err(error) => (group_error(error, ErrorCode::UnknownServerError), cause),
    };
    // Another load read what was written, or will not know it: its group is not the one that waits here.
    let is_same = broker.groups.shards.borrow().get(&index).is_some_and(|shard| shard.load == load);
    if is_same {
        decide(&broker, index, &name, event, |group, turn| group.stored(then, error, turn));
    }
}

/// What a client is told when the log refuses what its group wants to write: where to look for the coordinator, or `too_large`.
fn group_error(error: ErrorCode, too_large: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::NotEnoughReplicasAfterAppend
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => too_large,
        other => other,
    }
}

/// Writes that offsets, and perhaps their group, are no more.
pub(super) async fn write_tombstones(
    broker: &Rc<Broker>,
    index: i32,
    name: &str,
    partitions: &[Partition],
    group: bool,
    cause: EventId,
) -> Result<(), ErrorCode> {
    let wall = broker.host.wall();
    let mut batch = BatchBuilder::default();
    for partition in partitions {
        batch.append(wall, Some(&offset_key(name, *partition)), None, &[]);
    }
    if group {
        batch.append(wall, Some(&Key::Group { group: name.to_owned() }.encode()), None, &[]);
    }
    if batch.is_empty() {
        return Ok(());
    }
    let written = append(broker, index, batch.build(0, -1), 0, cause).await;
    written.map(|_| ()).map_err(|error| group_error(error, ErrorCode::UnknownServerError))
}

fn offset_key(group: &str, partition: Partition) -> Bytes {
    let topic = partition.topic.to_string();
    Key::Offset { group: group.to_owned(), topic, partition: partition.index }.encode()
}
