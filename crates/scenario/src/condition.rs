//! Conditions on the true state of the cluster: `isr(orders/1) == 1`.

use std::fmt;

use crate::functions::{Argument, FUNCTIONS, Function, Unit};
use crate::syntax::Call;
use crate::{Duration, Problem};

/// `FUNCTION(ARGUMENT) OPERATOR VALUE`, evaluated by [`Condition::holds`].
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What is measured.
    pub function: &'static Function,
    /// Of what.
    pub target: Target,
    /// How it is compared.
    pub operator: Operator,
    /// With what: a count, or nanoseconds (see [`Function::unit`]).
    pub value: i64,
}

/// What a condition's function is applied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The whole cluster: a function without an argument.
    Cluster,
    /// A topic's partition.
    Partition(String, u32),
    /// Every partition of a topic, each for itself: `orders/*`.
    EveryPartition(String),
    /// A topic, client, group or fault, by name.
    Name(String),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// What conditions must know of the running cluster.
pub trait Metrics {
    /// The function's value now: a count, or nanoseconds; `None` while it is unknown (no such partition yet).
    /// `target` is never [`Target::EveryPartition`].
    fn value(&self, function: &Function, target: &Target) -> Option<i64>;
    /// How many partitions a topic has now.
    fn partitions(&self, topic: &str) -> Option<u32>;
}

const OPERATORS: [(&str, Operator); 6] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Operator {
    /// Whether `left OPERATOR right`.
    pub fn compare(self, left: i64, right: i64) -> bool {
        match self {
            Operator::Equal => left == right,
            Operator::NotEqual => left != right,
            Operator::Less => left < right,
            Operator::LessOrEqual => left <= right,
            Operator::Greater => left > right,
            Operator::GreaterOrEqual => left >= right,
        }
    }
}

impl Condition {
    /// Reads `isr(orders/1) == 1`; `done(cut)` alone stands for `done(cut) == 1`.
    ///
    /// # Errors
    /// When the text is no condition. Names are checked against the scenario elsewhere.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let (call, rest) = Call::prefix(text)?;
        let function = FUNCTIONS.iter().find(|function| function.name == call.name).ok_or_else(|| {
            crate::diagnostic::unknown("function", &call.name, FUNCTIONS.iter().map(|function| function.name))
        })?;
        let target = target(function, &call)?;
        let rest = rest.trim();
        if rest.is_empty() && function.unit == Unit::Truth {
            return Ok(Condition { function, target, operator: Operator::Equal, value: 1 });
        }
        let (sign, operator) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign)).ok_or_else(|| {
            Problem::with_help(
                format!("a comparison is missing after `{}`", text.trim_end_matches(rest).trim()),
                format!("write for example `{}`", function.example),
            )
        })?;
        let value = function.unit.parse(rest[sign.len()..].trim(), function)?;
        Ok(Condition { function, target, operator: *operator, value })
    }

    /// Whether the condition is true now; `None` while a value it needs is unknown. With `T/*`, every partition must satisfy it.
    pub fn holds(&self, metrics: &dyn Metrics) -> Option<bool> {
        let Target::EveryPartition(topic) = &self.target else {
            return self.holds_for(metrics, &self.target);
        };
        let mut all = Some(true);
        for partition in 0..metrics.partitions(topic)? {
            match self.holds_for(metrics, &Target::Partition(topic.clone(), partition)) {
                Some(false) => return Some(false),
                Some(true) => {}
                None => all = None,
            }
        }
        all
    }

    fn holds_for(&self, metrics: &dyn Metrics, target: &Target) -> Option<bool> {
        metrics.value(self.function, target).map(|value| self.operator.compare(value, self.value))
    }
}

fn target(function: &'static Function, call: &Call) -> Result<Target, Problem> {
    let argument = match (function.argument, call.arguments.as_slice()) {
        (Argument::None, []) => return Ok(Target::Cluster),
        (Argument::None, _) => return Err(Problem::new(format!("`{}` takes no argument", function.name))),
        (_, [argument]) => argument,
        (_, _) => {
            return Err(Problem::with_help(
                format!("`{}` takes one argument", function.name),
                format!("write for example `{}`", function.example),
            ));
        }
    };
    let word = argument.word()?;
    match function.argument {
        Argument::Partition => match word.strip_suffix("/*") {
            Some(topic) if !topic.is_empty() => Ok(Target::EveryPartition(topic.into())),
            _ => argument.partition().map(|(topic, partition)| Target::Partition(topic, partition)),
        },
        Argument::TopicOrPartition | Argument::Records => match word.strip_suffix("/*") {
            Some(topic) if !topic.is_empty() => Ok(Target::EveryPartition(topic.into())),
            _ if word.contains('/') => {
                argument.partition().map(|(topic, partition)| Target::Partition(topic, partition))
            }
            _ => Ok(Target::Name(word)),
        },
        Argument::Group | Argument::Reader | Argument::Fault => Ok(Target::Name(word)),
        Argument::None => unreachable!("answered above"),
    }
}

impl Unit {
    fn parse(self, text: &str, function: &Function) -> Result<i64, Problem> {
        match self {
            Unit::Duration => match i64::try_from(Duration::parse(text)?.nanos()) {
                Ok(nanos) => Ok(nanos),
                Err(_) => Err(Problem::new(format!("`{text}` is too long"))),
            },
            Unit::Truth if text == "true" => Ok(1),
            Unit::Truth if text == "false" => Ok(0),
            Unit::Count | Unit::Truth => text.replace('_', "").parse().map_err(|_| {
                Problem::with_help(
                    format!("`{text}` is not a whole number, which `{}` is compared with", function.name),
                    format!("write for example `{}`", function.example),
                )
            }),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Cluster => Ok(()),
            Target::Partition(topic, partition) => write!(f, "({topic}/{partition})"),
            Target::EveryPartition(topic) => write!(f, "({topic}/*)"),
            Target::Name(name) => write!(f, "({name})"),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, _) = OPERATORS.iter().find(|(_, operator)| operator == self).expect("every operator has a sign");
        f.write_str(sign)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} {} ", self.function.name, self.target, self.operator)?;
        match (self.function.unit, u64::try_from(self.value)) {
            (Unit::Duration, Ok(nanos)) => write!(f, "{}", Duration::from_nanos(nanos)),
            _ => write!(f, "{}", self.value),
        }
    }
}
