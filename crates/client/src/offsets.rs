//! ListOffsets, asked of all the leaders that know.

use std::collections::BTreeMap;

use host::Time;
use trace::{EventId, Partition};
use wire::kafka::messages::ListOffsetsRequest;
use wire::kafka::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use wire::kafka::messages::list_offsets_response::ListOffsetsPartitionResponse;
use wire::kafka::{BrokerId, ErrorCode, Request, Response};

use crate::config::Isolation;
use crate::consumer::{Remedy, remedy};
use crate::error::ClientError;
use crate::network::{Network, Reply, topic_name, until};

/// Which offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OffsetSpec {
    /// The log start.
    Earliest,
    /// The end of what this isolation level may read.
    Latest,
    /// The first record with this timestamp (ms) or a later one; -1 if there is none.
    Timestamp(i64),
}

impl OffsetSpec {
    /// The number on the wire.
    pub(crate) const fn timestamp(self) -> i64 {
        match self {
            OffsetSpec::Earliest => -2,
            OffsetSpec::Latest => -1,
            OffsetSpec::Timestamp(at) => at,
        }
    }
}

/// A request for these partitions, each with the leader epoch believed in.
pub(crate) fn list_offsets_request(asked: &[(Partition, i32, OffsetSpec)], isolation: Isolation) -> Request {
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    for (partition, leader_epoch, spec) in asked {
        let entry = ListOffsetsPartition::default()
            .with_partition_index(partition.index)
            .with_current_leader_epoch(*leader_epoch)
            .with_timestamp(spec.timestamp());
        match topics.iter_mut().find(|topic| topic.name.as_str() == partition.topic.as_str()) {
            Some(topic) => topic.partitions.push(entry),
            None => topics
                .push(ListOffsetsTopic::default().with_name(topic_name(partition.topic)).with_partitions(vec![entry])),
        }
    }
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(isolation.code())
        .with_topics(topics)
        .into()
}

/// What a response says about each partition.
pub(crate) fn listed(response: &Response) -> BTreeMap<Partition, &ListOffsetsPartitionResponse> {
    let Response::ListOffsets(response) = response else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for topic in &response.topics {
        let name = trace::Name::new(topic.name.as_str());
        for partition in &topic.partitions {
            found.insert(Partition { topic: name, index: partition.partition_index }, partition);
        }
    }
    found
}

/// The offset of each partition, retried until all are known.
///
/// # Errors
/// If that takes longer than `deadline`, or an error will not pass.
pub(crate) async fn list_offsets(
    network: &Network,
    cause: EventId,
    partitions: &[Partition],
    spec: OffsetSpec,
    isolation: Isolation,
    deadline: Time,
) -> Result<BTreeMap<Partition, i64>, ClientError> {
    partitions.iter().for_each(|partition| network.add_interest(partition.topic, cause));
    let asking = async {
        let mut known = BTreeMap::new();
        let mut failures = 0;
        loop {
            let mut by_leader: BTreeMap<i32, Vec<(Partition, i32, OffsetSpec)>> = BTreeMap::new();
            for partition in partitions.iter().filter(|partition| !known.contains_key(*partition)) {
                let leadership = network.leadership(*partition);
                if let Some(leader) = leadership.leader {
                    by_leader.entry(leader).or_default().push((*partition, leadership.epoch, spec));
                }
            }
            for (leader, asked) in by_leader {
                let request = list_offsets_request(&asked, isolation);
                if let Ok(Reply { response: Some(response), .. }) = network.call(leader, cause, &request).await {
                    take_offsets(&response, &mut known)?;
                }
            }
            if partitions.iter().all(|partition| known.contains_key(partition)) {
                return Ok(known);
            }
            failures += 1;
            network.request_refresh(cause);
            network.host().sleep(network.config().retry().after(failures, network.random())).await;
        }
    };
    until(network.host(), deadline, asking).await.unwrap_or(Err(ClientError::TimedOut))
}

fn take_offsets(response: &Response, known: &mut BTreeMap<Partition, i64>) -> Result<(), ClientError> {
    for (partition, answer) in listed(response) {
        let error = ErrorCode::from_code(answer.error_code);
        if error.is_none() {
            known.insert(partition, answer.offset);
        } else if remedy(error) == Remedy::Stop {
            return Err(ClientError::Topic { topic: partition.topic, error });
        }
    }
    Ok(())
}
