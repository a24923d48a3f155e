//! A broker's configuration: Kafka's own names, typed, with Kafka's defaults; topics override what they may.

use std::collections::BTreeMap;
use std::time::Duration;

use host::Address;
use thiserror::Error;

use crate::flaws::Flaws;

/// All that `run_broker` must know.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// `broker.id`, from 1 to 255.
    pub id: i32,
    /// `broker.rack`: reported to clients; placement ignores it.
    pub rack: Option<String>,
    /// The port it listens on, 9092 in simulations.
    pub port: u16,
    /// The address that other brokers and clients reach it by.
    pub advertised: Address,
    /// The ensemble's members.
    pub zookeeper: Vec<Address>,
    /// Settings by Kafka's names; what is missing has Kafka's default.
    pub settings: BTreeMap<String, String>,
    /// Historical flaws switched on.
    pub flaws: Flaws,
    /// The data directory, relative to the node's root: `data`.
    pub data: String,
}

/// A setting that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ConfigError {
    /// Kafka, or this broker, has no setting of this name.
    #[error("unknown setting `{0}`")]
    Unknown(String),
    /// The value does not fit the setting's type or range.
    #[error("setting `{name}`: `{value}` is not {wanted}")]
    Invalid {
        /// The setting.
        name: String,
        /// Its value as given.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
}

/// How a setting's text becomes its value.
trait Value: Sized {
    const WANTED: &'static str;
    const TYPE: ValueType;
    fn parse(text: &str) -> Option<Self>;
    /// What [`Value::parse`] would read as this value; none if nothing was set.
    fn text(&self) -> Option<String>;
}

/// What a setting's value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueType {
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Whole,
    /// A number from 0 to 1.
    Fraction,
    /// Text.
    Text,
}

impl Value for i64 {
    const WANTED: &'static str = "a whole number";
    const TYPE: ValueType = ValueType::Whole;
    fn parse(text: &str) -> Option<i64> {
        text.trim().parse().ok()
    }
    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for bool {
    const WANTED: &'static str = "true or false";
    const TYPE: ValueType = ValueType::Boolean;
    fn parse(text: &str) -> Option<bool> {
        match text.trim() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for Option<i64> {
    const WANTED: &'static str = "a whole number";
    const TYPE: ValueType = ValueType::Whole;
    fn parse(text: &str) -> Option<Option<i64>> {
        i64::parse(text).map(Some)
    }
    fn text(&self) -> Option<String> {
        self.map(|number| number.to_string())
    }
}

impl Value for f64 {
    const WANTED: &'static str = "a number from 0 to 1";
    const TYPE: ValueType = ValueType::Fraction;
    fn parse(text: &str) -> Option<f64> {
        text.trim().parse().ok().filter(|number| (0.0..=1.0).contains(number))
    }
    fn text(&self) -> Option<String> {
        // As Java prints it: 1.0, not 1.
        Some(format!("{self:?}"))
    }
}

impl Value for String {
    const WANTED: &'static str = "text";
    const TYPE: ValueType = ValueType::Text;
    fn parse(text: &str) -> Option<String> {
        Some(text.trim().to_owned())
    }
    fn text(&self) -> Option<String> {
        Some(self.clone())
    }
}

macro_rules! settings {
    ($(#[$about:meta])* $struct:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $default:expr, $name:literal;)* }) => {
        $(#[$about])*
        #[derive(Clone, PartialEq, Debug)]
        pub struct $struct {
            $(#[doc = concat!("`", $name, "`.")] $(#[$doc])* pub $field: $type,)*
        }

        impl Default for $struct {
            fn default() -> Self {
                $struct { $($field: $default,)* }
            }
        }

        impl $struct {
            /// All names there are.
            pub const NAMES: &[&str] = &[$($name,)*];

            /// A setting's value as text; none if there is no such setting, or it is not set and has no default.
            pub fn get(&self, name: &str) -> Option<String> {
                match name { $($name => <$type as Value>::text(&self.$field),)* _ => None }
            }

            /// What a setting's value is; none if there is no such setting.
            pub fn value_type(name: &str) -> Option<ValueType> {
                match name { $($name => Some(<$type as Value>::TYPE),)* _ => None }
            }

            fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
                match name {
                    $($name => {
                        self.$field = <$type as Value>::parse(value).ok_or_else(|| ConfigError::Invalid {
                            name: name.to_owned(),
                            value: value.to_owned(),
                            wanted: <$type as Value>::WANTED,
                        })?;
                    })*
                    _ => return Err(ConfigError::Unknown(name.to_owned())),
                }
                Ok(())
            }
        }
    };
}

const DAY_MS: i64 = 24 * 3600 * 1000;

settings! {
    /// A broker's settings. Times are in the unit their name says, sizes in bytes.
    Settings {
        replica_lag_time_max_ms: i64 = 30_000, "replica.lag.time.max.ms";
        replica_fetch_wait_max_ms: i64 = 500, "replica.fetch.wait.max.ms";
        replica_fetch_min_bytes: i64 = 1, "replica.fetch.min.bytes";
        replica_fetch_backoff_ms: i64 = 1_000, "replica.fetch.backoff.ms";
        replica_fetch_max_bytes: i64 = 1 << 20, "replica.fetch.max.bytes";
        replica_fetch_response_max_bytes: i64 = 10 << 20, "replica.fetch.response.max.bytes";
        replica_socket_timeout_ms: i64 = 30_000, "replica.socket.timeout.ms";
        replica_high_watermark_checkpoint_interval_ms: i64 = 5_000, "replica.high.watermark.checkpoint.interval.ms";
        inter_broker_protocol_version: String = "2.6".to_owned(), "inter.broker.protocol.version";
        min_insync_replicas: i64 = 1, "min.insync.replicas";
        default_replication_factor: i64 = 1, "default.replication.factor";
        num_partitions: i64 = 1, "num.partitions";
        unclean_leader_election_enable: bool = false, "unclean.leader.election.enable";
        auto_leader_rebalance_enable: bool = true, "auto.leader.rebalance.enable";
        leader_imbalance_check_interval_seconds: i64 = 300, "leader.imbalance.check.interval.seconds";
        leader_imbalance_per_broker_percentage: i64 = 10, "leader.imbalance.per.broker.percentage";
        auto_create_topics_enable: bool = true, "auto.create.topics.enable";
        delete_topic_enable: bool = true, "delete.topic.enable";
        message_max_bytes: i64 = 1_048_588, "message.max.bytes";
        log_segment_bytes: i64 = 1 << 30, "log.segment.bytes";
        log_roll_ms: Option<i64> = None, "log.roll.ms";
        log_roll_hours: i64 = 168, "log.roll.hours";
        log_retention_ms: Option<i64> = None, "log.retention.ms";
        log_retention_minutes: Option<i64> = None, "log.retention.minutes";
        log_retention_hours: i64 = 168, "log.retention.hours";
        log_retention_bytes: i64 = -1, "log.retention.bytes";
        log_retention_check_interval_ms: i64 = 300_000, "log.retention.check.interval.ms";
        log_segment_delete_delay_ms: i64 = 60_000, "log.segment.delete.delay.ms";
        log_index_interval_bytes: i64 = 4_096, "log.index.interval.bytes";
        log_flush_interval_messages: i64 = i64::MAX, "log.flush.interval.messages";
        log_flush_interval_ms: Option<i64> = None, "log.flush.interval.ms";
        log_flush_scheduler_interval_ms: i64 = i64::MAX, "log.flush.scheduler.interval.ms";
        log_flush_offset_checkpoint_interval_ms: i64 = 60_000, "log.flush.offset.checkpoint.interval.ms";
        log_cleanup_policy: String = "delete".to_owned(), "log.cleanup.policy";
        log_cleaner_enable: bool = true, "log.cleaner.enable";
        log_cleaner_backoff_ms: i64 = 15_000, "log.cleaner.backoff.ms";
        log_cleaner_min_cleanable_ratio: f64 = 0.5, "log.cleaner.min.cleanable.ratio";
        log_cleaner_min_compaction_lag_ms: i64 = 0, "log.cleaner.min.compaction.lag.ms";
        log_cleaner_delete_retention_ms: i64 = DAY_MS, "log.cleaner.delete.retention.ms";
        producer_id_expiration_ms: i64 = DAY_MS, "producer.id.expiration.ms";
        producer_id_expiration_check_interval_ms: i64 = 600_000, "producer.id.expiration.check.interval.ms";
        group_min_session_timeout_ms: i64 = 6_000, "group.min.session.timeout.ms";
        group_max_session_timeout_ms: i64 = 1_800_000, "group.max.session.timeout.ms";
        group_initial_rebalance_delay_ms: i64 = 3_000, "group.initial.rebalance.delay.ms";
        group_max_size: i64 = i32::MAX as i64, "group.max.size";
        offset_metadata_max_bytes: i64 = 4_096, "offset.metadata.max.bytes";
        offsets_load_buffer_size: i64 = 5 << 20, "offsets.load.buffer.size";
        offsets_retention_minutes: i64 = 7 * 24 * 60, "offsets.retention.minutes";
        offsets_retention_check_interval_ms: i64 = 600_000, "offsets.retention.check.interval.ms";
        offsets_topic_num_partitions: i64 = 50, "offsets.topic.num.partitions";
        offsets_topic_replication_factor: i64 = 3, "offsets.topic.replication.factor";
        offsets_topic_segment_bytes: i64 = 100 << 20, "offsets.topic.segment.bytes";
        offsets_commit_timeout_ms: i64 = 5_000, "offsets.commit.timeout.ms";
        offsets_commit_required_acks: i64 = -1, "offsets.commit.required.acks";
        zookeeper_session_timeout_ms: i64 = 18_000, "zookeeper.session.timeout.ms";
        request_timeout_ms: i64 = 30_000, "request.timeout.ms";
        controller_socket_timeout_ms: i64 = 30_000, "controller.socket.timeout.ms";
        controlled_shutdown_enable: bool = true, "controlled.shutdown.enable";
        controlled_shutdown_max_retries: i64 = 3, "controlled.shutdown.max.retries";
        controlled_shutdown_retry_backoff_ms: i64 = 5_000, "controlled.shutdown.retry.backoff.ms";
    }
}

settings! {
    /// The settings of one topic: the broker's, overridden by the topic's own.
    TopicSettings {
        min_insync_replicas: i64 = 1, "min.insync.replicas";
        unclean_leader_election_enable: bool = false, "unclean.leader.election.enable";
        max_message_bytes: i64 = 1_048_588, "max.message.bytes";
        segment_bytes: i64 = 1 << 30, "segment.bytes";
        segment_ms: i64 = 7 * DAY_MS, "segment.ms";
        retention_ms: i64 = 7 * DAY_MS, "retention.ms";
        retention_bytes: i64 = -1, "retention.bytes";
        file_delete_delay_ms: i64 = 60_000, "file.delete.delay.ms";
        index_interval_bytes: i64 = 4_096, "index.interval.bytes";
        flush_messages: i64 = i64::MAX, "flush.messages";
        flush_ms: i64 = i64::MAX, "flush.ms";
        cleanup_policy: String = "delete".to_owned(), "cleanup.policy";
        delete_retention_ms: i64 = DAY_MS, "delete.retention.ms";
        min_cleanable_dirty_ratio: f64 = 0.5, "min.cleanable.dirty.ratio";
        min_compaction_lag_ms: i64 = 0, "min.compaction.lag.ms";
    }
}

/// Smallest values of the settings that have one above zero.
const MINIMA: &[(&str, i64)] = &[
    ("replica.lag.time.max.ms", 1),
    ("replica.fetch.max.bytes", 1),
    ("min.insync.replicas", 1),
    ("default.replication.factor", 1),
    ("num.partitions", 1),
    ("log.segment.bytes", 14),
    ("segment.bytes", 14),
    ("log.flush.interval.messages", 1),
    ("flush.messages", 1),
    ("zookeeper.session.timeout.ms", 1),
    ("replica.high.watermark.checkpoint.interval.ms", 1),
    ("log.flush.offset.checkpoint.interval.ms", 1),
    ("leader.imbalance.check.interval.seconds", 1),
    ("log.retention.check.interval.ms", 1),
    ("log.cleaner.backoff.ms", 1),
    ("replica.fetch.backoff.ms", 1),
    ("controlled.shutdown.retry.backoff.ms", 1),
    ("group.max.size", 1),
    ("offsets.load.buffer.size", 1),
    ("offsets.retention.minutes", 1),
    ("offsets.retention.check.interval.ms", 1),
    ("offsets.topic.num.partitions", 1),
    ("offsets.topic.replication.factor", 1),
    ("offsets.topic.segment.bytes", 14),
    ("offsets.commit.timeout.ms", 1),
];

/// Settings whose -1 means "no limit", or "all".
const UNLIMITED: &[&str] = &[
    "log.retention.ms",
    "log.retention.minutes",
    "log.retention.hours",
    "log.retention.bytes",
    "offsets.commit.required.acks",
    "retention.ms",
    "retention.bytes",
];

/// Whether a value is in the range of the setting.
fn in_range(name: &str, value: &str) -> Result<(), ConfigError> {
    let policies = |value: &str| value.split(',').all(|it| matches!(it.trim(), "delete" | "compact"));
    if matches!(name, "cleanup.policy" | "log.cleanup.policy") && !policies(value) {
        let (name, value) = (name.to_owned(), value.to_owned());
        return Err(ConfigError::Invalid { name, value, wanted: "a list of delete and compact" });
    }
    let Some(number) = <i64 as Value>::parse(value) else { return Ok(()) };
    let floor = if UNLIMITED.contains(&name) { -1 } else { 0 };
    let minimum = MINIMA.iter().find(|(limited, _)| *limited == name).map_or(floor, |(_, minimum)| *minimum);
    if number < minimum {
        let (name, value) = (name.to_owned(), value.to_owned());
        return Err(ConfigError::Invalid { name, value, wanted: "large enough" });
    }
    Ok(())
}

impl Settings {
    /// Reads settings by Kafka's names.
    ///
    /// # Errors
    /// If a name is unknown, or a value has the wrong type or is out of range.
    pub fn parse(settings: &BTreeMap<String, String>) -> Result<Settings, ConfigError> {
        let mut parsed = Settings::default();
        for (name, value) in settings {
            parsed.set(name, value)?;
            in_range(name, value)?;
        }
        Ok(parsed)
    }

    /// `replica.lag.time.max.ms`.
    pub fn replica_lag_time_max(&self) -> Duration {
        milliseconds(self.replica_lag_time_max_ms)
    }

    /// Whether followers learn from Fetch where their log leaves the leader's (KIP-595), which brokers speak from version
    /// 2.7 of their protocol on; before, they ask by OffsetForLeaderEpoch.
    pub fn truncates_on_fetch(&self) -> bool {
        self.inter_broker_protocol_version != "2.6"
    }

    /// What topics inherit.
    pub fn topic_defaults(&self) -> TopicSettings {
        const HOUR_MS: i64 = 3_600_000;
        let hours = |hours: i64| if hours < 0 { -1 } else { hours.saturating_mul(HOUR_MS) };
        let minutes = |minutes: i64| if minutes < 0 { -1 } else { minutes.saturating_mul(60_000) };
        let retention = self.log_retention_ms.or(self.log_retention_minutes.map(minutes));
        TopicSettings {
            min_insync_replicas: self.min_insync_replicas,
            unclean_leader_election_enable: self.unclean_leader_election_enable,
            max_message_bytes: self.message_max_bytes,
            segment_bytes: self.log_segment_bytes,
            segment_ms: self.log_roll_ms.unwrap_or(hours(self.log_roll_hours)),
            retention_ms: retention.unwrap_or(hours(self.log_retention_hours)),
            retention_bytes: self.log_retention_bytes,
            file_delete_delay_ms: self.log_segment_delete_delay_ms,
            index_interval_bytes: self.log_index_interval_bytes,
            flush_messages: self.log_flush_interval_messages,
            flush_ms: self.log_flush_interval_ms.unwrap_or(self.log_flush_scheduler_interval_ms),
            cleanup_policy: self.log_cleanup_policy.clone(),
            delete_retention_ms: self.log_cleaner_delete_retention_ms,
            min_cleanable_dirty_ratio: self.log_cleaner_min_cleanable_ratio,
            min_compaction_lag_ms: self.log_cleaner_min_compaction_lag_ms,
        }
    }
}

impl TopicSettings {
    /// A broker's defaults under a topic's own settings.
    ///
    /// # Errors
    /// If a name is unknown, or a value has the wrong type or is out of range.
    pub fn parse(broker: &Settings, topic: &BTreeMap<String, String>) -> Result<TopicSettings, ConfigError> {
        let mut parsed = broker.topic_defaults();
        for (name, value) in topic {
            parsed.set(name, value)?;
            in_range(name, value)?;
        }
        Ok(parsed)
    }

    /// Whether the cleaner works on the topic's logs.
    pub fn is_compacted(&self) -> bool {
        self.cleanup_policy.split(',').any(|policy| policy.trim() == "compact")
    }

    /// `min.insync.replicas`, but no more than there are replicas.
    pub fn min_isr(&self, replicas: usize) -> usize {
        usize::try_from(self.min_insync_replicas).unwrap_or(1).min(replicas)
    }
}

/// A duration from a setting's milliseconds; `Long.MAX` is as good as never.
pub fn milliseconds(value: i64) -> Duration {
    const NEVER: u64 = 100 * 365 * 24 * 3600 * 1000;
    Duration::from_millis(u64::try_from(value).unwrap_or(0).min(NEVER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_not_set_has_kafkas_default() {
        let settings = Settings::parse(&map(&[("replica.lag.time.max.ms", "10000")])).unwrap();
        assert_eq!(settings.replica_lag_time_max_ms, 10_000);
        assert_eq!(settings.zookeeper_session_timeout_ms, 18_000);
        assert_eq!(settings.topic_defaults().segment_ms, 7 * DAY_MS);
    }

    #[test]
    fn a_topic_overrides_its_brokers_setting() {
        let settings = Settings::parse(&map(&[("min.insync.replicas", "2"), ("log.retention.minutes", "5")])).unwrap();
        let inherited = TopicSettings::parse(&settings, &map(&[])).unwrap();
        let own = TopicSettings::parse(&settings, &map(&[("min.insync.replicas", "3")])).unwrap();
        assert_eq!((inherited.min_insync_replicas, own.min_insync_replicas), (2, 3));
        assert_eq!(inherited.retention_ms, 300_000);
        assert_eq!((own.min_isr(2), own.min_isr(5)), (2, 3));
    }

    #[test]
    fn a_topic_is_compacted_if_its_cleanup_policy_says_so() {
        let settings = Settings::default();
        for (policy, compacted) in
            [("delete", false), ("compact", true), ("compact,delete", true), ("delete, compact", true)]
        {
            let topic = TopicSettings::parse(&settings, &map(&[("cleanup.policy", policy)])).unwrap();
            assert_eq!(topic.is_compacted(), compacted, "{policy}");
        }
    }

    #[test]
    fn unknown_names_and_bad_values_are_refused() {
        let refused = |name: &str, value: &str| Settings::parse(&map(&[(name, value)])).unwrap_err();
        assert_eq!(refused("replica.lag", "1"), ConfigError::Unknown("replica.lag".to_owned()));
        for (name, value) in [
            ("replica.lag.time.max.ms", "soon"),
            ("replica.lag.time.max.ms", "0"),
            ("unclean.leader.election.enable", "yes"),
            ("log.segment.bytes", "-1"),
            ("log.cleaner.min.cleanable.ratio", "1.5"),
            ("log.cleaner.backoff.ms", "0"),
            ("log.cleanup.policy", "keep"),
            ("log.cleanup.policy", ""),
        ] {
            assert!(matches!(refused(name, value), ConfigError::Invalid { .. }), "{name}={value}");
        }
        assert_eq!(Settings::parse(&map(&[("log.retention.bytes", "-1")])).unwrap().log_retention_bytes, -1);
    }
}
