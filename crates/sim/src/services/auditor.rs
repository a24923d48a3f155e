//! The fresh reader: at the end of the run it reads every partition from start to end, as a new consumer would.

use std::time::Duration;

use host::{Address, Host};
use oracle::FreshRead;
use scenario::{Core, Plan};
use trace::Partition;

use super::{SharedLedger, bootstrap};

/// How long reading one partition may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The brokers that the reader asks first. One outside the live core may be silent for ever, which would only cost time.
fn healed(plan: &Plan) -> Vec<Address> {
    let all = bootstrap(plan);
    match &plan.core {
        Core::Nodes(names) => all.into_iter().filter(|it| names.iter().any(|name| name == it.host.as_str())).collect(),
        Core::All | Core::Random => all,
    }
}

/// Reads every partition.
pub async fn audit(host: Host, plan: &Plan, ledger: SharedLedger) {
    for topic in plan.topics.iter().filter(|topic| !topic.is_internal()) {
        for index in 0..topic.partitions as i32 {
            let partition = Partition::new(&topic.name, index);
            let read = match client::read_all(&host, healed(plan), partition, PATIENCE).await {
                Ok(records) => {
                    let records = records.iter().map(|record| (record.offset, record.producer, record.sequence));
                    FreshRead { partition, records: records.collect(), error: None }
                }
                Err(error) => FreshRead { partition, records: Vec::new(), error: Some(error.to_string()) },
            };
            ledger.reads.borrow_mut().push(read);
        }
    }
    ledger.audited.set(true);
}
