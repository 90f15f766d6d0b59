//! Any bytes as a response's body behind a key and a version.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    odeon_fuzz::check_response(data);
});
