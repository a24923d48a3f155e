//! One of each of ZooKeeper's messages.

use bytes::Bytes;
use odradek_wire::jute::*;

pub fn stat() -> Stat {
    Stat {
        czxid: 1,
        mzxid: 2,
        ctime: 3,
        mtime: 4,
        version: 5,
        cversion: 6,
        aversion: 7,
        ephemeral_owner: 8,
        data_length: 9,
        num_children: 10,
        pzxid: 11,
    }
}

pub fn operations() -> Vec<Operation> {
    let path = || "/brokers/ids/1".to_owned();
    let data = Some(Bytes::from_static(b"{}"));
    vec![
        Operation::Create { path: path(), data: data.clone(), acl: Acl::open(), flags: CreateMode::Ephemeral.code() },
        Operation::Create2 { path: path(), data: None, acl: vec![], flags: 2 },
        Operation::Delete { path: path(), version: -1 },
        Operation::SetData { path: path(), data, version: 3 },
        Operation::Check { path: path(), version: 4 },
    ]
}

pub fn results() -> Vec<OperationResult> {
    let path = || "/queue/n-0000000001".to_owned();
    vec![
        OperationResult::Create { path: path() },
        OperationResult::Create2 { path: path(), stat: stat() },
        OperationResult::Delete,
        OperationResult::SetData { stat: stat() },
        OperationResult::Check,
    ]
}

pub fn requests() -> Vec<Request> {
    let path = || "/controller".to_owned();
    let paths = || vec!["/a".to_owned(), "/b/c".to_owned()];
    let mut requests: Vec<_> = operations().into_iter().map(Request::Write).collect();
    requests.extend([
        Request::Exists { path: path(), watch: true },
        Request::GetData { path: path(), watch: false },
        Request::GetAcl { path: path() },
        Request::SetAcl { path: path(), acl: Acl::open(), version: 2 },
        Request::GetChildren { path: path(), watch: true },
        Request::GetChildren2 { path: path(), watch: false },
        Request::Sync { path: path() },
        Request::Multi(operations()),
        Request::Multi(vec![]),
        Request::Auth { kind: 0, scheme: "digest".to_owned(), auth: Some(Bytes::from_static(b"user:password")) },
        Request::SetWatches { relative_zxid: 1 << 33, data: paths(), exist: vec![], child: paths() },
        Request::SetWatches2 {
            relative_zxid: 1 << 33,
            data: paths(),
            exist: vec![],
            child: paths(),
            persistent: vec![],
            recursive: paths(),
        },
        Request::CheckWatches { path: path(), kind: WatcherType::Data.code() },
        Request::RemoveWatches { path: path(), kind: WatcherType::Any.code() },
        Request::AddWatch { path: path(), mode: AddWatchMode::PersistentRecursive.code() },
        Request::Ping,
        Request::CloseSession,
    ]);
    requests
}

/// What each request may be answered with.
pub fn responses() -> Vec<(OpCode, Response)> {
    let children = || vec!["0".to_owned(), "1".to_owned()];
    let mut responses: Vec<_> =
        results().into_iter().map(|result| (result.operation(), Response::Write(result))).collect();
    responses.extend([
        (OpCode::Exists, Response::Exists { stat: stat() }),
        (OpCode::GetData, Response::GetData { data: Some(Bytes::from_static(b"data")), stat: stat() }),
        (OpCode::GetData, Response::GetData { data: None, stat: stat() }),
        (OpCode::GetAcl, Response::GetAcl { acl: Acl::open(), stat: stat() }),
        (OpCode::SetAcl, Response::SetAcl { stat: stat() }),
        (OpCode::GetChildren, Response::GetChildren { children: children() }),
        (OpCode::GetChildren2, Response::GetChildren2 { children: children(), stat: stat() }),
        (OpCode::Sync, Response::Sync { path: "/".to_owned() }),
        (OpCode::Multi, Response::Multi(results())),
        (OpCode::Multi, Response::Multi(vec![OperationResult::Error(0), OperationResult::Error(-110)])),
        (OpCode::Ping, Response::Empty),
        (OpCode::Auth, Response::Empty),
        (OpCode::SetWatches, Response::Empty),
        (OpCode::SetWatches2, Response::Empty),
        (OpCode::CheckWatches, Response::Empty),
        (OpCode::RemoveWatches, Response::Empty),
        (OpCode::AddWatch, Response::AddWatch),
        (OpCode::CloseSession, Response::Empty),
    ]);
    responses
}

/// Good frames of every kind, both directions.
pub fn frames() -> Vec<Bytes> {
    let mut frames: Vec<_> = requests().iter().map(|request| encode_request(1, request)).collect();
    frames.extend(responses().iter().map(|(_, response)| encode_reply(1, 1 << 33, response)));
    let event = WatcherEvent { event_type: 1, state: 3, path: "/controller".to_owned() };
    frames.push(encode_event(&event));
    frames.push(ConnectRequest { read_only: Some(false), ..Default::default() }.encode());
    frames.push(ConnectResponse { password: Bytes::from_static(&[7; 16]), ..Default::default() }.encode());
    frames
}
