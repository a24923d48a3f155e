//! Faults: what happens to the cluster, to whom, and when.

use std::fmt;

use crate::{Bandwidth, Condition, Duration, Latency, Ratio, Selector};

/// One fault of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Names its random stream; unique in a plan. Default: `KIND-N`, N counting faults of this kind from 1.
    pub id: String,
    /// When it fires.
    pub trigger: Trigger,
    /// What it does.
    pub kind: FaultKind,
    /// Whether a run in which it never fired, or hit nothing, may still pass.
    pub optional: bool,
    /// It waits a while, and is left out at last, if with it more than so many nodes of its target's group (brokers, ensemble
    /// members) would be down. A broker counts as down until it is back in every ISR.
    pub max_down: Option<u32>,
}

/// When a fault fires, or a note is shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Trigger {
    /// At this time after the start of chaos.
    At(Duration),
    /// Once, `after` the condition turned from false to true; armed only during chaos.
    When {
        /// What must turn true.
        condition: Condition,
        /// How much later it fires.
        after: Duration,
    },
}

/// What a fault does. Durations that are `None` last until the start of settle.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// The process dies; what it wrote stays in the page cache.
    Crash {
        /// Who dies.
        node: Selector,
        /// For how long.
        down: Option<Duration>,
    },
    /// A broker is asked to end (SIGTERM): it hands its leaderships over, flushes its logs and leaves the marker of a clean
    /// shutdown. Other processes just die, as theirs do.
    Shutdown {
        /// Who is asked.
        node: Selector,
        /// When it starts again, counted from the question; a process that has not ended by then is killed.
        down: Option<Duration>,
    },
    /// Nodes restart one after another: asked to end, as [`FaultKind::Shutdown`] asks them.
    RollingRestart {
        /// Which nodes.
        nodes: Selector,
        /// How long each is down.
        down: Duration,
        /// How long between the return of one and the end of the next.
        gap: Duration,
    },
    /// A client's process dies and starts again.
    KillClient {
        /// Which client.
        node: Selector,
        /// For how long.
        down: Option<Duration>,
    },
    /// A consumer group gets another member.
    AddMember {
        /// Which consumer: all its nodes.
        consumer: Selector,
    },
    /// A member leaves its consumer group for good.
    RemoveMember {
        /// Which consumer: all its nodes.
        consumer: Selector,
    },
    /// A consumer needs longer for each record.
    SlowConsumer {
        /// Which consumer: all its nodes.
        consumer: Selector,
        /// How long it works on a record.
        process: Duration,
        /// For how long.
        lasts: Option<Duration>,
    },
    /// The machine loses power: unsynced pages and directory entries may be gone.
    PowerLoss {
        /// Who loses power.
        node: Selector,
        /// For how long.
        down: Option<Duration>,
        /// Which unsynced pages survive.
        keep: Keep,
    },
    /// The process stops; its kernel still acknowledges and buffers.
    Pause {
        /// Who stops.
        node: Selector,
        /// For how long.
        lasts: Option<Duration>,
    },
    /// The machine stops and comes back with an empty disk.
    ReplaceDisk {
        /// Whose disk.
        node: Selector,
        /// For how long the machine is down.
        down: Option<Duration>,
    },
    /// Frames between two sets of nodes vanish.
    Partition {
        /// One side.
        from: Selector,
        /// The other side.
        to: Selector,
        /// Which way is cut.
        direction: Direction,
        /// For how long.
        lasts: Option<Duration>,
    },
    /// A node is cut off from all others, clients included, both ways.
    Isolate {
        /// Who is cut off.
        node: Selector,
        /// With whom it still speaks.
        except: Option<Selector>,
        /// For how long.
        lasts: Option<Duration>,
    },
    /// Links go down and up again and again.
    Flap {
        /// One side.
        from: Selector,
        /// The other side.
        to: Selector,
        /// Which way is cut.
        direction: Direction,
        /// How long the links are down each time.
        down: Duration,
        /// How long they are up in between.
        up: Duration,
        /// For how long in all.
        lasts: Option<Duration>,
    },
    /// Nodes are isolated one after another, then healed in another order (FoundationDB's swizzle-clog).
    Swizzle {
        /// Which nodes.
        nodes: Selector,
        /// How long between two steps.
        gap: Duration,
        /// How long until the first is healed.
        lasts: Option<Duration>,
    },
    /// Frames take longer.
    SlowLink {
        /// One side.
        from: Selector,
        /// The other side.
        to: Selector,
        /// The latency instead of the network's.
        latency: Latency,
        /// Which way is slow.
        direction: Direction,
        /// For how long.
        lasts: Option<Duration>,
    },
    /// A share of frames is lost and sent again.
    LossyLink {
        /// One side.
        from: Selector,
        /// The other side.
        to: Selector,
        /// The share that is lost.
        loss: Ratio,
        /// Which way frames are lost.
        direction: Direction,
        /// For how long.
        lasts: Option<Duration>,
    },
    /// All connections between two sets of nodes are reset; new ones succeed.
    ResetConnections {
        /// One side.
        from: Selector,
        /// The other side.
        to: Selector,
    },
    /// One frame waits on its way; later frames of the same connection wait behind it.
    Hold {
        /// The API of the frame, such as `Fetch`: one of [`crate::APIS`].
        api: String,
        /// Who sent the request.
        from: Selector,
        /// Who the request is for.
        to: Selector,
        /// Which such frame since the fault fired, from 1.
        nth: u32,
        /// What it waits for.
        until: Until,
        /// Whether the response is held (from `to` back to `from`) instead of the request.
        response: bool,
    },
    /// Bits of a partition's log on a disk change silently.
    BitRot {
        /// Whose disk.
        node: Selector,
        /// The partition's topic.
        topic: String,
        /// The partition's number.
        partition: u32,
        /// How many bits.
        count: u32,
        /// For how long.
        lasts: Option<Duration>,
    },
    /// Syncs take longer, and bytes too if a bandwidth is given.
    SlowDisk {
        /// Whose disk.
        node: Selector,
        /// How long a sync takes.
        sync: Latency,
        /// How fast bytes are written, and read when logs are loaded; `None`: at once.
        bandwidth: Option<Bandwidth>,
        /// For how long.
        lasts: Option<Duration>,
    },
    /// A disk answers nothing.
    StallDisk {
        /// Whose disk.
        node: Selector,
        /// For how long.
        lasts: Option<Duration>,
    },
    /// A disk has no space left.
    FullDisk {
        /// Whose disk.
        node: Selector,
        /// For how long.
        lasts: Option<Duration>,
    },
    /// Reads, writes and syncs fail.
    DiskError {
        /// Whose disk.
        node: Selector,
        /// For how long.
        lasts: Option<Duration>,
    },
    /// A node's clock jumps or drifts.
    Clock {
        /// Whose clock.
        node: Selector,
        /// How far the wall clock jumps.
        jump: Duration,
        /// How much both clocks run fast.
        drift: Ratio,
        /// Whether it jumps back, and runs slow.
        back: bool,
        /// For how long.
        lasts: Option<Duration>,
    },
    /// An operator deletes a topic, and may create it again.
    DeleteTopic {
        /// The topic.
        topic: String,
        /// How long after the answer to the deletion it is created again, as the scenario describes it; `None`: never.
        recreate: Option<Duration>,
    },
}

/// Whom a fault hits that hits no node.
const NOBODY: &Selector = &Selector::List(Vec::new());

/// What a held frame waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Until {
    /// So long.
    Elapsed(Duration),
    /// A condition to turn true, at the latest the start of settle.
    Condition(Condition),
}

/// Which way a cut or slow link works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Frames from `from` to `to`.
    Outbound,
    /// Frames from `to` to `from`.
    Inbound,
    /// Both.
    #[default]
    Both,
}

/// Which unsynced pages survive a power loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Each page and directory entry by a draw.
    #[default]
    Random,
    /// None of them.
    None,
    /// All of them.
    All,
}

impl FaultKind {
    /// The kind's name, as in `kind = "power-loss"`.
    pub fn name(&self) -> &'static str {
        match self {
            FaultKind::Crash { .. } => "crash",
            FaultKind::Shutdown { .. } => "shutdown",
            FaultKind::RollingRestart { .. } => "rolling-restart",
            FaultKind::KillClient { .. } => "kill-client",
            FaultKind::AddMember { .. } => "add-member",
            FaultKind::RemoveMember { .. } => "remove-member",
            FaultKind::SlowConsumer { .. } => "slow-consumer",
            FaultKind::PowerLoss { .. } => "power-loss",
            FaultKind::Pause { .. } => "pause",
            FaultKind::Partition { .. } => "partition",
            FaultKind::Isolate { .. } => "isolate",
            FaultKind::SlowLink { .. } => "slow-link",
            FaultKind::ResetConnections { .. } => "reset-connections",
            FaultKind::Hold { .. } => "hold",
            FaultKind::ReplaceDisk { .. } => "replace-disk",
            FaultKind::Flap { .. } => "flap",
            FaultKind::Swizzle { .. } => "swizzle",
            FaultKind::LossyLink { .. } => "lossy-link",
            FaultKind::BitRot { .. } => "bit-rot",
            FaultKind::SlowDisk { .. } => "slow-disk",
            FaultKind::StallDisk { .. } => "stall-disk",
            FaultKind::FullDisk { .. } => "full-disk",
            FaultKind::DiskError { .. } => "disk-error",
            FaultKind::Clock { .. } => "clock",
            FaultKind::DeleteTopic { .. } => "delete-topic",
        }
    }

    /// How long it lasts after it fired; `None` until settle; zero if it is over at once.
    pub fn lasts(&self) -> Option<Duration> {
        match self {
            FaultKind::Crash { down, .. }
            | FaultKind::KillClient { down, .. }
            | FaultKind::Shutdown { down, .. }
            | FaultKind::PowerLoss { down, .. }
            | FaultKind::ReplaceDisk { down, .. } => *down,
            FaultKind::Flap { lasts, .. }
            | FaultKind::SlowConsumer { lasts, .. }
            | FaultKind::Swizzle { lasts, .. }
            | FaultKind::LossyLink { lasts, .. }
            | FaultKind::BitRot { lasts, .. }
            | FaultKind::SlowDisk { lasts, .. }
            | FaultKind::StallDisk { lasts, .. }
            | FaultKind::FullDisk { lasts, .. }
            | FaultKind::DiskError { lasts, .. }
            | FaultKind::Clock { lasts, .. }
            | FaultKind::Pause { lasts, .. }
            | FaultKind::Partition { lasts, .. }
            | FaultKind::Isolate { lasts, .. }
            | FaultKind::SlowLink { lasts, .. } => *lasts,
            // They end when the last node is back, and when the operator is done.
            FaultKind::RollingRestart { .. } | FaultKind::DeleteTopic { .. } => None,
            FaultKind::ResetConnections { .. } | FaultKind::AddMember { .. } | FaultKind::RemoveMember { .. } => {
                Some(Duration::ZERO)
            }
            FaultKind::Hold { until: Until::Elapsed(duration), .. } => Some(*duration),
            FaultKind::Hold { until: Until::Condition(_), .. } => None,
        }
    }

    /// The same fault, lasting `duration` if it lasts at all; for shrinking.
    pub fn set_lasts(&mut self, duration: Duration) {
        match self {
            FaultKind::Crash { down: lasts, .. }
            | FaultKind::KillClient { down: lasts, .. }
            | FaultKind::SlowConsumer { lasts, .. }
            | FaultKind::Shutdown { down: lasts, .. }
            | FaultKind::PowerLoss { down: lasts, .. }
            | FaultKind::ReplaceDisk { down: lasts, .. }
            | FaultKind::Flap { lasts, .. }
            | FaultKind::Swizzle { lasts, .. }
            | FaultKind::LossyLink { lasts, .. }
            | FaultKind::BitRot { lasts, .. }
            | FaultKind::SlowDisk { lasts, .. }
            | FaultKind::StallDisk { lasts, .. }
            | FaultKind::FullDisk { lasts, .. }
            | FaultKind::DiskError { lasts, .. }
            | FaultKind::Clock { lasts, .. }
            | FaultKind::Pause { lasts, .. }
            | FaultKind::Partition { lasts, .. }
            | FaultKind::Isolate { lasts, .. }
            | FaultKind::SlowLink { lasts, .. } => *lasts = Some(duration),
            FaultKind::Hold { until, .. } => *until = Until::Elapsed(duration),
            FaultKind::RollingRestart { down, .. } => *down = duration,
            FaultKind::ResetConnections { .. }
            | FaultKind::AddMember { .. }
            | FaultKind::RemoveMember { .. }
            | FaultKind::DeleteTopic { .. } => {}
        }
    }

    /// The selectors that say whom it hits: one side (an empty list if it hits no node), and the other side where there is one.
    pub fn selectors(&self) -> (&Selector, Option<&Selector>) {
        match self {
            FaultKind::Crash { node, .. }
            | FaultKind::KillClient { node, .. }
            | FaultKind::Shutdown { node, .. }
            | FaultKind::PowerLoss { node, .. }
            | FaultKind::ReplaceDisk { node, .. }
            | FaultKind::Pause { node, .. }
            | FaultKind::BitRot { node, .. }
            | FaultKind::SlowDisk { node, .. }
            | FaultKind::StallDisk { node, .. }
            | FaultKind::FullDisk { node, .. }
            | FaultKind::DiskError { node, .. }
            | FaultKind::Clock { node, .. } => (node, None),
            FaultKind::Isolate { node, except, .. } => (node, except.as_ref()),
            FaultKind::Swizzle { nodes, .. } | FaultKind::RollingRestart { nodes, .. } => (nodes, None),
            FaultKind::AddMember { consumer }
            | FaultKind::RemoveMember { consumer }
            | FaultKind::SlowConsumer { consumer, .. } => (consumer, None),
            FaultKind::Partition { from, to, .. }
            | FaultKind::Flap { from, to, .. }
            | FaultKind::SlowLink { from, to, .. }
            | FaultKind::LossyLink { from, to, .. }
            | FaultKind::ResetConnections { from, to }
            | FaultKind::Hold { from, to, .. } => (from, Some(to)),
            FaultKind::DeleteTopic { .. } => (NOBODY, None),
        }
    }
}

impl Direction {
    /// Every direction with its name.
    pub const NAMES: [(&'static str, Direction); 3] =
        [("outbound", Direction::Outbound), ("inbound", Direction::Inbound), ("both", Direction::Both)];
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Outbound => "outbound",
            Direction::Inbound => "inbound",
            Direction::Both => "both",
        })
    }
}

impl Keep {
    /// Every choice with its name.
    pub const NAMES: [(&'static str, Keep); 3] = [("random", Keep::Random), ("none", Keep::None), ("all", Keep::All)];
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Keep::Random => "random",
            Keep::None => "none",
            Keep::All => "all",
        })
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Until::Elapsed(duration) => write!(f, "{duration}"),
            Until::Condition(condition) => write!(f, "{condition}"),
        }
    }
}
