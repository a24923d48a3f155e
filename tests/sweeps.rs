//! Sweeps, merging and shrinking as a person meets them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{Folder, odradek};

/// Two brokers, one short phase each: a run takes a fraction of a second.
const SMALL: &str = r#"schema = 1
name = "small"
intent = "A small cluster under random faults."
[cluster]
brokers = 2
zookeepers = 1
[[topic]]
name = "orders"
partitions = 1
replication = 2
[[producer]]
name = "shop"
topic = "orders"
rate = "10/s"
value = "10B"
config = { acks = "all", request.timeout.ms = "2s" }
[phases]
warmup = "3s"
chaos = "8s"
settle = "20s"
[chaos]
kinds = "1..2"
gap = "exp(1s)"
weights = { pause = 1, slow-link = 1 }
[expect]
always = ["default"]
"#;

/// A leader crash with acks=1 loses records; 25 other faults have nothing to do with it.
fn planted() -> String {
    let mut text =
        SMALL.replace("acks = \"all\"", "acks = \"1\"").replace("name = \"small\"", "name = \"planted\"\nseed = 3");
    text.truncate(text.find("[chaos]").expect("it has one"));
    text = text
        .replace("chaos = \"8s\"", "chaos = \"30s\"")
        .replace("replication = 2", "replication = 2\nassignment = [[1, 2]]");
    text = text.replace("brokers = 2", "brokers = 2\nconfig = { unclean.leader.election.enable = true }");
    for number in 0..25 {
        let (kind, more) = match number % 3 {
            0 => ("slow-link", "from = \"shop-0\"\nto = \"broker-2\"\nlatency = { p50 = \"5ms\", p99 = \"9ms\" }"),
            1 => ("clock", "node = \"zk-1\"\ndrift = \"50ppm\""),
            _ => ("slow-disk", "node = \"broker-2\"\nsync = { p50 = \"5ms\", p99 = \"9ms\" }"),
        };
        text += &format!(
            "[[fault]]\nat = \"{}ms\"\nkind = \"{kind}\"\n{more}\nfor = \"900ms\"\noptional = true\n",
            100 + 1_000 * number
        );
    }
    text += "[[fault]]\nid = \"cut\"\nat = \"4s\"\nkind = \"partition\"\nfrom = \"broker-1\"\nto = \"broker-2\"\nfor = \"14s\"\n";
    text += "[[fault]]\nid = \"dead\"\nat = \"6s\"\nkind = \"crash\"\nnode = \"broker-1\"\ndown = \"20s\"\n";
    text + "[expect]\nalways = [\"lost-write\"]\n"
}

fn small(folder: &Folder) {
    fs::write(folder.0.join("small.toml"), SMALL).unwrap();
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn json(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The last line of `--json`, without what wall time decides.
fn summary(output: &Output) -> Value {
    let mut summary = json(output).pop().unwrap_or_else(|| panic!("{}", said(output)));
    summary["core_seconds"] = Value::Null;
    summary
}

fn results(folder: &Path) -> usize {
    fs::read_to_string(folder.join("results.jsonl")).map_or(0, |text| text.lines().count())
}

#[test]
fn a_sweep_runs_every_seed_and_resumes_where_it_ended() {
    let folder = Folder::new("sweep");
    small(&folder);
    let half = odradek(&folder.0, &["sweep", "small.toml", "--seeds", "0..4", "--json", "--out", "out"]);
    assert_eq!(half.status.code(), Some(0), "{}", said(&half));
    assert_eq!(json(&half).len(), 5, "a line a run, and the summary");
    let kept = fs::read_to_string(folder.0.join("out/results.jsonl")).unwrap();
    // A kill may cut the last line short.
    fs::write(folder.0.join("out/results.jsonl"), &kept[..kept.len() - 20]).unwrap();
    let whole = odradek(&folder.0, &["sweep", "small.toml", "--seeds", "0..8", "--json", "--out", "out"]);
    assert_eq!(whole.status.code(), Some(0), "{}", said(&whole));
    assert_eq!(json(&whole).len(), 6, "three seeds were finished: five are run");
    assert_eq!((summary(&whole)["runs"].as_u64(), summary(&whole)["passed"].as_u64()), (Some(8), Some(8)));
    assert_eq!(results(&folder.0.join("out")), 8);
    let nothing = odradek(&folder.0, &["sweep", "small.toml", "--seeds", "0..8", "--json", "--out", "out"]);
    assert_eq!(json(&nothing).len(), 1, "all is known");
    assert_eq!(summary(&nothing), summary(&whole));
}

#[test]
fn a_killed_sweep_loses_nothing_and_the_same_command_goes_on() {
    let folder = Folder::new("killed");
    small(&folder);
    let arguments = ["sweep", "small.toml", "--seeds", "0..40", "--jobs", "1", "--json", "--out", "out"];
    let mut sweep = Command::new(env!("CARGO_BIN_EXE_odradek-under-test"))
        .args(arguments)
        .current_dir(&folder.0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    while results(&folder.0.join("out")) < 3 {
        assert!(sweep.try_wait().unwrap().is_none(), "it must not end before it is killed");
        std::thread::yield_now();
    }
    sweep.kill().unwrap();
    sweep.wait().unwrap();
    let text = fs::read_to_string(folder.0.join("out/results.jsonl")).unwrap();
    let finished = text.matches('\n').count();
    assert!((3..40).contains(&finished), "{finished}");
    let rest = odradek(&folder.0, &arguments);
    assert_eq!(rest.status.code(), Some(0), "{}", said(&rest));
    assert_eq!(json(&rest).len(), 40 - finished + 1, "only what was not finished is run");
    assert_eq!(summary(&rest)["runs"].as_u64(), Some(40));
    assert!(
        fs::read_to_string(folder.0.join("out/results.jsonl")).unwrap().starts_with(&text[..text.rfind('\n').unwrap()])
    );
}

/// `small`, in which every run fails.
fn failing(folder: &Folder) {
    let failing = SMALL.replace("[expect]", "[expect]\nnever = [\"acked(orders) > 3\"]");
    fs::write(folder.0.join("small.toml"), failing).unwrap();
}

#[test]
fn the_ledger_tells_what_is_new_and_counts_no_run_twice() {
    let folder = Folder::new("ledger");
    failing(&folder);
    let sweep =
        |seeds: &str, out: &str| said(&odradek(&folder.0, &["sweep", "small.toml", "--seeds", seeds, "--out", out]));
    let count = || {
        let text = fs::read_to_string(folder.0.join("runs/ledger.jsonl")).unwrap();
        let entry: Value = serde_json::from_str(text.trim()).unwrap_or_else(|error| panic!("{error}: {text}"));
        entry["count"].as_u64().unwrap()
    };
    for _ in 0..2 {
        let first = sweep("0..2", "one");
        assert!(first.lines().any(|line| line.trim() == "new"), "also when it is reported again: {first}");
        assert_eq!(count(), 2);
    }
    let second = sweep("2..3", "two");
    assert!(
        second.contains("known since") && second.contains("small seed 0") && second.contains("2 runs before"),
        "{second}"
    );
    assert_eq!(count(), 3);
    let merged = said(&odradek(&folder.0, &["merge", "one", "two"]));
    assert!(merged.lines().any(|line| line.trim() == "new"), "all that is known comes from these: {merged}");
    assert_eq!(count(), 3);
    let other = odradek(&folder.0, &["merge", "one", "--ledger", "other.jsonl"]);
    assert!(said(&other).lines().any(|line| line.trim() == "new") && folder.0.join("other.jsonl").is_file());
    fs::write(folder.0.join("bad.jsonl"), "{}\n").unwrap();
    let bad = odradek(&folder.0, &["sweep", "small.toml", "--seeds", "0..1", "--ledger", "bad.jsonl"]);
    assert_eq!(bad.status.code(), Some(2), "{}", said(&bad));
    assert!(said(&bad).contains("bad.jsonl:1:"), "{}", said(&bad));
}

#[test]
fn a_job_on_github_gets_a_summary_in_markdown() {
    let folder = Folder::new("markdown");
    failing(&folder);
    let job = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_odradek-under-test"))
            .args(arguments)
            .current_dir(&folder.0)
            .env("GITHUB_STEP_SUMMARY", folder.0.join("summary.md"))
            .output();
        assert_eq!(output.expect("the program starts").status.code(), Some(1));
    };
    job(&["sweep", "small.toml", "--seeds", "0..2"]);
    job(&["merge", "runs/sweep"]);
    let summary = fs::read_to_string(folder.0.join("summary.md")).unwrap();
    assert_eq!(summary.matches("## odradek sweep: FAIL").count(), 2, "each appends: {summary}");
    let row = summary.lines().find(|line| line.starts_with("| `never/")).unwrap_or_else(|| panic!("{summary}"));
    assert!(row.contains("| 2 | new | 0 |") && row.contains("`odradek run small.toml --seed "), "{row}");
}

#[test]
fn two_shards_merged_equal_one_whole() {
    let folder = Folder::new("shards");
    small(&folder);
    for shard in ["0/2", "1/2"] {
        let out = format!("part-{}", &shard[..1]);
        let part = odradek(&folder.0, &["sweep", "small.toml", "--seeds", "0..6", "--shard", shard, "--out", &out]);
        assert_eq!(part.status.code(), Some(0), "{}", said(&part));
        assert_eq!(results(&folder.0.join(&out)), 3);
    }
    let merged = odradek(&folder.0, &["merge", "part-0", "part-1", "--json", "--junit", "merged.xml"]);
    let whole = odradek(&folder.0, &["sweep", "small.toml", "--seeds", "0..6", "--json"]);
    assert_eq!(summary(&merged), summary(&whole), "{}{}", said(&merged), said(&whole));
    let xml = fs::read_to_string(folder.0.join("merged.xml")).unwrap();
    assert!(xml.contains("6 of 6 seeds pass"), "{xml}");
    let half = odradek(&folder.0, &["merge", "part-0", "--json"]);
    assert_eq!((summary(&half)["runs"].as_u64(), summary(&half)["total"].as_u64()), (Some(3), Some(6)));
}

#[test]
fn a_run_that_does_not_end_is_a_verdict_with_its_seed() {
    let folder = Folder::new("hung");
    small(&folder);
    let output =
        odradek(&folder.0, &["sweep", "small.toml", "--seeds", "7..8", "--timeout", "1ms", "--junit", "it.xml"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    for words in ["broken/hung", "first seed 7", "run small.toml --seed 7", "did not end"] {
        assert!(said(&output).contains(words), "{words}: {}", said(&output));
    }
    assert!(
        fs::read_to_string(folder.0.join("it.xml")).unwrap().contains("<error"),
        "JUnit tells errors from failures"
    );
    assert!(folder.0.join("runs/sweep/small/7/plan.toml").is_file());
}

#[test]
fn failures_are_named_once_and_kept_with_their_trace() {
    let folder = Folder::new("triage");
    let failing = SMALL.replace("[expect]", "[expect]\nnever = [\"acked(orders) > 3\"]");
    fs::write(folder.0.join("small.toml"), failing).unwrap();
    let output = odradek(&folder.0, &["sweep", "small.toml", "--seeds", "0..5", "--json", "--junit", "it.xml"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let summary = summary(&output);
    let signatures = summary["signatures"].as_array().unwrap();
    assert_eq!(signatures.len(), 1, "{summary}");
    assert_eq!((signatures[0]["count"].as_u64(), signatures[0]["first_seed"].as_u64()), (Some(5), Some(0)));
    assert!(
        folder.0.join("runs/sweep/small/0/trace.jsonl.zst").is_file()
            || folder.0.join("runs/sweep/small/1/trace.jsonl.zst").is_file()
    );
    assert!((0..5).all(|seed| folder.0.join(format!("runs/sweep/small/{seed}/plan.toml")).is_file()));
    assert!(fs::read_to_string(folder.0.join("it.xml")).unwrap().contains("<failure"));
}

#[test]
fn a_mark_that_no_seed_reaches_fails_the_whole_sweep_and_no_shard() {
    let folder = Folder::new("marks");
    fs::write(folder.0.join("small.toml"), SMALL.replace("[expect]", "[expect]\nsometimes = [\"unclean-election\"]"))
        .unwrap();
    let whole = odradek(&folder.0, &["sweep", "small.toml", "--seeds", "0..2", "--out", "whole"]);
    assert_eq!(whole.status.code(), Some(1), "{}", said(&whole));
    assert!(said(&whole).contains("never reached: small: unclean-election"), "{}", said(&whole));
    let part = odradek(&folder.0, &["sweep", "small.toml", "--seeds", "0..2", "--shard", "0/2", "--out", "part"]);
    assert_eq!(part.status.code(), Some(0), "{}", said(&part));
}

#[test]
fn bad_usage_of_a_sweep_has_status_2() {
    let folder = Folder::new("sweep-usage");
    small(&folder);
    for arguments in [
        ["sweep", "small.toml", "--seeds", "5..5"],
        ["sweep", "small.toml", "--shard", "2/2"],
        ["merge", "nowhere", "--junit", "x"],
        ["shrink", "nowhere.toml", "--jobs", "1"],
    ] {
        assert_eq!(odradek(&folder.0, &arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn shrinking_a_planted_failure_ends_at_the_faults_it_needs() {
    let folder = Folder::new("shrink");
    fs::write(folder.0.join("planted.toml"), planted()).unwrap();
    let shrink = |out: &str| odradek(&folder.0, &["shrink", "planted.toml", "--out", out, "--schedules", "1"]);
    let output = shrink("small");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let plan = fs::read_to_string(folder.0.join("small/plan.toml")).unwrap();
    let plan = scenario::Plan::parse("plan.toml", &plan).unwrap_or_else(|error| panic!("{error}"));
    let ids: Vec<&str> = plan.faults.iter().map(|fault| fault.id.as_str()).collect();
    assert!(ids.len() <= 2 && ids.iter().all(|id| ["cut", "dead"].contains(id)), "{ids:?}");
    assert!(said(&output).contains("before: 27 faults"), "{}", said(&output));
    let replay = odradek(&folder.0, &["replay", "small"]);
    assert_eq!(replay.status.code(), Some(0), "{}", said(&replay));
    assert!(said(&replay).contains("same verdict") && said(&replay).contains("same fingerprint"), "{}", said(&replay));
}
