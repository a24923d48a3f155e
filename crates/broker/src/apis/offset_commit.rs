//! OffsetCommit: written to the group's partition of `__consumer_offsets`; known from when it is replicated there.

use std::rc::Rc;

use trace::{EventId, EventKind, Name, Partition};
use wire::kafka::ErrorCode;
use wire::kafka::messages::offset_commit_request::OffsetCommitRequestPartition;
use wire::kafka::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use wire::kafka::messages::{OffsetCommitRequest, OffsetCommitResponse};

use super::{Context, Reply};
use crate::broker::Broker;
use crate::group::coordinator::decide;
use crate::group::offsets::Committed;
use crate::group::records::{LONGEST_TEXT, OffsetValue};
use crate::group::store;
use crate::util::is_legal_topic;

/// One partition's commit: which topic of the request it belongs to, and what became of it.
struct Part {
    topic: usize,
    index: i32,
    partition: Option<Partition>,
    result: Result<OffsetValue, ErrorCode>,
}

/// Checks, writes, answers.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: &OffsetCommitRequest) -> Reply {
    let mut cause = context.cause;
    let mut parts = parts(broker, request);
    let accepted: Vec<(Partition, OffsetValue)> =
        parts.iter().filter_map(|part| Some((part.partition?, part.result.clone().ok()?))).collect();
    if let Err(error) = commit(broker, request, &accepted, &mut cause).await {
        parts.iter_mut().filter(|part| part.result.is_ok()).for_each(|part| part.result = Err(error));
    }
    for part in &parts {
        if let (Some(partition), Err(error)) = (part.partition, &part.result) {
            let (group, member) = (Name::new(&request.group_id), Name::new(&request.member_id));
            let (generation, error) = (request.generation_id_or_member_epoch, Name::new(error.name()));
            let refused = EventKind::OffsetCommitRefused { group, partition, member, generation, error };
            cause = broker.host.emit(cause, refused);
        }
    }
    (respond(request, &parts).into(), cause)
}

fn parts(broker: &Broker, request: &OffsetCommitRequest) -> Vec<Part> {
    let mut parts = Vec::new();
    for (topic, data) in request.topics.iter().enumerate() {
        let name = data.name.as_str();
        for it in &data.partitions {
            let index = it.partition_index;
            let partition = is_legal_topic(name).then(|| Partition::new(name, index));
            let is_known = broker.metadata.borrow().partition(name, index).is_some();
            let result = if is_known { value(broker, request, it) } else { Err(ErrorCode::UnknownTopicOrPartition) };
            parts.push(Part { topic, index, partition, result });
        }
    }
    parts
}

fn value(
    broker: &Broker,
    request: &OffsetCommitRequest,
    it: &OffsetCommitRequestPartition,
) -> Result<OffsetValue, ErrorCode> {
    let metadata = it.committed_metadata.as_deref().unwrap_or_default();
    let most = usize::try_from(broker.settings.offset_metadata_max_bytes).unwrap_or(usize::MAX);
    if metadata.len() > most.min(LONGEST_TEXT) {
        return Err(ErrorCode::OffsetMetadataTooLarge);
    }
    let commit_timestamp = broker.host.wall();
    let retention = Some(request.retention_time_ms).filter(|ms| *ms != -1);
    Ok(OffsetValue {
        offset: it.committed_offset,
        leader_epoch: it.committed_leader_epoch,
        metadata: metadata.to_owned(),
        commit_timestamp,
        expire_timestamp: retention.map(|ms| commit_timestamp.saturating_add(ms)),
    })
}

async fn commit(
    broker: &Rc<Broker>,
    request: &OffsetCommitRequest,
    accepted: &[(Partition, OffsetValue)],
    cause: &mut EventId,
) -> Result<(), ErrorCode> {
    let group = request.group_id.as_str();
    let (member, generation) = (request.member_id.as_str(), request.generation_id_or_member_epoch);
    let instance = request.group_instance_id.as_deref();
    if group.len() > LONGEST_TEXT {
        return Err(ErrorCode::InvalidGroupId);
    }
    let index = broker.groups.shard_of(group)?;
    if generation < 0 {
        // The group may use Kafka for its offsets alone.
        broker.groups.ensure(index, group);
    }
    let checked = decide(broker, index, group, *cause, |group, turn| {
        group.check_commit(member, instance, generation, turn)?;
        accepted.iter().for_each(|(partition, _)| group.offsets.begin(*partition));
        Ok(())
    });
    checked.ok_or(ErrorCode::IllegalGeneration)?.0?;
    if accepted.is_empty() {
        return Ok(());
    }
    let written = store::write_offsets(broker, index, group, accepted, *cause).await;
    let event = written.map_or(*cause, |(_, event)| event);
    let done = decide(broker, index, group, event, |group, turn| {
        for (place, (partition, value)) in accepted.iter().enumerate() {
            let at = written.map(|(base, _)| base + place as i64).ok();
            group.offsets.finish(*partition, at.map(|at| Committed { value: value.clone(), at }));
            if let Some(at) = at {
                let (offset, partition, member) = (value.offset, *partition, Name::new(member));
                turn.emit(EventKind::OffsetCommitted { group: group.name, partition, offset, member, generation, at });
            }
        }
    });
    if let Some(((), event)) = done {
        *cause = event;
    }
    written.map(|_| ())
}

fn respond(request: &OffsetCommitRequest, parts: &[Part]) -> OffsetCommitResponse {
    let topic = |it: &wire::kafka::messages::offset_commit_request::OffsetCommitRequestTopic| {
        OffsetCommitResponseTopic::default().with_name(it.name.clone())
    };
    let mut topics: Vec<OffsetCommitResponseTopic> = request.topics.iter().map(topic).collect();
    for part in parts {
        let response = OffsetCommitResponsePartition::default()
            .with_partition_index(part.index)
            .with_error_code(crate::util::code(&part.result));
        topics[part.topic].partitions.push(response);
    }
    OffsetCommitResponse::default().with_topics(topics)
}
