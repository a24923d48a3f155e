//! What can be said of a write before it is proposed: its mode, its path's form, its access control list. What depends on the
//! tree is decided where the transaction is applied.

use wire::jute::{self, Acl};

use crate::acl::{AccessControl, Credentials};
use crate::path::{has_parent, is_valid};
use crate::txn::Operation;
use crate::types::{CreateMode, ErrorCode};

/// Modes that ZooKeeper knows and this server does not: containers, and znodes with a time to live.
const UNIMPLEMENTED_MODES: std::ops::RangeInclusive<i32> = 4..=6;

/// What the tree is to do.
pub(super) fn operation(operation: jute::Operation, credentials: &Credentials) -> Result<Operation, ErrorCode> {
    use jute::Operation as Asked;
    Ok(match operation {
        Asked::Create { path, data, acl, flags } | Asked::Create2 { path, data, acl, flags } => {
            let mode = CreateMode::from_flag(flags).ok_or(match UNIMPLEMENTED_MODES.contains(&flags) {
                true => ErrorCode::Unimplemented,
                false => ErrorCode::BadArguments,
            })?;
            if !has_parent(&path) {
                return Err(ErrorCode::BadArguments);
            }
            Operation::Create { path, data, acl: AccessControl::resolve(&acl, credentials)?, mode }
        }
        Asked::Delete { path, version } => Operation::Delete { path, version },
        Asked::SetData { path, data, version } => Operation::SetData { path, data, version },
        Asked::Check { path, version } => Operation::Check { path, version },
    })
}

/// What the tree is to do for all of a multi. One that cannot be done fails in its turn: an earlier one may fail before it.
pub(super) fn multi(operations: Vec<jute::Operation>, credentials: &Credentials) -> Vec<Operation> {
    let prepare = |asked| operation(asked, credentials).unwrap_or_else(Operation::Refused);
    operations.into_iter().map(prepare).collect()
}

/// The same for an access control list.
pub(super) fn set_acl(
    path: String,
    acl: &[Acl],
    version: i32,
    credentials: &Credentials,
) -> Result<Operation, ErrorCode> {
    if !is_valid(&path) {
        return Err(ErrorCode::BadArguments);
    }
    Ok(Operation::SetAcl { path, acl: AccessControl::resolve(acl, credentials)?, version })
}
