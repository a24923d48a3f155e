//! Transactions: what is proposed, logged and delivered in one total order.

use bytes::Bytes;

use crate::codec::{Decoder, Encoder, MALFORMED, Malformed};
use crate::types::{CreateMode, ErrorCode, Op};

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

/// What a transaction does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// One operation.
    One(Op),
    /// All or nothing.
    Multi(Vec<Op>),
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
            Action::One(op) => encode_op(op, encoder.u8(1)),
            Action::Multi(ops) => {
                encoder.u8(2).list(ops, |encoder, op| encode_op(op, encoder));
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
        Ok(match decoder.u8()? {
            1 => Action::One(decode_op(decoder)?),
            2 => Action::Multi(decoder.list(decode_op)?),
            3 => Action::CreateSession { timeout_ms: decoder.u32()? },
            4 => Action::CloseSession { expired: decoder.u8()? != 0 },
            5 => Action::Fail(ErrorCode::from_code(decoder.i32()?)),
            _ => return Err(MALFORMED),
        })
    }
}

fn encode_op(op: &Op, encoder: &mut Encoder) {
    match op {
        Op::Create { path, data, mode } => encoder.u8(1).text(path).bytes(data).i32(mode.flag()),
        Op::Delete { path, version } => encoder.u8(2).text(path).i32(*version),
        Op::SetData { path, data, version } => encoder.u8(3).text(path).bytes(data).i32(*version),
        Op::Check { path, version } => encoder.u8(4).text(path).i32(*version),
    };
}

fn decode_op(decoder: &mut Decoder) -> Result<Op, Malformed> {
    let kind = decoder.u8()?;
    let path = decoder.text()?;
    Ok(match kind {
        1 => {
            let data = decoder.bytes()?;
            let mode = CreateMode::from_flag(decoder.i32()?).ok_or(MALFORMED)?;
            Op::Create { path, data, mode }
        }
        2 => Op::Delete { path, version: decoder.i32()? },
        3 => Op::SetData { path, data: decoder.bytes()?, version: decoder.i32()? },
        4 => Op::Check { path, version: decoder.i32()? },
        _ => return Err(MALFORMED),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_survives_its_bytes_and_every_cut_of_them_is_malformed() {
        let ops = vec![
            Op::Create { path: "/a".into(), data: Bytes::from_static(b"1"), mode: CreateMode::EphemeralSequential },
            Op::Delete { path: "/b".into(), version: 3 },
            Op::SetData { path: "/c".into(), data: Bytes::new(), version: -1 },
            Op::Check { path: "/d".into(), version: 0 },
        ];
        let actions = [
            Action::One(ops[0].clone()),
            Action::Multi(ops),
            Action::CreateSession { timeout_ms: 6000 },
            Action::CloseSession { expired: true },
            Action::Fail(ErrorCode::SessionMoved),
        ];
        for action in actions {
            let txn = Txn { time: 5, session: 7, origin: Origin { member: 1, tag: 9 }, action };
            let bytes = txn.encode();
            assert_eq!(Txn::decode(bytes.clone()), Ok(txn));
            for cut in 0..bytes.len() {
                assert!(Txn::decode(bytes.slice(..cut)).is_err(), "cut at {cut}");
            }
        }
    }
}
