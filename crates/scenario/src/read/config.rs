//! Reads tables of Kafka settings.

use crate::diagnostic::suggest;
use crate::document::{Item, Node};
use crate::overrides::flatten;
use crate::report::{Report, Span};
use crate::settings::{self, Scope, Setting};
use crate::table::{Table, wrong_type};
use crate::{Config, Duration, Kind, Problem, Size, Value, support};

/// The settings under `key`; those of `scope` without any if there is no such key.
pub(crate) fn config(table: &mut Table<'_>, key: &'static str, scope: Scope, report: &mut Report) -> Config {
    match table.entry(key) {
        Some(entry) => settings(&entry.item, scope, report),
        None => Config::new(scope),
    }
}

/// Reads a table of settings.
pub(crate) fn settings(item: &Item, scope: Scope, report: &mut Report) -> Config {
    let mut config = Config::new(scope);
    let Some(entries) = item.entries() else {
        wrong_type(item, "settings are a table such as { min.insync.replicas = 2 }", report);
        return config;
    };
    let mut from_flag = Vec::new();
    for (name, span, item) in flatten(entries) {
        let Some(setting) = settings::find(scope, &name) else {
            report.error(span, unknown_setting(scope, &name));
            continue;
        };
        if let Some(message) = support::setting(setting) {
            report.error(span, Problem::new(message));
            continue;
        }
        let Some(value) = report.check(item.span, value(setting, item)) else { continue };
        if config.gives(&name) && span.source == 0 {
            // In the file twice, once quoted and once dotted; a flag may replace either.
            if !from_flag.contains(&name) {
                report.error(span, Problem::new(format!("`{name}` is given twice")));
            }
            continue;
        }
        if span.source != 0 {
            from_flag.push(name.clone());
        }
        config.set(&name, value);
    }
    config
}

fn unknown_setting(scope: Scope, name: &str) -> Problem {
    let message = format!("unknown {} setting `{name}`", scope.name());
    let owners: Vec<&str> =
        settings::all().filter(|other| other.name == name).map(|other| other.scope.name()).collect();
    if !owners.is_empty() {
        return Problem::with_help(message, format!("`{name}` is a setting of: {}", owners.join(", ")));
    }
    let known: Vec<&str> =
        settings::all().filter(|other| scope.accepts(other.scope)).map(|setting| setting.name).collect();
    Problem { message, help: suggest(name, &known) }
}

/// The value in the setting's own unit.
fn value(setting: &Setting, item: &Item) -> Result<Value, Problem> {
    let value = match (&setting.kind, &item.node) {
        (Kind::Milliseconds, Node::Text(text)) => Value::Integer(milliseconds(text)?),
        (Kind::Bytes, Node::Text(text)) => Value::Integer(signed(Size::parse(text)?.0)?),
        (Kind::Milliseconds | Kind::Bytes | Kind::Count, Node::Integer(value)) => Value::Integer(*value),
        (Kind::Boolean, Node::Boolean(value)) => Value::Boolean(*value),
        (Kind::Decimal, Node::Decimal(value)) => Value::Decimal(*value),
        (Kind::Decimal, Node::Integer(value)) => Value::Decimal(*value as f64),
        // `acks = 1` and `acks = -1` are as good as in quotes; -1 is Kafka's other name for "all".
        (Kind::Choice(_), Node::Integer(-1)) if setting.name == "acks" => Value::Text("all".into()),
        (Kind::Choice(_), Node::Text(text)) if setting.name == "acks" && text == "-1" => Value::Text("all".into()),
        (Kind::Choice(_), Node::Integer(value)) => Value::Text(value.to_string()),
        (Kind::Choice(_) | Kind::Text, Node::Text(text)) => Value::Text(text.clone()),
        (kind, _) => return Err(Problem::new(format!("`{}` takes {kind}, not {}", setting.name, item.type_name()))),
    };
    setting.check(&value)?;
    Ok(value)
}

fn milliseconds(text: &str) -> Result<i64, Problem> {
    let duration = Duration::parse(text)?;
    match duration.nanos() % 1_000_000 {
        0 => signed(duration.millis()),
        _ => Err(Problem::new(format!("`{text}` is finer than a millisecond"))),
    }
}

fn signed(value: u64) -> Result<i64, Problem> {
    i64::try_from(value).map_err(|_| Problem::new("this is too large"))
}

/// Where the setting `name` stands in the table of settings under `key`, or else that table.
pub(crate) fn place(table: &Table<'_>, key: &str, name: &str) -> Span {
    let config = table.all().iter().find(|entry| entry.key == key);
    let found = config.and_then(|entry| entry.item.entries()).and_then(|entries| {
        flatten(entries).into_iter().find(|(setting, _, _)| setting == name).map(|(_, _, item)| item.span)
    });
    found.unwrap_or(table.key_place(key))
}
