//! HTTP routes: a request becomes an invocation, its outcome becomes the response.
//!
//! `server` accepts and answers, `urls` finds a function URL, with `cors` for pages of other origins and `url_reply` for what
//! differs in its answers, `route` finds the function, `forward` decides which headers pass, `reply` holds the
//! answers that no function gives. What a request is as an event is [`http_event`](crate::invocation::http_event)'s.
//!
//! The trigger always hands over the request itself ([`Payload::Http`](crate::invocation::Payload::Http)): the invoker
//! knows whether the function takes requests or events. Request and response bodies stream; the consumer's pace is the
//! client's. Bounds: [`Config`]. Refused: `CONNECT` and `TRACE`, upgrades to `websocket`, requests without a usable host.

mod cors;
pub(crate) mod forward;
mod reply;
pub mod route;
mod server;
mod url_reply;
pub mod urls;

pub use route::{RouteConfig, RouteError, Router};
pub use server::{Answered, DrainReport, HttpMetrics, Trigger};

use crate::listener;
use crate::turns::Turns;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The HTTP server's settings. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Open connections. At the limit no more are accepted until one ends.
    pub max_connections: usize,
    /// Requests in flight, from head to the end of the response. Past the limit a request is answered with 503 at once.
    pub max_concurrent_requests: usize,
    /// Concurrent requests on one HTTP/2 connection.
    pub max_streams_per_connection: u32,
    /// Bytes of a request's head, request line included; more is answered with 431.
    pub max_header_bytes: usize,
    /// Bytes of path and query; more is answered with 414.
    pub max_uri_bytes: usize,
    /// Bytes of a request's body; more is answered with 413. Event functions are bounded by Lambda's 6 MB besides.
    pub max_body_bytes: u64,
    /// Milliseconds for a request's head: from accepting, or from its first byte on a connection that was idle.
    pub header_read_timeout_ms: u64,
    /// Milliseconds a client may keep the reader of its request's body waiting; then 408.
    pub body_read_timeout_ms: u64,
    /// Bytes of body that have to arrive within `body_read_timeout_ms` of waiting; 1 makes it a plain idle time-out.
    pub body_min_progress_bytes: u64,
    /// Milliseconds a client may take nothing of a response that is ready; then its connection is cut.
    pub write_timeout_ms: u64,
    /// Milliseconds a connection may stay open between requests.
    pub keep_alive_idle_timeout_ms: u64,
    /// Milliseconds from a shutdown to cutting what is still in flight.
    pub drain_limit_ms: u64,
    /// Whether an invocation ends when its client goes away before the response began. A response body that nobody reads
    /// any more is dropped either way, which a streaming function sees as a closed stream.
    pub cancel_on_disconnect: bool,
    /// Whether `x-forwarded-for`, `-proto`, `-host` and `-port` of the request are believed: only behind a proxy that sets
    /// them. The source address is then the last one of `x-forwarded-for`.
    pub trust_forwarded_headers: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_concurrent_requests: 4_096,
            max_streams_per_connection: 128,
            max_header_bytes: 32 * 1024,
            max_uri_bytes: 8 * 1024,
            max_body_bytes: 10 * 1024 * 1024,
            header_read_timeout_ms: 10_000,
            body_read_timeout_ms: 30_000,
            body_min_progress_bytes: 1_024,
            write_timeout_ms: 30_000,
            keep_alive_idle_timeout_ms: 75_000,
            drain_limit_ms: 25_000,
            cancel_on_disconnect: false,
            trust_forwarded_headers: false,
        }
    }
}

/// A setting that cannot work. The configuration's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value}: {fault}")]
pub struct ConfigError {
    /// The key.
    pub key: &'static str,
    /// Its value.
    pub value: u64,
    /// What is wrong with it, in words.
    pub fault: &'static str,
}

impl Config {
    /// Checks each setting and how they go together.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wide = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        let day_ms = 24 * 60 * 60 * 1_000;
        for (key, value, max) in [
            ("max_connections", wide(self.max_connections), 1 << 24),
            ("max_concurrent_requests", wide(self.max_concurrent_requests), 1 << 24),
            ("max_streams_per_connection", u64::from(self.max_streams_per_connection), 1 << 16),
            ("max_header_bytes", wide(self.max_header_bytes), 1 << 20),
            ("max_uri_bytes", wide(self.max_uri_bytes), 1 << 16),
            ("max_body_bytes", self.max_body_bytes, u64::MAX),
            ("header_read_timeout_ms", self.header_read_timeout_ms, day_ms),
            ("body_read_timeout_ms", self.body_read_timeout_ms, day_ms),
            ("body_min_progress_bytes", self.body_min_progress_bytes, u64::MAX),
            ("write_timeout_ms", self.write_timeout_ms, day_ms),
            ("keep_alive_idle_timeout_ms", self.keep_alive_idle_timeout_ms, day_ms),
        ] {
            if value == 0 {
                return Err(ConfigError { key, value, fault: "must be at least 1" });
            }
            if value > max {
                return Err(ConfigError { key, value, fault: "is too large" });
            }
        }
        if self.drain_limit_ms > day_ms {
            return Err(ConfigError { key: "drain_limit_ms", value: self.drain_limit_ms, fault: "is too large" });
        }
        if self.max_uri_bytes > self.max_header_bytes {
            let (key, value) = ("max_uri_bytes", wide(self.max_uri_bytes));
            return Err(ConfigError { key, value, fault: "is more than max_header_bytes, of which it is a part" });
        }
        Ok(())
    }

    fn limits(&self, newcomers: Arc<Turns>) -> listener::Limits {
        listener::Limits {
            max_connections: self.max_connections,
            max_header_bytes: self.max_header_bytes,
            header_read_timeout: Duration::from_millis(self.header_read_timeout_ms),
            keep_alive_idle_timeout: Duration::from_millis(self.keep_alive_idle_timeout_ms),
            write_timeout: Duration::from_millis(self.write_timeout_ms),
            max_streams: self.max_streams_per_connection,
            drain_limit: Duration::from_millis(self.drain_limit_ms),
            newcomers,
        }
    }
}

#[cfg(test)]
mod tests;
