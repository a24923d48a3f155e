//! Reads what happens to the cluster: faults, notes, reseeding, chaos.

use std::collections::BTreeMap;

use super::Reader;
use super::clients::name;
use super::config;
use crate::diagnostic::unknown;
use crate::document::{Entry, Item, Node};
use crate::kinds::{APIS, FAULTS, Takes, fault_form};
use crate::overrides::default_ids;
use crate::report::{Report, Span};
use crate::settings::Scope;
use crate::table::{Placed, Read, Table};
use crate::{
    BUGGIFY, Bandwidth, Chaos, Condition, Direction, Distribution, Duration, Fault, FaultKind, Keep, Latency, Note,
    OFFSETS_TOPIC, Phases, Problem, Range, Ratio, Reseed, SEED_LIMIT, Selector, Trigger, Until, support,
};

/// Learns the ids of all faults, so that conditions may name one that comes later, and which consumers they add nodes to.
pub(crate) fn ids(reader: &mut Reader, root: &mut Table<'_>) {
    let Some(Entry { item: Item { node: Node::Array(items), .. }, .. }) = root.entry("fault") else { return };
    for (item, default) in items.iter().zip(default_ids(items)) {
        if item.get("kind").and_then(Item::text) == Some("add-member")
            && let Some(consumer) = item.get("consumer").and_then(Item::text)
        {
            *reader.names.added.entry(consumer.to_owned()).or_default() += 1;
        }
        let Some(id) = item.get("id").and_then(Item::text).map(str::to_string).or(default) else { continue };
        let span = item.get("id").map_or(item.span, |id| id.span);
        if !reader.names.faults.insert(id.clone()) {
            reader.report.error(span, Problem::new(format!("fault id `{id}` is used twice")));
        }
    }
}

pub(crate) fn faults(reader: &mut Reader, root: &mut Table<'_>, phases: &Phases) -> Vec<Fault> {
    let defaults = match root.entry("fault").map(|entry| &entry.item.node) {
        Some(Node::Array(items)) => default_ids(items),
        _ => Vec::new(),
    };
    let tables = root.tables("fault", &mut reader.report);
    tables.into_iter().zip(defaults).filter_map(|(table, id)| fault(reader, table, id, phases)).collect()
}

fn fault(reader: &mut Reader, mut table: Table<'_>, default_id: Option<String>, phases: &Phases) -> Option<Fault> {
    let id = table.optional::<Placed<String>>("id", &mut reader.report);
    if let Some(id) = &id {
        reader.report.check(id.span, name(&id.value));
    }
    let id = id.map(|id| id.value).or(default_id);
    let trigger = trigger(reader, &mut table, phases);
    let optional = table.optional::<bool>("optional", &mut reader.report).unwrap_or(false);
    let max_down = table.optional::<Placed<u32>>("max_down", &mut reader.report);
    if let Some(limit) = max_down.as_ref().filter(|_| !optional) {
        let help = "add `optional = true`: a fault that may be left out must not be needed";
        reader.report.error(limit.span, Problem::with_help("`max_down` goes with `optional`", help));
    }
    let max_down = max_down.map(|limit| limit.value);
    let kind = table.required::<Placed<String>>("kind", &mut reader.report)?;
    let Some(form) = fault_form(&kind.value) else {
        reader.report.error(kind.span, unknown("fault kind", &kind.value, FAULTS.iter().map(|form| form.name)));
        return None; // without its kind, no other key has a meaning
    };
    let mut given = BTreeMap::new();
    for parameter in form.parameters {
        match table.entry(parameter.name) {
            Some(entry) => {
                if let Some(value) = read_parameter(reader, &entry.item, parameter.takes, parameter.name) {
                    given.insert(parameter.name, value);
                }
            }
            None if parameter.required => {
                let message =
                    format!("`{}` is missing: {} needs {}", parameter.name, form.name, parameter.takes.words());
                reader.report.error(table.span, Problem::with_help(message, parameter.meaning));
            }
            None => {}
        }
    }
    if let Some(message) = support::fault(form.name) {
        reader.report.error(kind.span, Problem::new(message));
    }
    let id = id?;
    reader.remember(format!("fault.{id}"), kind.span);
    table.finish(&mut reader.report);
    let kind = build(form.name, given)?;
    Some(Fault { id, trigger: trigger?, kind, optional, max_down })
}

/// A parameter's value.
enum Given {
    Selector(Selector),
    Duration(Duration),
    Latency(Latency),
    Direction(Direction),
    Keep(Keep),
    Api(String),
    Until(Until),
    Count(u32),
    Boolean(bool),
    Ratio(Ratio),
    Bandwidth(Bandwidth),
    Partition(String, u32),
    Topic(String),
    /// Of a kind that is not built yet: checked, then refused.
    Checked,
}

fn read_parameter(reader: &mut Reader, item: &Item, takes: Takes, key: &str) -> Option<Given> {
    let report = &mut reader.report;
    Some(match takes {
        Takes::Selector => Given::Selector(selector(reader, item, key)?),
        Takes::Duration => Given::Duration(Duration::read(item, report)?),
        Takes::Latency => Given::Latency(Latency::read(item, report)?),
        Takes::Direction => Given::Direction(one_of(item, "direction", &Direction::NAMES, report)?),
        Takes::Keep => Given::Keep(one_of(item, "choice of pages", &Keep::NAMES, report)?),
        Takes::Api => {
            let api = String::read(item, report)?;
            if !APIS.contains(&api.as_str()) {
                report.error(item.span, unknown("API", &api, APIS.iter().copied()));
            }
            Given::Api(api)
        }
        Takes::Until => Given::Until(until(reader, item)?),
        Takes::Count => {
            let count = u32::read(item, report)?;
            if count == 0 {
                report.error(item.span, Problem::new(format!("`{key}` is at least 1")));
            }
            Given::Count(count)
        }
        Takes::Boolean => Given::Boolean(bool::read(item, report)?),
        Takes::Ratio => Given::Ratio(Ratio::read(item, report)?),
        Takes::Bandwidth => Given::Bandwidth(Bandwidth::read(item, report)?),
        Takes::Consumer => Given::Selector(consumer(reader, item)?),
        Takes::Topic => Given::Topic(topic(reader, item)?),
        Takes::Text if key == "partition" => partition(reader, item)?,
        Takes::Text => String::read(item, report).map(|_| Given::Checked)?,
        Takes::Counts => Vec::<u32>::read(item, report).map(|_| Given::Checked)?,
        Takes::Settings => {
            config::settings(item, Scope::Topic, report);
            Given::Checked
        }
    })
}

/// `TOPIC/PARTITION`, of a topic of the scenario.
fn partition(reader: &mut Reader, item: &Item) -> Option<Given> {
    let text = String::read(item, &mut reader.report)?;
    let parts = text.rsplit_once('/').and_then(|(topic, index)| Some((topic.to_string(), index.parse().ok()?)));
    let Some((topic, index)) = parts else {
        let message = format!("`{text}` is no partition");
        reader.report.error(item.span, Problem::with_help(message, "write TOPIC/PARTITION, such as \"orders/0\""));
        return None;
    };
    let selector = Selector::Leader(topic.clone(), index);
    reader.names.check_selector(&selector, item.span, &mut reader.report);
    Some(Given::Partition(topic, index))
}

/// A topic that an operator may delete: not the brokers' own.
fn topic(reader: &mut Reader, item: &Item) -> Option<String> {
    let name = String::read(item, &mut reader.report)?;
    reader.report.check(item.span, reader.names.topic(&name));
    if name == OFFSETS_TOPIC {
        reader.report.error(item.span, Problem::new(format!("`{name}` is the brokers' own")));
    }
    Some(name)
}

/// All nodes of a consumer that has a group.
fn consumer(reader: &mut Reader, item: &Item) -> Option<Selector> {
    let name = String::read(item, &mut reader.report)?;
    if !reader.names.members.contains(&name) {
        let known = reader.names.members.iter().map(String::as_str);
        reader.report.error(item.span, unknown("consumer with a group", &name, known));
    }
    Some(Selector::Group(name))
}

fn selector(reader: &mut Reader, item: &Item, key: &str) -> Option<Selector> {
    let selector = Selector::read(item, &mut reader.report)?;
    reader.names.check_selector(&selector, item.span, &mut reader.report);
    let mut other = false;
    selector.walk(&mut |part| other |= matches!(part, Selector::Other(_)));
    if other && !matches!(key, "to" | "except") {
        let message = format!("`other` in `{key}` has nobody to leave out: it means all but those of `from`");
        reader.report.error(item.span, Problem::new(message));
    }
    Some(selector)
}

fn one_of<T: Copy>(item: &Item, what: &str, names: &[(&str, T)], report: &mut Report) -> Option<T> {
    let text = String::read(item, report)?;
    let found = names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    report.check(item.span, found.ok_or_else(|| unknown(what, &text, names.iter().map(|(name, _)| *name))))
}

fn until(reader: &mut Reader, item: &Item) -> Option<Until> {
    match item.text() {
        Some(text) if text.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            let condition = Condition::read(item, &mut reader.report)?;
            reader.names.check_condition(&condition, item.span, &mut reader.report);
            Some(Until::Condition(condition))
        }
        _ => Duration::read(item, &mut reader.report).map(Until::Elapsed),
    }
}

/// Takes a parameter of the right type out of those given.
macro_rules! take {
    ($given:ident, $key:literal, $kind:ident) => {
        match $given.remove($key) {
            Some(Given::$kind(value)) => Some(value),
            _ => None,
        }
    };
}

/// The fault, from parameters that were checked against its kind's table; `None` if one that it needs is missing.
fn build(kind: &str, mut given: BTreeMap<&str, Given>) -> Option<FaultKind> {
    let node = take!(given, "node", Selector);
    let from = take!(given, "from", Selector);
    let to = take!(given, "to", Selector);
    let down = take!(given, "down", Duration);
    let lasts = take!(given, "for", Duration);
    let direction = take!(given, "direction", Direction).unwrap_or_default();
    let consumer = take!(given, "consumer", Selector);
    let second = Duration::from_secs(1);
    Some(match kind {
        "crash" => FaultKind::Crash { node: node?, down },
        "shutdown" => FaultKind::Shutdown { node: node?, down },
        "rolling-restart" => {
            let gap = take!(given, "gap", Duration).unwrap_or(Duration::from_secs(5));
            let down = down.unwrap_or(Duration::from_secs(5));
            FaultKind::RollingRestart { nodes: take!(given, "nodes", Selector)?, down, gap }
        }
        "kill-client" => FaultKind::KillClient { node: node?, down },
        "add-member" => FaultKind::AddMember { consumer: consumer? },
        "remove-member" => FaultKind::RemoveMember { consumer: consumer? },
        "slow-consumer" => {
            FaultKind::SlowConsumer { consumer: consumer?, process: take!(given, "process", Duration)?, lasts }
        }
        "power-loss" => {
            FaultKind::PowerLoss { node: node?, down, keep: take!(given, "keep", Keep).unwrap_or_default() }
        }
        "pause" => FaultKind::Pause { node: node?, lasts },
        "partition" => FaultKind::Partition { from: from?, to: to?, direction, lasts },
        "isolate" => FaultKind::Isolate { node: node?, except: take!(given, "except", Selector), lasts },
        "slow-link" => {
            let latency = take!(given, "latency", Latency)?;
            FaultKind::SlowLink { from: from?, to: to?, latency, direction, lasts }
        }
        "replace-disk" => FaultKind::ReplaceDisk { node: node?, down },
        "flap" => {
            let up = take!(given, "up", Duration).unwrap_or(second);
            FaultKind::Flap { from: from?, to: to?, direction, down: down.unwrap_or(second), up, lasts }
        }
        "swizzle" => {
            let gap = take!(given, "gap", Duration).unwrap_or(second);
            FaultKind::Swizzle { nodes: take!(given, "nodes", Selector)?, gap, lasts }
        }
        "lossy-link" => {
            let loss = take!(given, "loss", Ratio)?;
            FaultKind::LossyLink { from: from?, to: to?, loss, direction, lasts }
        }
        "bit-rot" => {
            let Some(Given::Partition(topic, partition)) = given.remove("partition") else { return None };
            let count = take!(given, "count", Count).unwrap_or(1);
            FaultKind::BitRot { node: node?, topic, partition, count, lasts }
        }
        "slow-disk" => {
            let (sync, bandwidth) = (take!(given, "sync", Latency)?, take!(given, "bandwidth", Bandwidth));
            FaultKind::SlowDisk { node: node?, sync, bandwidth, lasts }
        }
        "stall-disk" => FaultKind::StallDisk { node: node?, lasts },
        "full-disk" => FaultKind::FullDisk { node: node?, lasts },
        "disk-error" => FaultKind::DiskError { node: node?, lasts },
        "clock" => FaultKind::Clock {
            node: node?,
            jump: take!(given, "jump", Duration).unwrap_or(Duration::ZERO),
            drift: take!(given, "drift", Ratio).unwrap_or_default(),
            back: take!(given, "back", Boolean).unwrap_or(false),
            lasts,
        },
        "delete-topic" => FaultKind::DeleteTopic {
            topic: take!(given, "topic", Topic)?,
            recreate: take!(given, "recreate", Duration),
        },
        "reset-connections" => FaultKind::ResetConnections { from: from?, to: to? },
        "hold" => FaultKind::Hold {
            api: take!(given, "api", Api)?,
            from: from?,
            to: to?,
            nth: take!(given, "nth", Count).unwrap_or(1),
            until: take!(given, "until", Until)?,
            response: take!(given, "response", Boolean).unwrap_or(false),
        },
        _ => return None,
    })
}

/// `at`, or `when` and perhaps `after`.
fn trigger(reader: &mut Reader, table: &mut Table<'_>, phases: &Phases) -> Option<Trigger> {
    let at = table.optional::<Placed<Duration>>("at", &mut reader.report);
    let when = table.optional::<Placed<Condition>>("when", &mut reader.report);
    let after = table.optional::<Duration>("after", &mut reader.report);
    let has = |key: &str| table.all().iter().any(|entry| entry.key == key);
    match (has("at"), has("when")) {
        (false, false) => {
            let help = "at = \"5s\" (from the start of chaos), or when = \"isr(orders/0) == 1\"";
            reader.report.error(table.span, Problem::with_help("`at` or `when` is missing", help));
        }
        (true, true) => {
            reader.report.error(table.key_place("when"), Problem::new("`at` and `when` exclude each other"));
        }
        (true, false) if has("after") => {
            let problem = Problem::with_help("`after` goes with `when`", "add it to `at` instead");
            reader.report.error(table.key_place("after"), problem);
        }
        _ => {}
    }
    if let Some(at) = at {
        in_chaos(reader, at.span, at.value, phases);
        return Some(Trigger::At(at.value));
    }
    let Placed { value: condition, span } = when?;
    reader.names.check_condition(&condition, span, &mut reader.report);
    Some(Trigger::When { condition, after: after.unwrap_or(Duration::ZERO) })
}

fn in_chaos(reader: &mut Reader, span: Span, at: Duration, phases: &Phases) {
    if at >= phases.chaos {
        let message = format!("{at} is past the end of chaos, which lasts {}", phases.chaos);
        reader.report.error(span, Problem::with_help(message, "times count from the start of chaos"));
    }
}

pub(crate) fn notes(reader: &mut Reader, root: &mut Table<'_>, phases: &Phases) -> Vec<Note> {
    let mut notes = Vec::new();
    for mut table in root.tables("note", &mut reader.report) {
        let trigger = trigger(reader, &mut table, phases);
        let text = table.required::<BTreeMap<String, String>>("text", &mut reader.report);
        if text.as_ref().is_some_and(|text| !text.contains_key("en")) {
            reader.report.error(table.place("text"), Problem::new("a note has at least an English text: `en`"));
        }
        table.finish(&mut reader.report);
        if let (Some(trigger), Some(text)) = (trigger, text) {
            notes.push(Note { trigger, text });
        }
    }
    notes
}

pub(crate) fn reseeds(reader: &mut Reader, root: &mut Table<'_>, phases: &Phases) -> Vec<Reseed> {
    let mut reseeds = Vec::new();
    for mut table in root.tables("reseed", &mut reader.report) {
        let at = table.required::<Placed<Duration>>("at", &mut reader.report);
        let seed = table.optional::<Placed<u64>>("seed", &mut reader.report);
        if let Some(seed) = seed.as_ref().filter(|seed| seed.value >= SEED_LIMIT) {
            reader.report.error(seed.span, Problem::new("`seed` is below 2^53"));
        }
        let faults = table.optional::<bool>("faults", &mut reader.report).unwrap_or(true);
        if let Some(at) = at {
            in_chaos(reader, at.span, at.value, phases);
            reseeds.push(Reseed { at: at.value, seed: seed.map_or(1, |seed| seed.value), faults });
        }
        table.finish(&mut reader.report);
    }
    reseeds.sort_by_key(|reseed| reseed.at);
    reseeds
}

/// The buggify marks that are on from the start.
pub(crate) fn buggify(reader: &mut Reader, root: &mut Table<'_>) -> Vec<String> {
    let marks = root.optional::<Vec<Placed<String>>>("buggify", &mut reader.report).unwrap_or_default();
    let known = || BUGGIFY.iter().map(|mark| mark.name);
    for mark in marks.iter().filter(|mark| !known().any(|name| name == mark.value)) {
        reader.report.error(mark.span, unknown("buggify mark", &mark.value, known()));
    }
    marks.into_iter().map(|mark| mark.value).collect()
}

pub(crate) fn chaos(reader: &mut Reader, root: &mut Table<'_>, plan: bool) -> Option<Chaos> {
    let mut table = root.table("chaos", &mut reader.report)?;
    let span = root.key_place("chaos");
    if plan {
        reader.report.error(span, Problem::new("a plan has no [chaos]: its faults are drawn already"));
    }
    let kinds = table.optional::<Range>("kinds", &mut reader.report).unwrap_or(Range { low: 1, high: 4 });
    let gap = table.optional("gap", &mut reader.report).unwrap_or(Distribution::Exponential(Duration::from_secs(2)));
    let max_down = counts(&mut table, "max_down", &["brokers", "zookeepers", "clients"], &mut reader.report);
    // Besides fault kinds, `rebalance` draws members that join and leave.
    let kinds_known: Vec<&str> = FAULTS.iter().map(|form| form.name).chain(["rebalance"]).collect();
    let weights = counts(&mut table, "weights", &kinds_known, &mut reader.report);
    if let Some(Entry { item: Item { node: Node::Table(entries), .. }, .. }) = table.entry("weights") {
        let undrawn = |entry: &&Entry| kinds_known.contains(&entry.key.as_str()) && !crate::chaos::drawn(&entry.key);
        for entry in entries.iter().filter(undrawn) {
            let message = format!("drawing `{}` is not supported yet", entry.key);
            reader.report.error(entry.span, Problem::new(message));
        }
    }
    let unrestricted = table.optional::<bool>("unrestricted", &mut reader.report).unwrap_or(false);
    let buggify = table.optional::<bool>("buggify", &mut reader.report).unwrap_or(true);
    let correlated = table.optional::<bool>("correlated", &mut reader.report).unwrap_or(false);
    let mut vary = BTreeMap::new();
    if let Some(entry) = table.entry("vary") {
        for (path, _, item) in crate::overrides::flatten(entry.item.entries().unwrap_or(&[])) {
            let Some(range) = String::read(item, &mut reader.report) else { continue };
            if crate::chaos::check_range(&range).is_none() {
                let help = "write a range such as \"1..3\" or \"2s..30s\", or alternatives such as \"all|1\"";
                let message = format!("`{range}` is no range to draw from");
                reader.report.error(item.span, Problem::with_help(message, help));
            }
            vary.insert(path, range);
        }
    }
    table.finish(&mut reader.report);
    Some(Chaos { kinds, gap, max_down, weights, vary, unrestricted, buggify, correlated })
}

fn counts(table: &mut Table<'_>, key: &'static str, known: &[&str], report: &mut Report) -> BTreeMap<String, u32> {
    let Some(inner) = table.table(key, report) else { return BTreeMap::new() };
    let mut counts = BTreeMap::new();
    for entry in inner.all() {
        if !known.contains(&entry.key.as_str()) {
            report.error(entry.span, unknown("name", &entry.key, known.iter().copied()));
        }
        counts.extend(u32::read(&entry.item, report).map(|count| (entry.key.clone(), count)));
    }
    counts
}
