//! The binary `odradek`, for the tests of the command line.
//!
//! Only here, never in the program that is shipped, an environment variable plants what no run may hold: a component that
//! looks at the world outside. The worker is put behind a proxy that moves one fault by as many microseconds as the number
//! of the process.

// It starts processes and looks at its environment: it is no part of the simulated world.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::io::{BufRead, Write};
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

/// Names a fault's time, in whole seconds; it must stand in the plan once.
const PLANT: &str = "ODRADEK_TEST_PLANT_NONDETERMINISM_AT";

fn main() -> ExitCode {
    match std::env::var(PLANT) {
        Ok(time) if std::env::args().nth(1).as_deref() == Some("worker") => proxy(&time),
        _ => odradek_cli::main(),
    }
}

fn proxy(time: &str) -> ExitCode {
    let program = std::env::current_exe().expect("this program has a file");
    let mut worker =
        Command::new(program).arg("worker").env_remove(PLANT).stdin(Stdio::piped()).spawn().expect("the worker starts");
    let mut jobs = worker.stdin.take().expect("stdin is piped");
    for line in std::io::stdin().lock().lines() {
        let mut job: Value = serde_json::from_str(&line.expect("a job can be read")).expect("a job is JSON");
        let plan = job["plan"].as_str().expect("a job has a plan");
        let (from, to) = (format!("at = \"{time}s\""), format!("at = \"{time}.{:06}s\"", std::process::id()));
        assert_eq!(plan.matches(&from).count(), 1, "{from} stands once in {plan}");
        job["plan"] = plan.replace(&from, &to).into();
        writeln!(jobs, "{job}").expect("the worker takes a job");
    }
    drop(jobs);
    worker.wait().expect("the worker ends");
    ExitCode::SUCCESS
}
