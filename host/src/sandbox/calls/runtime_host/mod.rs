//! `lamina`: what language runtimes, which are core modules, import of the host beside [`preview1`](super::preview1): log records,
//! a streamed response, outbound HTTP. `docs/runtimes.md` has the contract.
//!
//! - **Log.** A record is one event of the log, newlines and all.
//! - **Response.** Pieces go where [`response_stream`](super::response_stream) sends those of other guests, with its limits.
//! - **HTTP.** A request runs while the guest runs, on the way that `wasi:http` takes: the same allow-list, checks of addresses,
//!   limits of connections, and counters ([`outbound_http`](super::outbound_http)). Redirects, cookies and compression are the guest's
//!   business. Bounded: requests open, their bodies, heads, and what of a response is held for a guest that does not read.
//!   Requests end with their environment.
//!
//! A pointer or length that leads out of the guest's memory is a trap.

mod exchange;
mod head;
mod linker;
mod requests;
#[cfg(test)]
mod tests;

pub use self::linker::add_to_linker;
pub use self::requests::{MAX_REQUESTS, Requests};

use super::output::OutputSink;
use super::response_stream::StreamSink;

/// How a host call reaches what it works on.
pub trait RuntimeHostAccess: Send + 'static {
    /// What this store's calls work on.
    fn runtime_host(&mut self) -> RuntimeHostView<'_>;
}

/// What calls work on, borrowed from the store.
pub struct RuntimeHostView<'a> {
    /// The function's log.
    pub log: &'a dyn OutputSink,
    /// Where a streamed response of the invocation under way goes.
    pub stream: &'a mut StreamSink,
    /// The environment's outbound requests.
    pub requests: &'a mut Requests,
}

/// What a call answers instead of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// An argument or a handle is none.
    Invalid = -1,
    /// The reader or the response has gone.
    Closed = -2,
    /// Past a limit.
    Limit = -3,
    /// The time is up.
    TimedOut = -5,
}

impl Refusal {
    fn code(self) -> i32 {
        self as i32
    }
}
