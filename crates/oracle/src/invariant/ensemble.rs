//! O9: every ensemble member delivers the same transactions in one order; a session's view never goes back; an ephemeral znode
//! goes with its session, at the same zxid, and none is created for an ended one; a Zab epoch has one established leader.
//!
//! From: Zab (Junqueira et al., DSN 2011): total order, integrity, agreement; ZooKeeper's guarantees to clients; KAFKA-1387,
//! KAFKA-7165 for what depends on ephemerals.
//! Legal: a member skips what a snapshot or its own log already gave it (`ZabSynchronized`); a client deletes its own
//! ephemerals while its session lives.
//! Not checked: that a watch event comes before the changed data (events do not tell when a watch was set); multi's atomicity;
//! uniqueness of sequential names.

use std::collections::BTreeMap;

use trace::{Event, EventId, EventKind, Name, ZabRole, ZnodeChange};

use crate::finding::{Charge, Findings};
use crate::judge::{Moment, Oracle};
use crate::sparse::Table;

/// A transaction as the first member delivered it, and the one it delivered before.
#[derive(Clone, Copy)]
struct Delivered {
    digest: u64,
    before: Option<u64>,
    event: EventId,
}

/// A session that ended, and the ephemerals that should be gone with it.
struct Ended {
    session: u64,
    zxid: u64,
    event: EventId,
}

#[derive(Default)]
pub(crate) struct Ensemble {
    order: BTreeMap<u64, Delivered>,
    /// The last zxid of every member's tree.
    members: Table<Name, u64>,
    leaders: BTreeMap<u32, (Name, EventId)>,
    views: Table<u64, (u64, EventId)>,
    ephemerals: BTreeMap<Name, u64>,
    ended: BTreeMap<u64, Ended>,
    /// Sessions that ended and whose ephemerals were not compared yet.
    closing: Vec<Ended>,
    /// The last zxid whose changes were told: a restarted leader tells older ones again while it replays its log.
    told: u64,
}

impl Oracle for Ensemble {
    fn observe(&mut self, moment: &Moment, findings: &mut Findings) {
        let event = moment.event;
        match &event.kind {
            EventKind::ZabDelivered { zxid, digest } => {
                findings.fact();
                self.deliver(event, *zxid, *digest, findings);
                self.close(event, *zxid, findings);
            }
            EventKind::ZabSynchronized { zxid } => {
                self.members.insert(event.node, *zxid);
            }
            EventKind::ZabRoleChanged { role: ZabRole::Leading, epoch } => {
                findings.fact();
                let (holder, first) = *self.leaders.entry(*epoch).or_insert((event.node, event.id));
                if holder != event.node {
                    let summary = format!("{} leads Zab epoch {epoch}, as {holder} did before", event.node);
                    findings.raise(Charge::at(event, None, "two-leaders", summary).proven_by([first]));
                }
            }
            EventKind::SessionView { session, zxid } => {
                findings.fact();
                let last = self.views.entry(*session).or_insert((*zxid, event.id));
                if *zxid < last.0 {
                    let summary = format!(
                        "session {session:#x} of {} saw zxid {zxid:#x} after it had seen {:#x}",
                        event.node, last.0
                    );
                    findings.raise(Charge::at(event, None, "view-went-back", summary).proven_by([last.1]));
                } else {
                    *last = (*zxid, event.id);
                }
            }
            EventKind::SessionEnded { zxid, .. } | EventKind::ZnodeChanged { zxid, .. } if *zxid < self.told => {}
            EventKind::SessionEnded { session, zxid, .. } => {
                self.told = *zxid;
                let ended = || Ended { session: *session, zxid: *zxid, event: event.id };
                self.ended.insert(*session, ended());
                self.closing.push(ended());
            }
            EventKind::ZnodeChanged { path, change, owner, zxid, .. } => {
                self.told = *zxid;
                self.close(event, *zxid, findings);
                self.znode(event, *path, *change, (*owner, *zxid), findings);
            }
            _ => {}
        }
    }

    fn finish(&mut self, ending: &crate::judge::Ending, findings: &mut Findings) {
        self.close(&ending.end.event(), u64::MAX, findings);
    }
}

impl Ensemble {
    fn deliver(&mut self, event: &Event, zxid: u64, digest: u64, findings: &mut Findings) {
        let name = event.node;
        let last = self.members.insert(name, zxid);
        if let Some(last) = last.filter(|last| *last >= zxid) {
            let summary = format!("{name} delivered zxid {zxid:#x} after {last:#x}");
            findings.raise(Charge::at(event, None, "order", summary));
        }
        // Where a member was before is only comparable if that was itself delivered, by whomever.
        let before = last.filter(|last| self.order.contains_key(last));
        let first = self.order.entry(zxid).or_insert(Delivered { digest, before, event: event.id });
        if first.digest != digest {
            let summary = format!("{name} delivered another transaction as zxid {zxid:#x} than a member before");
            findings.raise(Charge::at(event, None, "other-transaction", summary).proven_by([first.event]));
        }
        match (first.before, before) {
            (Some(known), Some(before)) if known != before => {
                let summary = format!(
                    "{name} delivered zxid {zxid:#x} right after {before:#x}; another member had {known:#x} in between or before"
                );
                findings.raise(Charge::at(event, None, "order", summary).proven_by([first.event]));
            }
            (None, Some(_)) => first.before = before,
            _ => {}
        }
    }

    fn znode(
        &mut self,
        event: &Event,
        path: Name,
        change: ZnodeChange,
        (owner, zxid): (u64, u64),
        findings: &mut Findings,
    ) {
        match change {
            ZnodeChange::Created if owner != 0 => {
                findings.fact();
                if let Some(ended) = self.ended.get(&owner).filter(|ended| ended.zxid < zxid) {
                    let summary = format!(
                        "{path} was created at zxid {zxid:#x} for session {owner:#x}, which ended at {:#x}",
                        ended.zxid
                    );
                    findings.raise(Charge::at(event, None, "created-for-ended", summary).proven_by([ended.event]));
                }
                self.ephemerals.insert(path, owner);
            }
            ZnodeChange::Created | ZnodeChange::Deleted => {
                self.ephemerals.remove(&path);
            }
            ZnodeChange::DataChanged => {}
        }
    }

    /// Once the ensemble is past a session's end, none of its ephemerals may be left.
    fn close(&mut self, event: &Event, zxid: u64, findings: &mut Findings) {
        if self.closing.iter().all(|ended| ended.zxid >= zxid) {
            return;
        }
        let (past, open) = std::mem::take(&mut self.closing).into_iter().partition(|ended| ended.zxid < zxid);
        self.closing = open;
        let past: Vec<Ended> = past;
        for ended in past {
            findings.fact();
            let left = self.ephemerals.iter().find(|(_, owner)| **owner == ended.session);
            if let Some((path, _)) = left {
                let summary = format!(
                    "session {:#x} ended at zxid {:#x}, and its ephemeral {path} outlived it",
                    ended.session, ended.zxid
                );
                findings.raise(Charge::at(event, None, "ephemeral-outlived", summary).proven_by([ended.event]));
                self.ephemerals.retain(|_, owner| *owner != ended.session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use trace::ZnodeChange::{Created, Deleted};

    use crate::story::Story;

    fn story() -> Story {
        Story::of("ensemble")
    }

    #[test]
    fn members_that_deliver_one_order_agree() {
        let mut story = story();
        story.zab_leads(1, 1).delivers(1, &[1, 2, 3]).delivers(2, &[1, 2, 3]).synchronized(3, 2).delivers(3, &[3]);
        story.zab_leads(2, 2).delivers(2, &[9]).synchronized(1, 9).delivers(3, &[9]).quiet();
    }

    #[test]
    fn a_member_must_not_skip_a_transaction() {
        story().delivers(1, &[1, 2, 3]).delivers(2, &[1, 3]).fires(&["order"]);
    }

    #[test]
    fn a_member_must_not_deliver_backwards_unless_it_was_rewound() {
        story().delivers(1, &[1, 2, 1]).fires(&["order"]);
        story().delivers(1, &[1, 2]).synchronized(1, 0).delivers(1, &[1, 2]).quiet();
    }

    #[test]
    fn a_zxid_is_one_transaction() {
        story().delivers(1, &[1]).delivers_other(2, 1).fires(&["other-transaction"]);
    }

    #[test]
    fn an_epoch_has_one_leader() {
        story().zab_leads(1, 1).zab_leads(1, 1).quiet();
        story().zab_leads(1, 1).zab_leads(2, 1).fires(&["two-leaders"]);
    }

    #[test]
    fn a_sessions_view_never_goes_back() {
        story().view(7, 3).view(8, 1).view(7, 3).view(7, 4).quiet();
        story().view(7, 3).view(7, 2).fires(&["view-went-back"]);
    }

    #[test]
    fn ephemerals_go_with_their_session() {
        let mut story = story();
        story.znode("/brokers/ids/9", Created, 0, 9, 1).session_ended(9, 2).znode("/brokers/ids/9", Deleted, 0, 9, 2);
        story.znode("/other", Created, 0, 0, 3).quiet();
    }

    #[test]
    fn an_ephemeral_must_not_outlive_its_session() {
        let mut story = story();
        story.znode("/brokers/ids/9", Created, 0, 9, 1).session_ended(9, 2).znode("/other", Created, 0, 0, 3);
        story.fires(&["ephemeral-outlived"]);
    }

    #[test]
    fn nothing_is_created_for_an_ended_session() {
        story().session_ended(9, 2).znode("/brokers/ids/9", Created, 0, 9, 3).fires(&["created-for-ended"]);
    }

    #[test]
    fn a_restarted_leader_may_tell_its_log_again() {
        let mut story = story();
        story.znode("/brokers/ids/9", Created, 0, 9, 1).session_ended(9, 2).znode("/brokers/ids/9", Deleted, 0, 9, 2);
        story.znode("/other", Created, 0, 0, 3).znode("/brokers/ids/9", Created, 0, 9, 1).delivers(2, &[3]).quiet();
    }

    #[test]
    fn a_client_may_delete_its_own_ephemeral() {
        story().znode("/controller", Created, 0, 9, 1).znode("/controller", Deleted, 0, 9, 2).view(9, 2).quiet();
    }
}
