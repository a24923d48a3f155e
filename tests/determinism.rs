//! One plan, one fingerprint: whatever the process, the folder, the environment, the trace mode.

use std::fs;
use std::process::Command;

use scenario::Options;
use sim::{Progress, RunOptions};

use crate::support::{Folder, file, odradek, plan, run};

fn fingerprint(output: &std::process::Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let record: serde_json::Value = serde_json::from_str(text.trim())
        .unwrap_or_else(|error| panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr)));
    record["fingerprint"].as_str().expect("a record has a fingerprint").to_owned()
}

#[test]
fn a_seed_has_one_fingerprint_in_every_process_folder_environment_and_trace_mode() {
    let scenario = file("scenarios/mail.toml").display().to_string();
    let here = Folder::new("fingerprint-here");
    let there = Folder::new("fingerprint-there");
    let first = fingerprint(&odradek(&here.0, &["run", &scenario, "--seed", "7", "--json"]));
    let untraced = fingerprint(&odradek(&here.0, &["run", &scenario, "--seed", "7", "--json", "--trace", "none"]));
    let elsewhere = Command::new(env!("CARGO_BIN_EXE_odradek-under-test"))
        .args(["run", &scenario, "--seed", "7", "--json", "--trace", "ring"])
        .current_dir(&there.0)
        .env("LANG", "ko_KR.UTF-8")
        .env("TZ", "Asia/Seoul")
        .env("ODRADEK_UNRELATED", "x".repeat(4096))
        .output()
        .expect("the program starts");
    assert_eq!(first, untraced, "tracing must not change the run");
    assert_eq!(first, fingerprint(&elsewhere), "folder and environment must not change the run");
    let other = fingerprint(&odradek(&here.0, &["run", &scenario, "--seed", "8", "--json", "--trace", "none"]));
    assert_ne!(first, other, "another seed is another run");
}

#[test]
fn a_run_that_is_watched_is_the_same_run() {
    let plan = plan("mail", 7, None, &Options::default());
    let progress = Progress::default();
    let options = RunOptions { progress: progress.clone(), ..RunOptions::default() };
    let watched = std::thread::scope(|scope| {
        let run = scope.spawn(|| sim::run_plan(&plan, &options));
        let mut reached = progress.reached();
        while !run.is_finished() {
            let now = progress.reached();
            assert!(now >= reached, "time does not go back: {now:?} after {reached:?}");
            reached = now;
        }
        run.join().expect("it does not panic").unwrap_or_else(|error| panic!("{error}"))
    });
    assert_eq!(watched.record.fingerprint, run(&plan).record.fingerprint);
    let off = progress.reached().as_secs_f64() - watched.record.simulated_seconds;
    assert!(off.abs() < 1e-6, "the whole run was seen, but {off} s");
}

#[test]
fn check_compares_two_processes() {
    let scenario = file("scenarios/mail.toml").display().to_string();
    let folder = Folder::new("check");
    let output = odradek(&folder.0, &["check", &scenario, "--seeds", "3..5"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("2 of 2 seeds have one fingerprint"), "{text}");
}

#[test]
fn a_nondeterministic_component_is_located_at_its_first_divergent_event() {
    let scenario = file("scenarios/acks-compared.toml").display().to_string();
    let folder = Folder::new("planted");
    fs::write(
        folder.0.join("it.toml"),
        fs::read_to_string(&scenario)
            .unwrap()
            .split("[[variant]]")
            .next()
            .unwrap()
            .replace("at     = \"20s\"", "at = \"19s\""),
    )
    .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_odradek-under-test"))
        .args(["check", "it.toml", "--seeds", "3..4"])
        .current_dir(&folder.0)
        .env("ODRADEK_TEST_PLANT_NONDETERMINISM_AT", "19")
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("seed 3: NOT DETERMINISTIC") && text.contains("0 of 1 seeds"), "{text}");
    // Warm-up lasts ten seconds: the planted fault is due at 29 seconds and as many microseconds as its process's number.
    let common = text.lines().find(|line| line.contains("events are equal")).unwrap_or_else(|| panic!("{text}"));
    assert!(common.contains("up to 29.") || common.contains("up to 28.9"), "{common}");
    let located =
        text.lines().find(|line| line.contains("fault cut: isolate broker-1")).unwrap_or_else(|| panic!("{text}"));
    assert!(located.contains(" 29."), "{located}");
}
