//! A TOML document as a tree in which every key and value knows its place.

use toml::de::{DeInteger, DeTable, DeValue};

use crate::Problem;
use crate::report::{Report, Span};

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text(String),
    Integer(i64),
    Decimal(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Item>),
    Table(Vec<Entry>),
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) span: Span,
    pub(crate) node: Node,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) span: Span,
    pub(crate) item: Item,
}

impl Item {
    /// The entries, if it is a table.
    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        match &self.node {
            Node::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value under a key, if it is a table.
    pub(crate) fn get(&self, key: &str) -> Option<&Item> {
        self.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.item)
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.node {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, in words.
    pub(crate) fn type_name(&self) -> &'static str {
        match self.node {
            Node::Text(_) => "a text",
            Node::Integer(_) => "a whole number",
            Node::Decimal(_) => "a number with a fraction",
            Node::Boolean(_) => "true or false",
            Node::Datetime => "a date",
            Node::Array(_) => "a list",
            Node::Table(_) => "a table",
        }
    }
}

/// Reads a whole document; `None` if it is not TOML, with every syntax error reported.
pub(crate) fn parse(source: usize, text: &str, report: &mut Report) -> Option<Item> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let range = error.span().unwrap_or(0..0);
        let message = error.message().lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
        report.error(Span::new(source, range), Problem::new(message.join(", ")));
    }
    if !errors.is_empty() {
        return None;
    }
    let span = Span::new(source, 0..0);
    Some(Item { span, node: Node::Table(entries(source, table.get_ref(), report)) })
}

/// Reads one value, as after `--set PATH=`; a text that is no TOML stands for itself.
pub(crate) fn value(source: usize, text: &str, report: &mut Report) -> Item {
    let span = Span::new(source, 0..0);
    let quoted = || Item { span, node: Node::Text(text.to_string()) };
    match DeValue::parse(text) {
        Ok(value) => match node(source, span, value.get_ref(), report) {
            Node::Datetime => quoted(),
            node => Item { span, node },
        },
        Err(_) => quoted(),
    }
}

/// The table's entries in the order of the file.
fn entries(source: usize, table: &DeTable<'_>, report: &mut Report) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            span: Span::new(source, key.span()),
            item: item(source, value, report),
        })
        .collect();
    entries.sort_by_key(|entry| entry.span.start);
    entries
}

fn item(source: usize, value: &toml::Spanned<DeValue<'_>>, report: &mut Report) -> Item {
    let span = Span::new(source, value.span());
    Item { span, node: node(source, span, value.get_ref(), report) }
}

fn node(source: usize, span: Span, value: &DeValue<'_>, report: &mut Report) -> Node {
    match value {
        DeValue::String(text) => Node::Text(text.to_string()),
        DeValue::Integer(integer) => Node::Integer(whole(integer).unwrap_or_else(|| {
            report.error(span, Problem::new("this number does not fit 64 bits"));
            0
        })),
        DeValue::Float(float) => Node::Decimal(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Node::Boolean(*value),
        DeValue::Datetime(_) => Node::Datetime,
        DeValue::Array(items) => Node::Array(items.iter().map(|value| item(source, value, report)).collect()),
        DeValue::Table(table) => Node::Table(entries(source, table, report)),
    }
}

fn whole(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
