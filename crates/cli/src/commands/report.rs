//! `odradek report`: a run as one HTML file.

use std::io::Write;
use std::path::Path;

use scenario::Plan;
use trace::{Event, EventKind};

use super::export::write;
use super::show::why;
use crate::Status;
use crate::arguments::Report as Arguments;
use crate::directory::{self, DIGEST, PLAN, TRACE};
use crate::failure::Failure;
use crate::input;
use crate::report::{Report, html, lanes};

/// The file's name in a run directory.
const REPORT: &str = "report.html";

/// Writes the report of a run directory.
pub fn report(arguments: &Arguments) -> Result<Status, Failure> {
    let directory = arguments.directory.as_path();
    let record = directory::record(directory)?.ok_or_else(|| {
        let name = directory.display();
        Failure::input(format!(
            "error: {name} is no run directory: it holds no verdict.json\nhelp: `odradek run` writes one"
        ))
    })?;
    let path = directory.join(PLAN);
    let text = input::text(&path)?;
    let plan = Plan::parse(&path.display().to_string(), &text)?;
    let digest = directory.join(DIGEST);
    let digest = if digest.exists() { input::text(&digest)? } else { String::new() };
    let traced = traced(directory)?;
    let (build, events) = traced.unwrap_or_default();
    let whole = !events.is_empty();
    let page = html(&Report {
        record: &record,
        intent: &plan.intent,
        story: whole.then(|| sim::story(&plan, &events)),
        digest: &digest,
        lanes: whole.then(|| lanes::lanes(&events)),
        why: chain(&events, &record)?,
        plan: &text,
        build: &build,
    });
    let place = arguments.out.clone().unwrap_or_else(|| directory.join(REPORT));
    write(Some(&place), &page)?;
    writeln!(std::io::stdout().lock(), "{}", place.display())?;
    Ok(Status::Good)
}

/// The build and the events of a run that kept all of them.
fn traced(directory: &Path) -> Result<Option<(String, Vec<Event>)>, Failure> {
    let path = directory.join(TRACE);
    if !path.exists() {
        return Ok(None);
    }
    let (header, events) = input::trace(&path)?;
    Ok((header.dropped == 0).then(|| (format!("{} ({})", header.version, header.commit), events)))
}

/// The chain of the first violation that was not expected, else of the first one.
fn chain(events: &[Event], record: &sim::RunRecord) -> Result<Option<String>, Failure> {
    let signature = record.violations.iter().find(|violation| !violation.expected).or(record.violations.first());
    let Some(signature) = signature.map(|violation| violation.signature.as_str()) else { return Ok(None) };
    let shows =
        |event: &&Event| matches!(&event.kind, EventKind::Violation { signature: it, .. } if it.as_str() == signature);
    let Some(event) = events.iter().find(shows) else { return Ok(None) };
    let mut text = Vec::new();
    why(&mut text, events, &event.id.to_string())?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}
