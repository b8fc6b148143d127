//! Answers of function URLs, where they differ from those of routes: which outcome is which status, and how a response is read.

use super::reply::ReplyBody;
use crate::invocation::http_event::{CollectError, StreamError, collect, streaming_response, url_response};
use crate::invocation::{
    Body, InvokeError, Outcome, PAYLOAD_LIMIT_BYTES, Response as Answer, StreamHead, StreamedOutcome,
};
use crate::listener::BodyFault;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode, Version};
use uuid::Uuid;

/// `{"Message": …}`, as Lambda answers for itself. `message` holds nothing that JSON escapes.
fn message(status: StatusCode, message: &'static str) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(Bytes::from(format!("{{\"Message\":\"{message}\"}}"))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// No URL, or not for this caller.
pub(super) fn forbidden() -> Response<ReplyBody> {
    message(StatusCode::FORBIDDEN, "Forbidden")
}

/// The function's fault, whatever it was.
fn bad_gateway() -> Response<ReplyBody> {
    message(StatusCode::BAD_GATEWAY, "Internal Server Error")
}

/// A request whose body did not arrive as it should.
pub(super) fn body_fault(fault: &BodyFault) -> Response<ReplyBody> {
    match fault {
        BodyFault::TooLarge { .. } => message(StatusCode::PAYLOAD_TOO_LARGE, "Request Too Large"),
        BodyFault::TimedOut => message(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
        BodyFault::Broken(_) => message(StatusCode::BAD_REQUEST, "Bad Request"),
    }
}

/// A request whose body could not be gathered.
pub(super) fn uncollected(error: &CollectError) -> Response<ReplyBody> {
    match error {
        CollectError::TooLarge { .. } => message(StatusCode::PAYLOAD_TOO_LARGE, "Request Too Large"),
        CollectError::Broken(_) => message(StatusCode::BAD_REQUEST, "Bad Request"),
    }
}

fn invoke_error(error: &InvokeError, request_id: Uuid) -> Response<ReplyBody> {
    tracing::debug!(%request_id, %error, "an invocation by a function URL was refused");
    match error {
        InvokeError::Throttled(_) => message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
        InvokeError::InvalidPayload(_) => message(StatusCode::BAD_REQUEST, "Bad Request"),
        InvokeError::PayloadTooLarge { .. } => message(StatusCode::PAYLOAD_TOO_LARGE, "Request Too Large"),
        // Deleted while the request was on its way.
        InvokeError::FunctionNotFound { .. } => forbidden(),
        InvokeError::RecursiveLoop => message(StatusCode::LOOP_DETECTED, "Loop Detected"),
        InvokeError::ShuttingDown | InvokeError::NotReady(_) => {
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
        InvokeError::Platform(_) => {
            tracing::error!(%request_id, %error, "an invocation failed");
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

/// A URL's whole response; `Err` is the answer where the function gave none.
pub(super) async fn buffered(
    result: Result<Outcome, InvokeError>,
    request_id: Uuid,
) -> Result<Response<ReplyBody>, Response<ReplyBody>> {
    let outcome = result.map_err(|error| invoke_error(&error, request_id))?;
    match outcome.result {
        Ok(Answer::Event(answer)) => match url_response(answer) {
            Ok(response) => Ok(response.map(ReplyBody::whole)),
            Err(error) => {
                tracing::debug!(%request_id, %error, "a function's answer is no response");
                Err(bad_gateway())
            }
        },
        Ok(Answer::Http(response)) => {
            let (parts, body) = response.into_parts();
            match collect(body, PAYLOAD_LIMIT_BYTES).await {
                Ok(bytes) => real(Response::from_parts(parts, ()), ReplyBody::whole(bytes)),
                Err(error) => {
                    tracing::debug!(%request_id, %error, "a response could not be gathered");
                    Err(bad_gateway())
                }
            }
        }
        Err(_) => Err(bad_gateway()),
    }
}

/// A URL's response as it is made; `Err` is the answer where the function gave none.
pub(super) async fn streamed(
    result: Result<StreamedOutcome, InvokeError>,
    request_id: Uuid,
) -> Result<Response<ReplyBody>, Response<ReplyBody>> {
    let outcome = result.map_err(|error| invoke_error(&error, request_id))?;
    let streamed = outcome.result.map_err(|_| bad_gateway())?;
    match streamed.head {
        StreamHead::Http(parts) => real(Response::from_parts(*parts, ()), ReplyBody::stream(streamed.body)),
        StreamHead::Event { content_type, .. } => {
            let response: Result<Response<Body>, StreamError> = streaming_response(&content_type, streamed.body).await;
            response.map(|response| response.map(ReplyBody::stream)).map_err(|error| {
                tracing::debug!(%request_id, %error, "a function's stream is no response");
                bad_gateway()
            })
        }
    }
}

/// An HTTP function's own response.
fn real(head: Response<()>, body: ReplyBody) -> Result<Response<ReplyBody>, Response<ReplyBody>> {
    if head.status().is_informational() {
        return Err(bad_gateway());
    }
    let mut response = head.map(|()| body);
    response.extensions_mut().clear();
    *response.version_mut() = Version::HTTP_11;
    Ok(response)
}
