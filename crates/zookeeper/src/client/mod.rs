//! The client: one session at a time, kept alive by a task of its own.

mod calls;
mod task;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;
use host::{Address, Host};
use thiserror::Error;
use tokio::sync::{Notify, oneshot};
use trace::EventId;
use wire::jute::{self, Operation, OperationResult, Request, Response};

use crate::types::{CreateMode, Created, ErrorCode, Op, OpResult, Stat, WatchKind};
use calls::{Call, Watched};

/// Why a call failed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ZkError {
    /// The ensemble refused it; nothing changed.
    #[error("{0}")]
    Refused(ErrorCode),
    /// An operation of a multi was refused; nothing changed.
    #[error("operation {index} of a multi: {error}")]
    Multi {
        /// Which.
        index: usize,
        /// Why.
        error: ErrorCode,
    },
    /// The session expired before the call was sent.
    #[error("the session expired")]
    SessionExpired,
    /// The connection broke before the answer came: nobody knows whether a write took effect.
    #[error("the connection broke before the answer came")]
    ConnectionLoss,
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

#[allow(non_upper_case_globals, reason = "they are used, and matched, as variants")]
impl ZkError {
    /// No such znode, or its parent is missing.
    pub const NoNode: ZkError = ZkError::Refused(ErrorCode::NoNode);
    /// There is a znode of that path.
    pub const NodeExists: ZkError = ZkError::Refused(ErrorCode::NodeExists);
    /// The znode has another version.
    pub const BadVersion: ZkError = ZkError::Refused(ErrorCode::BadVersion);
    /// The znode has children.
    pub const NotEmpty: ZkError = ZkError::Refused(ErrorCode::NotEmpty);
    /// The session is attached to another member now. Callers see [`ZkError::ConnectionLoss`] instead: the client reconnects.
    pub const SessionMoved: ZkError = ZkError::Refused(ErrorCode::SessionMoved);
}

/// A call's result, and the frame that brought it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply<T> {
    /// The result.
    pub value: T,
    /// The transaction (of a write), or the last one the member had applied (of a read).
    pub zxid: u64,
    /// The delivery of the frame that answered.
    pub cause: EventId,
}

impl<T> Reply<T> {
    fn map<U>(self, map: impl FnOnce(T) -> U) -> Reply<U> {
        Reply { value: map(self.value), zxid: self.zxid, cause: self.cause }
    }
}

/// What happens to a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientEvent {
    /// A watch fired, and is gone.
    Watch {
        /// The watched path.
        path: String,
        /// What happened.
        kind: WatchKind,
        /// The delivery of the frame.
        cause: EventId,
    },
    /// It has a session and a connection.
    Connected {
        /// The session.
        session: u64,
        /// Whether the session is new: ephemerals and watches of an earlier one are gone.
        new: bool,
        /// The delivery of the frame.
        cause: EventId,
    },
    /// The connection broke. The session lives on, as far as one knows.
    Disconnected {
        /// What showed it.
        cause: EventId,
    },
    /// The ensemble says that the session expired. A new one is opened next.
    SessionExpired {
        /// The session that was.
        session: u64,
        /// The delivery of the frame.
        cause: EventId,
    },
}

struct Shared {
    host: Host,
    servers: Vec<Address>,
    timeout_ms: u32,
    session: Cell<u64>,
    closed: Cell<bool>,
    calls: RefCell<VecDeque<Call>>,
    events: RefCell<VecDeque<ClientEvent>>,
    /// There is a call to send, or the client was closed.
    work: Notify,
    /// There is an event to take.
    news: Notify,
    /// The client has ended, and its session with it if it was connected.
    ended: Cell<bool>,
    /// It has just ended.
    over: Notify,
}

impl Shared {
    fn tell(&self, event: ClientEvent) {
        self.events.borrow_mut().push_back(event);
        self.news.notify_one();
    }
}

/// A client of an ensemble. Clones share the session.
///
/// Calls made while disconnected wait for the connection, and fail only if the session turns out to have expired. Calls under
/// way when the connection breaks fail with [`ZkError::ConnectionLoss`]. Calls are answered in the order they were made.
#[derive(Clone)]
pub struct Client(Rc<Shared>);

impl Client {
    /// Starts a client that tries `servers` in an order of its own. Its session expires after `session_timeout_ms` of silence,
    /// which the ensemble may raise or lower (to 2 to 20 ticks).
    ///
    /// # Panics
    /// If there are no servers.
    pub fn connect(host: Host, servers: Vec<Address>, session_timeout_ms: u32) -> Client {
        assert!(!servers.is_empty(), "a client needs a server to connect to");
        let shared = Rc::new(Shared {
            host: host.clone(),
            servers,
            timeout_ms: session_timeout_ms,
            session: Cell::new(0),
            closed: Cell::new(false),
            calls: RefCell::default(),
            events: RefCell::default(),
            work: Notify::new(),
            news: Notify::new(),
            ended: Cell::new(false),
            over: Notify::new(),
        });
        host.spawn("zookeeper-client", task::run(Rc::clone(&shared)));
        Client(shared)
    }

    /// Creates a znode.
    ///
    /// # Errors
    /// `NodeExists`, `NoNode` (of the parent), `NoChildrenForEphemerals`, `BadArguments`; and what every call may fail with.
    pub async fn create(
        &self,
        cause: EventId,
        path: &str,
        data: Bytes,
        mode: CreateMode,
    ) -> Result<Reply<Created>, ZkError> {
        let operation = operation(Op::Create { path: path.into(), data, mode });
        let reply = self.call(cause, Request::Write(operation), None).await?;
        let czxid = reply.zxid;
        reply.expect(|response| match response {
            Response::Write(OperationResult::Create { path }) => Some(Created { path, czxid }),
            _ => None,
        })
    }

    /// Deletes a znode of that version, or of any with -1.
    ///
    /// # Errors
    /// `NoNode`, `BadVersion`, `NotEmpty`; and what every call may fail with.
    pub async fn delete(&self, cause: EventId, path: &str, version: i32) -> Result<Reply<()>, ZkError> {
        let operation = operation(Op::Delete { path: path.into(), version });
        let reply = self.call(cause, Request::Write(operation), None).await?;
        reply.expect(|response| matches!(response, Response::Write(OperationResult::Delete)).then_some(()))
    }

    /// Replaces a znode's data if it has that version, or any with -1. Returns its stat after that.
    ///
    /// # Errors
    /// `NoNode`, `BadVersion`; and what every call may fail with.
    pub async fn set_data(
        &self,
        cause: EventId,
        path: &str,
        data: Bytes,
        version: i32,
    ) -> Result<Reply<Stat>, ZkError> {
        let operation = operation(Op::SetData { path: path.into(), data, version });
        let reply = self.call(cause, Request::Write(operation), None).await?;
        reply.expect(|response| match response {
            Response::Write(OperationResult::SetData { stat }) => Some(stat.into()),
            _ => None,
        })
    }

    /// A znode's data and stat. The watch fires when it is changed or deleted.
    ///
    /// # Errors
    /// `NoNode` (no watch is set then); and what every call may fail with.
    pub async fn get_data(&self, cause: EventId, path: &str, watch: bool) -> Result<Reply<(Bytes, Stat)>, ZkError> {
        let request = Request::GetData { path: path.into(), watch };
        let reply = self.call(cause, request, watch.then(|| Watched::Data(path.into()))).await?;
        reply.expect(|response| match response {
            Response::GetData { data, stat } => Some((data.unwrap_or_default(), stat.into())),
            _ => None,
        })
    }

    /// A znode's stat, if it exists. The watch fires when it is created, changed or deleted.
    ///
    /// # Errors
    /// What every call may fail with.
    pub async fn exists(&self, cause: EventId, path: &str, watch: bool) -> Result<Reply<Option<Stat>>, ZkError> {
        let request = Request::Exists { path: path.into(), watch };
        let reply = self.answer(cause, request, watch.then(|| Watched::Exists(path.into()))).await?;
        match &reply.value {
            Err(ErrorCode::NoNode) => Ok(reply.map(|_| None)),
            Err(error) => Err(ZkError::Refused(*error)),
            Ok(Response::Exists { stat }) => {
                let stat = (*stat).into();
                Ok(reply.map(|_| Some(stat)))
            }
            Ok(_) => Err(ZkError::Refused(ErrorCode::Marshalling)),
        }
    }

    /// The names of a znode's children, sorted, and its stat. The watch fires when a child is created or deleted, or the
    /// znode itself deleted.
    ///
    /// # Errors
    /// `NoNode` (no watch is set then); and what every call may fail with.
    pub async fn get_children(
        &self,
        cause: EventId,
        path: &str,
        watch: bool,
    ) -> Result<Reply<(Vec<String>, Stat)>, ZkError> {
        let request = Request::GetChildren2 { path: path.into(), watch };
        let reply = self.call(cause, request, watch.then(|| Watched::Children(path.into()))).await?;
        reply.expect(|response| match response {
            Response::GetChildren2 { mut children, stat } => {
                children.sort_unstable();
                Some((children, stat.into()))
            }
            _ => None,
        })
    }

    /// Does all of the operations or none.
    ///
    /// # Errors
    /// [`ZkError::Multi`] with the first operation that was refused; and what every call may fail with.
    pub async fn multi(&self, cause: EventId, operations: Vec<Op>) -> Result<Reply<Vec<OpResult>>, ZkError> {
        let request = Request::Multi(operations.into_iter().map(operation).collect());
        let reply = self.call(cause, request, None).await?;
        let zxid = reply.zxid;
        let reply =
            reply.expect(|response| if let Response::Multi(results) = response { Some(results) } else { None })?;
        // An operation before the culprit is reported as 0, one behind it as a runtime inconsistency.
        let culprit = reply.value.iter().enumerate().find_map(|(index, result)| match result {
            OperationResult::Error(0) => None,
            OperationResult::Error(code) => Some((index, ErrorCode::from_code(*code))),
            _ => None,
        });
        if let Some((index, error)) = culprit {
            return Err(ZkError::Multi { index, error });
        }
        let results: Option<Vec<OpResult>> = reply.value.iter().map(|result| op_result(result, zxid)).collect();
        let results = results.ok_or(ZkError::Refused(ErrorCode::Marshalling))?;
        Ok(reply.map(|_| results))
    }

    /// Waits until the member this client is connected to has applied all that the leader has committed.
    ///
    /// # Errors
    /// What every call may fail with.
    pub async fn sync(&self, cause: EventId, path: &str) -> Result<Reply<()>, ZkError> {
        let reply = self.call(cause, Request::Sync { path: path.into() }, None).await?;
        reply.expect(|response| matches!(response, Response::Sync { .. }).then_some(()))
    }

    /// The last session this client had, 0 before the first. Whether it is alive only the ensemble knows.
    pub fn session_id(&self) -> u64 {
        self.0.session.get()
    }

    /// The next event, in order. For one consumer.
    pub async fn next_event(&self) -> ClientEvent {
        loop {
            let event = self.0.events.borrow_mut().pop_front();
            if let Some(event) = event {
                return event;
            }
            self.0.news.notified().await;
        }
    }

    /// Ends the session, if connected, and the client. Every call under way or made later fails with [`ZkError::Closed`].
    pub fn close(&self) {
        self.0.closed.set(true);
        self.0.work.notify_one();
    }

    /// Waits until a client that was closed has ended: a process that exits before leaves its session to expire. For one waiter.
    pub async fn ended(&self) {
        while !self.0.ended.get() {
            self.0.over.notified().await;
        }
    }

    /// Answers of the ensemble, errors included.
    async fn answer(
        &self,
        cause: EventId,
        request: Request,
        watch: Option<Watched>,
    ) -> Result<Reply<Result<Response, ErrorCode>>, ZkError> {
        if self.0.closed.get() {
            return Err(ZkError::Closed);
        }
        let (reply, replied) = oneshot::channel();
        self.0.calls.borrow_mut().push_back(Call { cause, request, watch, reply });
        self.0.work.notify_one();
        replied.await.unwrap_or(Err(ZkError::Closed))
    }

    async fn call(&self, cause: EventId, request: Request, watch: Option<Watched>) -> Result<Reply<Response>, ZkError> {
        let reply = self.answer(cause, request, watch).await?;
        let Reply { value, zxid, cause } = reply;
        let value = value.map_err(ZkError::Refused)?;
        Ok(Reply { value, zxid, cause })
    }
}

impl Reply<Response> {
    /// The part of the response that the request asks for; a server that answers something else is broken.
    fn expect<T>(self, part: impl FnOnce(Response) -> Option<T>) -> Result<Reply<T>, ZkError> {
        let Reply { value, zxid, cause } = self;
        let value = part(value).ok_or(ZkError::Refused(ErrorCode::Marshalling))?;
        Ok(Reply { value, zxid, cause })
    }
}

fn operation(op: Op) -> Operation {
    match op {
        Op::Create { path, data, mode } => {
            Operation::Create { path, data: Some(data), acl: jute::Acl::open(), flags: mode.flag() }
        }
        Op::Delete { path, version } => Operation::Delete { path, version },
        Op::SetData { path, data, version } => Operation::SetData { path, data: Some(data), version },
        Op::Check { path, version } => Operation::Check { path, version },
    }
}

fn op_result(result: &OperationResult, zxid: u64) -> Option<OpResult> {
    Some(match result {
        OperationResult::Create { path } | OperationResult::Create2 { path, .. } => {
            OpResult::Created(Created { path: path.clone(), czxid: zxid })
        }
        OperationResult::Delete => OpResult::Deleted,
        OperationResult::SetData { stat } => OpResult::Set((*stat).into()),
        OperationResult::Check => OpResult::Checked,
        OperationResult::Error(_) => return None,
    })
}
