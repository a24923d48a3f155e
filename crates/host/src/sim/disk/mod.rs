//! SimDisk: a page cache over durable extents. A crash keeps the page cache; a power loss keeps any subset of what was not
//! synced. Faults are an overlay on pristine data, and the disk outlives its node's processes.

mod content;
mod device;
mod handle;
mod tree;
mod view;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::Hasher;
use std::io;
use std::rc::Rc;

use siphasher::sip::SipHasher13;
use trace::{EventId, EventKind, Name};

use super::latency::Table;
use super::world::Inner;
use super::{DiskFault, Keep};
use crate::Entropy;
use device::Device;
pub(super) use device::{Timer, fire};
pub(crate) use handle::{DiskHandle, FileHandle};
use tree::{Directory, File, Item, Losses};
pub use view::DiskView;

/// A node's disk.
pub(crate) struct SimDisk {
    node: Name,
    seed: u64,
    /// How many disks the node had before.
    generation: u32,
    capacity: u64,
    used: Cell<u64>,
    root: Rc<Directory>,
    device: RefCell<Device>,
    faults: RefCell<Vec<(EventId, Fault)>>,
    hits: RefCell<BTreeMap<EventId, u64>>,
    power_losses: Cell<u32>,
}

/// A fault with what it needs while it is in effect.
struct Fault {
    what: DiskFault,
    /// How long a sync takes on a slow disk.
    latency: Option<Table>,
}

impl SimDisk {
    pub(super) fn new(world: &Inner, node: Name, generation: u32) -> Rc<SimDisk> {
        let options = &world.options;
        let entropy = Entropy::new(options.seed, &["disk", node.as_str(), "sync", &generation.to_string()]);
        Rc::new(SimDisk {
            node,
            seed: options.seed,
            generation,
            capacity: options.disk_capacity,
            used: Cell::new(0),
            root: Rc::default(),
            device: RefCell::new(Device::new(Table::new(options.disk_sync), entropy)),
            faults: RefCell::default(),
            hits: RefCell::default(),
            power_losses: Cell::new(0),
        })
    }

    pub fn generation(&self) -> u32 {
        self.generation
    }

    fn stream(&self, purpose: &str, number: u64) -> Entropy {
        Entropy::new(self.seed, &["disk", self.node.as_str(), purpose, &number.to_string()])
    }

    // ---- power loss

    /// Destroys unsynced data; returns the event that says how much.
    pub fn power_loss(&self, keep: Keep) -> EventKind {
        self.device.borrow_mut().power_loss();
        let number = self.power_losses.replace(self.power_losses.get() + 1);
        let mut losses = Losses::default();
        self.root.power_loss(keep, &mut self.stream("power-loss", u64::from(number)), &mut losses);
        let mut used = 0;
        self.root.walk("", &mut |_, file| {
            file.linked.set(true);
            used += file.content.borrow().len() as u64;
        });
        self.used.set(used);
        EventKind::UnsyncedLost {
            pages_kept: losses.pages.kept,
            pages_lost: losses.pages.lost,
            entries_lost: losses.entries,
        }
    }

    // ---- faults

    pub fn add_fault(&self, id: EventId, what: DiskFault) {
        let mut latency = None;
        match &what {
            DiskFault::BitRot { path, position, length, flips } => {
                if let Ok(Item::File(file)) = self.root.find(path) {
                    let mut entropy = self.stream("bit-rot", id.0);
                    file.content.borrow_mut().rot(id, *position, *length, *flips, &mut entropy);
                }
            }
            DiskFault::Slow { sync, .. } => latency = Some(Table::new(*sync)),
            _ => {}
        }
        self.faults.borrow_mut().push((id, Fault { what, latency }));
    }

    pub(super) fn heal(self: &Rc<Self>, world: &Rc<Inner>, id: EventId) {
        let before = self.faults.borrow().len();
        self.faults.borrow_mut().retain(|(fault, _)| *fault != id);
        if self.faults.borrow().len() != before {
            self.root.walk("", &mut |_, file| file.content.borrow_mut().heal(id));
            device::resume(world, self);
        }
    }

    fn hit(&self, fault: EventId) {
        *self.hits.borrow_mut().entry(fault).or_insert(0) += 1;
    }

    pub fn hits(&self, fault: EventId) -> u64 {
        self.hits.borrow().get(&fault).copied().unwrap_or(0)
    }

    /// The first fault that `matches`, counted as hit.
    fn fault(&self, matches: impl Fn(&DiskFault) -> bool) -> Option<EventId> {
        let faults = self.faults.borrow();
        let (id, _) = faults.iter().find(|(_, fault)| matches(&fault.what))?;
        self.hit(*id);
        Some(*id)
    }

    /// EIO where a fault says so.
    fn check(&self, path: &str) -> io::Result<()> {
        let failing =
            |fault: &DiskFault| matches!(fault, DiskFault::Error { prefix } if path.starts_with(prefix.as_str()));
        match self.fault(failing) {
            Some(_) => Err(io::Error::other(format!("{path}: input/output error"))),
            None => Ok(()),
        }
    }

    /// ENOSPC where `bytes` more do not fit.
    fn check_space(&self, path: &str, bytes: u64) -> io::Result<()> {
        if self.used.get().saturating_add(bytes) > self.capacity || self.is_full() {
            return Err(io::Error::new(io::ErrorKind::StorageFull, path.to_string()));
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.fault(|fault| matches!(fault, DiskFault::Full)).is_some()
    }

    /// The fault that sends this write elsewhere, if one does: it is spent then.
    fn misdirects(&self, path: &str) -> Option<EventId> {
        let faults = self.faults.borrow();
        let found = faults.iter().find(|(id, fault)| match &fault.what {
            DiskFault::MisdirectedWrite { prefix } => path.starts_with(prefix.as_str()) && self.hits(*id) == 0,
            _ => false,
        });
        found.map(|(id, _)| *id)
    }

    // ---- space

    fn resized(&self, file: &File, before: usize, after: usize) {
        if file.linked.get() {
            let used = self.used.get() + after as u64 - before as u64;
            self.used.set(used);
        }
    }

    fn unlinked(&self, item: &Item) {
        match item {
            Item::File(file) => {
                let length = file.content.borrow().len();
                self.resized(file, length, 0);
                file.linked.set(false);
            }
            Item::Directory(directory) => {
                let mut files = Vec::new();
                directory.walk("", &mut |_, file| files.push(file.clone()));
                files.into_iter().for_each(|file| self.unlinked(&Item::File(file)));
            }
        }
    }

    /// A hash of everything a process would find, faults aside.
    pub fn hash(&self) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(0, 0);
        self.root.walk("", &mut |path, file| {
            let content = file.content.borrow();
            hasher.write_usize(path.len());
            hasher.write(path.as_bytes());
            hasher.write_usize(content.len());
            hasher.write(content.pristine());
        });
        hasher.finish()
    }

    /// Drops wakers: they hold tasks.
    pub fn clear(&self) {
        self.device.borrow_mut().power_loss();
    }
}
