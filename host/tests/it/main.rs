//! In-process tests of the whole path from catalog to guest, in one binary.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking; helpers outside of `#[test]` functions too"
)]

mod deploy;
mod docs;
mod invoke;
mod layers;
mod world;
