//! Numbers with a meaning: operations, special xids, events, states, modes, permissions.

macro_rules! codes {
    ($(#[$attribute:meta])* $name:ident: $type:ty { $($(#[$variant_attribute:meta])* $variant:ident = $code:literal,)* }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr($type)]
        pub enum $name {
            $($(#[$variant_attribute])* $variant = $code,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The one with this code.
            pub const fn from_code(code: $type) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// Its name, for traces.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            /// The code on the wire.
            pub const fn code(self) -> $type {
                self as $type
            }
        }
    };
}
pub(super) use codes;

codes! {
    /// What a client may ask for.
    OpCode: i32 {
        /// A watch event; only from the server.
        Notification = 0,
        /// Create a znode.
        Create = 1,
        /// Delete a znode.
        Delete = 2,
        /// Does a znode exist?
        Exists = 3,
        /// Read a znode's data.
        GetData = 4,
        /// Write a znode's data.
        SetData = 5,
        /// Read a znode's access control list.
        GetAcl = 6,
        /// Write a znode's access control list.
        SetAcl = 7,
        /// List a znode's children.
        GetChildren = 8,
        /// Wait until the server has caught up with the leader.
        Sync = 9,
        /// Keep the session alive.
        Ping = 11,
        /// List a znode's children, with its stat.
        GetChildren2 = 12,
        /// Check a znode's version; clients send it only within a multi.
        Check = 13,
        /// Several operations, all or none.
        Multi = 14,
        /// Create a znode; the reply has its stat.
        Create2 = 15,
        /// Does the connection watch a znode?
        CheckWatches = 17,
        /// Stop watching a znode.
        RemoveWatches = 18,
        /// Authenticate.
        Auth = 100,
        /// Restore watches after a reconnect.
        SetWatches = 101,
        /// The same, with persistent watches.
        SetWatches2 = 105,
        /// Watch a znode, or all below it, until the watch is removed.
        AddWatch = 106,
        /// Begin a session: the connect request, which has no header and so no code of its own.
        CreateSession = -10,
        /// End the session.
        CloseSession = -11,
        /// The result of a failed operation of a multi.
        Error = -1,
    }
}

/// Xids that are no client's counter.
pub mod xid {
    /// A watch event.
    pub const NOTIFICATION: i32 = -1;
    /// A ping and its reply.
    pub const PING: i32 = -2;
    /// An auth packet and its reply.
    pub const AUTH: i32 = -4;
    /// Restored watches and their reply.
    pub const SET_WATCHES: i32 = -8;
}

codes! {
    /// What a watch saw.
    EventType: i32 {
        /// Nothing: the session's state changed.
        None = -1,
        /// The znode was created.
        NodeCreated = 1,
        /// The znode was deleted.
        NodeDeleted = 2,
        /// The znode's data changed.
        NodeDataChanged = 3,
        /// A child was created or deleted.
        NodeChildrenChanged = 4,
    }
}

codes! {
    /// The state of a session, as its client sees it.
    KeeperState: i32 {
        /// No connection.
        Disconnected = 0,
        /// Connected.
        SyncConnected = 3,
        /// Authentication failed.
        AuthFailed = 4,
        /// Connected to a read-only server.
        ConnectedReadOnly = 5,
        /// The ensemble has ended the session.
        Expired = -112,
        /// The client has ended the session.
        Closed = 7,
    }
}

codes! {
    /// What kind of znode to create: bit 0 ephemeral, bit 1 sequential.
    CreateMode: i32 {
        /// Lives until it is deleted.
        Persistent = 0,
        /// Dies with its session.
        Ephemeral = 1,
        /// Persistent, with a rising number appended to its name.
        PersistentSequential = 2,
        /// Ephemeral, with a rising number appended to its name.
        EphemeralSequential = 3,
    }
}

codes! {
    /// How long a watch added by `addWatch` lasts and how far it sees.
    AddWatchMode: i32 {
        /// It stays when it has fired.
        Persistent = 0,
        /// Persistent, and it covers all znodes below too.
        PersistentRecursive = 1,
    }
}

codes! {
    /// Which watches of a znode `checkWatches` and `removeWatches` mean.
    WatcherType: i32 {
        /// Those of getChildren.
        Children = 1,
        /// Those of getData and exists.
        Data = 2,
        /// All, persistent ones included.
        Any = 3,
    }
}

impl CreateMode {
    /// Whether the znode dies with its session.
    pub const fn is_ephemeral(self) -> bool {
        self as i32 & 1 != 0
    }

    /// Whether a rising number is appended to the znode's name.
    pub const fn is_sequential(self) -> bool {
        self as i32 & 2 != 0
    }
}

/// Bits of an access control list's permissions.
pub mod permission {
    /// Read data, list children.
    pub const READ: i32 = 1;
    /// Write data.
    pub const WRITE: i32 = 2;
    /// Create children.
    pub const CREATE: i32 = 4;
    /// Delete children.
    pub const DELETE: i32 = 8;
    /// Change the list itself.
    pub const ADMIN: i32 = 16;
    /// All of them.
    pub const ALL: i32 = 31;
}
