//! Kafka's framing, as the host's network wants it.

use std::sync::OnceLock;

use host::{BadFrame, Framing, Label};
use trace::{Name, Protocol};
use wire::kafka;

/// The framing of connections that speak Kafka's protocol.
pub fn kafka_framing() -> Framing {
    Framing { protocol: Protocol::Kafka, maximum: kafka::MAXIMUM_FRAME + wire::PREFIX, length, describe }
}

fn length(buffered: &[u8]) -> Result<Option<usize>, BadFrame> {
    kafka::frame_length(buffered).map_err(|_| BadFrame)
}

fn describe(frame: &[u8], from_connector: bool) -> Label {
    if from_connector {
        let label = kafka::describe_request(frame);
        return Label { api: label.api.map(api_name), correlation: label.correlation };
    }
    Label { api: None, correlation: kafka::describe_response(frame).correlation }
}

/// The interned name of an API, without a lookup by text at each frame.
pub fn api_name(key: i16) -> Name {
    const KEYS: i16 = 100;
    static NAMES: OnceLock<Vec<Name>> = OnceLock::new();
    let names = NAMES.get_or_init(|| (0..KEYS).map(|key| Name::new(kafka::api_name(key))).collect());
    usize::try_from(key).ok().and_then(|key| names.get(key).copied()).unwrap_or_else(|| Name::new("Unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_api_and_a_response_does_not() {
        let frame = [0, 0, 0, 8, 0, 1, 0, 12, 0, 0, 0, 9];
        assert_eq!(length(&frame), Ok(Some(12)));
        assert_eq!(describe(&frame, true), Label { api: Some(Name::new("Fetch")), correlation: 9 });
        assert_eq!(describe(&frame, false).api, None);
        assert_eq!(length(&[0xff, 0, 0, 0]), Err(BadFrame));
        assert_eq!((api_name(-1), api_name(i16::MAX)), (Name::new("Unknown"), Name::new("Unknown")));
    }
}
