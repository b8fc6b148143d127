//! What guests may call, a file a host interface.
//!
//! - [`environment`]: `wasi:cli/environment`, copied when it is asked for.
//! - [`filesystem`]: `wasi:filesystem`: a private `/tmp` with a quota, and nothing else.
//! - [`outbound_http`]: `wasi:http` towards the outside, by allow-list.
//! - [`output`]: `wasi:cli` stdin, stdout and stderr.
//! - [`preview1`]: `wasi_snapshot_preview1` for language runtimes, which are core modules.
//! - [`response_stream`]: `lamina:function/response-stream`, an event function's response in pieces.
//! - [`runtime_host`]: `lamina` for language runtimes: log records, streamed responses, outbound HTTP.
//!
//! Everything else of WASI (clocks, random, io, the rest of cli) is wasmtime's own; sockets stay denied.

pub mod environment;
pub mod filesystem;
mod memory;
pub mod outbound_http;
pub mod output;
pub mod preview1;
pub mod response_stream;
pub mod runtime_host;

#[cfg(test)]
mod core_guest;
#[cfg(test)]
mod testing;
