//! Files of JSON lines that survive whatever ends their writer: each line is whole, or the last one is left out.

use std::fs;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// A file that gets a line whenever something is finished.
pub struct Lines<T> {
    path: PathBuf,
    file: fs::File,
    holds: PhantomData<fn(&T)>,
}

impl<T: Serialize + DeserializeOwned> Lines<T> {
    /// Opens the file, and gives `take` what is there. Its folder is created.
    pub fn open(path: &Path, mut take: impl FnMut(T)) -> Result<Lines<T>, Failure> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "create the folder", &error))?;
        // Written anew: a line that a kill cut short must not swallow the next one.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let draft = folder.join(format!(".{name}.{}", std::process::id()));
        let unwritten = |error: io::Error| Failure::file(&draft, "write", &error);
        let mut copy = BufWriter::new(fs::File::create(&draft).map_err(unwritten)?);
        if path.exists() {
            read(path, |line: T| {
                copy.write_all(json(&line)?.as_bytes()).map_err(unwritten)?;
                take(line);
                Ok(())
            })?;
        }
        copy.flush().map_err(unwritten)?;
        fs::rename(&draft, path).map_err(|error| Failure::file(path, "write", &error))?;
        let file = fs::OpenOptions::new().append(true).open(path);
        let file = file.map_err(|error| Failure::file(path, "open", &error))?;
        Ok(Lines { path: path.to_owned(), file, holds: PhantomData })
    }

    /// Keeps one more.
    pub fn keep(&mut self, line: &T) -> Result<(), Failure> {
        self.file.write_all(json(line)?.as_bytes()).map_err(|error| Failure::file(&self.path, "write", &error))
    }
}

fn json(line: &impl Serialize) -> Result<String, Failure> {
    let mut text = serde_json::to_string(line).map_err(|error| Failure::broken(error.to_string()))?;
    text.push('\n');
    Ok(text)
}

/// Gives `take` the lines of a file, one at a time. A last line that was cut short is left out.
pub fn read<T: DeserializeOwned>(path: &Path, mut take: impl FnMut(T) -> Result<(), Failure>) -> Result<(), Failure> {
    let unread = |error: io::Error| Failure::file(path, "read", &error);
    let mut file = BufReader::new(fs::File::open(path).map_err(unread)?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if file.read_until(b'\n', &mut line).map_err(unread)? == 0 {
            break;
        }
        match serde_json::from_slice(&line) {
            Ok(line) => take(line)?,
            Err(_) if !line.ends_with(b"\n") => break,
            Err(error) => {
                let place = format!("{}:{number}", path.display());
                return Err(Failure::input(format!("error: {place}: not a result of this version: {error}")));
            }
        }
    }
    Ok(())
}
