//! Quantities with units: what `"10s"`, `"200/s"`, `"1KiB"` and their kin mean.
//!
//! Numbers are read exactly (no floating point), so that a plan prints back what it was given.

use std::fmt;

/// What is wrong with a piece of text, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl Problem {
    /// A problem without advice.
    pub fn new(message: impl Into<String>) -> Self {
        Problem { message: message.into(), help: None }
    }

    /// A problem with advice.
    pub fn with_help(message: impl Into<String>, help: impl Into<String>) -> Self {
        Problem { message: message.into(), help: Some(help.into()) }
    }
}

type Units = &'static [(&'static str, u128)];

const TIME: Units = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];
const SIZE: Units = &[
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];
const BANDWIDTH: Units = &[("bit/s", 1), ("kbit/s", 1_000), ("Mbit/s", 1_000_000), ("Gbit/s", 1_000_000_000)];
const RATIO: Units = &[("ppm", 1), ("%", 10_000)];
const PERIOD: Units = &[("/s", 1_000_000_000), ("/m", 60_000_000_000), ("/h", 3_600_000_000_000)];

fn listed(units: Units) -> String {
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    let (last, rest) = names.split_last().expect("every unit table has units");
    format!("{} or {last}", rest.join(", "))
}

/// Splits `"1.5ms"` into its digits and its unit.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// Reads `text` as a number with one of `units`, in the smallest of them.
fn measure(text: &str, units: Units, what: &str) -> Result<u128, Problem> {
    let (digits, unit) = split(text);
    if digits.is_empty() {
        return Err(Problem::new(format!("`{text}` is not {what}: a number with a unit ({})", listed(units))));
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        let help = format!("{what} takes {}", listed(units));
        let message =
            if unit.is_empty() { format!("`{text}` has no unit") } else { format!("`{unit}` is not a unit of {what}") };
        return Err(Problem::with_help(message, help));
    };
    decimal(digits, *factor).ok_or_else(|| Problem::new(format!("`{text}` is too precise or too large for {what}")))
}

/// `digits` times `factor`, if that is a whole number that fits 64 bits.
fn decimal(digits: &str, factor: u128) -> Option<u128> {
    let digits = digits.replace('_', "");
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    if whole.len() > 20 || fraction.len() > 12 || fraction.contains('.') || whole.is_empty() {
        return None;
    }
    let scale = 10u128.pow(fraction.len() as u32);
    let parts: u128 = format!("{whole}{fraction}").parse().ok()?;
    let scaled = parts.checked_mul(factor)?;
    (scaled % scale == 0 && scaled / scale <= u128::from(u64::MAX)).then_some(scaled / scale)
}

/// Prints `value` with the largest of `units` that divides it.
fn exact(value: u64, units: &[(&'static str, u128)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let value = u128::from(value);
    let (name, factor) =
        units.iter().rev().find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor)).unwrap_or(&units[0]);
    write!(f, "{}{name}", value / factor)
}

/// A span of simulated time in nanoseconds: `"10s"`, `"200ms"`, `"5us"`, `"2m"`, `"1h"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

impl Duration {
    /// No time at all.
    pub const ZERO: Duration = Duration(0);
    /// Longer than any run; Kafka writes it as `Long.MAX_VALUE`.
    pub const NEVER: Duration = Duration(u64::MAX);

    /// A duration of so many nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Duration(nanos)
    }

    /// A duration of so many milliseconds; [`Duration::NEVER`] if that does not fit.
    pub const fn from_millis(millis: u64) -> Self {
        Duration(millis.saturating_mul(1_000_000))
    }

    /// A duration of so many seconds; [`Duration::NEVER`] if that does not fit.
    pub const fn from_secs(seconds: u64) -> Self {
        Duration(seconds.saturating_mul(1_000_000_000))
    }

    /// The duration in nanoseconds.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The duration in whole milliseconds, rounded down.
    pub const fn millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The sum, at most [`Duration::NEVER`].
    pub const fn plus(self, other: Duration) -> Duration {
        Duration(self.0.saturating_add(other.0))
    }

    /// Reads `"10s"`.
    ///
    /// # Errors
    /// Without a unit, with an unknown one, or beyond 64 bits of nanoseconds.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        measure(text, TIME, "a duration").map(|n| Duration(n as u64))
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        std::time::Duration::from_nanos(duration.0)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Duration::ZERO {
            return f.write_str("0s");
        }
        exact(self.0, &TIME[..4], f) // seconds at most: "90s" reads better than a mix
    }
}

/// How often something happens: `"200/s"`, `"10/m"`, `"1/h"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many times in each period; never 0.
    pub count: u64,
    /// The period: a second, a minute or an hour.
    pub per: Duration,
}

impl Rate {
    /// The constant spacing between two happenings.
    pub const fn interval(self) -> Duration {
        Duration(self.per.0 / self.count)
    }

    /// Reads `"200/s"`.
    ///
    /// # Errors
    /// Without a unit, zero, or more than a thousand million a second.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let (digits, unit) = split(text);
        measure(&format!("1{unit}"), PERIOD, "a rate")
            .map_err(|problem| match unit.is_empty() {
                true => Problem { message: format!("`{text}` has no unit"), ..problem },
                false => problem,
            })
            .and_then(|per| match digits.replace('_', "").parse::<u64>() {
                Ok(0) => Err(Problem::new("a rate of 0 sends nothing: leave the producer out instead")),
                Ok(count) if u128::from(count) <= per => Ok(Rate { count, per: Duration(per as u64) }),
                _ => Err(Problem::new(format!("`{text}` is not a rate: a whole number and {}", listed(PERIOD)))),
            })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = PERIOD.iter().find(|(_, n)| *n == u128::from(self.per.0)).unwrap_or(&PERIOD[0]);
        write!(f, "{}{name}", self.count)
    }
}

/// A number of bytes: `"100B"`, `"1KiB"`, `"1kB"`, `"1MiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// Reads `"1KiB"`.
    ///
    /// # Errors
    /// Without a unit, or with an unknown one.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        measure(text, SIZE, "a size").map(|n| Size(n as u64))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        exact(self.0, &[SIZE[0], SIZE[2], SIZE[4], SIZE[6]], f)
    }
}

/// A link's capacity in bits a second: `"1Mbit/s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bandwidth(pub u64);

impl Bandwidth {
    /// Reads `"1Mbit/s"`.
    ///
    /// # Errors
    /// Without a unit, with an unknown one, or zero.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        match measure(text, BANDWIDTH, "a bandwidth")? {
            0 => Err(Problem::new("a link of no bandwidth carries nothing: use a partition instead")),
            n => Ok(Bandwidth(n as u64)),
        }
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        exact(self.0, BANDWIDTH, f)
    }
}

/// A share in parts per million: `"200ppm"`, `"1%"`; at most one whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(pub u32);

impl Ratio {
    /// Reads `"200ppm"` or `"1%"`.
    ///
    /// # Errors
    /// Without a unit, or above 100 %.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        match measure(text, RATIO, "a share")? {
            n if n <= 1_000_000 => Ok(Ratio(n as u32)),
            _ => Err(Problem::new(format!("`{text}` is more than all of it"))),
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ppm", self.0)
    }
}

/// Whole numbers from `low` to `high`, both included: `"1..4"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub low: u64,
    /// The greatest, included.
    pub high: u64,
}

impl Range {
    /// Reads `"1..4"`, or `"3"` for exactly three.
    ///
    /// # Errors
    /// When it is not two numbers in ascending order.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let problem = || Problem::new(format!("`{text}` is not a range such as `1..4` (both ends included)"));
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        let low = low.trim().parse().map_err(|_| problem())?;
        let high = high.trim().parse().map_err(|_| problem())?;
        if low <= high { Ok(Range { low, high }) } else { Err(problem()) }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.low, self.high)
    }
}

/// How a drawn duration is spread: `"exp(2s)"`, or `"2s"` for always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Always this long.
    Constant(Duration),
    /// Exponential with this mean.
    Exponential(Duration),
}

impl Distribution {
    /// Reads `"exp(2s)"` or `"2s"`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        match text.trim().strip_prefix("exp(").and_then(|rest| rest.strip_suffix(')')) {
            Some(mean) => Duration::parse(mean).map(Distribution::Exponential),
            None if text.contains('(') => {
                Err(Problem::with_help(format!("`{text}` is not a distribution"), "write `exp(2s)` or `2s`"))
            }
            None => Duration::parse(text).map(Distribution::Constant),
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distribution::Constant(duration) => write!(f, "{duration}"),
            Distribution::Exponential(mean) => write!(f, "exp({mean})"),
        }
    }
}

/// A latency distribution by its median and its 99th percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Half of all are at most this long.
    pub p50: Duration,
    /// 99 of 100 are at most this long; at least `p50`.
    pub p99: Duration,
}
