//! Variants as a person meets them: run alone, side by side, over many seeds.

use std::process::Output;

use serde_json::Value;

use crate::support::{Folder, file, odradek};

const NAMES: [&str; 4] = ["acks-0", "acks-1", "acks-all", "acks-all-idempotent"];

fn scenario() -> String {
    file("scenarios/acks-compared.toml").display().to_string()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn json(output: &Output) -> Vec<Value> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn all_variants_run_side_by_side_and_every_row_ends_with_the_command_that_shows_it() {
    let folder = Folder::new("side-by-side");
    let output = odradek(&folder.0, &["run", &scenario(), "--seed", "2", "--trace", "none"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for name in NAMES {
        let row = said.lines().find(|line| line.trim_start().starts_with(&format!("{name} "))).expect(name);
        let again = row.split("odradek-under-test ").nth(1).unwrap_or_else(|| panic!("no command in {row}"));
        assert_eq!(again, format!("run {} --seed 2 --variant {name}", scenario()));
        assert!(folder.0.join(format!("runs/acks-compared/{name}/2/plan.toml")).is_file(), "{name}");
    }
    let again = odradek(&folder.0, &["run", &scenario(), "--seed", "2", "--variant", "acks-1", "--json"]);
    let record = &json(&again)[0];
    assert_eq!((&record["variant"], &record["verdict"]), (&"acks-1".into(), &"pass".into()));
    assert!(record["records"]["lost"].as_u64() > Some(0), "what a lone leader acknowledged is lost: {record}");
    let replay = odradek(&folder.0, &["replay", "runs/acks-compared/acks-1/2"]);
    assert!(replay.status.success() && text(&replay).contains("same fingerprint"), "{}", text(&replay));
}

#[test]
fn json_is_one_object_a_variant() {
    let folder = Folder::new("variants-json");
    let output = odradek(&folder.0, &["run", &scenario(), "--json", "--trace", "none", "--out", "here"]);
    let records = json(&output);
    let names: Vec<&str> = records.iter().filter_map(|record| record["variant"].as_str()).collect();
    assert_eq!(names, NAMES);
    assert!(NAMES.iter().all(|name| folder.0.join("here").join(name).join("verdict.json").is_file()));
}

#[test]
fn a_sweep_runs_every_variant_of_every_seed_and_sums_each_up() {
    let folder = Folder::new("variants-sweep");
    let whole = odradek(&folder.0, &["sweep", &scenario(), "--seeds", "1..3", "--json", "--out", "whole"]);
    assert_eq!(whole.status.code(), Some(0), "{}", text(&whole));
    let lines = json(&whole);
    assert_eq!(lines.len(), 9, "two seeds of four variants, and the summary");
    let rows = lines[8]["variants"].as_array().expect("a row a variant");
    assert_eq!(rows.len(), NAMES.len());
    for row in rows {
        let own = lines.iter().filter(|line| line["variant"] == row["variant"]);
        let lost: u64 = own.filter_map(|line| line["records"]["lost"].as_u64()).sum();
        assert_eq!(row["lost"]["total"].as_f64(), Some(lost as f64), "{row}");
        assert_eq!(row["runs"], 2);
        assert_eq!(lost > 0, row["lost"]["again"].is_string(), "what was lost names the command that shows it: {row}");
    }
    let lost = |row: usize| rows[row]["lost"]["total"].as_f64().unwrap_or_default();
    assert!(lost(0) > 0.0 && lost(1) > 0.0 && lost(2) == 0.0 && lost(3) == 0.0, "{rows:?}");
    for shard in ["0/2", "1/2"] {
        odradek(&folder.0, &["sweep", &scenario(), "--seeds", "1..3", "--shard", shard, "--out", &shard[..1]]);
    }
    let merged = odradek(&folder.0, &["merge", "0", "1", "--json"]);
    assert_eq!(json(&merged)[0]["variants"], lines[8]["variants"], "{}", text(&merged));
}

#[test]
fn a_variant_that_is_not_there_is_refused_with_a_suggestion() {
    let folder = Folder::new("no-variant");
    for command in ["run", "plan"] {
        let output = odradek(&folder.0, &[command, &scenario(), "--variant", "acks-2"]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains("did you mean `acks-0`?"), "{}", text(&output));
    }
    let plan = odradek(&folder.0, &["plan", &scenario(), "--variant", "acks-1"]);
    assert!(plan.status.success() && text(&plan).contains("acks-compared/acks-1, seed 1"), "{}", text(&plan));
}
