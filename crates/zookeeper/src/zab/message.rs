//! What members say to each other, as frames in jute's primitives.

use bytes::Bytes;

use crate::codec::{Decoder, Encoder, MALFORMED, Malformed};
use crate::election::{Notification, Standing, Vote};
use crate::txn::Action;
use crate::types::Zxid;

/// A message between a leader and its follower, or (NOTIFICATION) between any two members.
#[derive(Clone, PartialEq, Debug)]
pub enum Message {
    /// Election: a vote.
    Notification(Notification),
    /// Discovery: a follower presents itself.
    FollowerInfo {
        /// Its id.
        member: u32,
        /// The highest epoch it has accepted.
        accepted_epoch: u32,
    },
    /// Discovery: the leader proposes an epoch.
    LeaderInfo {
        /// The new epoch.
        epoch: u32,
    },
    /// Discovery: the follower will take part in no older epoch.
    AckEpoch {
        /// The epoch of its last established leader; none if it accepted this epoch before, and must not count twice.
        current_epoch: Option<u32>,
        /// The last zxid in its log.
        last: Zxid,
    },
    /// Synchronization: the follower's log is a prefix of the leader's.
    Diff,
    /// Synchronization: cut the log after this zxid.
    Trunc {
        /// The last zxid to keep.
        to: Zxid,
    },
    /// Synchronization: replace everything.
    Snap {
        /// The last zxid in the state.
        zxid: Zxid,
        /// The state.
        state: Bytes,
    },
    /// Synchronization: the log is complete now.
    NewLeader {
        /// The leader's epoch.
        epoch: u32,
    },
    /// Synchronization: the epoch is established.
    UpToDate {
        /// All up to here is committed.
        committed: Zxid,
    },
    /// Broadcast: append this.
    Proposal {
        /// Its zxid.
        zxid: Zxid,
        /// The transaction.
        payload: Bytes,
    },
    /// All up to here is fsynced; the first one answers `NewLeader`.
    Ack {
        /// The last zxid.
        zxid: Zxid,
    },
    /// All up to here is committed.
    Commit {
        /// The last zxid.
        zxid: Zxid,
    },
    /// A sign of life; a follower's carries the sessions heard of since its last one.
    Ping {
        /// The sessions.
        sessions: Vec<u64>,
    },
    /// A follower's client wants a change.
    Request {
        /// The follower's number for it.
        tag: u64,
        /// The session.
        session: u64,
        /// The change.
        action: Action,
    },
    /// A client came with a session: is it alive? The answer has the session's timeout, 0 for no.
    Revalidate {
        /// The follower's number for the question.
        tag: u64,
        /// The session.
        session: u64,
        /// The session's timeout in milliseconds.
        timeout_ms: u32,
    },
    /// A follower's client wants to see what is committed by now; the answer comes behind those commits.
    Sync {
        /// The follower's number for it.
        tag: u64,
    },
}

const NAMES: [&str; 17] = [
    "",
    "NOTIFICATION",
    "FOLLOWERINFO",
    "LEADERINFO",
    "ACKEPOCH",
    "DIFF",
    "TRUNC",
    "SNAP",
    "NEWLEADER",
    "UPTODATE",
    "PROPOSAL",
    "ACK",
    "COMMIT",
    "PING",
    "REQUEST",
    "REVALIDATE",
    "SYNC",
];

/// The name of a frame's message, and a number that tells it from its neighbours (a zxid's counter).
pub fn describe(frame: &[u8]) -> Option<(&'static str, i32)> {
    let kind = usize::from(*frame.get(4)?);
    let name = NAMES.get(kind).filter(|name| !name.is_empty())?;
    let counter = match kind {
        6 | 7 | 9..=12 => frame.get(9..13).map_or(0, |bytes| i32::from_be_bytes(bytes.try_into().expect("four bytes"))),
        _ => 0,
    };
    Some((name, counter))
}

impl Message {
    /// The frame of this message.
    pub fn encode(&self) -> Bytes {
        let mut frame = Encoder::frame();
        match self {
            Message::Notification(said) => {
                let Vote { epoch, zxid, leader } = said.vote;
                frame.u8(1).u32(said.from).u8(said.standing as u8).u64(said.round).u32(epoch).u64(zxid.0).u32(leader)
            }
            Message::FollowerInfo { member, accepted_epoch } => frame.u8(2).u32(*member).u32(*accepted_epoch),
            Message::LeaderInfo { epoch } => frame.u8(3).u32(*epoch),
            Message::AckEpoch { current_epoch, last } => {
                frame.u8(4).u8(u8::from(current_epoch.is_some())).u32(current_epoch.unwrap_or(0)).u64(last.0)
            }
            Message::Diff => frame.u8(5),
            Message::Trunc { to } => frame.u8(6).u64(to.0),
            Message::Snap { zxid, state } => frame.u8(7).u64(zxid.0).bytes(state),
            Message::NewLeader { epoch } => frame.u8(8).u32(*epoch),
            Message::UpToDate { committed } => frame.u8(9).u64(committed.0),
            Message::Proposal { zxid, payload } => frame.u8(10).u64(zxid.0).bytes(payload),
            Message::Ack { zxid } => frame.u8(11).u64(zxid.0),
            Message::Commit { zxid } => frame.u8(12).u64(zxid.0),
            Message::Ping { sessions } => frame.u8(13).list(sessions, |frame, session| {
                frame.u64(*session);
            }),
            Message::Request { tag, session, action } => {
                frame.u8(14).u64(*tag).u64(*session);
                action.encode(&mut frame);
                &mut frame
            }
            Message::Revalidate { tag, session, timeout_ms } => frame.u8(15).u64(*tag).u64(*session).u32(*timeout_ms),
            Message::Sync { tag } => frame.u8(16).u64(*tag),
        };
        frame.finish()
    }

    /// Reads what [`Message::encode`] wrote.
    ///
    /// # Errors
    /// If the bytes are no message.
    pub fn decode(frame: Bytes) -> Result<Message, Malformed> {
        let mut decoder = Decoder::from_frame(frame)?;
        let zxid = |decoder: &mut Decoder| decoder.u64().map(Zxid);
        let decoder = &mut decoder;
        Ok(match decoder.u8()? {
            1 => Message::Notification(decode_notification(decoder)?),
            2 => Message::FollowerInfo { member: decoder.u32()?, accepted_epoch: decoder.u32()? },
            3 => Message::LeaderInfo { epoch: decoder.u32()? },
            4 => {
                let (counts, epoch) = (decoder.u8()? != 0, decoder.u32()?);
                Message::AckEpoch { current_epoch: counts.then_some(epoch), last: zxid(decoder)? }
            }
            5 => Message::Diff,
            6 => Message::Trunc { to: zxid(decoder)? },
            7 => Message::Snap { zxid: zxid(decoder)?, state: decoder.bytes()? },
            8 => Message::NewLeader { epoch: decoder.u32()? },
            9 => Message::UpToDate { committed: zxid(decoder)? },
            10 => Message::Proposal { zxid: zxid(decoder)?, payload: decoder.bytes()? },
            11 => Message::Ack { zxid: zxid(decoder)? },
            12 => Message::Commit { zxid: zxid(decoder)? },
            13 => Message::Ping { sessions: decoder.list(Decoder::u64)? },
            14 => Message::Request { tag: decoder.u64()?, session: decoder.u64()?, action: Action::decode(decoder)? },
            15 => Message::Revalidate { tag: decoder.u64()?, session: decoder.u64()?, timeout_ms: decoder.u32()? },
            16 => Message::Sync { tag: decoder.u64()? },
            _ => return Err(MALFORMED),
        })
    }
}

fn decode_notification(decoder: &mut Decoder) -> Result<Notification, Malformed> {
    let from = decoder.u32()?;
    let standing = match decoder.u8()? {
        0 => Standing::Looking,
        1 => Standing::Following,
        2 => Standing::Leading,
        _ => return Err(MALFORMED),
    };
    let round = decoder.u64()?;
    let vote = Vote { epoch: decoder.u32()?, zxid: Zxid(decoder.u64()?), leader: decoder.u32()? };
    Ok(Notification { from, standing, round, vote })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_its_frame_and_has_a_name() {
        let zxid = Zxid::new(3, 77);
        let vote = Vote { epoch: 3, zxid, leader: 2 };
        let messages = [
            Message::Notification(Notification { from: 1, standing: Standing::Leading, round: 4, vote }),
            Message::FollowerInfo { member: 1, accepted_epoch: 2 },
            Message::LeaderInfo { epoch: 3 },
            Message::AckEpoch { current_epoch: None, last: zxid },
            Message::Diff,
            Message::Trunc { to: zxid },
            Message::Snap { zxid, state: Bytes::from_static(b"state") },
            Message::NewLeader { epoch: 3 },
            Message::UpToDate { committed: zxid },
            Message::Proposal { zxid, payload: Bytes::from_static(b"p") },
            Message::Ack { zxid },
            Message::Commit { zxid },
            Message::Ping { sessions: vec![1, 2] },
            Message::Request { tag: 1, session: 2, action: Action::CloseSession { expired: false } },
            Message::Revalidate { tag: 1, session: 2, timeout_ms: 3 },
            Message::Sync { tag: 1 },
        ];
        for (index, message) in messages.into_iter().enumerate() {
            let frame = message.encode();
            let (name, counter) = describe(&frame).expect("has a name");
            assert_eq!(name, NAMES[index + 1]);
            assert!(counter == 0 || counter == 77, "{name}: {counter}");
            assert_eq!(Message::decode(frame.clone()).as_ref(), Ok(&message));
            for cut in 0..frame.len() {
                assert!(Message::decode(frame.slice(..cut)).is_err(), "{name} cut at {cut}");
            }
        }
        assert_eq!(describe(&Message::Commit { zxid }.encode()), Some(("COMMIT", 77)));
    }
}
