//! A service that consumes: MailService and its like. Without a group it reads every partition by itself; with one it shares them with
//! its fellow members, and commits how far it has come.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use broker::Flaw;
use client::{CommitOffset, Consumer, ConsumerConfig, ConsumerFlaws, Polled, PolledRecord};
use host::Host;
use scenario::{Commit, Plan};
use trace::{EventId, Name, Partition};

use super::{SharedLedger, bootstrap, direct, settings};

/// The longest one poll waits.
const POLL: Duration = Duration::from_millis(500);
/// How long a member that ends waits for its coordinator.
pub const GOODBYE: Duration = Duration::from_secs(5);
/// In `group.instance.id`, stands for the node's name: each node of a service is its own static member.
const NODE: &str = "{node}";

/// Polls, works for every record, and says so. A member of a group that is asked to `stop` finishes what it has polled, commits and leaves.
pub async fn consume(
    host: Host,
    plan: &Plan,
    consumer: &scenario::Consumer,
    ledger: SharedLedger,
    stop: impl Future<Output = EventId>,
) {
    while ledger.topics_ready.get().is_none() {
        host.sleep(Duration::from_millis(50)).await;
    }
    if direct::is_called(plan, consumer) {
        let work = Duration::from_nanos(consumer.process.nanos());
        host.spawn("calls", direct::serve(host.clone(), consumer.name.clone(), work, ledger.clone()));
    }
    let kafka = Consumer::new(host.clone(), bootstrap(plan), config(&host, plan, consumer));
    let service = Service { host, plan: consumer, ledger, kafka };
    match &consumer.group {
        None => service.read_alone().await,
        Some(_) => {
            let ending = service.work_in_group(stop).await;
            service.kafka.close(GOODBYE).await;
            if ending == Ending::GaveUp {
                service.ledger.gave_up.borrow_mut().push(service.host.name());
                service.ledger.one_gave_up.notify_one();
            }
        }
    }
}

fn config(host: &Host, plan: &Plan, consumer: &scenario::Consumer) -> ConsumerConfig {
    let mut settings = settings(&consumer.config);
    if let Some(group) = &consumer.group {
        settings.insert("group.id".into(), group.clone());
        settings.insert("enable.auto.commit".into(), (consumer.commit == Commit::Auto).to_string());
    }
    if let Some(instance) = settings.get_mut("group.instance.id") {
        *instance = instance.replace(NODE, host.name().as_str());
    }
    let mut config = ConsumerConfig::from_settings(&settings)
        .unwrap_or_else(|error| panic!("the scenario checked the settings of {}: {error}", consumer.name));
    let flaws = crate::nodes::flaws(plan);
    config.flaws = ConsumerFlaws {
        sticky_double_ownership: flaws.has(Flaw::StickyDoubleOwnership),
        fetch_during_revocation_commit: flaws.has(Flaw::FetchDuringRevocationCommit),
        store_offset_after_revoke: flaws.has(Flaw::StoreOffsetAfterRevoke),
        reset_on_transient_error: flaws.has(Flaw::ResetOnTransientError),
        topic_recreated_same_name: flaws.has(Flaw::TopicRecreatedSameName),
    };
    config
}

/// Why a member of a group works no more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Asked,
    GaveUp,
}

struct Service<'a> {
    host: Host,
    plan: &'a scenario::Consumer,
    ledger: SharedLedger,
    kafka: Consumer,
}

impl Service<'_> {
    async fn read_alone(&self) {
        let topics: Vec<Name> = self.plan.topics.iter().map(|topic| Name::new(topic)).collect();
        self.kafka.assign(&topics);
        loop {
            for record in self.kafka.poll(POLL).await {
                self.work_for(&record).await;
            }
        }
    }

    /// Ends when the group will not have it any more: a service whose consumer is fenced can only stop.
    async fn work_in_group(&self, stop: impl Future<Output = EventId>) -> Ending {
        let topics: Vec<Name> = self.plan.topics.iter().map(|topic| Name::new(topic)).collect();
        let subscribed = match &self.plan.pattern {
            Some(pattern) => self.kafka.subscribe_pattern(pattern),
            None => self.kafka.subscribe(&topics),
        };
        subscribed.expect("it has a group");
        let mut stop = pin!(stop);
        loop {
            let polled = tokio::select! {
                biased;
                _ = &mut stop => return Ending::Asked,
                polled = self.kafka.poll_group(POLL) => polled,
            };
            let records = match polled {
                Ok(Polled::Records(records)) => records,
                Ok(_) => continue,
                Err(_) => return Ending::GaveUp,
            };
            if self.plan.commit == Commit::BeforeProcessing && !self.commit(&records).await {
                // At most once: what may not be committed is not done, but read again.
                self.go_back(&records);
                continue;
            }
            for record in &records {
                self.work_for(record).await;
            }
            if self.plan.commit == Commit::AfterProcessing {
                self.commit(&records).await;
            }
        }
    }

    async fn work_for(&self, record: &PolledRecord) {
        self.ledger.work(&self.host, Duration::from_nanos(self.plan.process.nanos())).await;
        self.kafka.processed(record);
    }

    /// Commits up to behind these records; whether that is certain. If not, they may be delivered again, here or to another.
    async fn commit(&self, records: &[PolledRecord]) -> bool {
        let upto: BTreeMap<Partition, CommitOffset> = records.iter().map(PolledRecord::next).collect();
        let timeout = Duration::from_nanos(self.plan.config.duration("default.api.timeout.ms").nanos());
        self.kafka.commit_sync(Some(upto), timeout).await.is_ok()
    }

    fn go_back(&self, records: &[PolledRecord]) {
        let first: BTreeMap<Partition, &PolledRecord> = records.iter().rev().map(|it| (it.partition, it)).collect();
        first.into_values().for_each(|record| self.kafka.seek(record.cause, record.partition, record.offset));
    }
}
