//! Reads scenarios, plans and traces from files.

use std::fs;
use std::path::Path;

use scenario::{Options, Plan, Scenario};
use trace::{Event, Header, TraceError, TraceReader};

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

/// A scenario, changed as the command line says, under one of its variants if one is named.
pub fn scenario(path: &Path, changes: &Changes, variant: Option<&str>) -> Result<Scenario, Failure> {
    let (set, without_flaws) = (changes.set.clone(), changes.without_flaws);
    let options = Options { set, without_flaws, variant: variant.map(str::to_owned) };
    Ok(Scenario::parse_with(&path.display().to_string(), &text(path)?, &options)?)
}

/// A scenario once for each of its variants, or as it is if it has none; only `variant` if one is named.
pub fn variants(path: &Path, changes: &Changes, variant: Option<&str>) -> Result<Vec<Scenario>, Failure> {
    let it = scenario(path, changes, variant)?;
    if variant.is_some() || it.variants.is_empty() {
        return Ok(vec![it]);
    }
    it.variants.iter().map(|variant| scenario(path, changes, Some(&variant.name))).collect()
}

/// A scenario under a seed. A plan file brings its own seeds; without any, the seed is 1.
pub fn resolve(scenario: &Scenario, seed: Option<u64>, schedule_seed: Option<u64>) -> Result<Plan, Failure> {
    let schedule_seed = schedule_seed.or(if seed.is_none() { scenario.schedule_seed } else { None });
    Ok(scenario.resolve(seed.or(scenario.seed).unwrap_or(1), schedule_seed)?)
}

/// The plan of a scenario, as it is, under a seed; warns of what is probably not meant.
pub fn plan(path: &Path, changes: &Changes, seed: Option<u64>, schedule_seed: Option<u64>) -> Result<Plan, Failure> {
    let plan = resolve(&scenario(path, changes, None)?, seed, schedule_seed)?;
    warn([&plan]);
    Ok(plan)
}

/// Prints what is legal in these plans but probably not meant, each warning once.
pub fn warn<'a>(plans: impl IntoIterator<Item = &'a Plan>) {
    let mut said = std::collections::BTreeSet::new();
    for warning in plans.into_iter().flat_map(Plan::warnings) {
        let warning = warning.to_string();
        if !said.contains(&warning) {
            eprintln!("warning: {warning}");
            said.insert(warning);
        }
    }
}

/// A whole trace.
pub fn trace(path: &Path) -> Result<(Header, Vec<Event>), Failure> {
    let (header, events, end) = read_trace(path)?;
    end.map_or(Ok((header, events)), |cut| Err(in_trace(path, cut)))
}

/// A trace as far as it is there: one that is being written ends anywhere. Warns of that.
pub fn trace_so_far(path: &Path) -> Result<(Header, Vec<Event>), Failure> {
    let (header, events, end) = read_trace(path)?;
    if let Some(cut) = end {
        eprintln!("warning: {}: {cut}", path.display());
    }
    Ok((header, events))
}

fn in_trace(path: &Path, error: TraceError) -> Failure {
    Failure::input(format!("error: {}: {error}", path.display()))
}

/// A trace's events, and the error that it is cut off if it is.
fn read_trace(path: &Path) -> Result<(Header, Vec<Event>, Option<TraceError>), Failure> {
    let file = fs::File::open(path).map_err(|error| Failure::file(path, "open", &error))?;
    let reader = TraceReader::new(file).map_err(|error| in_trace(path, error))?;
    let header = reader.header().clone();
    let mut events = Vec::new();
    for event in reader {
        match event {
            Ok(event) => events.push(event),
            Err(cut @ TraceError::Truncated { .. }) => return Ok((header, events, Some(cut))),
            Err(error) => return Err(in_trace(path, error)),
        }
    }
    Ok((header, events, None))
}
