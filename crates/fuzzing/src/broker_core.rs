//! A broker that runs in a small simulated world, kept from one input to the next. An input is what one connection carries.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use broker::{BrokerConfig, Flaws, kafka_framing};
use bytes::Bytes;
use host::sim::{Latency, World, WorldOptions};
use host::{Address, Connection, Host};
use trace::{EventId, EventKind, Mode, Name};
use wire::kafka::messages::create_topics_request::CreatableTopic;
use wire::kafka::messages::{ApiVersionsRequest, CreateTopicsRequest, FindCoordinatorRequest, TopicName};
use wire::kafka::{
    Api, MAXIMUM_FRAME, Request, RequestError, RequestHeader, Response, StrBytes, decode_request, decode_response,
    encode_request,
};
use zookeeper::MemberConfig;

use crate::batches::mended;
use crate::seeds::TOPIC;

const SECOND: u64 = 1_000_000_000;
const ROOT: EventId = EventId::ROOT;
const BROKER: &str = "broker-1";

/// How many inputs one world sees: topics, groups and waiting requests pile up in it.
const INPUTS_OF_A_WORLD: usize = 1_000;

/// Real time after which an input is said to hang the broker: the largest one that is allowed takes seconds, on a busy machine minutes.
const PATIENCE: Duration = Duration::from_secs(600);

/// A broker and what it was fed since its start.
#[derive(Default)]
pub struct BrokerCore {
    simulation: Option<Simulation>,
    /// All inputs of this world: a bug may need more than the last one.
    pub history: Vec<Vec<u8>>,
}

struct Simulation {
    inputs: Sender<Vec<u8>>,
    done: Receiver<()>,
    thread: JoinHandle<Result<(), host::sim::Panic>>,
}

impl BrokerCore {
    /// Sends the input over a connection of its own, lets a second of simulated time pass, and looks after the broker.
    ///
    /// # Panics
    /// If a node panicked or ended, a request that was understood stayed without an answer that fits it, or the next client
    /// is not served.
    pub fn feed(&mut self, input: &[u8]) {
        if self.history.len() >= INPUTS_OF_A_WORLD {
            self.simulation = None;
            self.history.clear();
        }
        self.history.push(input.to_vec());
        let simulation = self.simulation.get_or_insert_with(start);
        let _ = simulation.inputs.send(input.to_vec());
        match simulation.done.recv_timeout(PATIENCE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) => panic!("no end after {PATIENCE:?}: {}", self.told()),
            Err(RecvTimeoutError::Disconnected) => {
                let ended = self.simulation.take().expect("it was there").thread.join().expect("its panics are caught");
                panic!("{}: {}", ended.expect_err("it ends by a panic only"), self.told());
            }
        }
    }

    fn told(&self) -> String {
        let last = self.history.last().expect("there was one");
        format!("input {} of its world: {last:02x?}", self.history.len())
    }
}

fn start() -> Simulation {
    let (inputs, received) = channel();
    let (finished, done) = channel();
    let latency = Latency { p50_ns: 100_000, p99_ns: 200_000 };
    let options = WorldOptions { trace: Mode::Full, latency, ..WorldOptions::default() };
    let thread =
        std::thread::spawn(move || host::sim::run(options, move |world| Box::pin(serve(world, received, finished))));
    Simulation { inputs, done, thread }
}

async fn serve(world: World, inputs: Receiver<Vec<u8>>, finished: Sender<()>) {
    let client = prepare(&world).await;
    let mut events = Vec::new();
    while let Ok(input) = inputs.recv() {
        let conversation = converse(&client, &input).await;
        events.clear();
        world.take_events(&mut events);
        for event in &events {
            if let EventKind::NodePanicked { message } = event.kind {
                panic!("{} panicked: {message}", event.node);
            }
        }
        // Only now: a panic says more than the answer it cost.
        conversation.unwrap_or_else(|complaint| panic!("{complaint}"));
        assert!(world.is_up(BROKER), "the broker ended");
        let next = ask(&client, 3, ApiVersionsRequest::default()).await;
        assert!(matches!(next, Some(Response::ApiVersions(_))), "the next client got {next:?}");
        if finished.send(()).is_err() {
            return;
        }
    }
}

/// A cluster of one that has a topic of four partitions and coordinates groups; and a client's host.
async fn prepare(world: &World) -> Host {
    let members = BTreeMap::from([(1, Name::new("zk-1"))]);
    world.add_node("zk-1", move |host| Box::pin(zookeeper::run_member(host, MemberConfig::new(1, members.clone()))));
    world.add_node(BROKER, move |host| Box::pin(broker::run_broker(host, config())));
    let slot: Rc<RefCell<Option<Host>>> = Rc::default();
    let found = slot.clone();
    world.add_node("client", move |host| {
        slot.replace(Some(host));
        Box::pin(std::future::pending())
    });
    for node in world.nodes() {
        world.start(node, ROOT);
    }
    world.sleep(SECOND).await;
    let client = found.borrow().clone().expect("the client has booted");
    let name = TopicName(StrBytes::from_static_str(TOPIC));
    let topic = CreatableTopic::default().with_name(name).with_num_partitions(4).with_replication_factor(1);
    let create = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
    let keys = vec![StrBytes::from_static_str("mail")];
    let coordinator = FindCoordinatorRequest::default().with_coordinator_keys(keys);
    for _ in 0..100 {
        let created = matches!(ask(&client, 7, create.clone()).await, Some(Response::CreateTopics(response))
            if [0, 36].contains(&response.topics[0].error_code));
        let found = matches!(ask(&client, 4, coordinator.clone()).await, Some(Response::FindCoordinator(response))
            if response.coordinators[0].error_code == 0);
        if created && found {
            return client;
        }
        world.sleep(SECOND / 10).await;
    }
    panic!("the cluster does not come up");
}

fn config() -> BrokerConfig {
    let settings = [
        ("offsets.topic.num.partitions", "1"),
        ("offsets.topic.replication.factor", "1"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("group.min.session.timeout.ms", "1"),
    ];
    BrokerConfig {
        id: 1,
        rack: None,
        port: 9092,
        advertised: Address::new(BROKER, 9092),
        zookeeper: vec![Address::new("zk-1", 2181)],
        settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        flaws: Flaws::NONE,
        data: "data".to_owned(),
    }
}

/// One request of a client that behaves; none if it stays without an answer.
async fn ask(client: &Host, version: i16, request: impl Into<Request>) -> Option<Response> {
    let request = request.into();
    let exchange = async {
        let mut connection = client.connect(Address::new(BROKER, 9092), kafka_framing(), ROOT).await.ok()?;
        let header = RequestHeader::new(request.api(), version, 1, None);
        let frame = encode_request(&header, &request).expect("it fits its version");
        connection.sender.send(ROOT, frame).await.ok()?;
        let answer = connection.receiver.next().await.ok()?;
        decode_response(request.api().key(), version, answer.bytes).ok().map(|(_, response)| response)
    };
    client.timeout(Duration::from_secs(20), exchange).await.ok().flatten()
}

/// What a frame deserves: an answer to it, silence, or that the connection ends.
#[derive(Debug)]
enum Deserves {
    Answer(RequestHeader),
    /// Also that it ends, if nothing could be appended.
    Silence,
    End,
}

/// Sends the input and listens; complains if an answer was deserved and did not come, or is no answer.
async fn converse(client: &Host, input: &[u8]) -> Result<(), String> {
    let Ok(mut connection) = client.connect(Address::new(BROKER, 9092), kafka_framing(), ROOT).await else {
        return Err("no connection".to_owned());
    };
    let mut expected = VecDeque::new();
    for frame in frames(input) {
        expected.push_back(deserved(&frame));
        if connection.sender.send(ROOT, frame).await.is_err() {
            break;
        }
    }
    let listening = listen(&mut connection, &mut expected);
    // What waits longer than that may wait on.
    client.timeout(Duration::from_secs(1), listening).await.unwrap_or(Ok(()))
}

async fn listen(connection: &mut Connection, expected: &mut VecDeque<Deserves>) -> Result<(), String> {
    loop {
        let answer = connection.receiver.next().await;
        let may_end = matches!(expected.front(), Some(Deserves::Silence));
        while matches!(expected.front(), Some(Deserves::Silence)) {
            expected.pop_front();
        }
        match (expected.pop_front(), answer) {
            (Some(Deserves::Answer(header)), Ok(answer)) => check(&header, answer.bytes)?,
            (Some(Deserves::Answer(header)), Err(_)) if !may_end => return Err(format!("no answer to {header:?}")),
            (_, Err(_)) => return Ok(()),
            (other, Ok(answer)) => return Err(format!("an answer {answer:02x?} where {other:?} was deserved")),
        }
        if expected.is_empty() {
            return Ok(());
        }
    }
}

fn check(header: &RequestHeader, answer: Bytes) -> Result<(), String> {
    // An ApiVersions request of an unknown version is answered at version 0 (KIP-511).
    let known = Api::from_key(header.api_key).is_some_and(|api| api.range().serves(header.api_version));
    let version = if known { header.api_version } else { 0 };
    match decode_response(header.api_key, version, answer) {
        Ok((correlation, _)) if correlation == header.correlation_id => Ok(()),
        Ok((correlation, _)) => Err(format!("an answer to {correlation} where {header:?} was asked")),
        Err(error) => Err(format!("an answer to {header:?} that cannot be read: {error}")),
    }
}

fn deserved(frame: &Bytes) -> Deserves {
    match decode_request(frame.clone()) {
        Ok((_, Request::Produce(request))) if request.acks == 0 => Deserves::Silence,
        Ok((header, _)) => Deserves::Answer(header),
        Err(RequestError::UnsupportedVersion(header)) if header.api_key == Api::ApiVersions.key() => {
            Deserves::Answer(header)
        }
        Err(_) => Deserves::End,
    }
}

/// The input as the network would deliver it: frame by frame, each as long as its prefix says; the last one's prefix is mended
/// if it is too large. A produced batch comes a second time with its checksum mended.
fn frames(input: &[u8]) -> Vec<Bytes> {
    let mut frames = Vec::new();
    let mut rest = input;
    while let Some((prefix, body)) = rest.split_first_chunk::<4>() {
        let length =
            usize::try_from(i32::from_be_bytes(*prefix)).unwrap_or(usize::MAX).min(body.len()).min(MAXIMUM_FRAME);
        let (message, after) = body.split_at(length);
        let frame = Bytes::from([&(length as u32).to_be_bytes(), message].concat());
        if let Some(produce) = with_mended_batches(&frame) {
            frames.push(produce);
        }
        frames.push(frame);
        rest = after;
    }
    frames
}

fn with_mended_batches(frame: &Bytes) -> Option<Bytes> {
    let (header, Request::Produce(mut request)) = decode_request(frame.clone()).ok()? else { return None };
    for topic in &mut request.topic_data {
        for partition in &mut topic.partition_data {
            partition.records = partition.records.as_ref().map(|records| mended(records));
        }
    }
    encode_request(&header, &request.into()).ok()
}
