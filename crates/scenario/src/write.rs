//! Writes a plan as TOML, in the grammar that it was read in.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use crate::document::{Item, Node};
use crate::{Commit, Config, Core, Fault, FaultKind, Latency, Payload, Plan, SCHEMA, Selector, Trigger, Value};

/// The whole plan.
pub(crate) fn plan(plan: &Plan) -> String {
    let mut out = Writer { out: String::new() };
    out.key("schema", SCHEMA);
    out.key("name", text(&plan.name));
    out.key("intent", text(&plan.intent));
    out.key("seed", plan.seed);
    out.key("schedule_seed", plan.schedule_seed);
    if !plan.buggify.is_empty() {
        out.key("buggify", texts(&plan.buggify));
    }
    out.cluster(plan);
    out.topics(plan);
    out.clients(plan);
    out.header("[network]");
    out.key("latency", latency(&plan.network.latency));
    if let Some(bandwidth) = plan.network.bandwidth {
        out.key("bandwidth", quoted(bandwidth));
    }
    out.key("loss", quoted(plan.network.loss));
    out.header("[disk]");
    out.key("sync", latency(&plan.disk.sync));
    out.header("[phases]");
    out.key("warmup", quoted(plan.phases.warmup));
    out.key("chaos", quoted(plan.phases.chaos));
    match &plan.core {
        Core::All => out.key("settle", quoted(plan.phases.settle)),
        Core::Random => out.key("settle", format!("{{ for = {}, core = \"random\" }}", quoted(plan.phases.settle))),
        Core::Nodes(names) => {
            out.key("settle", format!("{{ for = {}, core = {} }}", quoted(plan.phases.settle), texts(names)));
        }
    }
    plan.faults.iter().for_each(|fault| out.fault(fault));
    for reseed in &plan.reseeds {
        out.header("[[reseed]]");
        out.key("at", quoted(reseed.at));
        out.key("seed", reseed.seed);
        if !reseed.faults {
            out.key("faults", false);
        }
    }
    for note in &plan.notes {
        out.header("[[note]]");
        out.trigger(&note.trigger);
        let texts: Vec<String> =
            note.text.iter().map(|(language, words)| format!("{} = {}", key(language), text(words))).collect();
        out.key("text", inline(&texts));
    }
    out.expect(plan);
    if !plan.control.is_empty() {
        out.header("[control]");
        out.key("set", inline(&literals(&plan.control)));
    }
    out.out
}

/// A value as TOML.
pub(crate) fn item(item: &Item) -> String {
    match &item.node {
        Node::Text(value) => text(value),
        Node::Integer(value) => value.to_string(),
        Node::Decimal(value) => toml::Value::Float(*value).to_string(),
        Node::Boolean(value) => value.to_string(),
        Node::Datetime => text("a date"),
        Node::Array(items) => format!("[{}]", items.iter().map(self::item).collect::<Vec<_>>().join(", ")),
        Node::Table(entries) => {
            let parts: Vec<String> =
                entries.iter().map(|entry| format!("{} = {}", key(&entry.key), self::item(&entry.item))).collect();
            inline(&parts)
        }
    }
}

struct Writer {
    out: String,
}

impl Writer {
    fn line(&mut self, line: impl Display) {
        writeln!(self.out, "{line}").expect("a String takes all");
    }

    fn key(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("{name} = {value}"));
    }

    fn header(&mut self, header: &str) {
        self.line(format_args!("\n{header}"));
    }

    fn config(&mut self, config: &Config) {
        if !config.is_empty() {
            self.key("config", settings(config));
        }
    }

    fn cluster(&mut self, plan: &Plan) {
        let cluster = &plan.cluster;
        self.header("[cluster]");
        self.key("brokers", cluster.brokers);
        self.key("zookeepers", cluster.zookeepers);
        self.key("flaws", texts(&cluster.flaws));
        self.config(&cluster.config);
        for broker in &cluster.overrides {
            self.header("[[cluster.broker]]");
            self.key("id", broker.id);
            if let Some(rack) = &broker.rack {
                self.key("rack", text(rack));
            }
            self.config(&broker.config);
        }
    }

    fn topics(&mut self, plan: &Plan) {
        for topic in &plan.topics {
            self.header("[[topic]]");
            self.key("name", text(&topic.name));
            self.key("partitions", topic.partitions);
            self.key("replication", topic.replication);
            if let Some(assignment) = &topic.assignment {
                self.key("assignment", format!("{assignment:?}"));
            }
            self.config(&topic.config);
        }
    }

    fn clients(&mut self, plan: &Plan) {
        for producer in &plan.producers {
            self.header("[[producer]]");
            self.key("name", text(&producer.name));
            self.key("count", producer.count);
            match &producer.direct {
                Some(consumer) => self.key("direct", text(consumer)),
                None => self.key("topic", text(&producer.topic)),
            }
            self.key("rate", quoted(producer.rate));
            self.key("keys", producer.keys);
            self.key("key", text(&producer.key));
            match &producer.payload {
                Payload::Bytes(size) => self.key("value", quoted(size)),
                Payload::Template(template) => self.key("template", text(template)),
                Payload::Fields(fields) => {
                    let parts: Vec<String> =
                        fields.iter().map(|(name, value)| format!("{} = {}", key(name), text(value))).collect();
                    self.key("fields", inline(&parts));
                }
            }
            self.config(&producer.config);
        }
        for consumer in &plan.consumers {
            self.header("[[consumer]]");
            self.key("name", text(&consumer.name));
            self.key("count", consumer.count);
            if let Some(group) = &consumer.group {
                self.key("group", text(group));
            }
            match &consumer.pattern {
                Some(pattern) => self.key("pattern", text(pattern)),
                None if consumer.topics.is_empty() => {}
                None => self.key("topics", texts(&consumer.topics)),
            }
            self.key("process", quoted(consumer.process));
            let commit = Commit::NAMES.iter().find(|(_, commit)| *commit == consumer.commit);
            self.key("commit", quoted(commit.expect("every mode has a name").0));
            if let Some(restart) = consumer.restart {
                self.key("restart", quoted(restart));
            }
            self.config(&consumer.config);
        }
        for processor in &plan.processors {
            self.header("[[processor]]");
            self.key("name", text(&processor.name));
            self.key("count", processor.count);
            self.key("group", text(&processor.group));
            self.key("from", texts(&processor.from));
            self.key("to", text(&processor.to));
            self.key("exactly_once", processor.exactly_once);
        }
    }

    fn trigger(&mut self, trigger: &Trigger) {
        match trigger {
            Trigger::At(at) => self.key("at", quoted(at)),
            Trigger::When { condition, after } => {
                self.key("when", quoted(condition));
                self.key("after", quoted(after));
            }
        }
    }

    fn fault(&mut self, fault: &Fault) {
        self.header("[[fault]]");
        self.key("id", text(&fault.id));
        self.trigger(&fault.trigger);
        self.key("kind", quoted(fault.kind.name()));
        match &fault.kind {
            FaultKind::Crash { node, .. } | FaultKind::Shutdown { node, .. } | FaultKind::KillClient { node, .. } => {
                self.key("node", selector(node));
            }
            FaultKind::RollingRestart { nodes, down, gap } => {
                self.key("nodes", selector(nodes));
                self.key("down", quoted(down));
                self.key("gap", quoted(gap));
            }
            FaultKind::AddMember { consumer } | FaultKind::RemoveMember { consumer } => {
                self.key("consumer", selector(consumer));
            }
            FaultKind::SlowConsumer { consumer, process, .. } => {
                self.key("consumer", selector(consumer));
                self.key("process", quoted(process));
            }
            FaultKind::PowerLoss { node, keep, .. } => {
                self.key("node", selector(node));
                self.key("keep", quoted(keep));
            }
            FaultKind::Pause { node, .. }
            | FaultKind::ReplaceDisk { node, .. }
            | FaultKind::StallDisk { node, .. }
            | FaultKind::FullDisk { node, .. }
            | FaultKind::DiskError { node, .. } => self.key("node", selector(node)),
            FaultKind::SlowDisk { node, sync, bandwidth, .. } => {
                self.key("node", selector(node));
                self.key("sync", latency(sync));
                if let Some(bandwidth) = bandwidth {
                    self.key("bandwidth", quoted(bandwidth));
                }
            }
            FaultKind::BitRot { node, topic, partition, count, .. } => {
                self.key("node", selector(node));
                self.key("partition", quoted(format_args!("{topic}/{partition}")));
                self.key("count", count);
            }
            FaultKind::Clock { node, jump, drift, back, .. } => {
                self.key("node", selector(node));
                self.key("jump", quoted(jump));
                self.key("drift", quoted(drift));
                self.key("back", back);
            }
            FaultKind::Flap { from, to, direction, down, up, .. } => {
                self.link(from, to);
                self.key("direction", quoted(direction));
                self.key("down", quoted(down));
                self.key("up", quoted(up));
            }
            FaultKind::Swizzle { nodes, gap, .. } => {
                self.key("nodes", selector(nodes));
                self.key("gap", quoted(gap));
            }
            FaultKind::LossyLink { from, to, loss, direction, .. } => {
                self.link(from, to);
                self.key("loss", quoted(loss));
                self.key("direction", quoted(direction));
            }
            FaultKind::Partition { from, to, direction, .. } => {
                self.link(from, to);
                self.key("direction", quoted(direction));
            }
            FaultKind::Isolate { node, except, .. } => {
                self.key("node", selector(node));
                if let Some(except) = except {
                    self.key("except", selector(except));
                }
            }
            FaultKind::SlowLink { from, to, latency, direction, .. } => {
                self.link(from, to);
                self.key("latency", self::latency(latency));
                self.key("direction", quoted(direction));
            }
            FaultKind::ResetConnections { from, to } => self.link(from, to),
            FaultKind::Hold { api, from, to, nth, until, response } => {
                self.key("api", text(api));
                self.link(from, to);
                self.key("nth", nth);
                self.key("until", quoted(until));
                self.key("response", response);
            }
            FaultKind::DeleteTopic { topic, recreate } => {
                self.key("topic", text(topic));
                if let Some(recreate) = recreate {
                    self.key("recreate", quoted(recreate));
                }
            }
        }
        match (&fault.kind, fault.kind.lasts()) {
            (
                FaultKind::Crash { .. }
                | FaultKind::KillClient { .. }
                | FaultKind::Shutdown { .. }
                | FaultKind::PowerLoss { .. }
                | FaultKind::ReplaceDisk { .. },
                Some(down),
            ) => self.key("down", quoted(down)),
            (
                FaultKind::ResetConnections { .. }
                | FaultKind::Hold { .. }
                | FaultKind::AddMember { .. }
                | FaultKind::RemoveMember { .. },
                _,
            )
            | (_, None) => {}
            (_, Some(lasts)) => self.key("for", quoted(lasts)),
        }
        if fault.optional {
            self.key("optional", true);
        }
        if let Some(limit) = fault.max_down {
            self.key("max_down", limit);
        }
    }

    fn link(&mut self, from: &Selector, to: &Selector) {
        self.key("from", selector(from));
        self.key("to", selector(to));
    }

    fn expect(&mut self, plan: &Plan) {
        let expect = &plan.expect;
        self.header("[expect]");
        self.key("always", texts(&expect.always));
        self.key("never", texts(&expect.never.iter().map(ToString::to_string).collect::<Vec<_>>()));
        self.key("sometimes", texts(&expect.sometimes));
        self.key("allow", texts(&expect.allow));
        let eventually: Vec<String> = expect
            .eventually
            .iter()
            .map(|entry| format!("{{ that = {}, within = {} }}", quoted(&entry.that), quoted(entry.within)))
            .collect();
        self.key("eventually", format!("[{}]", eventually.join(", ")));
        self.key("violation", texts(&expect.violation));
    }
}

/// Any text in quotes, escaped.
fn text(value: &str) -> String {
    toml::Value::String(value.to_string()).to_string()
}

fn quoted(value: impl Display) -> String {
    text(&value.to_string())
}

fn texts(values: &[String]) -> String {
    format!("[{}]", values.iter().map(|value| text(value)).collect::<Vec<_>>().join(", "))
}

/// A key, in quotes if it is no bare one.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if bare { name.to_string() } else { text(name) }
}

fn inline(parts: &[String]) -> String {
    if parts.is_empty() { "{}".to_string() } else { format!("{{ {} }}", parts.join(", ")) }
}

fn literals(set: &BTreeMap<String, String>) -> Vec<String> {
    set.iter().map(|(path, literal)| format!("{} = {literal}", text(path))).collect()
}

fn latency(latency: &Latency) -> String {
    format!("{{ p50 = {}, p99 = {} }}", quoted(latency.p50), quoted(latency.p99))
}

fn settings(config: &Config) -> String {
    let parts: Vec<String> = config
        .given()
        .map(|(name, value)| match value {
            Value::Text(value) => format!("{name} = {}", text(value)),
            other => format!("{name} = {other}"),
        })
        .collect();
    inline(&parts)
}

fn selector(selector: &Selector) -> String {
    match selector {
        Selector::List(parts) => texts(&parts.iter().map(ToString::to_string).collect::<Vec<_>>()),
        one => quoted(one),
    }
}
