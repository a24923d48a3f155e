//! `odradek export`: a trace in the format of another tool.

use std::io::Write;
use std::path::Path;

use trace::Event;

use crate::Status;
use crate::arguments::{Export, Format};
use crate::directory::TRACE;
use crate::export::{csv, perfetto, shiviz, svg};
use crate::failure::Failure;
use crate::input;

/// More events than this ShiViz does not show in any useful time.
const SHIVIZ_LIMIT: usize = 20_000;

/// Writes the trace, or a window of it, to a file or to standard output.
pub fn export(arguments: &Export) -> Result<Status, Failure> {
    let path = if arguments.trace.is_dir() { arguments.trace.join(TRACE) } else { arguments.trace.clone() };
    let (header, mut events) = input::trace_so_far(&path)?;
    let (from, to) = (arguments.from.unwrap_or(0), arguments.to.unwrap_or(u64::MAX));
    events.retain(|event| (from..to).contains(&event.at));
    if events.is_empty() {
        return Err(Failure::input(format!("error: {}: no event lies in this window", path.display())));
    }
    let broken = |error: serde_json::Error| Failure::broken(format!("error: {error}"));
    let text = match arguments.format {
        Format::Perfetto => serde_json::to_string(&perfetto::trace(&events)).map_err(broken)?,
        Format::Shiviz => {
            check_size(&events, events.len(), SHIVIZ_LIMIT, "ShiViz")?;
            shiviz::log(&events)
        }
        Format::Svg => {
            let drawn = events.iter().filter(|event| svg::is_drawn(&event.kind)).count();
            check_size(&events, drawn, svg::LIMIT, "a picture")?;
            svg::diagram(&format!("{}, seed {}", header.scenario, header.seed), &events)
        }
        Format::Csv => csv::csv(&events).map_err(broken)?,
    };
    write(arguments.out.as_deref(), &text)?;
    Ok(Status::Good)
}

/// Says how narrow the window must be.
fn check_size(events: &[Event], count: usize, limit: usize, what: &str) -> Result<(), Failure> {
    if count <= limit {
        return Ok(());
    }
    let seconds = |event: Option<&Event>| event.map_or(0.0, |event| event.at as f64 / 1e9);
    let (from, to) = (seconds(events.first()), seconds(events.last()));
    let fits = (to - from) * limit as f64 / count as f64;
    Err(Failure::input(format!(
        "error: {count} events between {from:.3}s and {to:.3}s are too many for {what}, which takes {limit}\n\
         help: give a window of about {fits:.3} s, such as --from {from:.3}s --to {:.3}s; `odradek show TRACE` tells when what happened",
        from + fits
    )))
}

/// Writes to the file, or to standard output.
pub fn write(out: Option<&Path>, text: &str) -> Result<(), Failure> {
    match out {
        Some(path) => std::fs::write(path, text).map_err(|error| Failure::file(path, "write", &error)),
        None => Ok(std::io::stdout().lock().write_all(text.as_bytes())?),
    }
}
