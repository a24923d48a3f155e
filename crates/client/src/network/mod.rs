//! All of a client's connections, and the task that keeps its metadata fresh.

mod link;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use host::{Address, Entropy, Host, Task, Time};
use tokio::sync::{Notify, oneshot};
use trace::{EventId, Name, Partition};
use wire::kafka::messages::MetadataRequest;
use wire::kafka::messages::metadata_request::MetadataRequestTopic;
use wire::kafka::{Request, Response, StrBytes, TopicName};

pub(crate) use self::link::{Done, Patience, Sent};
use self::link::{Link, Phase};
use crate::config::ClientConfig;
use crate::metadata::{Leadership, Metadata};
use crate::race::{First, race};

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Reply {
    /// None if no answer was expected (acks=0).
    pub(crate) response: Option<Response>,
    /// Its `FrameDelivered`; without a response the request's `FrameSent`.
    pub(crate) cause: EventId,
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FailureReason {
    /// There was no connection.
    NotConnected,
    /// The broker speaks no version of the API that we speak.
    UnsupportedVersion,
    /// The connection ended.
    Disconnected,
    /// `request.timeout.ms` passed.
    TimedOut,
    /// The answer made no sense.
    Malformed,
    /// The client was closed.
    Closed,
}

/// A request without an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    /// Why.
    pub(crate) reason: FailureReason,
    /// The request's `FrameSent`; none if the broker surely never gets it.
    pub(crate) sent: Option<EventId>,
    /// That event, or the request's own cause.
    pub(crate) cause: EventId,
}

/// How links tell the rest of the client that something changed.
#[derive(Clone)]
struct Signal(Rc<Signals>);

struct Signals {
    /// Wakes whoever waits inside an async call.
    changed: Notify,
    /// Wakes the client's own task.
    client: Rc<Notify>,
    /// Wakes the metadata task.
    refresh: Notify,
    /// A connection was lost since the metadata task last looked: its broker may have died, and others lead now.
    lost: Cell<bool>,
    entropy: RefCell<Entropy>,
}

impl Signal {
    fn changed(&self) {
        self.0.changed.notify_waiters();
        self.0.client.notify_one();
    }

    fn disconnected(&self) {
        self.0.lost.set(true);
        self.0.refresh.notify_one();
        self.changed();
    }

    fn random(&self) -> u64 {
        self.0.entropy.borrow_mut().below(u64::MAX)
    }
}

/// Connections and metadata of one client. Clones share them.
#[derive(Clone)]
pub(crate) struct Network(Rc<Inner>);

struct Inner {
    host: Host,
    config: Rc<ClientConfig>,
    metadata: RefCell<Metadata>,
    links: RefCell<BTreeMap<i32, Rc<Link>>>,
    signal: Signal,
    task: RefCell<Option<Task>>,
    closed: Cell<bool>,
    /// The metadata's version when a refresh was last asked for.
    refreshed_at: Cell<Option<u64>>,
}

impl Network {
    /// Starts the metadata task. `client` is notified whenever a connection, an answer or the metadata changes.
    pub(crate) fn new(host: Host, config: ClientConfig, bootstrap: Vec<Address>, client: Rc<Notify>) -> Network {
        let entropy = RefCell::new(host.entropy("client network"));
        let signals =
            Signals { changed: Notify::new(), client, refresh: Notify::new(), lost: Cell::new(false), entropy };
        let network = Network(Rc::new(Inner {
            config: Rc::new(config),
            metadata: RefCell::new(Metadata::new(bootstrap)),
            links: RefCell::default(),
            signal: Signal(Rc::new(signals)),
            task: RefCell::default(),
            closed: Cell::new(false),
            refreshed_at: Cell::new(None),
            host: host.clone(),
        }));
        let keeper = network.clone();
        let task = host.spawn("kafka metadata", async move { keeper.keep_metadata().await });
        *network.0.task.borrow_mut() = Some(task);
        network
    }

    /// The host.
    pub(crate) fn host(&self) -> &Host {
        &self.0.host
    }

    /// The settings.
    pub(crate) fn config(&self) -> &ClientConfig {
        &self.0.config
    }

    /// A random number.
    pub(crate) fn random(&self) -> u64 {
        self.0.signal.random()
    }

    /// Looks at (or changes) the metadata.
    pub(crate) fn with_metadata<T>(&self, look: impl FnOnce(&mut Metadata) -> T) -> T {
        look(&mut self.0.metadata.borrow_mut())
    }

    /// A partition's leader and epoch.
    pub(crate) fn leadership(&self, partition: Partition) -> Leadership {
        self.0.metadata.borrow().leadership(partition)
    }

    /// Asks about a topic from now on.
    pub(crate) fn add_interest(&self, topic: Name, cause: EventId) {
        if self.with_metadata(|metadata| metadata.add_interest(topic)) {
            self.request_refresh(cause);
        }
    }

    /// Something shows that the metadata is old.
    pub(crate) fn request_refresh(&self, cause: EventId) {
        self.with_metadata(|metadata| metadata.request_refresh(cause));
        self.0.signal.0.refresh.notify_one();
    }

    /// Like [`Network::request_refresh`], but once for each answer: for those who look again and again.
    pub(crate) fn request_refresh_once(&self, cause: EventId) {
        let version = self.with_metadata(|metadata| metadata.version());
        if self.0.refreshed_at.replace(Some(version)) != Some(version) {
            self.request_refresh(cause);
        }
    }

    /// Whether requests can go to this node now; if not, connects as soon as that is allowed.
    pub(crate) fn ready(&self, node: i32, cause: EventId) -> bool {
        let Some(link) = self.link(node) else { return false };
        link.connect(cause);
        link.phase() == Phase::Ready
    }

    /// Whether requests can go to this node now; if not, nothing is done about it.
    pub(crate) fn is_ready(&self, node: i32) -> bool {
        self.0.links.borrow().get(&node).is_some_and(|link| link.phase() == Phase::Ready)
    }

    /// When a node that is not connected may be tried again.
    pub(crate) fn retry_at(&self, node: i32) -> Option<Time> {
        match self.link(node)?.phase() {
            Phase::Idle(at) => Some(at),
            _ => None,
        }
    }

    /// Requests to a node without an answer yet.
    pub(crate) fn in_flight(&self, node: i32) -> usize {
        self.0.links.borrow().get(&node).map_or(0, |link| link.in_flight())
    }

    /// Sends to a node; `done` is called once with what comes of it, unless the client is closed.
    pub(crate) fn send(&self, node: i32, cause: EventId, request: &Request, expects_answer: bool, done: Done) -> Sent {
        let patience = if expects_answer { Patience::Usual } else { Patience::NoAnswer };
        self.send_patiently(node, cause, request, patience, done)
    }

    /// Like [`Network::send`], for requests that may take longer than others.
    pub(crate) fn send_patiently(
        &self,
        node: i32,
        cause: EventId,
        request: &Request,
        patience: Patience,
        done: Done,
    ) -> Sent {
        match self.link(node) {
            Some(link) => link.send(cause, request, patience, done),
            None => {
                done(Err(Failure { reason: FailureReason::NotConnected, sent: None, cause }));
                Sent::default()
            }
        }
    }

    /// Sends to a node and waits for the answer; connects first, but does not try a second time.
    pub(crate) async fn call(&self, node: i32, cause: EventId, request: &Request) -> Result<Reply, Failure> {
        if !self.connected(node, cause).await {
            return Err(Failure { reason: FailureReason::NotConnected, sent: None, cause });
        }
        let (sender, receiver) = oneshot::channel();
        // The receiver is gone only if the caller was cancelled, and then nobody cares.
        self.send(node, cause, request, true, Box::new(move |result| drop(sender.send(result))));
        receiver.await.unwrap_or(Err(Failure { reason: FailureReason::Closed, sent: None, cause }))
    }

    /// Waits until `check` gives something; it is asked again whenever a connection, an answer or the metadata changes.
    pub(crate) async fn wait_for<T>(&self, mut check: impl FnMut() -> Option<T>) -> T {
        loop {
            let mut changed = pin!(self.0.signal.0.changed.notified());
            changed.as_mut().enable();
            if let Some(found) = check() {
                return found;
            }
            changed.await;
        }
    }

    /// The node that is the least busy: connected with the fewest requests in flight, else one being connected, else one that
    /// may be tried now. Brokers first, bootstrap servers as the last resort.
    pub(crate) fn least_loaded(&self) -> Option<i32> {
        let (brokers, bootstrap): (Vec<i32>, Vec<i32>) =
            self.with_metadata(|metadata| (metadata.brokers().collect(), metadata.bootstrap().collect()));
        self.least_loaded_of(brokers).or_else(|| self.least_loaded_of(bootstrap))
    }

    fn least_loaded_of(&self, mut nodes: Vec<i32>) -> Option<i32> {
        if nodes.is_empty() {
            return None;
        }
        let start = (self.random() % nodes.len() as u64) as usize;
        nodes.rotate_left(start);
        let now = self.0.host.now();
        let rank = |node: &i32| {
            let link = self.link(*node)?;
            match link.phase() {
                Phase::Ready => Some((0, link.in_flight())),
                Phase::Connecting => Some((1, 0)),
                Phase::Idle(at) if at <= now => Some((2, 0)),
                Phase::Idle(_) => None,
            }
        };
        nodes
            .into_iter()
            .filter_map(|node| Some((rank(&node)?, node)))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, node)| node)
    }

    /// Ends all tasks and connections; calls that wait fail.
    pub(crate) fn close(&self) {
        self.0.closed.set(true);
        if let Some(task) = self.0.task.borrow_mut().take() {
            task.cancel();
        }
        let links = std::mem::take(&mut *self.0.links.borrow_mut());
        links.values().for_each(|link| link.close());
        self.0.signal.changed();
    }

    /// The link to a node at the address known now; none if the node is unknown or the client closed.
    fn link(&self, node: i32) -> Option<Rc<Link>> {
        if self.0.closed.get() {
            return None;
        }
        let address = self.0.metadata.borrow().address(node);
        let mut links = self.0.links.borrow_mut();
        if let Some(link) = links.get(&node) {
            // A broker that left the metadata is still reached where it was: it may come back.
            if address.is_none_or(|address| address == link.address) {
                return Some(link.clone());
            }
            // Requests on their way to the old address fail by their timeout or the end of that connection.
            links.remove(&node);
        }
        let link = Link::new(self.0.host.clone(), self.0.config.clone(), address?, self.0.signal.clone());
        links.insert(node, link.clone());
        Some(link)
    }

    /// Connects if need be; false if that attempt fails or is not allowed yet.
    async fn connected(&self, node: i32, cause: EventId) -> bool {
        self.ready(node, cause);
        self.wait_for(|| match self.link(node).map(|link| link.phase()) {
            Some(Phase::Ready) => Some(true),
            Some(Phase::Connecting) => None,
            Some(Phase::Idle(_)) | None => Some(false),
        })
        .await
    }

    async fn keep_metadata(&self) {
        loop {
            if self.0.signal.0.lost.take() {
                self.with_metadata(|metadata| metadata.request_refresh(EventId::ROOT));
            }
            let due = {
                let metadata = self.0.metadata.borrow();
                metadata.next_refresh(&self.0.config, self.random())
            };
            if due <= self.0.host.now() {
                self.refresh_metadata().await;
            } else {
                race(self.0.signal.0.refresh.notified(), self.0.host.sleep_until(due)).await;
            }
        }
    }

    async fn refresh_metadata(&self) {
        let Some(node) = self.least_loaded() else {
            // Every node is in its reconnect backoff.
            let wait = self.0.config.reconnect_backoff.max(Duration::from_millis(1));
            return self.0.host.sleep(wait).await;
        };
        let cause = self.with_metadata(|metadata| metadata.begin_refresh(self.0.host.now()));
        let request = self.metadata_request();
        let result = self.call(node, cause, &request).await;
        let now = self.0.host.now();
        match result {
            Ok(Reply { response: Some(Response::Metadata(response)), .. }) => {
                self.with_metadata(|metadata| metadata.update(&response, now));
            }
            Ok(reply) => self.with_metadata(|metadata| metadata.refresh_failed(now, reply.cause)),
            Err(failure) => self.with_metadata(|metadata| metadata.refresh_failed(now, failure.cause)),
        }
        self.0.signal.changed();
    }

    fn metadata_request(&self) -> Request {
        let topic = |name: &Name| MetadataRequestTopic::default().with_name(Some(topic_name(*name)));
        let all = self.with_metadata(|metadata| metadata.wants_all_topics());
        let topics = self.with_metadata(|metadata| metadata.interest().iter().map(topic).collect());
        MetadataRequest::default()
            .with_topics(if all { None } else { Some(topics) })
            .with_allow_auto_topic_creation(self.0.config.allow_auto_create_topics)
            .into()
    }
}

/// Waits for `future`, at most until `deadline`.
pub(crate) async fn until<T>(host: &Host, deadline: Time, future: impl Future<Output = T>) -> Option<T> {
    match race(future, host.sleep_until(deadline)).await {
        First::Left(output) => Some(output),
        First::Right(()) => None,
    }
}

/// A topic's name on the wire, without allocating.
pub(crate) fn topic_name(name: Name) -> TopicName {
    TopicName(StrBytes::from_static_str(name.as_str()))
}
