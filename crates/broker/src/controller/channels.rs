//! The controller's word to each broker: a queue and a connection a broker, in order, again until answered.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use host::Task;
use tokio::sync::mpsc;
use trace::{EventId, Name, Partition};
use wire::kafka::{ErrorCode, Request, Response};

use super::Event;
use super::context::LiveBroker;
use crate::broker::Broker;
use crate::config::milliseconds;
use crate::rpc::Rpc;

struct Channel {
    queue: mpsc::UnboundedSender<(Request, EventId)>,
    task: Task,
}

/// Queues by broker id. Dropping them gives up whatever is not sent.
pub struct Channels {
    broker: Rc<Broker>,
    by_broker: BTreeMap<i32, Channel>,
}

impl Channels {
    /// None yet.
    pub fn new(broker: Rc<Broker>) -> Channels {
        Channels { broker, by_broker: BTreeMap::new() }
    }

    /// Opens a queue to a broker, a new one if there was one.
    pub fn add(&mut self, id: i32, live: &LiveBroker) {
        self.remove(id);
        let (queue, receiver) = mpsc::unbounded_channel();
        let client_id = format!("broker-{}-controller", self.broker.id);
        let rpc = Rpc::new(self.broker.host.clone(), client_id, live.address);
        let task = self.broker.host.spawn("controller-channel", deliver(self.broker.clone(), id, rpc, receiver));
        self.by_broker.insert(id, Channel { queue, task });
    }

    /// Closes the queue to a broker.
    pub fn remove(&mut self, id: i32) {
        if let Some(channel) = self.by_broker.remove(&id) {
            channel.task.cancel();
        }
    }

    /// Queues a request.
    pub fn send(&self, id: i32, request: Request, cause: EventId) {
        if let Some(channel) = self.by_broker.get(&id) {
            // The receiver lives as long as its channel.
            let _ = channel.queue.send((request, cause));
        }
    }
}

impl Drop for Channels {
    fn drop(&mut self) {
        for channel in self.by_broker.values() {
            channel.task.cancel();
        }
    }
}

async fn deliver(broker: Rc<Broker>, id: i32, mut rpc: Rpc, mut queue: mpsc::UnboundedReceiver<(Request, EventId)>) {
    const RETRY: Duration = Duration::from_millis(100);
    let timeout = milliseconds(broker.settings.controller_socket_timeout_ms);
    while let Some((request, mut cause)) = queue.recv().await {
        let answer = loop {
            match rpc.call(cause, &request, timeout).await {
                Ok(answer) => break answer,
                Err(failure) => cause = failure.cause,
            }
            broker.host.sleep(RETRY).await;
        };
        if let (Request::StopReplica(request), Response::StopReplica(response)) = (&request, &answer.response) {
            let deleting =
                request.topic_states.iter().any(|it| it.partition_states.iter().any(|it| it.delete_partition));
            let stopped = |it: &&wire::control::StopReplicaPartitionError| it.error_code == ErrorCode::None.code();
            let partition = |it: &wire::control::StopReplicaPartitionError| Partition {
                topic: Name::new(it.topic_name.as_str()),
                index: it.partition_index,
            };
            if deleting && response.error_code == 0 {
                let deleted = response.partition_errors.iter().filter(stopped).map(partition).collect();
                broker.tell_controller(Event::ReplicasDeleted { broker: id, deleted, cause: answer.cause });
            }
        }
    }
}
