//! Reads what a run must show, its control, and variants.

use std::collections::BTreeMap;

use super::Reader;
use super::clients::name;
use crate::diagnostic::unknown;
use crate::oracles::{ALLOWANCES, MARKS, ORACLES, oracle};
use crate::overrides::flatten;
use crate::table::{Placed, Table};
use crate::{Condition, Duration, Eventually, Expect, Phases, Problem, Variant, write};

pub(crate) fn expect(reader: &mut Reader, root: &mut Table<'_>, phases: &Phases) -> Expect {
    let mut expect = Expect {
        always: vec!["default".to_string()],
        never: Vec::new(),
        sometimes: Vec::new(),
        allow: Vec::new(),
        eventually: Vec::new(),
        violation: Vec::new(),
    };
    let Some(mut table) = root.table("expect", &mut reader.report) else { return expect };
    if let Some(always) = table.optional::<Vec<Placed<String>>>("always", &mut reader.report) {
        expect.always = always.into_iter().map(|entry| oracle_entry(reader, entry)).collect();
    }
    for never in table.optional::<Vec<Placed<Condition>>>("never", &mut reader.report).unwrap_or_default() {
        reader.names.check_condition(&never.value, never.span, &mut reader.report);
        expect.never.push(never.value);
    }
    expect.sometimes = slugs(reader, &mut table, "sometimes", "mark", &|slug| {
        if MARKS.iter().any(|mark| mark.slug == slug) {
            return Ok(());
        }
        Err(unknown("mark", slug, MARKS.iter().map(|mark| mark.slug)))
    });
    expect.allow = slugs(reader, &mut table, "allow", "anomaly", &|slug| {
        // A signature such as `lost-write/acked-one` begins with the oracle that raises it.
        let stem = slug.split('/').next().unwrap_or(slug);
        if ALLOWANCES.iter().any(|allowance| allowance.slug == slug) || known_oracle(stem).is_ok() {
            return Ok(());
        }
        let oracles = ORACLES.iter().filter(|oracle| oracle.implemented).map(|oracle| oracle.slug);
        Err(unknown("anomaly", slug, ALLOWANCES.iter().map(|allowance| allowance.slug).chain(oracles)))
    });
    for eventually in table.tables("eventually", &mut reader.report) {
        expect.eventually.extend(self::eventually(reader, eventually, phases));
    }
    expect.violation = slugs(reader, &mut table, "violation", "oracle", &known_oracle);
    for slug in &expect.violation {
        let problem = if expect.allow.contains(slug) {
            format!("`{slug}` is both expected as a violation and allowed")
        } else if known_oracle(slug).is_ok() && !expect.oracles().contains(&slug.as_str()) {
            format!("`{slug}` is expected as a violation, but `always` leaves it out")
        } else {
            continue;
        };
        reader.report.error(table.place("violation"), Problem::new(problem));
    }
    table.finish(&mut reader.report);
    expect
}

/// An entry of `always`: `default`, a slug, or `-slug`.
fn oracle_entry(reader: &mut Reader, entry: Placed<String>) -> String {
    let slug = entry.value.strip_prefix('-').unwrap_or(&entry.value);
    let result = match (slug, oracle(slug)) {
        ("default", _) if slug == entry.value => Ok(()),
        // What is not built may be left out: that changes nothing.
        (_, Some(_)) if slug != entry.value => Ok(()),
        _ => known_oracle(slug),
    };
    reader.report.check(entry.span, result);
    entry.value
}

fn known_oracle(slug: &str) -> Result<(), Problem> {
    match oracle(slug) {
        Some(oracle) if oracle.implemented => Ok(()),
        Some(_) => Err(Problem::new(format!("oracle `{slug}` is not supported yet"))),
        None => {
            let by_number = ORACLES.iter().find(|oracle| oracle.number == slug && !slug.is_empty());
            match by_number {
                Some(oracle) => Err(Problem::with_help(
                    format!("unknown oracle `{slug}`"),
                    format!("oracles go by their slug: `{}`", oracle.slug),
                )),
                None => Err(unknown("oracle", slug, ORACLES.iter().map(|oracle| oracle.slug))),
            }
        }
    }
}

fn slugs(
    reader: &mut Reader,
    table: &mut Table<'_>,
    key: &'static str,
    what: &str,
    check: &dyn Fn(&str) -> Result<(), Problem>,
) -> Vec<String> {
    let mut slugs: Vec<String> = Vec::new();
    for slug in table.optional::<Vec<Placed<String>>>(key, &mut reader.report).unwrap_or_default() {
        reader.report.check(slug.span, check(&slug.value));
        if slugs.contains(&slug.value) {
            reader.report.error(slug.span, Problem::new(format!("{what} `{}` is named twice", slug.value)));
        }
        slugs.push(slug.value);
    }
    slugs
}

fn eventually(reader: &mut Reader, mut table: Table<'_>, phases: &Phases) -> Option<Eventually> {
    let that = table.required::<Placed<Condition>>("that", &mut reader.report);
    if let Some(that) = &that {
        reader.names.check_condition(&that.value, that.span, &mut reader.report);
    }
    let within = table.required::<Placed<Duration>>("within", &mut reader.report);
    if let Some(within) = within.as_ref().filter(|within| within.value > phases.settle) {
        let message = format!("settle lasts only {}, so this cannot be judged within {}", phases.settle, within.value);
        reader.report.error(within.span, Problem::new(message));
    }
    table.finish(&mut reader.report);
    Some(Eventually { that: that?.value, within: within?.value })
}

pub(crate) fn control(reader: &mut Reader, root: &mut Table<'_>) -> BTreeMap<String, String> {
    let Some(mut table) = root.table("control", &mut reader.report) else { return BTreeMap::new() };
    let set = set(reader, &mut table);
    table.finish(&mut reader.report);
    set
}

/// Paths and values, as TOML.
fn set(reader: &mut Reader, table: &mut Table<'_>) -> BTreeMap<String, String> {
    let Some(set) = table.table("set", &mut reader.report) else { return BTreeMap::new() };
    flatten(set.all()).into_iter().map(|(path, _, item)| (path, write::item(item))).collect()
}

pub(crate) fn variants(reader: &mut Reader, root: &mut Table<'_>, plan: bool) -> Vec<Variant> {
    let mut variants: Vec<Variant> = Vec::new();
    for mut table in root.tables("variant", &mut reader.report) {
        if plan {
            reader.report.error(table.span, Problem::new("a plan has no variants"));
        }
        let given = table.required::<Placed<String>>("name", &mut reader.report);
        let set = set(reader, &mut table);
        table.finish(&mut reader.report);
        let Some(given) = given else { continue };
        reader.report.check(given.span, name(&given.value));
        if given.value.bytes().all(|byte| byte.is_ascii_digit()) {
            // Runs lie in runs/SCENARIO/SEED and runs/SCENARIO/VARIANT/SEED.
            let message = format!("variant `{}` reads like a seed: give it a letter", given.value);
            reader.report.error(given.span, Problem::new(message));
        }
        if variants.iter().any(|variant| variant.name == given.value) {
            reader.report.error(given.span, Problem::new(format!("variant `{}` is declared twice", given.value)));
        }
        variants.push(Variant { name: given.value, set });
    }
    variants
}
