//! `Invoke` (<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>) and `InvokeAsync`, its older way to ask for what
//! `InvocationType: Event` does. An event's `ClientContext` is checked and not passed on, as on AWS.

use super::constraints::one_of;
use super::{LambdaApi, target};
use crate::ids::FunctionRef;
use crate::invocation::{Invocation, PAYLOAD_LIMIT_BYTES, Payload, Response, Source};
use crate::storage::async_events::NewEvent;
use crate::triggers::asynchronous;
use crate::wire::codec::{self, Answer, Request, whole};
use crate::wire::error::WireError;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::de::IgnoredAny;
use std::sync::Arc;
use uuid::Uuid;

/// The largest `X-Amz-Client-Context`, in base64.
const CLIENT_CONTEXT_LIMIT_BYTES: usize = 3583;

pub(super) const TRACE_ID: &str = "x-amzn-trace-id";

pub(super) async fn handle(api: &LambdaApi, request: &Request, name: &str, id: Uuid) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    let kind = request.header("x-amz-invocation-type").unwrap_or("RequestResponse");
    one_of(kind, "invocationType", &["Event", "RequestResponse", "DryRun"])?;
    let log_type = request.header("x-amz-log-type").unwrap_or("None");
    one_of(log_type, "logType", &["None", "Tail"])?;
    let client_context = request.header("x-amz-client-context").map(client_context).transpose()?;
    if kind == "Event" {
        return accept(api, request, target, id).await;
    }
    let event = event(&request.body)?;
    if kind == "DryRun" {
        api.catalog.resolve(&target, None)?;
        return Ok(codec::empty(StatusCode::NO_CONTENT));
    }
    let trace_id = request.header(TRACE_ID);
    let outcome = api
        .invoke
        .invoke(Invocation {
            target,
            payload: Payload::Event(event),
            request_id: id,
            source: Source::Api,
            trace_id: trace_id.map(Arc::from),
            client_context,
            tail_log: log_type == "Tail",
        })
        .await?;
    let (body, failed) = match outcome.result {
        Ok(Response::Event(body)) => (body, false),
        Ok(Response::Http(_)) => {
            tracing::error!(request_id = %id, "an event was answered with an HTTP response");
            return Err(WireError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "ServiceException",
                "The response could not be read.",
            ));
        }
        Err(error) => (Bytes::from(error.to_text()), true),
    };
    let mut answer = Answer::new(whole(body));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if failed {
        headers.insert("x-amz-function-error", HeaderValue::from_static("Unhandled"));
    }
    let log_tail = outcome.log_tail.map(|log| BASE64_STANDARD.encode(log));
    for (name, value) in [
        ("x-amz-executed-version", Some(outcome.executed_version.to_string())),
        ("x-amz-log-result", log_tail),
        (TRACE_ID, trace_id.map(str::to_owned)),
    ] {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            headers.insert(name, value);
        }
    }
    Ok(answer)
}

/// `InvokeAsync` (<https://docs.aws.amazon.com/lambda/latest/api/API_InvokeAsync.html>).
pub(super) async fn handle_async(
    api: &LambdaApi,
    request: &Request,
    name: &str,
    id: Uuid,
) -> Result<Answer, WireError> {
    let target = target::qualified(api, name, request)?;
    accept(api, request, target, id).await
}

/// Accepts an event. It is on disk when this answers.
async fn accept(api: &LambdaApi, request: &Request, target: FunctionRef, id: Uuid) -> Result<Answer, WireError> {
    let (size_bytes, limit_bytes) = (request.body.len(), asynchronous::PAYLOAD_LIMIT_BYTES);
    if size_bytes > limit_bytes {
        return Err(WireError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLargeException",
            format!("{size_bytes} byte payload is too large for the Event invocation type (limit {limit_bytes} bytes)"),
        ));
    }
    let payload = event(&request.body)?;
    api.catalog.resolve(&target, None)?;
    let trace_id = request.header(TRACE_ID).map(str::to_owned);
    let now_ms = api.asynchronous.now_ms();
    let new = NewEvent { request_id: id, target, payload, trace_id: trace_id.clone(), accepted_at_ms: now_ms };
    api.asynchronous.accept(new).await?;
    let mut answer = codec::empty(StatusCode::ACCEPTED);
    if let Some(Ok(value)) = trace_id.map(HeaderValue::try_from) {
        answer.headers_mut().insert(TRACE_ID, value);
    }
    Ok(answer)
}

/// The body, known to be JSON; none counts as `{}`.
pub(super) fn event(body: &Bytes) -> Result<Bytes, WireError> {
    if body.len() > PAYLOAD_LIMIT_BYTES {
        return Err(crate::invocation::InvokeError::PayloadTooLarge { size_bytes: body.len() }.into());
    }
    if body.trim_ascii().is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    let bad = |error: &dyn std::fmt::Display| {
        let message = format!("Could not parse request body into json: Could not parse payload into json: {error}");
        WireError::bad_request("InvalidRequestContentException", message)
    };
    let text = std::str::from_utf8(body).map_err(|error| bad(&error))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| bad(&error))?;
    Ok(body.clone())
}

pub(super) fn client_context(header: &str) -> Result<Arc<str>, WireError> {
    let bad = |message: &str| WireError::bad_request("InvalidRequestContentException", message);
    if header.len() > CLIENT_CONTEXT_LIMIT_BYTES {
        return Err(bad("Client context must be at most 3583 bytes of base64."));
    }
    let not_json = || bad("Client context must be a valid Base64-encoded JSON object.");
    let bytes = BASE64_STANDARD.decode(header).map_err(|_| not_json())?;
    let text = String::from_utf8(bytes).map_err(|_| not_json())?;
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text).map_err(|_| not_json())?;
    Ok(text.into())
}
