//! Reads scenarios, plans and traces from files.

use std::fs;
use std::path::Path;

use scenario::{Options, Plan, Scenario};
use trace::{Event, Header, TraceReader};

use crate::arguments::Changes;
use crate::failure::Failure;

/// A file's text.
pub fn text(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::file(path, "read", &error))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::input(format!("error: {}: byte {} is not UTF-8; a text file is wanted", path.display(), at + 1))
    })
}

/// A scenario, changed as the command line says.
pub fn scenario(path: &Path, changes: &Changes) -> Result<Scenario, Failure> {
    let options = Options { set: changes.set.clone(), without_flaws: changes.without_flaws, variant: None };
    Ok(Scenario::parse_with(&path.display().to_string(), &text(path)?, &options)?)
}

/// The plan of a scenario under a seed. A plan file brings its own seeds; without any, the seed is 1.
pub fn plan(path: &Path, changes: &Changes, seed: Option<u64>, schedule_seed: Option<u64>) -> Result<Plan, Failure> {
    let scenario = scenario(path, changes)?;
    let schedule_seed = schedule_seed.or(if seed.is_none() { scenario.schedule_seed } else { None });
    let seed = seed.or(scenario.seed).unwrap_or(1);
    let plan = scenario.resolve(seed, schedule_seed)?;
    for warning in plan.warnings() {
        eprintln!("warning: {warning}");
    }
    Ok(plan)
}

/// A whole trace.
pub fn trace(path: &Path) -> Result<(Header, Vec<Event>), Failure> {
    let file = fs::File::open(path).map_err(|error| Failure::file(path, "open", &error))?;
    let wrong = |error| Failure::input(format!("error: {}: {error}", path.display()));
    let reader = TraceReader::new(file).map_err(wrong)?;
    let header = reader.header().clone();
    let events = reader.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    Ok((header, events))
}
