//! Kafka's frames: what can be decoded can be encoded again, and says the same.

use bytes::Bytes;
use wire::kafka::{
    Api, consumer_protocol, decode_request, decode_response, describe_request, encode_request, encode_response,
    frame_length,
};

/// Decodes the input as a request, and as a response of the API and version that its first bytes name.
///
/// # Panics
/// If a decoded message does not survive being encoded.
pub fn kafka_frames(input: &[u8]) {
    let _ = frame_length(input);
    let _ = describe_request(input);
    let frame = Bytes::copy_from_slice(input);
    if let Ok((header, request)) = decode_request(frame.clone()) {
        // A field that a version lacks never comes out of its decoder, so what was read can be written.
        let again = encode_request(&header, &request).unwrap_or_else(|error| panic!("{request:?}: {error}"));
        assert_eq!(decode_request(again), Ok((header, request)));
    }
    let Some((head, body)) = input.split_at_checked(4) else { return };
    let (key, version) = (i16::from_be_bytes([head[0], head[1]]), i16::from_be_bytes([head[2], head[3]]));
    let Some(api) = Api::from_key(key).filter(|api| api.range().serves(version)) else { return };
    if let Ok((correlation, response)) = decode_response(api.key(), version, Bytes::copy_from_slice(body)) {
        // Only an ApiVersions answer may be of another version than asked: see KIP-511.
        if let Ok(again) = encode_response(api.key(), version, correlation, &response) {
            assert_eq!(decode_response(api.key(), version, again), Ok((correlation, response)));
        }
    }
    let _ = consumer_protocol::decode_subscription(body.to_vec().into());
    let _ = consumer_protocol::decode_assignment(body.to_vec().into());
}
