//! Tells the program from which commit it was built.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=../../.git/HEAD");
    println!("cargo::rerun-if-changed=../../.git/refs/heads");
    let answer = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let commit = answer.ok().filter(|answer| answer.status.success());
    let commit = commit.and_then(|answer| String::from_utf8(answer.stdout).ok()).unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=ODRADEK_COMMIT={}", commit.trim());
}
