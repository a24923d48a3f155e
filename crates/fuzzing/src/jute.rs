//! ZooKeeper's frames.

use bytes::Bytes;
use wire::jute::{
    ConnectRequest, ConnectResponse, decode_reply, decode_request, describe, encode_request, four_letter_word,
    frame_length,
};

/// Decodes the input as all that a server or a client may be sent.
///
/// # Panics
/// If a decoded request does not survive being encoded.
pub fn jute_frames(input: &[u8]) {
    let _ = frame_length(input);
    let _ = four_letter_word(input);
    let _ = (describe(input, true), describe(input, false));
    let frame = Bytes::copy_from_slice(input);
    let _ = ConnectRequest::decode(frame.clone());
    let _ = ConnectResponse::decode(frame.clone());
    let _ = decode_reply(frame.clone());
    if let Ok((header, request)) = decode_request(frame) {
        let again = encode_request(header.xid, &request);
        assert_eq!(decode_request(again), Ok((header, request)));
    }
}
