//! Watches of one member's clients, kept by the member and gone with the connection: one-shot, or persistent.

use std::collections::{BTreeMap, BTreeSet};

use trace::ZnodeChange;
use wire::jute::WatcherType;

use crate::path::{lineage, parent_of};
use crate::tree::Change;
use crate::types::WatchKind;

/// A client connection that watches.
pub type Watcher = u64;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Aspect {
    /// The znode itself: getData, and exists (also before it exists).
    Data,
    /// Its children: getChildren.
    Children,
    /// Both, and the watch stays.
    Persistent,
    /// It and all below it, but not their lists of children; the watch stays.
    Recursive,
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

    /// Watches a znode's data and children until the watch is removed.
    pub fn watch_persistently(&mut self, watcher: Watcher, path: &str) {
        self.add(watcher, path, Aspect::Persistent);
    }

    /// Watches a znode and all below it until the watch is removed.
    pub fn watch_recursively(&mut self, watcher: Watcher, path: &str) {
        self.add(watcher, path, Aspect::Recursive);
    }

    /// Whether `watcher` has a watch of these types on the znode.
    pub fn contains(&self, watcher: Watcher, path: &str, types: WatcherType) -> bool {
        let watched = self.by_watcher.get(&watcher);
        watched.is_some_and(|watched| aspects(types).iter().any(|aspect| watched.contains(&(path.to_owned(), *aspect))))
    }

    /// Forgets the watches of these types that `watcher` has on the znode. False if there is none.
    pub fn remove_from(&mut self, watcher: Watcher, path: &str, types: WatcherType) -> bool {
        let found = self.contains(watcher, path, types);
        for aspect in aspects(types) {
            let key = (path.to_owned(), *aspect);
            if self.by_watcher.get_mut(&watcher).is_some_and(|watched| watched.remove(&key)) {
                self.unwatch(watcher, &key);
            }
        }
        if self.by_watcher.get(&watcher).is_some_and(BTreeSet::is_empty) {
            self.by_watcher.remove(&watcher);
        }
        found
    }

    fn unwatch(&mut self, watcher: Watcher, key: &(String, Aspect)) {
        let watchers = self.by_path.get_mut(key).expect("both maps hold the same watches");
        watchers.remove(&watcher);
        if watchers.is_empty() {
            self.by_path.remove(key);
        }
    }

    fn add(&mut self, watcher: Watcher, path: &str, aspect: Aspect) {
        let key = (path.to_owned(), aspect);
        self.by_watcher.entry(watcher).or_default().insert(key.clone());
        self.by_path.entry(key).or_default().insert(watcher);
    }

    /// Forgets all that `watcher` watches.
    pub fn remove(&mut self, watcher: Watcher) {
        for key in self.by_watcher.remove(&watcher).unwrap_or_default() {
            self.unwatch(watcher, &key);
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

    /// Fires what `change` concerns, and removes what is one-shot. Whoever watches in several ways hears of each event once.
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
        let mut staying = |path: &str, aspect| {
            watchers.extend(self.by_path.get(&(path.to_owned(), aspect)).into_iter().flatten());
        };
        staying(path, Aspect::Persistent);
        if kind != WatchKind::ChildrenChanged {
            lineage(path).for_each(|path| staying(path, Aspect::Recursive));
        }
        fired.extend(watchers.into_iter().map(|watcher| Fired { watcher, path: path.to_owned(), kind }));
    }
}

fn aspects(types: WatcherType) -> &'static [Aspect] {
    match types {
        WatcherType::Data => &[Aspect::Data],
        WatcherType::Children => &[Aspect::Children],
        WatcherType::Any => &[Aspect::Data, Aspect::Children, Aspect::Persistent, Aspect::Recursive],
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
    fn a_persistent_watch_stays_and_a_recursive_one_sees_all_below() {
        let mut watches = Watches::default();
        watches.watch_persistently(1, "/a");
        watches.watch_recursively(2, "/a");
        watches.watch_data(1, "/a");
        let mut told = |path, kind| {
            let fired = watches.trigger(&change(path, kind));
            fired.into_iter().map(|fired| (fired.watcher, fired.path, fired.kind)).collect::<Vec<_>>()
        };
        let event = |watcher, path: &str, kind| (watcher, path.to_owned(), kind);
        for _ in 0..2 {
            let both = [event(1, "/a", WatchKind::DataChanged), event(2, "/a", WatchKind::DataChanged)];
            assert_eq!(told("/a", ZnodeChange::DataChanged), both, "once each, also who watches twice");
        }
        let expected = [event(2, "/a/b", WatchKind::Created), event(1, "/a", WatchKind::ChildrenChanged)];
        assert_eq!(told("/a/b", ZnodeChange::Created), expected);
        assert_eq!(told("/a/b/c", ZnodeChange::Deleted), [event(2, "/a/b/c", WatchKind::Deleted)]);
        assert!(told("/b", ZnodeChange::Created).is_empty());
    }

    #[test]
    fn only_watches_of_the_types_named_are_removed() {
        let mut watches = Watches::default();
        watches.watch_data(1, "/a");
        watches.watch_children(1, "/a");
        watches.watch_recursively(1, "/a");
        watches.watch_data(2, "/a");
        assert!(watches.remove_from(1, "/a", WatcherType::Data));
        assert!(!watches.contains(1, "/a", WatcherType::Data));
        assert!(!watches.remove_from(1, "/a", WatcherType::Data), "gone");
        assert!(watches.contains(1, "/a", WatcherType::Children));
        assert!(watches.remove_from(1, "/a", WatcherType::Any));
        assert!(!watches.remove_from(1, "/a", WatcherType::Any), "gone");
        assert_eq!(watches.len(), 1, "another client's");
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
