//! Extensions of functions: told of an environment's start, invocations, log lines, platform records and end.
//!
//! ```
//! use lamina::extension::{Environment, Extension, Record, Registration, Subscription};
//!
//! #[derive(Default)]
//! struct Counter { lines: usize }
//!
//! impl Extension for Counter {
//!     fn init(_: Environment) -> Result<(Self, Registration), lamina::Error> {
//!         Ok((Self::default(), Registration::events().telemetry(Subscription::function())))
//!     }
//!
//!     fn telemetry(&mut self, records: Vec<Record>) -> Result<(), lamina::Error> {
//!         self.lines += records.iter().filter(|record| record.kind == "function").count();
//!         Ok(())
//!     }
//! }
//!
//! lamina::extension!(Counter);
//! # fn main() {}
//! ```
//!
//! Built like a function, put into a layer as `extensions/<name>.wasm`, and added to functions with their `Layers`. An extension has its own
//! sandbox in each environment of the function; its methods are called one at a time. An `Err` from [`Extension::init`] ends the environment
//! before it begins, one from [`Extension::invoke`] and any panic end it after the invocation, one from [`Extension::telemetry`] loses the
//! records.

use serde::de::DeserializeOwned;

use crate::Error;

/// What an extension does. All but [`init`](Extension::init) may be left out.
pub trait Extension: Sized {
    /// An environment starts. Within the init phase's time, which the function's own init comes after.
    ///
    /// # Errors
    /// Why the environment cannot do without; it ends.
    fn init(environment: Environment) -> Result<(Self, Registration), Error>;

    /// An invocation begins, beside this call. The environment serves the next one when this has returned; until then it counts as busy.
    /// Within the function's time-out.
    ///
    /// # Errors
    /// Why the extension cannot go on; the environment ends after the invocation.
    fn invoke(&mut self, event: InvokeEvent) -> Result<(), Error> {
        let _ = event;
        Ok(())
    }

    /// Records, in order. Within ten seconds.
    ///
    /// # Errors
    /// Why they were not taken. They do not come again.
    fn telemetry(&mut self, records: Vec<Record>) -> Result<(), Error> {
        let _ = records;
        Ok(())
    }

    /// The environment ends. Within two seconds, those for the last records included.
    fn shutdown(&mut self, event: ShutdownEvent) {
        let _ = event;
    }
}

/// The environment that starts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Environment {
    /// The extension's name: its file's in the layer, without the ending.
    pub extension_name: String,
    /// The function's name.
    pub function_name: String,
    /// `$LATEST` or a version number.
    pub function_version: String,
    /// The function's handler.
    pub handler: String,
    /// The function's memory size in MB; the extension may use as much again.
    pub memory_limit_mb: u32,
    /// The function's log group.
    pub log_group: String,
    /// The environment's log stream.
    pub log_stream: String,
}

impl Environment {
    /// For native tests of `init`.
    pub fn test() -> Self {
        Self {
            extension_name: "test".to_owned(),
            function_name: "test".to_owned(),
            function_version: "$LATEST".to_owned(),
            handler: "bootstrap".to_owned(),
            memory_limit_mb: 128,
            log_group: "/aws/lambda/test".to_owned(),
            log_stream: "2025/01/01/[$LATEST]00000000000000000000000000000000".to_owned(),
        }
    }
}

/// What an extension wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registration {
    pub(crate) invoke: bool,
    pub(crate) shutdown: bool,
    pub(crate) telemetry: Option<Subscription>,
}

impl Registration {
    /// Of invocations and the end.
    pub fn events() -> Self {
        Self { invoke: true, shutdown: true, telemetry: None }
    }

    /// Of the end only: the environment waits for nothing after an invocation.
    pub fn shutdown_only() -> Self {
        Self { invoke: false, shutdown: true, telemetry: None }
    }

    /// And records.
    #[must_use]
    pub fn telemetry(self, subscription: Subscription) -> Self {
        Self { telemetry: Some(subscription), ..self }
    }
}

/// Which records are wanted, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    pub(crate) platform: bool,
    pub(crate) function: bool,
    pub(crate) extension: bool,
    pub(crate) max_items: u32,
    pub(crate) max_bytes: u32,
    pub(crate) timeout_ms: u32,
}

impl Subscription {
    /// Nothing yet. At least one kind has to be added.
    pub fn nothing() -> Self {
        Self {
            platform: false,
            function: false,
            extension: false,
            max_items: 10_000,
            max_bytes: 262_144,
            timeout_ms: 1_000,
        }
    }

    /// The platform's records, lines of the function and of other extensions.
    pub fn all() -> Self {
        Self { platform: true, function: true, extension: true, ..Self::nothing() }
    }

    /// The platform's records: `platform.start`, `platform.report` …
    pub fn platform() -> Self {
        Self { platform: true, ..Self::nothing() }
    }

    /// Lines of the function's log.
    pub fn function() -> Self {
        Self { function: true, ..Self::nothing() }
    }

    /// And the other's.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            platform: self.platform || other.platform,
            function: self.function || other.function,
            extension: self.extension || other.extension,
            ..self
        }
    }

    /// Records come together until there are `max_items` (1,000 to 10,000), they take `max_bytes` (262,144 to 1,048,576) or the first is
    /// `timeout_ms` old (25 to 30,000). Other values are refused when the environment starts.
    #[must_use]
    pub fn buffering(self, max_items: u32, max_bytes: u32, timeout_ms: u32) -> Self {
        Self { max_items, max_bytes, timeout_ms, ..self }
    }
}

/// An invocation that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvokeEvent {
    /// As in the function's context and in records.
    pub request_id: String,
    /// When the extension has to be done, in milliseconds since the Unix epoch.
    pub deadline_ms: u64,
    /// The ARN the caller named, with its qualifier.
    pub invoked_function_arn: String,
    /// The `X-Amzn-Trace-Id` header of this invocation.
    pub trace_id: Option<String>,
}

/// Why an environment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutdownReason {
    /// It is not needed any more.
    Spindown,
    /// The function ran into its time-out.
    Timeout,
    /// The function or an extension failed.
    Failure,
}

impl ShutdownReason {
    /// As Lambda writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        }
    }
}

/// The environment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownEvent {
    /// Why.
    pub reason: ShutdownReason,
    /// When the extension is ended, in milliseconds since the Unix epoch.
    pub deadline_ms: u64,
}

/// A record of the Telemetry API's schema 2022-12-13.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Such as `2022-10-12T00:03:50.000Z`.
    pub time: String,
    /// The schema's `type`: `platform.start`, `platform.report`, `function`, `extension` …
    pub kind: String,
    /// JSON text: an object, or a string where it is a line of text.
    pub record: String,
}

impl Record {
    /// The content as a serde type.
    ///
    /// # Errors
    /// [`Error::UNMARSHAL`] if it is not JSON of this type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.record).map_err(|error| Error::new(Error::UNMARSHAL, error.to_string()))
    }
}

/// Makes a type that is an [`Extension`] the extension of this crate. One to a crate, and no handler beside it.
#[macro_export]
macro_rules! extension {
    ($type:ty) => {
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "a component export is an `extern` function taking raw pointers")]
        const _: () = {
            use $crate::__rt::extension as rt;

            ::std::thread_local! {
                static EXTENSION: rt::Slot<$type> = const { rt::Slot::new(None) };
            }

            struct Component;

            impl rt::Guest for Component {
                fn on_init(
                    environment: rt::WitEnvironment,
                ) -> ::std::result::Result<rt::WitRegistration, rt::FunctionError> {
                    rt::init(&EXTENSION, environment)
                }

                fn on_invoke(event: rt::WitInvokeEvent) -> ::std::result::Result<(), rt::FunctionError> {
                    rt::invoke(&EXTENSION, event)
                }

                fn on_telemetry(
                    records: ::std::vec::Vec<rt::WitRecord>,
                ) -> ::std::result::Result<(), rt::FunctionError> {
                    rt::telemetry(&EXTENSION, records)
                }

                fn on_shutdown(event: rt::WitShutdownEvent) {
                    rt::shutdown(&EXTENSION, event);
                }
            }

    rt::export!(Component with_types_in rt::bindings);
        };

        #[cfg(not(target_family = "wasm"))]
        const _: fn() = || $crate::__rt::check_extension::<$type>();
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_add_up_and_keep_the_first_ones_buffering() {
        let both = Subscription::platform().buffering(1_000, 300_000, 25).and(Subscription::function());
        assert_eq!((both.platform, both.function, both.extension), (true, true, false));
        assert_eq!((both.max_items, both.max_bytes, both.timeout_ms), (1_000, 300_000, 25));
    }

    #[test]
    fn records_are_text_or_objects() {
        let record = |text: &str| Record { time: String::new(), kind: String::new(), record: text.to_owned() };
        assert_eq!(record(r#""a line""#).json::<String>().unwrap(), "a line");
        assert_eq!(record(r#"{"requestId":"r"}"#).json::<serde_json::Value>().unwrap()["requestId"], "r");
        assert_eq!(record("{").json::<String>().unwrap_err().error_type(), Error::UNMARSHAL);
    }
}
