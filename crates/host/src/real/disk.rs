//! Real files below a node's data directory.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::Process;
use crate::{Entry, Open};

#[derive(Clone)]
pub(crate) struct Disk(Rc<Process>);

#[derive(Clone)]
pub(crate) struct File {
    process: Rc<Process>,
    file: Arc<fs::File>,
}

fn died() -> io::Error {
    io::Error::other("this process has died")
}

/// Runs a blocking call on a thread of its own: an fsync must not stop the node's other tasks.
async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// What is in a directory, sorted by name.
pub(super) fn entries(path: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        entries.push(Entry { name, directory: entry.file_type()?.is_dir() });
    }
    entries.sort_unstable();
    Ok(entries)
}

impl Disk {
    pub fn new(process: Rc<Process>) -> Disk {
        Disk(process)
    }

    /// Where `path` is. Nothing leads out of the data directory.
    fn locate(&self, path: &str) -> io::Result<PathBuf> {
        if self.0.is_dead() {
            return Err(died());
        }
        let path = Path::new(path.trim_matches('/'));
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::Error::new(ErrorKind::InvalidInput, path.display().to_string()));
        }
        Ok(self.0.options.data.join(path))
    }

    pub fn create_dir_all(&self, path: &str) -> io::Result<()> {
        fs::create_dir_all(self.locate(path)?)
    }

    pub fn open(&self, path: &str, open: Open) -> io::Result<File> {
        let path = self.locate(path)?;
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(open == Open::Create).create_new(open == Open::New);
        let file = Arc::new(options.open(path)?);
        Ok(File { process: self.0.clone(), file })
    }

    pub fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        entries(&self.locate(dir)?)
    }

    pub fn exists(&self, path: &str) -> bool {
        self.locate(path).is_ok_and(|path| path.exists())
    }

    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.locate(from)?, self.locate(to)?);
        if from != to && to.is_dir() {
            return Err(io::Error::new(ErrorKind::AlreadyExists, to.display().to_string()));
        }
        fs::rename(from, to)
    }

    pub fn delete(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.locate(path)?)
    }

    pub fn delete_dir_all(&self, path: &str) -> io::Result<()> {
        fs::remove_dir_all(self.locate(path)?)
    }

    /// Where the system does not say, it is taken for endless: what does not fit fails when it is written.
    pub fn free_space(&self) -> u64 {
        let asked = rustix::fs::statvfs(&self.0.options.data);
        asked.map_or(u64::MAX, |system| system.f_bavail.saturating_mul(system.f_frsize))
    }

    pub async fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let path = self.locate(dir)?;
        blocking(move || fs::File::open(path)?.sync_all()).await
    }

    pub async fn admit(&self, _: usize) {}
}

impl File {
    fn check(&self) -> io::Result<()> {
        if self.process.is_dead() { Err(died()) } else { Ok(()) }
    }

    pub fn append(&self, bytes: &[u8]) -> io::Result<u64> {
        self.check()?;
        // Several handles may have the file open: only the file itself knows where it ends.
        let position = self.file.metadata()?.len();
        self.file.write_all_at(bytes, position)?;
        Ok(position)
    }

    pub fn write_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.check()?;
        self.file.write_all_at(bytes, position)
    }

    pub fn read_at(&self, position: u64, length: usize) -> io::Result<Bytes> {
        self.check()?;
        let there = self.file.metadata()?.len().saturating_sub(position);
        let mut bytes = vec![0; length.min(usize::try_from(there).unwrap_or(usize::MAX))];
        let mut read = 0;
        while read < bytes.len() {
            match self.file.read_at(&mut bytes[read..], position + read as u64) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(read);
        Ok(bytes.into())
    }

    pub fn len(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    pub fn set_len(&self, length: u64) -> io::Result<()> {
        self.check()?;
        self.file.set_len(length)
    }

    pub async fn sync(&self) -> io::Result<()> {
        self.check()?;
        let file = self.file.clone();
        blocking(move || file.sync_all()).await
    }
}
