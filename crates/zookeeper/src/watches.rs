//! Watches of one member's clients: one-shot, kept by the member, gone with the connection.

use std::collections::{BTreeMap, BTreeSet};

use trace::ZnodeChange;

use crate::tree::{Change, parent_of};
use crate::types::WatchKind;

/// A client connection that watches.
pub type Watcher = u64;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Aspect {
    /// The znode itself: getData, and exists (also before it exists).
    Data,
    /// Its children: getChildren.
    Children,
}

/// An event for one watcher.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fired {
    /// Whom to tell.
    pub watcher: Watcher,
    /// The watched path.
    pub path: String,
    /// What happened.
    pub kind: WatchKind,
}

/// Who watches what.
#[derive(Default)]
pub struct Watches {
    by_path: BTreeMap<(String, Aspect), BTreeSet<Watcher>>,
    by_watcher: BTreeMap<Watcher, BTreeSet<(String, Aspect)>>,
}

impl Watches {
    /// Watches the znode itself: its creation, deletion and data.
    pub fn watch_data(&mut self, watcher: Watcher, path: &str) {
        self.add(watcher, path, Aspect::Data);
    }

    /// Watches the znode's children, and its deletion.
    pub fn watch_children(&mut self, watcher: Watcher, path: &str) {
        self.add(watcher, path, Aspect::Children);
    }

    fn add(&mut self, watcher: Watcher, path: &str, aspect: Aspect) {
        let key = (path.to_owned(), aspect);
        self.by_watcher.entry(watcher).or_default().insert(key.clone());
        self.by_path.entry(key).or_default().insert(watcher);
    }

    /// Forgets all that `watcher` watches.
    pub fn remove(&mut self, watcher: Watcher) {
        for key in self.by_watcher.remove(&watcher).unwrap_or_default() {
            let watchers = self.by_path.get_mut(&key).expect("both maps hold the same watches");
            watchers.remove(&watcher);
            if watchers.is_empty() {
                self.by_path.remove(&key);
            }
        }
    }

    /// How many watches there are.
    pub fn len(&self) -> usize {
        self.by_watcher.values().map(BTreeSet::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_watcher.is_empty()
    }

    /// Fires and removes what `change` concerns. A watcher of both data and children hears of a deletion once.
    pub fn trigger(&mut self, change: &Change) -> Vec<Fired> {
        let mut fired = Vec::new();
        match change.kind {
            ZnodeChange::Created => self.fire(&change.path, &[Aspect::Data], WatchKind::Created, &mut fired),
            ZnodeChange::DataChanged => self.fire(&change.path, &[Aspect::Data], WatchKind::DataChanged, &mut fired),
            ZnodeChange::Deleted => {
                self.fire(&change.path, &[Aspect::Data, Aspect::Children], WatchKind::Deleted, &mut fired);
            }
        }
        if change.kind != ZnodeChange::DataChanged {
            self.fire(parent_of(&change.path), &[Aspect::Children], WatchKind::ChildrenChanged, &mut fired);
        }
        fired
    }

    fn fire(&mut self, path: &str, aspects: &[Aspect], kind: WatchKind, fired: &mut Vec<Fired>) {
        let mut watchers = BTreeSet::new();
        for aspect in aspects {
            let key = (path.to_owned(), *aspect);
            for watcher in self.by_path.remove(&key).unwrap_or_default() {
                let watched = self.by_watcher.get_mut(&watcher).expect("both maps hold the same watches");
                watched.remove(&key);
                if watched.is_empty() {
                    self.by_watcher.remove(&watcher);
                }
                watchers.insert(watcher);
            }
        }
        fired.extend(watchers.into_iter().map(|watcher| Fired { watcher, path: path.to_owned(), kind }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, kind: ZnodeChange) -> Change {
        Change { path: path.to_owned(), kind, version: 0, owner: 0 }
    }

    #[test]
    fn a_watch_fires_once() {
        let mut watches = Watches::default();
        watches.watch_data(1, "/a");
        let fired = watches.trigger(&change("/a", ZnodeChange::DataChanged));
        assert_eq!(fired, [Fired { watcher: 1, path: "/a".into(), kind: WatchKind::DataChanged }]);
        assert!(watches.trigger(&change("/a", ZnodeChange::DataChanged)).is_empty());
        assert!(watches.is_empty());
    }

    #[test]
    fn a_deletion_is_told_once_to_who_watches_data_and_children_and_to_the_parents_watcher() {
        let mut watches = Watches::default();
        watches.watch_data(1, "/a/b");
        watches.watch_children(1, "/a/b");
        watches.watch_children(2, "/a");
        watches.watch_data(3, "/a");
        let fired = watches.trigger(&change("/a/b", ZnodeChange::Deleted));
        assert_eq!(
            fired,
            [
                Fired { watcher: 1, path: "/a/b".into(), kind: WatchKind::Deleted },
                Fired { watcher: 2, path: "/a".into(), kind: WatchKind::ChildrenChanged },
            ]
        );
        assert_eq!(watches.len(), 1, "who watches the parent's data is not concerned");
    }

    #[test]
    fn a_watch_on_what_does_not_exist_fires_at_its_creation() {
        let mut watches = Watches::default();
        watches.watch_data(1, "/a");
        let fired = watches.trigger(&change("/a", ZnodeChange::Created));
        assert_eq!(fired[0].kind, WatchKind::Created);
    }

    #[test]
    fn who_is_removed_hears_nothing() {
        let mut watches = Watches::default();
        watches.watch_data(1, "/a");
        watches.watch_children(1, "/a");
        watches.watch_data(2, "/a");
        watches.remove(1);
        let fired = watches.trigger(&change("/a", ZnodeChange::Deleted));
        assert_eq!(fired.iter().map(|fired| fired.watcher).collect::<Vec<_>>(), [2]);
    }
}
