//! The znode tree and its sessions: the state that all members reach by applying the same transactions in the same order.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use trace::ZnodeChange;

use wire::jute::{Acl, permission};

use crate::acl::{AccessControl, Credentials};
use crate::codec::{Decoder, Encoder, MALFORMED, Malformed};
use crate::path::{has_parent, is_special, is_valid, name_of, parent_of};
use crate::txn::{Action, Operation, Txn};
use crate::types::{CreateMode, ErrorCode, Stat, Zxid, fnv};

/// What happened to a znode; watches and the trace are told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Its path.
    pub path: String,
    /// What happened.
    pub kind: ZnodeChange,
    /// Its data version after that.
    pub version: i32,
    /// The session that owns it, or 0.
    pub owner: u64,
}

/// Why a transaction changed nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Which operation of a multi failed; 0 otherwise.
    pub index: usize,
    /// Why.
    pub error: ErrorCode,
}

/// What an [`Operation`] did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A znode exists now, under this path.
    Created(String, Stat),
    /// It is gone.
    Deleted,
    /// Its data is replaced.
    DataSet(Stat),
    /// The condition held.
    Checked,
    /// Its access control list is replaced.
    AclSet(Stat),
}

/// What a transaction did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    /// One outcome an operation, or the failure; nothing was changed then.
    pub result: Result<Vec<Outcome>, Failure>,
    /// What changed, in order.
    pub changes: Vec<Change>,
}

#[derive(Clone, PartialEq, Debug)]
struct Node {
    data: Option<Bytes>,
    acl: AccessControl,
    /// Its `cversion` counts created children only: that number names sequential ones. [`Node::stat`] turns it into
    /// what clients see, creations and deletions.
    stat: Stat,
    children: BTreeSet<String>,
}

impl Node {
    fn new(data: Option<Bytes>, acl: AccessControl, owner: u64, zxid: Zxid, time: i64) -> Node {
        let stat = Stat {
            czxid: zxid.0,
            mzxid: zxid.0,
            pzxid: zxid.0,
            ctime: time,
            mtime: time,
            ephemeral_owner: owner,
            ..Stat::default()
        };
        Node { data, acl, stat, children: BTreeSet::new() }
    }

    fn data_length(&self) -> usize {
        self.data.as_ref().map_or(0, Bytes::len)
    }

    fn as_step(&self, path: &str) -> Step {
        Step::Changed { path: path.to_owned(), data: self.data.clone(), acl: self.acl.clone(), stat: self.stat }
    }

    fn stat(&self) -> Stat {
        let children = self.children.len() as i32;
        Stat {
            cversion: self.stat.cversion.wrapping_mul(2).wrapping_sub(children),
            data_length: self.data_length() as i32,
            num_children: children,
            ..self.stat
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
struct Session {
    timeout_ms: u32,
    ephemerals: BTreeSet<String>,
}

/// The replicated state.
#[derive(Clone, PartialEq, Debug)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
    sessions: BTreeMap<u64, Session>,
    last_zxid: Zxid,
}

/// How much a tree holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Size {
    /// Znodes.
    pub nodes: usize,
    /// Of these, ephemerals.
    pub ephemerals: usize,
    /// Bytes of paths and data.
    pub bytes: usize,
}

/// Whose operation is applied, as part of which transaction.
#[derive(Clone, Copy)]
struct Context<'a> {
    zxid: Zxid,
    txn: &'a Txn,
    credentials: &'a Credentials,
}

/// What an operation of a multi did, with what is needed to take it back. Nothing of it grows with a znode's children.
enum Step {
    /// A znode is there now; its parent had this stat.
    Created { path: String, parent: Stat },
    /// A znode is gone; its parent had this stat.
    Removed { path: String, node: Node, parent: Stat },
    /// A znode had this data, list and stat.
    Changed { path: String, data: Option<Bytes>, acl: AccessControl, stat: Stat },
}

/// The steps to take back if a later operation fails, in order.
type Undo = Vec<Step>;

impl Default for Tree {
    /// The tree of a new ensemble: the root and ZooKeeper's own znodes.
    fn default() -> Tree {
        let mut nodes = BTreeMap::new();
        for (path, child) in [("/", Some("zookeeper")), ("/zookeeper", Some("quota")), ("/zookeeper/quota", None)] {
            let mut node = Node::new(Some(Bytes::new()), AccessControl::default(), 0, Zxid::ZERO, 0);
            node.children.extend(child.map(str::to_owned));
            nodes.insert(path.to_owned(), node);
        }
        Tree { nodes, sessions: BTreeMap::new(), last_zxid: Zxid::ZERO }
    }
}

impl Tree {
    /// The last transaction applied.
    pub fn last_zxid(&self) -> Zxid {
        self.last_zxid
    }

    /// A znode's data and stat.
    pub fn get(&self, path: &str) -> Option<(Option<Bytes>, Stat)> {
        self.nodes.get(path).map(|node| (node.data.clone(), node.stat()))
    }

    /// A znode's stat.
    pub fn stat(&self, path: &str) -> Option<Stat> {
        self.nodes.get(path).map(Node::stat)
    }

    /// The names of a znode's children, sorted, and its stat.
    pub fn children(&self, path: &str) -> Option<(Vec<String>, Stat)> {
        self.nodes.get(path).map(|node| (node.children.iter().cloned().collect(), node.stat()))
    }

    /// Whether these credentials give any of these permissions on a znode.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`.
    pub fn check_access(&self, path: &str, permissions: i32, credentials: &Credentials) -> Result<(), ErrorCode> {
        self.node(path)?.acl.check(permissions, credentials)
    }

    /// A znode's access control list, as these credentials may see it.
    ///
    /// # Errors
    /// `NoNode`, `NoAuth`.
    pub fn acl(&self, path: &str, credentials: &Credentials) -> Result<Vec<Acl>, ErrorCode> {
        self.node(path)?.acl.visible(credentials)
    }

    /// How much it holds.
    pub fn size(&self) -> Size {
        let bytes = self.nodes.iter().map(|(path, node)| path.len() + node.data_length()).sum();
        let ephemerals = self.sessions.values().map(|session| session.ephemerals.len()).sum();
        Size { nodes: self.nodes.len(), ephemerals, bytes }
    }

    /// The open sessions and their timeouts in milliseconds.
    pub fn sessions(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.sessions.iter().map(|(id, session)| (*id, session.timeout_ms))
    }

    /// A session's timeout in milliseconds, while it is open.
    pub fn session_timeout(&self, session: u64) -> Option<u32> {
        self.sessions.get(&session).map(|session| session.timeout_ms)
    }

    /// The ephemerals of a session.
    pub fn ephemerals(&self, session: u64) -> Vec<String> {
        self.sessions.get(&session).map(|session| session.ephemerals.iter().cloned().collect()).unwrap_or_default()
    }

    /// Applies the transaction `zxid`. It is validated here, by every member with the same result.
    ///
    /// # Panics
    /// If transactions come out of order: Zab is broken then.
    pub fn apply(&mut self, zxid: Zxid, txn: &Txn) -> Applied {
        assert!(zxid > self.last_zxid, "{zxid} delivered after {}", self.last_zxid);
        self.last_zxid = zxid;
        let mut changes = Vec::new();
        let result = self.perform(zxid, txn, &mut changes);
        assert!(result.is_ok() || changes.is_empty(), "a failed transaction changes nothing");
        Applied { result, changes }
    }

    fn perform(&mut self, zxid: Zxid, txn: &Txn, changes: &mut Vec<Change>) -> Result<Vec<Outcome>, Failure> {
        let fail = |error| Failure { index: 0, error };
        match &txn.action {
            Action::Fail(error) => Err(fail(*error)),
            Action::CreateSession { timeout_ms } => {
                if self.sessions.contains_key(&txn.session) {
                    return Err(fail(ErrorCode::BadArguments));
                }
                self.sessions.insert(txn.session, Session { timeout_ms: *timeout_ms, ephemerals: BTreeSet::new() });
                Ok(Vec::new())
            }
            _ if !self.sessions.contains_key(&txn.session) => Err(fail(ErrorCode::SessionExpired)),
            Action::CloseSession { .. } => {
                for path in self.ephemerals(txn.session) {
                    self.remove(&path, zxid, &mut Vec::new(), changes);
                }
                self.sessions.remove(&txn.session);
                Ok(Vec::new())
            }
            Action::One(operation, credentials) => {
                let outcome = self.operate(Context { zxid, txn, credentials }, operation, &mut Vec::new(), changes);
                outcome.map(|outcome| vec![outcome]).map_err(fail)
            }
            Action::Multi(operations, credentials) => {
                self.multi(Context { zxid, txn, credentials }, operations, changes)
            }
        }
    }

    fn multi(
        &mut self,
        context: Context<'_>,
        operations: &[Operation],
        changes: &mut Vec<Change>,
    ) -> Result<Vec<Outcome>, Failure> {
        let mut undo = Undo::new();
        let mut outcomes = Vec::new();
        for (index, operation) in operations.iter().enumerate() {
            match self.operate(context, operation, &mut undo, changes) {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => {
                    self.restore(undo);
                    changes.clear();
                    return Err(Failure { index, error });
                }
            }
        }
        Ok(outcomes)
    }

    fn restore(&mut self, undo: Undo) {
        for step in undo.into_iter().rev() {
            match step {
                Step::Created { path, parent } => {
                    let node = self.nodes.remove(&path).expect("it was created");
                    self.disown(node.stat.ephemeral_owner, &path);
                    let before = self.parent_mut(&path);
                    before.children.remove(name_of(&path));
                    before.stat = parent;
                }
                Step::Removed { path, node, parent } => {
                    self.own(node.stat.ephemeral_owner, &path);
                    let before = self.parent_mut(&path);
                    before.children.insert(name_of(&path).to_owned());
                    before.stat = parent;
                    self.nodes.insert(path, node);
                }
                Step::Changed { path, data, acl, stat } => {
                    let node = self.nodes.get_mut(&path).expect("it was changed");
                    (node.data, node.acl, node.stat) = (data, acl, stat);
                }
            }
        }
    }

    fn parent_mut(&mut self, path: &str) -> &mut Node {
        self.nodes.get_mut(parent_of(path)).expect("a znode has a parent")
    }

    fn own(&mut self, owner: u64, path: &str) {
        if owner != 0 {
            self.sessions.get_mut(&owner).expect("an ephemeral has a session").ephemerals.insert(path.to_owned());
        }
    }

    fn disown(&mut self, owner: u64, path: &str) {
        if owner != 0 {
            let owned = &mut self.sessions.get_mut(&owner).expect("an ephemeral has a session").ephemerals;
            assert!(owned.remove(path), "a session knows its ephemerals");
        }
    }

    fn operate(
        &mut self,
        context: Context<'_>,
        operation: &Operation,
        undo: &mut Undo,
        changes: &mut Vec<Change>,
    ) -> Result<Outcome, ErrorCode> {
        let Context { zxid, txn, credentials } = context;
        match operation {
            Operation::Refused(error) => Err(*error),
            Operation::Create { path, data, acl, mode } => {
                self.create(context, (path, *mode), (data.clone(), acl.clone()), undo, changes)
            }
            Operation::Delete { path, version } => {
                if !has_parent(path) || is_special(path) {
                    return Err(ErrorCode::BadArguments);
                }
                self.check_access(parent_of(path), permission::DELETE, credentials)?;
                let node = self.node(path)?;
                check_version(*version, node.stat.version)?;
                if !node.children.is_empty() {
                    return Err(ErrorCode::NotEmpty);
                }
                self.remove(path, zxid, undo, changes);
                Ok(Outcome::Deleted)
            }
            Operation::SetData { path, data, version } => {
                let before = self.permitted(path, permission::WRITE, credentials)?;
                check_version(*version, before.stat.version)?;
                undo.push(before.as_step(path));
                let node = self.nodes.get_mut(path).expect("found above");
                node.data = data.clone();
                node.stat.version = node.stat.version.wrapping_add(1);
                node.stat.mzxid = zxid.0;
                node.stat.mtime = txn.time;
                let (version, owner) = (node.stat.version, node.stat.ephemeral_owner);
                let stat = node.stat();
                changes.push(Change { path: path.clone(), kind: ZnodeChange::DataChanged, version, owner });
                Ok(Outcome::DataSet(stat))
            }
            Operation::Check { path, version } => {
                check_version(*version, self.permitted(path, permission::READ, credentials)?.stat.version)?;
                Ok(Outcome::Checked)
            }
            Operation::SetAcl { path, acl, version } => {
                let before = self.permitted(path, permission::ADMIN, credentials)?;
                check_version(*version, before.stat.aversion)?;
                undo.push(before.as_step(path));
                let node = self.nodes.get_mut(path).expect("found above");
                node.acl = acl.clone();
                node.stat.aversion = node.stat.aversion.wrapping_add(1);
                Ok(Outcome::AclSet(node.stat()))
            }
        }
    }

    fn node(&self, path: &str) -> Result<&Node, ErrorCode> {
        self.nodes.get(path).ok_or(ErrorCode::NoNode)
    }

    /// The znode, if it is there and may be used so.
    fn permitted(&self, path: &str, permissions: i32, credentials: &Credentials) -> Result<&Node, ErrorCode> {
        if !is_valid(path) {
            return Err(ErrorCode::BadArguments);
        }
        let node = self.node(path)?;
        node.acl.check(permissions, credentials)?;
        Ok(node)
    }

    /// Checks in ZooKeeper's order: of several errors, clients are told the same one.
    fn create(
        &mut self,
        Context { zxid, txn, credentials }: Context<'_>,
        (path, mode): (&str, CreateMode),
        (data, acl): (Option<Bytes>, AccessControl),
        undo: &mut Undo,
        changes: &mut Vec<Change>,
    ) -> Result<Outcome, ErrorCode> {
        if !has_parent(path) {
            return Err(ErrorCode::BadArguments);
        }
        let parent_path = parent_of(path).to_owned();
        let parent = self.node(&parent_path)?;
        parent.acl.check(permission::CREATE, credentials)?;
        let mut path = path.to_owned();
        if mode.is_sequential() {
            // What follows the last slash may be empty: "/queue/" makes "/queue/0000000000".
            path = format!("{path}{:010}", parent.stat.cversion);
        }
        if !is_valid(&path) {
            return Err(ErrorCode::BadArguments);
        }
        if self.nodes.contains_key(&path) {
            return Err(ErrorCode::NodeExists);
        }
        if parent.stat.ephemeral_owner != 0 {
            return Err(ErrorCode::NoChildrenForEphemerals);
        }
        undo.push(Step::Created { path: path.clone(), parent: parent.stat });
        let parent = self.nodes.get_mut(&parent_path).expect("found above");
        parent.children.insert(name_of(&path).to_owned());
        parent.stat.cversion = parent.stat.cversion.wrapping_add(1);
        parent.stat.pzxid = zxid.0;
        let owner = if mode.is_ephemeral() { txn.session } else { 0 };
        self.own(owner, &path);
        let node = Node::new(data, acl, owner, zxid, txn.time);
        let stat = node.stat();
        self.nodes.insert(path.clone(), node);
        changes.push(Change { path: path.clone(), kind: ZnodeChange::Created, version: 0, owner });
        Ok(Outcome::Created(path, stat))
    }

    fn remove(&mut self, path: &str, zxid: Zxid, undo: &mut Undo, changes: &mut Vec<Change>) {
        let node = self.nodes.remove(path).expect("only what exists is removed");
        assert!(node.children.is_empty(), "only leaves are removed");
        let (version, owner) = (node.stat.version, node.stat.ephemeral_owner);
        self.disown(owner, path);
        let parent = self.parent_mut(path);
        undo.push(Step::Removed { path: path.to_owned(), node, parent: parent.stat });
        assert!(parent.children.remove(name_of(path)), "a parent knows its children");
        parent.stat.pzxid = zxid.0;
        changes.push(Change { path: path.to_owned(), kind: ZnodeChange::Deleted, version, owner });
    }

    /// The whole state as bytes. Access control lists that are not open follow at the end.
    pub fn encode(&self) -> Bytes {
        let mut encoder = Encoder::new();
        encoder.u64(self.last_zxid.0).u32(self.sessions.len() as u32);
        for (id, session) in &self.sessions {
            encoder.u64(*id).u32(session.timeout_ms);
        }
        encoder.u32(self.nodes.len() as u32);
        for (path, node) in &self.nodes {
            let stat = &node.stat;
            encoder.text(path).nullable_bytes(node.data.as_deref());
            encoder.u64(stat.czxid).u64(stat.mzxid).u64(stat.pzxid).i64(stat.ctime).i64(stat.mtime);
            encoder.i32(stat.version).i32(stat.cversion).i32(stat.aversion).u64(stat.ephemeral_owner);
        }
        let lists: Vec<(&String, &AccessControl)> =
            self.nodes.iter().map(|(path, node)| (path, &node.acl)).filter(|(_, acl)| !acl.is_open()).collect();
        if !lists.is_empty() {
            encoder.list(&lists, |encoder, (path, acl)| acl.encode(encoder.text(path)));
        }
        encoder.finish()
    }

    /// Reads what [`Tree::encode`] wrote. Children and ephemerals follow from the paths and owners.
    pub fn decode(bytes: Bytes) -> Result<Tree, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let last_zxid = Zxid(decoder.u64()?);
        let sessions = decoder.list(|decoder| {
            Ok((decoder.u64()?, Session { timeout_ms: decoder.u32()?, ephemerals: BTreeSet::new() }))
        })?;
        let nodes = decoder.list(|decoder| {
            let (path, data) = (decoder.text()?, decoder.nullable_bytes()?);
            let stat = Stat {
                czxid: decoder.u64()?,
                mzxid: decoder.u64()?,
                pzxid: decoder.u64()?,
                ctime: decoder.i64()?,
                mtime: decoder.i64()?,
                version: decoder.i32()?,
                cversion: decoder.i32()?,
                aversion: decoder.i32()?,
                ephemeral_owner: decoder.u64()?,
                data_length: 0,
                num_children: 0,
            };
            Ok((path, Node { data, acl: AccessControl::default(), stat, children: BTreeSet::new() }))
        })?;
        let mut tree = Tree { nodes: nodes.into_iter().collect(), sessions: sessions.into_iter().collect(), last_zxid };
        if !decoder.is_empty() {
            let lists = decoder.list(|decoder| Ok((decoder.text()?, AccessControl::decode(decoder)?)))?;
            for (path, acl) in lists {
                tree.nodes.get_mut(&path).ok_or(MALFORMED)?.acl = acl;
            }
        }
        tree.link()?;
        Ok(tree)
    }

    fn link(&mut self) -> Result<(), Malformed> {
        let owned: Vec<(String, u64)> =
            self.nodes.iter().map(|(path, node)| (path.clone(), node.stat.ephemeral_owner)).collect();
        for (path, owner) in owned {
            if path != "/" {
                let parent = self.nodes.get_mut(parent_of(&path)).ok_or(MALFORMED)?;
                parent.children.insert(name_of(&path).to_owned());
            }
            if owner != 0 {
                self.sessions.get_mut(&owner).ok_or(MALFORMED)?.ephemerals.insert(path);
            }
        }
        if self.nodes.contains_key("/") { Ok(()) } else { Err(MALFORMED) }
    }

    /// A hash of the whole state.
    pub fn digest(&self) -> u64 {
        fnv(0, &self.encode())
    }
}

fn check_version(expected: i32, version: i32) -> Result<(), ErrorCode> {
    if expected == -1 || expected == version { Ok(()) } else { Err(ErrorCode::BadVersion) }
}

#[cfg(test)]
mod tests;
