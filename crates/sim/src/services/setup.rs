//! Creates the scenario's topics, as an operator would before the services start.

use std::time::Duration;

use client::{Admin, ClientConfig, NewTopic};
use host::Host;
use scenario::Plan;
use trace::{EventId, Name};

use super::{SharedLedger, bootstrap, settings};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Creates the topics, again and again until the cluster has come up and says that they exist.
pub async fn create_topics(host: Host, plan: &Plan, ledger: SharedLedger) {
    let admin = Admin::new(host.clone(), bootstrap(plan), ClientConfig::default());
    let topics: Vec<NewTopic> = plan.topics.iter().map(new_topic).collect();
    let ready = loop {
        match admin.create_topics(EventId::ROOT, &topics, ATTEMPT).await {
            Ok(answer) => break answer,
            Err(error) => {
                *ledger.setup_failed.borrow_mut() = Some(error.to_string());
                host.sleep(Duration::from_millis(250)).await;
            }
        }
    };
    ledger.setup_failed.borrow_mut().take();
    ledger.topics_ready.set(Some(ready));
}

fn new_topic(topic: &scenario::Topic) -> NewTopic {
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
