use super::*;
use crate::txn::Origin;

struct World {
    tree: Tree,
    next: u32,
}

impl World {
    fn new(sessions: &[u64]) -> World {
        let mut world = World { tree: Tree::default(), next: 1 };
        for session in sessions {
            world.does(*session, Action::CreateSession { timeout_ms: 6000 }).result.expect("opens");
        }
        world
    }

    fn does(&mut self, session: u64, action: Action) -> Applied {
        let zxid = Zxid::new(1, self.next);
        self.next += 1;
        self.tree.apply(zxid, &Txn { time: 100, session, origin: Origin { member: 1, tag: 0 }, action })
    }

    fn one(&mut self, session: u64, op: Op) -> Result<OpResult, ErrorCode> {
        let applied = self.does(session, Action::One(op));
        applied.result.map(|mut results| results.remove(0)).map_err(|failure| failure.error)
    }

    fn create(&mut self, path: &str, mode: CreateMode) -> Result<String, ErrorCode> {
        match self.one(1, create(path, mode))? {
            OpResult::Created(created) => Ok(created.path),
            other => panic!("{other:?}"),
        }
    }
}

fn create(path: &str, mode: CreateMode) -> Op {
    Op::Create { path: path.into(), data: Bytes::from_static(b"x"), mode }
}

fn delete(path: &str, version: i32) -> Op {
    Op::Delete { path: path.into(), version }
}

fn set(path: &str, version: i32) -> Op {
    Op::SetData { path: path.into(), data: Bytes::from_static(b"longer"), version }
}

fn check(path: &str, version: i32) -> Op {
    Op::Check { path: path.into(), version }
}

#[test]
fn stats_count_versions_children_and_zxids() {
    let mut world = World::new(&[1]);
    world.create("/a", CreateMode::Persistent).unwrap(); // 1:2
    world.create("/a/b", CreateMode::Persistent).unwrap(); // 1:3
    world.one(1, set("/a", 0)).unwrap(); // 1:4
    world.one(1, delete("/a/b", -1)).unwrap(); // 1:5
    let stat = world.tree.stat("/a").unwrap();
    let zxid = |counter| Zxid::new(1, counter).0;
    assert_eq!((stat.czxid, stat.mzxid, stat.pzxid), (zxid(2), zxid(4), zxid(5)));
    assert_eq!((stat.version, stat.cversion, stat.num_children, stat.data_length), (1, 2, 0, 6));
}

#[test]
fn operations_refuse_what_zookeeper_refuses() {
    let mut world = World::new(&[1]);
    world.create("/a", CreateMode::Persistent).unwrap();
    world.create("/a/b", CreateMode::Persistent).unwrap();
    world.create("/e", CreateMode::Ephemeral).unwrap();
    let cases = [
        (create("/a", CreateMode::Persistent), ErrorCode::NodeExists),
        (create("/x/y", CreateMode::Persistent), ErrorCode::NoNode),
        (create("/e/y", CreateMode::Persistent), ErrorCode::NoChildrenForEphemerals),
        (create("no-slash", CreateMode::Persistent), ErrorCode::BadArguments),
        (create("/a/", CreateMode::Persistent), ErrorCode::BadArguments),
        (create("/a/..", CreateMode::Persistent), ErrorCode::BadArguments),
        (create("/", CreateMode::Persistent), ErrorCode::NodeExists),
        (delete("/a", -1), ErrorCode::NotEmpty),
        (delete("/x", -1), ErrorCode::NoNode),
        (delete("/a/b", 1), ErrorCode::BadVersion),
        (delete("/", -1), ErrorCode::BadArguments),
        (set("/a", 1), ErrorCode::BadVersion),
        (set("/x", -1), ErrorCode::NoNode),
        (check("/a", 1), ErrorCode::BadVersion),
    ];
    for (op, error) in cases {
        assert_eq!(world.one(1, op.clone()), Err(error), "{op:?}");
    }
    assert_eq!(world.one(9, check("/a", -1)), Err(ErrorCode::SessionExpired), "no such session");
}

#[test]
fn sequential_names_are_never_reused() {
    let mut world = World::new(&[1]);
    world.create("/q", CreateMode::Persistent).unwrap();
    assert_eq!(world.create("/q/n-", CreateMode::PersistentSequential).unwrap(), "/q/n-0000000000");
    assert_eq!(world.create("/q/", CreateMode::EphemeralSequential).unwrap(), "/q/0000000001");
    world.one(1, delete("/q/n-0000000000", -1)).unwrap();
    assert_eq!(world.create("/q/n-", CreateMode::PersistentSequential).unwrap(), "/q/n-0000000002");
}

#[test]
fn ephemerals_die_exactly_with_their_session() {
    let mut world = World::new(&[1, 2]);
    world.create("/a", CreateMode::Persistent).unwrap();
    world.one(1, create("/a/one", CreateMode::Ephemeral)).unwrap();
    world.one(2, create("/a/two", CreateMode::Ephemeral)).unwrap();
    let applied = world.does(1, Action::CloseSession { expired: true });
    assert_eq!(applied.changes.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(), ["/a/one"]);
    assert_eq!(applied.changes[0].owner, 1);
    assert_eq!(world.tree.children("/a").unwrap().0, ["two"]);
    let again = world.does(1, Action::CloseSession { expired: true });
    assert_eq!(again.result, Err(Failure { index: 0, error: ErrorCode::SessionExpired }));
}

#[test]
fn a_failed_multi_leaves_no_trace_but_its_zxid() {
    let mut world = World::new(&[1]);
    world.create("/a", CreateMode::Persistent).unwrap();
    world.create("/a/old", CreateMode::Ephemeral).unwrap();
    let before = world.tree.clone();
    let applied = world.does(
        1,
        Action::Multi(vec![
            create("/a/new", CreateMode::Ephemeral),
            set("/a", 0),
            set("/a", 1),
            delete("/a/old", -1),
            create("/a/new/er", CreateMode::Persistent),
        ]),
    );
    let error = ErrorCode::NoChildrenForEphemerals;
    assert_eq!(applied, Applied { result: Err(Failure { index: 4, error }), changes: vec![] });
    let after = Tree { last_zxid: before.last_zxid, ..world.tree.clone() };
    assert_eq!(after, before);
    assert!(world.tree.last_zxid > before.last_zxid);
}

#[test]
fn a_multi_sees_its_own_earlier_operations() {
    let mut world = World::new(&[1]);
    let ops = vec![
        create("/a", CreateMode::Persistent),
        create("/a/b", CreateMode::Persistent),
        set("/a", 0),
        check("/a", 1),
        delete("/a/b", 0),
    ];
    let applied = world.does(1, Action::Multi(ops));
    assert_eq!(applied.result.unwrap().len(), 5);
    assert_eq!(applied.changes.len(), 4);
}

#[test]
fn a_tree_survives_its_bytes() {
    let mut world = World::new(&[1, 2]);
    world.create("/a", CreateMode::Persistent).unwrap();
    world.create("/a/b", CreateMode::EphemeralSequential).unwrap();
    world.one(1, set("/a", -1)).unwrap();
    let copy = Tree::decode(world.tree.encode()).unwrap();
    assert_eq!(copy, world.tree);
    assert_eq!(copy.digest(), world.tree.digest());
    assert_eq!(copy.ephemerals(1), ["/a/b0000000000"]);
}
