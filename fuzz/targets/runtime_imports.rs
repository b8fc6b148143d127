//! Calls of language runtimes to the host: whatever pointers, lengths and numbers they are given, the host stays whole, nobody else's
//! memory is written to, and neither is the package.
#![no_main]
#![allow(clippy::expect_used, reason = "what fails here is to be seen")]

use lamina_fuzz::runtime_guest::Guests;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static GUESTS: Guests = Guests::new().expect("a module that passes calls on");
}

fuzz_target!(|input: &[u8]| {
    GUESTS.with(|guests| guests.run(input).expect("a guest starts"));
});
