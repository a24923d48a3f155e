use super::*;
use crate::txn::Origin;
use wire::jute::Id;

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

    fn one(&mut self, session: u64, operation: Operation) -> Result<Outcome, ErrorCode> {
        self.one_as(&Credentials::default(), session, operation)
    }

    fn one_as(&mut self, who: &Credentials, session: u64, operation: Operation) -> Result<Outcome, ErrorCode> {
        let applied = self.does(session, Action::One(operation, who.clone()));
        applied.result.map(|mut outcomes| outcomes.remove(0)).map_err(|failure| failure.error)
    }

    fn create(&mut self, path: &str, mode: CreateMode) -> Result<String, ErrorCode> {
        match self.one(1, create(path, mode))? {
            Outcome::Created(path, stat) => {
                assert_eq!(self.tree.stat(&path), Some(stat));
                Ok(path)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn create(path: &str, mode: CreateMode) -> Operation {
    create_with(path, mode, &AccessControl::default())
}

fn create_with(path: &str, mode: CreateMode, acl: &AccessControl) -> Operation {
    Operation::Create { path: path.into(), data: Some(Bytes::from_static(b"x")), acl: acl.clone(), mode }
}

fn set_acl(path: &str, acl: &AccessControl, version: i32) -> Operation {
    Operation::SetAcl { path: path.into(), acl: acl.clone(), version }
}

/// Who has shown to know this user's password.
fn user(auth: &'static str) -> Credentials {
    let mut credentials = Credentials::default();
    credentials.authenticate("digest", Some(&Bytes::from_static(auth.as_bytes()))).unwrap();
    credentials
}

/// These permissions for everyone, and all for `owner`.
fn owned(owner: &Credentials, permissions: i32) -> AccessControl {
    let acl =
        |permissions, scheme: &str, id: &str| Acl { permissions, id: Id { scheme: scheme.into(), id: id.into() } };
    AccessControl::resolve(&[acl(permissions, "world", "anyone"), acl(permission::ALL, "auth", "")], owner).unwrap()
}

fn delete(path: &str, version: i32) -> Operation {
    Operation::Delete { path: path.into(), version }
}

fn set(path: &str, version: i32) -> Operation {
    Operation::SetData { path: path.into(), data: Some(Bytes::from_static(b"longer")), version }
}

fn check(path: &str, version: i32) -> Operation {
    Operation::Check { path: path.into(), version }
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
        (create("/x/y/", CreateMode::Persistent), ErrorCode::NoNode),
        (create("/a/\n", CreateMode::Persistent), ErrorCode::BadArguments),
        (create("/", CreateMode::Persistent), ErrorCode::NodeExists),
        (delete("/a", -1), ErrorCode::NotEmpty),
        (delete("/x", -1), ErrorCode::NoNode),
        (delete("/a/b", 1), ErrorCode::BadVersion),
        (delete("/", -1), ErrorCode::BadArguments),
        (delete("/zookeeper", -1), ErrorCode::BadArguments),
        (delete("a", -1), ErrorCode::BadArguments),
        (delete("/a/", -1), ErrorCode::NoNode),
        (delete("/x/y", -1), ErrorCode::NoNode),
        (set("/a/", -1), ErrorCode::BadArguments),
        (check("a", -1), ErrorCode::BadArguments),
        (check("/x", -1), ErrorCode::NoNode),
        (set_acl("/x", &AccessControl::default(), -1), ErrorCode::NoNode),
        (set_acl("/a", &AccessControl::default(), 1), ErrorCode::BadVersion),
        (Operation::Refused(ErrorCode::InvalidAcl), ErrorCode::InvalidAcl),
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
        Action::Multi(
            vec![
                create("/a/new", CreateMode::Ephemeral),
                set("/a", 0),
                set("/a", 1),
                delete("/a/old", -1),
                create("/a/old", CreateMode::Persistent),
                create("/a/new/er", CreateMode::Persistent),
            ],
            Credentials::default(),
        ),
    );
    let error = ErrorCode::NoChildrenForEphemerals;
    assert_eq!(applied, Applied { result: Err(Failure { index: 5, error }), changes: vec![] });
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
    let applied = world.does(1, Action::Multi(ops, Credentials::default()));
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

#[test]
fn each_operation_needs_its_permission_on_the_znode_or_its_parent() {
    let (me, nobody) = (user("me:secret"), Credentials::default());
    let open = AccessControl::default();
    // Everyone has all permissions but one.
    let cases = [
        (permission::CREATE, create("/n/new", CreateMode::PersistentSequential)),
        (permission::DELETE, delete("/n/child", -1)),
        (permission::WRITE, set("/n", -1)),
        (permission::READ, check("/n", -1)),
        (permission::ADMIN, set_acl("/n", &open, -1)),
    ];
    for (missing, operation) in cases {
        let mut world = World::new(&[1]);
        world
            .one_as(&me, 1, create_with("/n", CreateMode::Persistent, &owned(&me, permission::ALL & !missing)))
            .unwrap();
        world.one_as(&me, 1, create("/n/child", CreateMode::Persistent)).unwrap();
        for stranger in [&nobody, &user("me:other")] {
            assert_eq!(world.one_as(stranger, 1, operation.clone()), Err(ErrorCode::NoAuth), "{operation:?}");
        }
        assert!(world.one_as(&me, 1, operation.clone()).is_ok(), "{operation:?}");
    }
    let mut world = World::new(&[1]);
    world.one_as(&me, 1, create_with("/n", CreateMode::Persistent, &owned(&me, permission::READ))).unwrap();
    assert_eq!(world.tree.check_access("/n", permission::READ, &nobody), Ok(()));
    assert_eq!(world.tree.check_access("/n", permission::WRITE, &nobody), Err(ErrorCode::NoAuth));
    assert_eq!(world.tree.check_access("/x", permission::READ, &nobody), Err(ErrorCode::NoNode));
}

#[test]
fn of_several_errors_zookeepers_is_told() {
    let me = user("me:secret");
    let mut world = World::new(&[1]);
    world.one_as(&me, 1, create_with("/mine", CreateMode::Persistent, &owned(&me, 0))).unwrap();
    let cases = [
        (create("/mine/../x", CreateMode::Persistent), ErrorCode::NoNode, "no parent before a bad path"),
        (create("/mine/.", CreateMode::Persistent), ErrorCode::NoAuth, "not permitted before a bad path"),
        (set("/mine", 7), ErrorCode::NoAuth, "not permitted before a wrong version"),
        (delete("/mine/none", -1), ErrorCode::NoAuth, "not permitted before no znode"),
        (set_acl("/mine", &AccessControl::default(), 7), ErrorCode::NoAuth, "not permitted before a wrong version"),
    ];
    for (operation, error, why) in cases {
        assert_eq!(world.one(1, operation.clone()), Err(error), "{why}: {operation:?}");
    }
}

#[test]
fn a_list_has_a_version_of_its_own_and_changes_nothing_else() {
    let me = user("me:secret");
    let mut world = World::new(&[1]);
    world.create("/a", CreateMode::Persistent).unwrap();
    let before = world.tree.stat("/a").unwrap();
    let applied = world.does(1, Action::One(set_acl("/a", &owned(&me, permission::READ), 0), me.clone()));
    let after = Stat { aversion: 1, ..before };
    assert_eq!(applied, Applied { result: Ok(vec![Outcome::AclSet(after)]), changes: vec![] });
    assert_eq!(world.tree.stat("/a"), Some(after));
    assert_eq!(world.one(1, set("/a", -1)), Err(ErrorCode::NoAuth));
    assert_eq!(world.tree.acl("/a", &me).unwrap().len(), 2);
}

#[test]
fn lists_survive_a_trees_bytes_and_take_none_if_all_are_open() {
    let me = user("me:secret");
    let mut world = World::new(&[1]);
    world.create("/a", CreateMode::Persistent).unwrap();
    let open = world.tree.encode().len();
    world.one_as(&me, 1, set_acl("/a", &owned(&me, 1), -1)).unwrap();
    let copy = Tree::decode(world.tree.encode()).unwrap();
    assert_eq!(copy, world.tree);
    assert_eq!(copy.check_access("/a", permission::WRITE, &Credentials::default()), Err(ErrorCode::NoAuth));
    world.one_as(&me, 1, set_acl("/a", &AccessControl::default(), -1)).unwrap();
    assert_eq!(world.tree.encode().len(), open, "a snapshot from before there were lists is one of open znodes");
    for cut in 0..open {
        assert!(Tree::decode(world.tree.encode().slice(..cut)).is_err(), "cut at {cut}");
    }
}

#[test]
fn no_data_is_not_empty_data() {
    let mut world = World::new(&[1]);
    for (path, data) in [("/none", None), ("/empty", Some(Bytes::new()))] {
        let (acl, mode) = (AccessControl::default(), CreateMode::Persistent);
        world.one(1, Operation::Create { path: path.into(), data: data.clone(), acl, mode }).unwrap();
        assert_eq!(world.tree.get(path).unwrap().0, data);
        assert_eq!(Tree::decode(world.tree.encode()).unwrap().get(path).unwrap().0, data);
    }
}

#[test]
fn a_created_znode_is_told_as_it_was_created() {
    let mut world = World::new(&[1]);
    let operations = vec![create("/a", CreateMode::Persistent), set("/a", 0), delete("/a", 1)];
    let outcomes = world.does(1, Action::Multi(operations, Credentials::default())).result.unwrap();
    let Outcome::Created(path, stat) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!((path.as_str(), stat.version, stat.data_length), ("/a", 0, 1));
}
