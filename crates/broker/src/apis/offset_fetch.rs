//! OffsetFetch: committed offsets, from the coordinator's memory.

use std::collections::BTreeMap;
use std::rc::Rc;

use trace::{EventId, EventKind, Name, Partition};
use wire::kafka::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use wire::kafka::messages::{OffsetFetchRequest, OffsetFetchResponse};
use wire::kafka::{ErrorCode, StrBytes};

use super::{Context, Reply};
use crate::broker::Broker;
use crate::group::records::OffsetValue;
use crate::util::{is_legal_topic, topic_name};

/// What is asked: some partitions by topic, or (none) all that have an offset.
type Wanted = Option<Vec<(String, Vec<i32>)>>;

/// What is found, by topic.
type Found = Vec<(String, Vec<(i32, Option<OffsetValue>)>)>;

/// Answers for one group, or from version 8 on for several. (`require_stable` asks for offsets without an open
/// transaction's commit under way; there are no transactional commits yet.)
pub fn handle(broker: &Rc<Broker>, context: Context, request: &OffsetFetchRequest) -> Reply {
    let mut cause = context.cause;
    if context.version >= 8 {
        let groups = request.groups.iter().map(|asked| {
            let topics = asked.topics.as_ref();
            let wanted = topics.map(|topics| {
                topics.iter().map(|it| (it.name.to_string(), it.partition_indexes.clone())).collect::<Vec<_>>()
            });
            let group = OffsetFetchResponseGroup::default().with_group_id(asked.group_id.clone());
            match fetch(broker, context, &asked.group_id, wanted, &mut cause) {
                Ok(found) => group.with_topics(found.into_iter().map(topics_of_group).collect()),
                Err(error) => group.with_error_code(error.code()),
            }
        });
        return (OffsetFetchResponse::default().with_groups(groups.collect()).into(), cause);
    }
    let wanted: Wanted = request
        .topics
        .as_ref()
        .map(|topics| topics.iter().map(|it| (it.name.to_string(), it.partition_indexes.clone())).collect::<Vec<_>>());
    let response = OffsetFetchResponse::default();
    let response = match fetch(broker, context, &request.group_id, wanted.clone(), &mut cause) {
        Ok(found) => response.with_topics(found.into_iter().map(|it| topic(it, ErrorCode::None)).collect()),
        // Version 1 has errors of partitions only.
        Err(error) if context.version < 2 => {
            let nothing =
                |(name, indexes): (String, Vec<i32>)| (name, indexes.into_iter().map(|it| (it, None)).collect());
            let topics = wanted.unwrap_or_default().into_iter().map(|it| topic(nothing(it), error));
            response.with_topics(topics.collect())
        }
        Err(error) => response.with_error_code(error.code()),
    };
    (response.into(), cause)
}

fn fetch(
    broker: &Broker,
    context: Context,
    group: &str,
    wanted: Wanted,
    cause: &mut EventId,
) -> Result<Found, ErrorCode> {
    let found = broker.groups.look(group, |group| {
        let value = |topic: &str, index: i32| {
            let offsets = &group.filter(|_| is_legal_topic(topic))?.offsets;
            offsets.get(Partition::new(topic, index)).map(|committed| committed.value.clone())
        };
        match wanted {
            Some(topics) => {
                let one = |(topic, indexes): (String, Vec<i32>)| {
                    let found = indexes.iter().map(|index| (*index, value(&topic, *index))).collect();
                    (topic, found)
                };
                topics.into_iter().map(one).collect::<Found>()
            }
            None => {
                let mut all: BTreeMap<String, Vec<(i32, Option<OffsetValue>)>> = BTreeMap::new();
                for (partition, committed) in group.iter().flat_map(|group| group.offsets.all()) {
                    let found = (partition.index, Some(committed.value.clone()));
                    all.entry(partition.topic.to_string()).or_default().push(found);
                }
                all.into_iter().collect()
            }
        }
    })?;
    for (topic, partitions) in found.iter().filter(|(topic, _)| is_legal_topic(topic)) {
        for (index, value) in partitions {
            let (group, partition) = (Name::new(group), Partition::new(topic, *index));
            let offset = value.as_ref().map_or(-1, |it| it.offset);
            *cause =
                broker.host.emit(*cause, EventKind::OffsetServed { group, partition, offset, client: context.peer });
        }
    }
    Ok(found)
}

type FoundTopic = (String, Vec<(i32, Option<OffsetValue>)>);

/// Offset, leader epoch and metadata as they are told.
fn told(value: Option<OffsetValue>) -> (i64, i32, Option<StrBytes>) {
    match value {
        Some(it) => (it.offset, it.leader_epoch, Some(StrBytes::from_string(it.metadata))),
        None => (-1, -1, Some(StrBytes::default())),
    }
}

fn topic((name, partitions): FoundTopic, error: ErrorCode) -> OffsetFetchResponseTopic {
    let partition = |(index, value)| {
        let (offset, leader_epoch, metadata) = told(value);
        OffsetFetchResponsePartition::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(leader_epoch)
            .with_metadata(metadata)
            .with_error_code(error.code())
    };
    let partitions = partitions.into_iter().map(partition).collect();
    OffsetFetchResponseTopic::default().with_name(topic_name(&name)).with_partitions(partitions)
}

fn topics_of_group((name, partitions): FoundTopic) -> OffsetFetchResponseTopics {
    let partition = |(index, value)| {
        let (offset, leader_epoch, metadata) = told(value);
        OffsetFetchResponsePartitions::default()
            .with_partition_index(index)
            .with_committed_offset(offset)
            .with_committed_leader_epoch(leader_epoch)
            .with_metadata(metadata)
    };
    let partitions = partitions.into_iter().map(partition).collect();
    OffsetFetchResponseTopics::default().with_name(topic_name(&name)).with_partitions(partitions)
}
