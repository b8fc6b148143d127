//! Lamina functions in Rust.
//!
//! ```no_run
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Event { name: String }
//! #[derive(Serialize)]
//! struct Greeting { message: String }
//!
//! #[lamina::handler]
//! fn handle(event: Event) -> Result<Greeting, lamina::Error> {
//!     Ok(Greeting { message: format!("Hello, {}!", event.name) })
//! }
//! # fn main() {}
//! ```
//!
//! Built as a `cdylib` for `wasm32-wasip1`, the module carries its component type; the host turns it
//! into a component when it is deployed. One crate is one function: one [`handler`] or one
//! [`http`](macro@http), and at most one [`init`].
//!
//! - An execution environment serves one invocation at a time and is reused: statics and `/tmp`
//!   survive between invocations, unless the function is set to `fresh`.
//! - A handler's `Err` is a failed invocation, answered as Lambda's error document; the environment lives on.
//!   A panic is written to the function's log and traps; the environment ends with it.
//! - `log` and `tracing` output, and everything printed to stderr, is the function's log.
//! - A handler that takes a [`ResponseStream`] writes its response in pieces, which leave while it runs.
//! - An [`extension!`] is no function: it is told what the environments of functions do, which have it in a layer.
//! - Off wasm the attributes only check the signature: call the handler, or use [`testing`].
//!
//! Not for `wasm32-unknown-unknown`: deadlines, logs and `/tmp` need WASI.

#[cfg(all(target_family = "wasm", not(target_os = "wasi")))]
compile_error!("lamina functions are built for wasm32-wasip1: deadlines, logs and /tmp need WASI");

extern crate self as lamina;

#[cfg(feature = "http")]
mod body;
mod context;
mod error;
pub mod extension;
mod handler;
mod logging;
mod stream;
pub mod testing;

#[doc(hidden)]
#[path = "rt/mod.rs"]
pub mod __rt;

#[cfg(feature = "http")]
pub use body::{Body, FromBody};
pub use context::{Context, variables};
pub use error::Error;
#[cfg(feature = "http")]
pub use handler::HttpHandler;
pub use handler::{EventHandler, FromEvent, IntoResponse, Raw};
#[cfg(feature = "http")]
pub use lamina_macros::http;
pub use lamina_macros::{handler, init};
pub use logging::request_id;
pub use stream::ResponseStream;

/// Typed AWS events, from the `aws_lambda_events` crate.
#[cfg(feature = "events")]
pub mod events {
    pub use aws_lambda_events::event::*;
}
