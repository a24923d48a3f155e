//! `odradek new`: a commented scenario to begin with.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::program;
use crate::Status;
use crate::arguments::New;
use crate::failure::Failure;

/// Writes `scenarios/NAME.toml`; never over an existing file.
pub fn new(arguments: &New) -> Result<Status, Failure> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if arguments.name.is_empty() || !arguments.name.chars().all(fits) {
        return Err(Failure::input(format!(
            "error: `{}` is no name for a scenario: use letters, digits, `-` and `_`",
            arguments.name
        )));
    }
    let folder = Path::new("scenarios");
    fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "create", &error))?;
    let path = folder.join(format!("{}.toml", arguments.name));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(|error| Failure::file(&path, "create", &error))?;
    file.write_all(scenario::template(&arguments.name).as_bytes())
        .map_err(|error| Failure::file(&path, "write", &error))?;
    println!("wrote {}", path.display());
    println!("try:   {} run {}", program(), path.display());
    Ok(Status::Good)
}
