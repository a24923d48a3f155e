//! ZooKeeper's error codes.

use super::code::codes;

codes! {
    /// An error code of a reply, `Ok` included.
    ErrorCode: i32 {
        /// No error.
        Ok = 0,
        /// The server failed.
        SystemError = -1,
        /// The server's state is not what it should be; also the result of an operation that a multi did not come to.
        RuntimeInconsistency = -2,
        /// The server's data is not what it should be.
        DataInconsistency = -3,
        /// The connection broke; whether the operation took effect is unknown.
        ConnectionLoss = -4,
        /// The request could not be read.
        MarshallingError = -5,
        /// No such operation.
        Unimplemented = -6,
        /// No reply in time.
        OperationTimeout = -7,
        /// The request makes no sense.
        BadArguments = -8,
        /// A reconfiguration must wait for a quorum of the new configuration.
        NewConfigNoQuorum = -13,
        /// Another reconfiguration is under way.
        ReconfigInProgress = -14,
        /// The session is not known to this server.
        UnknownSession = -12,
        /// First of the codes that are the caller's fault.
        ApiError = -100,
        /// No such znode.
        NoNode = -101,
        /// Not permitted.
        NoAuth = -102,
        /// The znode has another version.
        BadVersion = -103,
        /// Ephemeral znodes have no children.
        NoChildrenForEphemerals = -108,
        /// The znode exists.
        NodeExists = -110,
        /// The znode has children.
        NotEmpty = -111,
        /// The session is over.
        SessionExpired = -112,
        /// An invalid callback; client side only.
        InvalidCallback = -113,
        /// The access control list is invalid.
        InvalidAcl = -114,
        /// Authentication failed.
        AuthFailed = -115,
        /// The session has moved to another server.
        SessionMoved = -118,
        /// The server is read-only.
        NotReadOnly = -119,
        /// The session is local and cannot own ephemerals.
        EphemeralOnLocalSession = -120,
        /// No such watcher.
        NoWatcher = -121,
        /// The request was throttled.
        RequestTimeout = -122,
        /// Reconfiguration is disabled.
        ReconfigDisabled = -123,
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl std::error::Error for ErrorCode {}
