//! The command line of Odradek: arguments, files and terminals. What it runs lives in crate `sim`.

// The command line is outside of the simulated world: it reads files, starts processes and looks at the real clock.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod arguments;
mod bench;
mod commands;
mod directory;
mod export;
mod failure;
mod input;
mod likelihood;
mod lines;
mod progress;
mod report;
mod shrink;
mod sweep;
mod table;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use failure::Failure;

/// What a command came to: an exit status that is a contract.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Status {
    /// As expected.
    Good = 0,
    /// An expectation failed.
    Failed = 1,
    /// Bad usage or input.
    BadInput = 2,
    /// A run itself broke.
    Broken = 3,
}

/// Runs the program.
pub fn main() -> ExitCode {
    // clap ends the program by itself with status 2 on bad usage, 0 on --help.
    let arguments = Arguments::parse();
    match dispatch(arguments.command) {
        Ok(status) => ExitCode::from(status as u8),
        Err(failure) => {
            // A reader that has gone away (`odradek show ... | head`) is no error.
            if !failure.is_broken_pipe() {
                eprintln!("{failure}");
            }
            ExitCode::from(failure.status() as u8)
        }
    }
}

fn dispatch(command: Command) -> Result<Status, Failure> {
    match command {
        Command::Run(run) => commands::run::run(&run),
        Command::Plan(plan) => commands::plan::plan(&plan),
        Command::Replay(replay) => commands::replay::replay(&replay),
        Command::Sweep(sweep) => commands::sweep::sweep(&sweep),
        Command::Shrink(shrink) => commands::shrink::shrink(&shrink),
        Command::Likelihood(likelihood) => commands::likelihood::likelihood(&likelihood),
        Command::Merge(merge) => commands::sweep::merge(&merge),
        Command::Check(check) => commands::check::check(&check),
        Command::Show(show) => commands::show::show(&show),
        Command::Export(export) => commands::export::export(&export),
        Command::Report(report) => commands::report::report(&report),
        Command::View(view) => commands::view::view(&view),
        Command::Serve(serve) => commands::serve::serve(&serve),
        Command::Scenarios => commands::scenarios::scenarios(),
        Command::New(new) => commands::new::new(&new),
        Command::Explain(explain) => commands::explain::explain(&explain),
        Command::Flaws(flaws) if flaws.bench => commands::bench::bench(&flaws),
        Command::Flaws(_) => commands::flaws::flaws(),
        Command::Diff(diff) => commands::diff::diff(&diff),
        Command::Completions(completions) => commands::completions::completions(&completions),
        Command::Worker => worker::serve(),
    }
}
