//! A service that consumes: MailService and its like. It reads every partition by itself.

use std::time::Duration;

use client::{Consumer, ConsumerConfig};
use host::Host;
use scenario::Plan;
use trace::Name;

use super::{SharedLedger, bootstrap, settings};

/// The longest one poll waits.
const POLL: Duration = Duration::from_millis(500);

/// Polls, works for every record, and says so.
pub async fn consume(host: Host, plan: &Plan, consumer: &scenario::Consumer, ledger: SharedLedger) {
    while ledger.topics_ready.get().is_none() {
        host.sleep(Duration::from_millis(50)).await;
    }
    let config = ConsumerConfig::from_settings(&settings(&consumer.config))
        .unwrap_or_else(|error| panic!("the scenario checked the settings of {}: {error}", consumer.name));
    let kafka = Consumer::new(host.clone(), bootstrap(plan), config);
    let topics: Vec<Name> = consumer.topics.iter().map(|topic| Name::new(topic)).collect();
    kafka.assign(&topics);
    let work = Duration::from_nanos(consumer.process.nanos());
    loop {
        for record in kafka.poll(POLL).await {
            if !work.is_zero() {
                host.sleep(work).await;
            }
            kafka.processed(&record);
        }
    }
}
