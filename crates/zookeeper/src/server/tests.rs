use super::*;
use crate::txn::Origin;
use crate::types::CreateMode;
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
    let events: Vec<(i32, String)> = sent
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send(APP, frame) => match jute::decode_reply(frame.clone()).unwrap() {
                Reply::Event { event: WatcherEvent { event_type, path, .. }, .. } => Some((event_type, path)),
                Reply::Answer { .. } => None,
            },
            _ => None,
        })
        .collect();
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
    let sent = fixture.effects();
    let Effect::Send(APP, frame) = &sent[0] else { panic!("{sent:?}") };
    let Reply::Answer { header, body } = jute::decode_reply(frame.clone()).unwrap() else { panic!("an answer") };
    let Response::Multi(results) = Response::get(OpCode::Multi, body).unwrap() else { panic!("a multi") };
    let codes = [0, ErrorCode::NodeExists.code(), ErrorCode::RuntimeInconsistency.code()];
    assert_eq!((header.error, results), (0, codes.map(OperationResult::Error).to_vec()));
}
