//! Runs handlers in native unit tests, as the host would: the event as JSON, the error as a value.
//!
//! ```
//! # #[lamina::handler]
//! # fn handle(event: u32, ctx: lamina::Context) -> Result<u32, lamina::Error> { Ok(event + ctx.memory_limit_mb) }
//! # fn main() -> Result<(), lamina::Error> {
//! use lamina::testing;
//! use serde_json::json;
//!
//! assert_eq!(testing::invoke(handle, json!(1))?, json!(129));
//! let small = testing::context().memory_limit_mb(2).build();
//! assert_eq!(testing::invoke_with(handle, json!(1), small)?, json!(3));
//! # Ok(())
//! # }
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::{Context, Error, EventHandler};

/// A context to adjust: a 128 MB `$LATEST` function called `test` with three seconds left.
pub fn context() -> ContextBuilder {
    ContextBuilder(Context {
        request_id: "00000000-0000-4000-8000-000000000000".to_owned(),
        function_name: "test".to_owned(),
        function_version: "$LATEST".to_owned(),
        qualifier: None,
        invoked_function_arn: "arn:aws:lambda:us-east-1:000000000000:function:test".to_owned(),
        memory_limit_mb: 128,
        deadline_ms: 0,
        log_group: "/aws/lambda/test".to_owned(),
        log_stream: "2025/01/01/[$LATEST]00000000000000000000000000000000".to_owned(),
        trace_id: None,
        client_context: None,
    })
    .deadline_in(Duration::from_secs(3))
}

/// Runs an event handler on `event` in the default [`context`].
///
/// # Errors
/// What the caller would be answered with.
pub fn invoke<Args>(handler: impl EventHandler<Args>, event: Value) -> Result<Value, Error> {
    invoke_with(handler, event, context().build())
}

/// Runs an event handler on `event` in a context of the test's own.
///
/// # Errors
/// What the caller would be answered with; [`Error::MARSHAL`] if a raw response is not JSON.
pub fn invoke_with<Args>(handler: impl EventHandler<Args>, event: Value, context: Context) -> Result<Value, Error> {
    let response = handler.call(event.to_string().into_bytes(), context)?;
    serde_json::from_slice(&response).map_err(|error| Error::new(Error::MARSHAL, error.to_string()))
}

/// What a handler streamed.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streamed {
    /// As the handler called it.
    pub content_type: String,
    /// All pieces together.
    pub bytes: Vec<u8>,
}

/// Runs an event handler that streams its response, on `event` in the default [`context`]; `None` if it wrote nothing.
///
/// # Errors
/// What ends the stream in an error.
#[cfg(not(target_family = "wasm"))]
pub fn stream<Args>(handler: impl EventHandler<Args>, event: Value) -> Result<Option<Streamed>, Error> {
    // What an earlier test left.
    let _ = crate::stream::sink::take();
    handler.call(event.to_string().into_bytes(), context().build())?;
    Ok(crate::stream::sink::take().map(|(content_type, bytes)| Streamed { content_type, bytes }))
}

/// Runs an HTTP handler on `request` in the default [`context`] and collects the response's body.
///
/// # Errors
/// What fails the invocation, or cuts a streamed body short.
#[cfg(feature = "http")]
pub fn request<Args>(
    handler: impl crate::HttpHandler<Args>,
    request: http::Request<impl Into<crate::Body>>,
) -> Result<http::Response<bytes::Bytes>, Error> {
    let (head, body) = handler.call(request.map(Into::into), context().build())?.into_parts();
    Ok(http::Response::from_parts(head, body.into_bytes()?))
}

/// Builds a [`Context`].
#[derive(Debug, Clone)]
#[must_use]
pub struct ContextBuilder(Context);

macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident $(=> $wrap:expr)?;)*) => {
        impl ContextBuilder {
            $(
                $(#[$doc])*
                pub fn $field(mut self, $field: impl Into<String>) -> Self {
                    self.0.$field = $($wrap)?($field.into());
                    self
                }
            )*
        }
    };
}

setters! {
    /// Sets the request id.
    request_id;
    /// Sets the function's name.
    function_name;
    /// Sets `$LATEST` or a version number.
    function_version;
    /// Sets the alias or version the caller named.
    qualifier => Some;
    /// Sets the ARN the caller named.
    invoked_function_arn;
    /// Sets the log group.
    log_group;
    /// Sets the log stream.
    log_stream;
    /// Sets the trace header.
    trace_id => Some;
    /// Sets the caller's client context, JSON text.
    client_context => Some;
}

impl ContextBuilder {
    /// Sets the memory size in MB.
    pub fn memory_limit_mb(mut self, memory_limit_mb: u32) -> Self {
        self.0.memory_limit_mb = memory_limit_mb;
        self
    }

    /// Sets the deadline in milliseconds since the Unix epoch.
    pub fn deadline_ms(mut self, deadline_ms: u64) -> Self {
        self.0.deadline_ms = deadline_ms;
        self
    }

    /// Sets the deadline that far from now.
    pub fn deadline_in(mut self, remaining: Duration) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline = since_epoch.saturating_add(remaining);
        self.0.deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// The context.
    pub fn build(self) -> Context {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Raw;

    #[test]
    fn an_event_handler_runs_on_json() {
        let who = |event: String, context: Context| -> Result<String, Error> {
            Ok(format!("{event} {}", context.qualifier.unwrap_or_default()))
        };
        let live = context().qualifier("live").build();
        assert_eq!(invoke_with(who, json!("on"), live).unwrap(), json!("on live"));
        assert_eq!(invoke(who, json!(1)).unwrap_err().error_type(), Error::UNMARSHAL);
    }

    #[test]
    fn a_raw_response_must_be_json_here() {
        let raw = |_: Raw| -> Result<Raw, Error> { Ok(Raw(b"\xff".to_vec())) };
        assert_eq!(invoke(raw, json!(null)).unwrap_err().error_type(), Error::MARSHAL);
    }

    #[cfg(feature = "http")]
    #[test]
    fn an_http_handler_runs_on_a_request() {
        let echo =
            |request: http::Request<crate::Body>| -> Result<_, Error> { Ok(http::Response::new(request.into_body())) };
        let response = request(echo, http::Request::new("body")).unwrap();
        assert_eq!(response.body(), "body");
    }
}
