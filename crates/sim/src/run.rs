//! One run of one plan, from the first process to the verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use host::World;
use host::sim::WorldOptions;
use oracle::{ClientFacts, ClientKind, Commits, Context, EndOfRun, FreshRead, TopicFacts};
use scenario::{Commit, Consumer, Core, OFFSETS_TOPIC, Plan, Topic};
use trace::{Event, EventId, EventKind, Mode, Name, Phase};

use crate::faults::{Effect, Injector};
use crate::judge::{Judge, Judged};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::real::Skipped;
use crate::services::{Ledger, SharedLedger};
use crate::{nodes, scan, supervisor};

/// How long a broker may take to register before the next one starts all the same, ns.
const REGISTRATION: u64 = 5_000_000_000;
/// How long the auditor may take, ns; with more than 240 partitions it is half a second for each.
const AUDIT: u64 = 120_000_000_000;
const AUDIT_OF_A_PARTITION: u64 = 500_000_000;

/// How to run a plan. Nothing here changes the fingerprint.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// How much is kept.
    pub trace: Mode,
    /// The variant's name, for the record.
    pub variant: Option<String>,
    /// The command that repeats the run, for the record.
    pub again: String,
    /// Tells how far the run has come.
    pub progress: Progress,
}

/// A run that broke: no verdict about the cluster can be given.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The runner itself panicked.
    #[error("the run broke: {0}")]
    Broke(String),
    /// The plan asks for what only a simulated world can do.
    #[error("not on real sockets: {0}")]
    NotReal(Skipped),
}

/// What a run leaves before it is judged as a whole.
pub(crate) struct Raw {
    pub judged: Judged,
    pub effects: Vec<Effect>,
    pub setup_failed: Option<String>,
    pub events: Vec<Event>,
    pub event_count: u64,
    /// None on real sockets.
    pub fingerprint: Option<u64>,
    pub simulated_ns: u64,
}

/// Runs a plan.
///
/// # Errors
/// [`RunError`] if the runner itself broke; what the cluster does wrong is a verdict.
pub fn run_plan(plan: &Plan, options: &RunOptions) -> Result<Outcome, RunError> {
    let world_options = WorldOptions {
        seed: plan.seed,
        schedule_seed: plan.schedule_seed,
        trace: options.trace,
        latency: nodes::latency(&plan.network.latency),
        bandwidth: plan.network.bandwidth.map(|bandwidth| bandwidth.0 / 8),
        disk_sync: nodes::latency(&plan.disk.sync),
        buggify: plan.buggify.iter().map(|mark| Name::new(mark)).collect(),
        ..WorldOptions::default()
    };
    let (owned, progress) = (plan.clone(), options.progress.clone());
    let raw = host::sim::run(world_options, move |world| Box::pin(main(world.into(), Rc::new(owned), progress)))
        .map_err(|panic| RunError::Broke(panic.to_string()))?;
    Ok(crate::table::conclude(plan, options, raw))
}

/// Runs a plan on real sockets, on real files below `data`, in real time: with the same nodes, faults, oracles and tables as
/// [`run_plan`]. The network is the operating system's, which is faster than the plan's; and since nobody can repeat such a run
/// bit for bit, it has no fingerprint.
///
/// # Errors
/// [`RunError`] if the runner itself broke, or the plan holds faults that only a simulated world has; see
/// [`for_real`](crate::for_real).
pub fn run_plan_really(plan: &Plan, options: &RunOptions, data: &Path) -> Result<Outcome, RunError> {
    if let Some(skipped) = crate::for_real(plan).1.into_iter().next() {
        return Err(RunError::NotReal(skipped));
    }
    let world_options = host::real::WorldOptions { seed: plan.seed, trace: options.trace, data: data.to_owned() };
    let (owned, progress) = (plan.clone(), options.progress.clone());
    let raw = host::real::run(world_options, move |world| Box::pin(main(world.into(), Rc::new(owned), progress)))
        .map_err(|panic| RunError::Broke(panic.to_string()))?;
    Ok(crate::table::conclude(plan, options, Raw { fingerprint: None, ..raw }))
}

/// What the oracles must know of the plan.
pub(crate) fn context(plan: &Plan) -> Context {
    let run_ms = (plan.phases.end().nanos() / 1_000_000) as i64;
    let facts = |topic: &Topic| {
        let config = topic.effective_config(&plan.cluster);
        let policy = config.text("cleanup.policy").unwrap_or_default();
        let retention_ms = config.integer("retention.ms");
        let facts = TopicFacts {
            partitions: topic.partitions as i32,
            replication: topic.replication as i32,
            min_insync: config.integer("min.insync.replicas") as i32,
            compacted: topic.is_internal() || policy.contains("compact"),
            expires: !topic.is_internal() && policy.contains("delete") && (0..run_ms).contains(&retention_ms),
        };
        (Name::new(&topic.name), facts)
    };
    let mut clients = BTreeMap::new();
    for producer in &plan.producers {
        let acks = match producer.config.text("acks").as_deref() {
            Some("0") => 0,
            Some("1") => 1,
            _ => -1,
        };
        let in_flight = producer.config.integer("max.in.flight.requests.per.connection");
        let facts = ClientFacts {
            kind: ClientKind::Producer,
            acks,
            idempotent: producer.idempotent(),
            max_in_flight: in_flight as u32,
            ordered_keys: true,
            ..ClientFacts::default()
        };
        for node in plan.group(&producer.name).unwrap_or_default() {
            clients.insert(Name::new(&node), facts.clone());
        }
    }
    for consumer in &plan.consumers {
        for node in plan.group(&consumer.name).unwrap_or_default() {
            let topics = consumer.topics.iter().map(|topic| Name::new(topic)).collect();
            let group = consumer.group.as_deref().map(Name::new);
            let commits = match consumer.commit {
                Commit::None => Commits::Never,
                Commit::AfterProcessing => Commits::AfterProcessing,
                Commit::BeforeProcessing => Commits::BeforeProcessing,
                Commit::Auto => Commits::Automatically,
            };
            let facts = ClientFacts {
                kind: ClientKind::Consumer,
                group,
                topics,
                commits,
                revocation_commit_ns: revocation_commit(consumer),
                max_poll_interval_ns: consumer.config.duration("max.poll.interval.ms").nanos(),
                ..ClientFacts::default()
            };
            clients.insert(Name::new(&node), facts);
        }
    }
    let brokers = (1..=plan.cluster.brokers).map(|id| plan.cluster.broker_config(id));
    let mut context = Context {
        topics: plan.topics.iter().map(facts).collect(),
        clients,
        unclean: brokers.clone().any(|config| config.boolean("unclean.leader.election.enable"))
            || plan
                .topics
                .iter()
                .any(|topic| topic.effective_config(&plan.cluster).boolean("unclean.leader.election.enable")),
        flush_every_message: brokers.into_iter().all(|config| config.integer("log.flush.interval.messages") == 1),
        allow: plan.expect.allow.iter().cloned().collect::<BTreeSet<_>>(),
        expected: plan.expect.violation.iter().cloned().collect::<BTreeSet<_>>(),
        ..Context::default()
    };
    if plan.consumers.iter().any(|consumer| consumer.group.is_some()) {
        context.topics.entry(Name::new(OFFSETS_TOPIC)).or_insert_with(|| offsets_topic(plan));
    }
    context.bounds.settle_ns = plan.phases.settle.nanos();
    if let Core::Nodes(names) = &plan.core {
        context.core = Some(names.iter().map(|name| Name::new(name)).collect());
    }
    context
}

/// How long a member that commits automatically tries to, before it gives a partition up all the same.
fn revocation_commit(consumer: &Consumer) -> u64 {
    let leaving = crate::services::GOODBYE.as_nanos() as u64;
    if consumer.commit == Commit::Auto {
        leaving.min(consumer.config.duration("max.poll.interval.ms").nanos())
    } else {
        0
    }
}

/// What brokers create for groups.
fn offsets_topic(plan: &Plan) -> TopicFacts {
    let config = plan.cluster.broker_config(1);
    TopicFacts {
        partitions: config.integer("offsets.topic.num.partitions") as i32,
        replication: config.integer("offsets.topic.replication.factor") as i32,
        min_insync: config.integer("min.insync.replicas") as i32,
        compacted: true,
        expires: false,
    }
}

/// The first line of the digest.
pub(crate) fn title(plan: &Plan) -> String {
    let topics = plan.topics.iter().filter(|topic| !topic.is_internal()).map(|topic| {
        let min = topic.effective_config(&plan.cluster).integer("min.insync.replicas");
        format!("{} {}x{}, min.insync {min}", topic.name, topic.partitions, topic.replication)
    });
    let topics = topics.collect::<Vec<_>>().join("; ");
    let (brokers, zookeepers) = (plan.cluster.brokers, plan.cluster.zookeepers);
    let flaws = match plan.cluster.flaws.as_slice() {
        [] => String::new(),
        flaws => format!("; with flaw {}", flaws.join(", ")),
    };
    let plural = |count: u32, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let nodes = format!("{}, {}", plural(brokers, "broker"), plural(zookeepers, "zookeeper"));
    format!("{}, plan {}: {nodes}; {topics}{flaws}", plan.name, plan.seed)
}

async fn main(world: World, plan: Rc<Plan>, progress: Progress) -> Raw {
    let ledger: SharedLedger = Rc::new(Ledger::default());
    let judge = Judge::new(world.clone(), plan.clone(), progress);
    judge.start();
    let stops = Rc::new(nodes::Stops::default());
    nodes::add(&world, &plan, &ledger, &stops);
    supervisor::start(&world, &plan, &ledger);
    let injector = Injector::new(world.clone(), plan.clone(), judge.clone(), stops, ledger.clone());

    let warmup = phase(&world, Phase::Warmup);
    boot(&world, &plan, &judge, warmup).await;

    world.sleep_until(plan.phases.chaos_starts().nanos()).await;
    let chaos = phase(&world, Phase::Chaos);
    injector.start(chaos);
    for reseed in &plan.reseeds {
        // In this task: one more would change the order of scheduling before.
        world.sleep_until(plan.phases.chaos_starts().plus(reseed.at).nanos()).await;
        world.reseed(reseed.seed);
        if !reseed.faults {
            injector.rest();
        }
    }

    world.sleep_until(plan.phases.settle_starts().nanos()).await;
    world.calm();
    injector.settle();
    phase(&world, Phase::Settle);

    world.sleep_until(plan.phases.producers_stop().nanos()).await;
    ledger.stop_producing.set(true);

    world.sleep_until(plan.phases.end().nanos()).await;
    let verify = phase(&world, Phase::Verify);
    let reads = audit(&world, &plan, &ledger, verify).await;
    verdict(world, plan, ledger, judge, injector, reads)
}

fn phase(world: &World, phase: Phase) -> EventId {
    world.emit(EventId::ROOT, EventKind::PhaseBegan { phase })
}

/// Starts every node: the ensemble, then the brokers one after the other, then the services.
///
/// A broker starts when the one before has registered: so the first one is the first controller under every schedule.
async fn boot(world: &World, plan: &Plan, judge: &Judge, cause: EventId) {
    let start = |group: &str| {
        for node in plan.group(group).unwrap_or_default() {
            world.start(&node, cause);
        }
    };
    start("zookeepers");
    for id in 1..=plan.cluster.brokers as i32 {
        world.start(trace::broker_name(id), cause);
        let deadline = world.now_ns() + REGISTRATION;
        while world.now_ns() < deadline && !judge.view(|view| view.state.registered.contains_key(&id)) {
            world.sleep(10_000_000).await;
        }
    }
    for (client, _) in plan.clients() {
        for node in plan.first_nodes(client) {
            world.start(&node, cause);
        }
    }
    world.start(nodes::SETUP, cause);
}

/// Lets the auditor read everything.
async fn audit(world: &World, plan: &Plan, ledger: &SharedLedger, cause: EventId) -> Vec<FreshRead> {
    if ledger.topics_ready.get().is_none() {
        return Vec::new();
    }
    world.start(nodes::AUDITOR, cause);
    let partitions: u32 = plan.topics.iter().map(|topic| topic.partitions).sum();
    let deadline = world.now_ns() + AUDIT.max(u64::from(partitions) * AUDIT_OF_A_PARTITION);
    while !ledger.audited.get() && world.now_ns() < deadline {
        world.sleep(10_000_000).await;
    }
    ledger.reads.take()
}

/// Stops everything and looks at what is left.
fn verdict(
    world: World,
    plan: Rc<Plan>,
    ledger: SharedLedger,
    judge: Judge,
    injector: Injector,
    reads: Vec<FreshRead>,
) -> Raw {
    let last_event = world.emit(EventId::ROOT, EventKind::RunEnded);
    judge.catch_up();
    let disks = scan::scan_disks(&world, &plan);
    judge.finish(&EndOfRun { now: world.now_ns(), disks, reads, last_event });
    let effects = injector.effects();
    let simulated_ns = world.now_ns();
    let judged = judge.into_judged();
    let finished = world.finish();
    Raw {
        effects,
        setup_failed: ledger.setup_failed.take(),
        judged,
        events: finished.events,
        event_count: finished.event_count,
        fingerprint: Some(finished.fingerprint),
        simulated_ns,
    }
}
