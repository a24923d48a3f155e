//! Kafka settings with their values: `min.insync.replicas = 2`.

use std::collections::BTreeMap;
use std::fmt;

use crate::settings::{self, Scope, Setting};
use crate::{Duration, Kind, Problem};

/// A setting's value, in the setting's own unit (milliseconds, bytes, a count).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Decimal(f64),
    /// A text.
    Text(String),
    /// Nothing: Kafka's `null`.
    Unset,
}

/// The settings that a scenario names, in one scope; all others have Kafka's own defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    scope: Scope,
    values: BTreeMap<String, Value>,
}

impl Config {
    /// No setting differs from its default.
    pub fn new(scope: Scope) -> Self {
        Config { scope, values: BTreeMap::new() }
    }

    /// Whose settings these are.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The settings that were given, by name.
    pub fn given(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether no setting was given.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether this setting was given.
    pub fn gives(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Sets one setting.
    ///
    /// # Panics
    /// If the scope has no such setting, or its type is another: a bug of the caller.
    pub fn set(&mut self, name: &str, value: Value) {
        self.setting(name).check(&value).unwrap_or_else(|problem| panic!("{name}: {}", problem.message));
        self.values.insert(name.to_string(), value);
    }

    /// The settings of one scope among these, such as a broker's among a cluster's.
    #[must_use]
    pub fn only(&self, scope: Scope) -> Config {
        let fits = |name: &String| settings::find(scope, name).is_some();
        let values = self.values.iter().filter(|(name, _)| fits(name));
        Config { scope, values: values.map(|(name, value)| (name.clone(), value.clone())).collect() }
    }

    /// These settings, and those of `base` that are not given here.
    #[must_use]
    pub fn over(&self, base: &Config) -> Config {
        let mut merged = base.clone();
        merged.values.extend(self.values.clone());
        merged
    }

    /// A topic's settings with those that the brokers' settings give in their place, such as `log.retention.ms` for `retention.ms`.
    #[must_use]
    pub fn over_broker(&self, broker: &Config) -> Config {
        let mut merged = self.clone();
        for (topic_name, broker_name) in settings::BROKER_DEFAULT_OF {
            if let (false, Some(value)) = (self.gives(topic_name), broker.values.get(*broker_name)) {
                merged.values.insert(topic_name.to_string(), value.clone());
            }
        }
        merged
    }

    /// The value, or Kafka's default.
    ///
    /// # Panics
    /// If the scope has no such setting: a bug of the caller (as with all getters here).
    pub fn value(&self, name: &str) -> Value {
        let setting = self.setting(name);
        self.values.get(name).cloned().unwrap_or_else(|| setting.default.value())
    }

    /// A whole number: a count, bytes, or milliseconds.
    pub fn integer(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Integer(value) => value,
            other => panic!("{name} is no integer but {other:?}"),
        }
    }

    /// A switch.
    pub fn boolean(&self, name: &str) -> bool {
        match self.value(name) {
            Value::Boolean(value) => value,
            other => panic!("{name} is no boolean but {other:?}"),
        }
    }

    /// A `*.ms` setting; negative values and those beyond 64 bits of nanoseconds are [`Duration::NEVER`].
    pub fn duration(&self, name: &str) -> Duration {
        match u64::try_from(self.integer(name)) {
            Ok(millis) => Duration::from_millis(millis),
            Err(_) => Duration::NEVER,
        }
    }

    /// A text; `None` where Kafka's default is `null`.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.value(name) {
            Value::Text(value) => Some(value),
            Value::Unset => None,
            other => panic!("{name} is no text but {other:?}"),
        }
    }

    /// A number with a fraction.
    pub fn decimal(&self, name: &str) -> f64 {
        match self.value(name) {
            Value::Decimal(value) => value,
            other => panic!("{name} is no decimal but {other:?}"),
        }
    }

    fn setting(&self, name: &str) -> &'static Setting {
        settings::find(self.scope, name).unwrap_or_else(|| panic!("{:?} has no setting {name}", self.scope))
    }
}

impl Setting {
    /// Whether the setting takes this value.
    pub(crate) fn check(&self, value: &Value) -> Result<(), Problem> {
        match (&self.kind, value) {
            (Kind::Boolean, Value::Boolean(_)) | (Kind::Text, Value::Text(_)) => Ok(()),
            (Kind::Count | Kind::Bytes | Kind::Milliseconds, Value::Integer(n)) if *n < self.least => {
                Err(Problem::new(format!("`{}` is at least {}", self.name, self.least)))
            }
            (Kind::Count | Kind::Bytes | Kind::Milliseconds, Value::Integer(_)) => Ok(()),
            (Kind::Decimal, Value::Decimal(n)) if (0.0..=1.0).contains(n) => Ok(()),
            (Kind::Decimal, Value::Decimal(_)) => Err(Problem::new(format!("`{}` is from 0 to 1", self.name))),
            (Kind::Choice(choices), Value::Text(text)) if choices.contains(&text.as_str()) => Ok(()),
            (Kind::Choice(choices), Value::Text(text)) => {
                Err(crate::diagnostic::unknown("value", text, choices.iter().copied()))
            }
            (kind, _) => Err(Problem::new(format!("`{}` takes {kind}", self.name))),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Boolean(value) => write!(f, "{value}"),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Decimal(value) => write!(f, "{value:?}"),
            Value::Text(value) => f.write_str(value),
            Value::Unset => f.write_str("null"),
        }
    }
}
