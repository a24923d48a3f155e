//! Valid inputs: requests of every API at every version, record batches, ZooKeeper's frames.

use bytes::Bytes;
use wire::batch::BatchBuilder;
use wire::kafka::messages::fetch_request::{FetchPartition, FetchTopic};
use wire::kafka::messages::join_group_request::JoinGroupRequestProtocol;
use wire::kafka::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use wire::kafka::messages::metadata_request::MetadataRequestTopic;
use wire::kafka::messages::produce_request::{PartitionProduceData, TopicProduceData};
use wire::kafka::messages::*;
use wire::kafka::{Api, Request, RequestHeader, StrBytes, encode_request, encode_response};

use crate::{jute_samples, samples};

/// The topic that requests are about.
pub const TOPIC: &str = "orders";

/// Request frames by the names of their files: one with every field set, and what clients really send.
pub fn requests() -> Vec<(String, Bytes)> {
    let mut frames = Vec::new();
    for (api, version) in samples::all_versions() {
        frames.push((format!("{}-v{version:02}-full", api.name()), frame(version, samples::request(api, version))));
        for (name, request) in everyday(api, version) {
            frames.push((format!("{}-v{version:02}-{name}", api.name()), frame(version, request)));
        }
    }
    frames
}

/// Response frames, each behind the key and version of its request: what the decoding target expects.
pub fn responses() -> Vec<(String, Bytes)> {
    let one = |(api, version): (Api, i16)| {
        let frame = encode_response(api.key(), version, 1, &samples::response(api, version)).expect("a sample fits");
        let head = [api.key().to_be_bytes(), version.to_be_bytes()].concat();
        (format!("{}-v{version:02}", api.name()), Bytes::from([&head[..], &frame].concat()))
    };
    samples::all_versions().map(one).collect()
}

/// Record batches: plain, with headers and a producer, and several one after the other.
pub fn batches() -> Vec<(String, Bytes)> {
    let mut plain = BatchBuilder::default();
    plain.append(1_700_000_000_000, None, Some(b"value"), &[]);
    let mut many = BatchBuilder::default();
    for n in 0..20i64 {
        many.append(1_700_000_000_000 + n, Some(b"key"), Some(b"a value that is longer"), &[("header", None)]);
    }
    let (plain, many, full) = (plain.build(0, 0), many.build(1, 0), samples::batch());
    let row = Bytes::from([&plain[..], &many[..]].concat());
    [("plain", plain), ("many", many), ("full", full), ("row", row)].map(|(name, it)| (name.to_owned(), it)).into()
}

/// ZooKeeper's frames, both directions.
pub fn jute() -> Vec<(String, Bytes)> {
    let numbered = |(place, frame): (usize, Bytes)| (format!("frame-{place:02}"), frame);
    jute_samples::frames().into_iter().enumerate().map(numbered).collect()
}

/// The seeds of a target, by its name.
pub fn of_target(target: &str) -> Vec<(String, Bytes)> {
    match target {
        "kafka-frames" => requests().into_iter().chain(responses()).collect(),
        "broker-core" => requests(),
        "jute-frames" => jute(),
        _ => batches(),
    }
}

fn frame(version: i16, request: Request) -> Bytes {
    let header = RequestHeader::new(request.api(), version, 7, Some(text("fuzz")));
    encode_request(&header, &request).expect("a seed fits its version")
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn topic_name() -> TopicName {
    TopicName(text(TOPIC))
}

/// Requests that go deep: they name what exists.
fn everyday(api: Api, version: i16) -> Vec<(&'static str, Request)> {
    match api {
        Api::Produce => {
            vec![("acks-all", produce(-1).into()), ("acks-1", produce(1).into()), ("acks-0", produce(0).into())]
        }
        Api::Fetch => vec![("consumer", fetch(version, -1).into()), ("follower", fetch(version, 1).into())],
        Api::ListOffsets => {
            vec![("earliest", list_offsets(-2).into()), ("by-time", list_offsets(1_600_000_000_000).into())]
        }
        Api::Metadata => {
            let topic = MetadataRequestTopic::default().with_name(Some(topic_name()));
            vec![("topic", MetadataRequest::default().with_topics(Some(vec![topic])).into())]
        }
        Api::FindCoordinator => {
            let request = FindCoordinatorRequest::default();
            let group = || text("mail");
            let request =
                if version >= 4 { request.with_coordinator_keys(vec![group()]) } else { request.with_key(group()) };
            vec![("group", request.into())]
        }
        Api::JoinGroup => {
            let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
            let request = JoinGroupRequest::default()
                .with_group_id(GroupId(text("mail")))
                .with_session_timeout_ms(6_000)
                .with_protocol_type(text("consumer"))
                .with_protocols(vec![protocol]);
            let request = if version >= 1 { request.with_rebalance_timeout_ms(1_000) } else { request };
            let request = if version >= 5 { request.with_group_instance_id(Some(text("one"))) } else { request };
            vec![("new-member", request.into())]
        }
        Api::InitProducerId => {
            vec![("idempotent", InitProducerIdRequest::default().with_transactional_id(None).into())]
        }
        _ => Vec::new(),
    }
}

fn produce(acks: i16) -> ProduceRequest {
    let mut batch = BatchBuilder::default();
    batch.append(1_700_000_000_000, Some(b"key"), Some(b"value"), &[]);
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(batch.build(0, -1)));
    let topic = TopicProduceData::default().with_name(topic_name()).with_partition_data(vec![partition]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(1_000).with_topic_data(vec![topic])
}

fn fetch(version: i16, replica: i32) -> FetchRequest {
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(topic_name()).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(replica))
        .with_max_wait_ms(10)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_topics(vec![topic]);
    if version >= 7 { request.with_session_epoch(-1) } else { request }
}

fn list_offsets(timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default().with_name(topic_name()).with_partitions(vec![partition]);
    ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic])
}
