//! `odradek view`: opens the visualizer, a program of its own that lies beside this one.

use std::process::Command;

use crate::Status;
use crate::arguments::View;
use crate::failure::Failure;

/// Starts the visualizer and waits for its end.
pub fn view(arguments: &View) -> Result<Status, Failure> {
    let own = std::env::current_exe().map_err(|error| Failure::broken(format!("error: {error}")))?;
    let program = own.with_file_name(format!("odradek-visualizer{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        let release = if cfg!(debug_assertions) { "" } else { " --release" };
        return Err(Failure::input(format!(
            "error: the visualizer is not built: {} is missing\nhelp: cargo build{release} -p odradek-visualizer",
            program.display()
        )));
    }
    let mut command = Command::new(&program);
    command.args(&arguments.trace);
    for (flag, value) in [("--at", &arguments.at), ("--focus", &arguments.focus)] {
        if let Some(value) = value {
            command.args([flag, value]);
        }
    }
    let status = command.status().map_err(|error| Failure::file(&program, "start", &error))?;
    Ok(match status.code() {
        Some(0) => Status::Good,
        Some(2) => Status::BadInput,
        _ => Status::Broken,
    })
}
