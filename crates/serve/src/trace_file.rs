//! A trace that is written while the cluster runs, and can be read while it grows.

use std::fs::File;
use std::path::{Path, PathBuf};

use trace::{Event, Header, SCHEMA_VERSION, TraceWriter};

use crate::ServeError;

/// The trace file of a cluster.
pub struct TraceFile {
    path: PathBuf,
    writer: TraceWriter<File>,
}

impl TraceFile {
    /// Begins a file, compressed if its name ends with `.zst`. `commit` is what the program was built from.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(path: &Path, commit: &str) -> Result<TraceFile, ServeError> {
        let header = Header {
            format: Header::FORMAT.into(),
            schema: SCHEMA_VERSION,
            scenario: "serve".into(),
            seed: 0,
            plan: String::new(),
            version: env!("CARGO_PKG_VERSION").into(),
            commit: commit.into(),
            dropped: 0,
        };
        let compressed = path.extension().is_some_and(|extension| extension == "zst");
        let file = File::create(path).map_err(ServeError::file("create", path))?;
        let writer = TraceWriter::new(file, &header, compressed).and_then(|mut writer| {
            writer.flush()?;
            Ok(writer)
        });
        Ok(TraceFile { path: path.to_owned(), writer: writer.map_err(ServeError::file("write", path))? })
    }

    /// Writes events so that readers see them at once.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&mut self, events: &[Event]) -> Result<(), ServeError> {
        let written = events.iter().try_for_each(|event| self.writer.event(event));
        let flushed = written.and_then(|()| if events.is_empty() { Ok(()) } else { self.writer.flush() });
        flushed.map_err(ServeError::file("write", &self.path))
    }

    /// Ends the file.
    ///
    /// # Errors
    /// If its end cannot be written.
    pub fn finish(self) -> Result<(), ServeError> {
        let path = self.path;
        self.writer.finish().map(drop).map_err(ServeError::file("write", &path))
    }
}
