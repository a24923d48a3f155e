//! Reads a scenario: document, changes from the command line, then section by section, with every error reported.

mod clients;
mod cluster;
mod config;
mod expect;
mod faults;

use std::collections::BTreeMap;

use crate::diagnostic::unknown;
use crate::document::{self, Entry, Item, Node};
use crate::names::Names;
use crate::plan::{Origin, Place, SEED_LIMIT};
use crate::report::{Report, Span};
use crate::scenario::Source;
use crate::table::{Placed, Table};
use crate::{Options, Plan, Problem, SCHEMA, Scenario, ScenarioError, overrides, support};

/// What all sections share while they are read.
pub(crate) struct Reader {
    pub(crate) report: Report,
    pub(crate) names: Names,
    pub(crate) places: BTreeMap<String, Place>,
}

impl Reader {
    /// Remembers where a part stands, for warnings.
    pub(crate) fn remember(&mut self, path: impl Into<String>, span: Span) {
        let place = self.report.place(span);
        if place.line > 0 {
            self.places.insert(path.into(), place);
        }
    }

    /// Refuses a part of the grammar that is not built yet.
    pub(crate) fn refuse(&mut self, feature: &str, span: Span) {
        if let Some(message) = support::feature(feature) {
            self.report.error(span, Problem::new(message));
        }
    }
}

/// Reads and checks a scenario or plan.
pub(crate) fn scenario(file: &str, text: &str, options: &Options) -> Result<Scenario, ScenarioError> {
    let mut report = Report::new(file, text, &options.set);
    let Some(document) = document::parse(0, text, &mut report) else { return Err(report.into_error()) };
    let (scenario, report) = read(file, document.clone(), options, &[], report);
    if !report.is_empty() {
        return Err(report.into_error());
    }
    let scenario = scenario.expect("a scenario without errors was read");
    let scenario = Scenario { source: Source { text: text.into(), options: options.clone() }, ..scenario };
    if let Some(chaos) = &scenario.chaos {
        // Both ends of every range must be valid, or some seed would be the first to say so.
        for settings in crate::chaos::extremes(chaos) {
            scenario.with(&settings)?;
        }
    }
    // Every variant must be valid, and the control run of each, or `--variant` and `--without-flaws` would be the first
    // to say so.
    let controls: &[bool] =
        if options.without_flaws || scenario.draft.control.is_empty() { &[false] } else { &[false, true] };
    let variants: Vec<Option<String>> = match &options.variant {
        Some(variant) => vec![Some(variant.clone())],
        None => std::iter::once(None).chain(scenario.variants.iter().map(|it| Some(it.name.clone()))).collect(),
    };
    for variant in variants {
        for control in controls {
            let without_flaws = options.without_flaws || *control;
            let other = Options { without_flaws, variant: variant.clone(), ..options.clone() };
            let report = read(file, document.clone(), &other, &[], Report::new(file, text, &options.set)).1;
            if !report.is_empty() {
                return Err(report.into_error());
            }
        }
    }
    Ok(scenario)
}

/// Reads the certain part of a scenario alone, with what a seed `drew`.
pub(crate) fn draft(file: &str, text: &str, options: &Options, drew: &[String]) -> Result<Plan, ScenarioError> {
    let flags: Vec<String> = options.set.iter().chain(drew).cloned().collect();
    let mut report = Report::new(file, text, &flags);
    let Some(document) = document::parse(0, text, &mut report) else { return Err(report.into_error()) };
    match read(file, document, options, drew, report) {
        (Some(scenario), report) if report.is_empty() => Ok(scenario.draft),
        (_, report) => Err(report.into_error()),
    }
}

fn read(
    file: &str,
    mut document: Item,
    options: &Options,
    drew: &[String],
    mut report: Report,
) -> (Option<Scenario>, Report) {
    change(&mut document, options, drew, &mut report);
    let mut reader = Reader { report, names: Names::default(), places: BTreeMap::new() };
    let scenario = root(&mut reader, &document).map(|mut scenario| {
        scenario.draft.origin = Origin { file: file.into(), places: std::mem::take(&mut reader.places) };
        scenario
    });
    if let (Some(wanted), Some(scenario)) = (&options.variant, &scenario)
        && !scenario.variants.iter().any(|variant| variant.name == *wanted)
    {
        let problem = match scenario.variants.as_slice() {
            [] => Problem::new(format!("{file} has no [[variant]]")),
            variants => unknown("variant", wanted, variants.iter().map(|variant| variant.name.as_str())),
        };
        reader.report.flag_error(&format!("--variant {wanted}"), problem);
    }
    (scenario, reader.report)
}

/// Applies `[control]`, then what a seed drew, then the variant, then `--set`, and drops the flaws at last.
fn change(document: &mut Item, options: &Options, drew: &[String], report: &mut Report) {
    let set = document.get("control").and_then(|control| control.get("set")).cloned();
    if let (true, Some(set)) = (options.without_flaws, &set) {
        settings(document, set, report);
    }
    // Flags are cited by their number: those of the command line come first.
    let flags = options.set.len();
    drew.iter().enumerate().for_each(|(index, drawn)| flag(document, flags + index + 1, drawn, report));
    if let Some(wanted) = &options.variant {
        let variants = match document.get("variant").map(|variants| &variants.node) {
            Some(Node::Array(variants)) => variants.as_slice(),
            _ => &[],
        };
        let variant = variants.iter().find(|variant| variant.get("name").and_then(Item::text) == Some(wanted));
        if let Some(set) = variant.and_then(|variant| variant.get("set")).cloned() {
            settings(document, &set, report);
        }
    }
    options.set.iter().enumerate().for_each(|(index, set)| flag(document, index + 1, set, report));
    if options.without_flaws {
        remove(document, "cluster", "flaws");
        remove(document, "expect", "violation");
    }
}

/// Applies a table of paths and values.
fn settings(document: &mut Item, set: &Item, report: &mut Report) {
    for (path, span, item) in overrides::flatten(set.entries().unwrap_or(&[])) {
        report.check(span, overrides::apply(document, &path, item.clone()));
    }
}

/// Applies `PATH=VALUE`, the flag of this number.
fn flag(document: &mut Item, number: usize, flag: &str, report: &mut Report) {
    let span = Span::new(number, 0..0);
    match flag.split_once('=') {
        Some((path, value)) => {
            let item = document::value(number, value.trim(), report);
            report.check(span, overrides::apply(document, path.trim(), item));
        }
        None => report
            .error(span, Problem::with_help("a `=` is missing", "write PATH=VALUE, such as topic.orders.partitions=6")),
    }
}

fn remove(document: &mut Item, table: &str, key: &str) {
    let Node::Table(entries) = &mut document.node else { return };
    for entry in entries.iter_mut().filter(|entry| entry.key == table) {
        if let Node::Table(inner) = &mut entry.item.node {
            inner.retain(|entry: &Entry| entry.key != key);
        }
    }
}

fn root(reader: &mut Reader, document: &Item) -> Option<Scenario> {
    let mut table = Table::open(document, "the scenario", &mut reader.report)?;
    let schema = table.required::<Placed<u64>>("schema", &mut reader.report);
    if let Some(schema) = &schema
        && schema.value != u64::from(SCHEMA)
    {
        let message = format!("this file has schema {}, and this build reads schema {SCHEMA}", schema.value);
        reader.report.error(schema.span, Problem::new(message));
        return None; // anything else may mean something else there
    }
    let name = table.required::<Placed<String>>("name", &mut reader.report);
    if let Some(name) = &name {
        reader.report.check(name.span, clients::name(&name.value));
    }
    let intent = table.required::<Placed<String>>("intent", &mut reader.report);
    if let Some(intent) = intent.as_ref().filter(|intent| intent.value.trim().is_empty()) {
        reader
            .report
            .error(intent.span, Problem::new("the intent is empty: say in a sentence what the scenario shows"));
    }
    let (seed, schedule_seed) = seeds(reader, &mut table);

    faults::ids(reader, &mut table);
    let cluster = cluster::cluster(reader, &mut table);
    let topics = cluster::topics(reader, &mut table, &cluster);
    let producers = clients::producers(reader, &mut table);
    let consumers = clients::consumers(reader, &mut table);
    let processors = clients::processors(reader, &mut table);
    let network = cluster::network(reader, &mut table);
    let disk = cluster::disk(reader, &mut table);
    let phases = cluster::phases(reader, &mut table);
    let faults = faults::faults(reader, &mut table, &phases);
    let reseeds = faults::reseeds(reader, &mut table, &phases);
    let chaos = faults::chaos(reader, &mut table, seed.is_some());
    let variants = expect::variants(reader, &mut table, seed.is_some());
    let notes = faults::notes(reader, &mut table, &phases);
    let expect = expect::expect(reader, &mut table, &phases);
    let control = expect::control(reader, &mut table);
    table.finish(&mut reader.report);
    if !reader.report.is_empty() {
        return None;
    }
    let draft = Plan {
        name: name?.value,
        intent: intent?.value,
        seed: 0,
        schedule_seed: 0,
        cluster,
        topics,
        producers,
        consumers,
        processors,
        network,
        disk,
        phases,
        faults,
        reseeds,
        notes,
        expect,
        control,
        origin: Origin::default(),
    };
    Some(Scenario { seed, schedule_seed, chaos, variants, draft, source: Source::default() })
}

fn seeds(reader: &mut Reader, table: &mut Table<'_>) -> (Option<u64>, Option<u64>) {
    let mut seed = |key: &'static str| {
        let seed = table.optional::<Placed<u64>>(key, &mut reader.report)?;
        if seed.value >= SEED_LIMIT {
            reader.report.error(seed.span, Problem::new(format!("`{key}` is below 2^53")));
        }
        Some(seed.value)
    };
    let (seed, schedule_seed) = (seed("seed"), seed("schedule_seed"));
    if schedule_seed.is_some() && seed.is_none() {
        let problem = Problem::with_help("`schedule_seed` without `seed`", "a plan has both; a scenario has neither");
        reader.report.error(table.key_place("schedule_seed"), problem);
    }
    (seed, schedule_seed)
}
