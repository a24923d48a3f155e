//! Every message comes back as it went out.

use odradek_wire::kafka::{
    Api, RequestHeader, StrBytes, api_name, decode_request, decode_response, describe_request, describe_response,
    encode_request, encode_response, frame_length, versions,
};

use crate::samples::{all_versions, request, response};

#[test]
fn every_request_survives_every_version() {
    for (api, version) in all_versions() {
        for client_id in [None, Some(StrBytes::from_static_str("orders-0"))] {
            let header = RequestHeader::new(api, version, 1_234, client_id);
            let sample = request(api, version);
            let frame = encode_request(&header, &sample).unwrap_or_else(|error| panic!("{api:?} {version}: {error}"));
            assert_eq!(frame_length(&frame), Ok(Some(frame.len())));
            let label = describe_request(&frame);
            assert_eq!((label.api, label.correlation), (Some(api.key()), 1_234));
            assert_eq!(decode_request(frame), Ok((header, sample)), "{api:?} {version}");
        }
    }
}

#[test]
fn every_response_survives_every_version() {
    for (api, version) in all_versions() {
        let sample = response(api, version);
        let frame = encode_response(api.key(), version, 1_234, &sample)
            .unwrap_or_else(|error| panic!("{api:?} {version}: {error}"));
        assert_eq!(frame_length(&frame), Ok(Some(frame.len())));
        let label = describe_response(&frame);
        assert_eq!((label.api, label.correlation), (None, 1_234));
        assert_eq!(decode_response(api.key(), version, frame), Ok((1_234, sample)), "{api:?} {version}");
    }
}

#[test]
fn what_is_served_is_what_the_sample_is_of() {
    for (api, version) in all_versions() {
        assert_eq!((request(api, version).api(), response(api, version).api()), (api, api));
        assert_eq!(Api::from_key(api.key()), Some(api));
        assert_eq!(format!("{api:?}"), api_name(api.key()));
    }
    assert!(Api::from_key(999).is_none());
}

#[test]
fn two_of_us_agree_on_the_highest_version() {
    let table = versions::advertised(true);
    for &api in Api::ALL {
        assert_eq!(versions::highest_common(api, &table), Some(api.range().maximum));
    }
}

#[test]
fn peers_without_a_common_version_have_none() {
    let mut old = versions::advertised(false);
    for range in &mut old {
        (range.min_version, range.max_version) = (0, 0);
    }
    // A broker that stopped at Produce 0 shares only the versions we advertise but never speak.
    assert_eq!(versions::highest_common(Api::Produce, &old), None);
    assert_eq!(versions::highest_common(Api::Metadata, &old), Some(0));
    assert_eq!(versions::highest_common(Api::LeaderAndIsr, &old), None);
}
