//! `odradek diff`: where two traces part, and what led there on both sides.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use state::{Causes, Side, StoryDivergence, describe, divergence, story_divergence};
use trace::{Event, Header};

use super::show::line;
use crate::Status;
use crate::arguments::Diff;
use crate::directory::TRACE;
use crate::failure::Failure;
use crate::input;

/// How many events of a causal past are told.
const PAST: usize = 12;

/// A trace and what people call it.
pub struct Named<'a> {
    /// `left`, `recorded`, ...
    pub name: &'a str,
    /// Its events.
    pub events: &'a [Event],
}

/// Compares two traces: status 0 if they are equal, 1 if not.
pub fn diff(arguments: &Diff) -> Result<Status, Failure> {
    let file = |path: &Path| if path.is_dir() { path.join(TRACE) } else { path.to_owned() };
    let (left_header, left) = input::trace(&file(&arguments.left))?;
    let (right_header, right) = input::trace(&file(&arguments.right))?;
    let mut out = std::io::stdout().lock();
    let equal = divergence(&left, &right).is_none();
    if arguments.json {
        let object = as_json(&left, &right, left_header.plan == right_header.plan);
        serde_json::to_writer(&mut out, &object).map_err(std::io::Error::from)?;
        out.write_all(b"\n")?;
    } else {
        for (name, path, header) in
            [("left", &arguments.left, &left_header), ("right", &arguments.right, &right_header)]
        {
            let Header { scenario, seed, commit, dropped, .. } = header;
            let ring = if *dropped > 0 { format!(", without its first {dropped} events") } else { String::new() };
            writeln!(out, "{name:<6} {}: {scenario}, seed {seed}, commit {commit}{ring}", path.display())?;
        }
        plans(&mut out, &left_header.plan, &right_header.plan)?;
        writeln!(out)?;
        let (left, right) = (Named { name: "left", events: &left }, Named { name: "right", events: &right });
        tell(&mut out, &left, &right)?;
    }
    Ok(if equal { Status::Good } else { Status::Failed })
}

/// Traces of different plans must differ: the first line says how the plans do.
fn plans(out: &mut impl Write, left: &str, right: &str) -> Result<(), Failure> {
    let (mut left, mut right) = (left.lines(), right.lines());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ok(()),
            (left, right) if left == right => {}
            (left, right) => {
                let end = "(nothing more)";
                writeln!(out, "the plans differ: left `{}`, right `{}`", left.unwrap_or(end), right.unwrap_or(end))?;
                return Ok(());
            }
        }
    }
}

/// Tells the first difference of two traces with both causal pasts, and the first that shows in the story.
pub fn tell(out: &mut impl Write, left: &Named<'_>, right: &Named<'_>) -> Result<(), Failure> {
    let Some(found) = divergence(left.events, right.events) else {
        let events = left.events.len().min(right.events.len());
        writeln!(out, "the traces are equal: {events} events (a fingerprint also covers the disks and the scheduler)")?;
        return Ok(());
    };
    match found.last_common {
        Some(last) => writeln!(out, "{} events are equal, up to {:.6}s", found.common, last.at as f64 / 1e9)?,
        None => writeln!(out, "no event is equal")?,
    }
    for (own, other, side) in [(left, right, found.left), (right, left, found.right)] {
        writeln!(out)?;
        let Side { event: Some(event), elsewhere } = side else {
            writeln!(out, "{} ends here", own.name)?;
            continue;
        };
        writeln!(out, "{} goes on with, and because of:", own.name)?;
        let past = Causes::new(own.events).why(event.id);
        for link in past.iter().take(PAST) {
            writeln!(out, "   {}", line(link))?;
        }
        if past.len() > PAST {
            writeln!(out, "   ... and {} causes more", past.len() - PAST)?;
        }
        match elsewhere {
            Some(there) => {
                let at = there.at as f64 / 1e9;
                writeln!(out, "   ({} has the same event as {}, at {at:.6}s)", other.name, there.id)?;
            }
            None => writeln!(out, "   ({} never has this event)", other.name)?,
        }
    }
    if let (Some(one), Some(two)) = (found.left.event, found.right.event) {
        let fields = fields(one, two);
        if !fields.is_empty() {
            writeln!(out, "\nthe two events differ only in {}", fields.join(", "))?;
        }
    }
    writeln!(out)?;
    let Some(StoryDivergence { subject, left: one, right: two }) = story_divergence(left.events, right.events) else {
        writeln!(out, "the story is the same: faults, leaders, ISRs and violations do not differ")?;
        return Ok(());
    };
    writeln!(out, "the first difference in the story (times and unrelated order ignored) is of {subject}:")?;
    for (own, event) in [(left, one), (right, two)] {
        match event {
            Some(event) => writeln!(out, "   {:<8} {}", own.name, line(event))?,
            None => writeln!(out, "   {:<8} says nothing more of it", own.name)?,
        }
    }
    Ok(())
}

/// What two events of one kind on one node have otherwise; nothing if they are different events altogether.
fn fields(left: &Event, right: &Event) -> Vec<String> {
    if left.node != right.node || left.kind.name() != right.kind.name() {
        return Vec::new();
    }
    let flat = |event: &Event| {
        let mut fields = BTreeMap::new();
        fields.insert("time".to_owned(), format!("{:.6}s", event.at as f64 / 1e9));
        fields.insert("cause".to_owned(), event.cause.to_string());
        if let Some(Value::Object(kind)) = json!(event.kind).get(event.kind.name()) {
            fields.extend(kind.iter().map(|(name, value)| (name.clone(), value.to_string())));
        }
        fields
    };
    let (left, right) = (flat(left), flat(right));
    let differ = left.iter().filter(|(name, value)| right.get(*name) != Some(value));
    differ.map(|(name, value)| format!("{name} ({value}, {})", right.get(name).map_or("-", String::as_str))).collect()
}

fn as_json(left: &[Event], right: &[Event], same_plan: bool) -> Value {
    let found = divergence(left, right);
    let side = |events: &[Event], side: Option<Side<'_>>| {
        let event = side?.event?;
        let past = Causes::new(events).why(event.id);
        let past: Vec<Value> = past.iter().skip(1).map(|event| told(event)).collect();
        Some(json!({ "event": told(event), "past": past, "elsewhere": side?.elsewhere.map(told) }))
    };
    let story = story_divergence(left, right)
        .map(|it| json!({ "subject": it.subject, "left": it.left.map(told), "right": it.right.map(told) }));
    json!({
        "type": "diff",
        "schema": 1,
        "equal": found.is_none(),
        "same_plan": same_plan,
        "common": found.map_or(left.len().min(right.len()), |found| found.common),
        "left": side(left, found.map(|found| found.left)),
        "right": side(right, found.map(|found| found.right)),
        "story": story,
    })
}

/// An event with its words.
fn told(event: &Event) -> Value {
    json!({
        "id": event.id,
        "at": event.at,
        "node": event.node,
        "cause": event.cause,
        "kind": event.kind,
        "words": describe(&event.kind),
    })
}
