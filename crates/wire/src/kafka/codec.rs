//! Whole frames to requests and responses, and back.

use bytes::Bytes;
use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::protocol::StrBytes;
use thiserror::Error;

use super::apis::{Api, Request, Response};
use super::error::ErrorCode;
use super::versions;
use crate::codec::{Malformed, Reader, Writer};
use crate::frame::{PREFIX, read_i16, read_i32};

/// What goes before a request's body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestHeader {
    /// Which API.
    pub api_key: i16,
    /// At which version.
    pub api_version: i16,
    /// Chosen by the client, repeated by the response.
    pub correlation_id: i32,
    /// The client's own name for itself.
    pub client_id: Option<StrBytes>,
}

impl RequestHeader {
    /// A header for one of our own requests.
    pub fn new(api: Api, api_version: i16, correlation_id: i32, client_id: Option<StrBytes>) -> Self {
        Self { api_key: api.key(), api_version, correlation_id, client_id }
    }
}

/// Why a request frame was not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Nothing can be answered: close the connection.
    #[error("unparseable request ({label}): {reason}")]
    Unparseable {
        /// API name, version and reason, for the trace.
        label: &'static str,
        /// What was wrong.
        reason: Malformed,
    },
    /// The API is ours, the version is not. An ApiVersions request gets [`unsupported_api_versions`], any other has its
    /// connection closed, as Kafka does.
    #[error("{} version {} is not served", super::api_name(.0.api_key), .0.api_version)]
    UnsupportedVersion(RequestHeader),
    /// No API of ours: close the connection.
    #[error("API key {} is not served", .0.api_key)]
    UnknownApi(RequestHeader),
}

/// Why a response frame was not understood: close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("unparseable response of {} version {api_version}: {reason}", super::api_name(*.api_key))]
pub struct ResponseError {
    /// The API that should have answered.
    pub api_key: i16,
    /// The version of the request.
    pub api_version: i16,
    /// What was wrong.
    pub reason: Malformed,
}

/// A message that cannot be put on the wire as asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// kafka-protocol refused: usually a field is set that this version lacks.
    #[error("cannot encode: {0}")]
    Field(String),
    /// The API key given is not the message's own.
    #[error("the message is of API {actual}, not {asked}")]
    WrongApi {
        /// The key given.
        asked: i16,
        /// The message's own.
        actual: i16,
    },
    /// The version is outside of what we speak.
    #[error("{} version {version} is not spoken", super::api_name(*.api_key))]
    Version {
        /// The API.
        api_key: i16,
        /// The version asked for.
        version: i16,
    },
}

/// A request as a frame, prefix included.
///
/// # Errors
/// If header and request disagree, or the request sets a field that the version lacks.
pub fn encode_request(header: &RequestHeader, request: &Request) -> Result<Bytes, EncodeError> {
    let (api, version) = (request.api(), header.api_version);
    check(api, header.api_key, version)?;
    let client_id = header.client_id.as_deref();
    let mut writer = Writer::with_capacity(PREFIX + 11 + client_id.map_or(0, str::len) + request.size(version));
    writer.i32(0);
    writer.i16(header.api_key);
    writer.i16(version);
    writer.i32(header.correlation_id);
    writer.nullable_string(client_id);
    if api.request_is_flexible(version) {
        writer.tagged_fields();
    }
    request.write(&mut writer, version)?;
    Ok(finish(writer))
}

/// A response as a frame, prefix included.
///
/// # Errors
/// If key and response disagree, or the response sets a field that the version lacks.
pub fn encode_response(
    api_key: i16,
    api_version: i16,
    correlation_id: i32,
    response: &Response,
) -> Result<Bytes, EncodeError> {
    let api = response.api();
    check(api, api_key, api_version)?;
    let mut writer = Writer::with_capacity(PREFIX + 5 + response.size(api_version));
    writer.i32(0);
    writer.i32(correlation_id);
    if api.response_has_tags(api_version) {
        writer.tagged_fields();
    }
    response.write(&mut writer, api_version)?;
    Ok(finish(writer))
}

/// The answer to an ApiVersions request at a version we do not know: a **version 0** body with error 35 and the table,
/// so that the client can read it and choose again (KIP-511).
pub fn unsupported_api_versions(correlation_id: i32) -> Bytes {
    let response = ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UnsupportedVersion.code())
        .with_api_keys(versions::advertised(false));
    encode_response(Api::ApiVersions.key(), 0, correlation_id, &response.into()).expect("version 0 has these fields")
}

/// Reads a request frame, prefix included. Bytes after the body are ignored: librdkafka sends some with Metadata 9+.
///
/// # Errors
/// See [`RequestError`] for what each deserves.
pub fn decode_request(frame: Bytes) -> Result<(RequestHeader, Request), RequestError> {
    let unparseable = |label| move |reason| RequestError::Unparseable { label, reason };
    let message = strip(frame).map_err(unparseable("frame"))?;
    let mut reader = Reader::new(message);
    let mut header = fixed_header(&mut reader).map_err(unparseable("header"))?;
    let Some(api) = Api::from_key(header.api_key) else {
        return Err(RequestError::UnknownApi(header));
    };
    if !api.range().serves(header.api_version) {
        header.client_id = reader.nullable_string().unwrap_or(None);
        return Err(RequestError::UnsupportedVersion(header));
    }
    header.client_id = reader.nullable_string().map_err(unparseable("header"))?;
    if api.request_is_flexible(header.api_version) {
        reader.tagged_fields().map_err(unparseable("header"))?;
    }
    let request =
        Request::read(api, reader.rest(), header.api_version).map_err(unparseable(super::api_name(header.api_key)))?;
    Ok((header, request))
}

/// Reads a response frame, prefix included, to a request of this API and version. Bytes after the body are ignored.
///
/// # Errors
/// If the bytes are not such a response, or we do not speak the API at this version.
pub fn decode_response(api_key: i16, api_version: i16, frame: Bytes) -> Result<(i32, Response), ResponseError> {
    let unparseable = |reason| ResponseError { api_key, api_version, reason };
    let api = Api::from_key(api_key)
        .filter(|api| api.range().serves(api_version))
        .ok_or(unparseable(Malformed("not an API version we speak")))?;
    let mut reader = Reader::new(strip(frame).map_err(unparseable)?);
    let correlation_id = reader.i32().map_err(unparseable)?;
    if api.response_has_tags(api_version) {
        reader.tagged_fields().map_err(unparseable)?;
    }
    let body = reader.rest();
    let version = body_version(api, api_version, &body);
    Ok((correlation_id, Response::read(api, body, version).map_err(unparseable)?))
}

/// A broker that does not know our ApiVersions version answers with a version 0 body; the error, first in every
/// version, says so.
fn body_version(api: Api, api_version: i16, body: &[u8]) -> i16 {
    let unsupported = read_i16(body, 0) == Some(ErrorCode::UnsupportedVersion.code());
    if api == Api::ApiVersions && unsupported { 0 } else { api_version }
}

fn fixed_header(reader: &mut Reader) -> Result<RequestHeader, Malformed> {
    Ok(RequestHeader {
        api_key: reader.i16()?,
        api_version: reader.i16()?,
        correlation_id: reader.i32()?,
        client_id: None,
    })
}

/// Takes the prefix off, and what follows the declared length.
fn strip(frame: Bytes) -> Result<Bytes, Malformed> {
    let length = read_i32(&frame, 0).ok_or(Malformed("no length prefix"))?;
    let length = usize::try_from(length).map_err(|_| Malformed("negative frame length"))?;
    if length > frame.len() - PREFIX {
        return Err(Malformed("frame shorter than its prefix says"));
    }
    Ok(frame.slice(PREFIX..PREFIX + length))
}

fn check(api: Api, asked: i16, version: i16) -> Result<(), EncodeError> {
    if asked != api.key() {
        return Err(EncodeError::WrongApi { asked, actual: api.key() });
    }
    if !api.range().serves(version) {
        return Err(EncodeError::Version { api_key: asked, version });
    }
    Ok(())
}

/// Fills in the prefix.
fn finish(mut writer: Writer) -> Bytes {
    let length = i32::try_from(writer.bytes.len() - PREFIX).expect("a message is under 2 GiB");
    writer.bytes[..PREFIX].copy_from_slice(&length.to_be_bytes());
    writer.bytes.into()
}
