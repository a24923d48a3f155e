//! What real clients do that a broker must live with.

use bytes::{Buf, Bytes};
use odradek_wire::kafka::messages::*;
use odradek_wire::kafka::{
    Api, EncodeError, ErrorCode, Request, RequestError, RequestHeader, Response, decode_request, decode_response,
    encode_request, encode_response, unsupported_api_versions, versions,
};

use crate::samples::{all_versions, request, response};

fn frame(message: &[u8]) -> Bytes {
    [&(message.len() as i32).to_be_bytes(), message].concat().into()
}

/// The same frame with bytes after the body, counted by the prefix.
fn with_trailing(whole: &Bytes, extra: &[u8]) -> Bytes {
    frame(&[&whole[4..], extra].concat())
}

#[test]
fn produce_is_advertised_from_0_and_served_from_3() {
    let table = versions::advertised(false);
    let produce = table.iter().find(|range| range.api_key == 0).expect("Produce is advertised");
    assert_eq!((produce.min_version, produce.max_version), (0, 11));
    for version in 0..=2 {
        let bytes = [&[0, 0, 0, version][..], &[0, 0, 0, 9, 0, 1, b'x'], &[0; 40]].concat();
        let error = decode_request(frame(&bytes)).expect_err("not served");
        let RequestError::UnsupportedVersion(header) = error else { panic!("{error}") };
        assert_eq!((header.api_version, header.correlation_id), (version.into(), 9));
        assert_eq!(header.client_id.as_deref(), Some("x"));
    }
}

#[test]
fn control_apis_are_advertised_to_brokers_alone() {
    let is_control = |range: &api_versions_response::ApiVersion| (4..=7).contains(&range.api_key);
    assert_eq!(versions::advertised(false).iter().filter(|range| is_control(range)).count(), 0);
    assert_eq!(versions::advertised(true).iter().filter(|range| is_control(range)).count(), 4);
}

#[test]
fn bytes_after_a_body_are_ignored() {
    for (api, version) in all_versions() {
        let header = RequestHeader::new(api, version, 5, None);
        let sample = request(api, version);
        let whole = encode_request(&header, &sample).expect("encodes");
        for extra in [&[0, 0, 0][..], &[0xff; 3], b"anything at all"] {
            assert_eq!(decode_request(with_trailing(&whole, extra)), Ok((header.clone(), sample.clone())));
        }
        let sample = response(api, version);
        let whole = encode_response(api.key(), version, 5, &sample).expect("encodes");
        assert_eq!(decode_response(api.key(), version, with_trailing(&whole, &[0, 0, 0])), Ok((5, sample)));
    }
}

#[test]
fn librdkafkas_request_for_all_topics_is_understood() {
    // Metadata 9, correlation id 2, client "rdkafka", no tags; all topics (null), three booleans, no tags; three zeros.
    let header = [&[0, 3, 0, 9, 0, 0, 0, 2, 0, 7][..], b"rdkafka", &[0]].concat();
    let message = [&header[..], &[0, 1, 0, 0, 0], &[0, 0, 0]].concat();
    let (header, decoded) = decode_request(frame(&message)).expect("understood");
    assert_eq!((header.correlation_id, header.client_id.as_deref()), (2, Some("rdkafka")));
    let Request::Metadata(decoded) = decoded else { panic!("{decoded:?}") };
    assert_eq!((decoded.topics, decoded.allow_auto_topic_creation), (None, true));
}

#[test]
fn an_unknown_api_versions_version_is_answered_with_a_version_0_body() {
    // ApiVersions 99 with a body from the future.
    let future = frame(&[0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 9, 9, 9, 9]);
    let error = decode_request(future).expect_err("not served");
    let RequestError::UnsupportedVersion(header) = error else { panic!("{error}") };
    assert_eq!((header.api_key, header.api_version, header.correlation_id), (18, 99, 7));

    let answer = unsupported_api_versions(header.correlation_id);
    let mut bytes = answer.clone();
    assert_eq!(bytes.get_i32() as usize, answer.len() - 4);
    assert_eq!((bytes.get_i32(), bytes.get_i16()), (7, 35));
    let count = bytes.get_i32() as usize;
    assert_eq!(count, versions::advertised(false).len());
    assert_eq!(bytes.len(), count * 6, "key, minimum and maximum each, and nothing else: no throttle time, no tags");

    // Our own client, which had asked with version 4, reads it too.
    let (_, response) = decode_response(18, 4, answer).expect("readable");
    let Response::ApiVersions(response) = response else { panic!("{response:?}") };
    assert_eq!(ErrorCode::from_code(response.error_code), ErrorCode::UnsupportedVersion);
    assert_eq!(response.api_keys, versions::advertised(false));
}

#[test]
fn the_header_of_an_api_versions_response_has_no_tags() {
    let empty = Response::from(ApiVersionsResponse::default().with_error_code(0x1234));
    for version in 0..=4 {
        let frame = encode_response(18, version, 9, &empty).expect("encodes");
        assert_eq!(frame[4..10], [0, 0, 0, 9, 0x12, 0x34], "the error code follows the correlation id");
    }
}

#[test]
fn acks_0_is_seen_by_whoever_must_not_answer() {
    let produce = ProduceRequest::default().with_acks(0).with_timeout_ms(1);
    for version in Api::Produce.range().versions() {
        let header = RequestHeader::new(Api::Produce, version, 1, None);
        let frame = encode_request(&header, &produce.clone().into()).expect("encodes");
        let (_, decoded) = decode_request(frame).expect("understood");
        assert!(matches!(decoded, Request::Produce(request) if request.acks == 0));
    }
}

#[test]
fn all_topics_is_null_from_metadata_1_on_and_empty_before() {
    let ask = |version: i16, topics: &[u8]| {
        let message = [&[0, 3, 0, version as u8, 0, 0, 0, 2, 0xff, 0xff][..], topics].concat();
        match decode_request(frame(&message)) {
            Ok((_, Request::Metadata(request))) => request.topics,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask(0, &[0, 0, 0, 0]), Some(vec![]));
    assert_eq!(ask(1, &[0xff; 4]), None);
    assert_eq!(ask(1, &[0, 0, 0, 0]), Some(vec![]));
}

#[test]
fn an_unknown_api_is_named_with_its_header() {
    let error = decode_request(frame(&[3, 0, 0, 0, 0, 0, 0, 7, 0, 0])).expect_err("no such API");
    let RequestError::UnknownApi(header) = error else { panic!("{error}") };
    assert_eq!((header.api_key, header.correlation_id), (768, 7));
}

#[test]
fn a_version_past_the_table_is_unsupported_though_kafka_protocol_knows_it() {
    let error = decode_request(frame(&[0, 1, 0, 13, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0])).expect_err("Fetch 13");
    assert!(matches!(error, RequestError::UnsupportedVersion(_)), "{error}");
}

#[test]
fn a_field_that_the_version_lacks_is_an_error_of_encoding() {
    let request = Request::from(MetadataRequest::default().with_allow_auto_topic_creation(false));
    let encode = |version| encode_request(&RequestHeader::new(Api::Metadata, version, 1, None), &request);
    assert!(matches!(encode(3), Err(EncodeError::Field(_))));
    assert!(encode(4).is_ok());
}

#[test]
fn a_message_is_not_encoded_under_another_name_or_version() {
    let request = Request::from(MetadataRequest::default());
    let header = RequestHeader::new(Api::Fetch, 4, 1, None);
    assert_eq!(encode_request(&header, &request), Err(EncodeError::WrongApi { asked: 1, actual: 3 }));
    let header = RequestHeader::new(Api::Metadata, 13, 1, None);
    assert_eq!(encode_request(&header, &request), Err(EncodeError::Version { api_key: 3, version: 13 }));
}

#[test]
fn a_frame_shorter_than_its_prefix_says_is_unparseable() {
    let whole = encode_request(&RequestHeader::new(Api::Metadata, 9, 1, None), &MetadataRequest::default().into())
        .expect("encodes");
    let short = whole.slice(..whole.len() - 1);
    assert!(matches!(decode_request(short), Err(RequestError::Unparseable { .. })));
}
