//! `odradek completions`: a script that lets a shell complete this command line.

use clap::CommandFactory;

use crate::Status;
use crate::arguments::{Arguments, Completions};
use crate::failure::Failure;

/// Prints the script.
pub fn completions(arguments: &Completions) -> Result<Status, Failure> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "odradek", &mut script);
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(Status::Good)
}
