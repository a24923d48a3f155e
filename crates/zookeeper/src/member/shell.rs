//! Moves bytes between a member's cores and the world. One task owns all state and takes one input after the other; other
//! tasks only wait: for frames, for the disk, for connections.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use host::{Address, Connection, Frame, FrameReceiver, Host};
use rand::RngExt;
use tokio::sync::mpsc;
use trace::{EventId, EventKind, Name};

use super::MemberConfig;
use super::courier::Courier;
use super::duties::{Duties, Waiter};
use super::words::{self, Mode};
use crate::outbox::Outbox;
use crate::server::{self, Limits, Server};
use crate::storage::{Storage, SyncWork};
use crate::tree::{Applied, Tree};
use crate::txn::{Action, Origin, Txn};
use crate::types::{Zxid, fnv};
use crate::zab::{self, Entry, Message, Zab};
use crate::{Nanos, framing};

/// How long one attempt to reach an elected leader may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A timer that is this late shows that the process, not the world, stood still; then readers get time to catch up.
const STOOD_STILL: Nanos = 100_000_000;
const CATCH_UP: Duration = Duration::from_millis(5);

/// Bytes of answers that may wait for one client.
const MOST_WAITING: usize = 32 << 20;

/// A port this member listens on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Port {
    Election,
    Quorum,
    Client,
}

/// What the member's task is told by its others.
pub(super) enum Input {
    Accepted(Port, Connection),
    Frame(Port, u64, Frame),
    /// A connection ended, as that event says.
    Closed(Port, u64, EventId),
    /// An attempt to reach the leader, by its number.
    Connected(u64, EventId, Option<Connection>),
    /// An fsync of the log is done; the event is the last append it covers.
    Synced(SyncWork, EventId),
    /// A snapshot up to this zxid is durable.
    SnapshotWritten(Zxid),
    /// The disk failed.
    Broken(EventId),
}

/// A member's whole state.
pub(super) struct Member {
    host: Host,
    config: MemberConfig,
    mailbox: mpsc::UnboundedSender<Input>,
    zab: Zab,
    server: Server,
    storage: Storage,
    duties: Option<Duties>,
    couriers: BTreeMap<u32, Courier>,
    /// Open connections, of followers, to the leader and of clients, numbered together.
    outboxes: BTreeMap<u64, Outbox>,
    next_connection: u64,
    syncing: mpsc::UnboundedSender<(SyncWork, EventId)>,
    last_append: EventId,
    last_delivered: EventId,
    since_snapshot: u32,
    /// The last durable snapshot: the log before it stays in memory until the next one, for followers slightly behind.
    snapshot: Zxid,
    session_ids: host::Entropy,
}

impl Member {
    /// Recovers what the disk holds.
    pub(super) async fn open(
        host: Host,
        config: MemberConfig,
        mailbox: mpsc::UnboundedSender<Input>,
    ) -> io::Result<Member> {
        let (storage, durable, tree) = Storage::open(host.disk(), &config.data_dir).await?;
        let cause = host.started();
        let snapshot = tree.last_zxid();
        host.emit(cause, EventKind::ZabSynchronized { zxid: snapshot.0 });
        let tick = Duration::from_millis(u64::from(config.tick_time_ms)).as_nanos() as Nanos;
        let members = config.members.keys().copied().collect();
        let (init_limit, sync_limit) = (config.init_limit, config.sync_limit);
        let core = zab::Config { me: config.id, members, tick, init_limit, sync_limit };
        let limits = Limits { min_timeout_ms: config.tick_time_ms * 2, max_timeout_ms: config.tick_time_ms * 20 };
        let first_tag = host.entropy("zookeeper-tags").random();
        let others = config.members.iter().filter(|(id, _)| **id != config.id);
        let couriers = others
            .map(|(id, node)| (*id, Courier::new(&host, Address { host: *node, port: config.election_port })))
            .collect();
        let (syncing, queue) = mpsc::unbounded_channel();
        host.spawn("fsync", sync_log(queue, mailbox.clone()));
        Ok(Member {
            zab: Zab::new(core, durable, host.now().as_nanos(), cause),
            server: Server::new(config.id, limits, tree, first_tag),
            storage,
            duties: None,
            couriers,
            outboxes: BTreeMap::new(),
            next_connection: 1,
            syncing,
            last_append: cause,
            last_delivered: cause,
            since_snapshot: 0,
            snapshot,
            session_ids: host.entropy("zookeeper-sessions"),
            host,
            config,
            mailbox,
        })
    }

    fn now(&self) -> Nanos {
        self.host.now().as_nanos()
    }

    /// Takes inputs until the disk fails.
    pub(super) async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<Input>) -> io::Result<()> {
        loop {
            self.perform().await?;
            while let Ok(input) = inputs.try_recv() {
                self.handle(input)?;
                self.perform().await?;
                if self.now() >= self.deadline() {
                    break;
                }
            }
            let now = self.now();
            let deadline = self.deadline();
            if now >= deadline {
                // What came before a timer goes before it: a process that stood still has frames waiting that tell it
                // who is alive.
                if now > deadline.saturating_add(STOOD_STILL) {
                    self.host.sleep(CATCH_UP).await;
                }
                while let Ok(input) = inputs.try_recv() {
                    self.handle(input)?;
                    self.perform().await?;
                }
                self.tick();
                continue;
            }
            let waiting = inputs.recv();
            if let Ok(input) = self.host.timeout(Duration::from_nanos(deadline - now), waiting).await {
                self.handle(input.expect("the member holds a sender itself"))?;
            }
        }
    }

    fn deadline(&self) -> Nanos {
        let sessions = self.duties.as_ref().and_then(|duties| duties.sessions.deadline());
        self.zab.deadline().min(sessions.unwrap_or(Nanos::MAX))
    }

    fn tick(&mut self) {
        let now = self.now();
        if now >= self.zab.deadline() {
            // Whoever is found silent owes an answer to what was sent last.
            for (link, outbox) in &self.outboxes {
                self.zab.on_sent(*link, outbox.last_sent());
            }
            self.zab.tick(now);
        }
        let Some(duties) = &mut self.duties else { return };
        for (session, cause) in duties.sessions.expire(now) {
            let origin = Origin { member: 0, tag: 0 };
            let action = Action::CloseSession { expired: true };
            let txn = Txn { time: self.host.wall(), session, origin, action };
            self.zab.propose(now, cause, txn.encode());
        }
    }

    fn handle(&mut self, input: Input) -> io::Result<()> {
        let now = self.now();
        match input {
            Input::Accepted(port, connection) => self.accept(port, connection),
            Input::Frame(port, id, frame) => self.receive(port, id, frame),
            Input::Closed(port, id, cause) => {
                if self.outboxes.remove(&id).is_some() {
                    match port {
                        Port::Election => {}
                        Port::Quorum => self.zab.on_closed(now, cause, id),
                        Port::Client => self.server.on_closed(id),
                    }
                }
            }
            Input::Connected(attempt, cause, Some(connection)) => {
                let id = self.open_connection(Port::Quorum, connection);
                self.zab.on_connected(now, cause, attempt, id);
            }
            Input::Connected(attempt, cause, None) => self.zab.on_connect_failed(now, cause, attempt),
            Input::Synced(work, cause) => {
                if work.generation == self.storage.generation() {
                    self.zab.on_synced(now, cause, work.last);
                }
            }
            Input::SnapshotWritten(zxid) => {
                self.storage.snapshot_written(zxid)?;
                // A snapshot that came from the leader meanwhile may have replaced the log.
                if self.zab.history().holds(self.snapshot) {
                    self.zab.trim(self.snapshot);
                }
                self.snapshot = self.snapshot.max(zxid);
            }
            Input::Broken(cause) => {
                self.host.exit(cause);
                return Err(io::Error::other("the disk failed"));
            }
        }
        Ok(())
    }

    fn accept(&mut self, port: Port, connection: Connection) {
        let refuses = || self.host.buggify("zookeeper/client-refused", connection.receiver.last_event());
        if port == Port::Client && (!self.zab.is_serving() || refuses()) {
            return;
        }
        let peer = connection.peer;
        let id = self.open_connection(port, connection);
        if port == Port::Client {
            self.server.on_accepted(id, peer);
        }
    }

    fn open_connection(&mut self, port: Port, connection: Connection) -> u64 {
        let id = self.next_connection;
        self.next_connection += 1;
        let Connection { sender, receiver, .. } = connection;
        self.outboxes.insert(id, Outbox::new(&self.host, sender, receiver.last_event()));
        self.host.spawn("reader", read(port, id, receiver, self.mailbox.clone()));
        id
    }

    fn receive(&mut self, port: Port, id: u64, Frame { bytes, cause }: Frame) {
        if !self.outboxes.contains_key(&id) {
            return;
        }
        let now = self.now();
        if port == Port::Client {
            // The member's id in front keeps the ids that members give apart.
            let random: u64 = self.session_ids.random();
            let new_session = u64::from(self.config.id) << 56 | random >> 8;
            return self.server.on_frame(cause, id, bytes, new_session);
        }
        match Message::decode(bytes) {
            Ok(Message::Notification(vote)) if port == Port::Election => self.zab.on_notification(now, cause, vote),
            Ok(message) if port == Port::Quorum => self.zab.on_message(now, cause, id, message),
            Ok(_) | Err(_) => {
                self.outboxes.remove(&id);
                self.zab.on_closed(now, cause, id);
            }
        }
    }

    /// Does what the cores decided, until nothing is left to do.
    async fn perform(&mut self) -> io::Result<()> {
        loop {
            let decided = self.zab.take_effects();
            let answers = self.server.take_effects();
            if decided.is_empty() && answers.is_empty() {
                break;
            }
            for (cause, effect) in decided {
                let done = self.perform_zab(cause, effect).await;
                if done.is_err() {
                    // As ZooKeeper does: what cannot be logged must not be acknowledged, and nothing else can be done.
                    self.host.exit(cause);
                    return done;
                }
            }
            self.answer_syncs();
            for (cause, effect) in answers {
                self.perform_server(cause, effect);
            }
        }
        self.touch_own_sessions();
        if let Some(work) = self.storage.sync_work() {
            let _ = self.syncing.send((work, self.last_append));
        }
        Ok(())
    }

    async fn perform_zab(&mut self, cause: EventId, effect: zab::Effect) -> io::Result<()> {
        match effect {
            zab::Effect::Notify(to, vote) => self.couriers[&to].send(cause, vote),
            zab::Effect::Connect(leader, attempt) => self.connect(leader, attempt, cause),
            zab::Effect::Send(link, message) => self.send(link, cause, &message),
            zab::Effect::SendSnapshot(link) => {
                let tree = self.server.tree();
                let message = Message::Snap { zxid: tree.last_zxid(), state: tree.encode() };
                self.send(link, cause, &message);
            }
            zab::Effect::Close(link) => drop(self.outboxes.remove(&link)),
            zab::Effect::AcceptEpoch(epoch) => self.storage.accept_epoch(epoch).await?,
            zab::Effect::EnterEpoch(epoch) => self.storage.enter_epoch(epoch).await?,
            zab::Effect::Append(entry) => {
                self.storage.append(&entry)?;
                self.last_append = cause;
            }
            zab::Effect::Flush => self.storage.flush().await?,
            zab::Effect::Truncate(zxid) => self.storage.truncate(zxid).await?,
            zab::Effect::InstallSnapshot(zxid, state) => self.install(cause, zxid, state).await?,
            zab::Effect::Deliver(entry) => self.deliver(cause, &entry)?,
            zab::Effect::Role(role, epoch) => drop(self.host.emit(cause, EventKind::ZabRoleChanged { role, epoch })),
            zab::Effect::Proposed(zxid) => drop(self.host.emit(cause, EventKind::ZabProposed { zxid: zxid.0 })),
            zab::Effect::Serve => {
                let (now, tick) = (self.now(), Nanos::from(self.config.tick_time_ms) * 1_000_000);
                let leads = self.zab.is_leading();
                self.duties = leads.then(|| Duties::new(tick, self.server.tree(), now, cause));
            }
            zab::Effect::StopServing => {
                self.duties = None;
                self.server.stop_serving(cause);
            }
            zab::Effect::FromFollower(link, member, message) => self.hear_follower(cause, link, member, message),
            zab::Effect::FromLeader(message) => self.hear_leader(cause, message),
        }
        Ok(())
    }

    fn send(&self, link: u64, cause: EventId, message: &Message) {
        if let Some(outbox) = self.outboxes.get(&link) {
            outbox.send(cause, message.encode());
        }
    }

    fn connect(&self, leader: u32, attempt: u64, cause: EventId) {
        let to = Address { host: self.config.members[&leader], port: self.config.quorum_port };
        let (host, mailbox) = (self.host.clone(), self.mailbox.clone());
        self.host.spawn("connect", async move {
            let connected = host.timeout(CONNECT_TIMEOUT, host.connect(to, framing::quorum(), cause)).await;
            let _ = mailbox.send(Input::Connected(attempt, cause, connected.ok().and_then(Result::ok)));
        });
    }

    async fn install(&mut self, cause: EventId, zxid: Zxid, state: bytes::Bytes) -> io::Result<()> {
        let tree = Tree::decode(state.clone()).expect("a leader sends whole trees");
        assert!(tree.last_zxid() == zxid, "a snapshot says what it holds");
        self.storage.install(zxid, &state).await?;
        self.server.replace_tree(tree);
        self.snapshot = zxid;
        self.since_snapshot = 0;
        self.host.emit(cause, EventKind::ZabSynchronized { zxid: zxid.0 });
        Ok(())
    }

    fn deliver(&mut self, cause: EventId, entry: &Entry) -> io::Result<()> {
        let digest = fnv(entry.zxid.0, &entry.payload);
        let cause = self.host.emit(cause, EventKind::ZabDelivered { zxid: entry.zxid.0, digest });
        self.last_delivered = cause;
        let txn = Txn::decode(entry.payload.clone()).expect("leaders propose whole transactions");
        let applied = self.server.deliver(cause, entry.zxid, &txn);
        if self.zab.is_leading() {
            self.report(cause, entry.zxid, &txn, &applied);
        }
        let now = self.now();
        if let Some(duties) = &mut self.duties {
            duties.delivered(&txn, &applied, now, cause);
        }
        self.since_snapshot += 1;
        let early = self.host.buggify("zookeeper/snapshot-early", cause);
        if early || self.since_snapshot >= self.config.snap_count {
            self.since_snapshot = 0;
            self.snapshot(cause)?;
        }
        Ok(())
    }

    /// Tells the trace what a transaction changed; its leader always delivers it first.
    fn report(&self, cause: EventId, zxid: Zxid, txn: &Txn, applied: &Applied) {
        if applied.result.is_err() {
            return;
        }
        let (session, zxid) = (txn.session, zxid.0);
        for change in &applied.changes {
            let path = Name::new(&change.path);
            let (change, version, owner) = (change.kind, change.version, change.owner);
            self.host.emit(cause, EventKind::ZnodeChanged { path, change, version, owner, zxid });
        }
        match txn.action {
            Action::CreateSession { timeout_ms } => {
                self.host.emit(cause, EventKind::SessionOpened { session, timeout: timeout_ms, zxid });
            }
            Action::CloseSession { expired } => {
                self.host.emit(cause, EventKind::SessionEnded { session, expired, zxid });
            }
            Action::One(..) | Action::Multi(..) | Action::Fail(_) => {}
        }
    }

    /// Writes the tree as it is now, while the member goes on.
    fn snapshot(&mut self, cause: EventId) -> io::Result<()> {
        let tree = self.server.tree();
        let zxid = tree.last_zxid();
        let (path, bytes) = self.storage.begin_snapshot(tree)?;
        let (disk, mailbox) = (self.host.disk(), self.mailbox.clone());
        self.host.spawn("snapshot", async move {
            let written = disk.write_atomically(&path, &bytes).await;
            let _ = mailbox.send(if written.is_ok() { Input::SnapshotWritten(zxid) } else { Input::Broken(cause) });
        });
        Ok(())
    }

    fn perform_server(&mut self, cause: EventId, effect: server::Effect) {
        match effect {
            server::Effect::Send(connection, frame) => {
                let Some(outbox) = self.outboxes.get(&connection) else { return };
                if outbox.waiting() < MOST_WAITING {
                    return outbox.send(cause, frame);
                }
                // It asks and does not listen. Its session lives on until it expires.
                self.server.on_closed(connection);
                self.outboxes.remove(&connection).expect("just found").cut();
            }
            server::Effect::Close(connection) => drop(self.outboxes.remove(&connection)),
            server::Effect::Submit { tag, session, action } => match self.zab.leader_link() {
                Some(link) => self.send(link, cause, &Message::Request { tag, session, action }),
                None => self.propose(cause, Origin { member: self.config.id, tag }, session, action),
            },
            server::Effect::Revalidate { tag, session } => match self.zab.leader_link() {
                Some(link) => self.send(link, cause, &Message::Revalidate { tag, session, timeout_ms: 0 }),
                None => {
                    if let Some(timeout_ms) = self.revalidate(cause, session, self.config.id) {
                        self.server.on_revalidated(cause, tag, timeout_ms);
                    }
                }
            },
            server::Effect::Sync { tag } => match self.zab.leader_link() {
                Some(link) => self.send(link, cause, &Message::Sync { tag }),
                None => self.sync(Waiter { link: None, tag, cause }),
            },
            server::Effect::Describe(connection, word) => {
                let answer = words::answer(word, &self.server, &self.config, self.mode());
                if let Some(outbox) = self.outboxes.get(&connection) {
                    outbox.send(cause, answer.into());
                }
            }
        }
    }

    fn mode(&self) -> Mode {
        match self.zab.is_leading() {
            true if self.config.members.len() == 1 => Mode::Standalone,
            true => Mode::Leader,
            false => Mode::Follower,
        }
    }

    /// Proposes a client's request. If this member does not lead (any more), its clients are being dropped.
    fn propose(&mut self, cause: EventId, origin: Origin, session: u64, action: Action) {
        let (now, wall) = (self.now(), self.host.wall());
        let Some(duties) = &mut self.duties else { return };
        let txn = duties.transaction(origin, session, action, wall);
        self.zab.propose(now, cause, txn.encode());
    }

    fn revalidate(&mut self, cause: EventId, session: u64, member: u32) -> Option<u32> {
        let now = self.now();
        let duties = self.duties.as_mut()?;
        Some(duties.revalidate(self.server.tree(), session, member, now, cause))
    }

    fn sync(&mut self, waiter: Waiter) {
        let last = self.zab.last_proposed();
        if let Some(duties) = &mut self.duties {
            duties.sync(last, waiter);
        }
        self.answer_syncs();
    }

    fn answer_syncs(&mut self) {
        let delivered = self.zab.delivered();
        let Some(duties) = &mut self.duties else { return };
        for Waiter { link, tag, cause } in duties.synced(delivered) {
            let cause = cause.max(self.last_delivered);
            match link {
                Some(link) => self.send(link, cause, &Message::Sync { tag }),
                None => self.server.on_synced(cause, tag),
            }
        }
    }

    fn hear_follower(&mut self, cause: EventId, link: u64, member: u32, message: Message) {
        let now = self.now();
        match message {
            Message::Ping { sessions } => {
                let Some(duties) = &mut self.duties else { return };
                for session in sessions {
                    duties.sessions.touch(session, now, cause);
                }
            }
            Message::Request { tag, session, action } => self.propose(cause, Origin { member, tag }, session, action),
            Message::Revalidate { tag, session, .. } => {
                if let Some(timeout_ms) = self.revalidate(cause, session, member) {
                    self.send(link, cause, &Message::Revalidate { tag, session, timeout_ms });
                }
            }
            Message::Sync { tag } => self.sync(Waiter { link: Some(link), tag, cause }),
            _ => panic!("Zab passes on only what concerns clients"),
        }
    }

    fn hear_leader(&mut self, cause: EventId, message: Message) {
        match message {
            Message::Ping { .. } => {
                let sessions = self.server.take_touched().into_keys().collect();
                if let Some(link) = self.zab.any_leader_link() {
                    self.send(link, cause, &Message::Ping { sessions });
                }
            }
            Message::Revalidate { tag, timeout_ms, .. } => self.server.on_revalidated(cause, tag, timeout_ms),
            Message::Sync { tag } => self.server.on_synced(cause, tag),
            _ => panic!("Zab passes on only what concerns clients"),
        }
    }

    /// A leader's own clients need no ping to be known alive.
    fn touch_own_sessions(&mut self) {
        let now = self.now();
        let Some(duties) = &mut self.duties else { return };
        for (session, cause) in self.server.take_touched() {
            duties.sessions.touch(session, now, cause);
        }
    }
}

async fn read(port: Port, id: u64, mut receiver: FrameReceiver, mailbox: mpsc::UnboundedSender<Input>) {
    while let Ok(frame) = receiver.next().await {
        if mailbox.send(Input::Frame(port, id, frame)).is_err() {
            return;
        }
    }
    let _ = mailbox.send(Input::Closed(port, id, receiver.last_event()));
}

/// Makes the log durable, several appends at once: all that came while the disk was busy go into the next fsync.
async fn sync_log(mut queue: mpsc::UnboundedReceiver<(SyncWork, EventId)>, mailbox: mpsc::UnboundedSender<Input>) {
    while let Some((mut work, mut cause)) = queue.recv().await {
        while let Ok((later, later_cause)) = queue.try_recv() {
            work.merge(later);
            cause = later_cause;
        }
        let input = if work.run().await.is_ok() { Input::Synced(work, cause) } else { Input::Broken(cause) };
        if mailbox.send(input).is_err() {
            return;
        }
    }
}
