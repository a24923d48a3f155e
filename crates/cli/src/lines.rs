//! Files of JSON lines that survive whatever ends their writer: each line is whole, or the last one is left out.

use std::fs;
use std::io::Write;
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
    /// Opens the file, and reads what is there. Its folder is created.
    pub fn open(path: &Path) -> Result<(Lines<T>, Vec<T>), Failure> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| Failure::file(folder, "create the folder", &error))?;
        let old: Vec<T> = if path.exists() { read(path)? } else { Vec::new() };
        let mut text = String::new();
        for line in &old {
            text += &json(line)?;
        }
        // Written anew: a line that a kill cut short must not swallow the next one.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let draft = folder.join(format!(".{name}.{}", std::process::id()));
        fs::write(&draft, text).map_err(|error| Failure::file(&draft, "write", &error))?;
        fs::rename(&draft, path).map_err(|error| Failure::file(path, "write", &error))?;
        let file = fs::OpenOptions::new().append(true).open(path);
        let file = file.map_err(|error| Failure::file(path, "open", &error))?;
        Ok((Lines { path: path.to_owned(), file, holds: PhantomData }, old))
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

/// The lines of a file. A last line that was cut short is left out.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Failure> {
    let text = fs::read(path).map_err(|error| Failure::file(path, "read", &error))?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        match serde_json::from_str(line) {
            Ok(line) => lines.push(line),
            Err(_) if !text.ends_with('\n') && number + 1 == text.lines().count() => {}
            Err(error) => {
                let place = format!("{}:{}", path.display(), number + 1);
                return Err(Failure::input(format!("error: {place}: not a result of this version: {error}")));
            }
        }
    }
    Ok(lines)
}
