//! Signatures: whatever a request says about who signed it, an error or a claim, and never a claim that holds.
#![no_main]

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderValue, Request};
use jiff::Timestamp;
use lamina_sigv4::{Claim, sha256};
use libfuzzer_sys::fuzz_target;

// `URI`, `X-Amz-Date`, `X-Amz-Content-Sha256` and `Authorization`, a line each; empty ones are left out.
fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let Some(Ok(uri)) = lines.next().map(http::Uri::try_from) else { return };
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.uri = uri;
    parts.headers.insert(HOST, HeaderValue::from_static("localhost:4566"));
    let names = ["x-amz-date", "x-amz-content-sha256", AUTHORIZATION.as_str()];
    for (name, value) in names.into_iter().zip(lines) {
        if let (Ok(value), false) = (HeaderValue::from_bytes(value), value.is_empty()) {
            parts.headers.insert(name, value);
        }
    }
    let Ok(Some(claim)) = Claim::read(&parts) else { return };
    let _ = claim.check_time(Timestamp::UNIX_EPOCH);
    assert!(claim.verify(&parts, "a secret that no input knows", &sha256(b"")).is_err());
});
