//! What DescribeConfigs tells of one setting: its value, where it comes from, and what it would be otherwise.

use std::collections::BTreeMap;

use wire::kafka::StrBytes;
use wire::kafka::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsSynonym};

use crate::config::{Settings, TopicSettings, ValueType};
use crate::topic_configs::Own;

/// Where a value comes from, by Kafka's codes.
const TOPICS_OWN: i8 = 1;
const BROKERS_FILE: i8 = 4;
const DEFAULT: i8 = 5;

/// How much of each setting is told.
#[derive(Clone, Copy, Debug)]
pub struct Detail {
    /// Whether the values that were overridden are told too.
    pub synonyms: bool,
    /// Whether the type of the value is told (from version 3 on).
    pub types: bool,
}

/// Broker settings that a topic's setting inherits from, the first that is set counting.
const INHERITED: &[(&str, &[&str])] = &[
    ("min.insync.replicas", &["min.insync.replicas"]),
    ("unclean.leader.election.enable", &["unclean.leader.election.enable"]),
    ("max.message.bytes", &["message.max.bytes"]),
    ("segment.bytes", &["log.segment.bytes"]),
    ("segment.ms", &["log.roll.ms", "log.roll.hours"]),
    ("retention.ms", &["log.retention.ms", "log.retention.minutes", "log.retention.hours"]),
    ("retention.bytes", &["log.retention.bytes"]),
    ("file.delete.delay.ms", &["log.segment.delete.delay.ms"]),
    ("index.interval.bytes", &["log.index.interval.bytes"]),
    ("flush.messages", &["log.flush.interval.messages"]),
    ("flush.ms", &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"]),
    ("cleanup.policy", &["log.cleanup.policy"]),
    ("delete.retention.ms", &["log.cleaner.delete.retention.ms"]),
    ("min.cleanable.dirty.ratio", &["log.cleaner.min.cleanable.ratio"]),
    ("min.compaction.lag.ms", &["log.cleaner.min.compaction.lag.ms"]),
];

/// One value that a setting has or would have: under which name, and from where.
type Source = (&'static str, String, i8);

/// Describes a topic's setting; none if topics have no such setting.
pub fn of_topic(
    settings: &Settings,
    configured: &BTreeMap<String, String>,
    own: &Own,
    name: &'static str,
    detail: Detail,
) -> Option<DescribeConfigsResourceResult> {
    let value = TopicSettings::parse(settings, own).unwrap_or_else(|_| settings.topic_defaults()).get(name)?;
    let mut sources: Vec<Source> = own.get(name).map(|own| (name, own.clone(), TOPICS_OWN)).into_iter().collect();
    let (_, inherited) = INHERITED.iter().find(|(topics, _)| *topics == name)?;
    for brokers in *inherited {
        sources.extend(brokers_sources(configured, brokers));
    }
    Some(result(name, value, sources, TopicSettings::value_type(name)?, false, detail))
}

/// Describes a broker's setting; none if brokers have no such setting.
pub fn of_broker(
    settings: &Settings,
    configured: &BTreeMap<String, String>,
    name: &'static str,
    detail: Detail,
) -> Option<DescribeConfigsResourceResult> {
    let (value, sources) = (settings.get(name), brokers_sources(configured, name).collect());
    let value_type = Settings::value_type(name)?;
    let described = result(name, value.clone().unwrap_or_default(), sources, value_type, true, detail);
    Some(described.with_value(value.map(StrBytes::from_string)))
}

fn brokers_sources(configured: &BTreeMap<String, String>, name: &'static str) -> impl Iterator<Item = Source> {
    let set = configured.get(name).map(|value| (name, value.clone(), BROKERS_FILE));
    let default = Settings::default().get(name).map(|value| (name, value, DEFAULT));
    set.into_iter().chain(default)
}

fn result(
    name: &'static str,
    value: String,
    sources: Vec<Source>,
    value_type: ValueType,
    read_only: bool,
    detail: Detail,
) -> DescribeConfigsResourceResult {
    let described = DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(name))
        .with_value(Some(StrBytes::from_string(value)))
        .with_read_only(read_only)
        .with_config_source(sources.first().map_or(DEFAULT, |(_, _, source)| *source));
    let described = if detail.types { described.with_config_type(type_code(name, value_type)) } else { described };
    if !detail.synonyms {
        return described;
    }
    let synonyms = sources.into_iter().map(|(name, value, source)| {
        DescribeConfigsSynonym::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(Some(StrBytes::from_string(value)))
            .with_source(source)
    });
    described.with_synonyms(synonyms.collect())
}

/// Kafka's code of a setting's type. Of whole numbers, times in ms and what may count without end are longs.
fn type_code(name: &str, value_type: ValueType) -> i8 {
    let (boolean, string, int, long_integer, double, list) = (1, 2, 3, 5, 6, 7);
    let long = name.ends_with(".ms") || name.ends_with("messages") || name.ends_with("retention.bytes");
    match value_type {
        ValueType::Boolean => boolean,
        ValueType::Whole if long => long_integer,
        ValueType::Whole => int,
        ValueType::Fraction => double,
        ValueType::Text if name.ends_with("cleanup.policy") => list,
        ValueType::Text => string,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Detail = Detail { synonyms: true, types: true };

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_setting_can_be_described() {
        let settings = Settings::default();
        for name in TopicSettings::NAMES {
            assert!(of_topic(&settings, &map(&[]), &map(&[]), name, ALL).is_some(), "{name}");
        }
        for name in Settings::NAMES {
            assert!(of_broker(&settings, &map(&[]), name, ALL).is_some(), "{name}");
        }
        assert!(of_broker(&settings, &map(&[]), "no.such", ALL).is_none());
    }

    #[test]
    fn a_topics_own_value_comes_before_the_brokers_and_the_default() {
        let configured = map(&[("log.retention.hours", "2")]);
        let settings = Settings::parse(&configured).unwrap();
        let describe = |own: &Own| of_topic(&settings, &configured, own, "retention.ms", ALL).unwrap();
        let inherited = describe(&map(&[]));
        assert_eq!((inherited.value.as_deref(), inherited.config_source), (Some("7200000"), BROKERS_FILE));
        let own = describe(&map(&[("retention.ms", "1000")]));
        assert_eq!((own.value.as_deref(), own.config_source, own.config_type), (Some("1000"), TOPICS_OWN, 5));
        let synonyms: Vec<_> = own.synonyms.iter().map(|it| (it.name.as_str(), it.source)).collect();
        let expected =
            [("retention.ms", TOPICS_OWN), ("log.retention.hours", BROKERS_FILE), ("log.retention.hours", DEFAULT)];
        assert_eq!(synonyms, expected);
    }

    #[test]
    fn what_has_no_value_is_null() {
        let described = of_broker(&Settings::default(), &map(&[]), "log.retention.ms", ALL).unwrap();
        assert_eq!((described.value, described.synonyms.len()), (None, 0));
        let ratio = of_broker(&Settings::default(), &map(&[]), "log.cleaner.min.cleanable.ratio", ALL).unwrap();
        assert_eq!((ratio.value.as_deref(), ratio.config_type), (Some("0.5"), 6));
    }
}
