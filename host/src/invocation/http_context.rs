//! The context of an HTTP function: headers that only the host can set.
//!
//! A client's own headers of these names are removed, so a guest can believe them (`guest-sdk/README.md` lists them).

use super::Body;
use super::invoker::deadline_ms;
use crate::catalog::Target;
use base64::Engine as _;
use http::header::{HOST, HeaderName, HeaderValue};
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-request-id");
const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const INVOKED_FUNCTION_ARN: HeaderName = HeaderName::from_static("x-lamina-invoked-function-arn");
const DEADLINE_MS: HeaderName = HeaderName::from_static("x-lamina-deadline-ms");
const QUALIFIER: HeaderName = HeaderName::from_static("x-lamina-qualifier");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("x-lamina-client-context");
const LAMINA: &str = "x-lamina-";

/// What an invocation tells besides its request.
pub(super) struct Call<'a> {
    pub(super) request_id: Uuid,
    pub(super) trace_id: Option<&'a str>,
    pub(super) client_context: Option<&'a str>,
}

/// Replaces the context headers of `request` by this invocation's.
pub(super) fn prepare(
    mut request: http::Request<Body>,
    target: &Target,
    call: &Call<'_>,
    started_ms: i64,
) -> http::Request<Body> {
    let has_authority = request.uri().authority().is_some();
    let headers = request.headers_mut();
    let forged: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().starts_with(LAMINA)).cloned().collect();
    for name in forged.iter().chain([&REQUEST_ID, &TRACE_ID]) {
        headers.remove(name);
    }
    let mut set = |name: HeaderName, value: &str| {
        // What is no header value is left out: a trace id with control characters says nothing anyway.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(REQUEST_ID, call.request_id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    set(INVOKED_FUNCTION_ARN, &target.arn);
    if let Some(qualifier) = &target.qualifier {
        set(QUALIFIER, qualifier);
    }
    if let Some(trace_id) = call.trace_id {
        set(TRACE_ID, trace_id);
    }
    if let Some(context) = call.client_context {
        let encoded = base64::engine::general_purpose::STANDARD.encode(context);
        set(CLIENT_CONTEXT, &encoded);
    }
    headers.insert(DEADLINE_MS, deadline_ms(target, started_ms).into());
    if !has_authority && !headers.contains_key(HOST) {
        // HTTP/1.0 clients send none; wasi:http asks for an authority.
        headers.insert(HOST, HeaderValue::from_static("localhost"));
    }
    request
}
