//! A message with its header, and the four bytes before it that say how long both are.

use bytes::Bytes;
use odeon_schema::{DecodeError, Decoder, EncodeError, Encoder, Message};

use crate::{ApiKey, Request, RequestHeader, ResponseHeader};

/// A request's frame whose header was read.
#[derive(Debug)]
pub struct RequestFrame {
    /// The API that the header names.
    pub api_key: ApiKey,
    /// The header. Its version may be one that the API does not have.
    pub header: RequestHeader,
    /// Stands at the request's body.
    pub body: Decoder,
}

/// Reads the header of a request's frame (without the four bytes of its length).
///
/// The version in the header is not checked: a server answers a version it does not have, above all
/// that of `ApiVersions`. Read the body with [`Message::decode`], which does check, then
/// [`Decoder::finish`] if nothing may follow.
///
/// # Errors
///
/// [`DecodeError::UnknownApiKey`], or [`DecodeError`] if the bytes are not a header.
pub fn decode_request_header(frame: Bytes) -> Result<RequestFrame, DecodeError> {
    let mut body = Decoder::new(frame);
    let mut ahead = body.clone();
    let code = ahead.i16()?;
    let version = ahead.i16()?;
    let api_key = ApiKey::from_code(code).ok_or(DecodeError::UnknownApiKey(code))?;
    let header = RequestHeader::decode(&mut body, api_key.request_header_version(version))?;
    Ok(RequestFrame {
        api_key,
        header,
        body,
    })
}

/// Writes a response's frame, the four bytes of its length included, as segments to write in order.
/// Large payloads are shared with `response`.
///
/// # Errors
///
/// [`EncodeError`] if the version cannot carry the response.
pub fn encode_response<M: Message>(
    correlation_id: i32,
    key: ApiKey,
    version: i16,
    response: &M,
) -> Result<Vec<Bytes>, EncodeError> {
    let mut encoder = Encoder::new();
    encoder.i32(0);
    let header = ResponseHeader {
        correlation_id,
        ..Default::default()
    };
    header.encode(&mut encoder, key.response_header_version(version))?;
    response.encode(&mut encoder, version)?;
    encoder.finish_frame()
}

/// Writes a request's frame, the four bytes of its length included, as segments to write in order.
/// Large payloads are shared with `request`.
///
/// # Errors
///
/// [`EncodeError`] if the version cannot carry the request.
pub fn encode_request<R: Request>(
    correlation_id: i32,
    client_id: Option<&str>,
    version: i16,
    request: &R,
) -> Result<Vec<Bytes>, EncodeError> {
    let mut encoder = Encoder::new();
    encoder.i32(0);
    let header = RequestHeader {
        request_api_key: R::KEY.code(),
        request_api_version: version,
        correlation_id,
        client_id: client_id.map(str::to_owned),
        ..Default::default()
    };
    header.encode(&mut encoder, R::KEY.request_header_version(version))?;
    request.encode(&mut encoder, version)?;
    encoder.finish_frame()
}

/// Reads a response's frame (without the four bytes of its length) to its end.
///
/// # Errors
///
/// [`DecodeError`] if the bytes are not this API's response in this version.
pub fn decode_response<R: Request>(
    frame: Bytes,
    version: i16,
) -> Result<(ResponseHeader, R::Response), DecodeError> {
    let mut decoder = Decoder::new(frame);
    let header = ResponseHeader::decode(&mut decoder, R::KEY.response_header_version(version))?;
    let response = R::Response::decode(&mut decoder, version)?;
    decoder.finish()?;
    Ok((header, response))
}
