//! ZooKeeper's protocol: round trips, and bytes as other clients send them.

use bytes::Bytes;
use odradek_wire::jute::*;

use crate::jute_samples::{requests, responses, stat};

#[test]
fn every_request_survives() {
    for request in requests() {
        let frame = encode_request(42, &request);
        assert_eq!(frame_length(&frame), Ok(Some(frame.len())));
        let header = RequestHeader { xid: 42, operation: request.operation().code() };
        let label = describe(&frame, true);
        assert_eq!((label.api, label.correlation), (Some(header.operation as i16), 42));
        assert_eq!(decode_request(frame), Ok((header, request)));
    }
}

#[test]
fn every_response_survives() {
    for (operation, response) in responses() {
        let frame = encode_reply(42, 1 << 33, &response);
        let label = describe(&frame, false);
        assert_eq!((label.api, label.correlation), (None, 42));
        let Ok(Reply::Answer { header, body }) = decode_reply(frame) else { panic!("{operation:?}") };
        assert_eq!(header, ReplyHeader { xid: 42, zxid: 1 << 33, error: 0 });
        assert_eq!(Response::get(operation, body), Ok(response));
    }
}

#[test]
fn a_session_is_begun_with_or_without_the_read_only_byte() {
    for read_only in [None, Some(false), Some(true)] {
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: (1 << 32) + 5,
            timeout: 18_000,
            session_id: 77,
            password: Bytes::from_static(&[7; 16]),
            read_only,
        };
        let frame = request.encode();
        assert_eq!(frame.len(), 4 + 44 + usize::from(read_only.is_some()));
        assert_eq!(describe(&frame, true).api, Some(OpCode::CreateSession.code() as i16));
        assert_eq!(ConnectRequest::decode(frame), Ok(request));
        let response = ConnectResponse {
            protocol_version: 0,
            timeout: 18_000,
            session_id: 77,
            password: Bytes::from_static(&[7; 16]),
            read_only,
        };
        let frame = response.encode();
        assert_eq!(describe(&frame, false).api, Some(OpCode::CreateSession.code() as i16));
        assert_eq!(ConnectResponse::decode(frame), Ok(response));
    }
}

#[test]
fn exists_has_the_bytes_that_zookeeper_documents() {
    let frame = encode_request(1, &Request::Exists { path: "/a".to_owned(), watch: true });
    assert_eq!(frame[..], [0, 0, 0, 15, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 2, b'/', b'a', 1]);
}

#[test]
fn a_multi_has_the_bytes_that_zookeeper_documents() {
    let delete = Operation::Delete { path: "/a".to_owned(), version: -1 };
    let frame = encode_request(1, &Request::Multi(vec![delete]));
    let header = [0, 0, 0, 2, 0, 0xff, 0xff, 0xff, 0xff];
    let body = [0, 0, 0, 2, b'/', b'a', 0xff, 0xff, 0xff, 0xff];
    let end = [0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(frame[12..], [&header[..], &body, &end].concat());

    let frame = encode_reply(1, 0, &Response::Multi(vec![OperationResult::Error(-110)]));
    let error = [0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0x92, 0xff, 0xff, 0xff, 0x92];
    assert_eq!(frame[20..], [&error[..], &end].concat());
}

#[test]
fn an_acl_may_have_no_id() {
    let bytes = Bytes::from_static(&[0, 0, 0, 31, 0, 0, 0, 4, b'a', b'u', b't', b'h', 0xff, 0xff, 0xff, 0xff]);
    let id = Id { scheme: "auth".to_owned(), id: String::new() };
    assert_eq!(Acl::get(&mut Decoder::new(bytes)), Ok(Acl { permissions: 31, id }));
}

#[test]
fn a_stat_takes_68_bytes() {
    let mut encoder = Encoder::new();
    stat().put(&mut encoder);
    let bytes = encoder.finish();
    assert_eq!(bytes.len(), 68);
    assert_eq!(Stat::get(&mut Decoder::new(bytes)), Ok(stat()));
}

#[test]
fn an_event_is_a_reply_to_nobody() {
    let event = WatcherEvent {
        event_type: EventType::NodeDeleted.code(),
        state: KeeperState::SyncConnected.code(),
        path: "/controller".to_owned(),
    };
    let frame = encode_event(&event);
    let label = describe(&frame, false);
    assert_eq!((label.api, label.correlation), (Some(0), xid::NOTIFICATION));
    assert_eq!(decode_reply(frame), Ok(Reply::Event { zxid: -1, event }));
}

#[test]
fn replies_under_special_xids_name_their_operation() {
    let named = |xid| describe(&encode_reply(xid, 0, &Response::Empty), false).api;
    assert_eq!([named(xid::PING), named(xid::AUTH), named(xid::SET_WATCHES)], [Some(11), Some(100), Some(101)]);
}

#[test]
fn an_error_is_a_header_alone() {
    let frame = encode_error(3, 9, ErrorCode::NoNode);
    let Ok(Reply::Answer { header, body }) = decode_reply(frame) else { panic!("an answer") };
    assert_eq!((header.error, body.len()), (-101, 0));
    assert_eq!(ErrorCode::from_code(header.error), Some(ErrorCode::NoNode));
}

#[test]
fn an_operation_of_another_time_is_unimplemented_not_malformed() {
    for operation in [16, 19, 21, 22, 102, 107, 9_999] {
        let mut encoder = Encoder::frame();
        RequestHeader { xid: 5, operation }.put(&mut encoder);
        encoder.ustring("/a");
        let expected = RequestError::Unimplemented(RequestHeader { xid: 5, operation });
        assert_eq!(decode_request(encoder.finish()), Err(expected));
    }
}

#[test]
fn a_malformed_body_still_tells_whom_to_answer() {
    let mut encoder = Encoder::frame();
    RequestHeader { xid: 5, operation: OpCode::GetData.code() }.put(&mut encoder);
    encoder.int(1_000);
    let error = decode_request(encoder.finish()).expect_err("no path");
    assert!(matches!(error, RequestError::Body(RequestHeader { xid: 5, .. }, _)), "{error}");
}

#[test]
fn a_multi_admits_no_reads() {
    let mut encoder = Encoder::frame();
    RequestHeader { xid: 5, operation: OpCode::Multi.code() }.put(&mut encoder);
    encoder.int(OpCode::GetData.code());
    encoder.bool(false);
    encoder.int(-1);
    encoder.ustring("/a");
    assert!(matches!(decode_request(encoder.finish()), Err(RequestError::Body(..))));
}

#[test]
fn null_data_is_not_empty_data() {
    for data in [None, Some(Bytes::new())] {
        let request = Request::Write(Operation::SetData { path: "/a".to_owned(), data, version: -1 });
        let (_, decoded) = decode_request(encode_request(1, &request)).expect("understood");
        assert_eq!(decoded, request);
    }
}

#[test]
fn four_letter_words_are_told_from_frames() {
    assert_eq!(four_letter_word(b"ruok"), Some("ruok"));
    assert_eq!(four_letter_word(b"srvr\n"), Some("srvr"));
    assert_eq!(four_letter_word(b"ru"), None);
    assert_eq!(four_letter_word(&encode_request(1, &Request::Ping)), None);
    assert_eq!(text_length(b"ruok\n"), Some(5));
    assert_eq!(text_length(b"Zookeeper version"), Some(17));
    assert_eq!(text_length(b"sta"), None);
    assert_eq!(text_length(&encode_request(1, &Request::Ping)), None);
}

#[test]
fn create_modes_are_bits() {
    let bits = |mode: CreateMode| (mode.is_ephemeral(), mode.is_sequential());
    assert_eq!(bits(CreateMode::Persistent), (false, false));
    assert_eq!(bits(CreateMode::EphemeralSequential), (true, true));
    assert_eq!(CreateMode::from_code(1), Some(CreateMode::Ephemeral));
    assert_eq!(CreateMode::from_code(4), None);
}
