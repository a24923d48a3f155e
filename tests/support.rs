//! What the tests share.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use scenario::{Options, Plan, Scenario};
use sim::{Outcome, RunOptions};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository")
}

/// A file of the repository.
pub fn file(path: &str) -> PathBuf {
    root().join(path)
}

/// The plan of a scenario below scenarios/.
pub fn plan(name: &str, seed: u64, schedule_seed: Option<u64>, options: &Options) -> Plan {
    let path = file(&format!("scenarios/{name}.toml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let scenario = Scenario::parse_with(name, &text, options).unwrap_or_else(|error| panic!("{error}"));
    scenario.resolve(seed, schedule_seed).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a plan.
pub fn run(plan: &Plan) -> Outcome {
    sim::run_plan(plan, &RunOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs the program in a folder.
pub fn odradek(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_odradek-under-test"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("CARGO")
        .env_remove("GITHUB_STEP_SUMMARY")
        .output()
        .expect("the program starts")
}

/// A fresh folder that goes away with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("odradek-test-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary folder can be created");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
