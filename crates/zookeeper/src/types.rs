//! Words the whole crate uses: zxids, operations and their results, errors.

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

/// The place of a transaction in the total order: the epoch of the leader that proposed it, and a counter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Zxid(pub u64);

impl Zxid {
    /// Before the first transaction.
    pub const ZERO: Zxid = Zxid(0);

    /// The `counter`-th transaction of `epoch`.
    pub fn new(epoch: u32, counter: u32) -> Zxid {
        Zxid(u64::from(epoch) << 32 | u64::from(counter))
    }

    /// The epoch of the leader that proposed it.
    pub fn epoch(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Its number in the epoch, from 1.
    pub fn counter(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Debug for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch(), self.counter())
    }
}

impl fmt::Display for Zxid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// How a znode comes to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CreateMode {
    /// It stays until it is deleted.
    Persistent,
    /// It goes with its session.
    Ephemeral,
    /// Persistent, and its parent's counter is appended to its name.
    PersistentSequential,
    /// Ephemeral, and its parent's counter is appended to its name.
    EphemeralSequential,
}

impl CreateMode {
    /// Whether the znode goes with its session.
    pub fn is_ephemeral(self) -> bool {
        matches!(self, CreateMode::Ephemeral | CreateMode::EphemeralSequential)
    }

    /// Whether a number is appended to the name.
    pub fn is_sequential(self) -> bool {
        matches!(self, CreateMode::PersistentSequential | CreateMode::EphemeralSequential)
    }

    /// The number that stands for it in the protocol.
    pub fn flag(self) -> i32 {
        i32::from(self.is_ephemeral()) | i32::from(self.is_sequential()) << 1
    }

    /// The mode for a number of the protocol; containers and TTL nodes (4 and up) are not supported.
    pub fn from_flag(flag: i32) -> Option<CreateMode> {
        match flag {
            0 => Some(CreateMode::Persistent),
            1 => Some(CreateMode::Ephemeral),
            2 => Some(CreateMode::PersistentSequential),
            3 => Some(CreateMode::EphemeralSequential),
            _ => None,
        }
    }
}

/// What a [`crate::Client`] may ask to change, alone or in a multi. What it creates is open to all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    /// Creates a znode.
    Create {
        /// Its path; with a sequential mode, the number is appended.
        path: String,
        /// Its data.
        data: Bytes,
        /// Its mode.
        mode: CreateMode,
    },
    /// Deletes a znode that has no children.
    Delete {
        /// Its path.
        path: String,
        /// The version it must have, or -1.
        version: i32,
    },
    /// Replaces a znode's data.
    SetData {
        /// Its path.
        path: String,
        /// The new data.
        data: Bytes,
        /// The version it must have, or -1.
        version: i32,
    },
    /// Changes nothing; in a multi, a condition.
    Check {
        /// Its path.
        path: String,
        /// The version it must have, or -1.
        version: i32,
    },
}

/// A znode that was created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Created {
    /// Its path, with the number of a sequential one.
    pub path: String,
    /// The transaction that created it.
    pub czxid: u64,
}

/// What an [`Op`] did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OpResult {
    /// The znode exists now.
    Created(Created),
    /// It is gone.
    Deleted,
    /// Its data is replaced.
    Set(Stat),
    /// The condition held.
    Checked,
}

/// What is known about a znode besides its data. Times are milliseconds of the leader's wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stat {
    /// The transaction that created it.
    pub czxid: u64,
    /// The last transaction that set its data.
    pub mzxid: u64,
    /// When it was created.
    pub ctime: i64,
    /// When its data was last set.
    pub mtime: i64,
    /// How often its data was set.
    pub version: i32,
    /// How often its children changed.
    pub cversion: i32,
    /// How often its ACL was set.
    pub aversion: i32,
    /// The session it belongs to, or 0.
    pub ephemeral_owner: u64,
    /// Bytes of data.
    pub data_length: i32,
    /// How many children it has.
    pub num_children: i32,
    /// The last transaction that created or deleted a child.
    pub pzxid: u64,
}

impl From<wire::jute::Stat> for Stat {
    fn from(stat: wire::jute::Stat) -> Stat {
        Stat {
            czxid: stat.czxid as u64,
            mzxid: stat.mzxid as u64,
            ctime: stat.ctime,
            mtime: stat.mtime,
            version: stat.version,
            cversion: stat.cversion,
            aversion: stat.aversion,
            ephemeral_owner: stat.ephemeral_owner as u64,
            data_length: stat.data_length,
            num_children: stat.num_children,
            pzxid: stat.pzxid as u64,
        }
    }
}

impl From<Stat> for wire::jute::Stat {
    fn from(stat: Stat) -> wire::jute::Stat {
        wire::jute::Stat {
            czxid: stat.czxid as i64,
            mzxid: stat.mzxid as i64,
            ctime: stat.ctime,
            mtime: stat.mtime,
            version: stat.version,
            cversion: stat.cversion,
            aversion: stat.aversion,
            ephemeral_owner: stat.ephemeral_owner as i64,
            data_length: stat.data_length,
            num_children: stat.num_children,
            pzxid: stat.pzxid as i64,
        }
    }
}

/// What a watch tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum WatchKind {
    /// The znode was created.
    Created,
    /// It was deleted.
    Deleted,
    /// Its data was set.
    DataChanged,
    /// A child was created or deleted.
    ChildrenChanged,
}

/// Why an operation failed, as the protocol says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum ErrorCode {
    /// An earlier operation of the multi failed, or a later one.
    #[error("another operation of the multi failed")]
    RuntimeInconsistency,
    /// The bytes are no request.
    #[error("the request could not be decoded")]
    Marshalling,
    /// No such operation here.
    #[error("not implemented")]
    Unimplemented,
    /// A path, a mode or a kind of watch is invalid.
    #[error("bad arguments")]
    BadArguments,
    /// No such znode, or its parent is missing.
    #[error("no such znode")]
    NoNode,
    /// The znode's ACL does not permit it.
    #[error("not permitted")]
    NoAuth,
    /// The znode has another version.
    #[error("the znode has another version")]
    BadVersion,
    /// Ephemeral znodes have no children.
    #[error("ephemeral znodes have no children")]
    NoChildrenForEphemerals,
    /// There is a znode of that path.
    #[error("the znode exists")]
    NodeExists,
    /// It has children.
    #[error("the znode has children")]
    NotEmpty,
    /// The session is gone.
    #[error("the session expired")]
    SessionExpired,
    /// An ACL is empty, or names who cannot be authenticated here.
    #[error("the ACL is invalid")]
    InvalidAcl,
    /// Credentials of a scheme that is not known here.
    #[error("authentication failed")]
    AuthFailed,
    /// There is no such watch.
    #[error("no such watch")]
    NoWatcher,
    /// The session is attached to another member now.
    #[error("the session moved to another member")]
    SessionMoved,
    /// Another error of the protocol.
    #[error("error {0}")]
    Other(i32),
}

impl ErrorCode {
    const KNOWN: [ErrorCode; 15] = [
        ErrorCode::RuntimeInconsistency,
        ErrorCode::Marshalling,
        ErrorCode::Unimplemented,
        ErrorCode::BadArguments,
        ErrorCode::NoNode,
        ErrorCode::NoAuth,
        ErrorCode::BadVersion,
        ErrorCode::NoChildrenForEphemerals,
        ErrorCode::NodeExists,
        ErrorCode::NotEmpty,
        ErrorCode::SessionExpired,
        ErrorCode::InvalidAcl,
        ErrorCode::AuthFailed,
        ErrorCode::NoWatcher,
        ErrorCode::SessionMoved,
    ];

    /// The number in the protocol.
    pub fn code(self) -> i32 {
        match self {
            ErrorCode::RuntimeInconsistency => -2,
            ErrorCode::Marshalling => -5,
            ErrorCode::Unimplemented => -6,
            ErrorCode::BadArguments => -8,
            ErrorCode::NoNode => -101,
            ErrorCode::NoAuth => -102,
            ErrorCode::BadVersion => -103,
            ErrorCode::NoChildrenForEphemerals => -108,
            ErrorCode::NodeExists => -110,
            ErrorCode::NotEmpty => -111,
            ErrorCode::SessionExpired => -112,
            ErrorCode::InvalidAcl => -114,
            ErrorCode::AuthFailed => -115,
            ErrorCode::NoWatcher => -121,
            ErrorCode::SessionMoved => -118,
            ErrorCode::Other(code) => code,
        }
    }

    /// The error with this number.
    pub fn from_code(code: i32) -> ErrorCode {
        Self::KNOWN.into_iter().find(|known| known.code() == code).unwrap_or(ErrorCode::Other(code))
    }
}

/// FNV-1a: stable over versions and machines.
pub(crate) fn fnv(seed: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// A session's password: who knows it may take the session over. Members derive it from the id instead of storing it,
/// as ZooKeeper does.
pub(crate) fn password(session: u64) -> [u8; 16] {
    let half = |salt: u64| fnv(salt ^ 0xb3a5_c4d1_0f6e_9287, &session.to_be_bytes()).to_be_bytes();
    let mut password = [0; 16];
    password[..8].copy_from_slice(&half(1));
    password[8..].copy_from_slice(&half(2));
    password
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zxid_orders_by_epoch_then_counter() {
        assert!(Zxid::new(2, 1) > Zxid::new(1, u32::MAX));
        assert_eq!((Zxid::new(7, 9).epoch(), Zxid::new(7, 9).counter()), (7, 9));
    }

    #[test]
    fn every_known_error_and_mode_survives_its_number() {
        for error in ErrorCode::KNOWN {
            assert_eq!(ErrorCode::from_code(error.code()), error);
        }
        for flag in 0..4 {
            assert_eq!(CreateMode::from_flag(flag).expect("known").flag(), flag);
        }
    }
}
