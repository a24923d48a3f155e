//! Reads a scenario: document, changes from the command line, then section by section, with every error reported.

mod clients;
mod cluster;
mod config;
mod expect;
mod faults;

use std::collections::BTreeMap;

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
    let (scenario, report) = read(file, document.clone(), options, report);
    if !report.is_empty() {
        return Err(report.into_error());
    }
    let scenario = scenario.expect("a scenario without errors was read");
    let scenario = Scenario { source: Source { text: text.into(), options: options.clone() }, ..scenario };
    if let Some(chaos) = &scenario.chaos {
        // Both ends of every range must be valid, or some seed would be the first to say so.
        for settings in crate::chaos::extremes(chaos) {
            scenario.with(settings)?;
        }
    }
    if options.without_flaws || scenario.draft.control.is_empty() {
        return Ok(scenario);
    }
    // The control run must be valid too, or `--without-flaws` would be the first to say so.
    let control = Options { without_flaws: true, ..options.clone() };
    match read(file, document, &control, Report::new(file, text, &options.set)) {
        (_, report) if !report.is_empty() => Err(report.into_error()),
        _ => Ok(scenario),
    }
}

/// Reads the certain part of a scenario alone.
pub(crate) fn draft(file: &str, text: &str, options: &Options) -> Result<Plan, ScenarioError> {
    let mut report = Report::new(file, text, &options.set);
    let Some(document) = document::parse(0, text, &mut report) else { return Err(report.into_error()) };
    match read(file, document, options, report) {
        (Some(scenario), report) if report.is_empty() => Ok(scenario.draft),
        (_, report) => Err(report.into_error()),
    }
}

fn read(file: &str, mut document: Item, options: &Options, mut report: Report) -> (Option<Scenario>, Report) {
    change(&mut document, options, &mut report);
    let mut reader = Reader { report, names: Names::default(), places: BTreeMap::new() };
    let scenario = root(&mut reader, &document).map(|mut scenario| {
        scenario.draft.origin = Origin { file: file.into(), places: std::mem::take(&mut reader.places) };
        scenario
    });
    (scenario, reader.report)
}

/// Applies `[control]`, then `--set`, then drops the flaws.
fn change(document: &mut Item, options: &Options, report: &mut Report) {
    let set = document.get("control").and_then(|control| control.get("set")).cloned();
    if let (true, Some(set)) = (options.without_flaws, &set) {
        for (path, span, item) in overrides::flatten(set.entries().unwrap_or(&[])) {
            report.check(span, overrides::apply(document, &path, item.clone()));
        }
    }
    for (index, flag) in options.set.iter().enumerate() {
        let span = Span::new(index + 1, 0..0);
        match flag.split_once('=') {
            Some((path, value)) => {
                let item = document::value(index + 1, value.trim(), report);
                report.check(span, overrides::apply(document, path.trim(), item));
            }
            None => report.error(
                span,
                Problem::with_help("a `=` is missing", "write PATH=VALUE, such as topic.orders.partitions=6"),
            ),
        }
    }
    if options.without_flaws {
        remove(document, "cluster", "flaws");
        remove(document, "expect", "violation");
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
    let buggify = faults::buggify(reader, &mut table);

    faults::ids(reader, &mut table);
    let cluster = cluster::cluster(reader, &mut table);
    let topics = cluster::topics(reader, &mut table, &cluster);
    let producers = clients::producers(reader, &mut table);
    let consumers = clients::consumers(reader, &mut table);
    let processors = clients::processors(reader, &mut table);
    let network = cluster::network(reader, &mut table);
    let disk = cluster::disk(reader, &mut table);
    let (phases, core) = cluster::phases(reader, &mut table, &cluster);
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
        buggify,
        cluster,
        topics,
        producers,
        consumers,
        processors,
        network,
        disk,
        phases,
        core,
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
