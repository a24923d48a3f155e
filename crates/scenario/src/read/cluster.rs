//! Reads machines, topics, links, disks and phases.

use std::collections::BTreeSet;

use super::Reader;
use super::clients::is_word;
use super::config::{self, config};
use crate::diagnostic::unknown;
use crate::report::Span;
use crate::settings::Scope;
use crate::table::{Placed, Table};
use crate::{
    BrokerOverride, Cluster, Config, Core, Disk, Duration, FLAWS, Latency, Network, OFFSETS_TOPIC, Phases, Problem,
    Ratio, Topic, flaw,
};

/// More nodes than this is a typing error.
const MOST_NODES: u32 = 99;
const MOST_PARTITIONS: u32 = 1_000;

pub(crate) fn cluster(reader: &mut Reader, root: &mut Table<'_>) -> Cluster {
    let mut cluster = Cluster {
        brokers: 3,
        zookeepers: 3,
        flaws: Vec::new(),
        config: Config::new(Scope::Cluster),
        overrides: Vec::new(),
    };
    (reader.names.brokers, reader.names.zookeepers) = (cluster.brokers, cluster.zookeepers);
    let Some(mut table) = root.table("cluster", &mut reader.report) else {
        if root.entry("cluster").is_none() {
            let problem = Problem::new("`[cluster]` is missing: how many brokers and zookeepers there are");
            reader.report.error(root.span, problem);
        }
        return cluster;
    };
    cluster.brokers = nodes(reader, &mut table, "brokers", true).unwrap_or(cluster.brokers);
    if table.entry("controllers").is_some() {
        reader.refuse("controllers", table.key_place("controllers"));
    }
    cluster.zookeepers = nodes(reader, &mut table, "zookeepers", true).unwrap_or(cluster.zookeepers);
    (reader.names.brokers, reader.names.zookeepers) = (cluster.brokers, cluster.zookeepers);
    reader.remember("cluster.zookeepers", table.place("zookeepers"));
    cluster.config = config(&mut table, "config", Scope::Cluster, &mut reader.report);
    for (name, _) in cluster.config.given() {
        reader.remember(format!("cluster.config.{name}"), config::place(&table, "config", name));
    }
    cluster.flaws = flaws(reader, &mut table);
    for broker in table.tables("broker", &mut reader.report) {
        broker_override(reader, broker, &mut cluster);
    }
    table.finish(&mut reader.report);
    cluster
}

fn nodes(reader: &mut Reader, table: &mut Table<'_>, key: &'static str, required: bool) -> Option<u32> {
    let count = match required {
        true => table.required::<Placed<u32>>(key, &mut reader.report)?,
        false => table.optional::<Placed<u32>>(key, &mut reader.report)?,
    };
    if count.value == 0 || count.value > MOST_NODES {
        reader.report.error(count.span, Problem::new(format!("`{key}` is from 1 to {MOST_NODES}")));
        return None;
    }
    Some(count.value)
}

fn flaws(reader: &mut Reader, table: &mut Table<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for Placed { value: name, span } in
        table.optional::<Vec<Placed<String>>>("flaws", &mut reader.report).unwrap_or_default()
    {
        let problem = match flaw(&name) {
            None => unknown("flaw", &name, FLAWS.iter().map(|flaw| flaw.name)),
            Some(flaw) if !flaw.implemented => Problem::with_help(
                format!("flaw `{name}` is in the catalogue but not supported yet"),
                "`odradek flaws` lists those that are",
            ),
            Some(_) if names.contains(&name) => Problem::new(format!("flaw `{name}` is named twice")),
            Some(_) => {
                names.push(name);
                continue;
            }
        };
        reader.report.error(span, problem);
    }
    names
}

fn broker_override(reader: &mut Reader, mut table: Table<'_>, cluster: &mut Cluster) {
    let id = table.required::<Placed<u32>>("id", &mut reader.report);
    let rack = table.optional::<String>("rack", &mut reader.report);
    let config = config(&mut table, "config", Scope::Broker, &mut reader.report);
    table.finish(&mut reader.report);
    let Some(Placed { value: id, span }) = id else { return };
    if id == 0 || id > cluster.brokers {
        reader.report.error(span, Problem::new(format!("there is no broker {id}: ids are 1 to {}", cluster.brokers)));
    } else if cluster.overrides.iter().any(|broker| broker.id == id) {
        reader.report.error(span, Problem::new(format!("broker {id} is described twice")));
    } else {
        cluster.overrides.push(BrokerOverride { id, rack, config });
    }
}

pub(crate) fn topics(reader: &mut Reader, root: &mut Table<'_>, cluster: &Cluster) -> Vec<Topic> {
    let mut topics: Vec<Topic> = Vec::new();
    for mut table in root.tables("topic", &mut reader.report) {
        let name = table.required::<Placed<String>>("name", &mut reader.report);
        let read = topic(reader, &mut table, cluster, name.as_ref().map_or("", |name| &name.value));
        if let Some(name) = name {
            if !is_word(&name.value) || name.value.len() > 249 {
                let problem = Problem::new("a topic's name has letters, digits, `.`, `_` and `-`, at most 249");
                reader.report.error(name.span, problem);
            }
            if name.value == OFFSETS_TOPIC {
                reader.report.check(name.span, offsets_topic(&read, cluster));
            }
            if reader.names.topics.insert(name.value.clone(), read.partitions).is_some() {
                reader.report.error(name.span, Problem::new(format!("topic `{}` is declared twice", name.value)));
            }
            topics.push(Topic { name: name.value, ..read });
        }
        table.finish(&mut reader.report);
    }
    topics
}

/// Brokers must know how many partitions their own topic has.
fn offsets_topic(topic: &Topic, cluster: &Cluster) -> Result<(), Problem> {
    let setting = "offsets.topic.num.partitions";
    match cluster.config.gives(setting) && cluster.config.integer(setting) != i64::from(topic.partitions) {
        true => {
            let message = format!("{setting} says {}, not {}", cluster.config.integer(setting), topic.partitions);
            Err(Problem::with_help(message, "leave the setting out: this topic decides"))
        }
        false => Ok(()),
    }
}

fn topic(reader: &mut Reader, table: &mut Table<'_>, cluster: &Cluster, name: &str) -> Topic {
    let report = &mut reader.report;
    let default = |setting: &str| u32::try_from(cluster.config.integer(setting)).unwrap_or(u32::MAX);
    let partitions = table.optional::<Placed<u32>>("partitions", report);
    if let Some(partitions) = partitions.as_ref().filter(|count| count.value == 0 || count.value > MOST_PARTITIONS) {
        report.error(partitions.span, Problem::new(format!("`partitions` is from 1 to {MOST_PARTITIONS}")));
    }
    let partitions =
        partitions.map_or_else(|| default("num.partitions"), |count| count.value).clamp(1, MOST_PARTITIONS);
    let replication =
        table.optional::<u32>("replication", report).unwrap_or_else(|| default("default.replication.factor"));
    let place = table.place("replication");
    if replication == 0 {
        report.error(place, Problem::new("`replication` is at least 1"));
    }
    if replication > cluster.brokers {
        let message = format!("replication {replication} is above the number of brokers, {}", cluster.brokers);
        report.error(place, Problem::with_help(message, "every replica needs a broker of its own"));
    }
    let assignment = table.optional::<Vec<Vec<u32>>>("assignment", report);
    if let Some(assignment) = &assignment {
        report.check(table.place("assignment"), check_assignment(assignment, partitions, replication, cluster.brokers));
    }
    let config = config(table, "config", Scope::Topic, report);
    reader.remember(format!("topic.{name}"), config::place(table, "config", "min.insync.replicas"));
    Topic { name: String::new(), partitions, replication, assignment, config }
}

fn check_assignment(assignment: &[Vec<u32>], partitions: u32, replication: u32, brokers: u32) -> Result<(), Problem> {
    if assignment.len() != partitions as usize {
        let message = format!("the assignment has {} partitions, the topic {partitions}", assignment.len());
        return Err(Problem::new(message));
    }
    for (partition, replicas) in assignment.iter().enumerate() {
        let distinct: BTreeSet<u32> = replicas.iter().copied().collect();
        if replicas.len() != replication as usize || distinct.len() != replicas.len() {
            return Err(Problem::new(format!("partition {partition} needs {replication} different replicas")));
        }
        if let Some(id) = replicas.iter().find(|id| **id == 0 || **id > brokers) {
            return Err(Problem::new(format!("there is no broker {id}: ids are 1 to {brokers}")));
        }
    }
    Ok(())
}

pub(crate) fn network(reader: &mut Reader, root: &mut Table<'_>) -> Network {
    let latency = Latency { p50: Duration::from_millis(1), p99: Duration::from_millis(10) };
    let mut network = Network { latency, bandwidth: None, loss: Ratio(0) };
    if let Some(mut table) = root.table("network", &mut reader.report) {
        network.latency = table.optional("latency", &mut reader.report).unwrap_or(latency);
        network.bandwidth = table.optional("bandwidth", &mut reader.report);
        network.loss = table.optional("loss", &mut reader.report).unwrap_or_default();
        table.finish(&mut reader.report);
    }
    network
}

pub(crate) fn disk(reader: &mut Reader, root: &mut Table<'_>) -> Disk {
    let sync = Latency { p50: Duration::from_millis(2), p99: Duration::from_millis(20) };
    let mut disk = Disk { sync };
    if let Some(mut table) = root.table("disk", &mut reader.report) {
        disk.sync = table.optional("sync", &mut reader.report).unwrap_or(sync);
        table.finish(&mut reader.report);
    }
    disk
}

pub(crate) fn phases(reader: &mut Reader, root: &mut Table<'_>, cluster: &Cluster) -> (Phases, Core) {
    let seconds = Duration::from_secs;
    let mut phases = Phases { warmup: seconds(10), chaos: seconds(60), settle: seconds(60) };
    let mut core = Core::All;
    if let Some(mut table) = root.table("phases", &mut reader.report) {
        for (key, phase) in [("warmup", &mut phases.warmup), ("chaos", &mut phases.chaos)] {
            *phase = table.optional(key, &mut reader.report).unwrap_or(*phase);
            bounded(reader, table.place(key), key, *phase);
        }
        let whole = table.entry("settle").is_some_and(|entry| entry.item.entries().is_some());
        if !whole {
            phases.settle = table.optional("settle", &mut reader.report).unwrap_or(phases.settle);
            bounded(reader, table.place("settle"), "settle", phases.settle);
        } else if let Some(mut settle) = table.table("settle", &mut reader.report) {
            phases.settle = settle.required("for", &mut reader.report).unwrap_or(phases.settle);
            bounded(reader, settle.place("for"), "settle", phases.settle);
            core = live_core(reader, &mut settle, cluster);
            settle.finish(&mut reader.report);
        }
        table.finish(&mut reader.report);
    }
    (phases, core)
}

/// `core`: `"random"`, or the machines by name.
fn live_core(reader: &mut Reader, settle: &mut Table<'_>, cluster: &Cluster) -> Core {
    let place = settle.place("core");
    let Some(entry) = settle.entry("core") else { return Core::All };
    if entry.item.text().is_some_and(|text| text == "random") {
        settle.optional::<String>("core", &mut reader.report);
        return Core::Random;
    }
    let names = settle.optional::<Vec<String>>("core", &mut reader.report).unwrap_or_default();
    let machines = |stem: &str, count: u32| (1..=count).map(|id| format!("{stem}-{id}")).collect::<Vec<_>>();
    let ensemble = machines("zk", cluster.zookeepers);
    let known = [machines("broker", cluster.brokers), ensemble.clone()].concat();
    for name in names.iter().filter(|name| !known.contains(name)) {
        reader.report.error(place, unknown("machine", name, known.iter().map(String::as_str)));
    }
    let members = ensemble.iter().filter(|member| names.contains(member)).count();
    let quorum = ensemble.len() / 2 + 1;
    if members < quorum {
        let message = format!("the core has {members} ensemble members, and a quorum is {quorum}");
        reader.report.error(place, Problem::with_help(message, "without a quorum nothing could converge"));
    }
    Core::Nodes(names)
}

/// Simulated years are a typing error, and times must add up without overflow.
fn bounded(reader: &mut Reader, span: Span, key: &str, phase: Duration) {
    let most = Duration::from_secs(30 * 24 * 3600);
    if phase > most {
        reader.report.error(span, Problem::new(format!("`{key}` is at most 30 days")));
    }
}
