//! The data directory: a folder for each node, which one process at a time may use.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Node, ServeError};

/// Where all nodes' data is.
#[derive(Debug)]
pub enum DataDirectory {
    /// Removed when dropped.
    Temporary(TempDir),
    /// Kept.
    Kept(PathBuf),
}

impl DataDirectory {
    /// The given one, or a temporary one.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn open(path: Option<&Path>) -> Result<DataDirectory, ServeError> {
        match path {
            Some(path) => {
                fs::create_dir_all(path).map_err(ServeError::file("create the data directory", path))?;
                let path = path.canonicalize().map_err(ServeError::file("find", path))?;
                Ok(DataDirectory::Kept(path))
            }
            None => {
                let made = tempfile::Builder::new().prefix("odradek-serve-").tempdir();
                let made = made.map_err(ServeError::file("create a temporary directory in", &std::env::temp_dir()))?;
                Ok(DataDirectory::Temporary(made))
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            DataDirectory::Temporary(made) => made.path(),
            DataDirectory::Kept(path) => path,
        }
    }

    /// Whether it goes away in the end.
    pub fn is_temporary(&self) -> bool {
        matches!(self, DataDirectory::Temporary(_))
    }
}

const LOCK: &str = ".lock";
const INCARNATION: &str = "incarnation";

/// One node's folder, locked until dropped. A process that dies, however, unlocks it.
pub(crate) struct NodeDirectory {
    path: PathBuf,
    _lock: File,
}

impl NodeDirectory {
    pub(crate) fn open(root: &Path, node: Node) -> Result<NodeDirectory, ServeError> {
        let path = root.join(node.name().as_str());
        fs::create_dir_all(&path).map_err(ServeError::file("create", &path))?;
        let lock = path.join(LOCK);
        let file = File::options().create(true).append(true).open(&lock);
        let file = file.map_err(ServeError::file("open", &lock))?;
        match file.try_lock() {
            Ok(()) => Ok(NodeDirectory { path, _lock: file }),
            Err(TryLockError::WouldBlock) => Err(ServeError::Locked(path)),
            Err(TryLockError::Error(source)) => Err(ServeError::file("lock", &lock)(source)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How often the node was started before; counts this start. Durable, so that no two processes of a node are one
    /// incarnation.
    pub(crate) fn next_incarnation(&self) -> Result<u32, ServeError> {
        let file = self.path.join(INCARNATION);
        let started = match fs::read_to_string(&file) {
            Ok(text) => text
                .trim()
                .parse::<u32>()
                .map_err(|error| ServeError::file("read a number from", &file)(std::io::Error::other(error)))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(ServeError::file("read", &file)(error)),
        };
        let written = (|| {
            let draft = self.path.join("incarnation.tmp");
            let mut new = File::create(&draft)?;
            writeln!(new, "{}", started.saturating_add(1))?;
            new.sync_all()?;
            fs::rename(&draft, &file)?;
            File::open(&self.path)?.sync_all()
        })();
        written.map_err(ServeError::file("write", &file))?;
        Ok(started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_counts_its_starts_over_processes() {
        let root = DataDirectory::open(None).unwrap();
        for started in 0..3 {
            let directory = NodeDirectory::open(root.path(), Node::Broker(1)).unwrap();
            assert_eq!(directory.next_incarnation().unwrap(), started);
        }
        fs::write(root.path().join("broker-1").join(INCARNATION), "many").unwrap();
        let directory = NodeDirectory::open(root.path(), Node::Broker(1)).unwrap();
        assert!(directory.next_incarnation().unwrap_err().to_string().contains("incarnation"));
    }

    #[test]
    fn a_nodes_folder_is_used_by_one_at_a_time() {
        let root = DataDirectory::open(None).unwrap();
        let first = NodeDirectory::open(root.path(), Node::Broker(1)).unwrap();
        assert!(matches!(NodeDirectory::open(root.path(), Node::Broker(1)), Err(ServeError::Locked(_))));
        NodeDirectory::open(root.path(), Node::Broker(2)).unwrap();
        drop(first);
        NodeDirectory::open(root.path(), Node::Broker(1)).unwrap();
    }

    #[test]
    fn a_temporary_directory_goes_away_and_a_named_one_stays() {
        let temporary = DataDirectory::open(None).unwrap();
        let (path, kept) = (temporary.path().to_owned(), temporary.path().join("kept"));
        drop(DataDirectory::open(Some(&kept)).unwrap());
        assert!(kept.is_dir());
        drop(temporary);
        assert!(!path.exists());
    }
}
