//! What the grammar has and the simulator does not build yet: refused by name, never ignored.
//!
//! This is the one list of refusals. Whoever builds a feature deletes its line.

use crate::settings::{Scope, Setting};

/// Parts of the grammar.
pub(crate) const UNSUPPORTED_FEATURES: &[(&str, &str)] =
    &[("processor", "processors (`[[processor]]`) are"), ("controllers", "KRaft (`controllers`) is")];

/// Fault kinds.
pub(crate) const UNSUPPORTED_FAULTS: &[&str] = &["reassign", "elect-preferred", "add-partitions", "set-config"];

/// Settings by scope; a name that ends in `*` stands for all that start so.
pub(crate) const UNSUPPORTED_SETTINGS: &[(Scope, &str)] = &[
    // Transactions
    (Scope::Broker, "transaction*"),
    (Scope::Producer, "transaction*"),
    (Scope::Consumer, "isolation.level"),
    // What brokers, the ensemble and clients do not read yet
    (Scope::Broker, "log.index.size.max.bytes"),
    (Scope::Broker, "log.flush.start.offset.checkpoint.interval.ms"),
    (Scope::Broker, "log.message.timestamp.type"),
    (Scope::Broker, "compression.type"),
    (Scope::Broker, "num.replica.fetchers"),
    (Scope::Broker, "zookeeper.connection.timeout.ms"),
    (Scope::Broker, "zookeeper.max.in.flight.requests"),
    (Scope::Broker, "connections.max.idle.ms"),
    (Scope::Broker, "socket.request.max.bytes"),
    (Scope::Broker, "producer.purgatory.purge.interval.requests"),
    (Scope::Broker, "fetch.purgatory.purge.interval.requests"),
    (Scope::Broker, "max.incremental.fetch.session.cache.slots"),
    (Scope::Broker, "fetch.max.bytes"),
    (Scope::ZooKeeper, "minSessionTimeout"),
    (Scope::ZooKeeper, "maxSessionTimeout"),
    (Scope::ZooKeeper, "snapCount"),
    (Scope::ZooKeeper, "forceSync"),
    (Scope::Topic, "segment.index.bytes"),
    (Scope::Topic, "message.timestamp.type"),
    (Scope::Topic, "compression.type"),
    (Scope::Producer, "compression.type"),
    // Groups
    (Scope::Consumer, "group.protocol"),
];

/// The sentence that refuses a part of the grammar, if it is not built.
pub(crate) fn feature(name: &str) -> Option<String> {
    let (_, what) = UNSUPPORTED_FEATURES.iter().find(|(feature, _)| *feature == name)?;
    Some(format!("{what} not supported yet"))
}

/// The sentence that refuses a fault kind, if it is not built.
pub(crate) fn fault(kind: &str) -> Option<String> {
    UNSUPPORTED_FAULTS.contains(&kind).then(|| format!("fault kind `{kind}` is not supported yet"))
}

/// The sentence that refuses a setting, if it is not built.
pub(crate) fn setting(setting: &Setting) -> Option<String> {
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => setting.name.starts_with(prefix),
        None => setting.name == pattern,
    };
    let refused = UNSUPPORTED_SETTINGS.iter().any(|(scope, pattern)| *scope == setting.scope && matches(pattern));
    refused.then(|| format!("{} setting `{}` is not supported yet", setting.scope.name(), setting.name))
}
