//! Kafka's framing, as the host wants it.

use std::sync::OnceLock;

use host::{BadFrame, Framing, Label};
use trace::{Name, Protocol};
use wire::kafka::{MAXIMUM_FRAME, api_name, describe_request, describe_response, frame_length};

/// Highest API key that gets its interned name from the table.
const NAMED: i16 = 96;

/// The interned name of an API; interning takes a lock, so the names are looked up once.
pub(crate) fn name_of_api(key: i16) -> Name {
    static NAMES: OnceLock<Vec<Name>> = OnceLock::new();
    let names = NAMES.get_or_init(|| (0..NAMED).map(|key| Name::new(api_name(key))).collect());
    usize::try_from(key).ok().and_then(|key| names.get(key).copied()).unwrap_or_else(|| Name::new(api_name(key)))
}

/// Frames of Kafka's protocol.
pub(crate) fn kafka_framing() -> Framing {
    Framing {
        protocol: Protocol::Kafka,
        maximum: MAXIMUM_FRAME + wire::PREFIX,
        length: |buffered| frame_length(buffered).map_err(|_| BadFrame),
        describe,
    }
}

fn describe(frame: &[u8], is_request: bool) -> Label {
    let label = if is_request { describe_request(frame) } else { describe_response(frame) };
    Label { api: label.api.map(name_of_api), correlation: label.correlation }
}
