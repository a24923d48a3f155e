//! What must hold in every run, whatever happened.

use std::collections::BTreeMap;

use trace::{Event, EventKind, Name, ZabRole};

/// Checks the order of transactions, the leaders of epochs, the views of sessions, and that nobody panicked.
pub fn judge(events: &[Event]) {
    let mut digests: BTreeMap<u64, u64> = BTreeMap::new();
    let mut last: BTreeMap<Name, u64> = BTreeMap::new();
    let mut order: Vec<u64> = Vec::new();
    let mut leaders: BTreeMap<u32, Name> = BTreeMap::new();
    let mut views: BTreeMap<u64, u64> = BTreeMap::new();
    for event in events {
        let node = event.node;
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
