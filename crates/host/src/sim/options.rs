//! What a world is made from.

use trace::{Mode, Name};

/// A distribution of latencies, log-normal with these percentiles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Latency {
    /// Median, in nanoseconds.
    pub p50_ns: u64,
    /// 99th percentile, in nanoseconds; at least the median.
    pub p99_ns: u64,
}

/// A new world.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorldOptions {
    /// Seeds every named stream: latencies, faults, what power losses destroy.
    pub seed: u64,
    /// Seeds the order in which ready tasks run.
    pub schedule_seed: u64,
    /// How much of the event stream is kept.
    pub trace: Mode,
    /// One-way latency of every link.
    pub latency: Latency,
    /// Bandwidth of every directed link in bytes a second; `None` is unlimited.
    pub bandwidth: Option<u64>,
    /// How long an fsync takes.
    pub disk_sync: Latency,
    /// Size of every disk in bytes.
    pub disk_capacity: u64,
    /// What the wall clocks show at the start, in milliseconds since the epoch.
    pub start_wall_ms: i64,
    /// How long data may stay unacknowledged before its connection breaks, in nanoseconds (TCP_USER_TIMEOUT).
    pub user_timeout_ns: u64,
    /// Size of every socket's send buffer and receive window, in bytes.
    pub socket_buffer: usize,
    /// The buggify marks that are switched on; see [`crate::Host::buggify`].
    pub buggify: Vec<Name>,
}

impl Default for WorldOptions {
    fn default() -> Self {
        WorldOptions {
            seed: 0,
            schedule_seed: 0,
            trace: Mode::None,
            latency: Latency { p50_ns: 1_000_000, p99_ns: 10_000_000 },
            bandwidth: None,
            disk_sync: Latency { p50_ns: 2_000_000, p99_ns: 20_000_000 },
            disk_capacity: 64 << 30,
            start_wall_ms: 1_700_000_000_000,
            user_timeout_ns: 15_000_000_000,
            socket_buffer: 1 << 20,
            buggify: Vec::new(),
        }
    }
}

/// Which unsynced pages and directory entries survive a power loss.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// None: the disk is as at the last syncs.
    None,
    /// All of them.
    All,
    /// Any subset, torn pages included.
    Random,
}

/// Keeps back the n-th frame of an API from some nodes to others, and all that follows on its connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldRule {
    /// The API, as the protocol's describe function calls it.
    pub api: Name,
    /// Whether the response is meant, not the request.
    pub response: bool,
    /// The sending nodes.
    pub from: Vec<Name>,
    /// The receiving nodes.
    pub to: Vec<Name>,
    /// Which one of them all, counted from 1 since the rule was set.
    pub nth: u64,
}

/// What can be wrong with a disk. Every one is an overlay that [`World::heal`](super::World::heal) takes away; the data below stays pristine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DiskFault {
    /// Reads of this range of a file find `flips` bits flipped, until it is written anew.
    BitRot {
        /// The file.
        path: String,
        /// First byte of the range.
        position: u64,
        /// Length of the range in bytes.
        length: u64,
        /// How many bits.
        flips: u32,
    },
    /// The next write to a file whose path begins so lands elsewhere in that file: the range meant keeps its old bytes, another
    /// one is overwritten.
    MisdirectedWrite {
        /// Beginning of the path; `""` is any file.
        prefix: String,
    },
    /// Nothing more fits.
    Full,
    /// Syncs take this long, and [`Disk::admit`](crate::Disk::admit) grants this much.
    Slow {
        /// How long a sync takes.
        sync: Latency,
        /// Bytes a second that the device takes; `None` is unlimited.
        bandwidth: Option<u64>,
    },
    /// The device answers nothing: `sync`, `sync_dir` and `admit` wait until it is healed.
    Stalled,
    /// Reads, writes and syncs of files whose path begins so fail with EIO.
    Error {
        /// Beginning of the path; `""` is any file.
        prefix: String,
    },
}

/// How a node's clock runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClockSetting {
    /// Offset of the wall clock from true time, in nanoseconds.
    pub offset_ns: i64,
    /// How much faster than true time both clocks run, in parts per million.
    pub drift_ppm: i32,
}

/// A run that is over.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The events kept.
    pub events: Vec<trace::Event>,
    /// How many there were.
    pub event_count: u64,
    /// Differs as soon as two runs do.
    pub fingerprint: u64,
}

/// A panic of the run itself, not of a node: a bug in the harness.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Panic {
    /// Message and place.
    pub message: String,
}
