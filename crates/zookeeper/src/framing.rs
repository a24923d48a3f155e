//! Where frames end and what a trace calls them.

use host::{BadFrame, Framing, Label};
use trace::{Name, Protocol};
use wire::jute::{self, OpCode};

/// A snapshot of a large tree must fit into one frame.
const QUORUM_MAXIMUM: usize = 256 << 20;

/// Between clients and members: jute, or four-letter words and their answers.
pub(crate) fn client() -> Framing {
    Framing {
        protocol: Protocol::ZooKeeper,
        maximum: jute::MAXIMUM_FRAME + 4,
        length: |buffered| match jute::text_length(buffered) {
            Some(length) => Ok(Some(length)),
            None => jute::frame_length(buffered).map_err(|_| BadFrame),
        },
        describe: |frame, from_client| {
            if let Some(word) = jute::four_letter_word(frame) {
                return Label { api: Some(Name::new(word)), correlation: 0 };
            }
            let label = jute::describe(frame, from_client);
            let operation = label.api.and_then(|api| OpCode::from_code(i32::from(api)));
            Label { api: operation.map(|operation| Name::new(name(operation))), correlation: label.correlation }
        },
    }
}

/// Between members.
pub(crate) fn quorum() -> Framing {
    Framing {
        protocol: Protocol::Quorum,
        maximum: QUORUM_MAXIMUM,
        length: |buffered| {
            let Some(prefix) = buffered.first_chunk() else { return Ok(None) };
            let length = u32::from_be_bytes(*prefix) as usize;
            if length < QUORUM_MAXIMUM - 4 { Ok(Some(length + 4)) } else { Err(BadFrame) }
        },
        describe: |frame, _| {
            let (name, correlation) = crate::zab::describe(frame).unwrap_or(("UNKNOWN", 0));
            Label { api: Some(Name::new(name)), correlation }
        },
    }
}

/// An operation as ZooKeeper spells it.
fn name(operation: OpCode) -> &'static str {
    match operation {
        OpCode::Notification => "notification",
        OpCode::Create => "create",
        OpCode::Delete => "delete",
        OpCode::Exists => "exists",
        OpCode::GetData => "getData",
        OpCode::SetData => "setData",
        OpCode::GetAcl => "getACL",
        OpCode::SetAcl => "setACL",
        OpCode::GetChildren => "getChildren",
        OpCode::Sync => "sync",
        OpCode::Ping => "ping",
        OpCode::GetChildren2 => "getChildren2",
        OpCode::Check => "check",
        OpCode::Multi => "multi",
        OpCode::Create2 => "create2",
        OpCode::Auth => "auth",
        OpCode::SetWatches => "setWatches",
        OpCode::SetWatches2 => "setWatches2",
        OpCode::CheckWatches => "checkWatches",
        OpCode::RemoveWatches => "removeWatches",
        OpCode::AddWatch => "addWatch",
        OpCode::CreateSession => "connect",
        OpCode::CloseSession => "closeSession",
        OpCode::Error => "error",
    }
}
