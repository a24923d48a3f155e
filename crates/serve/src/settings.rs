//! The settings that `--set` takes: a broker's by Kafka's names, those of its listener too, and the ensemble's three.

use std::collections::BTreeMap;
use std::time::Duration;

use broker::Settings;
use host::real::Limits;
use zookeeper::MemberConfig;

use crate::ServeError;

/// The settings of all brokers and members.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClusterSettings {
    brokers: BTreeMap<String, String>,
    limits: Limits,
    tick_time_ms: Option<u32>,
    init_limit: Option<u32>,
    sync_limit: Option<u32>,
}

/// As good as: a hundred years.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl ClusterSettings {
    /// Reads `NAME=VALUE` each. What is not given has Kafka's default, but for two that a small cluster wants otherwise:
    /// `offsets.topic.replication.factor` is no more than there are brokers, and the last broker to stop does not wait
    /// 5 s (`controlled.shutdown.retry.backoff.ms`) for others that could take its partitions.
    ///
    /// # Errors
    /// Which setting cannot be used, and why.
    pub fn parse(brokers: u32, given: &[String]) -> Result<ClusterSettings, ServeError> {
        let mut settings = ClusterSettings::default();
        settings.brokers.insert("offsets.topic.replication.factor".into(), brokers.min(3).to_string());
        settings.brokers.insert("controlled.shutdown.retry.backoff.ms".into(), "200".into());
        for given in given {
            let refused = |reason: String| ServeError::Setting { given: given.clone(), reason };
            let wanted = || refused("want NAME=VALUE, such as log.flush.interval.messages=1".into());
            let (name, value) = given.split_once('=').ok_or_else(wanted)?;
            let (name, value) = (name.trim(), value.trim());
            let refuse_number = |least: i64| refused(format!("`{value}` is not a whole number from {least} on"));
            let number = |least: u32| match value.parse::<u32>() {
                Ok(number) if number >= least => Ok(Some(number)),
                _ => Err(refuse_number(i64::from(least))),
            };
            match name {
                "tickTime" => settings.tick_time_ms = number(2)?,
                "initLimit" => settings.init_limit = number(1)?,
                "syncLimit" => settings.sync_limit = number(1)?,
                "max.connections" => settings.limits.connections = number(1)?.unwrap_or(u32::MAX) as usize,
                "connections.max.idle.ms" => {
                    let milliseconds = value.parse::<i64>().map_err(|_| refuse_number(-1))?;
                    settings.limits.idle = u64::try_from(milliseconds).map_or(NEVER, Duration::from_millis).min(NEVER);
                }
                _ => {
                    let alone = BTreeMap::from([(name.to_owned(), value.to_owned())]);
                    Settings::parse(&alone).map_err(|error| refused(error.to_string()))?;
                    settings.brokers.extend(alone);
                }
            }
        }
        Ok(settings)
    }

    pub(crate) fn brokers(&self) -> &BTreeMap<String, String> {
        &self.brokers
    }

    /// What those who connect to a broker are allowed.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn apply(&self, member: &mut MemberConfig) {
        member.tick_time_ms = self.tick_time_ms.unwrap_or(member.tick_time_ms);
        member.init_limit = self.init_limit.unwrap_or(member.init_limit);
        member.sync_limit = self.sync_limit.unwrap_or(member.sync_limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &[&str]) -> Result<ClusterSettings, String> {
        let given: Vec<String> = given.iter().map(|it| (*it).to_owned()).collect();
        ClusterSettings::parse(1, &given).map_err(|error| error.to_string())
    }

    #[test]
    fn brokers_and_members_have_settings_of_their_own() {
        let settings = parse(&["tickTime=500", "log.flush.interval.messages=1"]).unwrap();
        assert_eq!(settings.tick_time_ms, Some(500));
        assert_eq!(settings.limits, Limits::default());
        assert_eq!(settings.brokers["log.flush.interval.messages"], "1");
        assert_eq!(settings.brokers["offsets.topic.replication.factor"], "1");
    }

    #[test]
    fn the_listeners_limits_have_kafkas_names() {
        let settings = parse(&["max.connections=2", "connections.max.idle.ms=-1"]).unwrap();
        assert_eq!(settings.limits, Limits { connections: 2, idle: NEVER });
    }

    #[test]
    fn a_setting_that_cannot_be_used_is_named() {
        for (given, why) in [
            ("log.flush", "want NAME=VALUE"),
            ("log.flush=1", "unknown setting `log.flush`"),
            ("min.insync.replicas=none", "not a whole number"),
            ("tickTime=1", "not a whole number from 2 on"),
        ] {
            let error = parse(&[given]).unwrap_err();
            assert!(error.starts_with(&format!("--set {given}: ")) && error.contains(why), "{error}");
        }
    }
}
