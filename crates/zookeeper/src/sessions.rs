//! Session expiry, decided by the leader alone.
//!
//! Deadlines are rounded up to the next tick, so that sessions expire in buckets as in ZooKeeper: a session of 6 s at ticks
//! of 2 s expires 6 to 8 s after the leader last heard of it. A new leader gives every session its whole timeout again.

use std::collections::{BTreeMap, BTreeSet};

use trace::EventId;

use crate::Nanos;

#[derive(Clone, Debug)]
struct Tracked {
    timeout: Nanos,
    deadline: Nanos,
    /// The last sign of life.
    cause: EventId,
    /// The member the session is attached to, once one has claimed it.
    owner: Option<u32>,
}

/// The leader's table of sessions and deadlines. Times are nanoseconds of the leader's monotonic clock.
pub struct Sessions {
    tick: Nanos,
    tracked: BTreeMap<u64, Tracked>,
    buckets: BTreeMap<Nanos, BTreeSet<u64>>,
}

impl Sessions {
    /// An empty table with buckets one `tick` apart.
    pub fn new(tick: Nanos) -> Sessions {
        assert!(tick > 0, "ticks take time");
        Sessions { tick, tracked: BTreeMap::new(), buckets: BTreeMap::new() }
    }

    fn bucket(&self, at: Nanos) -> Nanos {
        (at / self.tick + 1) * self.tick
    }

    /// Tracks a session whose timeout begins now. An owner known before stays.
    pub fn add(&mut self, session: u64, timeout_ms: u32, now: Nanos, cause: EventId) {
        let owner = self.forget(session).and_then(|tracked| tracked.owner);
        let timeout = u64::from(timeout_ms) * 1_000_000;
        let deadline = self.bucket(now + timeout);
        self.tracked.insert(session, Tracked { timeout, deadline, cause, owner });
        self.buckets.entry(deadline).or_default().insert(session);
    }

    fn forget(&mut self, session: u64) -> Option<Tracked> {
        let tracked = self.tracked.remove(&session)?;
        let bucket = self.buckets.get_mut(&tracked.deadline).expect("a tracked session is in its bucket");
        assert!(bucket.remove(&session), "a tracked session is in its bucket");
        if bucket.is_empty() {
            self.buckets.remove(&tracked.deadline);
        }
        Some(tracked)
    }

    /// Stops tracking a session that ended.
    pub fn remove(&mut self, session: u64) {
        self.forget(session);
    }

    /// A sign of life. False if the session is not tracked (any more): a sign that comes too late changes nothing.
    pub fn touch(&mut self, session: u64, now: Nanos, cause: EventId) -> bool {
        let Some(mut tracked) = self.forget(session) else { return false };
        tracked.deadline = self.bucket(now + tracked.timeout).max(tracked.deadline);
        tracked.cause = cause;
        self.buckets.entry(tracked.deadline).or_default().insert(session);
        self.tracked.insert(session, tracked);
        true
    }

    /// Attaches a session to the member its client is connected to now. False if it is not tracked.
    pub fn attach(&mut self, session: u64, member: u32) -> bool {
        self.tracked.get_mut(&session).map(|tracked| tracked.owner = Some(member)).is_some()
    }

    /// Whether `member` may send requests of the session: it is the owner, or becomes it because nobody was.
    /// A session that is not tracked has no owner; its requests fail where they are applied.
    pub fn check_owner(&mut self, session: u64, member: u32) -> bool {
        self.tracked.get_mut(&session).is_none_or(|tracked| *tracked.owner.get_or_insert(member) == member)
    }

    /// Takes the sessions out whose bucket has passed, each with its last sign of life.
    pub fn expire(&mut self, now: Nanos) -> Vec<(u64, EventId)> {
        let mut expired = Vec::new();
        while let Some((deadline, bucket)) = self.buckets.first_key_value() {
            if *deadline > now {
                break;
            }
            let session = *bucket.first().expect("no bucket is empty");
            let tracked = self.forget(session).expect("a bucket holds tracked sessions");
            expired.push((session, tracked.cause));
        }
        expired
    }

    /// When the next bucket passes.
    pub fn deadline(&self) -> Option<Nanos> {
        self.buckets.first_key_value().map(|(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn expired(sessions: &mut Sessions, now: Nanos) -> Vec<u64> {
        sessions.expire(now).into_iter().map(|(session, _)| session).collect()
    }

    #[test]
    fn a_session_expires_between_its_timeout_and_one_tick_more() {
        for silence in [0, 1, SECOND, 2 * SECOND - 1] {
            let mut sessions = Sessions::new(2 * SECOND);
            let start = 10 * SECOND + silence;
            sessions.add(1, 6000, start, EventId(1));
            assert!(sessions.expire(start + 6 * SECOND).is_empty(), "not before its timeout");
            assert_eq!(sessions.expire(start + 8 * SECOND), [(1, EventId(1))]);
        }
    }

    #[test]
    fn a_touch_moves_the_deadline_and_names_the_cause() {
        let mut sessions = Sessions::new(2 * SECOND);
        sessions.add(1, 6000, 0, EventId(1));
        sessions.add(2, 6000, 0, EventId(1));
        assert!(sessions.touch(1, 5 * SECOND, EventId(7)));
        assert_eq!(expired(&mut sessions, 8 * SECOND), [2]);
        assert_eq!(sessions.expire(14 * SECOND), [(1, EventId(7))]);
        assert!(!sessions.touch(1, 14 * SECOND, EventId(8)), "too late");
        assert_eq!(sessions.deadline(), None);
    }

    #[test]
    fn a_request_from_a_member_the_session_left_is_refused() {
        let mut sessions = Sessions::new(SECOND);
        sessions.add(1, 6000, 0, EventId(1));
        assert!(sessions.check_owner(1, 2), "the first to claim it owns it");
        assert!(!sessions.check_owner(1, 3));
        assert!(sessions.attach(1, 3));
        assert!(sessions.check_owner(1, 3));
        assert!(!sessions.check_owner(1, 2));
        assert!(!sessions.attach(9, 3), "no such session");
    }
}
