//! The flaw bench: what this testbed finds of the flaws that Kafka once had, and after how long.
//!
//! For each flaw: its directed scenario with it and without it, and the frozen chaos set with it, over disjoint ranges of
//! seeds. A range ends at its first detection. Every run is kept by its plan and the build, so a bench goes on where it ended.

pub mod score;
pub mod table;
pub mod work;

use std::path::{Path, PathBuf};

use scenario::{Flaw, Options, Scenario};

use crate::failure::Failure;
use crate::input;

/// The seeds under which a directed scenario is run.
pub const DIRECTED_SEEDS: std::ops::Range<u64> = 1..4;

/// What a flaw is benched with.
pub struct Bench {
    /// The flaw.
    pub flaw: &'static Flaw,
    /// Its directed scenario with the flaw and without it, if it has one.
    pub directed: Option<[Scenario; 2]>,
    /// The chaos set with the flaw, in the order of its files; of a flaw of groups, those that have one.
    pub chaos: Vec<(PathBuf, Scenario)>,
}

impl Bench {
    /// Reads what belongs to a flaw from the folder of scenarios.
    pub fn read(flaw: &'static Flaw, folder: &Path) -> Result<Bench, Failure> {
        let path = folder.join("flaws").join(format!("{}.toml", flaw.name));
        let with = |without_flaws| {
            let options = Options { without_flaws, ..Options::default() };
            let text = input::text(&path)?;
            Ok::<_, Failure>(Scenario::parse_with(&path.display().to_string(), &text, &options)?)
        };
        let directed = if path.exists() { Some([with(false)?, with(true)?]) } else { None };
        let options = Options { set: vec![format!("cluster.flaws=[\"{}\"]", flaw.name)], ..Options::default() };
        let mut chaos = Vec::new();
        for path in files(&folder.join("chaos"))? {
            let scenario = Scenario::parse_with(&path.display().to_string(), &input::text(&path)?, &options)?;
            if scenario.has_group() || !flaw.needs_group() {
                chaos.push((path, scenario));
            }
        }
        if chaos.is_empty() {
            let what = if flaw.needs_group() { "no scenario with a group" } else { "no scenario" };
            let message = format!("error: {} holds {what}", folder.join("chaos").display());
            return Err(Failure::input(message));
        }
        Ok(Bench { flaw, directed, chaos })
    }
}

/// The TOML files of a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = std::fs::read_dir(folder).map_err(|error| Failure::file(folder, "read the folder", &error))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    Ok(files)
}
