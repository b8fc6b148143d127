//! How a guest can fail, and how an environment can fail to start.

use super::bindings::FunctionError;
use super::calls::response_stream::StreamTooLarge;
use super::state::State;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// An error as the caller is to see it, to the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorDocument {
    /// `errorType`; empty where it has none.
    pub error_type: String,
    /// `errorMessage`; empty where it has none.
    pub message: String,
    /// All of it: a JSON object.
    pub text: String,
}

impl ErrorDocument {
    /// Reads a document; `None` where it is no JSON object.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.to_owned();
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).ok()?;
        let member = |name: &str| match object.get(name) {
            Some(serde_json::Value::String(text)) => text.clone(),
            None | Some(serde_json::Value::Null) => String::new(),
            Some(other) => other.to_string(),
        };
        Some(Self { error_type: member("errorType"), message: member("errorMessage"), text })
    }
}

/// Why a call into a guest gave no answer. All but errors that the function itself answers end the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The function answered an error of its own.
    Answered {
        /// The error's type, in the function's words.
        error_type: String,
        /// For people.
        message: String,
        /// Frames, where the function gave any.
        stack_trace: Vec<String>,
    },
    /// The function answered an error in a document of its own.
    Documented {
        /// The document.
        document: Box<ErrorDocument>,
        /// Whether the environment may serve again.
        keeps_environment: bool,
    },
    /// A trap: unreachable, out of bounds, stack exhausted …
    Trapped {
        /// What wasm says about it.
        message: String,
        /// wasm frames, innermost first.
        frames: Vec<String>,
    },
    /// The guest ended itself.
    Exited {
        /// Its exit status.
        status: i32,
    },
    /// The guest died after it was refused memory.
    OutOfMemory,
    /// The wall-clock limit passed.
    TimedOut,
    /// The processor-time limit passed.
    CpuTimeExceeded,
    /// A response over the limit.
    ResponseTooLarge {
        /// The response's size, or how much of it was seen.
        size_bytes: usize,
    },
    /// A streamed response over its limit.
    StreamTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// An HTTP guest that returned without a response, or answered `wasi:http` an error code.
    NoResponse(String),
    /// An extension did not start.
    Extension {
        /// The extension.
        name: String,
        /// What it failed of.
        failure: Box<Failure>,
    },
    /// The host's fault.
    Host(String),
}

impl Failure {
    /// Reads what wasmtime reports after a call; `denied` tells whether the guest was refused memory.
    pub(super) fn from_wasmtime(error: &wasmtime::Error, denied: bool) -> Self {
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            return if denied && exit.0 != 0 { Self::OutOfMemory } else { Self::Exited { status: exit.0 } };
        }
        if let Some(StreamTooLarge { limit_bytes }) = error.downcast_ref() {
            return Self::StreamTooLarge { limit_bytes: *limit_bytes };
        }
        if denied {
            return Self::OutOfMemory;
        }
        let message = match error.downcast_ref::<Trap>() {
            Some(trap) => trap.to_string(),
            // The innermost cause says it best: outer ones name wasm frames.
            None => error.root_cause().to_string(),
        };
        Self::Trapped { message, frames: frames(error) }
    }

    /// The type of an extension's failure, as the platform's records tell it.
    pub(super) fn extension_error_type(&self) -> &'static str {
        match self {
            Self::Answered { .. } | Self::Documented { .. } => "Extension.ExitError",
            Self::TimedOut | Self::CpuTimeExceeded => "Extension.Timeout",
            _ => "Extension.Crash",
        }
    }

    /// Whether the environment may serve again.
    pub fn keeps_environment(&self) -> bool {
        matches!(self, Self::Answered { .. } | Self::Documented { keeps_environment: true, .. })
    }
}

impl From<FunctionError> for Failure {
    fn from(error: FunctionError) -> Self {
        Self::Answered { error_type: error.error_type, message: error.error_message, stack_trace: error.stack_trace }
    }
}

fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        Some(name) => without_hash(name),
        None => format!("<wasm function {}>", frame.func_index()),
    };
    backtrace.frames().iter().take(20).map(name).collect()
}

/// Rust's symbols end in a hash that tells a reader nothing.
fn without_hash(name: &str) -> String {
    name.rsplit_once("::h").filter(|(_, hash)| hash.len() == 16).map_or(name, |(name, _)| name).to_owned()
}

/// Why there is no environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// No slot is free on this host. Nobody's fault; retry later.
    #[error("no sandbox slot is free")]
    Full,
    /// The guest failed while it was instantiated or initialised.
    #[error("the init phase failed: {0:?}")]
    Guest(Failure),
    /// The compiled code could not be had. The platform's fault.
    #[error("{0}")]
    Host(String),
}

impl StartError {
    pub(super) fn from_wasmtime(error: &wasmtime::Error, state: &State) -> Self {
        if error.is::<PoolConcurrencyLimitError>() {
            return Self::Full;
        }
        Self::Guest(Failure::from_wasmtime(error, state.limits.was_denied()))
    }
}
