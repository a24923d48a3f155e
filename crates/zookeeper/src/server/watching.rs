//! Requests about watches.

use bytes::Bytes;
use trace::EventId;
use wire::jute::{AddWatchMode, WatcherType};

use super::{ConnectionId, Server, replies};
use crate::types::{ErrorCode, WatchKind, Zxid};

impl Server {
    /// Sets a reconnected client's watches again; what it missed fires at once.
    pub(super) fn set_watches(
        &mut self,
        cause: EventId,
        connection: ConnectionId,
        seen: Zxid,
        (data, exist, child): (Vec<String>, Vec<String>, Vec<String>),
    ) {
        for path in data {
            match replies::missed_data(&self.tree, seen, &path) {
                Some(kind) => self.send(cause, connection, replies::event(kind, &path)),
                None => self.watches.watch_data(connection, &path),
            }
        }
        for path in exist {
            match self.tree.stat(&path) {
                Some(_) => self.send(cause, connection, replies::event(WatchKind::Created, &path)),
                None => self.watches.watch_data(connection, &path),
            }
        }
        for path in child {
            match replies::missed_children(&self.tree, seen, &path) {
                Some(kind) => self.send(cause, connection, replies::event(kind, &path)),
                None => self.watches.watch_children(connection, &path),
            }
        }
    }

    /// The same for persistent ones. As in ZooKeeper, these tell nothing of what was missed.
    pub(super) fn set_persistent_watches(&mut self, connection: ConnectionId, plain: &[String], recursive: &[String]) {
        plain.iter().for_each(|path| self.watches.watch_persistently(connection, path));
        recursive.iter().for_each(|path| self.watches.watch_recursively(connection, path));
    }

    pub(super) fn add_watch(&mut self, connection: ConnectionId, xid: i32, path: &str, mode: i32) -> Bytes {
        match AddWatchMode::from_code(mode) {
            Some(AddWatchMode::Persistent) => self.watches.watch_persistently(connection, path),
            Some(AddWatchMode::PersistentRecursive) => self.watches.watch_recursively(connection, path),
            None => return replies::error(xid, self.tree.last_zxid(), ErrorCode::BadArguments),
        }
        replies::watched(xid, self.tree.last_zxid())
    }

    pub(super) fn check_watches(&self, connection: ConnectionId, xid: i32, path: &str, kind: i32) -> Bytes {
        let found = WatcherType::from_code(kind).map(|types| self.watches.contains(connection, path, types));
        self.found(xid, found)
    }

    pub(super) fn remove_watches(&mut self, connection: ConnectionId, xid: i32, path: &str, kind: i32) -> Bytes {
        let found = WatcherType::from_code(kind).map(|types| self.watches.remove_from(connection, path, types));
        self.found(xid, found)
    }

    fn found(&self, xid: i32, found: Option<bool>) -> Bytes {
        let zxid = self.tree.last_zxid();
        match found {
            Some(true) => replies::empty(xid, zxid),
            Some(false) => replies::error(xid, zxid, ErrorCode::NoWatcher),
            None => replies::error(xid, zxid, ErrorCode::BadArguments),
        }
    }
}
