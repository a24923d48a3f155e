//! `odradek scenarios`: what there is to run.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Status;
use crate::arguments::Changes;
use crate::failure::Failure;
use crate::input;

/// Lists the scenarios below `scenarios/`.
pub fn scenarios() -> Result<Status, Failure> {
    let root = Path::new("scenarios");
    if !root.is_dir() {
        return Err(Failure::input(
            "error: there is no folder scenarios/ here; change to a checkout of Odradek, or begin one with `odradek new NAME`",
        ));
    }
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut out = std::io::stdout().lock();
    let mut status = Status::Good;
    for file in files {
        match input::scenario(&file, &Changes::default(), None) {
            Ok(scenario) => writeln!(out, "{:<56} {}", file.display().to_string(), scenario.intent())?,
            Err(error) => {
                eprintln!("{error}");
                status = Status::BadInput;
            }
        }
    }
    Ok(status)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let cannot = |error| Failure::file(folder, "list", &error);
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    Ok(())
}
