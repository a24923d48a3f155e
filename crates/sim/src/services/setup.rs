//! Creates the scenario's topics, as an operator would before the services start.

use std::time::Duration;

use client::{Admin, ClientConfig, NewTopic};
use host::Host;
use scenario::Plan;
use trace::{EventId, Name};

use super::{SharedLedger, bootstrap, settings};

/// How long one attempt may take.
pub(super) const ATTEMPT: Duration = Duration::from_secs(5);
/// How long an operator waits before it tries again.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

/// Creates the topics: the cluster may still have to come up.
pub async fn create_topics(host: Host, plan: &Plan, ledger: SharedLedger) {
    let admin = Admin::new(host.clone(), bootstrap(plan), ClientConfig::default());
    let topics: Vec<NewTopic> = plan.topics.iter().map(new_topic).collect();
    let failed = |error| *ledger.setup_failed.borrow_mut() = Some(error);
    let ready = create(&host, &admin, EventId::ROOT, &topics, failed).await;
    ledger.setup_failed.borrow_mut().take();
    ledger.topics_ready.set(Some(ready));
}

/// Creates topics, until the controller says that they exist; tells of every failure. Returns the answer.
pub(super) async fn create(
    host: &Host,
    admin: &Admin,
    cause: EventId,
    topics: &[NewTopic],
    failed: impl Fn(String),
) -> EventId {
    loop {
        match admin.create_topics(cause, topics, ATTEMPT).await {
            Ok(answer) => return answer,
            Err(error) => {
                failed(error.to_string());
                host.sleep(PAUSE).await;
            }
        }
    }
}

/// A topic as the scenario describes it.
pub(super) fn new_topic(topic: &scenario::Topic) -> NewTopic {
    let assignment = topic
        .assignment
        .as_ref()
        .map(|partitions| partitions.iter().map(|replicas| replicas.iter().map(|id| *id as i32).collect()).collect());
    let mut configs = settings(&topic.config);
    if topic.is_internal() {
        configs.entry("cleanup.policy".into()).or_insert_with(|| "compact".into());
    }
    NewTopic {
        name: Name::new(&topic.name),
        partitions: topic.partitions as i32,
        replication: topic.replication as i16,
        assignment,
        configs,
    }
}
