//! The vocabulary: every kind of thing that can happen in a run.
//!
//! One file however long, because the vocabulary is one list. Fields are small and typed; names are interned. Adding a kind is compatible, changing one is a new schema version.

use serde::{Deserialize, Serialize};

use crate::{BrokerList, Name, Partition};

/// The three phases of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// No faults yet.
    Warmup,
    /// Faults happen.
    Chaos,
    /// Everything is healed and restarted; the liveness clock runs.
    Settle,
    /// Clients have stopped; the end-of-run checks read what is left.
    Verify,
}

/// Why a node's process ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// The process died; its page cache stays.
    Crash,
    /// The machine lost power; unsynced pages may be gone.
    PowerLoss,
    /// A panic in one of its tasks.
    Panic,
    /// It ended by itself.
    Exit,
}

/// Which protocol a frame belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Kafka's, between clients and brokers and between brokers.
    Kafka,
    /// ZooKeeper's client protocol (jute).
    ZooKeeper,
    /// Between ensemble members (Zab and leader election).
    Quorum,
    /// Another one.
    Other,
}

/// What is known of a frame without decoding it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct FrameInfo {
    /// The connection it belongs to, unique in the run.
    pub connection: u32,
    /// The node at the other end.
    pub peer: Name,
    /// API, as its protocol calls it: `Fetch`, `setData`, `PROPOSAL`. A response has its request's.
    pub api: Name,
    /// Correlation id (Kafka), xid (ZooKeeper), or 0.
    pub correlation: i32,
    /// Size in bytes with the length prefix.
    pub bytes: u32,
    /// Its protocol.
    pub protocol: Protocol,
    /// Whether it answers a request: it flows from the accepting side to the connecting one.
    pub response: bool,
}

/// Why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloseReason {
    /// This side closed it.
    Closed,
    /// The peer closed it (FIN).
    PeerClosed,
    /// The peer's kernel reset it (RST), or a fault did.
    Reset,
    /// Data stayed unacknowledged too long: the path is cut or loses too much.
    TimedOut,
    /// What came is no frame of the protocol.
    BadFrame,
    /// The own process died.
    Died,
}

/// Why no connection came to be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectFailure {
    /// Nobody listens there: the machine answered with RST.
    Refused,
    /// No answer to the SYNs.
    TimedOut,
    /// No such node.
    Unknown,
}

/// What an ensemble member does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZabRole {
    /// Takes part in an election.
    Looking,
    /// Follows, synchronized with its leader.
    Following,
    /// Leads an established epoch.
    Leading,
}

/// The state of a consumer group, as its coordinator sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupState {
    /// No members; perhaps offsets.
    Empty,
    /// Waits for the members to join again.
    PreparingRebalance,
    /// Waits for the leader's assignment.
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
    /// Gone, or moved to another coordinator.
    Dead,
}

/// What happened to a znode.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZnodeChange {
    /// It was created.
    Created,
    /// Its data was set.
    DataChanged,
    /// It was deleted.
    Deleted,
}

/// A record as people read it; only kept while a full trace is recorded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordText {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// Its CreateTime, milliseconds by the producer's wall clock.
    pub timestamp: i64,
}

/// A record's text where the trace keeps it. It never counts in a fingerprint, which must not depend on the trace mode.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(pub Option<Box<RecordText>>);

impl std::hash::Hash for Text {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

/// What happened.
#[derive(Clone, PartialEq, Hash, Debug, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantNames)]
pub enum EventKind {
    // ---- the run
    /// A phase began.
    PhaseBegan {
        /// Which.
        phase: Phase,
    },
    /// The run is over.
    RunEnded,

    // ---- nodes
    /// A node's process began.
    NodeStarted {
        /// How often it was started before.
        incarnation: u32,
    },
    /// A node's process ended.
    NodeStopped {
        /// Why.
        reason: StopReason,
    },
    /// The process stands still; its kernel goes on.
    NodePaused,
    /// It goes on.
    NodeResumed,
    /// A task panicked: a finding, and the end of that process.
    NodePanicked {
        /// Message and place.
        message: Name,
    },
    /// A power loss decided which unsynced data survived.
    UnsyncedLost {
        /// Dirty pages that survived.
        pages_kept: u32,
        /// Dirty pages that did not.
        pages_lost: u32,
        /// Directory entries (files created, renamed, deleted) that did not survive.
        entries_lost: u32,
    },

    // ---- faults
    /// A fault took effect.
    FaultBegan {
        /// Its id in the plan.
        fault: Name,
        /// Its kind in the grammar, such as `partition`.
        kind: Name,
        /// What its selectors resolved to, such as `broker-1 -> broker-2, broker-3`.
        target: Name,
    },
    /// A fault was healed.
    FaultEnded {
        /// Its id in the plan.
        fault: Name,
    },
    /// A fault came and hit nothing.
    FaultWithoutEffect {
        /// Its id in the plan.
        fault: Name,
        /// Why.
        reason: Name,
    },

    // ---- network
    /// A connection was established; once on each side.
    ConnectionOpened {
        /// The connection.
        connection: u32,
        /// The other side.
        peer: Name,
    },
    /// A connection ended, as this side sees it.
    ConnectionClosed {
        /// The connection.
        connection: u32,
        /// The other side.
        peer: Name,
        /// Why.
        reason: CloseReason,
    },
    /// No connection came to be.
    ConnectFailed {
        /// The other side.
        peer: Name,
        /// Why.
        reason: ConnectFailure,
    },
    /// A frame was handed to the kernel.
    FrameSent(FrameInfo),
    /// A frame reached the process. Its cause is its `FrameSent`.
    FrameDelivered(FrameInfo),
    /// A frame will never reach the process. Its cause is the fault that kept it back, or the end of a process.
    FrameDropped(FrameInfo),
    /// A fault holds a frame back.
    FrameHeld(FrameInfo),

    // ---- ZooKeeper
    /// A member changed its role.
    ZabRoleChanged {
        /// Its new role.
        role: ZabRole,
        /// Its epoch: when leading or following the established one, else the last it accepted.
        epoch: u32,
    },
    /// The leader proposed a transaction.
    ZabProposed {
        /// Its zxid.
        zxid: u64,
    },
    /// A member delivered (applied) a committed transaction.
    ZabDelivered {
        /// Its zxid.
        zxid: u64,
        /// A hash of the transaction: equal on every member.
        digest: u64,
    },
    /// A member's state was replaced or rewound: a snapshot, a truncation or a restart.
    ZabSynchronized {
        /// The last zxid of its tree now.
        zxid: u64,
    },
    /// A znode changed, emitted once, by the leader when it delivers the transaction.
    ZnodeChanged {
        /// Its path.
        path: Name,
        /// What happened.
        change: ZnodeChange,
        /// Its data version after the change.
        version: i32,
        /// The session that owns it, when ephemeral, else 0.
        owner: u64,
        /// The transaction.
        zxid: u64,
    },
    /// A session was created, emitted by the leader.
    SessionOpened {
        /// The session.
        session: u64,
        /// Its negotiated timeout in milliseconds.
        timeout: u32,
        /// The transaction.
        zxid: u64,
    },
    /// A session ended: by expiry, or because its client closed it. Emitted by the leader.
    SessionEnded {
        /// The session.
        session: u64,
        /// Whether the ensemble expired it.
        expired: bool,
        /// The transaction.
        zxid: u64,
    },
    /// A ZooKeeper client holds a session now, new or re-established.
    SessionEstablished {
        /// The session.
        session: u64,
        /// The member it is connected to.
        member: Name,
    },
    /// A ZooKeeper client has learned that its session expired.
    SessionLost {
        /// The session.
        session: u64,
    },
    /// A ZooKeeper client got a reply: its view of the tree is at least this zxid.
    SessionView {
        /// The session.
        session: u64,
        /// The last zxid in the reply's header.
        zxid: u64,
    },
    /// A ZooKeeper client got a watch event.
    WatchFired {
        /// The session.
        session: u64,
        /// The path.
        path: Name,
        /// What happened; a child change counts as `DataChanged`.
        change: ZnodeChange,
    },

    // ---- controller
    /// A broker became the controller.
    ControllerElected {
        /// Its epoch.
        epoch: i32,
    },
    /// A broker stopped being the controller.
    ControllerResigned {
        /// The epoch it had.
        epoch: i32,
    },
    /// A broker created its registration.
    BrokerRegistered {
        /// Its broker epoch: the registration's czxid (KIP-380).
        broker_epoch: i64,
        /// The session that owns the registration.
        session: u64,
    },
    /// The controller created a partition.
    PartitionCreated {
        /// The partition.
        partition: Partition,
        /// Its replicas, preferred leader first.
        replicas: BrokerList,
    },
    /// The controller decided (and stored) leader and ISR.
    LeadershipDecided {
        /// The partition.
        partition: Partition,
        /// The leader's broker id, or -1 for none.
        leader: i32,
        /// The leader epoch.
        leader_epoch: i32,
        /// The ISR.
        isr: BrokerList,
        /// Version of the partition state znode after the write.
        partition_epoch: i32,
        /// The deciding controller's epoch.
        controller_epoch: i32,
        /// Whether the leader was elected from outside the ISR.
        unclean: bool,
    },
    /// A broker applied a control request (LeaderAndIsr, UpdateMetadata, StopReplica).
    ControlApplied {
        /// The API.
        api: Name,
        /// Controller epoch in the request.
        controller_epoch: i32,
        /// Broker epoch in the request.
        broker_epoch: i64,
        /// The broker's own epoch when it applied it.
        own_broker_epoch: i64,
    },
    /// A broker refused a control request.
    ControlRefused {
        /// The API.
        api: Name,
        /// Controller epoch in the request.
        controller_epoch: i32,
        /// Broker epoch in the request.
        broker_epoch: i64,
        /// The error.
        error: Name,
    },

    // ---- replicas (the event's node is the replica's broker)
    /// A replica's log was loaded at start.
    LogLoaded {
        /// The partition.
        partition: Partition,
        /// Log start offset.
        log_start: i64,
        /// Log end offset (LEO).
        log_end: i64,
        /// High watermark from its checkpoint.
        high_watermark: i64,
        /// Whether a clean-shutdown marker was found (no recovery).
        clean: bool,
    },
    /// The leader epochs that a replica knows of its log, right after it was loaded.
    EpochsLoaded {
        /// The partition.
        partition: Partition,
        /// Each epoch and its first offset, in order.
        epochs: Box<[(i32, i64)]>,
    },
    /// A broker that ends has flushed and closed all its logs. It then says so on its disk, and the next start skips recovery.
    LogsClosed,
    /// A replica leads from here on, as it believes.
    BecameLeader {
        /// The partition.
        partition: Partition,
        /// The leader epoch.
        leader_epoch: i32,
        /// The log end offset, where the epoch starts.
        log_end: i64,
        /// The ISR it was given.
        isr: BrokerList,
        /// Version of the partition state znode.
        partition_epoch: i32,
    },
    /// A replica follows from here on.
    BecameFollower {
        /// The partition.
        partition: Partition,
        /// The leader epoch.
        leader_epoch: i32,
        /// The leader's broker id, or -1.
        leader: i32,
        /// The log end offset.
        log_end: i64,
    },
    /// A replica was stopped.
    ReplicaStopped {
        /// The partition.
        partition: Partition,
        /// Whether its log was deleted.
        deleted: bool,
    },
    /// A batch was appended to a replica's log, on the leader or on a follower.
    Appended {
        /// The partition.
        partition: Partition,
        /// Offset of the first record.
        base_offset: i64,
        /// The batch's producer id, or -1.
        producer_id: i64,
        /// How many offsets it covers.
        records: u32,
        /// The batch's leader epoch.
        leader_epoch: i32,
        /// The batch's CRC: it covers neither base offset nor leader epoch.
        crc: u32,
        /// The first record's sequence number, or -1.
        sequence: i32,
        /// The producer epoch, or -1.
        producer_epoch: i16,
        /// Whether this replica leads.
        leading: bool,
    },
    /// A produce request repeated a batch that is in the log; it was answered with the old offset.
    Deduplicated {
        /// The partition.
        partition: Partition,
        /// Where the batch is.
        base_offset: i64,
        /// The producer id.
        producer_id: i64,
        /// The producer epoch.
        producer_epoch: i16,
        /// The first sequence number.
        sequence: i32,
    },
    /// A replica cut its log.
    Truncated {
        /// The partition.
        partition: Partition,
        /// The log end offset now.
        to: i64,
        /// The log end offset before.
        from: i64,
    },
    /// A replica's log start moved.
    LogStartMoved {
        /// The partition.
        partition: Partition,
        /// The log start offset now.
        to: i64,
    },
    /// A replica's cleaner puts segments without what is superseded in the place of those that have it. From here on a start
    /// may find either.
    LogCleaned {
        /// The partition.
        partition: Partition,
        /// The first offset that is not cleaned.
        upto: i64,
        /// How many records these segments keep.
        kept: u32,
        /// How many records are gone: superseded by a later one of their key, or tombstones that have served their time.
        removed: u32,
    },
    /// All below this offset is on a replica's disk, fsynced.
    Flushed {
        /// The partition.
        partition: Partition,
        /// The recovery point.
        to: i64,
    },
    /// A replica's high watermark moved.
    HighWatermarkMoved {
        /// The partition.
        partition: Partition,
        /// The high watermark now.
        to: i64,
        /// The leader epoch in which it moved.
        leader_epoch: i32,
        /// Whether this replica leads.
        leading: bool,
    },
    /// A leader wants another ISR and has begun to write it.
    IsrProposed {
        /// The partition.
        partition: Partition,
        /// The ISR it wants.
        isr: BrokerList,
        /// The leader epoch.
        leader_epoch: i32,
        /// The version it expects the znode to have.
        partition_epoch: i32,
    },
    /// A leader's ISR change was stored.
    IsrChanged {
        /// The partition.
        partition: Partition,
        /// The ISR now.
        isr: BrokerList,
        /// The leader epoch.
        leader_epoch: i32,
        /// The znode's version now.
        partition_epoch: i32,
    },
    /// A leader's ISR change was refused: somebody else has written.
    IsrRefused {
        /// The partition.
        partition: Partition,
        /// The leader epoch.
        leader_epoch: i32,
    },
    /// A broker acknowledged a batch to its producer.
    ProduceAcked {
        /// The partition.
        partition: Partition,
        /// Offset of the first record.
        base_offset: i64,
        /// How many offsets.
        records: u32,
        /// The leader epoch.
        leader_epoch: i32,
        /// The acks the producer asked for: 1 or -1 (all).
        acks: i16,
    },
    /// A broker answered a produce request with an error.
    ProduceRefused {
        /// The partition.
        partition: Partition,
        /// The error.
        error: Name,
    },
    /// A batch was served to a consumer (not to a follower).
    Served {
        /// The partition.
        partition: Partition,
        /// Offset of the batch's first record.
        base_offset: i64,
        /// The high watermark at that moment.
        high_watermark: i64,
        /// How many offsets the batch covers.
        records: u32,
        /// The batch's CRC.
        crc: u32,
        /// The batch's leader epoch.
        leader_epoch: i32,
        /// Who reads.
        client: Name,
    },
    /// A client was told an offset by ListOffsets (not a follower).
    OffsetListed {
        /// The partition.
        partition: Partition,
        /// What it asked for: a timestamp in milliseconds, -1 for the end (LATEST), -2 for the start (EARLIEST).
        asked: i64,
        /// The offset it was told; -1 if no record has such a timestamp.
        offset: i64,
        /// The leader epoch of the leader that answered.
        leader_epoch: i32,
        /// Who asked.
        client: Name,
    },

    // ---- groups (the event's node is the coordinator's broker)
    /// A broker has read a partition of `__consumer_offsets` and coordinates its groups from here on.
    CoordinatorLoaded {
        /// The partition of `__consumer_offsets`.
        partition: Partition,
        /// The leader epoch that made it the coordinator.
        leader_epoch: i32,
        /// Groups found.
        groups: u32,
        /// Committed offsets found.
        offsets: u32,
    },
    /// A broker coordinates this partition's groups no more.
    CoordinatorUnloaded {
        /// The partition of `__consumer_offsets`.
        partition: Partition,
        /// The leader epoch that ended it.
        leader_epoch: i32,
    },
    /// A group changed its state.
    GroupStateChanged {
        /// The group.
        group: Name,
        /// Its state now.
        state: GroupState,
        /// Its generation.
        generation: i32,
        /// How many members it has.
        members: u32,
    },
    /// A member joined a group: a new one, or a static one that came back under a new id.
    MemberJoined {
        /// The group.
        group: Name,
        /// The member id.
        member: Name,
        /// `group.instance.id` of a static member (KIP-345), else empty.
        instance: Name,
        /// The node it runs on.
        client: Name,
        /// The group's generation when it joined.
        generation: i32,
    },
    /// A member is no longer in its group.
    MemberLeft {
        /// The group.
        group: Name,
        /// The member id.
        member: Name,
        /// Why: `left`, `session-timeout`, `rebalance-timeout`, `replaced`, `removed`.
        reason: Name,
        /// The group's generation when it left.
        generation: i32,
    },
    /// What a member owns in a generation, stored with the group.
    MemberAssigned {
        /// The group.
        group: Name,
        /// The member id.
        member: Name,
        /// The generation.
        generation: i32,
        /// The partitions.
        partitions: Box<[Partition]>,
    },
    /// A commit was accepted: it is in the log and replicated.
    OffsetCommitted {
        /// The group.
        group: Name,
        /// The partition.
        partition: Partition,
        /// The offset of the next record to be read.
        offset: i64,
        /// The member id; empty from outside the group.
        member: Name,
        /// The member's generation, or -1.
        generation: i32,
        /// Where the commit is in its partition of `__consumer_offsets`.
        at: i64,
    },
    /// A commit was refused.
    OffsetCommitRefused {
        /// The group.
        group: Name,
        /// The partition.
        partition: Partition,
        /// The member id.
        member: Name,
        /// The member's generation, or -1.
        generation: i32,
        /// The error.
        error: Name,
    },
    /// A committed offset is gone.
    OffsetForgotten {
        /// The group.
        group: Name,
        /// The partition.
        partition: Partition,
        /// The offset it had.
        offset: i64,
        /// Why: `expired`, `deleted`.
        reason: Name,
    },
    /// A client was told a committed offset.
    OffsetServed {
        /// The group.
        group: Name,
        /// The partition.
        partition: Partition,
        /// The offset, or -1 for none.
        offset: i64,
        /// Who asked.
        client: Name,
    },

    // ---- clients (the event's node is the client)
    /// A consumer is a member of a generation: its JoinGroup was answered.
    GroupJoined {
        /// The group.
        group: Name,
        /// Its member id.
        member: Name,
        /// The generation.
        generation: i32,
        /// Whether it leads, and so assigns.
        leads: bool,
        /// The assignor that was agreed on.
        protocol: Name,
    },
    /// A consumer was given partitions: its listener's onPartitionsAssigned.
    PartitionsAssigned {
        /// The group.
        group: Name,
        /// Its member id.
        member: Name,
        /// The generation.
        generation: i32,
        /// What it was given beyond what it had.
        partitions: Box<[Partition]>,
    },
    /// A consumer gave partitions up: its listener's onPartitionsRevoked, or onPartitionsLost.
    PartitionsRevoked {
        /// The group.
        group: Name,
        /// Its member id.
        member: Name,
        /// The generation in which it owned them.
        generation: i32,
        /// Whether they were lost before it could give them up: others may own them already.
        lost: bool,
        /// What it gave up.
        partitions: Box<[Partition]>,
    },
    /// A consumer's commit was acknowledged.
    CommitAcked {
        /// The group.
        group: Name,
        /// The partition.
        partition: Partition,
        /// The offset.
        offset: i64,
        /// The generation it was sent in, or -1.
        generation: i32,
    },
    /// A consumer's commit failed; an unanswered one may have been stored all the same.
    CommitFailed {
        /// The group.
        group: Name,
        /// The partition.
        partition: Partition,
        /// The offset.
        offset: i64,
        /// The generation it was sent in, or -1.
        generation: i32,
        /// Why.
        error: Name,
    },
    /// A producer got its producer id.
    ProducerInitialized {
        /// The producer id.
        producer_id: i64,
        /// The producer epoch.
        producer_epoch: i16,
    },
    /// A service gave a record to its producer.
    RecordSent {
        /// Where to.
        partition: Partition,
        /// The client's own number for the record, from 0.
        sequence: u64,
        /// A hash of the key: equal keys must stay in order.
        key: u32,
        /// The record as people read it, in full traces.
        text: Text,
    },
    /// A record was acknowledged (with acks=0: handed to the network).
    RecordAcked {
        /// The partition.
        partition: Partition,
        /// The offset, or -1 with acks=0.
        offset: i64,
        /// The client's own number.
        sequence: u64,
    },
    /// A record is surely not in the log.
    RecordFailed {
        /// The partition.
        partition: Partition,
        /// The client's own number.
        sequence: u64,
        /// Why.
        error: Name,
    },
    /// Nobody knows whether the record is in the log.
    RecordUnknown {
        /// The partition.
        partition: Partition,
        /// The client's own number.
        sequence: u64,
        /// Why.
        error: Name,
    },
    /// A poll returned a record.
    RecordPolled {
        /// The partition.
        partition: Partition,
        /// Its offset.
        offset: i64,
        /// The record's number at the client that sent it.
        sequence: u64,
        /// The client that sent it.
        producer: Name,
        /// The leader epoch of its batch.
        leader_epoch: i32,
        /// A hash of the key.
        key: u32,
    },
    /// A service did its work for a record: the mail is sent.
    RecordProcessed {
        /// The partition.
        partition: Partition,
        /// Its offset.
        offset: i64,
        /// The record's number at the client that sent it.
        sequence: u64,
        /// The client that sent it.
        producer: Name,
        /// A hash of the key.
        key: u32,
    },
    /// A consumer's position moved without delivery: first position, seek, reset, or truncation found.
    PositionReset {
        /// The partition.
        partition: Partition,
        /// The position before, or -1.
        from: i64,
        /// The position now.
        to: i64,
        /// Why: `initial`, `committed`, `out-of-range`, `log-truncation`, `seek`.
        reason: Name,
    },
    /// A request stayed unanswered too long. Its cause is the request's `FrameSent`.
    RequestTimedOut {
        /// Who should have answered.
        peer: Name,
        /// The API.
        api: Name,
        /// The correlation id.
        correlation: i32,
    },

    // ---- judgement
    /// A process took a rare but legal path on purpose: a buggify mark fired, such as `broker/produce-times-out`.
    Mark {
        /// Which.
        mark: Name,
    },
    /// The condition of one of the scenario's notes turned true.
    NoteShown {
        /// The note's place in the scenario, from 0.
        note: u32,
    },
    /// An oracle found a violation. Its cause is the event that committed it.
    Violation {
        /// The oracle's slug.
        oracle: Name,
        /// Oracle, kind of evidence and place in the protocol.
        signature: Name,
        /// One plain sentence with the evidence.
        summary: Box<str>,
    },
}

impl EventKind {
    /// The kind's name, as it stands in a trace file: `LeadershipDecided`.
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// The names of all kinds.
    pub fn names() -> &'static [&'static str] {
        <EventKind as strum::VariantNames>::VARIANTS
    }
}
