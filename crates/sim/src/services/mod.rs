//! The services behind the cluster: those that publish, those that consume, and the run's own helpers.
//!
//! Each is a node that knows only its Host; what must outlive its process (the next record's number, what it was told to
//! stop) stands in a [`Ledger`], as a real service would keep it in its database.

mod auditor;
mod consumer;
mod direct;
mod operator;
mod producer;
mod setup;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

pub use auditor::audit;
pub use consumer::{GOODBYE, consume};
pub use operator::{Errand, operate, operator};
pub use producer::produce;
pub use setup::create_topics;

use host::{Address, Host};
use oracle::FreshRead;
use scenario::Config;
use tokio::sync::Notify;
use trace::{EventId, Name};

/// The port of every broker.
pub const KAFKA_PORT: u16 = 9092;

/// What services and runner share.
#[derive(Default)]
pub struct Ledger {
    /// Whether the topics exist: services start working then.
    pub topics_ready: Cell<Option<EventId>>,
    /// Why setup gave up.
    pub setup_failed: RefCell<Option<String>>,
    /// Whether producers should stop.
    pub stop_producing: Cell<bool>,
    /// The next record's number of each producing node.
    pub next: RefCell<BTreeMap<Name, u64>>,
    /// How long consumers work on a record while a fault slows them.
    pub pace: RefCell<BTreeMap<Name, Duration>>,
    /// Services whose process gave up, for their supervisor.
    pub gave_up: RefCell<Vec<Name>>,
    /// One more did.
    pub one_gave_up: Notify,
    /// What faults ask of operators, by the fault's place in the plan.
    pub errands: RefCell<BTreeMap<usize, Rc<Errand>>>,
    /// What the auditor read.
    pub reads: RefCell<Vec<FreshRead>>,
    /// Whether the auditor is done.
    pub audited: Cell<bool>,
}

impl Ledger {
    /// Works on one record: as long as the service needs, or as a fault makes it need.
    pub async fn work(&self, host: &Host, own: Duration) {
        let time = self.pace.borrow().get(&host.name()).copied().unwrap_or(own);
        if !time.is_zero() {
            host.sleep(time).await;
        }
    }
}

/// The brokers to ask first.
pub fn bootstrap(plan: &scenario::Plan) -> Vec<Address> {
    (1..=plan.cluster.brokers).map(|id| Address::new(&format!("broker-{id}"), KAFKA_PORT)).collect()
}

/// The given settings as Kafka's names and plain values.
pub fn settings(config: &Config) -> BTreeMap<String, String> {
    config.given().map(|(name, value)| (name.to_owned(), value.to_string())).collect()
}

/// A shared ledger.
pub type SharedLedger = Rc<Ledger>;
