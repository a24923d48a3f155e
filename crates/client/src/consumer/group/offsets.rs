//! OffsetCommit and OffsetFetch.

use std::collections::BTreeMap;

use trace::{Name, Partition};
use wire::kafka::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use wire::kafka::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use wire::kafka::messages::offset_fetch_response::OffsetFetchResponsePartitions;
use wire::kafka::messages::{OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse};
use wire::kafka::{ErrorCode, Request, StrBytes};

use super::protocol::{group_id, member_id, text};
use crate::config::GroupConfig;
use crate::network::topic_name;

/// An offset to be committed, or committed: the next one to be read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CommitOffset {
    /// The next record's offset.
    pub offset: i64,
    /// The leader epoch of the record before it, or -1 (KIP-320).
    pub leader_epoch: i32,
}

pub(super) fn commit_request(
    config: &GroupConfig,
    member: Option<Name>,
    generation: i32,
    offsets: &BTreeMap<Partition, CommitOffset>,
) -> Request {
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for (partition, commit) in offsets {
        let entry = OffsetCommitRequestPartition::default()
            .with_partition_index(partition.index)
            .with_committed_offset(commit.offset)
            .with_committed_leader_epoch(commit.leader_epoch)
            .with_committed_metadata(Some(StrBytes::default()));
        // The map is in order, so a topic's partitions come together.
        match topics.last_mut().filter(|topic| topic.name.as_str() == partition.topic.as_str()) {
            Some(topic) => topic.partitions.push(entry),
            None => topics.push(
                OffsetCommitRequestTopic::default().with_name(topic_name(partition.topic)).with_partitions(vec![entry]),
            ),
        }
    }
    OffsetCommitRequest::default()
        .with_group_id(group_id(config))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(member_id(member))
        .with_group_instance_id(config.instance.filter(|_| generation >= 0).map(text))
        .with_topics(topics)
        .into()
}

/// What a response says about each partition.
pub(super) fn commit_errors(response: &OffsetCommitResponse) -> BTreeMap<Partition, ErrorCode> {
    let mut errors = BTreeMap::new();
    for topic in &response.topics {
        let name = Name::new(topic.name.as_str());
        for partition in &topic.partitions {
            let at = Partition { topic: name, index: partition.partition_index };
            errors.insert(at, ErrorCode::from_code(partition.error_code));
        }
    }
    errors
}

pub(super) fn fetch_request(config: &GroupConfig, partitions: impl IntoIterator<Item = Partition>) -> Request {
    let mut topics: BTreeMap<Name, Vec<i32>> = BTreeMap::new();
    partitions.into_iter().for_each(|partition| topics.entry(partition.topic).or_default().push(partition.index));
    let topics = topics.into_iter().map(|(topic, indexes)| {
        OffsetFetchRequestTopics::default().with_name(topic_name(topic)).with_partition_indexes(indexes)
    });
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group_id(config))
        .with_member_epoch(-1)
        .with_topics(Some(topics.collect()));
    OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(true).into()
}

/// What a response says about each partition: its committed offset, none if there is none, or an error.
pub(super) type Fetched = BTreeMap<Partition, Result<Option<CommitOffset>, ErrorCode>>;

/// Reads a response.
///
/// # Errors
/// The error that concerns the whole group.
pub(super) fn fetched(response: &OffsetFetchResponse) -> Result<Fetched, ErrorCode> {
    let group = response.groups.first().ok_or(ErrorCode::UnknownServerError)?;
    match ErrorCode::from_code(group.error_code) {
        ErrorCode::None => {}
        error => return Err(error),
    }
    let mut fetched = BTreeMap::new();
    for topic in &group.topics {
        let name = Name::new(topic.name.as_str());
        for partition in &topic.partitions {
            fetched.insert(Partition { topic: name, index: partition.partition_index }, committed(partition));
        }
    }
    Ok(fetched)
}

fn committed(partition: &OffsetFetchResponsePartitions) -> Result<Option<CommitOffset>, ErrorCode> {
    match ErrorCode::from_code(partition.error_code) {
        ErrorCode::None => {
            let (offset, leader_epoch) = (partition.committed_offset, partition.committed_leader_epoch);
            Ok((offset >= 0).then_some(CommitOffset { offset, leader_epoch }))
        }
        error => Err(error),
    }
}
