//! The function's log: one line an event on stderr, in the form of Lambda's Node.js runtime.
//!
//! `2025-01-31T08:00:00.000Z<tab>REQUEST-ID<tab>INFO<tab>message`. Outside an invocation the request id is `-`.
//! A line break within a message becomes a carriage return, as in Lambda, so that one event stays one
//! line. The level comes from `AWS_LAMBDA_LOG_LEVEL` and is `INFO` if that is unset or unknown. It is read with
//! the first record: fetching the environment costs a new sandbox more than an invocation of a small function.
//! A line that cannot be written is lost: a log must not fail the function.

use std::{
    fmt::{self, Write as _},
    io::Write as _,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

#[cfg(feature = "log")]
mod log;
#[cfg(feature = "tracing")]
mod tracing;

/// The invocation under way. An environment serves one at a time, so one is enough.
static REQUEST_ID: Mutex<String> = Mutex::new(String::new());

/// The request id of the invocation under way; empty outside one.
pub fn request_id() -> String {
    REQUEST_ID.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Names the invocation that log lines belong to from here on.
#[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "only the host's calls name an invocation"))]
pub(crate) fn set_request_id(id: &str) {
    let mut current = REQUEST_ID.lock().unwrap_or_else(PoisonError::into_inner);
    current.clear();
    current.push_str(id);
}

/// Lambda's log levels, least severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    not(any(feature = "log", feature = "tracing")),
    allow(dead_code, reason = "without records there are failures only, which are errors")
)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    #[cfg(any(feature = "log", feature = "tracing"))]
    fn from_environment() -> Self {
        Self::named(&std::env::var(crate::variables::LOG_LEVEL).unwrap_or_default())
    }

    #[cfg(any(test, feature = "log", feature = "tracing"))]
    fn named(name: &str) -> Self {
        [Self::Trace, Self::Debug, Self::Warn, Self::Error, Self::Fatal]
            .into_iter()
            .find(|level| name.eq_ignore_ascii_case(level.name()))
            .unwrap_or(Self::Info)
    }
}

/// Wires `log`, `tracing` and panics to the function's log, before any of the function's own code runs.
#[cfg(target_family = "wasm")]
pub(crate) fn install() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        #[cfg(feature = "log")]
        log::install();
        #[cfg(feature = "tracing")]
        tracing::install();
        // The trap that follows tells the host that the function died, this line tells the user why.
        std::panic::set_hook(Box::new(|panic| {
            let message = panic.payload_as_str().unwrap_or("a value that is not text");
            match panic.location() {
                Some(at) => write(Level::Error, format_args!("panicked at {at}: {message}")),
                None => write(Level::Error, format_args!("panicked: {message}")),
            }
        }));
    });
}

/// Writes one line.
#[cfg_attr(
    not(any(target_family = "wasm", feature = "log", feature = "tracing")),
    expect(dead_code, reason = "nothing logs natively without a log feature")
)]
pub(crate) fn write(level: Level, message: fmt::Arguments<'_>) {
    let line = line(SystemTime::now(), &request_id(), level, message);
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn line(time: SystemTime, request_id: &str, level: Level, message: fmt::Arguments<'_>) -> String {
    let mut line = String::with_capacity(128);
    // Fails for years past 9999 only; the line is still worth having.
    let _ = write!(line, "{}", humantime::format_rfc3339_millis(time));
    let request_id = if request_id.is_empty() { "-" } else { request_id };
    let _ = write!(line, "\t{request_id}\t{}\t", level.name());
    let head = line.len();
    let _ = line.write_fmt(message);
    while line.len() > head && line.ends_with(['\n', '\r']) {
        line.pop();
    }
    if line.contains('\n') {
        line = line.replace('\n', "\r");
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_line_has_lambdas_form() {
        let time = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(
            line(time, "r-1", Level::Info, format_args!("two\nlines\n")),
            "2023-11-14T22:13:20.123Z\tr-1\tINFO\ttwo\rlines\n"
        );
        assert_eq!(line(UNIX_EPOCH, "", Level::Warn, format_args!("")), "1970-01-01T00:00:00.000Z\t-\tWARN\t\n");
    }

    #[test]
    fn levels_are_read_as_lambda_names_them() {
        assert_eq!(Level::named("debug"), Level::Debug);
        assert_eq!(Level::named("FATAL"), Level::Fatal);
        for name in ["", "INFO", "LOUD"] {
            assert_eq!(Level::named(name), Level::Info, "{name:?}");
        }
    }
}
