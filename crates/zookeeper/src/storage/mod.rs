//! What a member keeps on its disk: log segments (`log.ZXID`, after that zxid), one snapshot (`snapshot.ZXID`), and the two
//! epochs.

mod record;

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;
use host::{Disk, File, Open};

use crate::tree::Tree;
use crate::types::Zxid;
use crate::zab::{Durable, Entry, History};

struct Segment {
    /// All its entries come after this zxid.
    after: Zxid,
    path: String,
    file: File,
}

/// A member's disk.
pub(crate) struct Storage {
    disk: Disk,
    directory: String,
    segments: Vec<Segment>,
    /// Where each entry's record ends: its zxid, the zxid its segment comes after, the position.
    ends: VecDeque<(Zxid, Zxid, u64)>,
    snapshot: Zxid,
    last: Zxid,
    /// Segments with bytes that no [`SyncWork`] covers yet.
    dirty: Vec<(Zxid, File)>,
    directory_dirty: bool,
    generation: u64,
}

/// Files to fsync, so that all up to `last` is durable.
pub(crate) struct SyncWork {
    disk: Disk,
    directory: Option<String>,
    files: Vec<(Zxid, File)>,
    /// The last entry appended before.
    pub(crate) last: Zxid,
    /// [`Storage::generation`] when it was appended.
    pub(crate) generation: u64,
}

impl SyncWork {
    /// Takes over what `later` would do.
    pub(crate) fn merge(&mut self, later: SyncWork) {
        self.directory = self.directory.take().or(later.directory);
        (self.last, self.generation) = (later.last, later.generation);
        for (after, file) in later.files {
            if self.files.iter().all(|(known, _)| *known != after) {
                self.files.push((after, file));
            }
        }
    }

    /// Makes it durable.
    pub(crate) async fn run(&self) -> io::Result<()> {
        for (_, file) in &self.files {
            file.sync().await?;
        }
        if let Some(directory) = &self.directory {
            self.disk.sync_dir(directory).await?;
        }
        Ok(())
    }
}

impl Storage {
    /// Recovers what the disk holds: the newest snapshot that is whole, the log behind it up to the first record that is not,
    /// the epochs. All of it is durable when this returns.
    pub(crate) async fn open(disk: Disk, directory: &str) -> io::Result<(Storage, Durable, Tree)> {
        disk.create_dir_all(directory)?;
        let names: Vec<String> = disk.list(directory)?.into_iter().map(|entry| entry.name).collect();
        let tree = newest_snapshot(&disk, directory, &names)?;
        let snapshot = tree.last_zxid();
        let mut storage = Storage {
            disk,
            directory: directory.to_owned(),
            segments: Vec::new(),
            ends: VecDeque::new(),
            snapshot,
            last: snapshot,
            dirty: Vec::new(),
            directory_dirty: true,
            generation: 0,
        };
        let entries = storage.recover_segments(&names)?;
        if storage.segments.is_empty() {
            storage.add_segment(snapshot)?;
        }
        storage.flush().await?;
        storage.disk.sync_dir(directory.rsplit_once('/').map_or("", |(parent, _)| parent)).await?;
        let durable = Durable {
            accepted_epoch: storage.read_epoch("acceptedEpoch")?,
            current_epoch: storage.read_epoch("currentEpoch")?,
            history: History::new(snapshot, entries),
        };
        Ok((storage, durable, tree))
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }

    fn recover_segments(&mut self, names: &[String]) -> io::Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut torn = false;
        for after in numbered(names, "log.") {
            let path = self.path(&segment_name(after));
            // A segment that begins later than the log before it ends: the tail of that one was lost without a trace.
            torn |= after > self.last;
            if torn {
                self.disk.delete(&path)?;
                continue;
            }
            let file = self.disk.open(&path, Open::Existing)?;
            let decoded = record::decode(file.read_at(0, file.len() as usize)?);
            let mut end = 0;
            for (entry, record_end) in decoded {
                if entry.zxid > self.snapshot {
                    if entry.zxid <= self.last {
                        break;
                    }
                    self.last = entry.zxid;
                    self.ends.push_back((entry.zxid, after, record_end));
                    entries.push(entry);
                }
                end = record_end;
            }
            if end < file.len() {
                torn = true;
                file.set_len(end)?;
            }
            self.segments.push(Segment { after, path, file });
        }
        Ok(entries)
    }

    fn read_epoch(&self, name: &str) -> io::Result<u32> {
        let path = self.path(name);
        if !self.disk.exists(&path) {
            return Ok(0);
        }
        let text = String::from_utf8_lossy(&self.disk.read(&path)?).into_owned();
        text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{path}: no epoch: {text}")))
    }

    /// Makes the accepted epoch durable.
    pub(crate) async fn accept_epoch(&self, epoch: u32) -> io::Result<()> {
        self.disk.write_atomically(&self.path("acceptedEpoch"), epoch.to_string().as_bytes()).await
    }

    /// Makes the current epoch durable.
    pub(crate) async fn enter_epoch(&self, epoch: u32) -> io::Result<()> {
        self.disk.write_atomically(&self.path("currentEpoch"), epoch.to_string().as_bytes()).await
    }

    fn add_segment(&mut self, after: Zxid) -> io::Result<()> {
        let path = self.path(&segment_name(after));
        let file = self.disk.open(&path, Open::Create)?;
        // A file of that name was left by a crash before it was used.
        file.set_len(0)?;
        self.directory_dirty = true;
        self.dirty.push((after, file.clone()));
        self.segments.push(Segment { after, path, file });
        Ok(())
    }

    /// Appends an entry to the page cache; [`Storage::sync_work`] makes it durable.
    pub(crate) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        assert!(entry.zxid > self.last, "{} logged after {}", entry.zxid, self.last);
        let segment = self.segments.last().expect("there is always a segment");
        let record = record::encode(entry);
        let start = segment.file.append(&record)?;
        self.ends.push_back((entry.zxid, segment.after, start + record.len() as u64));
        self.last = entry.zxid;
        if self.dirty.is_empty() {
            self.dirty.push((segment.after, segment.file.clone()));
        }
        Ok(())
    }

    /// What to fsync for all appended so far, if anything is new.
    pub(crate) fn sync_work(&mut self) -> Option<SyncWork> {
        if self.dirty.is_empty() {
            return None;
        }
        let directory = std::mem::take(&mut self.directory_dirty).then(|| self.directory.clone());
        let files = std::mem::take(&mut self.dirty);
        Some(SyncWork { disk: self.disk.clone(), directory, files, last: self.last, generation: self.generation })
    }

    /// Grows whenever the log's end is replaced: an fsync begun before says nothing about what stands there now.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Makes all durable now, also what an unfinished [`SyncWork`] was to do.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.dirty.clear();
        self.directory_dirty = false;
        for segment in &self.segments {
            segment.file.sync().await?;
        }
        self.disk.sync_dir(&self.directory).await
    }

    /// Cuts the log after `zxid`, durably.
    pub(crate) async fn truncate(&mut self, zxid: Zxid) -> io::Result<()> {
        assert!(zxid >= self.snapshot, "a snapshot holds only what is committed");
        self.generation += 1;
        while self.ends.back().is_some_and(|(last, ..)| *last > zxid) {
            self.ends.pop_back();
        }
        // Later segments first: a crash in between must not leave a hole in the log.
        while self.segments.len() > 1 && self.segments.last().is_some_and(|segment| segment.after > zxid) {
            let segment = self.segments.pop().expect("checked");
            self.disk.delete(&segment.path)?;
            self.disk.sync_dir(&self.directory).await?;
        }
        let segment = self.segments.last().expect("there is always a segment");
        self.last = self.ends.back().map_or(self.snapshot, |(last, ..)| *last);
        let end = match self.ends.back().filter(|(_, after, _)| *after == segment.after) {
            Some((_, _, end)) => *end,
            None => {
                // What the segment holds up to the snapshot is not indexed.
                let decoded = record::decode(segment.file.read_at(0, segment.file.len() as usize)?);
                decoded.iter().rev().find(|(entry, _)| entry.zxid <= self.last).map_or(0, |(_, end)| *end)
            }
        };
        segment.file.set_len(end)?;
        self.flush().await
    }

    /// Replaces log and snapshot by a state that ends at `zxid`, durably.
    pub(crate) async fn install(&mut self, zxid: Zxid, state: &[u8]) -> io::Result<()> {
        // Only who is behind gets a snapshot, so the old log lies before it: a crash in between recovers the new state.
        assert!(self.last < zxid, "a snapshot to {zxid} would replace a log to {}", self.last);
        self.generation += 1;
        self.disk.write_atomically(&self.path(&snapshot_name(zxid)), &with_checksum(state)).await?;
        for segment in std::mem::take(&mut self.segments) {
            self.disk.delete(&segment.path)?;
        }
        self.ends.clear();
        self.last = zxid;
        self.snapshot_written(zxid)?;
        self.add_segment(zxid)?;
        self.flush().await
    }

    /// Begins a snapshot: where to write which bytes (atomically). The log goes on in a new segment.
    pub(crate) fn begin_snapshot(&mut self, tree: &Tree) -> io::Result<(String, Vec<u8>)> {
        if self.segments.last().is_some_and(|segment| segment.after < self.last) {
            self.add_segment(self.last)?;
        }
        Ok((self.path(&snapshot_name(tree.last_zxid())), with_checksum(&tree.encode())))
    }

    /// A snapshot up to `zxid` is durable: what it covers is deleted.
    pub(crate) fn snapshot_written(&mut self, zxid: Zxid) -> io::Result<()> {
        let names: Vec<String> = self.disk.list(&self.directory)?.into_iter().map(|entry| entry.name).collect();
        self.snapshot = self.snapshot.max(zxid);
        for older in numbered(&names, "snapshot.").into_iter().filter(|older| *older < self.snapshot) {
            self.disk.delete(&self.path(&snapshot_name(older)))?;
        }
        while self.segments.len() > 1 && self.segments[1].after <= self.snapshot {
            let segment = self.segments.remove(0);
            self.disk.delete(&segment.path)?;
            self.ends.retain(|(_, after, _)| *after != segment.after);
        }
        while self.ends.front().is_some_and(|(first, ..)| *first <= self.snapshot) {
            self.ends.pop_front();
        }
        self.directory_dirty = true;
        Ok(())
    }
}

fn segment_name(after: Zxid) -> String {
    format!("log.{:016x}", after.0)
}

fn snapshot_name(zxid: Zxid) -> String {
    format!("snapshot.{:016x}", zxid.0)
}

/// The zxids of the files with this prefix, ascending.
fn numbered(names: &[String], prefix: &str) -> Vec<Zxid> {
    let number = |name: &String| u64::from_str_radix(name.strip_prefix(prefix)?, 16).ok().map(Zxid);
    let mut zxids: Vec<Zxid> = names.iter().filter_map(number).collect();
    zxids.sort_unstable();
    zxids
}

fn newest_snapshot(disk: &Disk, directory: &str, names: &[String]) -> io::Result<Tree> {
    for zxid in numbered(names, "snapshot.").into_iter().rev() {
        let bytes = Bytes::from(disk.read(&format!("{directory}/{}", snapshot_name(zxid)))?);
        let tree = checked(bytes).and_then(|state| Tree::decode(state).ok());
        if let Some(tree) = tree.filter(|tree| tree.last_zxid() == zxid) {
            return Ok(tree);
        }
    }
    Ok(Tree::default())
}

fn with_checksum(state: &[u8]) -> Vec<u8> {
    let mut bytes = crc32c::crc32c(state).to_be_bytes().to_vec();
    bytes.extend_from_slice(state);
    bytes
}

fn checked(bytes: Bytes) -> Option<Bytes> {
    let crc = u32::from_be_bytes(*bytes.first_chunk()?);
    let state = bytes.slice(4..);
    (crc32c::crc32c(&state) == crc).then_some(state)
}
