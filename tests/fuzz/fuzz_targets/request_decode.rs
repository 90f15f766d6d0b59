//! Any bytes as a request: its header, and its body behind a key and a version.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(frame) = odeon_protocol::decode_request_header(Bytes::copy_from_slice(data)) {
        assert!(frame.body.position() <= data.len());
    }
    odeon_fuzz::check_request(data);
});
