//! Any bytes into every decoder of frames: an error at worst, and memory in proportion.

use bytes::Bytes;
use odradek_wire::kafka::{
    Api, RequestHeader, decode_request, decode_response, describe_request, describe_response, encode_request,
    encode_response, frame_length,
};
use odradek_wire::{FrameError, jute};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::allocation::peak;
use crate::{cases, jute_samples, samples};

/// Most bytes a decoder may allocate for a frame. An honest element of a few bytes becomes a structure of some hundred,
/// and an array may claim as many elements as there are bytes left.
fn allowed(frame: &[u8]) -> usize {
    16_384 + 1_024 * frame.len()
}

/// One change to a good frame.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(Index, u8),
    Truncate(Index),
    Insert(Index, Vec<u8>),
    /// The number an attacker would write over a length.
    Overwrite(Index, [u8; 4]),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let lengths = prop_oneof![
        Just([0x7f, 0xff, 0xff, 0xff]),
        Just([0xff, 0xff, 0xff, 0x0f]),
        Just([0x00, 0x00, 0x7f, 0xff]),
        Just([0x80, 0x00, 0x00, 0x00]),
        any::<[u8; 4]>(),
    ];
    prop_oneof![
        (any::<Index>(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        any::<Index>().prop_map(Mutation::Truncate),
        (any::<Index>(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, new)| Mutation::Insert(at, new)),
        (any::<Index>(), lengths).prop_map(|(at, new)| Mutation::Overwrite(at, new)),
    ]
}

/// Applies mutations behind the first `spare` bytes, then mends the prefix.
fn mutate(frame: &[u8], spare: usize, mutations: &[Mutation]) -> Bytes {
    let mut bytes = frame.to_vec();
    for mutation in mutations {
        let room = bytes.len().saturating_sub(spare);
        if room == 0 {
            break;
        }
        match mutation {
            Mutation::Flip(at, bit) => bytes[spare + at.index(room)] ^= 1 << bit,
            Mutation::Truncate(at) => bytes.truncate(spare + at.index(room)),
            Mutation::Insert(at, new) => {
                let at = spare + at.index(room);
                bytes.splice(at..at, new.iter().copied());
            }
            Mutation::Overwrite(at, new) => {
                let at = spare + at.index(room);
                let end = bytes.len().min(at + 4);
                bytes[at..end].copy_from_slice(&new[..end - at]);
            }
        }
    }
    let length = (bytes.len() - 4) as i32;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes.into()
}

fn pick(index: &Index) -> (Api, i16) {
    let all: Vec<_> = samples::all_versions().collect();
    *index.get(&all)
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn a_mutated_request_is_an_error_at_worst(
        index in any::<Index>(),
        mutations in prop::collection::vec(mutation(), 1..5),
    ) {
        let (api, version) = pick(&index);
        let header = RequestHeader::new(api, version, 1, None);
        let frame = encode_request(&header, &samples::request(api, version)).expect("encodes");
        let frame = mutate(&frame, 12, &mutations);
        let taken = peak(|| decode_request(frame.clone()));
        prop_assert!(taken <= allowed(&frame), "{api:?} {version}: {taken} bytes for a frame of {}", frame.len());
    }

    #[test]
    fn a_mutated_response_is_an_error_at_worst(
        index in any::<Index>(),
        mutations in prop::collection::vec(mutation(), 1..5),
    ) {
        let (api, version) = pick(&index);
        let frame = encode_response(api.key(), version, 1, &samples::response(api, version)).expect("encodes");
        let frame = mutate(&frame, 4, &mutations);
        let taken = peak(|| decode_response(api.key(), version, frame.clone()));
        prop_assert!(taken <= allowed(&frame), "{api:?} {version}: {taken} bytes for a frame of {}", frame.len());
    }

    #[test]
    fn a_random_body_is_an_error_at_worst(index in any::<Index>(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        let (api, version) = pick(&index);
        let header = [&api.key().to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 1, 0xff, 0xff, 0]].concat();
        let message = [&header[..], &body].concat();
        let frame = Bytes::from([&(message.len() as i32).to_be_bytes(), &message[..]].concat());
        let taken = peak(|| decode_request(frame.clone()));
        prop_assert!(taken <= allowed(&frame), "{api:?} {version}: {taken}");
        let frame = frame.slice(8..);
        let taken = peak(|| decode_response(api.key(), version, frame.clone()));
        prop_assert!(taken <= allowed(&frame), "{api:?} {version}: {taken}");
    }

    #[test]
    fn random_bytes_are_an_error_at_worst(bytes in prop::collection::vec(any::<u8>(), 0..100), key: i16, version: i16) {
        let bytes = Bytes::from(bytes);
        let _ = frame_length(&bytes);
        let _ = (describe_request(&bytes), describe_response(&bytes));
        let _ = (jute::describe(&bytes, true), jute::describe(&bytes, false), jute::four_letter_word(&bytes), jute::text_length(&bytes));
        let taken = peak(|| (decode_request(bytes.clone()), decode_response(key, version, bytes.clone()).is_ok()));
        prop_assert!(taken <= allowed(&bytes));
        let taken = peak(|| jute_everything(&bytes));
        prop_assert!(taken <= allowed(&bytes));
    }

    #[test]
    fn mutated_jute_is_an_error_at_worst(
        index in any::<Index>(),
        mutations in prop::collection::vec(mutation(), 1..5),
    ) {
        let frame = mutate(index.get::<Bytes>(&jute_samples::frames()), 8, &mutations);
        let taken = peak(|| jute_everything(&frame));
        prop_assert!(taken <= allowed(&frame), "{taken} bytes for a frame of {}", frame.len());
    }
}

/// Every decoder of jute, whatever the bytes were meant for.
fn jute_everything(bytes: &Bytes) {
    let _ = jute::decode_request(bytes.clone());
    let _ = jute::ConnectRequest::decode(bytes.clone());
    let _ = jute::ConnectResponse::decode(bytes.clone());
    if let Ok(jute::Reply::Answer { body, .. }) = jute::decode_reply(bytes.clone()) {
        for &operation in jute::OpCode::ALL {
            let _ = jute::Response::get(operation, body.clone());
        }
    }
}

#[test]
fn no_declared_length_reserves_memory_by_itself() {
    // Every place of every sample where four bytes could be a length, overwritten with the largest ones.
    for (api, version) in samples::all_versions() {
        let request = encode_request(&RequestHeader::new(api, version, 1, None), &samples::request(api, version));
        let response = encode_response(api.key(), version, 1, &samples::response(api, version));
        let (request, response) = (request.expect("encodes"), response.expect("encodes"));
        for length in [[0x7f, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0x07], [0x00, 0xff, 0xff, 0xff]] {
            for at in 12..request.len() - 4 {
                let mut bytes = request.to_vec();
                bytes[at..at + 4].copy_from_slice(&length);
                let taken = peak(|| decode_request(bytes.clone().into()));
                assert!(taken <= 2 * bytes.len() + allowed(&bytes), "{api:?} {version} at {at}: {taken}");
            }
            for at in 8..response.len() - 4 {
                let mut bytes = response.to_vec();
                bytes[at..at + 4].copy_from_slice(&length);
                let taken = peak(|| decode_response(api.key(), version, bytes.clone().into()));
                assert!(taken <= 2 * bytes.len() + allowed(&bytes), "{api:?} {version} at {at}: {taken}");
            }
        }
    }
}

#[test]
fn a_length_prefix_is_bounded() {
    assert_eq!(frame_length(&[0, 0, 1]), Ok(None));
    assert_eq!(frame_length(&[0, 0, 0, 9, 1]), Ok(Some(13)));
    assert_eq!(frame_length(&[0xff; 4]), Err(FrameError::Negative(-1)));
    let maximum = odradek_wire::kafka::MAXIMUM_FRAME;
    assert_eq!(frame_length(&(maximum as i32).to_be_bytes()), Ok(Some(maximum + 4)));
    let error = FrameError::TooLarge { length: maximum + 1, maximum };
    assert_eq!(frame_length(&(maximum as i32 + 1).to_be_bytes()), Err(error));
    assert!(jute::frame_length(b"ruok").is_err());
    assert_eq!(jute::frame_length(&[0, 0x0f, 0xff, 0xff]), Ok(Some(0xfffff + 4)));
    assert_eq!(jute::frame_length(&[0, 0x40, 0, 0]), Ok(Some((4 << 20) + 4)));
    assert!(jute::frame_length(&[0, 0x40, 0, 1]).is_err());
}
