//! A scripted cluster: brokers that share perfect logs, and answer as they are told.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, pending};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use client::{ClientConfig, Consumer, ConsumerConfig, Producer, ProducerConfig};
use host::sim::{Latency, World, WorldOptions};
use host::{Address, BadFrame, Connection, Framing, Host, Label, LocalBoxFuture};
use trace::{Event, EventId, EventKind, Mode, Name, Partition, Protocol};
use wire::batch::{BatchHeader, relocated};
use wire::kafka::messages::create_topics_response::CreatableTopicResult;
use wire::kafka::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use wire::kafka::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use wire::kafka::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use wire::kafka::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use wire::kafka::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use wire::kafka::messages::*;
use wire::kafka::{
    Api, ErrorCode, Request, Response, StrBytes, api_name, decode_request, describe_request, describe_response,
    encode_response, frame_length, versions,
};

pub const ROOT: EventId = EventId::ROOT;
pub const SECOND: Duration = Duration::from_secs(1);
pub const PORT: u16 = 9092;

/// What a broker does with the next request of an API instead of answering it well.
#[derive(Clone, Copy)]
pub enum Script {
    /// It answers with this error, and has done nothing.
    Refuse(ErrorCode),
    /// It does it, and closes the connection instead of answering.
    DropAnswer,
    /// It never answers (nor does anything), but lives.
    Ignore,
}

#[derive(Default)]
pub struct Log {
    pub leader: i32,
    pub epoch: i32,
    pub start: i64,
    pub batches: Vec<Bytes>,
    pub producers: BTreeMap<(i64, i16, i32), i64>,
}

impl Log {
    pub fn end(&self) -> i64 {
        self.batches.last().map_or(self.start, |batch| BatchHeader::parse(batch).unwrap().next_offset())
    }

    fn append(&mut self, bytes: &Bytes) -> i64 {
        let header = BatchHeader::parse(bytes).unwrap();
        let key = (header.producer_id, header.producer_epoch, header.base_sequence);
        let end = self.end();
        let is_idempotent = header.producer_id >= 0;
        if let Some(offset) = self.producers.get(&key).filter(|_| is_idempotent) {
            return *offset;
        }
        self.batches.push(relocated(bytes, end, self.epoch));
        self.producers.insert(key, end);
        end
    }

    /// Cuts the log, and lets another broker lead from there.
    pub fn truncate(&mut self, to: i64) {
        self.batches.retain(|batch| BatchHeader::parse(batch).unwrap().base_offset < to);
    }

    /// The largest epoch not above the one asked, and its end.
    fn epoch_end(&self, epoch: i32) -> (i32, i64) {
        if epoch >= self.epoch {
            return if epoch == self.epoch { (epoch, self.end()) } else { (-1, -1) };
        }
        let headers = self.batches.iter().map(|batch| BatchHeader::parse(batch).unwrap());
        let below = headers.filter(|header| header.partition_leader_epoch <= epoch).last();
        below.map_or((epoch, self.start), |header| (header.partition_leader_epoch, header.next_offset()))
    }
}

#[derive(Default)]
pub struct State {
    pub logs: BTreeMap<Partition, Log>,
    pub scripts: BTreeMap<Api, VecDeque<Script>>,
    pub controller: i32,
    pub group: crate::coordinator::Group,
    brokers: i32,
    producer_ids: i64,
}

/// See the module.
#[derive(Clone, Default)]
pub struct Fake(pub Rc<RefCell<State>>);

impl Fake {
    /// Brokers `broker-1` to `broker-N`, running; topic `t` with partitions led by broker 1.
    pub fn start(world: &World, brokers: i32, partitions: i32) -> Fake {
        let fake = Fake::default();
        {
            let mut state = fake.0.borrow_mut();
            (state.brokers, state.controller) = (brokers, 1);
            for index in 0..partitions {
                state.logs.insert(Partition::new("t", index), Log { leader: 1, ..Log::default() });
            }
        }
        for id in 1..=brokers {
            let fake = fake.clone();
            let boot = move |host: Host| -> LocalBoxFuture<()> { Box::pin(fake.clone().serve(host, id)) };
            world.add_node(format!("broker-{id}").as_str(), boot);
            world.start(format!("broker-{id}").as_str(), ROOT);
        }
        fake
    }

    /// What happens to the next requests of an API.
    pub fn script(&self, api: Api, scripts: impl IntoIterator<Item = Script>) {
        self.0.borrow_mut().scripts.entry(api).or_default().extend(scripts);
    }

    pub fn with_log<T>(&self, index: i32, look: impl FnOnce(&mut Log) -> T) -> T {
        look(self.0.borrow_mut().logs.get_mut(&Partition::new("t", index)).unwrap())
    }

    /// The values in a partition.
    pub fn values(&self, index: i32) -> Vec<String> {
        let batches = self.with_log(index, |log| log.batches.clone());
        let records = batches.iter().flat_map(|batch| wire::batch::records(batch).unwrap());
        records.map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap()).collect()
    }

    async fn serve(self, host: Host, id: i32) {
        let listener = host.listen(PORT, framing()).await.unwrap();
        loop {
            let connection = listener.accept().await;
            host.spawn("connection", self.clone().talk(host.clone(), id, connection));
        }
    }

    async fn talk(self, host: Host, id: i32, mut connection: Connection) {
        while let Ok(frame) = connection.receiver.next().await {
            let (header, request) = decode_request(frame.bytes).unwrap();
            let script = self.0.borrow_mut().scripts.get_mut(&request.api()).and_then(VecDeque::pop_front);
            if let Some(Script::Ignore) = script {
                continue;
            }
            let refused = match script {
                Some(Script::Refuse(error)) => Some(error),
                _ => None,
            };
            let wants_answer = !matches!(&request, Request::Produce(produce) if produce.acks == 0);
            let response = self.answer(&host, id, request, refused).await;
            if let Some(Script::DropAnswer) = script {
                return;
            }
            let (key, version) = (header.api_key, header.api_version);
            let bytes = encode_response(key, version, header.correlation_id, &response).unwrap();
            if wants_answer && connection.sender.send(frame.cause, bytes).await.is_err() {
                return;
            }
        }
    }

    async fn answer(&self, host: &Host, id: i32, request: Request, refused: Option<ErrorCode>) -> Response {
        match request {
            Request::ApiVersions(_) => ApiVersionsResponse::default().with_api_keys(versions::advertised(false)).into(),
            Request::Metadata(request) => self.metadata(&request),
            Request::InitProducerId(_) => {
                let mut state = self.0.borrow_mut();
                state.producer_ids += 1;
                let error = refused.unwrap_or_default().code();
                InitProducerIdResponse::default()
                    .with_error_code(error)
                    .with_producer_id(state.producer_ids.into())
                    .with_producer_epoch(0)
                    .into()
            }
            Request::Produce(request) => self.produce(id, &request, refused),
            Request::Fetch(request) => {
                let ends = host.now() + Duration::from_millis(request.max_wait_ms as u64);
                loop {
                    let (response, is_final) = self.fetch(id, &request, refused);
                    if is_final || host.now() >= ends {
                        return response;
                    }
                    host.sleep(Duration::from_millis(5)).await;
                }
            }
            Request::ListOffsets(request) => self.list_offsets(id, &request, refused),
            Request::OffsetForLeaderEpoch(request) => self.epoch_ends(&request),
            Request::CreateTopics(request) => self.create(id, &request),
            Request::FindCoordinator(request) => self.find_coordinator(&request, refused),
            Request::JoinGroup(request) => self.join(host, request, refused.or(self.moved(id))).await,
            Request::SyncGroup(request) => self.sync(host, request, refused.or(self.moved(id))).await,
            Request::Heartbeat(request) => self.heartbeat(&request, refused.or(self.moved(id))),
            Request::LeaveGroup(request) => self.leave(host, &request),
            Request::OffsetCommit(request) => self.commit(&request, refused.or(self.moved(id))),
            Request::OffsetFetch(request) => self.offsets(&request, refused.or(self.moved(id))),
            other => panic!("{} is not faked", other.api().name()),
        }
    }

    /// The error of a broker that does not coordinate.
    fn moved(&self, id: i32) -> Option<ErrorCode> {
        (self.with_group(|group| group.broker.max(1)) != id).then_some(ErrorCode::NotCoordinator)
    }

    fn metadata(&self, request: &MetadataRequest) -> Response {
        let state = self.0.borrow();
        let broker = |id: i32| {
            MetadataResponseBroker::default()
                .with_node_id(id.into())
                .with_host(StrBytes::from_string(format!("broker-{id}")))
                .with_port(i32::from(PORT))
        };
        let all = || state.logs.keys().map(|partition| partition.topic).collect::<std::collections::BTreeSet<_>>();
        let names = match &request.topics {
            Some(topics) => topics.iter().map(|asked| asked.name.clone().unwrap()).collect::<Vec<_>>(),
            None => all().into_iter().map(|name| TopicName(StrBytes::from_static_str(name.as_str()))).collect(),
        };
        let topics = names.into_iter().map(|name| {
            let logs = state.logs.iter().filter(|(partition, _)| partition.topic.as_str() == name.as_str());
            let partitions: Vec<_> = logs
                .map(|(partition, log)| {
                    MetadataResponsePartition::default()
                        .with_partition_index(partition.index)
                        .with_leader_id(log.leader.into())
                        .with_leader_epoch(log.epoch)
                })
                .collect();
            let error = if partitions.is_empty() { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::None };
            MetadataResponseTopic::default()
                .with_name(Some(name))
                .with_error_code(error.code())
                .with_partitions(partitions)
        });
        MetadataResponse::default()
            .with_brokers((1..=state.brokers).map(broker).collect())
            .with_controller_id(state.controller.into())
            .with_topics(topics.collect())
            .into()
    }

    fn produce(&self, id: i32, request: &ProduceRequest, refused: Option<ErrorCode>) -> Response {
        let mut state = self.0.borrow_mut();
        let topics = request.topic_data.iter().map(|topic| {
            let partitions = topic.partition_data.iter().map(|data| {
                let log = state.logs.get_mut(&Partition::new(topic.name.as_str(), data.index)).unwrap();
                let (error, offset) = match refused {
                    Some(error) => (error, -1),
                    None if log.leader != id => (ErrorCode::NotLeaderOrFollower, -1),
                    None => (ErrorCode::None, log.append(data.records.as_ref().unwrap())),
                };
                PartitionProduceResponse::default()
                    .with_index(data.index)
                    .with_error_code(error.code())
                    .with_base_offset(offset)
            });
            TopicProduceResponse::default().with_name(topic.name.clone()).with_partition_responses(partitions.collect())
        });
        ProduceResponse::default().with_responses(topics.collect()).into()
    }

    /// The response, and whether it should go out at once.
    fn fetch(&self, id: i32, request: &FetchRequest, refused: Option<ErrorCode>) -> (Response, bool) {
        let state = self.0.borrow();
        let mut is_final = false;
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|asked| {
                let log = &state.logs[&Partition::new(topic.topic.as_str(), asked.partition)];
                let in_log = (log.start..=log.end()).contains(&asked.fetch_offset);
                let error = match refused {
                    Some(error) => error,
                    None if log.leader != id => ErrorCode::NotLeaderOrFollower,
                    None if asked.current_leader_epoch < log.epoch => ErrorCode::FencedLeaderEpoch,
                    None if !in_log => ErrorCode::OffsetOutOfRange,
                    None => ErrorCode::None,
                };
                let wanted = log.batches.iter().filter(|batch| {
                    error.is_none() && BatchHeader::parse(batch).unwrap().last_offset() >= asked.fetch_offset
                });
                let records: Vec<u8> = wanted.flat_map(|batch| batch.to_vec()).collect();
                is_final |= !error.is_none() || !records.is_empty();
                PartitionData::default()
                    .with_partition_index(asked.partition)
                    .with_error_code(error.code())
                    .with_high_watermark(log.end())
                    .with_records(Some(Bytes::from(records)))
            });
            FetchableTopicResponse::default().with_topic(topic.topic.clone()).with_partitions(partitions.collect())
        });
        let topics = topics.collect();
        (FetchResponse::default().with_responses(topics).into(), is_final)
    }

    fn list_offsets(&self, id: i32, request: &ListOffsetsRequest, refused: Option<ErrorCode>) -> Response {
        let state = self.0.borrow();
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|asked| {
                let log = &state.logs[&Partition::new(topic.name.as_str(), asked.partition_index)];
                let moved = (log.leader != id).then_some(ErrorCode::NotLeaderOrFollower);
                let offset = if asked.timestamp == -2 { log.start } else { log.end() };
                ListOffsetsPartitionResponse::default()
                    .with_partition_index(asked.partition_index)
                    .with_error_code(refused.or(moved).unwrap_or_default().code())
                    .with_offset(offset)
                    .with_leader_epoch(log.epoch)
            });
            ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
        });
        ListOffsetsResponse::default().with_topics(topics.collect()).into()
    }

    fn epoch_ends(&self, request: &OffsetForLeaderEpochRequest) -> Response {
        let state = self.0.borrow();
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|asked| {
                let log = &state.logs[&Partition::new(topic.topic.as_str(), asked.partition)];
                let (epoch, end) = log.epoch_end(asked.leader_epoch);
                EpochEndOffset::default().with_partition(asked.partition).with_leader_epoch(epoch).with_end_offset(end)
            });
            OffsetForLeaderTopicResult::default().with_topic(topic.topic.clone()).with_partitions(partitions.collect())
        });
        OffsetForLeaderEpochResponse::default().with_topics(topics.collect()).into()
    }

    fn create(&self, id: i32, request: &CreateTopicsRequest) -> Response {
        let mut state = self.0.borrow_mut();
        let is_controller = state.controller == id;
        let results = request.topics.iter().map(|topic| {
            let exists = state.logs.keys().any(|partition| partition.topic.as_str() == topic.name.as_str());
            let error = match (is_controller, exists) {
                (false, _) => ErrorCode::NotController,
                (true, true) => ErrorCode::TopicAlreadyExists,
                (true, false) => ErrorCode::None,
            };
            for index in (0..topic.num_partitions).filter(|_| error.is_none()) {
                let log = Log { leader: 1, ..Log::default() };
                state.logs.insert(Partition::new(topic.name.as_str(), index), log);
            }
            CreatableTopicResult::default().with_name(topic.name.clone()).with_error_code(error.code())
        });
        CreateTopicsResponse::default().with_topics(results.collect()).into()
    }
}

fn framing() -> Framing {
    Framing {
        protocol: Protocol::Kafka,
        maximum: wire::kafka::MAXIMUM_FRAME,
        length: |buffered| frame_length(buffered).map_err(|_| BadFrame),
        describe: |frame, is_request| {
            let label = if is_request { describe_request(frame) } else { describe_response(frame) };
            Label { api: label.api.map(|key| Name::new(api_name(key))), correlation: label.correlation }
        },
    }
}

/// Runs a world with a fake cluster of two brokers and `partitions` partitions of topic `t`.
pub fn simulate<T: Send + 'static, F: Future<Output = T> + 'static>(
    partitions: i32,
    main: impl FnOnce(World, Fake) -> F + Send + 'static,
) -> T {
    let latency = Latency { p50_ns: 1_000_000, p99_ns: 1_000_000 };
    let options = WorldOptions { trace: Mode::Full, latency, ..WorldOptions::default() };
    host::sim::run(options, move |world| {
        Box::pin(async move {
            let fake = Fake::start(&world, 2, partitions);
            main(world, fake).await
        })
    })
    .unwrap_or_else(|panic| panic!("{panic}"))
}

/// Runs `body` on the node `client` and waits until it is done.
pub async fn on_client<F: Future<Output = ()> + 'static>(world: &World, body: impl Fn(Host) -> F + 'static) {
    let done = Rc::new(tokio::sync::Notify::new());
    let (finished, body) = (done.clone(), Rc::new(body));
    world.add_node("client", move |host| {
        let (finished, body) = (finished.clone(), body.clone());
        Box::pin(async move {
            body(host).await;
            finished.notify_one();
            pending::<()>().await;
        })
    });
    world.start("client", ROOT);
    done.notified().await;
}

pub fn bootstrap() -> Vec<Address> {
    vec![Address::new("broker-1", PORT), Address::new("broker-2", PORT)]
}

/// Short timeouts.
pub fn client_config() -> ClientConfig {
    ClientConfig { request_timeout: SECOND, ..ClientConfig::default() }
}

pub fn producer(host: &Host) -> Producer {
    let delivery_timeout = 3 * SECOND;
    let config = ProducerConfig { client: client_config(), delivery_timeout, ..ProducerConfig::default() };
    Producer::new(host.clone(), bootstrap(), config)
}

pub fn consumer(host: &Host, reset: client::OffsetReset) -> Consumer {
    let config = ConsumerConfig { client: client_config(), auto_offset_reset: reset, ..ConsumerConfig::default() };
    Consumer::new(host.clone(), bootstrap(), config)
}

pub fn events(world: &World) -> Vec<Event> {
    let mut events = Vec::new();
    world.take_events(&mut events);
    events
}

/// The event with this id.
pub fn event(events: &[Event], id: EventId) -> &Event {
    events.iter().find(|event| event.id == id).unwrap_or_else(|| panic!("no event {id}"))
}

/// The only event that `wanted` picks.
pub fn only(events: &[Event], wanted: impl Fn(&EventKind) -> bool) -> &Event {
    let found: Vec<&Event> = events.iter().filter(|event| wanted(&event.kind)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]
}
