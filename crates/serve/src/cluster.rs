//! The nodes of this process. Each is started, stopped and killed by itself, while the others go on.

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::{BrokerConfig, Flaws};
use host::real::{Addresses, End, Limits, NodeOptions, NodeThread, SharedRecorder};
use host::{Address, Host};
use tokio::sync::oneshot;
use trace::EventId;
use zookeeper::MemberConfig;

use crate::directory::NodeDirectory;
use crate::layout::{KAFKA_PORT, ZOOKEEPER_PORT};
use crate::{ClusterSettings, Layout, Node, ServeError};

/// Between two looks at a node that is to end.
const TICK: Duration = Duration::from_millis(10);

/// What a cluster is made of.
#[derive(Clone)]
pub struct Options {
    /// Where its nodes are.
    pub layout: Layout,
    /// Their settings.
    pub settings: ClusterSettings,
    /// Where their folders are.
    pub data: PathBuf,
    /// Where their events go.
    pub recorder: SharedRecorder,
}

/// The nodes of a cluster that run in this process. Dropping it kills them.
pub struct Cluster {
    options: Options,
    addresses: Arc<Addresses>,
    /// Locked from a node's first start on.
    directories: BTreeMap<Node, NodeDirectory>,
    running: BTreeMap<Node, Running>,
}

struct Running {
    thread: NodeThread,
    /// Asks for a clean end; taken once it was asked.
    stop: Option<oneshot::Sender<()>>,
    asked: bool,
}

/// A node that has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Which.
    pub node: Node,
    /// How.
    pub end: End,
    /// Whether somebody had asked it to.
    pub asked: bool,
}

impl Ended {
    /// What is wrong with that, if anything is.
    pub fn complaint(&self) -> Option<String> {
        let node = self.node;
        match &self.end {
            End::Panicked(message) => Some(format!("{node} panicked: {message}")),
            End::Failed(reason) => Some(format!("{node} could not start: {reason}")),
            End::Exited | End::Stopped if self.asked => None,
            End::Exited | End::Stopped => {
                Some(format!("{node} ended by itself: its disk or a port failed it, or its data is of another cluster"))
            }
        }
    }
}

impl Cluster {
    /// A cluster none of whose nodes runs.
    pub fn new(options: Options) -> Cluster {
        let addresses = Arc::new(options.layout.addresses());
        Cluster { options, addresses, directories: BTreeMap::new(), running: BTreeMap::new() }
    }

    /// Starts a node over what its folder holds, from its first start in this process on locked.
    ///
    /// # Errors
    /// If its folder cannot be used, or there is no thread for it. That a port cannot be listened on ends the node later.
    ///
    /// # Panics
    /// If it runs already.
    pub fn start(&mut self, node: Node) -> Result<(), ServeError> {
        assert!(!self.running.contains_key(&node), "{node} runs already");
        let directory = match self.directories.remove(&node) {
            Some(directory) => directory,
            None => NodeDirectory::open(&self.options.data, node)?,
        };
        let options = NodeOptions {
            name: node.name(),
            incarnation: directory.next_incarnation()?,
            data: directory.path().to_owned(),
            addresses: self.addresses.clone(),
            recorder: Some(self.options.recorder.clone()),
            seed: None,
            limits: match node {
                Node::Member(_) => Limits::default(),
                Node::Broker(_) => self.options.settings.limits(),
            },
        };
        self.directories.insert(node, directory);
        let (stop, asked) = oneshot::channel();
        let thread = match node {
            Node::Member(id) => {
                let config = self.member(id);
                NodeThread::start(options, |host| Box::pin(run_member(host, config, asked)))
            }
            Node::Broker(id) => {
                let config = self.broker(id);
                NodeThread::start(options, |host| {
                    let stop = asked_to_end(host.started(), asked);
                    Box::pin(broker::run_broker_until(host, config, stop))
                })
            }
        };
        let thread = thread.map_err(|source| ServeError::Thread { node: node.to_string(), source })?;
        self.running.insert(node, Running { thread, stop: Some(stop), asked: false });
        Ok(())
    }

    fn member(&self, id: u32) -> MemberConfig {
        let mut config = MemberConfig::new(id, self.options.layout.members());
        self.options.settings.apply(&mut config);
        config
    }

    fn broker(&self, id: i32) -> BrokerConfig {
        let members = self.options.layout.members();
        BrokerConfig {
            id,
            rack: None,
            port: KAFKA_PORT,
            advertised: self.options.layout.advertised(id),
            zookeeper: members.values().map(|member| Address::new(*member, ZOOKEEPER_PORT)).collect(),
            settings: self.options.settings.brokers().clone(),
            flaws: Flaws::NONE,
            data: "data".into(),
        }
    }

    /// Asks a node to end as it should: a broker hands its leaderships over, flushes and leaves the marker of a clean
    /// shutdown. False if it does not run.
    pub fn stop(&mut self, node: Node) -> bool {
        let Some(running) = self.running.get_mut(&node) else { return false };
        running.asked = true;
        if let Some(stop) = running.stop.take() {
            let _ = stop.send(()); // it may have ended just now
        }
        true
    }

    /// Ends a node at once, as a crash would; what it wrote stays. False if it does not run.
    pub fn kill(&mut self, node: Node) -> bool {
        let Some(running) = self.running.get_mut(&node) else { return false };
        running.asked = true;
        running.thread.stopper.stop();
        true
    }

    /// Whether a node was started and has not been seen to end.
    pub fn is_running(&self, node: Node) -> bool {
        self.running.contains_key(&node)
    }

    /// The nodes that have ended since the last call; they may be started again.
    pub fn ended(&mut self) -> Vec<Ended> {
        let over = self.running.extract_if(.., |_, running| running.thread.is_finished());
        over.map(|(node, running)| Ended { node, end: running.thread.join(), asked: running.asked }).collect()
    }

    /// Waits until a node has ended, for at most `limit`; then kills it. `meanwhile` is called all the time.
    pub fn wait(&mut self, node: Node, limit: Duration, meanwhile: &mut dyn FnMut()) -> Option<Ended> {
        let began = Instant::now();
        let mut killed = false;
        loop {
            meanwhile();
            let running = self.running.get(&node)?;
            if running.thread.is_finished() {
                let running = self.running.remove(&node)?;
                return Some(Ended { node, end: running.thread.join(), asked: running.asked });
            }
            if !killed && began.elapsed() >= limit {
                killed = self.kill(node);
            }
            std::thread::sleep(TICK);
        }
    }

    /// Ends all that runs, the brokers first and in turn, so that each can hand over to the next; then the ensemble. What
    /// takes longer than `limit` is killed. Returns how each ended.
    pub fn shut_down(&mut self, limit: Duration, meanwhile: &mut dyn FnMut()) -> Vec<Ended> {
        let mut nodes: Vec<Node> = self.running.keys().copied().collect();
        nodes.sort_by_key(|node| matches!(node, Node::Member(_)));
        let mut all = Vec::new();
        for node in nodes {
            self.stop(node);
            all.extend(self.wait(node, limit, meanwhile));
        }
        all
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (_, running) in std::mem::take(&mut self.running) {
            running.thread.stopper.stop();
            running.thread.join();
        }
    }
}

/// Done when the node is asked to end. Who goes away without asking never asks.
async fn asked_to_end(started: EventId, asked: oneshot::Receiver<()>) -> EventId {
    match asked.await {
        Ok(()) => started,
        Err(_) => pending().await,
    }
}

/// A member has nothing to hand over: each of its transactions is durable already.
async fn run_member(host: Host, config: MemberConfig, asked: oneshot::Receiver<()>) {
    let stop: std::pin::Pin<Box<dyn Future<Output = EventId>>> = Box::pin(asked_to_end(host.started(), asked));
    tokio::select! {
        biased;
        cause = stop => host.exit(cause),
        () = zookeeper::run_member(host.clone(), config) => {}
    }
}
