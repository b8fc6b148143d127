//! Deployment packages: whatever is uploaded, the guest in it or an error, within the limits.
#![no_main]

use lamina::sandbox::package;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(guest) = package::guest(bytes, "main.handler") {
        assert!(guest.len() as u64 <= package::UNPACKED_LIMIT_BYTES);
        // What comes out is wasm in binary form, and passes as such.
        assert!(guest.starts_with(b"\0asm"));
    }
});
