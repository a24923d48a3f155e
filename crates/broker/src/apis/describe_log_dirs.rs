//! DescribeLogDirs: how large this broker's logs are. There is one data directory.

use std::collections::BTreeMap;
use std::rc::Rc;

use trace::Name;
use wire::kafka::StrBytes;
use wire::kafka::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use wire::kafka::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

use crate::broker::Broker;
use crate::replica_manager::Replica;
use crate::util::topic_name;

/// Answers for the partitions asked for, or all.
pub fn handle(broker: &Broker, request: &DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let wanted = |replica: &Rc<Replica>| {
        let of = replica.partition;
        request.topics.as_ref().is_none_or(|topics| {
            topics.iter().any(|it| it.topic.as_str() == of.topic.as_str() && it.partitions.contains(&of.index))
        })
    };
    let mut topics: BTreeMap<Name, Vec<DescribeLogDirsPartition>> = BTreeMap::new();
    for replica in broker.replicas.all().into_iter().filter(wanted) {
        topics.entry(replica.partition.topic).or_default().push(describe(&replica));
    }
    let topics = topics
        .into_iter()
        .map(|(name, partitions)| {
            DescribeLogDirsTopic::default().with_name(topic_name(name.as_str())).with_partitions(partitions)
        })
        .collect();
    let directory = DescribeLogDirsResult::default()
        .with_log_dir(StrBytes::from_string(broker.replicas.data_directory().to_owned()))
        .with_topics(topics);
    DescribeLogDirsResponse::default().with_results(vec![directory])
}

fn describe(replica: &Replica) -> DescribeLogDirsPartition {
    DescribeLogDirsPartition::default()
        .with_partition_index(replica.partition.index)
        .with_partition_size(i64::try_from(replica.size()).unwrap_or(i64::MAX))
        .with_offset_lag((replica.high_watermark() - replica.log_end()).max(0))
}
