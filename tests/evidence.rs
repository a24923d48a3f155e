//! From a failure to its cause, and on to somebody else: reseeding, likelihood, report, export; and the flaw bench.

use std::fs;
use std::process::Output;

use scenario::{Options, Plan};
use serde_json::Value;
use trace::{Event, EventKind, Mode};

use crate::support::{Folder, file, odradek, plan};

/// Two brokers. A cut and then a crash of the leader lose what it acknowledged alone; slow links have nothing to do with it.
const PLANTED: &str = r#"schema = 1
name = "planted"
seed = 3
intent = "What a leader <alone> acknowledged is lost with it."
[cluster]
brokers = 2
zookeepers = 1
config = { unclean.leader.election.enable = true }
[[topic]]
name = "orders"
partitions = 1
replication = 2
assignment = [[1, 2]]
[[producer]]
name = "shop"
topic = "orders"
rate = "10/s"
value = "10B"
config = { acks = "1", request.timeout.ms = "2s" }
[phases]
warmup = "3s"
chaos = "20s"
settle = "20s"
[[fault]]
id = "harmless"
at = "1s"
kind = "slow-link"
from = "shop-0"
to = "broker-2"
latency = { p50 = "5ms", p99 = "9ms" }
for = "900ms"
optional = true
[[fault]]
id = "cut"
at = "4s"
kind = "partition"
from = "broker-1"
to = "broker-2"
for = "14s"
[[fault]]
id = "dead"
at = "12s"
kind = "crash"
node = "broker-1"
down = "7s"
[expect]
always = ["lost-write"]
"#;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn planted(reseed: &str) -> Plan {
    let text = PLANTED.replace("[expect]", &format!("{reseed}[expect]"));
    Plan::parse("planted.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn events(plan: &Plan) -> Vec<Event> {
    let options = sim::RunOptions { trace: Mode::Full, ..sim::RunOptions::default() };
    sim::run_plan(plan, &options).unwrap_or_else(|error| panic!("{error}")).events
}

/// 3 s of warmup, then 10 s.
const RESEEDED: u64 = 13_000_000_000;

#[test]
fn a_reseeded_run_is_the_same_up_to_the_instant_and_another_from_there() {
    let reseeded = |seed: u64| events(&planted(&format!("[[reseed]]\nat = \"10s\"\nseed = {seed}\n")));
    let (plain, first, second) = (events(&planted("")), reseeded(1), reseeded(2));
    let before = |events: &[Event]| events.iter().take_while(|event| event.at < RESEEDED).cloned().collect::<Vec<_>>();
    assert!(before(&plain).len() > 1_000);
    assert_eq!(before(&plain), before(&first));
    assert_eq!(before(&plain), before(&second));
    assert!(plain != first && first != second, "each seed draws another tail");
    assert_eq!(first, reseeded(1), "the seed decides the tail");
    let began =
        |events: &[Event]| events.iter().filter(|event| matches!(event.kind, EventKind::FaultBegan { .. })).count();
    assert_eq!((began(&plain), began(&first)), (3, 3), "faults begin as planned");
}

#[test]
fn after_a_reseeding_without_faults_none_begins() {
    let events = events(&planted("[[reseed]]\nat = \"10s\"\nfaults = false\n"));
    let began = |event: &&Event| matches!(event.kind, EventKind::FaultBegan { .. });
    assert_eq!(events.iter().filter(began).count(), 2, "`dead` would be the third");
    assert!(events.iter().filter(began).all(|event| event.at < RESEEDED));
    let ended = |event: &&Event| matches!(event.kind, EventKind::FaultEnded { .. }) && event.at > RESEEDED;
    assert_eq!(events.iter().filter(ended).count(), 1, "`cut` heals in its time");
}

#[test]
fn likelihood_jumps_at_the_fault_that_makes_the_failure_possible() {
    let folder = Folder::new("likelihood");
    fs::write(folder.0.join("planted.toml"), PLANTED).unwrap();
    let ask = |more: &[&str]| {
        let common = ["likelihood", "planted.toml", "--points", "8", "--tails", "2"];
        odradek(&folder.0, &[&common[..], more].concat())
    };
    let output = ask(&["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["signature"], "lost-write/acked-one/after-election");
    let jump = &found["jumps"][0];
    assert_eq!(jump["curve"], "without_later_faults");
    assert_eq!(jump["faults"], serde_json::json!(["dead"]), "{jump}");
    let (from, to) = (jump["from_ns"].as_u64().unwrap(), jump["to_ns"].as_u64().unwrap());
    assert!((from..to).contains(&15_000_000_000) && to - from < 1_000_000_000, "{jump}");
    let text = said(&ask(&["--jobs", "1"]));
    assert!(text.contains("-- dead: crash broker-1") && text.contains("largest jump without later faults"), "{text}");
}

#[test]
fn likelihood_of_what_does_not_fail_is_bad_input() {
    let folder = Folder::new("likelihood-of-nothing");
    fs::write(folder.0.join("planted.toml"), PLANTED.replace("acks = \"1\"", "acks = \"all\"")).unwrap();
    let healthy = odradek(&folder.0, &["likelihood", "planted.toml", "--points", "2", "--tails", "1"]);
    assert_eq!(healthy.status.code(), Some(2), "{}", said(&healthy));
    assert!(said(&healthy).contains("does not fail"), "{}", said(&healthy));
}

#[test]
fn a_report_is_one_file_with_the_story_the_lanes_and_the_causes() {
    let folder = Folder::new("report");
    fs::write(folder.0.join("planted.toml"), PLANTED).unwrap();
    let run = odradek(&folder.0, &["run", "planted.toml", "--out", "it"]);
    assert_eq!(run.status.code(), Some(1), "{}", said(&run));
    let output = odradek(&folder.0, &["report", "it"]);
    assert_eq!((output.status.code(), said(&output).trim()), (Some(0), "it/report.html"));
    let page = fs::read_to_string(folder.0.join("it/report.html")).unwrap();
    for part in [
        "partition broker-1 &lt;-&gt; broker-2",
        "What happened",
        "<svg class=\"lanes\"",
        "lost-write/acked-one",
        "odradek run planted.toml",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(page.contains("&lt;alone&gt;") && !page.contains("<alone>"), "the intent is escaped");
    assert!(!page.contains("<script") && !page.contains("http"), "it needs nothing else");
    for wrong in ["nowhere", "."] {
        let output = odradek(&folder.0, &["report", wrong]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("no run directory"), "{}", said(&output));
    }
}

#[test]
fn a_trace_is_exported_to_every_format_and_a_picture_has_bounds() {
    let folder = Folder::new("export");
    fs::write(folder.0.join("planted.toml"), PLANTED).unwrap();
    odradek(&folder.0, &["run", "planted.toml", "--out", "it"]);
    let export = |more: &[&str]| odradek(&folder.0, &[&["export", "it", "--format"][..], more].concat());
    let text = |output: &Output| {
        assert_eq!(output.status.code(), Some(0), "{}", said(output));
        String::from_utf8(output.stdout.clone()).unwrap()
    };
    let perfetto: Value = serde_json::from_str(&text(&export(&["perfetto"]))).unwrap();
    let flows = |phase: &str| perfetto["traceEvents"].as_array().unwrap().iter().filter(|it| it["ph"] == phase).count();
    assert!(flows("s") > 100 && flows("f") > 100 && flows("f") <= flows("s"));
    let window = ["--from", "14.9s", "--to", "15.1s"];
    let csv = text(&export(&[&["csv"][..], &window[..]].concat()));
    assert!(csv.lines().count() > 5 && csv.contains("FaultBegan"), "{csv}");
    assert!(text(&export(&[&["shiviz"][..], &window[..]].concat())).starts_with("(?<host>"));
    let svg = text(&export(&[&["svg"][..], &window[..]].concat()));
    assert!(svg.starts_with("<svg") && svg.contains("stops: crash"), "{svg}");
    let whole = export(&["svg"]);
    assert_eq!(whole.status.code(), Some(2), "{}", said(&whole));
    assert!(said(&whole).contains("too many for a picture") && said(&whole).contains("--from"), "{}", said(&whole));
    let empty = export(&["csv", "--from", "1000s"]);
    assert!(
        empty.status.code() == Some(2) && said(&empty).contains("no event lies in this window"),
        "{}",
        said(&empty)
    );
}

/// A chaos set of one small scenario, in which a power loss is all that happens.
fn small_set(folder: &Folder) {
    let mut text =
        PLANTED.replace("seed = 3\n", "").replace("acks = \"1\"", "acks = \"all\"").replace("\"planted\"", "\"small\"");
    text = text.replace("unclean.leader.election.enable = true", "log.flush.interval.messages = 1");
    text = text.replace("assignment = [[1, 2]]", "config = { segment.bytes = \"1KiB\" }");
    text.truncate(text.find("[[fault]]").expect("it has faults"));
    text +=
        "[chaos]\nkinds = \"1..1\"\ngap = \"2s\"\nweights = { power-loss = 1 }\n[expect]\nalways = [\"recovery\"]\n";
    fs::create_dir_all(folder.0.join("set/chaos")).unwrap();
    fs::write(folder.0.join("set/chaos/small.toml"), text).unwrap();
}

#[test]
fn the_bench_finds_a_flaw_names_its_oracle_and_resumes() {
    let folder = Folder::new("bench");
    small_set(&folder);
    let bench = |more: &[&str]| {
        let common = [
            "flaws",
            "no-dir-fsync",
            "--bench",
            "--scenarios",
            "set",
            "--seeds",
            "0..6",
            "--ranges",
            "2",
            "--attempts",
            "30",
        ];
        odradek(&folder.0, &[&common[..], more].concat())
    };
    let output = bench(&["--json", "--jobs", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let score: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = score["ranges"].as_array().unwrap().iter().find(|range| !range["found"].is_null());
    let found = found.unwrap_or_else(|| panic!("{score}"));
    assert_eq!(
        (&found["found"]["catch"]["oracle"], &found["found"]["catch"]["by_known_oracle"]),
        (&"recovery".into(), &true.into())
    );
    assert_eq!(score["shrunk"]["kinds"], serde_json::json!(["power-loss"]), "{score}");
    let kept = fs::read_to_string(folder.0.join("runs/flaw-bench/runs.jsonl")).unwrap();
    let again = bench(&["--json", "--jobs", "1", "--markdown", "bench.md"]);
    assert_eq!(output.stdout, again.stdout, "what was finished is not run again, and the jobs do not matter");
    assert_eq!(fs::read_to_string(folder.0.join("runs/flaw-bench/runs.jsonl")).unwrap(), kept);
    let page = fs::read_to_string(folder.0.join("bench.md")).unwrap();
    assert!(page.contains("| 28 no-dir-fsync | - | - |") && page.contains("--seeds 0..6 --ranges 2"), "{page}");
}

#[test]
fn a_bench_of_what_does_not_exist_is_bad_input() {
    let folder = Folder::new("bench-usage");
    small_set(&folder);
    for (arguments, word) in [
        (&["no-such", "--bench"][..], "there is no flaw `no-such`"),
        (&["hanging-txn", "--bench"], "not built yet"),
        (&["canary", "--bench", "--scenarios", "nowhere"], "nowhere"),
        (&["canary", "--bench", "--scenarios", "set", "--ranges", "0"], "--ranges 0"),
        (&["canary"], "--bench"),
    ] {
        let output = odradek(&folder.0, &[&["flaws"][..], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(word), "{arguments:?}: {}", said(&output));
    }
}

#[test]
fn the_canary_is_heard_where_it_was_drawn_and_only_there() {
    // Seed 79 draws it for broker-2 at its first start; seed 80 for nobody.
    let options = Options { set: vec!["cluster.flaws=[\"canary\"]".into()], ..Options::default() };
    let oracles = |seed: u64, options: &Options| {
        let record = crate::support::run(&plan("chaos/storage", seed, None, options)).record;
        record.violations.into_iter().map(|violation| violation.oracle).collect::<Vec<_>>()
    };
    assert!(oracles(79, &options).iter().any(|oracle| oracle == "high-watermark"));
    assert_eq!(oracles(80, &options), Vec::<String>::new());
    assert_eq!(oracles(79, &Options::default()), Vec::<String>::new(), "off by default");
    assert!(file("docs/flaw-bench.toml").exists());
}
