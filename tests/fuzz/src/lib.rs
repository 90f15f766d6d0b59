//! What the targets share. `cargo xtask fuzz` builds and runs them.

use bytes::Bytes;
use odeon_protocol::messages::*;
use odeon_protocol::{ApiKey, Decoder, Encoder, Message};

fn encode<M: Message>(message: &M, version: i16) -> Option<Bytes> {
    let mut encoder = Encoder::new();
    message.encode(&mut encoder, version).ok()?;
    Some(encoder.finish_contiguous())
}

/// What reads and can be written, reads again, and is then written to the same bytes.
fn check<M: Message>(body: Bytes, version: i16) {
    let Ok(message) = M::decode(&mut Decoder::new(body), version) else {
        return;
    };
    let Some(written) = encode(&message, version) else {
        return;
    };
    let mut decoder = Decoder::new(written.clone());
    let again = M::decode(&mut decoder, version).expect("what was written can be read");
    assert_eq!(decoder.finish(), Ok(()));
    assert_eq!(encode(&again, version), Some(written));
}

macro_rules! dispatch {
    ($(($key:ident, $request:ident, $response:ident),)*) => {
        fn request(key: ApiKey, version: i16, body: Bytes) {
            match key {
                $(ApiKey::$key => check::<$request>(body, version),)*
            }
        }

        fn response(key: ApiKey, version: i16, body: Bytes) {
            match key {
                $(ApiKey::$key => check::<$response>(body, version),)*
            }
        }
    };
}

odeon_protocol::for_each_api!(dispatch);

/// An API key, a version and a request's body.
pub fn check_request(data: &[u8]) {
    with_key(data, request);
}

/// An API key, a version and a response's body.
pub fn check_response(data: &[u8]) {
    with_key(data, response);
}

fn with_key(data: &[u8], check: fn(ApiKey, i16, Bytes)) {
    let mut decoder = Decoder::new(Bytes::copy_from_slice(data));
    let (Ok(code), Ok(version)) = (decoder.i16(), decoder.i16()) else {
        return;
    };
    if let Some(key) = ApiKey::from_code(code) {
        check(key, version, decoder.rest());
    }
}
