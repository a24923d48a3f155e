//! Run directories: `runs/<scenario>/<seed>/`, replaced as a whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use sim::RunRecord;

use crate::failure::Failure;

/// The trace's name in a run directory.
pub const TRACE: &str = "trace.jsonl.zst";
/// The plan's name.
pub const PLAN: &str = "plan.toml";
/// The record's name.
pub const VERDICT: &str = "verdict.json";
/// The digest's name.
pub const DIGEST: &str = "digest.txt";

/// Where a run lies below `root`: `SCENARIO/SEED`, or `SCENARIO/VARIANT/SEED`. No variant is called as a seed.
pub fn place(root: &Path, scenario: &str, variant: Option<&str>, seed: u64) -> PathBuf {
    let scenario = root.join(scenario);
    variant.map_or(scenario.clone(), |variant| scenario.join(variant)).join(seed.to_string())
}

/// A run directory that is being written beside its place.
pub struct Draft {
    place: PathBuf,
    draft: PathBuf,
}

impl Draft {
    /// Begins to write the run directory `place`.
    pub fn begin(place: &Path) -> Result<Draft, Failure> {
        let name = place.file_name().map_or_else(|| "run".into(), |name| name.to_string_lossy().into_owned());
        let parent = place.parent().unwrap_or(Path::new("."));
        let draft = parent.join(format!(".{name}.{}.tmp", std::process::id()));
        if place.exists() && !is_run_directory(place) {
            return Err(Failure::input(format!(
                "error: {} exists and is no run directory; it would be replaced: choose another --out",
                place.display()
            )));
        }
        fs::create_dir_all(&draft).map_err(|error| Failure::file(&draft, "create the folder", &error))?;
        Ok(Draft { place: place.to_owned(), draft })
    }

    /// Where the worker shall write the trace.
    pub fn trace(&self) -> PathBuf {
        self.draft.join(TRACE)
    }

    /// Writes one file.
    pub fn write(&self, name: &str, content: &str) -> Result<(), Failure> {
        let path = self.draft.join(name);
        fs::write(&path, content).map_err(|error| Failure::file(&path, "write", &error))
    }

    /// Puts the directory in its place, in the stead of an older run.
    pub fn commit(self) -> Result<(), Failure> {
        let old = self.draft.with_extension("old");
        if self.place.exists() {
            fs::rename(&self.place, &old).map_err(|error| Failure::file(&self.place, "replace", &error))?;
        }
        fs::rename(&self.draft, &self.place).map_err(|error| Failure::file(&self.place, "write", &error))?;
        // The old run is out of the way; that its remains could not be deleted harms nobody.
        let _ = fs::remove_dir_all(&old);
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `commit` there is nothing here; after a failure the half-written run goes.
        let _ = fs::remove_dir_all(&self.draft);
    }
}

/// Only what looks like a run, or is empty, is ever replaced.
fn is_run_directory(place: &Path) -> bool {
    let empty = fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_none());
    empty || place.join(PLAN).is_file()
}

/// The record in a run directory, if it holds one.
pub fn record(directory: &Path) -> Result<Option<RunRecord>, Failure> {
    let path = directory.join(VERDICT);
    if !path.exists() {
        return Ok(None);
    }
    let text = crate::input::text(&path)?;
    let record = serde_json::from_str(&text).map_err(|error| {
        Failure::input(format!(
            "error: {}:{}:{}: not a verdict of this version: {error}",
            path.display(),
            error.line(),
            error.column()
        ))
    })?;
    Ok(Some(record))
}
