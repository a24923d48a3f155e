//! The command line as a person meets it: exit statuses, files, messages, printed commands that work.

use std::fs;
use std::process::Output;

use crate::support::{Folder, file, odradek};

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn mail() -> String {
    file("scenarios/mail.toml").display().to_string()
}

/// Bad input: status 2, and a message that holds these words.
fn refused(arguments: &[&str], words: &[&str]) {
    let folder = Folder::new(&format!("refused-{}", arguments.join("-").replace(['/', '=', '.'], "_")));
    let output = odradek(&folder.0, arguments);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(words.iter().all(|word| said.contains(word)), "{arguments:?} should say {words:?}: {said}");
    assert!(!said.contains("panicked"), "{arguments:?}: {said}");
}

fn refused_scenario(name: &str, scenario: &str, words: &[&str]) {
    let folder = Folder::new(name);
    fs::write(folder.0.join("it.toml"), scenario).unwrap();
    let output = odradek(&folder.0, &["run", "it.toml"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "should say {words:?}: {said}");
}

#[test]
fn a_run_writes_its_directory_and_prints_commands_that_work() {
    let folder = Folder::new("run");
    let output = odradek(&folder.0, &["run", &mail(), "--seed", "1"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", text(&output));
    for name in ["plan.toml", "verdict.json", "digest.txt", "trace.jsonl.zst"] {
        assert!(folder.0.join("runs/mail/1").join(name).is_file(), "{name} is missing");
    }
    for label in ["again:", "why:"] {
        let repeated = odradek(&folder.0, &printed(&said, label));
        assert!(repeated.status.success(), "{label} {}", text(&repeated));
    }
    // The window needs a display; the words must be right everywhere.
    assert_eq!(printed(&said, "look:"), ["view", "runs/mail/1/trace.jsonl.zst"]);
    let replay = odradek(&folder.0, &["replay", "runs/mail/1"]);
    assert!(replay.status.success(), "{}", text(&replay));
    assert!(text(&replay).contains("same fingerprint"), "{}", text(&replay));
}

/// The words behind the program's name in the line with this label.
fn printed<'a>(said: &'a str, label: &str) -> Vec<&'a str> {
    let line = said.lines().find(|line| line.starts_with(label)).unwrap_or_else(|| panic!("no {label} in {said}"));
    line[label.len()..].split_whitespace().skip(1).collect()
}

#[test]
fn a_run_with_a_violation_says_how_to_look_at_it() {
    let folder = Folder::new("look");
    let output =
        odradek(&folder.0, &["run", &file("scenarios/acks-one-loses.toml").display().to_string(), "--seed", "1"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let trace = "runs/acks-one-loses/1/trace.jsonl.zst";
    assert_eq!(printed(&said, "look:"), ["view", trace, "--at", "violation:1", "--focus", "orders/0"]);
    assert!(folder.0.join(trace).is_file());
}

#[test]
fn json_is_one_object_a_run() {
    let folder = Folder::new("json");
    let output = odradek(&folder.0, &["run", &mail(), "--json", "--trace", "none"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.lines().count(), 1, "{said}");
    let record: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(record["type"], "run");
    assert_eq!(record["verdict"], "pass");
    assert_eq!(record["records"]["lost"], 0);
    let stored = fs::read_to_string(folder.0.join("runs/mail/1/verdict.json")).unwrap();
    assert_eq!(stored, said);
}

#[test]
fn bad_usage_and_missing_files_have_status_2() {
    refused(&["run"], &["SCENARIO"]);
    refused(&["run", "no-such.toml"], &["no-such.toml", "check the path"]);
    refused(&["run", &mail(), "--seed", "minus"], &["--seed", "no seed"]);
    refused(&["run", &mail(), "--seed", "9007199254740993"], &["2^53"]);
    refused(&["check", &mail(), "--seeds", "5..5"], &["holds no seed"]);
    refused(&["run", &mail(), "--set", "topic.email.partitoins=6"], &["--set", "did you mean", "partitions"]);
    refused(&["run", &mail(), "--variant", "x"], &["not supported yet"]);
    refused(&["explain", "nonsense"], &["nonsense"]);
    refused(&["new", "../evil"], &["no name"]);
    refused(&["show", "no-such.jsonl"], &["no-such.jsonl"]);
    refused(&["replay", "nowhere"], &["nowhere"]);
}

#[test]
fn a_broken_scenario_is_told_with_file_line_column_and_suggestion() {
    let base = fs::read_to_string(mail()).unwrap();
    let unknown = base.replacen("replication", "replicaton", 1);
    refused_scenario("unknown-key", &unknown, &["it.toml:", "replicaton", "did you mean `replication`"]);
    refused_scenario("not-toml", "schema = = 1", &["it.toml:1:"]);
    let flawed = base.replacen("[cluster]", "[cluster]\nflaws = [\"hw-truncation-los\"]", 1);
    refused_scenario("unknown-flaw", &flawed, &["hw-truncation-los", "did you mean", "hw-truncation-loss"]);
}

#[test]
fn a_foreign_and_a_cut_trace_are_told_apart() {
    let folder = Folder::new("traces");
    fs::write(folder.0.join("foreign.jsonl"), "hello\n").unwrap();
    let output = odradek(&folder.0, &["show", "foreign.jsonl"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("no Odradek trace"), "{}", text(&output));
    fs::write(folder.0.join("empty.jsonl"), "").unwrap();
    let output = odradek(&folder.0, &["show", "empty.jsonl"]);
    assert!(text(&output).contains("empty"), "{}", text(&output));
}

#[test]
fn a_folder_that_is_no_run_is_never_replaced() {
    let folder = Folder::new("precious");
    fs::create_dir(folder.0.join("precious")).unwrap();
    fs::write(folder.0.join("precious/thesis.txt"), "ten years of work").unwrap();
    let output = odradek(&folder.0, &["run", &mail(), "--out", "precious"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert_eq!(fs::read_to_string(folder.0.join("precious/thesis.txt")).unwrap(), "ten years of work");
}

#[test]
fn a_new_scenario_runs_as_it_was_written() {
    let folder = Folder::new("new");
    let output = odradek(&folder.0, &["new", "first"]);
    assert!(output.status.success(), "{}", text(&output));
    let output = odradek(&folder.0, &["run", "scenarios/first.toml", "--trace", "none"]);
    assert!(output.status.success(), "{}", text(&output));
    let output = odradek(&folder.0, &["new", "first"]);
    assert_eq!(output.status.code(), Some(2), "an existing scenario is never overwritten");
}

#[test]
fn view_says_how_to_build_a_missing_visualizer() {
    // The program under test lies among the tests' files, where no visualizer is put beside it under its own name.
    let folder = Folder::new("view");
    let own = folder.0.join("odradek");
    fs::copy(env!("CARGO_BIN_EXE_odradek-under-test"), &own).unwrap();
    let output = std::process::Command::new(&own).arg("view").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("-p odradek-visualizer"), "{}", text(&output));
}

#[test]
fn plan_explain_flaws_and_scenarios_answer() {
    let folder = Folder::new("answers");
    for (arguments, word) in [
        (vec!["plan", &mail()], "settle"),
        (vec!["explain", "partition"], "partition"),
        (vec!["explain"], "conditions"),
        (vec!["flaws"], "hw-truncation-loss"),
    ] {
        let output = odradek(&folder.0, &arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(word), "{arguments:?}: {}", text(&output));
    }
    let output = odradek(crate::support::root(), &["scenarios"]);
    assert!(output.status.success() && text(&output).contains("mail.toml"), "{}", text(&output));
}
