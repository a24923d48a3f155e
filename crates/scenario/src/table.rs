//! A cursor over a table that knows which keys it was asked for, and so which ones are unknown.

use std::collections::BTreeMap;

use crate::diagnostic::{nearest, suggest};
use crate::document::{Entry, Item, Node};
use crate::report::{Report, Span};
use crate::{Bandwidth, Condition, Distribution, Duration, Latency, Problem, Range, Rate, Ratio, Selector, Size};

/// A table being read.
pub(crate) struct Table<'d> {
    entries: &'d [Entry],
    /// Where it stands.
    pub(crate) span: Span,
    /// How errors call it: `[cluster]`.
    what: String,
    known: Vec<&'static str>,
}

/// Something that a TOML value can mean.
pub(crate) trait Read: Sized {
    /// What the value must be, in words.
    const WHAT: &'static str;
    /// The meaning; `None` if there is none, with the error reported.
    fn read(item: &Item, report: &mut Report) -> Option<Self>;
}

impl<'d> Table<'d> {
    /// Starts reading; `None` if the item is no table.
    pub(crate) fn open(item: &'d Item, what: impl Into<String>, report: &mut Report) -> Option<Self> {
        let what = what.into();
        match item.entries() {
            Some(entries) => {
                let span = if item.span.end > item.span.start {
                    item.span
                } else {
                    Span { end: item.span.start, ..item.span }
                };
                Some(Table { entries, span, what, known: Vec::new() })
            }
            None => {
                wrong_type(item, &format!("{what} is a table"), report);
                None
            }
        }
    }

    /// The entry under `key`.
    pub(crate) fn entry(&mut self, key: &'static str) -> Option<&'d Entry> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Where the value of `key` stands, or else the table.
    pub(crate) fn place(&self, key: &str) -> Span {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.span, |entry| entry.item.span)
    }

    /// Where `key` itself stands, or else the table.
    pub(crate) fn key_place(&self, key: &str) -> Span {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.span, |entry| entry.span)
    }

    /// The value of a key that may be left out.
    pub(crate) fn optional<T: Read>(&mut self, key: &'static str, report: &mut Report) -> Option<T> {
        let entry = self.entry(key)?;
        T::read(&entry.item, report)
    }

    /// The value of a key that must be there.
    pub(crate) fn required<T: Read>(&mut self, key: &'static str, report: &mut Report) -> Option<T> {
        if self.entry(key).is_none() {
            report.error(self.span, Problem::new(format!("`{key}` is missing in {} ({})", self.what, T::WHAT)));
            return None;
        }
        self.optional(key, report)
    }

    /// The tables of an array of tables.
    pub(crate) fn tables(&mut self, key: &'static str, report: &mut Report) -> Vec<Table<'d>> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        match &entry.item.node {
            Node::Array(items) => {
                items.iter().filter_map(|item| Table::open(item, format!("[[{key}]]"), report)).collect()
            }
            _ => {
                wrong_type(&entry.item, &format!("`{key}` is a list of tables: [[{key}]]"), report);
                Vec::new()
            }
        }
    }

    /// A table that may be left out.
    pub(crate) fn table(&mut self, key: &'static str, report: &mut Report) -> Option<Table<'d>> {
        let entry = self.entry(key)?;
        Table::open(&entry.item, format!("[{key}]"), report)
    }

    /// All entries, for tables whose keys are names; no key is unknown then.
    pub(crate) fn all(&self) -> &'d [Entry] {
        self.entries
    }

    /// Ends reading: every key that nobody asked for is an error.
    pub(crate) fn finish(self, report: &mut Report) {
        for entry in self.entries {
            if !self.known.contains(&entry.key.as_str()) {
                let help = self.advice(&entry.key);
                report.error(
                    entry.span,
                    Problem { message: format!("unknown key `{}` in {}", entry.key, self.what), help },
                );
            }
        }
    }
}

impl Table<'_> {
    /// The nearest key that is still free, or else the nearest, or else all that are free.
    fn advice(&self, key: &str) -> Option<String> {
        let free: Vec<&str> =
            self.known.iter().copied().filter(|known| !self.entries.iter().any(|entry| entry.key == *known)).collect();
        match nearest(key, &free).or_else(|| nearest(key, &self.known)) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None => suggest(key, &free),
        }
    }
}

/// Reports that a value has the wrong type.
pub(crate) fn wrong_type(item: &Item, expected: &str, report: &mut Report) {
    report.error(item.span, Problem::new(format!("{expected}, not {}", item.type_name())));
}

impl Read for String {
    const WHAT: &'static str = "a text";
    fn read(item: &Item, report: &mut Report) -> Option<Self> {
        if item.text().is_none() {
            wrong_type(item, "this is a text in quotes", report);
        }
        item.text().map(str::to_string)
    }
}

impl Read for bool {
    const WHAT: &'static str = "true or false";
    fn read(item: &Item, report: &mut Report) -> Option<Self> {
        match item.node {
            Node::Boolean(value) => Some(value),
            _ => {
                wrong_type(item, "this is true or false", report);
                None
            }
        }
    }
}

impl Read for u64 {
    const WHAT: &'static str = "a whole number";
    fn read(item: &Item, report: &mut Report) -> Option<Self> {
        match item.node {
            Node::Integer(value) if value >= 0 => Some(value as u64),
            Node::Integer(_) => {
                report.error(item.span, Problem::new("this number cannot be negative"));
                None
            }
            _ => {
                wrong_type(item, "this is a whole number", report);
                None
            }
        }
    }
}

impl Read for u32 {
    const WHAT: &'static str = "a whole number";
    fn read(item: &Item, report: &mut Report) -> Option<Self> {
        let value = u64::read(item, report)?;
        report.check(item.span, u32::try_from(value).map_err(|_| Problem::new("this number is too large")))
    }
}

impl<T: Read> Read for Vec<T> {
    const WHAT: &'static str = "a list";
    fn read(item: &Item, report: &mut Report) -> Option<Self> {
        let Node::Array(items) = &item.node else {
            wrong_type(item, "this is a list in brackets", report);
            return None;
        };
        let values: Vec<Option<T>> = items.iter().map(|item| T::read(item, report)).collect();
        values.into_iter().collect()
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

impl<T: Read> Read for Placed<T> {
    const WHAT: &'static str = T::WHAT;
    fn read(item: &Item, report: &mut Report) -> Option<Self> {
        T::read(item, report).map(|value| Placed { value, span: item.span })
    }
}

/// Implements [`Read`] for a type that is parsed from a text, with an example that has a unit.
macro_rules! read_text {
    ($($type:ty, $what:literal, $example:literal;)*) => {$(
        impl Read for $type {
            const WHAT: &'static str = $what;
            fn read(item: &Item, report: &mut Report) -> Option<Self> {
                let problem = || Problem::with_help(
                    format!("this is {}, not {}", $what, item.type_name()),
                    format!("write for example {}", $example),
                );
                report.check(item.span, item.text().ok_or_else(problem).and_then(<$type>::parse))
            }
        }
    )*};
}

read_text! {
    Duration, "a duration with a unit (ns, us, ms, s, m, h or d)", "\"10s\"";
    Rate, "a rate with a unit (/s, /m or /h)", "\"200/s\"";
    Size, "a size with a unit (B, kB, KiB, MB, MiB, GB or GiB)", "\"100B\"";
    Bandwidth, "a bandwidth with a unit (bit/s, kbit/s, Mbit/s or Gbit/s)", "\"1Mbit/s\"";
    Ratio, "a share with a unit (ppm or %)", "\"200ppm\"";
    Distribution, "a distribution", "\"exp(2s)\"";
    Condition, "a condition", "\"isr(orders/0) == 1\"";
}

impl Read for Range {
    const WHAT: &'static str = "a range such as \"1..4\"";
    fn read(item: &Item, report: &mut Report) -> Option<Self> {
        match &item.node {
            Node::Integer(value) => report.check(item.span, Range::parse(&value.to_string())),
            Node::Text(text) => report.check(item.span, Range::parse(text)),
            _ => {
                wrong_type(item, "this is a range such as \"1..4\"", report);
                None
            }
        }
    }
}

impl Read for Selector {
    const WHAT: &'static str = "a selector, or a list of them";
    fn read(item: &Item, report: &mut Report) -> Option<Self> {
        match &item.node {
            Node::Text(text) => report.check(item.span, Selector::parse(text)),
            Node::Array(_) => {
                let parts = Vec::<Selector>::read(item, report)?;
                if parts.is_empty() {
                    report.error(item.span, Problem::new("an empty list selects nobody"));
                }
                match parts.iter().any(|part| matches!(part, Selector::List(_))) {
                    true => report.check(item.span, Err(Problem::new("a list of selectors cannot hold another list"))),
                    false => Some(Selector::List(parts)),
                }
            }
            _ => {
                wrong_type(item, "this is a selector such as \"leader(orders/0)\", or a list of them", report);
                None
            }
        }
    }
}

impl Read for Latency {
    const WHAT: &'static str = "{ p50 = \"1ms\", p99 = \"10ms\" }";
    fn read(item: &Item, report: &mut Report) -> Option<Self> {
        let mut table = Table::open(item, "a latency", report)?;
        let p50 = table.required::<Duration>("p50", report);
        let p99 = table.required::<Duration>("p99", report);
        let place = table.place("p99");
        table.finish(report);
        let latency = Latency { p50: p50?, p99: p99? };
        if latency.p99 < latency.p50 {
            report.error(place, Problem::new(format!("p99 ({}) is below p50 ({})", latency.p99, latency.p50)));
        }
        Some(latency)
    }
}

impl Read for BTreeMap<String, String> {
    const WHAT: &'static str = "a table of texts";
    fn read(item: &Item, report: &mut Report) -> Option<Self> {
        let table = Table::open(item, "this", report)?;
        let texts = table.all().iter().map(|entry| Some((entry.key.clone(), String::read(&entry.item, report)?)));
        let texts: Vec<Option<(String, String)>> = texts.collect();
        texts.into_iter().collect()
    }
}
