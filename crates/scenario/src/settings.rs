//! Kafka's and ZooKeeper's settings: names, units and their own default values.

use std::fmt;

use crate::Value;

/// Whose settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// `cluster.config`: brokers and ensemble members.
    Cluster,
    /// A broker.
    Broker,
    /// A member of the ZooKeeper ensemble.
    ZooKeeper,
    /// A topic.
    Topic,
    /// A producer.
    Producer,
    /// A consumer.
    Consumer,
}

/// A setting's type and unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A whole number of milliseconds; a duration is accepted too.
    Milliseconds,
    /// A whole number of bytes; a size is accepted too.
    Bytes,
    /// A whole number.
    Count,
    /// A number from 0 to 1.
    Decimal,
    /// A text.
    Text,
    /// One of these.
    Choice(&'static [&'static str]),
}

/// A setting.
#[derive(Debug)]
pub struct Setting {
    /// Kafka's name for it.
    pub name: &'static str,
    /// Whose it is.
    pub scope: Scope,
    /// Its type and unit.
    pub kind: Kind,
    /// Kafka's default.
    pub default: Fallback,
    /// The least number it takes; -1 stands for "no limit" where it is allowed.
    pub least: i64,
    /// What it does, in a line.
    pub meaning: &'static str,
}

/// A default value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fallback {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number in the setting's unit.
    Integer(i64),
    /// A number with a fraction.
    Decimal(f64),
    /// A text.
    Text(&'static str),
    /// Kafka's `null`.
    Unset,
}

impl Fallback {
    /// The default as a value.
    pub fn value(self) -> Value {
        match self {
            Fallback::Boolean(value) => Value::Boolean(value),
            Fallback::Integer(value) => Value::Integer(value),
            Fallback::Decimal(value) => Value::Decimal(value),
            Fallback::Text(value) => Value::Text(value.into()),
            Fallback::Unset => Value::Unset,
        }
    }
}

impl Setting {
    /// Whether it is in effect; one that is not is refused.
    pub fn implemented(&self) -> bool {
        crate::support::setting(self).is_none()
    }
}

impl Scope {
    /// Whether settings of `other` may stand here.
    pub fn accepts(self, other: Scope) -> bool {
        self == other || (self == Scope::Cluster && matches!(other, Scope::Broker | Scope::ZooKeeper))
    }

    /// The scope as a word.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Cluster => "cluster",
            Scope::Broker => "broker",
            Scope::ZooKeeper => "ZooKeeper",
            Scope::Topic => "topic",
            Scope::Producer => "producer",
            Scope::Consumer => "consumer",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Boolean => f.write_str("true or false"),
            Kind::Milliseconds => f.write_str("milliseconds, or a duration such as \"10s\""),
            Kind::Bytes => f.write_str("bytes, or a size such as \"1MiB\""),
            Kind::Count => f.write_str("a whole number"),
            Kind::Decimal => f.write_str("a number from 0 to 1"),
            Kind::Text => f.write_str("a text"),
            Kind::Choice(choices) => write!(f, "one of {}", choices.join(", ")),
        }
    }
}

/// The setting `name` of `scope`.
pub fn find(scope: Scope, name: &str) -> Option<&'static Setting> {
    all().find(|setting| scope.accepts(setting.scope) && setting.name == name)
}

/// Every setting: of brokers, ZooKeeper, topics, producers, consumers.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    crate::broker_settings::BROKER
        .iter()
        .chain(crate::broker_settings::ZOOKEEPER)
        .chain(crate::client_settings::TOPIC)
        .chain(crate::client_settings::PRODUCER)
        .chain(crate::client_settings::CONSUMER)
}

/// Which broker setting a topic's setting falls back to.
pub(crate) const BROKER_DEFAULT_OF: &[(&str, &str)] = &[
    ("min.insync.replicas", "min.insync.replicas"),
    ("unclean.leader.election.enable", "unclean.leader.election.enable"),
    ("segment.bytes", "log.segment.bytes"),
    ("segment.ms", "log.roll.ms"),
    ("index.interval.bytes", "log.index.interval.bytes"),
    ("segment.index.bytes", "log.index.size.max.bytes"),
    ("flush.messages", "log.flush.interval.messages"),
    ("flush.ms", "log.flush.interval.ms"),
    ("retention.ms", "log.retention.ms"),
    ("retention.bytes", "log.retention.bytes"),
    ("file.delete.delay.ms", "log.segment.delete.delay.ms"),
    ("cleanup.policy", "log.cleanup.policy"),
    ("delete.retention.ms", "log.cleaner.delete.retention.ms"),
    ("min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio"),
    ("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms"),
    ("max.message.bytes", "message.max.bytes"),
    ("message.timestamp.type", "log.message.timestamp.type"),
    ("compression.type", "compression.type"),
];

pub(crate) const fn count(
    scope: Scope,
    name: &'static str,
    default: i64,
    least: i64,
    meaning: &'static str,
) -> Setting {
    Setting { name, scope, kind: Kind::Count, default: Fallback::Integer(default), least, meaning }
}

pub(crate) const fn millis(
    scope: Scope,
    name: &'static str,
    default: i64,
    least: i64,
    meaning: &'static str,
) -> Setting {
    Setting { name, scope, kind: Kind::Milliseconds, default: Fallback::Integer(default), least, meaning }
}

pub(crate) const fn bytes(
    scope: Scope,
    name: &'static str,
    default: i64,
    least: i64,
    meaning: &'static str,
) -> Setting {
    Setting { name, scope, kind: Kind::Bytes, default: Fallback::Integer(default), least, meaning }
}

pub(crate) const fn switch(scope: Scope, name: &'static str, default: bool, meaning: &'static str) -> Setting {
    Setting { name, scope, kind: Kind::Boolean, default: Fallback::Boolean(default), least: 0, meaning }
}

pub(crate) const fn decimal(scope: Scope, name: &'static str, default: f64, meaning: &'static str) -> Setting {
    Setting { name, scope, kind: Kind::Decimal, default: Fallback::Decimal(default), least: 0, meaning }
}

pub(crate) const fn text(scope: Scope, name: &'static str, default: Fallback, meaning: &'static str) -> Setting {
    Setting { name, scope, kind: Kind::Text, default, least: 0, meaning }
}

pub(crate) const fn choice(
    scope: Scope,
    name: &'static str,
    choices: &'static [&'static str],
    default: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting { name, scope, kind: Kind::Choice(choices), default: Fallback::Text(default), least: 0, meaning }
}
