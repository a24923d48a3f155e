//! `/brokers/ids/N`: how a broker is known to live.

use std::rc::Rc;
use std::time::Duration;

use host::Task;
use trace::{EventId, EventKind};
use zookeeper::{ClientEvent, CreateMode, ZkError};

use crate::broker::Broker;
use crate::controller::Event;
use crate::flaws::Flaw;
use crate::znodes::{self, Content, Registration};

/// Creates the registration in the current session. While the node of an earlier incarnation lives it waits: that
/// session will expire; its node is nobody else's to delete (KAFKA-1387). The creating transaction's id becomes the
/// broker epoch (KIP-380). None if the session ended first: the next one registers anew.
async fn register(broker: &Broker, session: u64, cause: EventId) -> Option<EventId> {
    const RETRY: Duration = Duration::from_millis(500);
    let path = znodes::broker(broker.id);
    let mut cause = cause;
    while broker.zookeeper.session_id() == session {
        let registration = Registration::new(broker.address, broker.rack.clone(), broker.host.wall()).encode();
        let czxid = match broker.zookeeper.create(cause, &path, registration, CreateMode::Ephemeral).await {
            Ok(reply) => {
                cause = reply.cause;
                Some(reply.value.czxid)
            }
            Err(ZkError::NodeExists) => own_registration(broker, &path, session, &mut cause).await,
            Err(_) => None,
        };
        if let Some(czxid) = czxid {
            let broker_epoch = i64::try_from(czxid).unwrap_or(i64::MAX);
            broker.broker_epoch.set(broker_epoch);
            broker.has_registered.notify_waiters();
            return Some(broker.host.emit(cause, EventKind::BrokerRegistered { broker_epoch, session }));
        }
        broker.host.sleep(RETRY).await;
    }
    None
}

/// The czxid of the registration, if this session created it: by a request whose answer was lost.
async fn own_registration(broker: &Broker, path: &str, session: u64, cause: &mut EventId) -> Option<u64> {
    let reply = broker.zookeeper.exists(*cause, path, false).await.ok()?;
    *cause = reply.cause;
    let mistaken = broker.flaws.has(Flaw::EphemeralConflict);
    let stat = reply.value.filter(|stat| mistaken || stat.ephemeral_owner == session)?;
    Some(stat.czxid)
}

async fn register_and_stand(broker: Rc<Broker>, session: u64, cause: EventId) {
    if let Some(cause) = register(&broker, session, cause).await {
        broker.tell_controller(Event::Registered { cause });
    }
}

/// Follows the session: registers in each new one, and passes on what ZooKeeper says.
pub async fn run_session(broker: Rc<Broker>) {
    let mut registering: Option<Task> = None;
    loop {
        match broker.zookeeper.next_event().await {
            ClientEvent::Connected { session, new: true, cause } => {
                if let Some(task) = registering.take() {
                    task.cancel();
                }
                let task = register_and_stand(broker.clone(), session, cause);
                registering = Some(broker.host.spawn("register", task));
            }
            ClientEvent::Connected { .. } | ClientEvent::Disconnected { .. } => {}
            ClientEvent::SessionExpired { cause, .. } => broker.tell_controller(Event::SessionExpired { cause }),
            ClientEvent::Watch { path, cause, .. } => match path.as_str() {
                znodes::CONTROLLER => broker.tell_controller(Event::ControllerChanged { cause }),
                znodes::BROKER_IDS => broker.tell_controller(Event::BrokersChanged { cause }),
                znodes::TOPICS => broker.tell_controller(Event::TopicsChanged { cause }),
                znodes::ISR_CHANGES => broker.tell_controller(Event::IsrsChanged { cause }),
                znodes::DELETE_TOPICS => broker.tell_controller(Event::DeletionsChanged { cause }),
                _ => {}
            },
        }
    }
}
