//! A plan: a scenario in which nothing is left to chance but what its seeds decide.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, ScenarioError};
use crate::{
    Cluster, Consumer, Core, Disk, Expect, Fault, Network, Note, Options, Phases, Processor, Producer, Reseed,
    Scenario, Topic,
};

/// Seeds are below 2^53, so that every JSON reader keeps them whole.
pub const SEED_LIMIT: u64 = 1 << 53;

/// A resolved scenario: what the simulator runs. Same grammar as a scenario, with `seed`.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The scenario's name.
    pub name: String,
    /// What the scenario shows, in a sentence.
    pub intent: String,
    /// Decides everything random in the world.
    pub seed: u64,
    /// Decides the order in which ready tasks run.
    pub schedule_seed: u64,
    /// The buggify marks that are switched on; see [`crate::BUGGIFY`].
    pub buggify: Vec<String>,
    /// The machines and their settings.
    pub cluster: Cluster,
    /// The topics.
    pub topics: Vec<Topic>,
    /// The services that write.
    pub producers: Vec<Producer>,
    /// The services that read.
    pub consumers: Vec<Consumer>,
    /// The services that do both.
    pub processors: Vec<Processor>,
    /// All links.
    pub network: Network,
    /// All disks.
    pub disk: Disk,
    /// How long each part of the run is.
    pub phases: Phases,
    /// What is healed when settle begins: in a plan never [`Core::Random`].
    pub core: Core,
    /// The faults, in file order.
    pub faults: Vec<Fault>,
    /// When random streams start anew.
    pub reseeds: Vec<Reseed>,
    /// Explanations.
    pub notes: Vec<Note>,
    /// What the run must and may show.
    pub expect: Expect,
    /// What `--without-flaws` sets: path to value, as TOML.
    pub control: BTreeMap<String, String>,
    pub(crate) origin: Origin,
}

/// Where the parts of a scenario were read. Never part of equality.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// The file's name.
    pub(crate) file: String,
    /// Where each part stands, by its path: `fault.cut`.
    pub(crate) places: BTreeMap<String, Place>,
}

/// A place in a file.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) width: usize,
    pub(crate) text: String,
}

impl PartialEq for Origin {
    fn eq(&self, _: &Origin) -> bool {
        true
    }
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// All that is wrong with the text; also when it has no `seed`.
    pub fn parse(file: &str, text: &str) -> Result<Plan, ScenarioError> {
        Plan::parse_with(file, text, &Options::default())
    }

    /// Reads a plan with changes from the command line.
    ///
    /// # Errors
    /// As [`Plan::parse`]; also when a change does not fit.
    pub fn parse_with(file: &str, text: &str, options: &Options) -> Result<Plan, ScenarioError> {
        let scenario = Scenario::parse_with(file, text, options)?;
        let Some(seed) = scenario.seed else {
            let message = "this is a scenario, not a plan: it has no `seed`";
            let help = "resolve it first: `odradek plan SCENARIO --seed N`";
            return Err(ScenarioError::single(Diagnostic::of_file(file, message, Some(help))));
        };
        let schedule_seed = scenario.schedule_seed;
        scenario.resolve(seed, schedule_seed)
    }

    /// Every node by name: brokers, ensemble members, then clients, as the scenario orders them.
    pub fn nodes(&self) -> Vec<String> {
        [self.group("brokers"), self.group("zookeepers"), self.group("clients")]
            .into_iter()
            .flatten()
            .flatten()
            .collect()
    }

    /// The nodes of `brokers`, `zookeepers`, `clients` or a client's name; `None` if there is no such group.
    pub fn group(&self, name: &str) -> Option<Vec<String>> {
        let from_one = |stem: &str, count: u32| (1..=count).map(|id| format!("{stem}-{id}")).collect::<Vec<_>>();
        match name {
            "brokers" => Some(from_one("broker", self.cluster.brokers)),
            "zookeepers" => Some(from_one("zk", self.cluster.zookeepers)),
            "clients" => Some(self.clients().flat_map(|(name, count)| client_nodes(name, count)).collect()),
            _ => self.clients().find(|(client, _)| *client == name).map(|(name, count)| client_nodes(name, count)),
        }
    }

    /// The nodes of a client that start at the beginning; those that faults add come later.
    pub fn first_nodes(&self, client: &str) -> Vec<String> {
        let consumers = self.consumers.iter().map(|client| (&client.name, client.count));
        let nodes = self.group(client).unwrap_or_default();
        match consumers.into_iter().find(|(name, _)| *name == client) {
            Some((_, count)) => nodes.into_iter().take(count as usize).collect(),
            None => nodes,
        }
    }

    /// How many nodes faults may add to a consumer.
    fn added(&self, consumer: &str) -> u32 {
        let adds = |fault: &&crate::Fault| matches!(&fault.kind, crate::FaultKind::AddMember { consumer: crate::Selector::Group(name) } if name == consumer);
        self.faults.iter().filter(adds).count() as u32
    }

    /// Clients by name and number of nodes, those that faults add included: producers, consumers, processors.
    pub fn clients(&self) -> impl Iterator<Item = (&str, u32)> {
        let producers = self.producers.iter().map(|client| (client.name.as_str(), client.count));
        let consumers =
            self.consumers.iter().map(|client| (client.name.as_str(), client.count + self.added(&client.name)));
        let processors = self.processors.iter().map(|client| (client.name.as_str(), client.count));
        producers.chain(consumers).chain(processors)
    }

    /// What is legal but probably not meant, such as timers that make a fault inert.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        crate::warnings::find(self)
    }

    /// The plan as TOML, which [`Plan::parse`] reads back as an equal plan.
    pub fn to_toml(&self) -> String {
        crate::write::plan(self)
    }
}

fn client_nodes(name: &str, count: u32) -> Vec<String> {
    (0..count).map(|index| format!("{name}-{index}")).collect()
}
