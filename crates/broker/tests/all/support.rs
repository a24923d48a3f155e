//! Clusters in a simulated world, and a client that speaks in single requests.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use broker::{BrokerConfig, Flaws};
use bytes::Bytes;
use host::sim::{Latency, World, WorldOptions};
use host::{Address, Host, LocalBoxFuture};
use trace::{Event, EventId, EventKind, Mode, Name, Partition};
use wire::batch::{BatchBuilder, records};
use wire::kafka::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use wire::kafka::messages::fetch_request::{FetchPartition, FetchTopic};
use wire::kafka::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use wire::kafka::messages::metadata_request::MetadataRequestTopic;
use wire::kafka::messages::produce_request::{PartitionProduceData, TopicProduceData};
use wire::kafka::messages::*;
use wire::kafka::{ErrorCode, Request, RequestHeader, Response, StrBytes, decode_response, encode_request};
use zookeeper::MemberConfig;

pub const ROOT: EventId = EventId::ROOT;
pub const SECOND: u64 = 1_000_000_000;
pub const TOPIC: &str = "orders";

/// Runs a world; panics if the run itself fails.
pub fn simulate<T: Send + 'static, F: Future<Output = T> + 'static>(
    seed: u64,
    main: impl FnOnce(World) -> F + Send + 'static,
) -> T {
    let latency = Latency { p50_ns: 1_000_000, p99_ns: 3_000_000 };
    let options = WorldOptions { seed, schedule_seed: seed, trace: Mode::Full, latency, ..WorldOptions::default() };
    host::sim::run(options, |world| Box::pin(main(world))).unwrap_or_else(|panic| panic!("{panic}"))
}

/// A cluster, and a client on a node of its own.
pub struct Cluster {
    pub world: World,
    pub client: Host,
    pub events: Vec<Event>,
}

pub fn zookeeper_address() -> Vec<Address> {
    vec![Address::new("zk-1", 2181)]
}

pub fn broker_config(id: i32, settings: &[(&str, &str)], flaws: Flaws) -> BrokerConfig {
    BrokerConfig {
        id,
        rack: None,
        port: 9092,
        advertised: address(id),
        zookeeper: zookeeper_address(),
        settings: settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        flaws,
        data: "data".to_owned(),
    }
}

pub fn name(id: i32) -> Name {
    Name::new(&format!("broker-{id}"))
}

pub fn address(id: i32) -> Address {
    Address::new(name(id), 9092)
}

impl Cluster {
    /// One ZooKeeper and `brokers` brokers, started, once all of them are known to the first.
    pub async fn start(world: World, brokers: i32, settings: &'static [(&'static str, &'static str)]) -> Cluster {
        Cluster::start_with(world, brokers, settings, Flaws::NONE).await
    }

    pub async fn start_with(
        world: World,
        brokers: i32,
        settings: &'static [(&'static str, &'static str)],
        flaws: Flaws,
    ) -> Cluster {
        let members = BTreeMap::from([(1, Name::new("zk-1"))]);
        add(&world, "zk-1", move |host| zookeeper::run_member(host, MemberConfig::new(1, members.clone())));
        for id in 1..=brokers {
            let boot = move |host| broker::run_broker(host, broker_config(id, settings, flaws));
            add(&world, name(id).as_str(), boot);
        }
        let found: Rc<RefCell<Option<Host>>> = Rc::default();
        let slot = found.clone();
        add(&world, "client", move |host| {
            *slot.borrow_mut() = Some(host);
            std::future::pending()
        });
        for node in world.nodes() {
            world.start(node, ROOT);
        }
        world.sleep(SECOND).await;
        let client = found.borrow().clone().expect("the client has started");
        let mut cluster = Cluster { world, client, events: Vec::new() };
        for id in 1..=brokers {
            cluster
                .until("a broker knows all brokers", async |cluster| {
                    cluster.metadata(id, &[]).await.is_some_and(|metadata| metadata.brokers.len() == brokers as usize)
                })
                .await;
        }
        cluster
    }

    /// Tries every 100 ms for a simulated minute.
    pub async fn until(&mut self, what: &str, mut condition: impl AsyncFnMut(&mut Cluster) -> bool) {
        for _ in 0..600 {
            if condition(self).await {
                return;
            }
            self.world.sleep(SECOND / 10).await;
        }
        self.dump();
        panic!("not within a minute: {what}");
    }

    /// Prints what happened, but for frames of the wire.
    pub fn dump(&mut self) {
        self.collect();
        let frame = |kind: &EventKind| {
            use EventKind::*;
            matches!(
                kind,
                FrameSent(_) | FrameDelivered(_) | SessionView { .. } | ZabProposed { .. } | ZabDelivered { .. }
            )
        };
        for event in self.events.iter().filter(|event| !frame(&event.kind)) {
            eprintln!("{:>12} {:10} {} <- {}: {:?}", event.at / 1_000, event.node, event.id, event.cause, event.kind);
        }
    }

    /// Takes over the events recorded since the last call.
    pub fn collect(&mut self) -> &[Event] {
        let mut new = Vec::new();
        self.world.take_events(&mut new);
        self.events.append(&mut new);
        &self.events
    }

    pub async fn call(&self, to: i32, version: i16, request: impl Into<Request>) -> Option<Response> {
        let request = request.into();
        let exchange = async {
            let mut connection = self.client.connect(address(to), broker::kafka_framing(), ROOT).await.ok()?;
            let api = request.api();
            let header = RequestHeader::new(api, version, 1, None);
            connection.sender.send(ROOT, encode_request(&header, &request).unwrap()).await.ok()?;
            let frame = connection.receiver.next().await.ok()?;
            Some(decode_response(api.key(), version, frame.bytes).expect("a well-formed response").1)
        };
        self.client.timeout(Duration::from_secs(40), exchange).await.ok().flatten()
    }

    pub async fn metadata(&self, to: i32, topics: &[&str]) -> Option<MetadataResponse> {
        let topics =
            topics.iter().map(|topic| MetadataRequestTopic::default().with_name(Some(topic_name(topic)))).collect();
        let request = MetadataRequest::default().with_topics(Some(topics));
        match self.call(to, 12, request).await? {
            Response::Metadata(response) => Some(response),
            other => panic!("{other:?}"),
        }
    }

    /// Creates a topic by the controller, with all partitions on all brokers unless told otherwise.
    pub async fn create_topic(&mut self, partitions: i32, replication: i16, settings: &[(&str, &str)]) {
        let metadata = self.metadata(1, &[]).await.expect("broker 1 answers");
        let config = |(name, value): &(&str, &str)| {
            CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
        };
        let topic = CreatableTopic::default()
            .with_name(topic_name(TOPIC))
            .with_num_partitions(partitions)
            .with_replication_factor(replication)
            .with_configs(settings.iter().map(config).collect());
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
        let Some(Response::CreateTopics(response)) = self.call(metadata.controller_id.0, 7, request).await else {
            panic!("no answer to CreateTopics")
        };
        assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
    }

    /// Creates a topic with one partition on these brokers.
    pub async fn create_topic_on(&mut self, replicas: &[i32]) {
        let metadata = self.metadata(1, &[]).await.expect("broker 1 answers");
        let assignment = CreatableReplicaAssignment::default()
            .with_partition_index(0)
            .with_broker_ids(replicas.iter().map(|id| BrokerId(*id)).collect());
        let topic = CreatableTopic::default()
            .with_name(topic_name(TOPIC))
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_assignments(vec![assignment]);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
        let Some(Response::CreateTopics(response)) = self.call(metadata.controller_id.0, 7, request).await else {
            panic!("no answer to CreateTopics")
        };
        assert_eq!(response.topics[0].error_code, 0, "{:?}", response.topics[0].error_message);
    }

    /// (leader, leader epoch, ISR sorted) of partition 0, as broker `to` tells it.
    pub async fn partition(&self, to: i32) -> Option<(i32, i32, Vec<i32>)> {
        let metadata = self.metadata(to, &[TOPIC]).await?;
        let partition = metadata.topics.first()?.partitions.first()?;
        let mut isr: Vec<i32> = partition.isr_nodes.iter().map(|id| id.0).collect();
        isr.sort_unstable();
        Some((partition.leader_id.0, partition.leader_epoch, isr))
    }

    /// Waits until broker `to` tells this leader (None: any) and ISR.
    pub async fn await_partition(&mut self, to: i32, leader: Option<i32>, isr: &[i32]) -> (i32, i32) {
        let mut found = (0, 0);
        self.until("leader and ISR", async |cluster| match cluster.partition(to).await {
            Some((id, epoch, members)) => {
                found = (id, epoch);
                id >= 0 && leader.is_none_or(|leader| leader == id) && members == isr
            }
            None => false,
        })
        .await;
        found
    }

    /// Produces one batch to partition 0; the base offset or the error.
    pub async fn produce(&self, to: i32, acks: i16, values: &[&str]) -> Result<i64, ErrorCode> {
        self.produce_batch(to, acks, batch(values), 30_000).await
    }

    pub async fn produce_batch(&self, to: i32, acks: i16, batch: Bytes, timeout_ms: i32) -> Result<i64, ErrorCode> {
        let partition = PartitionProduceData::default().with_index(0).with_records(Some(batch));
        let topic = TopicProduceData::default().with_name(topic_name(TOPIC)).with_partition_data(vec![partition]);
        let request =
            ProduceRequest::default().with_acks(acks).with_timeout_ms(timeout_ms).with_topic_data(vec![topic]);
        match self.call(to, 9, request).await {
            Some(Response::Produce(response)) => {
                let partition = &response.responses[0].partition_responses[0];
                match ErrorCode::from_code(partition.error_code) {
                    ErrorCode::None => Ok(partition.base_offset),
                    error => Err(error),
                }
            }
            _ => Err(ErrorCode::NetworkException),
        }
    }

    /// Fetches partition 0 from an offset on: (offset, value) of each record, and the high watermark.
    pub async fn fetch(&self, to: i32, from: i64) -> Result<(Vec<(i64, String)>, i64), ErrorCode> {
        let request = fetch_request(from, 0);
        let Some(Response::Fetch(response)) = self.call(to, 11, request).await else {
            return Err(ErrorCode::NetworkException);
        };
        let partition = &response.responses[0].partitions[0];
        match ErrorCode::from_code(partition.error_code) {
            ErrorCode::None => Ok((values(partition.records.clone().unwrap_or_default()), partition.high_watermark)),
            error => Err(error),
        }
    }

    /// ListOffsets of partition 0.
    pub async fn list_offset(&self, to: i32, timestamp: i64, version: i16) -> Result<i64, ErrorCode> {
        let partition = ListOffsetsPartition::default().with_partition_index(0).with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
        match self.call(to, version, request).await {
            Some(Response::ListOffsets(response)) => {
                let partition = &response.topics[0].partitions[0];
                match ErrorCode::from_code(partition.error_code) {
                    ErrorCode::None => Ok(partition.offset),
                    error => Err(error),
                }
            }
            _ => Err(ErrorCode::NetworkException),
        }
    }

    /// Kinds of the events so far on one node.
    pub fn kinds(&mut self, node: impl Into<Name>) -> Vec<EventKind> {
        let node = node.into();
        self.collect();
        self.events.iter().filter(|event| event.node == node).map(|event| event.kind.clone()).collect()
    }
}

pub fn fetch_request(from: i64, max_wait_ms: i32) -> FetchRequest {
    let partition =
        FetchPartition::default().with_partition(0).with_fetch_offset(from).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(topic_name(TOPIC)).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

pub fn orders() -> Partition {
    Partition::new(TOPIC, 0)
}

pub fn batch(values: &[&str]) -> Bytes {
    let mut builder = BatchBuilder::default();
    for value in values {
        builder.append(1_700_000_000_000, None, Some(value.as_bytes()), &[]);
    }
    builder.build(0, -1)
}

pub fn values(bytes: Bytes) -> Vec<(i64, String)> {
    let mut values = Vec::new();
    for batch in wire::batch::batches(bytes) {
        for record in records(&batch.expect("a whole batch").bytes).expect("readable records") {
            values.push((record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
    }
    values
}

pub fn add<F: Future<Output = ()> + 'static>(world: &World, name: &str, boot: impl Fn(Host) -> F + 'static) {
    world.add_node(name, move |host| -> LocalBoxFuture<()> { Box::pin(boot(host)) });
}

pub fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Runs two futures at once.
pub async fn join<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut first, mut second) = (None, None);
    std::future::poll_fn(|context| {
        if first.is_none()
            && let std::task::Poll::Ready(output) = a.as_mut().poll(context)
        {
            first = Some(output);
        }
        if second.is_none()
            && let std::task::Poll::Ready(output) = b.as_mut().poll(context)
        {
            second = Some(output);
        }
        if first.is_some() && second.is_some() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    (first.expect("done"), second.expect("done"))
}

pub fn others(id: i32) -> [i32; 2] {
    match id {
        1 => [2, 3],
        2 => [1, 3],
        _ => [1, 2],
    }
}

/// Both directions between a broker and these nodes.
pub fn links(id: i32, peers: &[Name]) -> Vec<(Name, Name)> {
    peers.iter().flat_map(|peer| [(name(id), *peer), (*peer, name(id))]).collect()
}

pub fn fault(cluster: &Cluster, target: &str) -> trace::EventId {
    let (fault, kind, target) = (Name::new("fault"), Name::new("test"), Name::new(target));
    cluster.world.emit(ROOT, EventKind::FaultBegan { fault, kind, target })
}

/// (base offset, CRC) of all that a replica has, truncations applied.
pub fn log_of(cluster: &mut Cluster, id: i32) -> Vec<(i64, u32)> {
    let mut log: Vec<(i64, u32)> = Vec::new();
    for kind in cluster.kinds(name(id)) {
        match kind {
            EventKind::Appended { partition, base_offset, crc, .. } if partition == orders() => {
                log.push((base_offset, crc))
            }
            EventKind::Truncated { partition, to, .. } if partition == orders() => log.retain(|(base, _)| *base < to),
            _ => {}
        }
    }
    log
}

/// Waits until all three replicas have the same batches, `records` of them.
pub async fn assert_equal_logs(cluster: &mut Cluster, records: usize) {
    cluster
        .until("equal logs", async |cluster| {
            let logs = [1, 2, 3].map(|id| log_of(cluster, id));
            logs[0].len() == records && logs.iter().all(|log| *log == logs[0])
        })
        .await;
}

/// Sessions expire long before followers lag.
const QUICK_SESSIONS: &[(&str, &str)] =
    &[("zookeeper.session.timeout.ms", "6000"), ("replica.lag.time.max.ms", "20000")];

/// Four brokers, and a topic on all but the controller: its three replicas in order of preference.
pub async fn with_witness(world: World, flaws: Flaws) -> (Cluster, [i32; 3]) {
    let mut cluster = Cluster::start_with(world, 4, QUICK_SESSIONS, flaws).await;
    let controller = cluster.metadata(1, &[]).await.unwrap().controller_id.0;
    let replicas: Vec<i32> = (1..=4).filter(|id| *id != controller).collect();
    cluster.create_topic_on(&replicas).await;
    cluster.await_partition(controller, Some(replicas[0]), &replicas).await;
    // The cluster settles: every follower has fetched.
    cluster.until("it is written", async |cluster| cluster.produce(replicas[0], -1, &["first"]).await == Ok(0)).await;
    cluster.world.sleep(2 * SECOND).await;
    (cluster, replicas.try_into().expect("three of four"))
}
