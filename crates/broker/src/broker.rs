//! A broker's parts, and how it starts and stops.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use host::{Address, Entropy, Host};
use tokio::sync::{Mutex, Notify, mpsc};
use trace::EventId;
use uuid::Uuid;
use wire::control::ControlledShutdownRequest;
use wire::kafka::Response;
use zookeeper::{Client, CreateMode, Reply, ZkError};

use crate::config::{BrokerConfig, Settings, TopicSettings, milliseconds};
use crate::controller::{Event, run_controller, run_rebalance_timer};
use crate::fetcher::Fetchers;
use crate::flaws::Flaws;
use crate::framing::kafka_framing;
use crate::group::GroupCoordinator;
use crate::metadata_cache::MetadataCache;
use crate::registration::run_session;
use crate::replica::ControlFence;
use crate::replica_manager::{
    Proposal, ReplicaManager, Unannounced, run_high_watermark_checkpoints, run_isr_notifier, run_isr_shrinker,
    run_isr_writer, run_producer_expiration, run_recovery_point_checkpoints, run_retention, start_cleaner,
};
use crate::rpc::Rpc;
use crate::server::run_server;
use crate::znodes::{self, ClusterId, Content, TopicConfig};

/// How long a broker that ends waits for the ensemble to close its session.
const FAREWELL: Duration = Duration::from_secs(2);

/// What all parts of a broker share.
pub struct Broker {
    /// The way to the world.
    pub host: Host,
    /// `broker.id`.
    pub id: i32,
    /// The event that stands for this broker's start.
    pub started: EventId,
    /// Where it is reached.
    pub address: Address,
    /// Its rack.
    pub rack: Option<String>,
    /// Its settings.
    pub settings: Rc<Settings>,
    /// Those among them that were configured, as they were.
    pub configured: BTreeMap<String, String>,
    /// Flaws switched on.
    pub flaws: Flaws,
    /// Its ZooKeeper client.
    pub zookeeper: Client,
    /// Its replicas.
    pub replicas: ReplicaManager,
    /// The groups it coordinates.
    pub groups: GroupCoordinator,
    /// Its fetch loops.
    pub fetchers: Fetchers,
    /// What the controller told it of the cluster.
    pub metadata: Rc<RefCell<MetadataCache>>,
    /// Notified when the metadata changed.
    pub metadata_changed: Notify,
    /// The event that changed the metadata last.
    pub metadata_cause: Cell<EventId>,
    /// Which control requests it obeys.
    pub fence: RefCell<ControlFence>,
    /// Its own broker epoch, -1 before the first registration.
    pub broker_epoch: Cell<i64>,
    /// Notified when the broker is registered.
    pub has_registered: Notify,
    /// Whether it is the controller, as it believes.
    pub controlling: Cell<bool>,
    /// Its last `ControllerElected` event.
    pub controlling_since: Cell<EventId>,
    /// `/cluster/id`.
    pub cluster_id: RefCell<Option<String>>,
    /// Producer ids taken and not handed out yet.
    pub producer_ids: Mutex<Range<i64>>,
    topic_settings: RefCell<BTreeMap<String, Rc<TopicSettings>>>,
    controller: mpsc::UnboundedSender<Event>,
    entropy: RefCell<BTreeMap<&'static str, Entropy>>,
}

/// Runs a broker for as long as its node lives.
///
/// # Panics
/// If a setting is unknown or invalid: [`Settings::parse`] tells before.
pub async fn run_broker(host: Host, config: BrokerConfig) {
    run_broker_until(host, config, pending()).await;
}

/// Runs a broker until `stop` yields the event that asks it to end: it hands its leaderships over, flushes, leaves the
/// marker of a clean shutdown, and closes its session.
///
/// # Panics
/// If a setting is unknown or invalid: [`Settings::parse`] tells before.
pub async fn run_broker_until(host: Host, config: BrokerConfig, stop: impl Future<Output = EventId>) {
    let settings = match Settings::parse(&config.settings) {
        Ok(settings) => Rc::new(settings),
        Err(error) => panic!("{error}"),
    };
    let (broker, proposals, events) = assemble(host, config.clone(), settings);
    broker.prepare_zookeeper().await;
    let load = broker.replicas.load(|topic| broker.topic_settings(topic), broker.started);
    if load.await.is_err() {
        return broker.replicas.halt(broker.started);
    }
    let Ok(listener) = broker.host.listen(config.port, kafka_framing()).await else {
        return broker.replicas.halt(broker.started);
    };
    let unannounced = Rc::new(RefCell::new(Unannounced::default()));
    let host = &broker.host;
    host.spawn("server", run_server(broker.clone(), listener));
    host.spawn("controller", run_controller(broker.clone(), events));
    host.spawn("session", run_session(broker.clone()));
    host.spawn("isr-writer", run_isr_writer(broker.clone(), proposals, unannounced.clone()));
    host.spawn("isr-notifier", run_isr_notifier(broker.clone(), unannounced));
    host.spawn("isr-shrinker", run_isr_shrinker(broker.clone()));
    host.spawn("rebalance-timer", run_rebalance_timer(broker.clone()));
    host.spawn("high-watermark-checkpoints", run_high_watermark_checkpoints(broker.clone()));
    host.spawn("recovery-point-checkpoints", run_recovery_point_checkpoints(broker.clone()));
    host.spawn("retention", run_retention(broker.clone()));
    host.spawn("producer-expiration", run_producer_expiration(broker.clone()));
    start_cleaner(&broker);
    let cause = stop.await;
    broker.shut_down(cause).await;
}

type Parts = (Rc<Broker>, mpsc::UnboundedReceiver<Proposal>, mpsc::UnboundedReceiver<Event>);

fn assemble(host: Host, config: BrokerConfig, settings: Rc<Settings>) -> Parts {
    let session_timeout = u32::try_from(settings.zookeeper_session_timeout_ms).unwrap_or(u32::MAX);
    let zookeeper = Client::connect(host.clone(), config.zookeeper, session_timeout);
    let metadata = Rc::new(RefCell::new(MetadataCache::default()));
    let (replicas, proposals) =
        ReplicaManager::new(host.clone(), config.id, settings.clone(), config.flaws, config.data, metadata.clone());
    let (controller, events) = mpsc::unbounded_channel();
    let broker = Broker {
        id: config.id,
        started: host.started(),
        address: config.advertised,
        rack: config.rack,
        groups: GroupCoordinator::new(&settings, config.flaws),
        settings,
        configured: config.settings,
        flaws: config.flaws,
        zookeeper,
        replicas,
        fetchers: Fetchers::default(),
        metadata,
        metadata_changed: Notify::new(),
        metadata_cause: Cell::new(EventId::ROOT),
        fence: RefCell::default(),
        broker_epoch: Cell::new(-1),
        has_registered: Notify::new(),
        controlling: Cell::new(false),
        controlling_since: Cell::new(EventId::ROOT),
        cluster_id: RefCell::default(),
        producer_ids: Mutex::new(0..0),
        topic_settings: RefCell::default(),
        controller,
        entropy: RefCell::default(),
        host,
    };
    (Rc::new(broker), proposals, events)
}

impl Broker {
    /// Whether this broker is the controller, as it believes.
    pub fn controls(&self) -> bool {
        self.controlling.get()
    }

    /// Waits for the first registration since the start. Before it nothing tells a control request for this incarnation
    /// from one for an earlier one (KIP-380); Kafka serves no request before it.
    pub async fn registered(&self) {
        while self.broker_epoch.get() < 0 {
            self.has_registered.notified().await;
        }
    }

    /// Puts an event in the controller's queue.
    pub fn tell_controller(&self, event: Event) {
        // Its receiver lives as long as the broker.
        let _ = self.controller.send(event);
    }

    /// A random id (UUID version 4) from a stream of this name.
    pub fn new_id(&self, stream: &'static str) -> Uuid {
        let high = self.draw(stream, u64::MAX);
        let low = self.draw(stream, u64::MAX);
        uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes()).into_uuid()
    }

    /// Where the placement of a new topic begins: two numbers below the number of brokers.
    pub fn draw_placement(&self, brokers: usize) -> (usize, usize) {
        let draw = || self.draw("placement", brokers as u64) as usize;
        (draw(), draw())
    }

    fn draw(&self, stream: &'static str, bound: u64) -> u64 {
        self.entropy.borrow_mut().entry(stream).or_insert_with(|| self.host.entropy(stream)).below(bound)
    }

    /// A topic's settings, as far as they were loaded.
    pub fn topic_settings(&self, topic: &str) -> Rc<TopicSettings> {
        let loaded = self.topic_settings.borrow().get(topic).cloned();
        loaded.unwrap_or_else(|| Rc::new(self.settings.topic_defaults()))
    }

    /// Takes over a topic's settings.
    pub fn remember_topic_settings(&self, topic: &str, settings: Rc<TopicSettings>) {
        self.topic_settings.borrow_mut().insert(topic.to_owned(), settings);
    }

    /// Forgets a deleted topic's settings.
    pub fn forget_topic_settings(&self, topic: &str) {
        self.topic_settings.borrow_mut().remove(topic);
    }

    /// Reads a topic's settings, unless they are known.
    pub async fn load_topic_settings(&self, topic: &str, cause: EventId) {
        if self.topic_settings.borrow().contains_key(topic) {
            return;
        }
        let path = znodes::topic_config(topic);
        let read = self.persistently(|| self.zookeeper.get_data(cause, &path, false)).await;
        let own = read.ok().and_then(|reply| TopicConfig::decode(&reply.value.0)).map(|it| it.config);
        let parsed = TopicSettings::parse(&self.settings, &own.unwrap_or_default());
        let settings = parsed.unwrap_or_else(|_| self.settings.topic_defaults());
        self.topic_settings.borrow_mut().insert(topic.to_owned(), Rc::new(settings));
    }

    /// Tries an operation on ZooKeeper until it has an outcome, over connections and sessions, as Kafka's client does.
    pub(crate) async fn persistently<T, F>(&self, operation: impl Fn() -> F) -> Result<Reply<T>, ZkError>
    where
        F: Future<Output = Result<Reply<T>, ZkError>>,
    {
        const RETRY: Duration = Duration::from_millis(100);
        loop {
            match operation().await {
                Err(ZkError::ConnectionLoss | ZkError::SessionExpired) => {
                    self.host.sleep(RETRY).await;
                }
                other => return other,
            }
        }
    }

    /// Creates the persistent nodes and the cluster id if they are missing, and reads all topics' settings.
    async fn prepare_zookeeper(&self) {
        let cause = self.started;
        for path in znodes::PERSISTENT {
            let create = || self.zookeeper.create(cause, path, Bytes::new(), CreateMode::Persistent);
            // That it exists is as good.
            let _ = self.persistently(create).await;
        }
        let own = ClusterId { version: "1".to_owned(), id: znodes::id_to_text(self.new_id("cluster-id")) };
        let create = || self.zookeeper.create(cause, znodes::CLUSTER_ID, own.encode(), CreateMode::Persistent);
        let _ = self.persistently(create).await;
        let stored = self.persistently(|| self.zookeeper.get_data(cause, znodes::CLUSTER_ID, false)).await;
        let id = stored.ok().and_then(|reply| ClusterId::decode(&reply.value.0)).map(|stored| stored.id);
        *self.cluster_id.borrow_mut() = id;
        let topics = self.persistently(|| self.zookeeper.get_children(cause, znodes::TOPIC_CONFIGS, false)).await;
        for topic in topics.map_or(Vec::new(), |reply| reply.value.0) {
            self.load_topic_settings(&topic, cause).await;
        }
    }

    async fn shut_down(&self, cause: EventId) {
        if self.settings.controlled_shutdown_enable {
            self.hand_over(cause).await;
        }
        // Without the marker the next start recovers; there is nothing else to do about it.
        let _ = self.replicas.close(cause).await;
        self.zookeeper.close();
        // Without an answer the session expires by itself, and so does the registration.
        let _ = self.host.timeout(FAREWELL, self.zookeeper.ended()).await;
        self.host.exit(cause);
    }

    /// Asks the controller to move leaderships elsewhere, a few times.
    async fn hand_over(&self, cause: EventId) {
        let request = ControlledShutdownRequest { broker_id: self.id, broker_epoch: self.broker_epoch.get() }.into();
        for _ in 0..=self.settings.controlled_shutdown_max_retries {
            let controller = {
                let metadata = self.metadata.borrow();
                metadata.controller().and_then(|id| metadata.address(id))
            };
            if let Some(address) = controller {
                let mut rpc = Rpc::new(self.host.clone(), format!("broker-{}", self.id), address);
                let timeout = milliseconds(self.settings.controller_socket_timeout_ms);
                if let Ok(answer) = rpc.call(cause, &request, timeout).await
                    && let Response::ControlledShutdown(response) = answer.response
                    && response.error_code == 0
                    && response.remaining_partitions.is_empty()
                {
                    return;
                }
            }
            self.host.sleep(milliseconds(self.settings.controlled_shutdown_retry_backoff_ms)).await;
        }
    }
}
