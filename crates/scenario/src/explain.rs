//! What a word of the grammar means, for `odradek explain`.

use std::fmt::Write;

use crate::{
    ALLOWANCES, BUGGIFY, FAULTS, FLAWS, FUNCTIONS, MARKS, ORACLES, SELECTORS, Setting, Unit, fault_form, oracle,
    settings,
};

/// What `word` means, in every table that has it: a fault kind, selector, function, setting, flaw, oracle, anomaly or
/// mark; or a whole table by its plural (`conditions`, `settings`, ...). `None` if nothing is called so.
pub fn explain(word: &str) -> Option<String> {
    if let Some(table) = table(word) {
        return Some(table);
    }
    let mut parts = Vec::new();
    parts.extend(fault_form(word).map(|_| fault(word)));
    let stem = word.split('(').next().unwrap_or(word);
    parts.extend(
        SELECTORS
            .iter()
            .filter(|selector| selector.name == stem)
            .map(|selector| format!("{}: a selector\n  {}\n", selector.form, selector.meaning)),
    );
    parts.extend(FUNCTIONS.iter().filter(|function| function.name == stem).map(|function| {
        let unit = unit(function.unit);
        format!(
            "{}: a function in conditions ({unit})\n  {}\n  Example: {}\n",
            function.name, function.meaning, function.example
        )
    }));
    parts.extend(settings().filter(|setting| setting.name == word).map(setting));
    parts.extend(FLAWS.iter().filter(|flaw| flaw.name == word).map(|flaw| {
        let state = built(flaw.implemented);
        let reference = if flaw.reference.is_empty() { "from memory" } else { flaw.reference };
        format!(
            "{}: flaw {} ({reference}{state})\n  {}\n  Caught by: {}\n",
            flaw.name, flaw.number, flaw.meaning, flaw.caught_by
        )
    }));
    let by_number = ORACLES.iter().find(|oracle| !word.is_empty() && oracle.number == word);
    parts.extend(oracle(word).or(by_number).map(|oracle| {
        let kind = if oracle.number.is_empty() { "a check of what clients saw" } else { oracle.number };
        format!("{}: an oracle, {kind}{}\n  {}\n", oracle.slug, aside(oracle.implemented), oracle.meaning)
    }));
    parts.extend(
        ALLOWANCES
            .iter()
            .filter(|entry| entry.slug == word)
            .map(|entry| format!("{}: an anomaly that `expect.allow` may permit\n  {}\n", entry.slug, entry.meaning)),
    );
    parts.extend(
        MARKS
            .iter()
            .filter(|mark| mark.slug == word)
            .map(|mark| format!("{}: a mark that `expect.sometimes` may name\n  {}\n", mark.slug, mark.meaning)),
    );
    parts.extend(BUGGIFY.iter().filter(|mark| mark.name == word).map(|mark| {
        format!("{}: a buggify mark, a rare path that a run may take often\n  {}\n", mark.name, mark.meaning)
    }));
    (!parts.is_empty()).then(|| parts.join("\n"))
}

/// All words that [`explain`] knows, by table.
pub fn explain_index() -> String {
    let mut out = String::new();
    let mut line = |title: &str, words: Vec<&str>| {
        writeln!(out, "{title}:\n  {}\n", words.join(", ")).expect("a String takes all");
    };
    line("tables", TABLES.to_vec());
    line("faults", FAULTS.iter().map(|form| form.name).collect());
    line("selectors", SELECTORS.iter().map(|selector| selector.name).collect());
    line("conditions", FUNCTIONS.iter().map(|function| function.name).collect());
    line("oracles", ORACLES.iter().map(|oracle| oracle.slug).collect());
    line("allowances", ALLOWANCES.iter().map(|entry| entry.slug).collect());
    line("marks", MARKS.iter().map(|mark| mark.slug).collect());
    line("buggify", BUGGIFY.iter().map(|mark| mark.name).collect());
    line("flaws", FLAWS.iter().map(|flaw| flaw.name).collect());
    let mut names: Vec<&str> = settings().map(|setting| setting.name).collect();
    names.sort_unstable();
    names.dedup();
    line("settings", names);
    out
}

/// The nearest word that [`explain`] knows, for one that it does not.
pub fn explain_nearest(word: &str) -> Option<String> {
    let index = explain_index();
    let words: Vec<&str> = index.split([',', '\n', ' ', ':']).filter(|word| !word.is_empty()).collect();
    crate::diagnostic::suggest(word, &words)
}

const TABLES: &[&str] =
    &["faults", "selectors", "conditions", "oracles", "allowances", "marks", "buggify", "flaws", "settings"];

fn table(name: &str) -> Option<String> {
    let rows: Vec<(String, String)> = match name {
        "faults" => FAULTS
            .iter()
            .map(|form| (form.name.into(), format!("{}{}", form.meaning, dot(fault_built(form.name)))))
            .collect(),
        "selectors" => SELECTORS.iter().map(|selector| (selector.form.into(), selector.meaning.into())).collect(),
        "conditions" => FUNCTIONS
            .iter()
            .map(|function| (function.example.into(), format!("{} ({})", function.meaning, unit(function.unit))))
            .collect(),
        "oracles" => ORACLES
            .iter()
            .map(|oracle| {
                (
                    format!("{} {}", oracle.number, oracle.slug).trim().into(),
                    format!("{}{}", oracle.meaning, dot(oracle.implemented)),
                )
            })
            .collect(),
        "allowances" => ALLOWANCES.iter().map(|entry| (entry.slug.into(), entry.meaning.into())).collect(),
        "marks" => MARKS.iter().map(|mark| (mark.slug.into(), mark.meaning.into())).collect(),
        "buggify" => BUGGIFY.iter().map(|mark| (mark.name.into(), mark.meaning.into())).collect(),
        "flaws" => FLAWS
            .iter()
            .map(|flaw| {
                (format!("{} {}", flaw.number, flaw.name), format!("{}{}", flaw.meaning, dot(flaw.implemented)))
            })
            .collect(),
        "settings" => settings()
            .map(|setting| {
                (
                    format!("{} {}", setting.scope.name(), setting.name),
                    format!("{}{}", setting.meaning, dot(setting.implemented())),
                )
            })
            .collect(),
        _ => return None,
    };
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    Some(rows.iter().map(|(name, meaning)| format!("{name:width$}  {meaning}\n")).collect())
}

fn fault(name: &str) -> String {
    let form = fault_form(name).expect("the caller found it");
    let mut out = format!("{}: a fault{} ({})\n  {}\n", form.name, aside(fault_built(name)), form.colour, form.meaning);
    for parameter in form.parameters {
        let needed = if parameter.required { "" } else { ", optional" };
        writeln!(out, "  {}: {}{needed}. {}", parameter.name, parameter.takes.words(), parameter.meaning)
            .expect("a String takes all");
    }
    out
}

fn setting(setting: &Setting) -> String {
    let default = match setting.default.value() {
        crate::Value::Integer(i64::MAX) => "never (Long.MAX_VALUE)".to_string(),
        value => value.to_string(),
    };
    format!(
        "{}: a {} setting{}\n  {}\n  Takes {}. Default: {default}\n",
        setting.name,
        setting.scope.name(),
        aside(setting.implemented()),
        setting.meaning,
        setting.kind
    )
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "a count",
        Unit::Duration => "a duration",
        Unit::Truth => "true or false",
    }
}

fn fault_built(name: &str) -> bool {
    crate::support::fault(name).is_none()
}

fn built(implemented: bool) -> &'static str {
    if implemented { "" } else { "; not supported yet" }
}

fn aside(implemented: bool) -> &'static str {
    if implemented { "" } else { ", not supported yet" }
}

fn dot(implemented: bool) -> &'static str {
    if implemented { "" } else { " Not supported yet." }
}
