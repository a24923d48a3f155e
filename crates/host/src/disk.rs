//! A node's own disk: directories and files under a root that no other node sees.

use std::io;

use bytes::Bytes;

use crate::real;
use crate::sim::disk as simulated;

/// How [`Disk::open`] treats a file that is missing or there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Open {
    /// It must exist.
    Existing,
    /// It is created if missing.
    Create,
    /// It must not exist and is created.
    New,
}

/// An entry of a directory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Entry {
    /// Its name without the directory.
    pub name: String,
    /// Whether it is a directory.
    pub directory: bool,
}

/// A node's disk. Paths are separated by `/` and relative to the node's root; the root itself is `""`.
///
/// All but the async methods act on the page cache and return at once. Nothing survives a power loss for sure unless file
/// *and* directory entry were synced.
#[derive(Clone)]
pub struct Disk(pub(crate) DiskKind);

#[derive(Clone)]
pub(crate) enum DiskKind {
    Simulated(simulated::DiskHandle),
    Real(real::Disk),
}

macro_rules! on_disk {
    ($self:ident, $disk:ident => $call:expr) => {
        match &$self.0 {
            DiskKind::Simulated($disk) => $call,
            DiskKind::Real($disk) => $call,
        }
    };
}

impl Disk {
    /// Creates a directory and its parents where missing.
    ///
    /// # Errors
    /// Of the disk; `NotADirectory` if a file is in the way.
    pub fn create_dir_all(&self, path: &str) -> io::Result<()> {
        on_disk!(self, disk => disk.create_dir_all(path))
    }

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` and `AlreadyExists` as `open` says; `StorageFull`; others of the disk.
    pub fn open(&self, path: &str, open: Open) -> io::Result<File> {
        match &self.0 {
            DiskKind::Simulated(disk) => disk.open(path, open).map(|file| File(FileKind::Simulated(file))),
            DiskKind::Real(disk) => disk.open(path, open).map(|file| File(FileKind::Real(file))),
        }
    }

    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, others of the disk.
    pub fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        on_disk!(self, disk => disk.list(dir))
    }

    /// Whether there is a file or directory.
    pub fn exists(&self, path: &str) -> bool {
        on_disk!(self, disk => disk.exists(path))
    }

    /// Renames a file or directory; a file at `to` is replaced. Atomic, but durable only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// `NotFound`, `AlreadyExists` if a directory is at `to`, others of the disk.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        on_disk!(self, disk => disk.rename(from, to))
    }

    /// Deletes a file. Open handles go on working.
    ///
    /// # Errors
    /// `NotFound`, `IsADirectory`, others of the disk.
    pub fn delete(&self, path: &str) -> io::Result<()> {
        on_disk!(self, disk => disk.delete(path))
    }

    /// Deletes a directory with all that is in it.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, others of the disk.
    pub fn delete_dir_all(&self, path: &str) -> io::Result<()> {
        on_disk!(self, disk => disk.delete_dir_all(path))
    }

    /// Free space in bytes.
    pub fn free_space(&self) -> u64 {
        on_disk!(self, disk => disk.free_space())
    }

    /// Makes durable what was created, renamed or deleted in `dir` (entries, not the files' contents).
    ///
    /// # Errors
    /// `NotFound`, others of the disk.
    pub async fn sync_dir(&self, dir: &str) -> io::Result<()> {
        on_disk!(self, disk => disk.sync_dir(dir).await)
    }

    /// Waits until the device can take `bytes` more: the back-pressure of a slow or stalled one. Ready at once without a fault.
    pub async fn admit(&self, bytes: usize) {
        on_disk!(self, disk => disk.admit(bytes).await)
    }

    /// A whole (small) file.
    ///
    /// # Errors
    /// `NotFound`, others of the disk.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let file = self.open(path, Open::Existing)?;
        let length = usize::try_from(file.len()).map_err(io::Error::other)?;
        Ok(file.read_at(0, length)?.to_vec())
    }

    /// Replaces a file's content so that at any instant the old or the new one is there: temporary file, fsync, rename, fsync of
    /// the directory.
    ///
    /// # Errors
    /// Of the disk.
    pub async fn write_atomically(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = format!("{path}.tmp");
        let file = self.open(&temporary, Open::Create)?;
        file.set_len(0)?;
        file.append(bytes)?;
        file.sync().await?;
        self.rename(&temporary, path)?;
        self.sync_dir(parent(path)).await
    }
}

/// The directory that `path` is in; the root's is itself.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// An open file. Clones share it.
#[derive(Clone)]
pub struct File(pub(crate) FileKind);

#[derive(Clone)]
pub(crate) enum FileKind {
    Simulated(simulated::FileHandle),
    Real(real::File),
}

macro_rules! on_file {
    ($self:ident, $file:ident => $call:expr) => {
        match &$self.0 {
            FileKind::Simulated($file) => $call,
            FileKind::Real($file) => $call,
        }
    };
}

impl File {
    /// Writes at the end and returns the position written at.
    ///
    /// # Errors
    /// `StorageFull`, others of the disk; nothing was written then.
    pub fn append(&self, bytes: &[u8]) -> io::Result<u64> {
        on_file!(self, file => file.append(bytes))
    }

    /// Writes at `position`; a gap before it reads as zeros.
    ///
    /// # Errors
    /// `StorageFull`, others of the disk; nothing was written then.
    pub fn write_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        on_file!(self, file => file.write_at(position, bytes))
    }

    /// Reads up to `length` bytes at `position`; fewer at the end of the file.
    ///
    /// # Errors
    /// Of the disk.
    pub fn read_at(&self, position: u64, length: usize) -> io::Result<Bytes> {
        on_file!(self, file => file.read_at(position, length))
    }

    /// The length in bytes.
    // Whether a file is empty is never asked.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        on_file!(self, file => file.len())
    }

    /// Cuts the file, or extends it with zeros.
    ///
    /// # Errors
    /// `StorageFull`, others of the disk.
    pub fn set_len(&self, length: u64) -> io::Result<()> {
        on_file!(self, file => file.set_len(length))
    }

    /// fsync: data and length written before are durable when this returns, the directory entry is not.
    ///
    /// # Errors
    /// Of the disk; what is durable is unknown then.
    pub async fn sync(&self) -> io::Result<()> {
        on_file!(self, file => file.sync().await)
    }
}
