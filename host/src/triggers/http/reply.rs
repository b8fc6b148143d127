//! Answers on the wire: a body in one piece or a stream, and the answers that no function gives.

use crate::invocation::{Body, BodyError, FunctionError, InvokeError};
use crate::listener::BodyFault;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;

/// A response's body; keeps its request's place among the concurrent ones until it is done.
pub(super) struct ReplyBody {
    kind: Kind,
    /// Given back when the body is dropped.
    pub(super) permit: Option<OwnedSemaphorePermit>,
}

enum Kind {
    Whole(Bytes),
    Stream(Body),
}

impl ReplyBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { kind: Kind::Whole(bytes), permit: None }
    }

    pub(super) fn stream(body: Body) -> Self {
        Self { kind: Kind::Stream(body), permit: None }
    }

    /// The size of a body that is here in full.
    pub(super) fn buffered_bytes(&self) -> Option<usize> {
        match &self.kind {
            Kind::Whole(bytes) => Some(bytes.len()),
            Kind::Stream(_) => None,
        }
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.kind {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
            Kind::Stream(body) => body.size_hint(),
        }
    }
}

/// `{"message": …}`, as API Gateway answers for itself. `message` holds nothing that JSON escapes.
pub(super) fn message(status: StatusCode, message: &'static str) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::whole(Bytes::from(format!("{{\"message\":\"{message}\"}}"))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// The function's fault, and API Gateway's text for it.
pub(super) fn bad_gateway() -> Response<ReplyBody> {
    message(StatusCode::BAD_GATEWAY, "Internal Server Error")
}

/// The answer for an invocation that did not happen.
pub(super) fn invoke_error(error: &InvokeError) -> Response<ReplyBody> {
    match error {
        InvokeError::Throttled(_) => message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
        InvokeError::InvalidPayload(_) => message(StatusCode::BAD_REQUEST, "Bad Request"),
        InvokeError::PayloadTooLarge { .. } => message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
        InvokeError::RecursiveLoop => message(StatusCode::LOOP_DETECTED, "Loop Detected"),
        InvokeError::ShuttingDown | InvokeError::NotReady(_) => {
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
        // A route to a function that is not there is the operator's mistake, not the client's.
        InvokeError::FunctionNotFound { .. } | InvokeError::Platform(_) => {
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

/// The answer for a function that failed.
pub(super) fn function_error(error: &FunctionError) -> Response<ReplyBody> {
    if !error.handled && error.error_type == "Sandbox.Timedout" {
        return message(StatusCode::GATEWAY_TIMEOUT, "Endpoint request timed out");
    }
    bad_gateway()
}

/// The answer for a request whose body did not arrive as it should.
pub(super) fn body_fault(fault: &BodyFault) -> Response<ReplyBody> {
    match fault {
        BodyFault::TooLarge { .. } => message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
        BodyFault::TimedOut => message(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
        BodyFault::Broken(_) => message(StatusCode::BAD_REQUEST, "Bad Request"),
    }
}
