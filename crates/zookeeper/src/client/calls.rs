//! What a client remembers of its session: calls under way, watches, and how far it has seen.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use tokio::sync::oneshot;
use trace::EventId;
use wire::jute::{self, EventType, OpCode, Request, Response, xid};

use super::{Reply, ZkError};
use crate::types::{ErrorCode, WatchKind};

/// What the answer to a call may set a watch on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Watched {
    /// The data of a znode that exists.
    Data(String),
    /// A znode, existing or not.
    Exists(String),
    /// The children of a znode that exists.
    Children(String),
}

type Answer = Result<Reply<Result<Response, ErrorCode>>, ZkError>;

/// A call that waits for its answer.
pub(super) struct Call {
    pub(super) cause: EventId,
    pub(super) request: Request,
    pub(super) watch: Option<Watched>,
    pub(super) reply: oneshot::Sender<Answer>,
}

impl Call {
    pub(super) fn fail(self, error: ZkError) {
        // Who called may have given up.
        let _ = self.reply.send(Err(error));
    }
}

/// A frame that a server should not have sent: the connection is useless.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Confused;

/// What a frame from the server means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Received {
    /// A call was answered, or a ping.
    Answered,
    /// A watch fired.
    Fired(String, WatchKind),
}

/// The state of one session on the client's side.
#[derive(Default)]
pub(super) struct SessionState {
    /// The session, or 0.
    pub(super) id: u64,
    /// Its password.
    pub(super) password: Bytes,
    /// The highest zxid seen in any reply.
    pub(super) last_zxid: u64,
    last_xid: i32,
    pending: VecDeque<(i32, Call)>,
    data: BTreeSet<String>,
    exists: BTreeSet<String>,
    children: BTreeSet<String>,
}

impl SessionState {
    /// The frame of a call, which is under way from now on.
    pub(super) fn begin(&mut self, call: Call) -> Bytes {
        self.last_xid = if self.last_xid == i32::MAX { 1 } else { self.last_xid + 1 };
        let frame = jute::encode_request(self.last_xid, &call.request);
        self.pending.push_back((self.last_xid, call));
        frame
    }

    /// The calls under way fail.
    pub(super) fn lose_connection(&mut self) {
        for (_, call) in self.pending.drain(..) {
            call.fail(ZkError::ConnectionLoss);
        }
    }

    /// The request that sets all watches again after a reconnect, if there are any.
    pub(super) fn set_watches(&self) -> Option<Bytes> {
        if self.data.is_empty() && self.exists.is_empty() && self.children.is_empty() {
            return None;
        }
        let list = |paths: &BTreeSet<String>| paths.iter().cloned().collect();
        let request = Request::SetWatches {
            relative_zxid: self.last_zxid as i64,
            data: list(&self.data),
            exist: list(&self.exists),
            child: list(&self.children),
        };
        Some(jute::encode_request(xid::SET_WATCHES, &request))
    }

    /// A frame came. Whether `last_zxid` moved shows what the session has seen.
    pub(super) fn receive(&mut self, frame: Bytes, cause: EventId) -> Result<Received, Confused> {
        let (header, body) = match jute::decode_reply(frame).map_err(|_| Confused)? {
            jute::Reply::Event { event, .. } => return self.fire(&event),
            jute::Reply::Answer { header, body } => (header, body),
        };
        let zxid = u64::try_from(header.zxid).unwrap_or(0);
        if matches!(header.xid, xid::PING | xid::AUTH | xid::SET_WATCHES) {
            self.last_zxid = self.last_zxid.max(zxid);
            return Ok(Received::Answered);
        }
        let (xid, call) = self.pending.pop_front().ok_or(Confused)?;
        if xid != header.xid {
            call.fail(ZkError::ConnectionLoss);
            return Err(Confused);
        }
        // Also a lower one is taken over: a view that goes back must be seen, not hidden.
        if zxid > 0 {
            self.last_zxid = zxid;
        }
        let operation = call.request.operation();
        let value = match header.error {
            0 => Ok(Response::get(operation, body).map_err(|_| Confused)?),
            code => Err(ErrorCode::from_code(code)),
        };
        match value {
            // A late revalidation gave the session to a member that this client has left. It reconnects, and has lost nothing
            // but the connection.
            Err(ErrorCode::SessionMoved) => {
                call.fail(ZkError::ConnectionLoss);
                return Err(Confused);
            }
            Err(ErrorCode::SessionExpired) => {
                call.fail(ZkError::SessionExpired);
                return Ok(Received::Answered);
            }
            Ok(_) | Err(_) => {}
        }
        self.watch(operation, call.watch, value.is_ok());
        let _ = call.reply.send(Ok(Reply { value, zxid, cause }));
        Ok(Received::Answered)
    }

    fn watch(&mut self, operation: OpCode, watched: Option<Watched>, exists: bool) {
        match watched {
            Some(Watched::Data(path)) if exists => drop(self.data.insert(path)),
            Some(Watched::Exists(path)) if exists => drop(self.data.insert(path)),
            Some(Watched::Exists(path)) => drop(self.exists.insert(path)),
            Some(Watched::Children(path)) if exists => drop(self.children.insert(path)),
            Some(Watched::Data(_) | Watched::Children(_)) => {}
            None => assert!(operation != OpCode::Notification, "nobody calls a notification"),
        }
    }

    fn fire(&mut self, event: &jute::WatcherEvent) -> Result<Received, Confused> {
        let path = event.path.clone();
        let kind = match EventType::from_code(event.event_type) {
            Some(EventType::NodeCreated) => WatchKind::Created,
            Some(EventType::NodeDeleted) => WatchKind::Deleted,
            Some(EventType::NodeDataChanged) => WatchKind::DataChanged,
            Some(EventType::NodeChildrenChanged) => WatchKind::ChildrenChanged,
            Some(EventType::None) | None => return Err(Confused),
        };
        if kind != WatchKind::ChildrenChanged {
            self.data.remove(&path);
            self.exists.remove(&path);
        }
        if matches!(kind, WatchKind::ChildrenChanged | WatchKind::Deleted) {
            self.children.remove(&path);
        }
        Ok(Received::Fired(path, kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(request: Request, watch: Option<Watched>) -> (Call, oneshot::Receiver<Answer>) {
        let (reply, replied) = oneshot::channel();
        (Call { cause: EventId::ROOT, request, watch, reply }, replied)
    }

    fn exists(path: &str) -> (Call, oneshot::Receiver<Answer>) {
        call(Request::Exists { path: path.into(), watch: true }, Some(Watched::Exists(path.into())))
    }

    fn event(kind: EventType, path: &str) -> Bytes {
        jute::encode_event(&jute::WatcherEvent { event_type: kind.code(), state: 3, path: path.into() })
    }

    #[test]
    fn calls_under_way_end_in_connection_loss_when_the_connection_breaks() {
        let mut state = SessionState::default();
        let (first, mut replied) = exists("/a");
        state.begin(first);
        state.lose_connection();
        assert_eq!(replied.try_recv().unwrap(), Err(ZkError::ConnectionLoss));
    }

    #[test]
    fn an_exists_watch_on_nothing_is_set_again_until_it_fires() {
        let mut state = SessionState::default();
        let (first, mut replied) = exists("/a");
        state.begin(first);
        let reply = jute::encode_error(1, 9, jute::ErrorCode::NoNode);
        assert_eq!(state.receive(reply, EventId(4)), Ok(Received::Answered));
        let reply = replied.try_recv().unwrap().unwrap();
        assert_eq!((reply.value, reply.zxid, reply.cause), (Err(ErrorCode::NoNode), 9, EventId(4)));
        assert_eq!(state.last_zxid, 9);
        assert!(state.set_watches().is_some());
        let fired = state.receive(event(EventType::NodeCreated, "/a"), EventId(5));
        assert_eq!(fired, Ok(Received::Fired("/a".into(), WatchKind::Created)));
        assert!(state.set_watches().is_none(), "a watch fires once");
    }

    #[test]
    fn an_answer_out_of_order_ends_the_connection() {
        let mut state = SessionState::default();
        let (first, mut replied) = exists("/a");
        state.begin(first);
        assert_eq!(state.receive(jute::encode_error(7, 9, jute::ErrorCode::NoNode), EventId(4)), Err(Confused));
        assert_eq!(replied.try_recv().unwrap(), Err(ZkError::ConnectionLoss));
        assert_eq!(state.receive(Bytes::from_static(b"\0\0\0\x01x"), EventId(4)), Err(Confused));
    }
}
