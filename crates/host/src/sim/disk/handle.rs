//! A process's handles on its disk and files. Once it is dead, they fail.

use std::io::{self, ErrorKind};
use std::rc::Rc;

use bytes::Bytes;

use super::super::node::Process;
use super::SimDisk;
use super::device::{self, Target};
use super::tree::{Directory, File, Item};
use crate::disk::parent;
use crate::{Entry, Open};

#[derive(Clone)]
pub(crate) struct DiskHandle {
    process: Rc<Process>,
    disk: Rc<SimDisk>,
}

#[derive(Clone)]
pub(crate) struct FileHandle {
    process: Rc<Process>,
    disk: Rc<SimDisk>,
    file: Rc<File>,
    /// As it was opened.
    path: Rc<str>,
}

fn died() -> io::Error {
    io::Error::other("this process has died")
}

fn error(kind: ErrorKind, path: &str) -> io::Error {
    io::Error::new(kind, path.to_string())
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

impl DiskHandle {
    pub fn new(process: Rc<Process>, disk: Rc<SimDisk>) -> DiskHandle {
        DiskHandle { process, disk }
    }

    fn check(&self, path: &str) -> io::Result<()> {
        if self.process.is_dead() { Err(died()) } else { self.disk.check(path) }
    }

    fn parent(&self, path: &str) -> io::Result<Rc<Directory>> {
        if file_name(path).is_empty() {
            return Err(error(ErrorKind::InvalidInput, path));
        }
        self.disk.root.find_directory(parent(path))
    }

    pub fn create_dir_all(&self, path: &str) -> io::Result<()> {
        self.check(path)?;
        let mut directory = self.disk.root.clone();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            directory = match directory.get(part) {
                Some(Item::Directory(child)) => child,
                Some(Item::File(_)) => return Err(error(ErrorKind::NotADirectory, path)),
                None => {
                    self.disk.check_space(path, 0)?;
                    let child = Rc::<Directory>::default();
                    directory.link(part, Item::Directory(child.clone()));
                    child
                }
            };
        }
        Ok(())
    }

    pub fn open(&self, path: &str, open: Open) -> io::Result<FileHandle> {
        self.check(path)?;
        let directory = self.parent(path)?;
        let name = file_name(path);
        let file = match (directory.get(name), open) {
            (Some(Item::Directory(_)), _) => return Err(error(ErrorKind::IsADirectory, path)),
            (Some(Item::File(_)), Open::New) => return Err(error(ErrorKind::AlreadyExists, path)),
            (Some(Item::File(file)), _) => file,
            (None, Open::Existing) => return Err(error(ErrorKind::NotFound, path)),
            (None, Open::Create | Open::New) => {
                self.disk.check_space(path, 0)?;
                let file = Rc::<File>::default();
                file.linked.set(true);
                directory.link(name, Item::File(file.clone()));
                file
            }
        };
        Ok(FileHandle { process: self.process.clone(), disk: self.disk.clone(), file, path: path.into() })
    }

    pub fn list(&self, dir: &str) -> io::Result<Vec<Entry>> {
        self.check(dir)?;
        Ok(self.disk.root.find_directory(dir)?.entries())
    }

    pub fn exists(&self, path: &str) -> bool {
        self.disk.root.find(path).is_ok()
    }

    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.check(from)?;
        self.check(to)?;
        let (source, target) = (self.parent(from)?, self.parent(to)?);
        let moved = source.get(file_name(from)).ok_or_else(|| error(ErrorKind::NotFound, from))?;
        if from == to {
            return Ok(());
        }
        match (target.get(file_name(to)), moved) {
            (Some(Item::Directory(_)), _) => return Err(error(ErrorKind::AlreadyExists, to)),
            (Some(Item::File(_)), Item::Directory(_)) => return Err(error(ErrorKind::NotADirectory, to)),
            _ => {}
        }
        if let Some(replaced) = target.take_over(&source, file_name(from), file_name(to)) {
            self.disk.unlinked(&replaced);
        }
        Ok(())
    }

    pub fn delete(&self, path: &str) -> io::Result<()> {
        self.check(path)?;
        let directory = self.parent(path)?;
        match directory.get(file_name(path)) {
            None => Err(error(ErrorKind::NotFound, path)),
            Some(Item::Directory(_)) => Err(error(ErrorKind::IsADirectory, path)),
            Some(item) => {
                self.disk.unlinked(&item);
                directory.unlink(file_name(path));
                Ok(())
            }
        }
    }

    pub fn delete_dir_all(&self, path: &str) -> io::Result<()> {
        self.check(path)?;
        let directory = self.parent(path)?;
        match directory.get(file_name(path)) {
            None => Err(error(ErrorKind::NotFound, path)),
            Some(Item::File(_)) => Err(error(ErrorKind::NotADirectory, path)),
            Some(item) => {
                self.disk.unlinked(&item);
                directory.unlink(file_name(path));
                Ok(())
            }
        }
    }

    pub fn free_space(&self) -> u64 {
        if self.disk.is_full() {
            return 0;
        }
        self.disk.capacity.saturating_sub(self.disk.used.get())
    }

    pub async fn sync_dir(&self, dir: &str) -> io::Result<()> {
        if self.process.is_dead() {
            return std::future::pending().await;
        }
        self.disk.check(dir)?;
        let directory = self.disk.root.find_directory(dir)?;
        if directory.is_dirty() {
            device::sync(&self.process.world, &self.disk, Target::Directory(directory, 0), dir).await?;
        }
        Ok(())
    }

    pub async fn admit(&self, bytes: usize) {
        if self.process.is_dead() {
            return std::future::pending().await;
        }
        if !self.disk.faults.borrow().is_empty() {
            device::admit(&self.process.world, &self.disk, bytes).await;
        }
    }
}

impl FileHandle {
    fn check(&self) -> io::Result<()> {
        if self.process.is_dead() { Err(died()) } else { self.disk.check(&self.path) }
    }

    pub fn append(&self, bytes: &[u8]) -> io::Result<u64> {
        let position = self.len();
        self.write_at(position, bytes)?;
        Ok(position)
    }

    pub fn write_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.check()?;
        let position = usize::try_from(position).map_err(io::Error::other)?;
        let before = self.len() as usize;
        let after =
            before.max(position.checked_add(bytes.len()).ok_or_else(|| error(ErrorKind::FileTooLarge, &self.path))?);
        if after > before {
            self.disk.check_space(&self.path, (after - before) as u64)?;
        }
        let mut content = self.file.content.borrow_mut();
        let misdirected = self.disk.misdirects(&self.path);
        let elsewhere = misdirected.is_some_and(|fault| {
            content.write_elsewhere(fault, position, bytes, &mut self.disk.stream("misdirected", fault.0))
        });
        match misdirected {
            Some(fault) if elsewhere => self.disk.hit(fault),
            _ if position == before => drop(content.append(bytes)),
            _ => content.write(position, bytes),
        }
        self.disk.resized(&self.file, before, after);
        Ok(())
    }

    pub fn read_at(&self, position: u64, length: usize) -> io::Result<Bytes> {
        self.check()?;
        let (bytes, faults) = self.file.content.borrow().read(position, length);
        faults.into_iter().for_each(|fault| self.disk.hit(fault));
        Ok(bytes)
    }

    pub fn len(&self) -> u64 {
        self.file.content.borrow().len() as u64
    }

    pub fn set_len(&self, length: u64) -> io::Result<()> {
        self.check()?;
        let (before, after) = (self.len() as usize, usize::try_from(length).map_err(io::Error::other)?);
        if after > before {
            self.disk.check_space(&self.path, (after - before) as u64)?;
        }
        self.file.content.borrow_mut().set_len(after);
        self.disk.resized(&self.file, before, after);
        Ok(())
    }

    pub async fn sync(&self) -> io::Result<()> {
        if self.process.is_dead() {
            return std::future::pending().await;
        }
        self.disk.check(&self.path)?;
        if self.file.content.borrow().is_dirty() {
            device::sync(&self.process.world, &self.disk, Target::File(self.file.clone()), &self.path).await?;
        }
        Ok(())
    }
}
