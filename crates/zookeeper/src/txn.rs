//! Transactions: what is proposed, logged and delivered in one total order.

use bytes::Bytes;

use crate::acl::{AccessControl, Credentials};
use crate::codec::{Decoder, Encoder, MALFORMED, Malformed};
use crate::types::{CreateMode, ErrorCode};

/// Which member asked, and by which of its own numbers: that member answers its client when the transaction is delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The member the client is connected to.
    pub member: u32,
    /// The member's own number for the request.
    pub tag: u64,
}

/// A transaction's body; its zxid travels beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Txn {
    /// The leader's wall clock when it proposed, in milliseconds.
    pub time: i64,
    /// The session it belongs to.
    pub session: u64,
    /// Who answers.
    pub origin: Origin,
    /// What to do.
    pub action: Action,
}

/// One change of the tree, alone or in a multi. Versions are -1 for any.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Creates a znode.
    Create {
        /// Its path; with a sequential mode, the number is appended.
        path: String,
        /// Its data.
        data: Option<Bytes>,
        /// Who may do what with it.
        acl: AccessControl,
        /// Its mode.
        mode: CreateMode,
    },
    /// Deletes a znode that has no children.
    Delete {
        /// Its path.
        path: String,
        /// The version it must have.
        version: i32,
    },
    /// Replaces a znode's data.
    SetData {
        /// Its path.
        path: String,
        /// The new data.
        data: Option<Bytes>,
        /// The version it must have.
        version: i32,
    },
    /// Changes nothing; in a multi, a condition.
    Check {
        /// Its path.
        path: String,
        /// The version it must have.
        version: i32,
    },
    /// Replaces a znode's access control list; never part of a multi.
    SetAcl {
        /// Its path.
        path: String,
        /// The new list.
        acl: AccessControl,
        /// The version that the old one must have.
        version: i32,
    },
    /// Fails: an operation of a multi that was refused where it was received.
    Refused(ErrorCode),
}

/// What a transaction does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// One operation, of a client with these credentials.
    One(Operation, Credentials),
    /// All or nothing.
    Multi(Vec<Operation>, Credentials),
    /// Opens the session.
    CreateSession {
        /// Its negotiated timeout.
        timeout_ms: u32,
    },
    /// Ends the session and deletes its ephemerals.
    CloseSession {
        /// Whether the leader expired it, or its client asked.
        expired: bool,
    },
    /// Nothing: the request failed before it was proposed, and its error keeps its place in the session's order.
    Fail(ErrorCode),
}

impl Txn {
    /// The bytes that are logged and sent.
    pub fn encode(&self) -> Bytes {
        let mut encoder = Encoder::new();
        encoder.i64(self.time).u64(self.session).u32(self.origin.member).u64(self.origin.tag);
        self.action.encode(&mut encoder);
        encoder.finish()
    }

    /// Reads what [`Txn::encode`] wrote.
    pub fn decode(bytes: Bytes) -> Result<Txn, Malformed> {
        let mut decoder = Decoder::new(bytes);
        Ok(Txn {
            time: decoder.i64()?,
            session: decoder.u64()?,
            origin: Origin { member: decoder.u32()?, tag: decoder.u64()? },
            action: Action::decode(&mut decoder)?,
        })
    }
}

impl Action {
    /// Appends it.
    pub fn encode(&self, encoder: &mut Encoder) {
        match self {
            // Most clients have no credentials; these come first, so that who has none needs no byte for it.
            Action::One(operation, credentials) => {
                encode_credentials(credentials, encoder);
                operation.encode(encoder.u8(1));
            }
            Action::Multi(operations, credentials) => {
                encode_credentials(credentials, encoder);
                encoder.u8(2).list(operations, |encoder, operation| operation.encode(encoder));
            }
            Action::CreateSession { timeout_ms } => {
                encoder.u8(3).u32(*timeout_ms);
            }
            Action::CloseSession { expired } => {
                encoder.u8(4).u8(u8::from(*expired));
            }
            Action::Fail(error) => {
                encoder.u8(5).i32(error.code());
            }
        }
    }

    /// Reads what [`Action::encode`] wrote.
    pub fn decode(decoder: &mut Decoder) -> Result<Action, Malformed> {
        let mut kind = decoder.u8()?;
        let mut credentials = Credentials::default();
        if kind == CREDENTIALS {
            credentials = Credentials::decode(decoder)?;
            kind = decoder.u8()?;
        }
        Ok(match kind {
            1 => Action::One(Operation::decode(decoder)?, credentials),
            2 => Action::Multi(decoder.list(Operation::decode)?, credentials),
            3 => Action::CreateSession { timeout_ms: decoder.u32()? },
            4 => Action::CloseSession { expired: decoder.u8()? != 0 },
            5 => Action::Fail(ErrorCode::from_code(decoder.i32()?)),
            _ => return Err(MALFORMED),
        })
    }
}

/// Stands before credentials, where the kind of an action is expected.
const CREDENTIALS: u8 = 6;

fn encode_credentials(credentials: &Credentials, encoder: &mut Encoder) {
    if !credentials.is_empty() {
        credentials.encode(encoder.u8(CREDENTIALS));
    }
}

impl Operation {
    fn encode(&self, encoder: &mut Encoder) {
        match self {
            Operation::Create { path, data, acl, mode } => {
                encoder.u8(if acl.is_open() { 1 } else { 5 });
                encoder.text(path).nullable_bytes(data.as_deref()).i32(mode.flag());
                if !acl.is_open() {
                    acl.encode(encoder);
                }
            }
            Operation::Delete { path, version } => drop(encoder.u8(2).text(path).i32(*version)),
            Operation::SetData { path, data, version } => {
                encoder.u8(3).text(path).nullable_bytes(data.as_deref()).i32(*version);
            }
            Operation::Check { path, version } => drop(encoder.u8(4).text(path).i32(*version)),
            Operation::SetAcl { path, acl, version } => acl.encode(encoder.u8(6).text(path).i32(*version)),
            Operation::Refused(error) => drop(encoder.u8(7).i32(error.code())),
        }
    }

    fn decode(decoder: &mut Decoder) -> Result<Operation, Malformed> {
        let kind = decoder.u8()?;
        if kind == 7 {
            return Ok(Operation::Refused(ErrorCode::from_code(decoder.i32()?)));
        }
        let path = decoder.text()?;
        Ok(match kind {
            1 | 5 => {
                let data = decoder.nullable_bytes()?;
                let mode = CreateMode::from_flag(decoder.i32()?).ok_or(MALFORMED)?;
                let acl = if kind == 5 { AccessControl::decode(decoder)? } else { AccessControl::default() };
                Operation::Create { path, data, acl, mode }
            }
            2 => Operation::Delete { path, version: decoder.i32()? },
            3 => Operation::SetData { path, data: decoder.nullable_bytes()?, version: decoder.i32()? },
            4 => Operation::Check { path, version: decoder.i32()? },
            6 => {
                let version = decoder.i32()?;
                Operation::SetAcl { path, acl: AccessControl::decode(decoder)?, version }
            }
            _ => return Err(MALFORMED),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::jute::{Acl, Id};

    fn txn(action: Action) -> Txn {
        Txn { time: 5, session: 7, origin: Origin { member: 1, tag: 9 }, action }
    }

    fn operations() -> Vec<Operation> {
        let path = || "/a".to_owned();
        let acl = Acl { permissions: 1, id: Id { scheme: "world".into(), id: "anyone".into() } };
        let acl = AccessControl::resolve(&[acl], &Credentials::default()).unwrap();
        let (data, mode) = (Some(Bytes::from_static(b"1")), CreateMode::EphemeralSequential);
        vec![
            Operation::Create { path: path(), data: data.clone(), acl: AccessControl::default(), mode },
            Operation::Create { path: path(), data: None, acl: acl.clone(), mode },
            Operation::Delete { path: path(), version: 3 },
            Operation::SetData { path: path(), data: Some(Bytes::new()), version: -1 },
            Operation::SetData { path: path(), data: None, version: -1 },
            Operation::Check { path: path(), version: 0 },
            Operation::SetAcl { path: path(), acl, version: 1 },
            Operation::Refused(ErrorCode::InvalidAcl),
        ]
    }

    #[test]
    fn a_transaction_survives_its_bytes_and_every_cut_of_them_is_malformed() {
        let mut known = Credentials::default();
        known.authenticate("digest", Some(&Bytes::from_static(b"me:secret"))).unwrap();
        let mut actions = vec![
            Action::Multi(operations(), known.clone()),
            Action::Multi(operations(), Credentials::default()),
            Action::CreateSession { timeout_ms: 6000 },
            Action::CloseSession { expired: true },
            Action::Fail(ErrorCode::SessionMoved),
        ];
        actions.extend(operations().into_iter().map(|operation| Action::One(operation, known.clone())));
        for action in actions {
            let txn = txn(action);
            let bytes = txn.encode();
            assert_eq!(Txn::decode(bytes.clone()), Ok(txn));
            for cut in 0..bytes.len() {
                assert!(Txn::decode(bytes.slice(..cut)).is_err(), "cut at {cut}");
            }
        }
    }

    #[test]
    fn who_uses_no_access_control_pays_no_byte_for_it() {
        let create = operations().remove(0);
        let bytes = txn(Action::One(create, Credentials::default())).encode();
        // Time, session and origin; the kinds of action and operation; path, data and mode.
        assert_eq!(bytes.len(), (8 + 8 + 4 + 8) + (1 + 1) + (4 + 2) + (4 + 1) + 4);
    }
}
