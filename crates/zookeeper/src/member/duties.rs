//! What a leader does besides Zab: it keeps the sessions' deadlines, refuses requests of sessions that moved, and answers syncs.

use trace::EventId;

use crate::Nanos;
use crate::sessions::Sessions;
use crate::tree::{Applied, Tree};
use crate::txn::{Action, Origin, Txn};
use crate::types::{ErrorCode, Zxid};

/// Who waits for a sync: a tag of the own server, or of a follower's behind its link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Waiter {
    /// The follower's link; none for the own server.
    pub(super) link: Option<u64>,
    /// The server's tag.
    pub(super) tag: u64,
    /// The request.
    pub(super) cause: EventId,
}

/// The duties of an established leader.
pub(super) struct Duties {
    pub(super) sessions: Sessions,
    syncs: Vec<(Zxid, Waiter)>,
}

impl Duties {
    /// A new leader knows nothing of when clients were last heard: every session gets its whole timeout again.
    pub(super) fn new(tick: Nanos, tree: &Tree, now: Nanos, cause: EventId) -> Duties {
        let mut sessions = Sessions::new(tick);
        for (session, timeout_ms) in tree.sessions() {
            sessions.add(session, timeout_ms, now, cause);
        }
        Duties { sessions, syncs: Vec::new() }
    }

    /// The transaction for a request.
    pub(super) fn transaction(&mut self, origin: Origin, session: u64, action: Action, time: i64) -> Txn {
        let opens = matches!(action, Action::CreateSession { .. });
        let owns = opens || self.sessions.check_owner(session, origin.member);
        let action = if owns { action } else { Action::Fail(ErrorCode::SessionMoved) };
        Txn { time, session, origin, action }
    }

    /// A transaction was delivered: sessions come and go.
    pub(super) fn delivered(&mut self, txn: &Txn, applied: &Applied, now: Nanos, cause: EventId) {
        if applied.result.is_err() {
            return;
        }
        match txn.action {
            Action::CreateSession { timeout_ms } => {
                self.sessions.add(txn.session, timeout_ms, now, cause);
                self.sessions.attach(txn.session, txn.origin.member);
            }
            Action::CloseSession { .. } => self.sessions.remove(txn.session),
            Action::One(..) | Action::Multi(..) | Action::Fail(_) => {}
        }
    }

    /// A client came to `member` with a session: its timeout, or 0 if it is gone.
    pub(super) fn revalidate(&mut self, tree: &Tree, session: u64, member: u32, now: Nanos, cause: EventId) -> u32 {
        let alive = self.sessions.touch(session, now, cause) && self.sessions.attach(session, member);
        if alive { tree.session_timeout(session).unwrap_or(0) } else { 0 }
    }

    /// Somebody wants to know when all up to `zxid` is delivered.
    pub(super) fn sync(&mut self, zxid: Zxid, waiter: Waiter) {
        self.syncs.push((zxid, waiter));
    }

    /// Takes those whose wait is over.
    pub(super) fn synced(&mut self, delivered: Zxid) -> Vec<Waiter> {
        let done = self.syncs.extract_if(.., |(zxid, _)| *zxid <= delivered);
        done.map(|(_, waiter)| waiter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn opened(tree: &mut Tree, session: u64) -> (Txn, Applied) {
        let origin = Origin { member: 1, tag: 1 };
        let txn = Txn { time: 0, session, origin, action: Action::CreateSession { timeout_ms: 6000 } };
        let zxid = Zxid(tree.last_zxid().0 + 1);
        let applied = tree.apply(zxid, &txn);
        (txn, applied)
    }

    #[test]
    fn a_new_leader_gives_every_session_its_whole_timeout() {
        let mut tree = Tree::default();
        opened(&mut tree, 5);
        let mut duties = Duties::new(2 * SECOND, &tree, 100 * SECOND, EventId(3));
        assert!(duties.sessions.expire(105 * SECOND).is_empty());
        assert_eq!(duties.sessions.expire(108 * SECOND), [(5, EventId(3))]);
        assert_eq!(duties.revalidate(&tree, 5, 1, 108 * SECOND, EventId(4)), 0, "it is being closed");
    }

    #[test]
    fn a_session_that_moved_is_refused_where_it_was() {
        let mut tree = Tree::default();
        let mut duties = Duties::new(2 * SECOND, &tree, 0, EventId(1));
        let (txn, applied) = opened(&mut tree, 5);
        duties.delivered(&txn, &applied, 0, EventId(2));
        assert_eq!(duties.revalidate(&tree, 5, 2, 0, EventId(3)), 6000);
        let close = Action::CloseSession { expired: false };
        let at = |member| Origin { member, tag: 1 };
        assert_eq!(duties.transaction(at(1), 5, close.clone(), 0).action, Action::Fail(ErrorCode::SessionMoved));
        assert_eq!(duties.transaction(at(2), 5, close.clone(), 0).action, close);
    }

    #[test]
    fn a_sync_waits_for_what_was_proposed_before_it() {
        let mut duties = Duties::new(SECOND, &Tree::default(), 0, EventId(1));
        let waiter = |tag| Waiter { link: None, tag, cause: EventId(1) };
        duties.sync(Zxid(5), waiter(1));
        duties.sync(Zxid(6), waiter(2));
        assert!(duties.synced(Zxid(4)).is_empty());
        assert_eq!(duties.synced(Zxid(5)), [waiter(1)]);
        assert_eq!(duties.synced(Zxid(9)), [waiter(2)]);
    }
}
