//! Following a trace file that a run is still writing.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::Model;
use super::load::{End, LoadError, append_lines};

/// Bytes taken in at once: a frame is not to wait for more.
const MOST_AT_ONCE: u64 = 1 << 20;

/// A plain trace file and how far it was read.
pub struct Follower {
    path: PathBuf,
    end: End,
    broken: bool,
}

impl Follower {
    pub(crate) fn new(path: PathBuf, end: End) -> Follower {
        Follower { path, end, broken: false }
    }

    /// Adds what the file has gained since; how many events. Call it a few times a second.
    ///
    /// # Errors
    /// When the file is gone, or shorter than before: it was replaced, and must be opened anew. Broken lines become the
    /// model's problem, as in a load.
    pub fn poll(&mut self, model: &mut Model) -> Result<usize, LoadError> {
        if self.broken {
            return Ok(0);
        }
        let fail = |error: std::io::Error| LoadError(format!("{}: {error}", self.path.display()));
        let mut file = File::open(&self.path).map_err(fail)?;
        let length = file.metadata().map_err(fail)?.len();
        if length < self.end.byte {
            let message = format!("{} was replaced by another file: open it again", self.path.display());
            return Err(LoadError(message));
        }
        file.seek(SeekFrom::Start(self.end.byte)).map_err(fail)?;
        let mut bytes = Vec::new();
        file.take(MOST_AT_ONCE).read_to_end(&mut bytes).map_err(fail)?;
        let lines = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        if lines == 0 {
            return Ok(0);
        }
        let added = append_lines(model, &bytes[..lines], &mut self.end);
        self.broken = model.problem().is_some();
        Ok(added)
    }
}
