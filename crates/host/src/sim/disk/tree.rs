//! The directory tree: what processes see, what is durable, and the changes in between.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::rc::Rc;

use super::super::Keep;
use super::content::{Content, Survivors};
use crate::{Entropy, Entry};

/// A file. It lives as long as a name or a handle leads to it.
#[derive(Default)]
pub(super) struct File {
    pub content: RefCell<Content>,
    /// Whether a name leads to it, so that its bytes take space.
    pub linked: Cell<bool>,
}

/// What a name leads to.
#[derive(Clone)]
pub(super) enum Item {
    File(Rc<File>),
    Directory(Rc<Directory>),
}

type Names = BTreeMap<String, Item>;

/// A directory.
#[derive(Default)]
pub(super) struct Directory {
    live: RefCell<Names>,
    durable: RefCell<Names>,
    /// What was done since the last sync, in order.
    journal: RefCell<Vec<Change>>,
}

enum Change {
    Link {
        name: String,
        item: Item,
    },
    Unlink {
        name: String,
    },
    /// Atomic. `from` is in the directory given, or in this one.
    Rename {
        source: Option<Rc<Directory>>,
        from: String,
        to: String,
        item: Item,
    },
}

/// What a power loss destroyed below a directory.
#[derive(Clone, Copy, Default)]
pub(super) struct Losses {
    pub pages: Survivors,
    pub entries: u32,
}

fn error(kind: ErrorKind, path: &str) -> io::Error {
    io::Error::new(kind, path.to_string())
}

impl Directory {
    pub fn get(&self, name: &str) -> Option<Item> {
        self.live.borrow().get(name).cloned()
    }

    pub fn entries(&self) -> Vec<Entry> {
        let entry = |(name, item): (&String, &Item)| Entry {
            name: name.clone(),
            directory: matches!(item, Item::Directory(_)),
        };
        self.live.borrow().iter().map(entry).collect()
    }

    /// What `path` leads to, from here.
    pub fn find(self: &Rc<Self>, path: &str) -> io::Result<Item> {
        let mut item = Item::Directory(self.clone());
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let Item::Directory(directory) = item else {
                return Err(error(ErrorKind::NotADirectory, path));
            };
            item = directory.get(part).ok_or_else(|| error(ErrorKind::NotFound, path))?;
        }
        Ok(item)
    }

    pub fn find_directory(self: &Rc<Self>, path: &str) -> io::Result<Rc<Directory>> {
        match self.find(path)? {
            Item::Directory(directory) => Ok(directory),
            Item::File(_) => Err(error(ErrorKind::NotADirectory, path)),
        }
    }

    pub fn link(&self, name: &str, item: Item) {
        self.live.borrow_mut().insert(name.into(), item.clone());
        self.journal.borrow_mut().push(Change::Link { name: name.into(), item });
    }

    pub fn unlink(&self, name: &str) -> Option<Item> {
        let item = self.live.borrow_mut().remove(name)?;
        self.journal.borrow_mut().push(Change::Unlink { name: name.into() });
        Some(item)
    }

    /// Moves `from` in `source` to `to` in this directory; returns what was there.
    pub fn take_over(self: &Rc<Self>, source: &Rc<Directory>, from: &str, to: &str) -> Option<Item> {
        let item = source.live.borrow_mut().remove(from).expect("the caller looked it up");
        let replaced = self.live.borrow_mut().insert(to.into(), item.clone());
        let source = (!Rc::ptr_eq(self, source)).then(|| source.clone());
        self.journal.borrow_mut().push(Change::Rename { source, from: from.into(), to: to.into(), item });
        replaced
    }

    pub fn is_dirty(&self) -> bool {
        !self.journal.borrow().is_empty()
    }

    /// How many changes a sync that begins now covers.
    pub fn begin_sync(&self) -> usize {
        self.journal.borrow().len()
    }

    /// The first `count` changes are durable.
    pub fn end_sync(&self, count: usize) {
        let changes: Vec<Change> = self.journal.borrow_mut().drain(..count).collect();
        for change in changes {
            self.persist(change);
        }
    }

    fn persist(&self, change: Change) {
        match change {
            Change::Link { name, item } => drop(self.durable.borrow_mut().insert(name, item)),
            Change::Unlink { name } => drop(self.durable.borrow_mut().remove(&name)),
            Change::Rename { source, from, to, item } => {
                let source = source.as_deref().unwrap_or(self);
                source.durable.borrow_mut().remove(&from);
                self.durable.borrow_mut().insert(to, item);
            }
        }
    }

    /// The machine loses its power: what is live afterwards is what is durable then.
    pub fn power_loss(&self, keep: Keep, entropy: &mut Entropy, losses: &mut Losses) {
        self.lose_changes(keep, entropy, losses);
        let survivors = self.durable.borrow().clone();
        for item in survivors.values() {
            match item {
                Item::Directory(directory) => directory.power_loss(keep, entropy, losses),
                Item::File(file) => {
                    let pages = file.content.borrow_mut().power_loss(keep, entropy);
                    losses.pages.kept += pages.kept;
                    losses.pages.lost += pages.lost;
                }
            }
        }
        self.live.replace(survivors);
    }

    /// Any subset of the changes survives, but none that builds on a lost change of the same name.
    fn lose_changes(&self, keep: Keep, entropy: &mut Entropy, losses: &mut Losses) {
        let mut lost_names = BTreeSet::new();
        for change in self.journal.take() {
            let names: Vec<String> = match &change {
                Change::Link { name, .. } | Change::Unlink { name } => vec![name.clone()],
                Change::Rename { from, to, .. } => vec![from.clone(), to.clone()],
            };
            let survives = match keep {
                Keep::All => true,
                Keep::None => false,
                Keep::Random => entropy.below(2) == 0 && !names.iter().any(|name| lost_names.contains(name)),
            };
            if survives {
                self.persist(change);
            } else {
                losses.entries += 1;
                lost_names.extend(names);
            }
        }
    }

    /// Calls `each` with every file below, in order of their paths.
    pub fn walk(&self, path: &str, each: &mut dyn FnMut(&str, &Rc<File>)) {
        for (name, item) in &*self.live.borrow() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            match item {
                Item::File(file) => each(&path, file),
                Item::Directory(directory) => directory.walk(&path, each),
            }
        }
    }
}
