//! Changes to a document by path: `--set topic.orders.partitions=6`, `[control] set`, variants.

use crate::Problem;
use crate::diagnostic::unknown;
use crate::document::{Entry, Item, Node};
use crate::report::Span;

/// Arrays of tables in the grammar: a path through one names an element.
const ARRAYS: [&str; 8] = ["topic", "producer", "consumer", "processor", "fault", "note", "variant", "reseed"];

/// A longer path is a mistake, and would cost stack.
const DEEPEST: usize = 32;

/// Puts `item` at `path`. What is not there yet is made, so that unknown keys are found when the document is read.
pub(crate) fn apply(root: &mut Item, path: &str, item: Item) -> Result<(), Problem> {
    if path.split('.').any(str::is_empty) || path.split('.').count() > DEEPEST {
        return Err(Problem::with_help(
            format!("`{path}` is not a path"),
            "write PATH=VALUE, such as topic.orders.partitions=6",
        ));
    }
    descend(root, "", path, item)
}

fn descend(parent: &mut Item, name: &str, path: &str, item: Item) -> Result<(), Problem> {
    match &mut parent.node {
        Node::Table(entries) => in_table(entries, path, item),
        Node::Array(items) => {
            let (index, rest) = element(items, name, path)?;
            match rest {
                "" => {
                    items[index] = item;
                    Ok(())
                }
                rest => descend(&mut items[index], "", rest, item),
            }
        }
        _ => Err(Problem::new(format!("`{name}` is not a table, so it has no `{path}`"))),
    }
}

fn in_table(entries: &mut Vec<Entry>, path: &str, item: Item) -> Result<(), Problem> {
    // A key may hold dots itself ("min.insync.replicas" in quotes): the longest that fits is meant.
    let whole = |key: &str| path == key || path.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
    let key = entries.iter().map(|entry| entry.key.clone()).filter(|key| whole(key)).max_by_key(String::len);
    let key = key.unwrap_or_else(|| path.split('.').next().expect("a path has a first part").to_string());
    let rest = path[key.len()..].trim_start_matches('.');
    let span = item.span;
    if !entries.iter().any(|entry| entry.key == key) {
        if !rest.is_empty() && ARRAYS.contains(&key.as_str()) {
            return Err(Problem::new(format!("the scenario has no [[{key}]]")));
        }
        let empty = Item { span, node: Node::Table(Vec::new()) };
        entries.push(Entry { key: key.clone(), span, item: empty });
    }
    let entry = entries.iter_mut().find(|entry| entry.key == key).expect("it was just put there");
    if !rest.is_empty() {
        return descend(&mut entry.item, &key, rest, item);
    }
    // The value moves in with its own place; the key too, so that an unknown one cites its flag.
    *entry = Entry { key, span: if span.source == 0 { entry.span } else { span }, item };
    Ok(())
}

/// Which element of an array a path names, by name, id or position, and the path within it.
fn element<'p>(items: &[Item], array: &str, path: &'p str) -> Result<(usize, &'p str), Problem> {
    let names = names(items);
    let fits = |name: &str| path == name || path.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let found = (0..items.len()).filter(|&index| fits(&names[index])).max_by_key(|&index| names[index].len());
    match found {
        Some(index) => Ok((index, path[names[index].len()..].trim_start_matches('.'))),
        None => {
            let first = path.split('.').next().expect("a path has a first part");
            Err(unknown(array, first, names.iter().map(String::as_str)))
        }
    }
}

/// What the elements of an array are called: `name`, `id`, a fault's default id, or else their position from 0.
fn names(items: &[Item]) -> Vec<String> {
    let ids = default_ids(items);
    let own = |item: &Item| {
        let named = |key: &str| match item.get(key).map(|item| &item.node) {
            Some(Node::Text(text)) => Some(text.clone()),
            Some(Node::Integer(number)) => Some(number.to_string()),
            _ => None,
        };
        named("name").or_else(|| named("id"))
    };
    items.iter().zip(ids).enumerate().map(|(index, (item, id))| own(item).or(id).unwrap_or(index.to_string())).collect()
}

/// The ids that faults have if they name none: `KIND-N`, N counting faults of that kind from 1.
pub(crate) fn default_ids(items: &[Item]) -> Vec<Option<String>> {
    let mut seen: Vec<&str> = Vec::new();
    let mut default_id = |item| {
        let kind = Item::get(item, "kind").and_then(Item::text)?;
        seen.push(kind);
        Some(format!("{kind}-{}", seen.iter().filter(|other| **other == kind).count()))
    };
    items.iter().map(&mut default_id).collect()
}

/// A table of settings as paths and values: nested tables are flattened.
pub(crate) fn flatten(entries: &[Entry]) -> Vec<(String, Span, &Item)> {
    let mut flat = Vec::new();
    for entry in entries {
        match &entry.item.node {
            Node::Table(inner) if !inner.is_empty() => {
                for (name, span, item) in flatten(inner) {
                    flat.push((format!("{}.{name}", entry.key), entry.span.to(span), item));
                }
            }
            _ => flat.push((entry.key.clone(), entry.span, &entry.item)),
        }
    }
    flat
}
