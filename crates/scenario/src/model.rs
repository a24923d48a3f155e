//! What a scenario says, once read.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use crate::{Bandwidth, Condition, Config, Distribution, Duration, Latency, Range, Rate, Ratio, Size, Trigger};

/// The schema version of scenarios and plans that this crate reads.
pub const SCHEMA: u32 = 1;

/// The machines and their settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// How many brokers: `broker-1` to `broker-N`.
    pub brokers: u32,
    /// How many ensemble members: `zk-1` to `zk-N`.
    pub zookeepers: u32,
    /// Names of the flaws that are switched on; see [`crate::FLAWS`].
    pub flaws: Vec<String>,
    /// Settings of all brokers and ensemble members.
    pub config: Config,
    /// What single brokers have otherwise.
    pub overrides: Vec<BrokerOverride>,
}

/// What one broker has otherwise than the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerOverride {
    /// The broker's id, from 1.
    pub id: u32,
    /// Its rack.
    pub rack: Option<String>,
    /// Its settings.
    pub config: Config,
}

/// The brokers' own topic, in which groups and their offsets are. A scenario may declare it, above all to say where its replicas are.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// A topic, created before the clients start.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: u32,
    /// How many replicas each.
    pub replication: u32,
    /// The replicas of each partition by broker id, preferred leader first; otherwise the controller places them.
    pub assignment: Option<Vec<Vec<u32>>>,
    /// Its settings.
    pub config: Config,
}

/// A service that writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Producer {
    /// Its name; its nodes are `NAME-0` and so on.
    pub name: String,
    /// How many nodes.
    pub count: u32,
    /// Where it writes. One that calls a service directly has that service's name here.
    pub topic: String,
    /// The consumer that it calls itself, with no broker in between, for comparison.
    pub direct: Option<String>,
    /// How often each node sends a record, with constant spacing.
    pub rate: Rate,
    /// How many different keys.
    pub keys: u32,
    /// A key's text: `{k}` is its number, below `keys`.
    pub key: String,
    /// What it writes.
    pub payload: Payload,
    /// Its settings.
    pub config: Config,
}

/// What a producer writes. In texts, `{n}` is the record's number from 0 at its node, `{key}` its key,
/// `{k}` the key's number and `{client}` the node's name.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// So many bytes of filler.
    Bytes(Size),
    /// A text.
    Template(String),
    /// A JSON object of texts.
    Fields(IndexMap<String, String>),
}

/// A service that reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Consumer {
    /// Its name; its nodes are `NAME-0` and so on.
    pub name: String,
    /// How many nodes.
    pub count: u32,
    /// Its group; without one, each node reads every partition by itself.
    pub group: Option<String>,
    /// What it reads: with a pattern, the scenario's topics that match.
    pub topics: Vec<String>,
    /// What the names of its topics look like; `.*` in it stands for any text.
    pub pattern: Option<String>,
    /// How long it works on a record.
    pub process: Duration,
    /// When it commits.
    pub commit: Commit,
    /// How long after a process gave up (another has its `group.instance.id`) its supervisor starts it again; else never.
    pub restart: Option<Duration>,
    /// Its settings.
    pub config: Config,
}

/// When a consumer commits its offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Commit {
    /// Never: the only mode without a group.
    #[default]
    None,
    /// After it processed the polled records.
    AfterProcessing,
    /// Before it processes them.
    BeforeProcessing,
    /// By the client's timer, at poll.
    Auto,
}

impl Commit {
    /// Every mode with its name.
    pub const NAMES: [(&'static str, Commit); 4] = [
        ("none", Commit::None),
        ("after-processing", Commit::AfterProcessing),
        ("before-processing", Commit::BeforeProcessing),
        ("auto", Commit::Auto),
    ];
}

/// A service that reads, transforms and writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Processor {
    /// Its name; its nodes are `NAME-0` and so on.
    pub name: String,
    /// How many nodes.
    pub count: u32,
    /// Its group.
    pub group: String,
    /// What it reads.
    pub from: Vec<String>,
    /// Where it writes.
    pub to: String,
    /// Whether in transactions.
    pub exactly_once: bool,
}

/// All links, unless a fault says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// How long a frame takes.
    pub latency: Latency,
    /// How much a link carries; unlimited by default.
    pub bandwidth: Option<Bandwidth>,
    /// Which share of frames is lost, and sent again.
    pub loss: Ratio,
}

/// All disks.
#[derive(Clone, Debug, PartialEq)]
pub struct Disk {
    /// How long a sync takes.
    pub sync: Latency,
}

/// How long each part of a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// No faults yet.
    pub warmup: Duration,
    /// Faults; their times count from its start.
    pub chaos: Duration,
    /// All is healed at its start; the liveness clock runs.
    pub settle: Duration,
}

/// What is healed when settle begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Core {
    /// Everything.
    #[default]
    All,
    /// A quorum of ensemble members and of brokers that each seed draws; a plan names them.
    Random,
    /// These machines, and the links between them and to clients; faults that touch others last for ever.
    Nodes(Vec<String>),
}

impl Phases {
    /// When chaos starts, from the start of the run.
    pub fn chaos_starts(&self) -> Duration {
        self.warmup
    }

    /// When settle starts, from the start of the run.
    pub fn settle_starts(&self) -> Duration {
        self.warmup.plus(self.chaos)
    }

    /// When producers stop: half of settle.
    pub fn producers_stop(&self) -> Duration {
        self.settle_starts().plus(Duration::from_nanos(self.settle.nanos() / 2))
    }

    /// When the run ends.
    pub fn end(&self) -> Duration {
        self.settle_starts().plus(self.settle)
    }
}

/// Faults that are drawn per seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Chaos {
    /// How many kinds of fault a seed gets.
    pub kinds: Range,
    /// How long between two faults.
    pub gap: Distribution,
    /// How many nodes of each group may be down at once.
    pub max_down: BTreeMap<String, u32>,
    /// How often each kind is drawn, relative to the others.
    pub weights: BTreeMap<String, u32>,
    /// Settings that are drawn: path to range, as written.
    pub vary: BTreeMap<String, String>,
    /// Whether disk faults may destroy every copy; then safety alone is judged, not liveness.
    pub unrestricted: bool,
    /// Whether buggify marks are switched on; see [`crate::BUGGIFY`].
    pub buggify: bool,
    /// Whether a power loss may hit all brokers, or the whole ensemble, at once, whatever `max_down` says.
    pub correlated: bool,
}

/// The same scenario with other settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// What it sets: path to value, as TOML.
    pub set: BTreeMap<String, String>,
}

/// All randomness is drawn anew from a moment on: up to it, the run is the one without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reseed {
    /// When, from the start of chaos.
    pub at: Duration,
    /// What decides the new numbers.
    pub seed: u64,
    /// Whether faults begin after it.
    pub faults: bool,
}

/// An explanation for people, shown when its trigger fires.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// When it is shown.
    pub trigger: Trigger,
    /// Its text by language code; always has `en`.
    pub text: BTreeMap<String, String>,
}

/// What a run must and may show.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// `default`, slugs of oracles, and `-slug` to leave one out; see [`Expect::oracles`].
    pub always: Vec<String>,
    /// Conditions that must never hold.
    pub never: Vec<Condition>,
    /// Marks that a sweep should reach.
    pub sometimes: Vec<String>,
    /// Anomalies that this configuration legally permits.
    pub allow: Vec<String>,
    /// Conditions that must hold in the end.
    pub eventually: Vec<Eventually>,
    /// Violations that must all fire; any other fails the run.
    pub violation: Vec<String>,
}

/// A condition that must turn true.
#[derive(Clone, Debug, PartialEq)]
pub struct Eventually {
    /// What must hold.
    pub that: Condition,
    /// By when, from the start of settle.
    pub within: Duration,
}

impl Expect {
    /// The slugs of the oracles that judge the run, in catalogue order: `default` is every implemented one.
    pub fn oracles(&self) -> Vec<&'static str> {
        let mut chosen = Vec::new();
        for oracle in crate::ORACLES {
            let named = |slug: &str| self.always.iter().any(|entry| entry == slug);
            let included = (named("default") && oracle.implemented) || named(oracle.slug);
            if included && !named(&format!("-{}", oracle.slug)) {
                chosen.push(oracle.slug);
            }
        }
        chosen
    }
}

impl Cluster {
    /// The settings of broker `id`: the cluster's (without those of the ensemble), and its own over them.
    pub fn broker_config(&self, id: u32) -> Config {
        let common = self.config.only(crate::Scope::Broker);
        match self.overrides.iter().find(|broker| broker.id == id) {
            Some(broker) => broker.config.over(&common),
            None => common,
        }
    }

    /// The rack of broker `id`.
    pub fn rack(&self, id: u32) -> Option<&str> {
        self.overrides.iter().find(|broker| broker.id == id)?.rack.as_deref()
    }
}

impl Topic {
    /// Whether it belongs to the brokers.
    pub fn is_internal(&self) -> bool {
        self.name == OFFSETS_TOPIC
    }

    /// The topic's settings, with those that the cluster gives in their place.
    pub fn effective_config(&self, cluster: &Cluster) -> Config {
        self.config.over_broker(&cluster.config)
    }
}

impl Producer {
    /// Whether it runs with idempotence: as in Kafka, the default (on) yields to settings that conflict with it.
    pub fn idempotent(&self) -> bool {
        let fits = self.config.text("acks").as_deref() == Some("all")
            && self.config.integer("max.in.flight.requests.per.connection") <= 5
            && self.config.integer("retries") > 0;
        self.config.boolean("enable.idempotence") && (fits || self.config.gives("enable.idempotence"))
    }
}
