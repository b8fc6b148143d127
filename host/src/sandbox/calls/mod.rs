//! What guests may call, a file a host interface.
//!
//! - [`filesystem`]: `wasi:filesystem`: a private `/tmp` with a quota, and nothing else.
//! - [`outbound_http`]: `wasi:http` towards the outside, by allow-list.
//! - [`output`]: `wasi:cli` stdin, stdout and stderr.
//! - [`response_stream`]: `lamina:function/response-stream`, an event function's response in pieces.
//!
//! Everything else of WASI (clocks, random, io, cli) is wasmtime's own; sockets stay denied.

pub mod filesystem;
pub mod outbound_http;
pub mod output;
pub mod response_stream;

#[cfg(test)]
mod testing;
