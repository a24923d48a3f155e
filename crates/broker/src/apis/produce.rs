//! Produce: append on the leader; with acks=all wait until the in-sync replicas have it.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use trace::{EventId, EventKind, Name, Partition};
use wire::kafka::ErrorCode;
use wire::kafka::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use wire::kafka::messages::{ProduceRequest, ProduceResponse};

use super::{Context, Handled};
use crate::broker::Broker;
use crate::flaws::Flaw;
use crate::purgatory::DelayedProduce;
use crate::replica_manager::{Replica, Written};
use crate::util::{is_internal, is_legal_topic};

/// One partition of the request.
struct Part {
    topic: usize,
    place: usize,
    name: String,
    index: i32,
    result: Result<(Rc<Replica>, Written), ErrorCode>,
}

/// An acks=all part that waits: which one it is, and up to where it must be replicated.
#[derive(Clone)]
struct Waiting {
    part: usize,
    replica: Rc<Replica>,
    required: i64,
    leader_epoch: i32,
    since: i32,
}

impl Waiting {
    /// What became of it, if that is known.
    fn fate(&self, broker: &Broker) -> Option<ErrorCode> {
        if broker.flaws.has(Flaw::AckAfterTermChange) && self.replica.still_holds(self.required, self.leader_epoch) {
            return Some(ErrorCode::None);
        }
        self.replica.fate(self.required, self.since)
    }
}

/// Appends, waits, answers. With acks=0 nothing is answered; an error then closes the connection.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: ProduceRequest) -> Handled {
    let acks = request.acks;
    let mut cause = context.cause;
    let mut parts = append(broker, context, &request, acks).await;
    if acks == -1 {
        cause = replicate(broker, &mut parts, request.timeout_ms, cause).await;
    }
    for part in &parts {
        cause = account(broker, part, acks, cause);
    }
    match acks {
        0 if parts.iter().any(|part| part.result.is_err()) => Handled::Close,
        0 => Handled::Silence,
        _ => Handled::Answer((respond(&request, &parts).into(), cause)),
    }
}

async fn append(broker: &Rc<Broker>, context: Context, request: &ProduceRequest, acks: i16) -> Vec<Part> {
    let mut parts = Vec::new();
    for (topic, data) in request.topic_data.iter().enumerate() {
        for (place, partition) in data.partition_data.iter().enumerate() {
            let name = data.name.as_str();
            let result = if matches!(acks, -1..=1) {
                let records = partition.records.clone().unwrap_or_default();
                append_one(broker, context, name, partition.index, records, acks).await
            } else {
                Err(ErrorCode::InvalidRequiredAcks)
            };
            parts.push(Part { topic, place, name: name.to_owned(), index: partition.index, result });
        }
    }
    parts
}

async fn append_one(
    broker: &Rc<Broker>,
    context: Context,
    topic: &str,
    index: i32,
    records: Bytes,
    acks: i16,
) -> Result<(Rc<Replica>, Written), ErrorCode> {
    if is_internal(topic) {
        return Err(ErrorCode::InvalidTopic);
    }
    let replica = broker.replicas.find_or_error(topic, index)?;
    let written = broker.replicas.append(&replica, records, acks, context.cause).await?;
    Ok((replica, written))
}

/// Waits until every appended part is replicated, refused or out of time. Returns the event that ended the wait.
async fn replicate(broker: &Rc<Broker>, parts: &mut [Part], timeout_ms: i32, cause: EventId) -> EventId {
    let waiting: Vec<Waiting> = parts
        .iter()
        .enumerate()
        .filter_map(|(part, it)| {
            let (replica, written) = it.result.as_ref().ok()?;
            let Written { last_offset, leader_epoch, since, .. } = *written;
            Some(Waiting { part, replica: replica.clone(), required: last_offset + 1, leader_epoch, since })
        })
        .collect();
    let watch = broker.replicas.produced.watch(waiting.iter().map(|it| it.replica.partition).collect());
    // What is replicated already is never out of time: an earlier batch must not stay in doubt while later ones are acknowledged.
    let hasty = broker.host.buggify("broker/produce-times-out", cause);
    let patience = if hasty { 0 } else { u64::try_from(timeout_ms).unwrap_or(0) };
    let deadline = broker.host.now() + Duration::from_millis(patience);
    let mut delayed = DelayedProduce::new(waiting);
    let mut ended_by = cause;
    loop {
        settle(parts, delayed.decide(|it| it.fate(broker)));
        if delayed.is_complete() {
            return ended_by;
        }
        match broker.host.timeout(deadline - broker.host.now(), watch.changed()).await {
            Ok(changed) => ended_by = changed,
            Err(_elapsed) => {
                settle(parts, delayed.expire());
                return cause;
            }
        }
    }
}

fn settle(parts: &mut [Part], decided: Vec<(Waiting, ErrorCode)>) {
    for (waiting, error) in decided {
        if !error.is_none() {
            parts[waiting.part].result = Err(error);
        }
    }
}

/// Says in the trace what the producer is told; returns what the response is caused by.
fn account(broker: &Broker, part: &Part, acks: i16, cause: EventId) -> EventId {
    match &part.result {
        Ok((_, written)) if acks == 0 => written.event,
        Ok((replica, written)) => {
            let acked = EventKind::ProduceAcked {
                partition: replica.partition,
                base_offset: written.base_offset,
                records: u32::try_from(written.last_offset - written.base_offset + 1).unwrap_or(u32::MAX),
                leader_epoch: written.leader_epoch,
                acks,
            };
            broker.host.emit(if acks == -1 { cause } else { written.event }, acked)
        }
        Err(error) if is_legal_topic(&part.name) => {
            let partition = Partition::new(&part.name, part.index);
            broker.host.emit(cause, EventKind::ProduceRefused { partition, error: Name::new(error.name()) })
        }
        Err(_) => cause,
    }
}

fn respond(request: &ProduceRequest, parts: &[Part]) -> ProduceResponse {
    let mut topics: Vec<TopicProduceResponse> =
        request.topic_data.iter().map(|topic| TopicProduceResponse::default().with_name(topic.name.clone())).collect();
    for part in parts {
        let response = PartitionProduceResponse::default().with_index(part.index);
        let response = match &part.result {
            Ok((_, written)) => response
                .with_base_offset(written.base_offset)
                .with_log_append_time_ms(-1)
                .with_log_start_offset(written.log_start),
            Err(error) => {
                // Where the leader is now is told by Metadata: KIP-951's hint (version 10) is left out.
                let refused = response.with_error_code(error.code()).with_base_offset(-1);
                refused.with_log_append_time_ms(-1).with_log_start_offset(-1)
            }
        };
        let responses = &mut topics[part.topic].partition_responses;
        assert_eq!(responses.len(), part.place, "parts keep their request's order");
        responses.push(response);
    }
    ProduceResponse::default().with_responses(topics)
}
