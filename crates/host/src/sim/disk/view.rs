//! A disk as the end-of-run checks see it.

use std::io;
use std::rc::Rc;

use super::SimDisk;
use super::tree::{File, Item};
use crate::Entry;

/// A node's disk, to look at only: what is in its page cache, with faults or without.
pub struct DiskView(Rc<SimDisk>);

impl DiskView {
    pub(in super::super) fn new(disk: Rc<SimDisk>) -> DiskView {
        DiskView(disk)
    }

    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`.
    pub fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        Ok(self.0.root.find_directory(dir)?.entries())
    }

    /// The paths of all files, sorted.
    pub fn files(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.0.root.walk("", &mut |path, _| paths.push(path.into()));
        paths.sort_unstable();
        paths
    }

    fn file(&self, path: &str) -> io::Result<Rc<File>> {
        match self.0.root.find(path)? {
            Item::File(file) => Ok(file),
            Item::Directory(_) => Err(io::Error::new(io::ErrorKind::IsADirectory, path.to_string())),
        }
    }

    /// A file's content as it was written, whatever faults show.
    ///
    /// # Errors
    /// `NotFound`, `IsADirectory`.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        Ok(self.file(path)?.content.borrow().pristine().to_vec())
    }

    /// A file's content as its process would read it: with rotten bits and misdirected writes.
    ///
    /// # Errors
    /// `NotFound`, `IsADirectory`.
    pub fn read_through_faults(&self, path: &str) -> io::Result<Vec<u8>> {
        let file = self.file(path)?;
        let length = file.content.borrow().len();
        Ok(file.content.borrow().read(0, length).0.to_vec())
    }

    /// A hash of all paths and contents, faults aside.
    pub fn hash(&self) -> u64 {
        self.0.hash()
    }
}
