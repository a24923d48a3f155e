use super::*;
use crate::txn::Origin;
use wire::jute::{Acl, Id, OpCode, Operation, OperationResult, Reply, Response, WatcherEvent, permission};

const CAUSE: EventId = EventId(7);
const APP: ConnectionId = 1;

struct Fixture {
    server: Server,
    next: u32,
}

impl Fixture {
    fn new() -> Fixture {
        let limits = Limits { min_timeout_ms: 4000, max_timeout_ms: 40_000 };
        Fixture { server: Server::new(1, limits, Tree::default(), 100), next: 1 }
    }

    fn effects(&mut self) -> Vec<Effect> {
        self.server.take_effects().into_iter().map(|(_, effect)| effect).collect()
    }

    fn connect(&mut self, connection: ConnectionId, request: &ConnectRequest) -> Vec<Effect> {
        self.server.on_accepted(connection, Name::new("10.0.0.9"));
        self.server.on_frame(CAUSE, connection, request.encode(), 55);
        self.effects()
    }

    /// A client with session 55.
    fn with_client() -> Fixture {
        let mut fixture = Fixture::new();
        let password = Bytes::from_static(&[0; 16]);
        let asked = fixture.connect(APP, &ConnectRequest { timeout: 6000, password, ..ConnectRequest::default() });
        let Effect::Submit { tag, session: 55, action } = asked[0].clone() else { panic!("{asked:?}") };
        fixture.deliver(55, tag, action);
        let answer = fixture.effects();
        let Effect::Send(APP, frame) = &answer[0] else { panic!("{answer:?}") };
        let response = ConnectResponse::decode(frame.clone()).unwrap();
        assert_eq!((response.session_id, response.timeout), (55, 6000));
        fixture
    }

    fn ask(&mut self, xid: i32, request: Request) -> Vec<Effect> {
        self.server.on_frame(CAUSE, APP, jute::encode_request(xid, &request), 0);
        self.effects()
    }

    fn deliver(&mut self, session: u64, tag: u64, action: Action) {
        let zxid = Zxid::new(1, self.next);
        self.next += 1;
        self.server.deliver(CAUSE, zxid, &Txn { time: 0, session, origin: Origin { member: 1, tag }, action });
    }
}

fn create(path: &str) -> Request {
    Request::Write(Operation::Create { path: path.into(), data: None, acl: Acl::open(), flags: 0 })
}

fn get_data(path: &str, watch: bool) -> Request {
    Request::GetData { path: path.into(), watch }
}

/// The xids that were answered; -1 stands for a watch event.
fn answered(effects: &[Effect]) -> Vec<i32> {
    let xid = |effect: &Effect| match effect {
        Effect::Send(APP, frame) => match jute::decode_reply(frame.clone()).unwrap() {
            Reply::Event { .. } => Some(-1),
            Reply::Answer { header, .. } => Some(header.xid),
        },
        _ => None,
    };
    effects.iter().filter_map(xid).collect()
}

fn submitted(effects: &[Effect]) -> (u64, Action) {
    let submit = effects.iter().find_map(|effect| match effect {
        Effect::Submit { tag, action, .. } => Some((*tag, action.clone())),
        _ => None,
    });
    submit.expect("something for the leader")
}

#[test]
fn a_read_behind_a_write_waits_for_it_and_a_read_before_it_does_not() {
    let mut fixture = Fixture::with_client();
    assert_eq!(answered(&fixture.ask(1, get_data("/", false))), [1]);
    let (first, create_a) = submitted(&fixture.ask(2, create("/a")));
    assert!(answered(&fixture.ask(3, get_data("/a", false))).is_empty());
    let (second, create_b) = submitted(&fixture.ask(4, create("/b")));
    assert!(answered(&fixture.ask(5, Request::Ping)).is_empty());
    fixture.deliver(55, first, create_a);
    assert_eq!(answered(&fixture.effects()), [2, 3]);
    fixture.deliver(55, second, create_b);
    assert_eq!(answered(&fixture.effects()), [4, -2]);
}

#[test]
fn a_watch_event_goes_before_the_reply_that_shows_the_change() {
    let mut fixture = Fixture::with_client();
    let (tag, action) = submitted(&fixture.ask(1, create("/a")));
    fixture.deliver(55, tag, action);
    fixture.ask(2, get_data("/a", true));
    let set = Request::Write(Operation::SetData { path: "/a".into(), data: None, version: -1 });
    let (tag, action) = submitted(&fixture.ask(3, set));
    fixture.ask(4, get_data("/a", false));
    fixture.deliver(55, tag, action);
    assert_eq!(answered(&fixture.effects()), [-1, 3, 4]);
}

#[test]
fn a_sync_is_answered_in_turn() {
    let mut fixture = Fixture::with_client();
    let (write, action) = submitted(&fixture.ask(1, create("/a")));
    let asked = fixture.ask(2, Request::Sync { path: "/a".into() });
    let Effect::Sync { tag } = asked[0] else { panic!("{asked:?}") };
    fixture.server.on_synced(CAUSE, tag);
    assert!(answered(&fixture.effects()).is_empty(), "the write before it is not answered yet");
    fixture.deliver(55, write, action);
    assert_eq!(answered(&fixture.effects()), [1, 2]);
}

#[test]
fn who_has_seen_more_than_this_member_is_sent_away() {
    let mut fixture = Fixture::with_client();
    let request = ConnectRequest { last_zxid_seen: Zxid::new(1, 9).0 as i64, ..ConnectRequest::default() };
    assert_eq!(fixture.connect(2, &request), [Effect::Close(2)]);
}

#[test]
fn a_session_needs_its_password_and_the_leaders_word() {
    let mut fixture = Fixture::with_client();
    let mut request =
        ConnectRequest { session_id: 55, password: Bytes::from_static(b"wrong"), ..ConnectRequest::default() };
    let refused = fixture.connect(2, &request);
    let Effect::Send(2, frame) = &refused[0] else { panic!("{refused:?}") };
    assert_eq!(ConnectResponse::decode(frame.clone()).unwrap().session_id, 0);
    request.password = Bytes::copy_from_slice(&password(55));
    let asked = fixture.connect(3, &request);
    let Effect::Revalidate { tag, session: 55 } = asked[0] else { panic!("{asked:?}") };
    fixture.server.on_revalidated(CAUSE, tag, 6000);
    let opened = fixture.effects();
    assert!(matches!(opened[0], Effect::Close(APP)), "the session has one connection: {opened:?}");
    assert!(
        matches!(&opened[1], Effect::Send(3, frame) if ConnectResponse::decode(frame.clone()).unwrap().session_id == 55)
    );
}

#[test]
fn a_session_that_ends_loses_its_connection() {
    let mut fixture = Fixture::with_client();
    let zxid = Zxid::new(1, 9);
    let origin = Origin { member: 0, tag: 0 };
    fixture.server.deliver(
        CAUSE,
        zxid,
        &Txn { time: 0, session: 55, origin, action: Action::CloseSession { expired: true } },
    );
    assert_eq!(fixture.effects(), [Effect::Close(APP)]);
}

#[test]
fn watches_set_again_fire_for_what_was_missed_and_stand_for_the_rest() {
    let mut fixture = Fixture::with_client();
    for path in ["/changed", "/same", "/parent", "/parent/child"] {
        let (tag, action) = submitted(&fixture.ask(1, create(path)));
        fixture.deliver(55, tag, action);
    }
    fixture.effects();
    let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    // Sessions and the four creations took 1:1 to 1:5: what was seen is up to the creation of /changed.
    let request = Request::SetWatches {
        relative_zxid: Zxid::new(1, 3).0 as i64,
        data: paths(&["/changed", "/gone"]),
        exist: paths(&["/same", "/nothing"]),
        child: paths(&["/parent", "/changed"]),
    };
    let sent = fixture.ask(-8, request);
    let events = Fixture::events(&sent);
    assert_eq!(events, [(2, "/gone".into()), (1, "/same".into()), (4, "/parent".into())]);
    assert_eq!(fixture.server.watches.len(), 3, "/changed twice, /nothing once");
}

#[test]
fn what_cannot_be_served_is_refused_in_turn_and_garbage_closes() {
    let mut fixture = Fixture::with_client();
    let container = Request::Write(Operation::Create { path: "/c".into(), data: None, acl: Acl::open(), flags: 4 });
    assert_eq!(answered(&fixture.ask(1, container)), [1]);
    assert_eq!(answered(&fixture.ask(2, Request::SetAcl { path: "/".into(), acl: vec![], version: -1 })), [2]);
    fixture.server.on_frame(CAUSE, APP, Bytes::from_static(b"\0\0\0\x02xx"), 0);
    assert_eq!(fixture.effects(), [Effect::Close(APP)]);
}

#[test]
fn a_failed_multi_is_answered_as_zookeeper_does() {
    let mut fixture = Fixture::with_client();
    let operations = ["/a", "/zookeeper", "/b"];
    let operations =
        operations.map(|path| Operation::Create { path: path.into(), data: None, acl: Acl::open(), flags: 0 }).to_vec();
    let (tag, action) = submitted(&fixture.ask(1, Request::Multi(operations)));
    fixture.deliver(55, tag, action);
    let results = Fixture::results(&fixture.effects());
    let codes = [0, ErrorCode::NodeExists.code(), ErrorCode::RuntimeInconsistency.code()];
    assert_eq!(results, codes.map(OperationResult::Error));
}

impl Fixture {
    /// Asks, lets the leader propose what it must, and returns what came back.
    fn served(&mut self, request: Request) -> Vec<Effect> {
        let asked = self.ask(1, request);
        let submit = asked.iter().find_map(|effect| match effect {
            Effect::Submit { tag, session, action } => Some((*tag, *session, action.clone())),
            _ => None,
        });
        let Some((tag, session, action)) = submit else { return asked };
        self.deliver(session, tag, action);
        self.effects()
    }

    /// Each request in turn, and the error it is answered with.
    fn check(&mut self, cases: &[(Request, i32)]) {
        for (request, expected) in cases {
            let sent = self.served(request.clone());
            let error = sent.iter().find_map(|effect| match effect {
                Effect::Send(APP, frame) => match jute::decode_reply(frame.clone()).unwrap() {
                    Reply::Answer { header, .. } => Some(header.error),
                    Reply::Event { .. } => None,
                },
                _ => None,
            });
            assert_eq!(error, Some(*expected), "{request:?}");
        }
    }

    fn events(sent: &[Effect]) -> Vec<(i32, String)> {
        let event = |effect: &Effect| match effect {
            Effect::Send(APP, frame) => match jute::decode_reply(frame.clone()).unwrap() {
                Reply::Event { event: WatcherEvent { event_type, path, .. }, .. } => Some((event_type, path)),
                Reply::Answer { .. } => None,
            },
            _ => None,
        };
        sent.iter().filter_map(event).collect()
    }

    fn results(sent: &[Effect]) -> Vec<OperationResult> {
        let Effect::Send(APP, frame) = &sent[0] else { panic!("{sent:?}") };
        let Reply::Answer { header, body } = jute::decode_reply(frame.clone()).unwrap() else { panic!("an answer") };
        assert_eq!(header.error, 0, "what fails is said for each operation");
        let Response::Multi(results) = Response::get(OpCode::Multi, body).unwrap() else { panic!("a multi") };
        results
    }
}

fn acl(permissions: i32, scheme: &str, id: &str) -> Acl {
    Acl { permissions, id: Id { scheme: scheme.into(), id: id.into() } }
}

fn create_with(path: &str, acl: Vec<Acl>) -> Operation {
    Operation::Create { path: path.into(), data: None, acl, flags: 0 }
}

fn auth(scheme: &str) -> Request {
    Request::Auth { kind: 0, scheme: scheme.into(), auth: Some(Bytes::from_static(b"me:secret")) }
}

#[test]
fn requests_are_refused_by_a_znodes_list_until_the_client_shows_who_it_is() {
    let mut fixture = Fixture::with_client();
    let path = || "/mine".to_owned();
    let get = get_data("/mine", false);
    let list = |watch| Request::GetChildren2 { path: path(), watch };
    let set = Request::Write(Operation::SetData { path: path(), data: None, version: -1 });
    let set_acl = |acl| Request::SetAcl { path: path(), acl, version: -1 };
    let get_acl = Request::GetAcl { path: path() };
    let mine = vec![acl(permission::ALL, "digest", "me:n2uO7gCPjc2LrOtmYJVrrlGgYp8=")];
    let (no_auth, invalid) = (ErrorCode::NoAuth.code(), ErrorCode::InvalidAcl.code());
    fixture.check(&[
        (Request::Write(create_with("/mine", vec![])), invalid),
        (Request::Write(create_with("/mine", vec![acl(permission::ALL, "auth", "")])), invalid),
        (create("/mine"), 0),
        (set_acl(vec![acl(31, "nobody", "knows")]), invalid),
        (auth("digest"), 0),
        (set_acl(vec![acl(permission::ALL, "auth", "")]), 0),
        (get.clone(), 0),
        (get_acl.clone(), 0),
    ]);
    // The credentials are the connection's, not the session's.
    let password = Bytes::copy_from_slice(&password(55));
    let request = ConnectRequest { session_id: 55, password, ..ConnectRequest::default() };
    fixture.server.on_closed(APP);
    let asked = fixture.connect(APP, &request);
    let Effect::Revalidate { tag, .. } = asked[0] else { panic!("{asked:?}") };
    fixture.server.on_revalidated(CAUSE, tag, 6000);
    fixture.effects();
    fixture.check(&[
        (get.clone(), no_auth),
        (list(true), no_auth),
        (set.clone(), no_auth),
        (get_acl.clone(), no_auth),
        (set_acl(mine.clone()), no_auth),
        (create("/mine/child"), no_auth),
        (Request::Write(Operation::Delete { path: "/mine/child".into(), version: -1 }), no_auth),
        (Request::Exists { path: path(), watch: false }, 0),
    ]);
    assert!(fixture.server.watches.is_empty(), "who may not read may not watch");
    fixture.check(&[
        (auth("digest"), 0),
        (get, 0),
        (list(false), 0),
        (set, 0),
        (get_acl, 0),
        (create("/mine/child"), 0),
    ]);
}

#[test]
fn who_cannot_be_authenticated_is_told_and_sent_away() {
    let mut fixture = Fixture::with_client();
    let sent = fixture.ask(-4, auth("kerberos"));
    let Effect::Send(APP, frame) = &sent[0] else { panic!("{sent:?}") };
    let Reply::Answer { header, .. } = jute::decode_reply(frame.clone()).unwrap() else { panic!("an answer") };
    assert_eq!((header.xid, header.error), (xid::AUTH, ErrorCode::AuthFailed.code()));
    assert_eq!(sent[1], Effect::Close(APP));
}

#[test]
fn each_operation_of_a_multi_is_judged_in_its_turn() {
    let good = |path: &str| create_with(path, Acl::open());
    let bad_acl = || create_with("/acl", vec![]);
    let bad_mode = || Operation::Create { path: "/mode".into(), data: None, acl: Acl::open(), flags: 9 };
    let container = || Operation::Create2 { path: "/container".into(), data: None, acl: Acl::open(), flags: 4 };
    let missing = || Operation::Check { path: "/none".into(), version: -1 };
    let cases: [(Vec<Operation>, Vec<i32>); 5] = [
        (vec![good("/a"), bad_acl(), good("/b")], vec![0, -114, -2]),
        (vec![missing(), bad_acl()], vec![-101, -2]),
        (vec![good("/a"), bad_mode()], vec![0, -8]),
        (vec![container(), good("/a")], vec![-6, -2]),
        (vec![good("/a"), good("/a")], vec![0, -110]),
    ];
    for (operations, codes) in cases {
        let mut fixture = Fixture::with_client();
        let results = Fixture::results(&fixture.served(Request::Multi(operations.clone())));
        let expected: Vec<_> = codes.into_iter().map(OperationResult::Error).collect();
        assert_eq!(results, expected, "{operations:?}");
        assert_eq!(fixture.server.tree().stat("/a"), None, "all or nothing");
    }
    let mut fixture = Fixture::with_client();
    assert_eq!(Fixture::results(&fixture.served(Request::Multi(vec![]))), []);
}

#[test]
fn an_added_watch_fires_until_it_is_removed() {
    let mut fixture = Fixture::with_client();
    let path = || "/a".to_owned();
    let add = |mode| Request::AddWatch { path: path(), mode };
    let removal = |kind| Request::RemoveWatches { path: path(), kind };
    let (no_watcher, bad) = (ErrorCode::NoWatcher.code(), ErrorCode::BadArguments.code());
    let check_for = |kind| Request::CheckWatches { path: path(), kind };
    fixture.check(&[(add(7), bad), (check_for(3), no_watcher), (add(1), 0), (check_for(3), 0), (check_for(9), bad)]);
    for (created, event) in [("/a", 1), ("/a/b", 1)] {
        assert_eq!(Fixture::events(&fixture.served(create(created))), [(event, created.to_owned())]);
    }
    fixture.check(&[(removal(2), no_watcher), (removal(3), 0), (removal(3), no_watcher)]);
    assert!(Fixture::events(&fixture.served(create("/a/c"))).is_empty());
    let restored = Request::SetWatches2 {
        relative_zxid: 0,
        data: vec![],
        exist: vec![],
        child: vec![],
        persistent: vec![path()],
        recursive: vec![],
    };
    fixture.check(&[(restored, 0)]);
    assert_eq!(Fixture::events(&fixture.served(create("/a/d"))), [(4, "/a".to_owned())]);
}

#[test]
fn a_four_letter_word_is_answered_in_a_frames_place_and_only_at_the_start() {
    let mut fixture = Fixture::with_client();
    fixture.server.on_accepted(2, Name::new("10.0.0.9"));
    fixture.server.on_frame(CAUSE, 2, Bytes::from_static(b"ruok"), 0);
    assert_eq!(fixture.effects(), [Effect::Describe(2, "ruok"), Effect::Close(2)]);
    fixture.server.on_frame(CAUSE, APP, Bytes::from_static(b"ruok"), 0);
    assert_eq!(fixture.effects(), [Effect::Close(APP)]);
}

#[test]
fn a_client_without_the_read_only_byte_is_answered_without_it() {
    for read_only in [None, Some(false), Some(true)] {
        let mut fixture = Fixture::with_client();
        let password = Bytes::from_static(b"wrong");
        let refused = fixture.connect(2, &ConnectRequest { session_id: 55, password, read_only, ..Default::default() });
        let Effect::Send(2, frame) = &refused[0] else { panic!("{refused:?}") };
        let response = ConnectResponse::decode(frame.clone()).unwrap();
        assert_eq!(response.read_only, read_only.map(|_| false), "no member is read-only");
    }
}

#[test]
fn hostile_frames_end_their_connection_or_are_refused_and_harm_no_other() {
    let framed = |body: &[u8]| Bytes::from([&(body.len() as i32).to_be_bytes(), body].concat());
    let request =
        |operation: i32, body: &[u8]| framed(&[&1i32.to_be_bytes(), &operation.to_be_bytes()[..], body].concat());
    let huge = i32::MAX.to_be_bytes();
    let closes = [framed(b""), framed(b"short"), Bytes::from_static(b"GET / HTTP/1.1"), framed(&[0xff; 7])];
    let unimplemented = [16, 19, 20, 21, 22, 102, 107, -1, 0, -10, 9999, i32::MIN];
    let malformed = [
        request(1, b""),
        request(4, &huge),
        request(4, &[0xff; 4]),
        request(5, &[&[0, 0, 0, 2], &b"/a"[..], &huge, &[0; 4]].concat()),
        request(14, &[0xff; 3]),
        request(14, &[&4i32.to_be_bytes()[..], &[0; 5], b"\0\0\0\x02/a\x01"].concat()),
        request(101, &[&[0; 8][..], &huge].concat()),
        request(7, &[&b"\0\0\0\x02/a"[..], &(-7i32).to_be_bytes()].concat()),
    ];
    let mut fixture = Fixture::with_client();
    for (place, frame) in closes.into_iter().enumerate() {
        for opened in [false, true] {
            let connection = 10 + 2 * place as u64 + u64::from(opened);
            fixture.server.on_accepted(connection, Name::new("10.0.0.9"));
            if opened {
                fixture.server.on_frame(CAUSE, connection, ConnectRequest::default().encode(), connection);
                let (tag, action) = submitted(&fixture.effects());
                fixture.deliver(connection, tag, action);
                fixture.effects();
            }
            fixture.server.on_frame(CAUSE, connection, frame.clone(), 99);
            assert_eq!(fixture.effects(), [Effect::Close(connection)], "{frame:?}");
        }
    }
    let marshalling = malformed.map(|frame| (frame, ErrorCode::Marshalling));
    let unknown = unimplemented.map(|operation| (request(operation, b"anything"), ErrorCode::Unimplemented));
    for (frame, error) in marshalling.into_iter().chain(unknown) {
        fixture.server.on_frame(CAUSE, APP, frame.clone(), 0);
        let zxid = fixture.server.tree().last_zxid();
        assert_eq!(fixture.effects(), [Effect::Send(APP, replies::error(1, zxid, error))], "{frame:?}");
    }
    fixture.check(&[(get_data("/", false), 0)]);
}

#[test]
fn what_is_too_long_ends_its_connection() {
    let mut fixture = Fixture::with_client();
    let longest = jute::MAXIMUM_REQUEST;
    let long = |length: usize| Bytes::from([&(length as i32).to_be_bytes()[..], &vec![7; length]].concat());
    let set = |length| Operation::SetData {
        path: "/zookeeper".into(),
        data: Some(Bytes::from(vec![7; length])),
        version: -1,
    };
    fixture.check(&[(Request::Write(set(longest - 40)), 0), (get_data("/zookeeper", false), 0)]);
    for name in 0..40 {
        let path = format!("/zookeeper/{}{name}", "x".repeat(120_000));
        fixture.check(&[(create(&path), 0)]);
    }
    let list = Request::GetChildren { path: "/zookeeper".into(), watch: false };
    assert_eq!(fixture.ask(1, list), [Effect::Close(APP)], "an answer that no client takes");
    fixture.server.on_accepted(2, Name::new("10.0.0.9"));
    fixture.server.on_frame(CAUSE, 2, long(longest + 1), 0);
    assert_eq!(fixture.effects(), [Effect::Close(2)]);
}
