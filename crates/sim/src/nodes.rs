//! Puts the plan's nodes into the world: the ensemble, the brokers, the services.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;

use broker::{BrokerConfig, Flaws};
use host::sim::Latency;
use host::{Address, Host, World};
use scenario::{FaultKind, Plan};
use tokio::sync::oneshot;
use trace::{EventId, Name};
use zookeeper::MemberConfig;

use crate::services::{self, KAFKA_PORT, SharedLedger};

/// The node that creates the topics.
pub const SETUP: &str = "setup";
/// The node that reads everything at the end.
pub const AUDITOR: &str = "auditor";

/// A scenario's latency as the host wants it.
pub fn latency(latency: &scenario::Latency) -> Latency {
    Latency { p50_ns: latency.p50.nanos(), p99_ns: latency.p99.nanos() }
}

/// How to ask running processes to end. One that was asked is still known, without its sender.
#[derive(Default)]
pub struct Stops(RefCell<BTreeMap<Name, Option<oneshot::Sender<EventId>>>>);

impl Stops {
    /// Asks a node to end, because of `cause`; one that is about to end goes on with that. False if it cannot be asked.
    pub fn ask(&self, node: Name, cause: EventId) -> bool {
        let mut all = self.0.borrow_mut();
        let Some(running) = all.get_mut(&node) else { return false };
        if let Some(sender) = running.take() {
            // Its process may have ended just now.
            let _ = sender.send(cause);
        }
        true
    }

    /// What a process that has just started waits for.
    async fn asked(self: Rc<Self>, node: Name) -> EventId {
        let (sender, receiver) = oneshot::channel();
        self.0.borrow_mut().insert(node, Some(sender));
        match receiver.await {
            Ok(cause) => cause,
            // The next incarnation has taken its place.
            Err(_) => pending().await,
        }
    }
}

/// Registers every node of the plan. None is started.
pub fn add(world: &World, plan: &Rc<Plan>, ledger: &SharedLedger, stops: &Rc<Stops>) {
    let members: BTreeMap<u32, Name> =
        (1..=plan.cluster.zookeepers).map(|id| (id, Name::new(&format!("zk-{id}")))).collect();
    for id in members.keys().copied() {
        let config = member_config(plan, id, members.clone());
        world.add_node(&format!("zk-{id}"), move |host| Box::pin(zookeeper::run_member(host, config.clone())));
    }
    for id in 1..=plan.cluster.brokers {
        let config = broker_config(plan, id);
        let (name, stops) = (trace::broker_name(id as i32), stops.clone());
        world.add_node(name.as_str(), move |host| {
            Box::pin(broker::run_broker_until(host, config.clone(), stops.clone().asked(name)))
        });
    }
    for place in 0..plan.producers.len() {
        for index in 0..plan.producers[place].count {
            let name = format!("{}-{index}", plan.producers[place].name);
            add_service(world, &name, plan, ledger, move |host, plan, ledger| {
                Box::pin(async move { services::produce(host, &plan, place, index, ledger).await })
            });
        }
    }
    for place in 0..plan.consumers.len() {
        for name in plan.group(&plan.consumers[place].name).unwrap_or_default() {
            let (node, stops) = (Name::new(&name), stops.clone());
            add_service(world, &name, plan, ledger, move |host, plan, ledger| {
                // Asked only while it is a member of a group: another has nobody to say goodbye to, and is killed.
                let stop = stops.clone().asked(node);
                Box::pin(async move { services::consume(host, &plan, &plan.consumers[place], ledger, stop).await })
            });
        }
    }
    for (place, fault) in plan.faults.iter().enumerate() {
        if let FaultKind::DeleteTopic { .. } = &fault.kind {
            add_service(world, services::operator(fault).as_str(), plan, ledger, move |host, plan, ledger| {
                Box::pin(async move { services::operate(host, &plan, place, ledger).await })
            });
        }
    }
    add_service(world, SETUP, plan, ledger, |host, plan, ledger| {
        Box::pin(async move { services::create_topics(host, &plan, ledger).await })
    });
    add_service(world, AUDITOR, plan, ledger, |host, plan, ledger| {
        Box::pin(async move { services::audit(host, &plan, ledger).await })
    });
}

type Service = std::pin::Pin<Box<dyn Future<Output = ()>>>;

fn add_service(
    world: &World,
    name: &str,
    plan: &Rc<Plan>,
    ledger: &SharedLedger,
    boot: impl Fn(Host, Rc<Plan>, SharedLedger) -> Service + 'static,
) {
    let (plan, ledger) = (plan.clone(), ledger.clone());
    world.add_node(name, move |host| boot(host, plan.clone(), ledger.clone()));
}

fn member_config(plan: &Plan, id: u32, members: BTreeMap<u32, Name>) -> MemberConfig {
    let config = &plan.cluster.config;
    let mut member = MemberConfig::new(id, members);
    member.tick_time_ms = config.integer("tickTime") as u32;
    member.init_limit = config.integer("initLimit") as u32;
    member.sync_limit = config.integer("syncLimit") as u32;
    member
}

/// The flaws that the plan switches on: brokers' and clients'.
pub fn flaws(plan: &Plan) -> Flaws {
    Flaws::parse(plan.cluster.flaws.iter().map(String::as_str))
        .unwrap_or_else(|error| panic!("the scenario says that this flaw is built: {error}"))
}

fn broker_config(plan: &Plan, id: u32) -> BrokerConfig {
    let name = format!("broker-{id}");
    let mut settings = services::settings(&plan.cluster.broker_config(id));
    if let Some(topic) = plan.topics.iter().find(|topic| topic.is_internal()) {
        settings.insert("offsets.topic.num.partitions".into(), topic.partitions.to_string());
    }
    BrokerConfig {
        id: id as i32,
        rack: plan.cluster.rack(id).map(str::to_owned),
        port: KAFKA_PORT,
        advertised: Address::new(&name, KAFKA_PORT),
        zookeeper: (1..=plan.cluster.zookeepers).map(|id| Address::new(&format!("zk-{id}"), 2181)).collect(),
        settings,
        flaws: flaws(plan),
        data: "data".into(),
    }
}
