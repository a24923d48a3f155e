//! Reads the services: producers, consumers, processors.

use indexmap::IndexMap;

use super::Reader;
use super::config::{self, config};
use crate::diagnostic::unknown;
use crate::document::{Entry, Item};
use crate::pattern;
use crate::report::{Report, Span};
use crate::settings::Scope;
use crate::table::{Placed, Read, Table};
use crate::{Commit, Config, Consumer, Duration, Payload, Problem, Processor, Producer, Rate, Size};

const MOST_CLIENTS: u32 = 1_000;
/// A value larger than a request is a typing error.
const LARGEST_VALUE: u64 = 1 << 24;
/// What may stand in braces in a producer's texts.
const PLACEHOLDERS: [&str; 4] = ["n", "k", "key", "client"];

/// Whether a name has only letters, digits, `.`, `_` and `-`.
pub(crate) fn is_word(name: &str) -> bool {
    !name.is_empty()
        && name != "."
        && name != ".."
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// Whether a scenario, variant, fault or client may be called so: names become folders and node names.
pub(crate) fn name(name: &str) -> Result<(), Problem> {
    match is_word(name) && name.len() <= 100 {
        true => Ok(()),
        false => Err(Problem::new(format!("`{name}` is not a name: letters, digits, `.`, `_` and `-`, at most 100"))),
    }
}

/// The name and number of a client's nodes, declared.
fn client(reader: &mut Reader, table: &mut Table<'_>) -> (String, u32) {
    let given = table.required::<Placed<String>>("name", &mut reader.report);
    let count = table.optional::<Placed<u32>>("count", &mut reader.report);
    if let Some(count) = count.as_ref().filter(|count| count.value == 0 || count.value > MOST_CLIENTS) {
        reader.report.error(count.span, Problem::new(format!("`count` is from 1 to {MOST_CLIENTS}")));
    }
    let count = count.map_or(1, |count| count.value);
    let Some(Placed { value, span }) = given else { return (String::new(), count) };
    reader.report.check(span, name(&value));
    let reserved = ["brokers", "zookeepers", "clients", "broker", "zk", "controller", "zk-leader"];
    let numbered = value.rsplit_once('-').is_some_and(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
    if reserved.contains(&value.as_str()) {
        reader.report.error(span, Problem::new(format!("`{value}` already means something else in selectors")));
    } else if numbered {
        let help = "a client's nodes are numbered anyway: NAME-0, NAME-1, ...";
        reader.report.error(span, Problem::with_help(format!("`{value}` looks like the name of a node"), help));
    }
    let added = reader.names.added.get(&value).copied().unwrap_or(0);
    if reader.names.clients.insert(value.clone(), count + added).is_some() {
        reader.report.error(span, Problem::new(format!("client `{value}` is declared twice")));
    }
    (value, count)
}

fn topic(reader: &mut Reader, topic: &Placed<String>) {
    let known = reader.names.topic(&topic.value);
    reader.report.check(topic.span, known);
}

fn topics(reader: &mut Reader, table: &mut Table<'_>, key: &'static str) -> Vec<String> {
    let topics = table.required::<Vec<Placed<String>>>(key, &mut reader.report);
    if topics.as_ref().is_some_and(Vec::is_empty) {
        reader.report.error(table.place(key), Problem::new(format!("`{key}` names no topic")));
    }
    let topics = topics.unwrap_or_default();
    topics.iter().for_each(|name| topic(reader, name));
    topics.into_iter().map(|topic| topic.value).collect()
}

pub(crate) fn producers(reader: &mut Reader, root: &mut Table<'_>) -> Vec<Producer> {
    root.tables("producer", &mut reader.report).into_iter().filter_map(|table| producer(reader, table)).collect()
}

fn producer(reader: &mut Reader, mut table: Table<'_>) -> Option<Producer> {
    let (name, count) = client(reader, &mut table);
    reader.remember(format!("producer.{name}"), config::place(&table, "config", "acks"));
    let direct = table.optional::<Placed<String>>("direct", &mut reader.report);
    // A variant may add `direct` to a producer that has a topic: that is where it writes otherwise.
    let target = match &direct {
        Some(_) => table.optional::<Placed<String>>("topic", &mut reader.report),
        None => table.required::<Placed<String>>("topic", &mut reader.report),
    };
    if let Some(target) = &target {
        topic(reader, target);
    }
    if let Some(direct) = &direct {
        reader.names.called.insert(direct.value.clone(), direct.span);
    }
    let rate = table.required::<Rate>("rate", &mut reader.report);
    let keys = table.optional::<u32>("keys", &mut reader.report).unwrap_or(64);
    if keys == 0 {
        reader.report.error(table.place("keys"), Problem::new("`keys` is at least 1"));
    }
    let key = table.optional::<Placed<String>>("key", &mut reader.report);
    if let Some(key) = &key {
        placeholders(&key.value, key.span, &["k"], &mut reader.report);
    }
    let payload = payload(&mut table, &mut reader.report);
    let config = config(&mut table, "config", Scope::Producer, &mut reader.report);
    for (setting, problem) in conflicts(&config) {
        reader.report.error(config::place(&table, "config", setting), problem);
    }
    table.finish(&mut reader.report);
    let key = key.map_or_else(|| "key-{k}".to_string(), |key| key.value);
    let direct = direct.map(|direct| direct.value);
    let topic = direct.clone().or(target.map(|target| target.value))?;
    Some(Producer { name, count, topic, direct, rate: rate?, keys, key, payload: payload?, config })
}

fn payload(table: &mut Table<'_>, report: &mut Report) -> Option<Payload> {
    let choices = ["value", "template", "fields"];
    let size = table.optional::<Placed<Size>>("value", report);
    let template = table.optional::<Placed<String>>("template", report);
    let fields = table.optional::<Fields>("fields", report);
    let given: Vec<&str> =
        choices.into_iter().filter(|key| table.all().iter().any(|entry| entry.key == *key)).collect();
    match given.as_slice() {
        [_] => {}
        [] => {
            let help = "write value = \"100B\", template = \"order {n} of {key}\", or fields = { to = \"...\" }";
            report.error(table.span, Problem::with_help("a producer needs `value`, `template` or `fields`", help));
        }
        [_, second, ..] => {
            let problem = Problem::new(format!("`{}` and `{second}` exclude each other", given[0]));
            report.error(table.key_place(second), problem);
        }
    }
    if let Some(size) = size.as_ref().filter(|size| size.value.0 > LARGEST_VALUE) {
        report.error(size.span, Problem::new("a value is at most 16MiB"));
    }
    if let Some(template) = &template {
        placeholders(&template.value, template.span, &PLACEHOLDERS, report);
    }
    size.map(|size| Payload::Bytes(size.value))
        .or(template.map(|template| Payload::Template(template.value)))
        .or(fields.map(|fields| Payload::Fields(fields.0)))
}

/// A producer's `fields`, in the order of the file.
struct Fields(IndexMap<String, String>);

impl Read for Fields {
    const WHAT: &'static str = "a table of texts";
    fn read(item: &Item, report: &mut Report) -> Option<Self> {
        let table = Table::open(item, "`fields`", report)?;
        let mut fields = IndexMap::new();
        for Entry { key, item, .. } in table.all() {
            let text = String::read(item, report)?;
            placeholders(&text, item.span, &PLACEHOLDERS, report);
            fields.insert(key.clone(), text);
        }
        Some(Fields(fields))
    }
}

/// Reports a word in braces that is no placeholder: a typing error would be sent as it is.
fn placeholders(text: &str, span: Span, known: &[&str], report: &mut Report) {
    for part in text.split('{').skip(1) {
        let Some((word, _)) = part.split_once('}') else { continue };
        if !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase()) && !known.contains(&word) {
            report.error(span, unknown("placeholder", &format!("{{{word}}}"), known.iter().copied()));
        }
    }
}

/// Producer settings that exclude each other, as Kafka's own client has it (KIP-91, KIP-679).
fn conflicts(config: &Config) -> Vec<(&'static str, Problem)> {
    let mut found = Vec::new();
    let least = config.duration("request.timeout.ms").plus(config.duration("linger.ms"));
    // Left out, it is raised instead.
    if config.gives("delivery.timeout.ms") && config.duration("delivery.timeout.ms") < least {
        let message = format!(
            "delivery.timeout.ms ({}) is below linger.ms + request.timeout.ms ({least})",
            config.duration("delivery.timeout.ms")
        );
        found.push(("delivery.timeout.ms", Problem::new(message)));
    }
    if !(config.gives("enable.idempotence") && config.boolean("enable.idempotence")) {
        return found;
    }
    let mut conflict = |name, needs| {
        let message = format!("enable.idempotence = true needs {name} {needs}");
        found.push((name, Problem::new(message)));
    };
    if config.text("acks").as_deref() != Some("all") {
        conflict("acks", "= \"all\"");
    }
    if config.integer("max.in.flight.requests.per.connection") > 5 {
        conflict("max.in.flight.requests.per.connection", "of at most 5");
    }
    if config.integer("retries") == 0 {
        conflict("retries", "above 0");
    }
    found
}

pub(crate) fn consumers(reader: &mut Reader, root: &mut Table<'_>) -> Vec<Consumer> {
    let consumers: Vec<Consumer> =
        root.tables("consumer", &mut reader.report).into_iter().map(|table| consumer(reader, table)).collect();
    for (called, span) in std::mem::take(&mut reader.names.called) {
        if !consumers.iter().any(|consumer| consumer.name == called) {
            let known = consumers.iter().map(|consumer| consumer.name.as_str());
            reader.report.error(span, unknown("consumer", &called, known));
        }
    }
    consumers
}

fn consumer(reader: &mut Reader, mut table: Table<'_>) -> Consumer {
    let (name, count) = client(reader, &mut table);
    let group = table.optional::<Placed<String>>("group", &mut reader.report);
    match &group {
        Some(group) => {
            reader.names.groups.insert(group.value.clone());
            reader.names.members.insert(name.clone());
        }
        None => {
            reader.names.readers.insert(name.clone());
        }
    }
    let only_called = reader.names.called.contains_key(&name)
        && !table.all().iter().any(|entry| matches!(entry.key.as_str(), "topics" | "pattern"));
    let (topics, pattern) =
        if only_called { Default::default() } else { subscription(reader, &mut table, group.is_some()) };
    let process = table.optional::<Duration>("process", &mut reader.report).unwrap_or(Duration::ZERO);
    let commit = commit(reader, &mut table, group.is_some());
    let restart = restart(reader, &mut table, group.is_some());
    let config = config(&mut table, "config", Scope::Consumer, &mut reader.report);
    for (setting, problem) in group_conflicts(&config, group.is_some()) {
        reader.report.error(config::place(&table, "config", setting), problem);
    }
    table.finish(&mut reader.report);
    Consumer { name, count, group: group.map(|group| group.value), topics, pattern, process, commit, restart, config }
}

/// The topics that a consumer reads, and the pattern that it finds them by.
fn subscription(reader: &mut Reader, table: &mut Table<'_>, in_group: bool) -> (Vec<String>, Option<String>) {
    let pattern = table.optional::<Placed<String>>("pattern", &mut reader.report);
    let Some(Placed { value: pattern, span }) = pattern else { return (topics(reader, table, "topics"), None) };
    if table.all().iter().any(|entry| entry.key == "topics") {
        reader.report.error(table.key_place("topics"), Problem::new("`pattern` and `topics` exclude each other"));
        table.optional::<Vec<Placed<String>>>("topics", &mut reader.report);
    }
    if !in_group {
        let problem = Problem::with_help("only a consumer with a `group` subscribes by pattern", "list its `topics`");
        reader.report.error(span, problem);
    }
    let known = reader.names.topics.keys();
    let topics: Vec<String> = known.filter(|topic| pattern::matches(&pattern, topic)).cloned().collect();
    if topics.is_empty() {
        let help = "in a pattern `.*` stands for any text, all else for itself";
        reader.report.error(span, Problem::with_help(format!("no topic matches `{pattern}`"), help));
    }
    (topics, Some(pattern))
}

fn commit(reader: &mut Reader, table: &mut Table<'_>, in_group: bool) -> Commit {
    let given = table.optional::<Placed<String>>("commit", &mut reader.report);
    let commit = given.and_then(|commit| {
        let found = Commit::NAMES.iter().find(|(name, _)| *name == commit.value).map(|(_, commit)| *commit);
        let problem = || unknown("way to commit", &commit.value, Commit::NAMES.iter().map(|(name, _)| *name));
        let found = reader.report.check(commit.span, found.ok_or_else(problem))?;
        if found != Commit::None && !in_group {
            let problem = Problem::with_help("only a consumer with a `group` commits offsets", "leave `commit` out");
            reader.report.error(commit.span, problem);
        }
        Some(found)
    });
    commit.unwrap_or(if in_group { Commit::AfterProcessing } else { Commit::None })
}

fn restart(reader: &mut Reader, table: &mut Table<'_>, in_group: bool) -> Option<Duration> {
    let restart = table.optional::<Placed<Duration>>("restart", &mut reader.report)?;
    if !in_group {
        let problem = Problem::with_help("a consumer without a `group` never gives up", "leave `restart` out");
        reader.report.error(restart.span, problem);
    }
    Some(restart.value)
}

/// What a consumer's settings contradict, as Kafka's own client has it.
fn group_conflicts(config: &Config, in_group: bool) -> Vec<(&'static str, Problem)> {
    let mut found = Vec::new();
    if config.gives("enable.auto.commit") {
        let help = "write commit = \"auto\" for true; any other `commit` is false";
        let problem = Problem::with_help("`commit` says whether enable.auto.commit is on", help);
        found.push(("enable.auto.commit", problem));
    }
    if in_group {
        let (heartbeat, session) = (config.duration("heartbeat.interval.ms"), config.duration("session.timeout.ms"));
        if heartbeat >= session {
            let message = format!("heartbeat.interval.ms ({heartbeat}) is not below session.timeout.ms ({session})");
            let setting =
                if config.gives("session.timeout.ms") { "session.timeout.ms" } else { "heartbeat.interval.ms" };
            found.push((setting, Problem::with_help(message, "a third of it is usual")));
        }
    } else if config.gives("group.instance.id") {
        found.push(("group.instance.id", Problem::new("only a consumer with a `group` is a static member")));
    }
    found
}

pub(crate) fn processors(reader: &mut Reader, root: &mut Table<'_>) -> Vec<Processor> {
    root.tables("processor", &mut reader.report).into_iter().filter_map(|table| processor(reader, table)).collect()
}

fn processor(reader: &mut Reader, mut table: Table<'_>) -> Option<Processor> {
    reader.refuse("processor", table.span);
    let (name, count) = client(reader, &mut table);
    let group = table.required::<String>("group", &mut reader.report);
    reader.names.groups.extend(group.clone());
    let from = topics(reader, &mut table, "from");
    let to = table.required::<Placed<String>>("to", &mut reader.report);
    if let Some(to) = &to {
        topic(reader, to);
    }
    let exactly_once = table.optional("exactly_once", &mut reader.report).unwrap_or(false);
    table.finish(&mut reader.report);
    Some(Processor { name, count, group: group?, from, to: to?.value, exactly_once })
}
