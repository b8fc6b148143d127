//! What an invocation is told about itself; field names follow Lambda's context object.
//!
//! An event function receives it with the event. An HTTP function's comes from the headers below,
//! which the host sets itself and strips from what a client sent, and from the environment
//! variables it gives every execution environment. A header that is missing or unreadable leaves its
//! field empty, so an HTTP component also runs where nothing sets them.
//!
//! | field | header |
//! |---|---|
//! | `request_id` | `x-amzn-request-id` |
//! | `trace_id` | `x-amzn-trace-id` |
//! | `qualifier` | `x-lamina-qualifier` |
//! | `invoked_function_arn` | `x-lamina-invoked-function-arn` |
//! | `deadline()` | `x-lamina-deadline-ms`, milliseconds since the Unix epoch |
//! | `client_context` | `x-lamina-client-context`, JSON text in base64 as Lambda sends it |

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Environment variables the host sets; `#[lamina::init]` and HTTP functions read them through
/// [`Context`] or directly.
pub mod variables {
    /// The function's name.
    pub const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";
    /// `$LATEST` or a version number.
    pub const FUNCTION_VERSION: &str = "AWS_LAMBDA_FUNCTION_VERSION";
    /// The function's memory size in MB.
    pub const MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
    /// The function's log group.
    pub const LOG_GROUP: &str = "AWS_LAMBDA_LOG_GROUP_NAME";
    /// The execution environment's log stream.
    pub const LOG_STREAM: &str = "AWS_LAMBDA_LOG_STREAM_NAME";
    /// The least severe level logged: `TRACE`, `DEBUG`, `INFO` (the default), `WARN`, `ERROR` or `FATAL`.
    pub const LOG_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";
}

/// One invocation as its handler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// Unique to the invocation; retries of an asynchronous one keep it.
    pub request_id: String,
    /// The function's name.
    pub function_name: String,
    /// `$LATEST` or a version number.
    pub function_version: String,
    /// The alias or version the caller named, if any.
    pub qualifier: Option<String>,
    /// The ARN the caller named, with its qualifier.
    pub invoked_function_arn: String,
    /// The function's memory size in MB.
    pub memory_limit_mb: u32,
    /// When the invocation is cut off, in milliseconds since the Unix epoch.
    pub deadline_ms: u64,
    /// The function's log group.
    pub log_group: String,
    /// The execution environment's log stream.
    pub log_stream: String,
    /// The `X-Amzn-Trace-Id` header.
    pub trace_id: Option<String>,
    /// The caller's `ClientContext`, JSON text.
    pub client_context: Option<String>,
}

impl Context {
    /// When the invocation is cut off. Saturates at the far future if the clock cannot express it.
    pub fn deadline(&self) -> SystemTime {
        // A century on: for a function, as good as never.
        const FAR: Duration = Duration::from_secs(100 * 366 * 24 * 3600);
        let since_epoch = Duration::from_millis(self.deadline_ms);
        UNIX_EPOCH.checked_add(since_epoch).unwrap_or_else(|| SystemTime::now() + FAR)
    }

    /// How long the invocation may still run; zero once the deadline has passed.
    pub fn remaining_time(&self) -> Duration {
        self.deadline().duration_since(SystemTime::now()).unwrap_or_default()
    }

    /// A context from request headers and environment variables, as the module head lists them.
    #[cfg(all(feature = "http", any(target_family = "wasm", test)))]
    pub(crate) fn from_http(headers: &http::HeaderMap, variable: impl Fn(&str) -> Option<String>) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let named = |name: &str| variable(name).unwrap_or_default();
        Self {
            request_id: header("x-amzn-request-id").unwrap_or_default(),
            function_name: named(variables::FUNCTION_NAME),
            function_version: named(variables::FUNCTION_VERSION),
            qualifier: header("x-lamina-qualifier"),
            invoked_function_arn: header("x-lamina-invoked-function-arn").unwrap_or_default(),
            memory_limit_mb: named(variables::MEMORY_SIZE).parse().unwrap_or_default(),
            // No deadline told is no deadline known: the host cuts the invocation off all the same.
            deadline_ms: header("x-lamina-deadline-ms").and_then(|ms| ms.parse().ok()).unwrap_or(u64::MAX),
            log_group: named(variables::LOG_GROUP),
            log_stream: named(variables::LOG_STREAM),
            trace_id: header("x-amzn-trace-id"),
            client_context: header("x-lamina-client-context").and_then(|text| base64_text(&text)),
        }
    }
}

/// Standard base64 (RFC 4648 §4) of UTF-8 text; `None` for anything else.
#[cfg(all(feature = "http", any(target_family = "wasm", test)))]
fn base64_text(encoded: &str) -> Option<String> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_counts_down_to_zero() {
        let context = crate::testing::context().deadline_in(Duration::from_secs(60)).build();
        assert!(context.remaining_time() > Duration::from_secs(50));
        assert!(context.remaining_time() <= Duration::from_secs(60));
        let past = crate::testing::context().deadline_ms(1).build();
        assert_eq!(past.remaining_time(), Duration::ZERO);
        let never = crate::testing::context().deadline_ms(u64::MAX).build();
        assert!(never.remaining_time() > Duration::from_secs(900));
    }

    #[cfg(feature = "http")]
    #[test]
    fn http_context_comes_from_headers_and_variables() {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-amzn-request-id", "r-1".parse().unwrap());
        headers.insert("x-lamina-deadline-ms", "1700000000000".parse().unwrap());
        headers.insert("x-lamina-qualifier", "live".parse().unwrap());
        headers.insert("x-lamina-client-context", "eyJhIjoxfQ==".parse().unwrap());
        let context = Context::from_http(&headers, |name| match name {
            variables::MEMORY_SIZE => Some("256".to_owned()),
            variables::FUNCTION_NAME => Some("shop".to_owned()),
            _ => None,
        });
        assert_eq!(context.request_id, "r-1");
        assert_eq!(context.qualifier.as_deref(), Some("live"));
        assert_eq!((context.memory_limit_mb, context.function_name.as_str()), (256, "shop"));
        assert_eq!(context.deadline_ms, 1_700_000_000_000);
        assert_eq!(context.client_context.as_deref(), Some(r#"{"a":1}"#));
    }

    #[cfg(feature = "http")]
    #[test]
    fn only_base64_of_text_decodes() {
        assert_eq!(base64_text("aGk=").as_deref(), Some("hi"));
        assert_eq!(base64_text("aGkh").as_deref(), Some("hi!"));
        assert_eq!(base64_text("").as_deref(), Some(""));
        for bad in ["a", "aGk!", "/w==", "aGk h"] {
            assert_eq!(base64_text(bad), None, "{bad}");
        }
    }
}
