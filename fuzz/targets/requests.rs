//! Requests to the AWS APIs: a line `METHOD URI [X-AMZ-TARGET]`, then the body.
//!
//! A daemon's services in one process, over storage in memory. Whatever comes in, the answer is not a fault of the platform, and an error is one
//! that a client can read.
#![no_main]
#![allow(clippy::expect_used, reason = "what fails here is to be seen")]

use lamina_fuzz::services::Services;
use libfuzzer_sys::{Corpus, fuzz_target};
use std::cell::RefCell;

/// Requests that one set of services gets before it is made anew: what they created is gone then.
const REQUESTS: u32 = 500;

thread_local! {
    static SERVICES: RefCell<Option<(u32, Services)>> = const { RefCell::new(None) };
}

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some(request) = lamina_fuzz::request(input) else { return Corpus::Reject };
    SERVICES.with_borrow_mut(|services| {
        let (left, services) = match services {
            Some((left, services)) if *left > 0 => (left, services),
            stale => {
                *stale = None;
                let (left, fresh) = stale.insert((REQUESTS, Services::start().expect("services in memory start")));
                (left, fresh)
            }
        };
        *left -= 1;
        let answer = services.answer(&request);
        assert!(answer.status < 500, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
        if answer.status >= 400 && answer.body.starts_with(b"<?xml") {
            assert!(answer.body.ends_with(b"</ErrorResponse>"), "{}", String::from_utf8_lossy(&answer.body));
        } else if answer.status >= 400 {
            let error: serde_json::Value = serde_json::from_slice(&answer.body).expect("an error is JSON");
            assert!(error.is_object());
        }
    });
    Corpus::Keep
});
