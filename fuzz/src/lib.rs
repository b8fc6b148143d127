//! What the fuzz targets share: requests out of bytes, and services in one process.
//!
//! `cargo xtask fuzz [TARGET] [--seconds N]` runs them on any toolchain; with cargo-fuzz, `cargo fuzz run TARGET --sanitizer none`.

pub mod runtime_guest;
pub mod services;

use bytes::Bytes;
use lamina::wire::codec::Request;

/// A request from `METHOD URI [X-AMZ-TARGET]`, a line break and the body; `None` where the first line is no such thing.
pub fn request(input: &[u8]) -> Option<Request> {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (head, body) = input.split_at(end);
    let mut words = std::str::from_utf8(head).ok()?.split(' ');
    let mut builder = http::Request::builder().method(words.next()?).uri(words.next()?);
    if let Some(target) = words.next() {
        builder = builder.header("x-amz-target", target);
    }
    let (parts, ()) = builder.body(()).ok()?.into_parts();
    Some(Request { parts, body: Bytes::copy_from_slice(body.get(1..).unwrap_or_default()) })
}
