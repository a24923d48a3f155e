//! OffsetDelete: committed offsets are forgotten, but of topics that the group reads.

use std::collections::BTreeMap;
use std::rc::Rc;

use trace::{EventId, Partition};
use wire::kafka::ErrorCode;
use wire::kafka::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use wire::kafka::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::{Context, Reply};
use crate::broker::Broker;
use crate::group::coordinator::{decide, forget_in_log};

/// Answers for each partition.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: &OffsetDeleteRequest) -> Reply {
    let mut cause = context.cause;
    let known = |topic: &str, index: i32| broker.metadata.borrow().partition(topic, index).is_some();
    let mut partitions = Vec::new();
    for topic in &request.topics {
        let indexes = topic.partitions.iter().map(|it| it.partition_index).filter(|index| known(&topic.name, *index));
        partitions.extend(indexes.map(|index| Partition::new(&topic.name, index)));
    }
    let answers = match delete(broker, &request.group_id, &partitions, &mut cause).await {
        Ok(answers) => answers,
        Err(error) => return (OffsetDeleteResponse::default().with_error_code(error.code()).into(), cause),
    };
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|it| {
            let index = it.partition_index;
            let answer = known(&topic.name, index).then(|| answers.get(&Partition::new(&topic.name, index))).flatten();
            let error = answer.copied().unwrap_or(ErrorCode::UnknownTopicOrPartition);
            OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(error.code())
        });
        OffsetDeleteResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
    });
    (OffsetDeleteResponse::default().with_topics(topics.collect()).into(), cause)
}

async fn delete(
    broker: &Rc<Broker>,
    group: &str,
    partitions: &[Partition],
    cause: &mut EventId,
) -> Result<BTreeMap<Partition, ErrorCode>, ErrorCode> {
    let index = broker.groups.shard_of(group)?;
    let decided = decide(broker, index, group, *cause, |group, turn| {
        let answers = group.delete_offsets(partitions, turn)?;
        group.die_if_useless(turn);
        Ok(answers)
    });
    let (answers, event) = decided.ok_or(ErrorCode::GroupIdNotFound)?;
    let answers: BTreeMap<Partition, ErrorCode> = answers?.into_iter().collect();
    *cause = event;
    let deleted: Vec<Partition> = answers.iter().filter(|(_, error)| error.is_none()).map(|(it, _)| *it).collect();
    forget_in_log(broker, index, group, &deleted, event).await?;
    Ok(answers)
}
