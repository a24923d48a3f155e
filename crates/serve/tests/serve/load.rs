//! Our own clients on real hosts, each on a thread of its own: an administrator, a producer under way, a reader.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use client::{Admin, ClientConfig, NewTopic, Outcome, Producer, ProducerConfig, Record, read_all};
use host::real::{Addresses, Limits, NodeOptions, NodeThread};
use host::{Address, Host, LocalBoxFuture};
use tempfile::TempDir;
use trace::{EventId, Name, Partition};

/// Nothing here takes that long; a test that would wait longer fails.
pub const DEADLINE: Duration = Duration::from_secs(120);
pub const PARTITIONS: i32 = 3;

/// Waits until `done`, looking again and again.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The addresses of a `bootstrap.servers`.
pub fn addresses(bootstrap: &str) -> Vec<Address> {
    let one = |server: &str| {
        let (host, port) = server.rsplit_once(':').unwrap();
        Address::new(host, port.parse().unwrap())
    };
    bootstrap.split(',').map(one).collect()
}

/// A client that runs on a thread of its own until it has a result.
pub struct Client<T> {
    thread: NodeThread,
    result: Receiver<T>,
    _data: TempDir,
}

impl<T: Send + 'static> Client<T> {
    pub fn start(name: &str, body: impl FnOnce(Host) -> LocalBoxFuture<T> + Send + 'static) -> Client<T> {
        let data = tempfile::tempdir().unwrap();
        let options = NodeOptions {
            name: Name::new(name),
            incarnation: 0,
            data: data.path().to_owned(),
            addresses: Arc::new(Addresses::new()),
            recorder: None,
            seed: None,
            limits: Limits::default(),
        };
        let (sender, result) = channel();
        let boot = move |host: Host| -> LocalBoxFuture<()> {
            let running = body(host);
            Box::pin(async move { sender.send(running.await).unwrap() })
        };
        Client { thread: NodeThread::start(options, boot).unwrap(), result, _data: data }
    }

    pub fn result(self) -> T {
        match self.result.recv_timeout(DEADLINE) {
            Ok(result) => result,
            Err(error) => {
                self.thread.stopper.stop();
                panic!("the client has no result: {error}; it ended with {:?}", self.thread.join());
            }
        }
    }
}

/// Creates a topic of three partitions with three replicas.
pub fn create_topic(bootstrap: &str, topic: &'static str) {
    create_topic_with(bootstrap, topic, 3);
}

/// Creates a topic of three partitions with so many replicas.
pub fn create_topic_with(bootstrap: &str, topic: &'static str, replication: i16) {
    let servers = addresses(bootstrap);
    let created = Client::start("setup", move |host| {
        Box::pin(async move {
            let admin = Admin::new(host, servers, ClientConfig::default());
            let topic = NewTopic {
                name: Name::new(topic),
                partitions: PARTITIONS,
                replication,
                assignment: None,
                configs: [("min.insync.replicas".to_owned(), "2".to_owned())].into(),
            };
            admin.create_topics(EventId::ROOT, &[topic], DEADLINE).await.map(drop)
        })
    });
    created.result().unwrap();
}

/// Whether all replicas of a topic are in sync, as one broker sees it.
pub fn is_in_sync(bootstrap: &str, topic: &'static str) -> bool {
    let servers = addresses(bootstrap);
    let described = Client::start("watcher", move |host| {
        Box::pin(async move {
            let admin = Admin::new(host, servers, ClientConfig::default());
            admin.describe(EventId::ROOT, &[Name::new(topic)], DEADLINE).await.unwrap()
        })
    });
    let described = described.result();
    let partitions = described.topics.get(&Name::new(topic));
    partitions.is_some_and(|partitions| partitions.values().all(|it| it.isr.len() == 3 && it.leader.is_some()))
}

/// A record as its producer knows it: who sent it, and under which number.
pub type Sent = (String, u64);

/// A producer (acks=all, idempotent) that sends and sends.
pub struct Load {
    client: Client<Vec<Sent>>,
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicUsize>,
}

impl Load {
    pub fn start(name: &'static str, bootstrap: &str, topic: &'static str) -> Load {
        let servers = addresses(bootstrap);
        let (stop, acked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, counter) = (stop.clone(), acked.clone());
        let client = Client::start(name, move |host| {
            Box::pin(async move {
                let producer = Producer::new(host.clone(), servers, ProducerConfig::default());
                let mut deliveries = producer.deliveries();
                let mut all = Vec::new();
                for sequence in 0.. {
                    if stopped.load(Ordering::Relaxed) {
                        break;
                    }
                    let partition = (sequence % PARTITIONS as u64) as i32;
                    let value = format!("record {sequence}");
                    producer.send(Record::new(topic, sequence).partition(partition).value(value)).await.unwrap();
                    while let Ok(delivery) = deliveries.try_recv() {
                        all.extend(acknowledged(name, &delivery));
                        counter.store(all.len(), Ordering::Relaxed);
                    }
                    host.sleep(Duration::from_millis(1)).await;
                }
                producer.close(DEADLINE / 2).await;
                while let Ok(delivery) = deliveries.try_recv() {
                    all.extend(acknowledged(name, &delivery));
                }
                all
            })
        });
        Load { client, stop, acked }
    }

    /// Waits until so many records more are acknowledged.
    pub fn wait_for(&self, more: usize) {
        let goal = self.acked.load(Ordering::Relaxed) + more;
        until("records are acknowledged", || self.acked.load(Ordering::Relaxed) >= goal);
    }

    /// Ends it; returns what was acknowledged.
    pub fn finish(self) -> Vec<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        self.client.result()
    }
}

fn acknowledged(name: &str, delivery: &client::Delivery) -> Option<Sent> {
    matches!(delivery.outcome, Outcome::Acked { .. }).then(|| (name.to_owned(), delivery.sequence))
}

/// All records of a topic.
pub fn read_topic(bootstrap: &str, topic: &'static str) -> Vec<Sent> {
    let servers = addresses(bootstrap);
    let reader = Client::start("reader", move |host| {
        Box::pin(async move {
            let mut all = Vec::new();
            for index in 0..PARTITIONS {
                let partition = Partition::new(topic, index);
                let records = read_all(&host, servers.clone(), partition, DEADLINE / 4).await.unwrap();
                all.extend(records.iter().map(|record| (record.producer.as_str().to_owned(), record.sequence)));
            }
            all
        })
    });
    reader.result()
}

/// Everything acknowledged is there, and nothing twice.
pub fn check_records(acknowledged: &[Sent], read: &[Sent]) {
    let there: BTreeSet<&Sent> = read.iter().collect();
    assert_eq!(there.len(), read.len(), "a record is there twice");
    let lost: Vec<&Sent> = acknowledged.iter().filter(|sent| !there.contains(sent)).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged records are lost: {lost:?}", lost.len(), acknowledged.len());
}
