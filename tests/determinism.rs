//! One plan, one fingerprint: whatever the process, the folder, the environment, the trace mode.

use std::process::Command;

use crate::support::{Folder, file, odradek};

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
fn check_compares_two_processes() {
    let scenario = file("scenarios/mail.toml").display().to_string();
    let folder = Folder::new("check");
    let output = odradek(&folder.0, &["check", &scenario, "--seeds", "3..5"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("2 of 2 seeds have one fingerprint"), "{text}");
}
