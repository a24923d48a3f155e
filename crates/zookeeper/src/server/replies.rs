//! The frames a member answers with.

use bytes::Bytes;
use wire::jute::{self, EventType, KeeperState, Operation, OperationResult, Request, Response, WatcherEvent};

use crate::tree::{Failure, Tree};
use crate::types::{Created, ErrorCode, OpResult, WatchKind, Zxid};
use crate::watches::{Watcher, Watches};

/// How a write is answered.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Kind {
    /// Without a stat.
    Plain,
    /// `create2`: with the stat of what was created.
    WithStat,
    /// One answer an operation.
    Multi(Vec<Kind>),
    /// Nothing to say.
    Close,
    /// The path again.
    Sync(String),
}

impl Kind {
    pub(super) fn of(operation: &Operation) -> Kind {
        if matches!(operation, Operation::Create2 { .. }) { Kind::WithStat } else { Kind::Plain }
    }
}

pub(super) fn error(xid: i32, zxid: Zxid, error: ErrorCode) -> Bytes {
    let code = jute::ErrorCode::from_code(error.code()).unwrap_or(jute::ErrorCode::SystemError);
    jute::encode_error(xid, zxid.0 as i64, code)
}

fn ok(xid: i32, zxid: Zxid, response: &Response) -> Bytes {
    jute::encode_reply(xid, zxid.0 as i64, response)
}

pub(super) fn empty(xid: i32, zxid: Zxid) -> Bytes {
    ok(xid, zxid, &Response::Empty)
}

pub(super) fn event(kind: WatchKind, path: &str) -> Bytes {
    let event = match kind {
        WatchKind::Created => EventType::NodeCreated,
        WatchKind::Deleted => EventType::NodeDeleted,
        WatchKind::DataChanged => EventType::NodeDataChanged,
        WatchKind::ChildrenChanged => EventType::NodeChildrenChanged,
    };
    let state = KeeperState::SyncConnected.code();
    jute::encode_event(&WatcherEvent { event_type: event.code(), state, path: path.to_owned() })
}

/// The answer to a write, built right after its transaction was applied.
pub(super) fn write(tree: &Tree, xid: i32, zxid: Zxid, kind: &Kind, result: &Result<Vec<OpResult>, Failure>) -> Bytes {
    let response = match (result, kind) {
        (Ok(_), Kind::Close) => Response::Empty,
        (Ok(results), Kind::Multi(kinds)) => {
            let answers = results.iter().zip(kinds).map(|(result, kind)| operation(tree, result, kind));
            Response::Multi(answers.collect())
        }
        (Ok(results), kind) => Response::Write(operation(tree, &results[0], kind)),
        // As ZooKeeper says it: the culprit's error, OK before it, RuntimeInconsistency behind it, and no error in the header.
        (Err(failure), Kind::Multi(kinds)) if is_operations(failure.error) => {
            let code = |index| match index {
                index if index < failure.index => 0,
                index if index == failure.index => failure.error.code(),
                _ => ErrorCode::RuntimeInconsistency.code(),
            };
            Response::Multi((0..kinds.len()).map(|index| OperationResult::Error(code(index))).collect())
        }
        (Err(failure), _) => return error(xid, zxid, failure.error),
    };
    ok(xid, zxid, &response)
}

/// Whether an error is an operation's own, not the whole request's.
fn is_operations(error: ErrorCode) -> bool {
    !matches!(error, ErrorCode::SessionExpired | ErrorCode::SessionMoved)
}

fn operation(tree: &Tree, result: &OpResult, kind: &Kind) -> OperationResult {
    match result {
        OpResult::Created(Created { path, .. }) if *kind == Kind::WithStat => {
            // A later operation of the same multi may have deleted it.
            OperationResult::Create2 { path: path.clone(), stat: tree.stat(path).unwrap_or_default().into() }
        }
        OpResult::Created(Created { path, .. }) => OperationResult::Create { path: path.clone() },
        OpResult::Deleted => OperationResult::Delete,
        OpResult::Set(stat) => OperationResult::SetData { stat: (*stat).into() },
        OpResult::Checked => OperationResult::Check,
    }
}

pub(super) fn synced(tree: &Tree, xid: i32, kind: &Kind) -> Bytes {
    let Kind::Sync(path) = kind else { panic!("only a sync is answered by the leader's word") };
    ok(xid, tree.last_zxid(), &Response::Sync { path: path.clone() })
}

/// The answer to a read, from this member's tree; it sets the watch that was asked for.
pub(super) fn read(tree: &Tree, watches: &mut Watches, watcher: Watcher, xid: i32, request: &Request) -> Bytes {
    let (path, watch) = match request {
        Request::Exists { path, watch }
        | Request::GetData { path, watch }
        | Request::GetChildren { path, watch }
        | Request::GetChildren2 { path, watch } => (path, *watch),
        Request::GetAcl { path } => (path, false),
        _ => return error(xid, tree.last_zxid(), ErrorCode::Unimplemented),
    };
    let children = matches!(request, Request::GetChildren { .. } | Request::GetChildren2 { .. });
    let Some(stat) = tree.stat(path).map(jute::Stat::from) else {
        if watch && matches!(request, Request::Exists { .. }) {
            watches.watch_data(watcher, path);
        }
        return error(xid, tree.last_zxid(), ErrorCode::NoNode);
    };
    match (watch, children) {
        (true, true) => watches.watch_children(watcher, path),
        (true, false) => watches.watch_data(watcher, path),
        (false, _) => {}
    }
    let names = || tree.children(path).expect("it has a stat").0;
    let response = match request {
        Request::Exists { .. } => Response::Exists { stat },
        Request::GetData { .. } => Response::GetData { data: tree.get(path).map(|(data, _)| data), stat },
        Request::GetAcl { .. } => Response::GetAcl { acl: jute::Acl::open(), stat },
        Request::GetChildren { .. } => Response::GetChildren { children: names() },
        _ => Response::GetChildren2 { children: names(), stat },
    };
    ok(xid, tree.last_zxid(), &response)
}

/// What a data watch would have told a client that has seen all up to `seen`.
pub(super) fn missed_data(tree: &Tree, seen: Zxid, path: &str) -> Option<WatchKind> {
    let Some(stat) = tree.stat(path) else { return Some(WatchKind::Deleted) };
    (stat.mzxid > seen.0).then_some(WatchKind::DataChanged)
}

/// What a child watch would have told a client that has seen all up to `seen`.
pub(super) fn missed_children(tree: &Tree, seen: Zxid, path: &str) -> Option<WatchKind> {
    let Some(stat) = tree.stat(path) else { return Some(WatchKind::Deleted) };
    (stat.pzxid > seen.0).then_some(WatchKind::ChildrenChanged)
}
