//! Settings with Kafka's names and defaults.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use trace::Name;

use crate::backoff::Backoff;
use crate::consumer::assignor::Strategy;
use crate::error::ConfigError;

/// What every client has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientConfig {
    /// `request.timeout.ms`: an unanswered request costs the connection.
    pub request_timeout: Duration,
    /// `retry.backoff.ms`.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max: Duration,
    /// `reconnect.backoff.ms`.
    pub reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`.
    pub reconnect_backoff_max: Duration,
    /// `socket.connection.setup.timeout.ms`.
    pub connection_setup_timeout: Duration,
    /// `metadata.max.age.ms`.
    pub metadata_max_age: Duration,
    /// `allow.auto.create.topics`: whether a broker may create a topic because this client asks about it.
    pub allow_auto_create_topics: bool,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self::read(&mut Settings::new(&BTreeMap::new())).expect("defaults are valid")
    }
}

impl ClientConfig {
    pub(crate) fn retry(&self) -> Backoff {
        Backoff { initial: self.retry_backoff, maximum: self.retry_backoff_max }
    }

    pub(crate) fn reconnect(&self) -> Backoff {
        Backoff { initial: self.reconnect_backoff, maximum: self.reconnect_backoff_max }
    }

    fn read(settings: &mut Settings) -> Result<Self, ConfigError> {
        Ok(Self {
            request_timeout: settings.millis("request.timeout.ms", 30_000)?,
            retry_backoff: settings.millis("retry.backoff.ms", 100)?,
            retry_backoff_max: settings.millis("retry.backoff.max.ms", 1_000)?,
            reconnect_backoff: settings.millis("reconnect.backoff.ms", 50)?,
            reconnect_backoff_max: settings.millis("reconnect.backoff.max.ms", 1_000)?,
            connection_setup_timeout: settings.millis("socket.connection.setup.timeout.ms", 10_000)?,
            metadata_max_age: settings.millis("metadata.max.age.ms", 300_000)?,
            allow_auto_create_topics: settings.get("allow.auto.create.topics", true, "true or false")?,
        })
    }
}

/// `acks`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acks {
    /// `0`: the broker does not answer.
    None,
    /// `1`: the leader has appended it.
    Leader,
    /// `all`: the ISR has it.
    All,
}

impl Acks {
    /// The number on the wire.
    pub(crate) const fn code(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

impl FromStr for Acks {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "0" => Ok(Acks::None),
            "1" => Ok(Acks::Leader),
            "all" | "-1" => Ok(Acks::All),
            _ => Err(()),
        }
    }
}

/// Historical flaws of producers. All are off by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ProducerFlaws {
    /// At an epoch bump a batch that may be in the log is sent again under the new epoch, as Kafka's producer does
    /// (KIP-360).
    pub resends_in_doubt: bool,
    /// When an answer about metadata lacks the topic, its partitions' sequence numbers begin at 0 again, without a new epoch
    /// (librdkafka before 1.9.0).
    pub metadata_blip_resets_sequences: bool,
}

/// A producer's settings. [`ProducerConfig::default`] is Kafka's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProducerConfig {
    /// What every client has.
    pub client: ClientConfig,
    /// `acks`.
    pub acks: Acks,
    /// `enable.idempotence`.
    pub enable_idempotence: bool,
    /// `batch.size` in bytes.
    pub batch_size: usize,
    /// `linger.ms`.
    pub linger: Duration,
    /// `buffer.memory` in bytes.
    pub buffer_memory: usize,
    /// `max.block.ms`.
    pub max_block: Duration,
    /// `max.request.size` in bytes.
    pub max_request_size: usize,
    /// `retries`.
    pub retries: u32,
    /// `delivery.timeout.ms`.
    pub delivery_timeout: Duration,
    /// `max.in.flight.requests.per.connection`.
    pub max_in_flight: usize,
    /// Flaws switched on; no setting of Kafka's.
    pub flaws: ProducerFlaws,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self::from_settings(&BTreeMap::new()).expect("defaults are valid")
    }
}

impl ProducerConfig {
    /// The settings, by Kafka's names; times in ms. Those not given have Kafka's defaults.
    ///
    /// # Errors
    /// On an unknown name, an unusable value, or the contradictions that Kafka refuses too.
    pub fn from_settings(settings: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut settings = Settings::new(settings);
        let client = ClientConfig::read(&mut settings)?;
        let compression: String = settings.get("compression.type", "none".to_owned(), "")?;
        if compression != "none" {
            return Err(value_error("compression.type", &compression, "only `none` is built"));
        }
        let linger = settings.millis("linger.ms", 0)?;
        let mut config = Self {
            acks: settings.get("acks", Acks::All, "0, 1 or all")?,
            enable_idempotence: settings.get("enable.idempotence", true, "true or false")?,
            batch_size: settings.number("batch.size", 16_384, 0..=i32::MAX as u64)? as usize,
            linger,
            buffer_memory: settings.number("buffer.memory", 33_554_432, 0..=u64::from(u32::MAX))? as usize,
            max_block: settings.millis("max.block.ms", 60_000)?,
            max_request_size: settings.number("max.request.size", 1_048_576, 0..=i32::MAX as u64)? as usize,
            retries: settings.number("retries", i32::MAX as u64, 0..=i32::MAX as u64)? as u32,
            delivery_timeout: settings.millis("delivery.timeout.ms", 120_000)?,
            max_in_flight: settings.number("max.in.flight.requests.per.connection", 5, 1..=1_000)? as usize,
            flaws: ProducerFlaws::default(),
            client,
        };
        if settings.given("transactional.id") {
            return Err(ConfigError::Conflict("transactions are not built: leave transactional.id out"));
        }
        settings.ignore(&["transaction.timeout.ms"]);
        settle_idempotence(&mut config, &settings)?;
        settle_delivery_timeout(&mut config, &settings)?;
        settings.finish()?;
        Ok(config)
    }
}

/// KIP-679: idempotence is on unless another setting, given by hand, rules it out; asked for by hand it must be possible.
fn settle_idempotence(config: &mut ProducerConfig, settings: &Settings) -> Result<(), ConfigError> {
    let possible = config.acks == Acks::All && config.retries > 0 && config.max_in_flight <= 5;
    if config.enable_idempotence && !possible {
        if settings.given("enable.idempotence") {
            return Err(ConfigError::Conflict(
                "enable.idempotence needs acks=all, retries > 0 and max.in.flight.requests.per.connection <= 5",
            ));
        }
        config.enable_idempotence = false;
    }
    Ok(())
}

/// A batch needs time to linger and for one request; Kafka raises its default and refuses a shorter value given by hand.
fn settle_delivery_timeout(config: &mut ProducerConfig, settings: &Settings) -> Result<(), ConfigError> {
    let needed = config.linger + config.client.request_timeout;
    if config.delivery_timeout < needed {
        if settings.given("delivery.timeout.ms") {
            return Err(ConfigError::Conflict("delivery.timeout.ms must be at least linger.ms + request.timeout.ms"));
        }
        config.delivery_timeout = needed;
    }
    Ok(())
}

/// `auto.offset.reset`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OffsetReset {
    /// To the log's start.
    Earliest,
    /// To the log's end.
    Latest,
    /// Not at all: the partition stands still with an error.
    None,
}

impl FromStr for OffsetReset {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "earliest" => Ok(OffsetReset::Earliest),
            "latest" => Ok(OffsetReset::Latest),
            "none" => Ok(OffsetReset::None),
            _ => Err(()),
        }
    }
}

/// `isolation.level`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isolation {
    /// All records below the high watermark.
    ReadUncommitted,
    /// Records below the last stable offset, without those of aborted transactions.
    ReadCommitted,
}

impl Isolation {
    /// The number on the wire.
    pub(crate) const fn code(self) -> i8 {
        match self {
            Isolation::ReadUncommitted => 0,
            Isolation::ReadCommitted => 1,
        }
    }
}

impl FromStr for Isolation {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "read_uncommitted" => Ok(Isolation::ReadUncommitted),
            "read_committed" => Ok(Isolation::ReadCommitted),
            _ => Err(()),
        }
    }
}

/// Historical flaws of consumers. All are off by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ConsumerFlaws {
    /// The sticky assignors believe a member that missed a generation (KAFKA-12983, KAFKA-12984, KAFKA-13419, KAFKA-14639).
    pub sticky_double_ownership: bool,
    /// While the commit before a revocation is on its way, poll goes on returning records of the partitions to be given up
    /// (KAFKA-14196, KAFKA-14024).
    pub fetch_during_revocation_commit: bool,
    /// The offset stored when a partition was revoked is committed when the partition comes back (librdkafka before 1.9.0).
    pub store_offset_after_revoke: bool,
    /// A lost connection makes the position be reset by `auto.offset.reset` (librdkafka 1.8.0).
    pub reset_on_transient_error: bool,
    /// The lower leader epochs of a topic that was created anew are ignored (KAFKA-12257).
    pub topic_recreated_same_name: bool,
}

/// What a member of a consumer group has beside a consumer's settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupConfig {
    /// `group.id`.
    pub id: Name,
    /// `group.instance.id`: static membership (KIP-345).
    pub instance: Option<Name>,
    /// `session.timeout.ms`.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `max.poll.interval.ms`; also how long the coordinator waits for this member in a rebalance.
    pub max_poll_interval: Duration,
    /// `auto.commit.interval.ms`; none without `enable.auto.commit`.
    pub auto_commit: Option<Duration>,
    /// `partition.assignment.strategy`, the most wanted first.
    pub strategies: Vec<Strategy>,
}

impl GroupConfig {
    /// None without `group.id`.
    fn read(settings: &mut Settings) -> Result<Option<Self>, ConfigError> {
        let id: String = settings.get("group.id", String::new(), "a group's name")?;
        let instance: String = settings.get("group.instance.id", String::new(), "a member's name")?;
        let commits = settings.get("enable.auto.commit", true, "true or false")?;
        let interval = settings.millis("auto.commit.interval.ms", 5_000)?;
        let strategies: String =
            settings.get("partition.assignment.strategy", "range,cooperative-sticky".to_owned(), "")?;
        let config = Self {
            id: Name::new(&id),
            instance: (!instance.is_empty()).then(|| Name::new(&instance)),
            session_timeout: settings.millis("session.timeout.ms", 45_000)?,
            heartbeat_interval: settings.millis("heartbeat.interval.ms", 3_000)?,
            max_poll_interval: settings.millis("max.poll.interval.ms", 300_000)?,
            auto_commit: commits.then_some(interval),
            strategies: read_strategies(&strategies)?,
        };
        let protocol: String = settings.get("group.protocol", "classic".to_owned(), "")?;
        if protocol != "classic" {
            return Err(value_error("group.protocol", &protocol, "only `classic` is built"));
        }
        if id.is_empty() {
            if commits && settings.given("enable.auto.commit") {
                return Err(ConfigError::Conflict("enable.auto.commit needs a group.id"));
            }
            return Ok(None);
        }
        config.check()?;
        Ok(Some(config))
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.heartbeat_interval >= self.session_timeout {
            return Err(ConfigError::Conflict("heartbeat.interval.ms must be below session.timeout.ms"));
        }
        if self.heartbeat_interval.is_zero() || self.max_poll_interval.is_zero() {
            return Err(ConfigError::Conflict("heartbeat.interval.ms and max.poll.interval.ms must be positive"));
        }
        Ok(())
    }
}

fn read_strategies(text: &str) -> Result<Vec<Strategy>, ConfigError> {
    const EXPECTED: &str = "a list of range, roundrobin, sticky and cooperative-sticky, each at most once";
    let mut strategies: Vec<Strategy> = Vec::new();
    for name in text.split(',').map(str::trim) {
        match name.parse() {
            Ok(strategy) if !strategies.contains(&strategy) => strategies.push(strategy),
            _ => return Err(value_error("partition.assignment.strategy", text, EXPECTED)),
        }
    }
    Ok(strategies)
}

/// A consumer's settings. [`ConsumerConfig::default`] is Kafka's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerConfig {
    /// What every client has.
    pub client: ClientConfig,
    /// `auto.offset.reset`.
    pub auto_offset_reset: OffsetReset,
    /// `isolation.level`.
    pub isolation: Isolation,
    /// `fetch.min.bytes`.
    pub fetch_min_bytes: i32,
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: i32,
    /// `fetch.max.wait.ms`.
    pub fetch_max_wait: Duration,
    /// `max.partition.fetch.bytes`.
    pub max_partition_fetch_bytes: i32,
    /// `max.poll.records`.
    pub max_poll_records: usize,
    /// `check.crcs`.
    pub check_crcs: bool,
    /// `client.rack`: sent with every fetch (KIP-392).
    pub rack: Option<Name>,
    /// With `group.id`: the group.
    pub group: Option<GroupConfig>,
    /// Flaws switched on; no setting of Kafka's.
    pub flaws: ConsumerFlaws,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self::from_settings(&BTreeMap::new()).expect("defaults are valid")
    }
}

impl ConsumerConfig {
    /// The settings, by Kafka's names; times in ms. Those not given have Kafka's defaults.
    ///
    /// # Errors
    /// On an unknown name, an unusable value, or the contradictions that Kafka refuses too.
    pub fn from_settings(settings: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        const INT: std::ops::RangeInclusive<u64> = 0..=i32::MAX as u64;
        let mut settings = Settings::new(settings);
        let rack: String = settings.get("client.rack", String::new(), "a rack's name")?;
        let config = Self {
            client: ClientConfig::read(&mut settings)?,
            auto_offset_reset: settings.get("auto.offset.reset", OffsetReset::Latest, "earliest, latest or none")?,
            isolation: settings.get(
                "isolation.level",
                Isolation::ReadUncommitted,
                "read_uncommitted or read_committed",
            )?,
            fetch_min_bytes: settings.number("fetch.min.bytes", 1, INT)? as i32,
            fetch_max_bytes: settings.number("fetch.max.bytes", 52_428_800, INT)? as i32,
            fetch_max_wait: settings.millis("fetch.max.wait.ms", 500)?,
            max_partition_fetch_bytes: settings.number("max.partition.fetch.bytes", 1_048_576, INT)? as i32,
            max_poll_records: settings.number("max.poll.records", 500, 1..=i32::MAX as u64)? as usize,
            check_crcs: settings.get("check.crcs", true, "true or false")?,
            rack: (!rack.is_empty()).then(|| Name::new(&rack)),
            group: GroupConfig::read(&mut settings)?,
            flaws: ConsumerFlaws::default(),
        };
        settings.ignore(&["default.api.timeout.ms"]);
        settings.finish()?;
        Ok(config)
    }
}

/// Hands out settings and knows which nobody asked for.
struct Settings<'a> {
    given: &'a BTreeMap<String, String>,
    asked: Vec<&'static str>,
}

impl<'a> Settings<'a> {
    fn new(given: &'a BTreeMap<String, String>) -> Self {
        Self { given, asked: Vec::new() }
    }

    fn given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    fn get<T: FromStr>(&mut self, name: &'static str, default: T, expected: &'static str) -> Result<T, ConfigError> {
        self.asked.push(name);
        match self.given.get(name) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| value_error(name, value, expected)),
        }
    }

    fn number(
        &mut self,
        name: &'static str,
        default: u64,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        let number = self.get(name, default, "a whole number, not negative")?;
        if range.contains(&number) { Ok(number) } else { Err(value_error(name, &number.to_string(), "out of range")) }
    }

    fn millis(&mut self, name: &'static str, default: u64) -> Result<Duration, ConfigError> {
        // Kafka's "for ever" is Long.MAX_VALUE.
        self.number(name, default, 0..=i64::MAX as u64).map(Duration::from_millis)
    }

    fn ignore(&mut self, names: &[&'static str]) {
        self.asked.extend_from_slice(names);
    }

    fn finish(&self) -> Result<(), ConfigError> {
        match self.given.keys().find(|name| !self.asked.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => Err(ConfigError::Unknown(name.clone())),
        }
    }
}

fn value_error(name: &str, value: &str, expected: &'static str) -> ConfigError {
    ConfigError::Value { name: name.to_owned(), value: value.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn acks_1_by_hand_turns_idempotence_off_but_not_against_an_explicit_wish() {
        let config = ProducerConfig::from_settings(&settings(&[("acks", "1")])).unwrap();
        assert!(!config.enable_idempotence);
        let both = ProducerConfig::from_settings(&settings(&[("acks", "1"), ("enable.idempotence", "true")]));
        assert!(matches!(both, Err(ConfigError::Conflict(_))));
        assert!(ProducerConfig::default().enable_idempotence);
    }

    #[test]
    fn unknown_settings_are_refused_by_name() {
        let error = ConsumerConfig::from_settings(&settings(&[("fetch.min.byte", "1")])).unwrap_err();
        assert_eq!(error, ConfigError::Unknown("fetch.min.byte".to_owned()));
    }

    #[test]
    fn what_is_not_built_is_refused_not_ignored() {
        for setting in [("compression.type", "zstd"), ("transactional.id", "orders")] {
            assert!(ProducerConfig::from_settings(&settings(&[setting])).is_err(), "{setting:?}");
        }
        assert!(ConsumerConfig::from_settings(&settings(&[("session.timeout.ms", "6000")])).is_ok());
    }

    #[test]
    fn contradictions_of_a_group_are_refused_as_kafka_refuses_them() {
        let read = |pairs: &[(&str, &str)]| ConsumerConfig::from_settings(&settings(pairs));
        let conflict = |pairs| matches!(read(pairs), Err(ConfigError::Conflict(_)));
        assert!(conflict(&[("group.id", "mail"), ("session.timeout.ms", "3000")]), "as short as a heartbeat");
        assert!(conflict(&[("enable.auto.commit", "true")]), "commits need a group");
        for strategies in ["range,range", "", "fair"] {
            assert!(read(&[("group.id", "mail"), ("partition.assignment.strategy", strategies)]).is_err());
        }
        assert!(read(&[("group.protocol", "consumer")]).is_err());
    }

    #[test]
    fn a_group_has_kafkas_defaults() {
        let group = ConsumerConfig::from_settings(&settings(&[("group.id", "mail")])).unwrap().group.unwrap();
        assert_eq!((group.session_timeout.as_secs(), group.heartbeat_interval.as_secs()), (45, 3));
        assert_eq!((group.max_poll_interval.as_secs(), group.auto_commit), (300, Some(Duration::from_secs(5))));
        assert_eq!(group.strategies, [Strategy::Range, Strategy::CooperativeSticky]);
        assert_eq!(ConsumerConfig::default().group, None);
    }

    #[test]
    fn a_delivery_timeout_shorter_than_one_request_is_refused() {
        let error = ProducerConfig::from_settings(&settings(&[("delivery.timeout.ms", "10000")])).unwrap_err();
        assert!(matches!(error, ConfigError::Conflict(_)));
        let raised = ProducerConfig::from_settings(&settings(&[("request.timeout.ms", "200000")])).unwrap();
        assert_eq!(raised.delivery_timeout, Duration::from_secs(200));
    }
}
