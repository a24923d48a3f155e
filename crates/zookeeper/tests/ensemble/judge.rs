//! What must hold in every run, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use trace::{Event, EventId, EventKind, Name, ZabRole, ZnodeChange};

/// Checks the order of transactions, the leaders of epochs, the views of sessions, and that nobody panicked.
pub fn judge(events: &[Event]) {
    let mut digests: BTreeMap<u64, u64> = BTreeMap::new();
    let mut last: BTreeMap<Name, u64> = BTreeMap::new();
    let mut order: Vec<u64> = Vec::new();
    let mut leaders: BTreeMap<u32, Name> = BTreeMap::new();
    let mut views: BTreeMap<u64, u64> = BTreeMap::new();
    let mut sessions = Sessions::default();
    for event in events {
        let node = event.node;
        sessions.judge(event);
        match &event.kind {
            EventKind::NodePanicked { message } => panic!("{node} panicked: {message}"),
            EventKind::ZabSynchronized { zxid } => drop(last.insert(node, *zxid)),
            EventKind::ZabDelivered { zxid, digest } => {
                assert_eq!(*digests.entry(*zxid).or_insert(*digest), *digest, "{zxid:x} differs on {node}");
                let before = last.insert(node, *zxid).expect("a member synchronizes before it delivers");
                follow(&mut order, before, *zxid, node);
            }
            EventKind::ZabRoleChanged { role: ZabRole::Leading, epoch } => {
                assert_eq!(*leaders.entry(*epoch).or_insert(node), node, "epoch {epoch} has two leaders");
            }
            EventKind::SessionView { session, zxid } => {
                let before = views.insert(*session, *zxid).unwrap_or(0);
                assert!(before <= *zxid, "the view of {session:x} goes back from {before:x} to {zxid:x}");
            }
            _ => {}
        }
    }
}

/// `zxid` comes right after `before` in the one order that all members share.
fn follow(order: &mut Vec<u64>, before: u64, zxid: u64, node: Name) {
    let next = if before == 0 { 0 } else { order.binary_search(&before).expect("delivered before") + 1 };
    match order.get(next) {
        Some(known) => assert_eq!(*known, zxid, "{node} delivers {zxid:x} after {before:x}"),
        None => order.push(zxid),
    }
}

/// Ephemerals die exactly with their session.
#[derive(Default)]
struct Sessions {
    /// The first delivery of the last transaction: only effects it caused are new.
    first: (u64, EventId),
    ended: BTreeSet<u64>,
    ephemerals: BTreeMap<Name, u64>,
}

impl Sessions {
    fn judge(&mut self, event: &Event) {
        if let EventKind::ZabDelivered { zxid, .. } = event.kind
            && zxid > self.first.0
        {
            self.first = (zxid, event.id);
        }
        if event.cause != self.first.1 {
            return;
        }
        match event.kind {
            EventKind::ZnodeChanged { path, change: ZnodeChange::Created, owner, .. } if owner != 0 => {
                assert!(!self.ended.contains(&owner), "{path} is created for a session that ended");
                assert_eq!(self.ephemerals.insert(path, owner), None, "{path} is created twice");
            }
            EventKind::ZnodeChanged { path, change: ZnodeChange::Deleted, owner, .. } if owner != 0 => {
                assert_eq!(self.ephemerals.remove(&path), Some(owner), "{path} is deleted once");
            }
            EventKind::SessionEnded { session, .. } => {
                assert!(self.ended.insert(session), "a session ends once");
                let left: Vec<&Name> =
                    self.ephemerals.iter().filter(|(_, owner)| **owner == session).map(|(path, _)| path).collect();
                assert!(left.is_empty(), "{left:?} outlive their session");
            }
            _ => {}
        }
    }
}
