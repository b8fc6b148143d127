//! What the attributes expand to. Not an interface for functions: it changes with the attributes.

#[cfg(target_family = "wasm")]
pub mod event;
#[cfg(target_family = "wasm")]
pub mod extension;
#[cfg(all(target_family = "wasm", feature = "http"))]
pub mod http;
#[cfg(target_family = "wasm")]
pub mod init;

use crate::{Error, EventHandler};

/// Fails to compile unless the function can be an event handler.
pub fn check_event_handler<Args>(_: &impl EventHandler<Args>) {}

/// Fails to compile unless the function can be an HTTP handler.
#[cfg(feature = "http")]
pub fn check_http_handler<Args>(_: &impl crate::HttpHandler<Args>) {}

/// Fails to compile unless the function can be an init hook.
pub fn check_init<X: Into<Error>>(_: fn() -> Result<(), X>) {}

/// Fails to compile unless the type can be an extension.
pub fn check_extension<T: crate::extension::Extension>() {}

/// Logs a failed invocation, as Lambda's own runtimes do.
#[cfg(target_family = "wasm")]
fn log_failure(what: &str, error: &Error) {
    crate::logging::write(crate::logging::Level::Error, format_args!("{what}\t{}", error.to_json()));
}
