//! Why a command could not do its work: a sentence that says where and what to do, and an exit status.

use std::fmt;
use std::io;
use std::path::Path;

use crate::Status;

/// A failure of a command.
#[derive(Debug)]
pub struct Failure {
    status: Status,
    message: String,
    broken_pipe: bool,
}

impl Failure {
    /// Bad usage or input.
    pub fn input(message: impl fmt::Display) -> Failure {
        Failure { status: Status::BadInput, message: message.to_string(), broken_pipe: false }
    }

    /// A run broke.
    pub fn broken(message: impl fmt::Display) -> Failure {
        Failure { status: Status::Broken, message: message.to_string(), broken_pipe: false }
    }

    /// A file or folder could not be read or written.
    pub fn file(path: &Path, what: &str, error: &io::Error) -> Failure {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "; check the path",
            io::ErrorKind::PermissionDenied => "; check the permissions, or choose another folder with --out",
            io::ErrorKind::IsADirectory => "; this is a folder, a file is wanted",
            _ => "",
        };
        Failure::input(format!("error: cannot {what} {}: {error}{hint}", path.display()))
    }

    /// The exit status.
    pub fn status(&self) -> Status {
        if self.broken_pipe { Status::Good } else { self.status }
    }

    /// Whether the reader of our output has gone away.
    pub fn is_broken_pipe(&self) -> bool {
        self.broken_pipe
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<scenario::ScenarioError> for Failure {
    fn from(error: scenario::ScenarioError) -> Failure {
        Failure::input(error)
    }
}

/// Writing to standard output failed.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        let broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        Failure {
            status: Status::Broken,
            message: format!("error: cannot write to standard output: {error}"),
            broken_pipe,
        }
    }
}
