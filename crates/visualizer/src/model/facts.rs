//! What a single event says by its kind alone.

use trace::{EventKind, StopReason, ZabRole};

/// A group of kinds: what density columns count apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Class {
    /// Phases, notes, marks, violations.
    World,
    /// Faults.
    Fault,
    /// Processes.
    Node,
    /// Connections and frames.
    Network,
    /// ZooKeeper.
    Ensemble,
    /// The controller.
    Controller,
    /// Replicas.
    Replica,
    /// Group coordinators.
    Group,
    /// Producers and consumers.
    Client,
}

impl Class {
    /// How many there are.
    pub const COUNT: usize = 9;

    /// All, in the order of [`Class::place`].
    pub const ALL: [Class; Class::COUNT] = [
        Class::World,
        Class::Fault,
        Class::Node,
        Class::Network,
        Class::Ensemble,
        Class::Controller,
        Class::Replica,
        Class::Group,
        Class::Client,
    ];

    /// Its place in [`Class::ALL`].
    pub fn place(self) -> usize {
        self as usize
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Class::World => "run",
            Class::Fault => "faults",
            Class::Node => "processes",
            Class::Network => "network",
            Class::Ensemble => "ZooKeeper",
            Class::Controller => "controller",
            Class::Replica => "replicas",
            Class::Group => "groups",
            Class::Client => "clients",
        }
    }
}

/// How much an event matters to who looks for a cause.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The daily traffic.
    Trace,
    /// What the cluster is there for.
    Normal,
    /// A change of who does what.
    Notice,
    /// What should not be, and heals.
    Warning,
    /// Something broke or was lost.
    Error,
    /// An oracle found a violation.
    Violation,
}

impl Severity {
    /// All, the least first.
    pub const ALL: [Severity; 6] =
        [Severity::Trace, Severity::Normal, Severity::Notice, Severity::Warning, Severity::Error, Severity::Violation];

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Trace => "trace",
            Severity::Normal => "normal",
            Severity::Notice => "notice",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Violation => "violation",
        }
    }
}

/// The group and the weight of a kind.
pub fn classify(kind: &EventKind) -> (Class, Severity) {
    use EventKind as K;
    use Severity as S;
    match kind {
        K::PhaseBegan { .. } | K::RunEnded | K::Mark { .. } | K::NoteShown { .. } => (Class::World, S::Notice),
        K::Violation { .. } => (Class::World, S::Violation),
        K::FaultBegan { .. } => (Class::Fault, S::Error),
        K::FaultEnded { .. } => (Class::Fault, S::Notice),
        K::FaultWithoutEffect { .. } => (Class::Fault, S::Warning),
        K::NodeStarted { .. } | K::NodeResumed | K::NodeStopped { reason: StopReason::Exit } => {
            (Class::Node, S::Notice)
        }
        K::NodePaused => (Class::Node, S::Warning),
        K::NodeStopped { .. } | K::NodePanicked { .. } | K::UnsyncedLost { .. } => (Class::Node, S::Error),
        K::FrameSent(_) | K::FrameDelivered(_) => (Class::Network, S::Trace),
        K::ConnectionOpened { .. } | K::ConnectionClosed { .. } => (Class::Network, S::Normal),
        K::FrameDropped(_) | K::FrameHeld(_) | K::ConnectFailed { .. } => (Class::Network, S::Warning),
        K::ZabRoleChanged { role: ZabRole::Looking, .. } => (Class::Ensemble, S::Warning),
        K::ZabRoleChanged { .. } => (Class::Ensemble, S::Notice),
        K::SessionEnded { expired: true, .. } | K::SessionLost { .. } => (Class::Ensemble, S::Warning),
        K::SessionOpened { .. } | K::SessionEnded { .. } | K::SessionEstablished { .. } => (Class::Ensemble, S::Normal),
        K::ZabProposed { .. } | K::ZabDelivered { .. } | K::ZabSynchronized { .. } | K::SessionView { .. } => {
            (Class::Ensemble, S::Trace)
        }
        K::ZnodeChanged { .. } | K::WatchFired { .. } => (Class::Ensemble, S::Normal),
        K::LeadershipDecided { unclean: true, .. } => (Class::Controller, S::Error),
        K::ControllerElected { .. } | K::LeadershipDecided { .. } => (Class::Controller, S::Notice),
        K::ControllerResigned { .. } | K::ControlRefused { .. } => (Class::Controller, S::Warning),
        K::BrokerRegistered { .. } | K::PartitionCreated { .. } | K::ControlApplied { .. } => {
            (Class::Controller, S::Normal)
        }
        _ => classify_data(kind),
    }
}

fn classify_data(kind: &EventKind) -> (Class, Severity) {
    use EventKind as K;
    use Severity as S;
    match kind {
        K::BecameLeader { .. } | K::BecameFollower { .. } | K::IsrChanged { .. } => (Class::Replica, S::Notice),
        K::Truncated { .. } | K::IsrRefused { .. } | K::ProduceRefused { .. } => (Class::Replica, S::Warning),
        K::LogCleaned { .. } => (Class::Replica, S::Normal),
        K::RecordSent { .. } | K::RecordAcked { .. } | K::RecordPolled { .. } | K::RecordProcessed { .. } => {
            (Class::Client, S::Normal)
        }
        K::ProducerInitialized { .. }
        | K::GroupJoined { .. }
        | K::PartitionsAssigned { .. }
        | K::CommitAcked { .. } => (Class::Client, S::Normal),
        K::PartitionsRevoked { lost: false, .. } => (Class::Client, S::Normal),
        K::PartitionsRevoked { .. } | K::CommitFailed { .. } => (Class::Client, S::Warning),
        K::GroupStateChanged { .. } | K::CoordinatorLoaded { .. } | K::CoordinatorUnloaded { .. } => {
            (Class::Group, S::Notice)
        }
        K::OffsetCommitRefused { .. } | K::MemberLeft { .. } | K::OffsetForgotten { .. } => (Class::Group, S::Warning),
        K::MemberJoined { .. } | K::MemberAssigned { .. } | K::OffsetCommitted { .. } | K::OffsetServed { .. } => {
            (Class::Group, S::Normal)
        }
        K::PositionReset { from: -1, .. } => (Class::Client, S::Normal),
        K::PositionReset { .. } | K::RequestTimedOut { .. } | K::RecordUnknown { .. } => (Class::Client, S::Warning),
        K::RecordFailed { .. } => (Class::Client, S::Error),
        _ => (Class::Replica, S::Trace),
    }
}

/// The offsets an event is about, the second one excluded.
pub(crate) fn offsets_of(kind: &EventKind) -> Option<(i64, i64)> {
    use EventKind as K;
    let batch = |base: i64, records: u32| Some((base, base.saturating_add(i64::from(records))));
    match kind {
        K::Appended { base_offset, records, .. }
        | K::ProduceAcked { base_offset, records, .. }
        | K::Served { base_offset, records, .. } => batch(*base_offset, *records),
        K::Deduplicated { base_offset, .. } => batch(*base_offset, 1),
        K::RecordAcked { offset, .. } | K::RecordPolled { offset, .. } | K::RecordProcessed { offset, .. } => {
            batch(*offset, 1)
        }
        K::Truncated { to, from, .. } => Some((*to, *from)),
        K::OffsetListed { offset, .. } if *offset >= 0 => batch(*offset, 1),
        K::PositionReset { to, .. } | K::LogStartMoved { to, .. } => batch(*to, 1),
        _ => None,
    }
}
