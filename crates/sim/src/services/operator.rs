//! An operator: deletes a topic, and creates it again, as a fault asks.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use client::{Admin, ClientConfig, ClientError};
use host::Host;
use scenario::{Fault, FaultKind, Plan};
use tokio::sync::Notify;
use trace::{EventId, Name};
use wire::kafka::ErrorCode;

use super::setup::{ATTEMPT, PAUSE, create, new_topic};
use super::{SharedLedger, bootstrap};

/// What an operator is asked to do, and how far it has come.
#[derive(Default)]
pub struct Errand {
    /// The fault that asks.
    pub asked: Cell<EventId>,
    /// Whether the topic was deleted.
    pub deleted: Cell<bool>,
    /// Whether it is too late to begin with it.
    pub too_late: Cell<bool>,
    /// Why the last attempt failed.
    pub failure: RefCell<Option<String>>,
    done: Notify,
}

impl Errand {
    /// Waits until there is nothing left to do.
    pub async fn finished(&self) {
        self.done.notified().await;
    }
}

/// The node that does what the fault asks.
pub fn operator(fault: &Fault) -> Name {
    Name::new(&format!("operator-{}", fault.id))
}

/// Does what the fault at `place` asks.
pub async fn operate(host: Host, plan: &Plan, place: usize, ledger: SharedLedger) {
    let FaultKind::DeleteTopic { topic, recreate } = &plan.faults[place].kind else {
        unreachable!("no other fault needs an operator");
    };
    let Some(errand) = ledger.errands.borrow().get(&place).cloned() else { return };
    let admin = Admin::new(host.clone(), bootstrap(plan), ClientConfig::default());
    let mut cause = delete(&host, &admin, Name::new(topic), &errand).await;
    // An attempt of which no answer came may still delete it: so it is looked after in any case.
    if let (Some(after), Some(topic)) = (recreate, plan.topics.iter().find(|it| it.name == *topic)) {
        host.sleep(Duration::from_nanos(after.nanos())).await;
        loop {
            cause = create(&host, &admin, cause, &[new_topic(topic)], |_| {}).await;
            // A topic whose replicas are still being deleted counts as existing, but nobody describes it.
            match admin.describe(cause, &[Name::new(&topic.name)], ATTEMPT).await {
                Ok(cluster) if !cluster.topics.is_empty() => break,
                _ => host.sleep(PAUSE).await,
            }
        }
    }
    errand.done.notify_one();
}

/// Deletes a topic, again and again until the cluster says that it is gone, or it is too late.
async fn delete(host: &Host, admin: &Admin, topic: Name, errand: &Errand) -> EventId {
    let mut existed = false;
    loop {
        let error = match admin.delete_topics(errand.asked.get(), &[topic], ATTEMPT).await {
            Ok(answer) => {
                errand.deleted.set(true);
                return answer;
            }
            Err(error) => error,
        };
        let is_unknown = matches!(error, ClientError::Topic { error: ErrorCode::UnknownTopicOrPartition, .. });
        if is_unknown && existed {
            // An attempt of which no answer came has deleted it.
            errand.deleted.set(true);
            return errand.asked.get();
        }
        existed |= !is_unknown;
        *errand.failure.borrow_mut() = Some(error.to_string());
        if errand.too_late.get() {
            return errand.asked.get();
        }
        host.sleep(PAUSE).await;
    }
}
