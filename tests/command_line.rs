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
fn the_state_at_a_time_names_every_group_with_its_members_and_commits() {
    let folder = Folder::new("groups");
    assert!(odradek(&folder.0, &["run", &mail(), "--seed", "1", "--trace", "full"]).status.success());
    let output = odradek(&folder.0, &["show", "runs/mail/1/trace.jsonl.zst", "--at", "30s"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let group: Vec<&str> = said.lines().skip_while(|line| !line.starts_with("group mail")).take(5).collect();
    assert!(group[0].contains("coordinated by broker-") && group[0].ends_with("Stable"), "{said}");
    let owns =
        |line: &&str, member: usize| line.contains(&format!("mail-service-{member} ")) && line.contains("owns email/");
    assert!((0..3).all(|member| owns(&group[1 + member], member)), "{said}");
    assert!((0..3).all(|partition| group[4].contains(&format!("email/{partition}:"))), "{said}");
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
    refused(&["run", &mail(), "--variant", "x"], &["--variant x", "has no [[variant]]"]);
    refused(&["diff", "no-such.jsonl", "no-such.jsonl"], &["no-such.jsonl"]);
    refused(&["completions", "csh"], &["possible values"]);
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

#[test]
fn diff_names_the_first_divergence_with_both_pasts() {
    let folder = Folder::new("diff");
    for (out, set) in [("a", "fault.leader-crash.down=15s"), ("b", "fault.leader-crash.down=16s")] {
        let output = odradek(&folder.0, &["run", &mail(), "--set", set, "--out", out]);
        assert!(output.status.success(), "{}", text(&output));
    }
    let equal = odradek(&folder.0, &["diff", "a", "a/trace.jsonl.zst"]);
    assert_eq!(equal.status.code(), Some(0), "{}", text(&equal));
    let different = odradek(&folder.0, &["diff", "a", "b"]);
    let said = text(&different);
    assert_eq!(different.status.code(), Some(1), "{said}");
    for words in
        ["the plans differ: left `down = \"15s\"`", "events are equal", "left goes on with", "right goes on with"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let json = odradek(&folder.0, &["diff", "a", "b", "--json"]);
    let object: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&object["equal"], &object["same_plan"]), (&false.into(), &false.into()));
    // The broker comes back after 15 seconds on one side only: nothing can differ before.
    assert!(object["left"]["event"]["at"].as_u64() >= Some(27_000_000_000), "{}", object["left"]);
}

#[test]
fn every_shell_gets_its_completions() {
    let folder = Folder::new("completions");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = odradek(&folder.0, &["completions", shell]);
        assert!(output.status.success() && text(&output).contains("sweep"), "{shell}: {}", text(&output));
    }
}

#[test]
fn the_shell_lines_of_docs_ci_give_seeds_that_a_sweep_takes() {
    let docs = fs::read_to_string(file("docs/ci.md")).unwrap();
    let lines = docs.split("```sh\n").find(|block| block.starts_with("first=")).expect("the lines stand in a block");
    let lines = lines.split("```").next().unwrap();
    for (commit, first) in [("0123456789abcdef", "19088743000"), ("ffffffffffffffff", "4294967295000")] {
        let script = format!("{lines}\nprintf %s \"$seeds\"");
        let output = std::process::Command::new("sh").args(["-c", &script]).env("COMMIT", commit).output().unwrap();
        let seeds = String::from_utf8(output.stdout).unwrap();
        assert!(seeds.starts_with(&format!("{first}..")), "{seeds}");
        // Refused for the file, not for the seeds.
        refused(&["sweep", "no-such.toml", "--seeds", &seeds], &["no-such.toml"]);
    }
    assert_eq!(docs.matches("0x$(printf %.8s \"$").count(), 3, "the examples use the same lines");
}
