//! The frames a member answers with.

use bytes::Bytes;
use wire::jute::{
    self, EventType, KeeperState, Operation, OperationResult, Request, Response, WatcherEvent, permission,
};

use crate::acl::Credentials;
use crate::tree::{Failure, Outcome, Tree};
use crate::types::{ErrorCode, WatchKind, Zxid};
use crate::watches::{Watcher, Watches};

/// How a write is answered.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Kind {
    /// Without a stat.
    Plain,
    /// `create2`: with the stat of what was created.
    WithStat,
    /// One answer for each of so many operations. As in ZooKeeper, `create2` is answered as `create` there.
    Multi(usize),
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

pub(super) fn watched(xid: i32, zxid: Zxid) -> Bytes {
    ok(xid, zxid, &Response::AddWatch)
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
pub(super) fn write(xid: i32, zxid: Zxid, kind: &Kind, result: &Result<Vec<Outcome>, Failure>) -> Bytes {
    let response = match (result, kind) {
        (Ok(_), Kind::Close) => Response::Empty,
        (Ok(outcomes), Kind::Multi(_)) => {
            Response::Multi(outcomes.iter().map(|outcome| operation(outcome, &Kind::Plain)).collect())
        }
        (Ok(outcomes), kind) => match &outcomes[0] {
            Outcome::AclSet(stat) => Response::SetAcl { stat: (*stat).into() },
            outcome => Response::Write(operation(outcome, kind)),
        },
        // As ZooKeeper says it: the culprit's error, OK before it, RuntimeInconsistency behind it, and no error in the header.
        (Err(failure), Kind::Multi(count)) if is_operations(failure.error) => {
            let code = |index| match index {
                index if index < failure.index => 0,
                index if index == failure.index => failure.error.code(),
                _ => ErrorCode::RuntimeInconsistency.code(),
            };
            Response::Multi((0..*count).map(|index| OperationResult::Error(code(index))).collect())
        }
        (Err(failure), _) => return error(xid, zxid, failure.error),
    };
    ok(xid, zxid, &response)
}

/// Whether an error is an operation's own, not the whole request's.
fn is_operations(error: ErrorCode) -> bool {
    !matches!(error, ErrorCode::SessionExpired | ErrorCode::SessionMoved)
}

fn operation(outcome: &Outcome, kind: &Kind) -> OperationResult {
    match outcome {
        Outcome::Created(path, stat) if *kind == Kind::WithStat => {
            OperationResult::Create2 { path: path.clone(), stat: (*stat).into() }
        }
        Outcome::Created(path, _) => OperationResult::Create { path: path.clone() },
        Outcome::Deleted => OperationResult::Delete,
        Outcome::DataSet(stat) => OperationResult::SetData { stat: (*stat).into() },
        Outcome::Checked => OperationResult::Check,
        Outcome::AclSet(_) => panic!("an access control list is set by itself"),
    }
}

pub(super) fn synced(tree: &Tree, xid: i32, kind: &Kind) -> Bytes {
    let Kind::Sync(path) = kind else { panic!("only a sync is answered by the leader's word") };
    ok(xid, tree.last_zxid(), &Response::Sync { path: path.clone() })
}

/// The answer to a read, from this member's tree; it sets the watch that was asked for.
pub(super) fn read(
    tree: &Tree,
    watches: &mut Watches,
    watcher: Watcher,
    credentials: &Credentials,
    xid: i32,
    request: &Request,
) -> Bytes {
    match answer(tree, watches, watcher, credentials, request) {
        Ok(response) => ok(xid, tree.last_zxid(), &response),
        Err(code) => error(xid, tree.last_zxid(), code),
    }
}

fn answer(
    tree: &Tree,
    watches: &mut Watches,
    watcher: Watcher,
    credentials: &Credentials,
    request: &Request,
) -> Result<Response, ErrorCode> {
    let stat = |path: &str| tree.stat(path).map(jute::Stat::from).ok_or(ErrorCode::NoNode);
    let readable = |path: &str| tree.check_access(path, permission::READ, credentials).and_then(|()| stat(path));
    let mut children = |path: &str, watch: bool| {
        let stat = readable(path)?;
        if watch {
            watches.watch_children(watcher, path);
        }
        Ok((tree.children(path).expect("it has a stat").0, stat))
    };
    Ok(match request {
        Request::GetChildren { path, watch } => Response::GetChildren { children: children(path, *watch)?.0 },
        Request::GetChildren2 { path, watch } => {
            let (children, stat) = children(path, *watch)?;
            Response::GetChildren2 { children, stat }
        }
        Request::GetAcl { path } => Response::GetAcl { acl: tree.acl(path, credentials)?, stat: stat(path)? },
        Request::GetData { path, watch } => {
            let stat = readable(path)?;
            if *watch {
                watches.watch_data(watcher, path);
            }
            Response::GetData { data: tree.get(path).expect("it has a stat").0, stat }
        }
        Request::Exists { path, .. } if path.contains('\0') => return Err(ErrorCode::BadArguments),
        // Who may read nothing may still see what exists.
        Request::Exists { path, watch } => {
            if *watch {
                watches.watch_data(watcher, path);
            }
            Response::Exists { stat: stat(path)? }
        }
        _ => return Err(ErrorCode::Unimplemented),
    })
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
