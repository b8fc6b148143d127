//! The AWS APIs on one port: reading a request, finding its service, writing the answer.

use super::access::{self, Gate, Passed};
use super::codec::{Answer, Request};
use super::error::{Shape, WireError};
use super::{codec, event_source_mappings, lambda, logs, scheduler, sqs, sts};
use crate::clock::SharedClock;
use crate::listener::{self, BodyUnread, GuardedBody, Limits, Peer};
use crate::triggers::queue::EventSourceMappings;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// A body has to make this much progress in each window.
const BODY_WINDOW: Duration = Duration::from_secs(20);
const BODY_PROGRESS_BYTES: u64 = 1024;

/// All services.
pub struct Api {
    /// Lambda.
    pub lambda: lambda::LambdaApi,
    /// SQS.
    pub sqs: sqs::SqsApi,
    /// Lambda's event source mappings.
    pub mappings: Arc<EventSourceMappings>,
    /// EventBridge Scheduler.
    pub scheduler: scheduler::SchedulerApi,
    /// CloudWatch Logs.
    pub logs: logs::LogsApi,
    /// Who may call them.
    pub gate: Gate,
    /// For the time of requests.
    pub clock: SharedClock,
}

impl Api {
    /// Serves `listener` until `stop` and the drain are over.
    pub async fn serve(self: Arc<Self>, listener: impl Into<listener::Bound>, limits: Limits, stop: CancellationToken) {
        let handler = move |request, peer| {
            let api = Arc::clone(&self);
            async move { api.handle(request, peer).await }
        };
        listener::serve_connections(listener, limits, handler, Arc::new(()), stop).await;
    }

    async fn handle(&self, request: http::Request<Incoming>, peer: Peer) -> Answer {
        let request_id = Uuid::new_v4();
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(request_id);
        let shape = shape_of(&parts);
        // The size is bounded by `read_body`, which has AWS's words for it; here only the pace.
        let announced_bytes = body.size_hint().lower();
        let guarded = GuardedBody::new(body, u64::MAX, BODY_WINDOW, BODY_PROGRESS_BYTES);
        let status = guarded.status();
        let answered = self.read_and_answer(parts, guarded, announced_bytes, peer.is_private, shape).await;
        let mut answer = answered.unwrap_or_else(|error| error.into_response(shape));
        if !status.is_read() {
            answer.extensions_mut().insert(BodyUnread);
        }
        if let Ok(id) = HeaderValue::try_from(request_id.to_string()) {
            answer.headers_mut().insert(REQUEST_ID, id);
        }
        answer
    }

    async fn read_and_answer(
        &self,
        parts: http::request::Parts,
        body: GuardedBody<Incoming>,
        announced_bytes: u64,
        is_private: bool,
        shape: Shape,
    ) -> Result<Answer, WireError> {
        let denied = |denied| access::error(&denied, shape);
        // Whoever may not call is told so before the body is read.
        let admission = self.gate.admit(&parts, is_private, self.clock.now_ms()).map_err(denied)?;
        if admission.is_open()
            && let Some(refusal) = access::refusal_of_pages(&parts)
        {
            return Err(refusal);
        }
        let limit_bytes = lambda::body_limit_bytes(&parts.method, parts.uri.path());
        if announced_bytes > limit_bytes as u64 {
            return Err(codec::too_large(limit_bytes));
        }
        let body = codec::read_body(body, limit_bytes).await?;
        let mut request = Request { parts, body };
        let passed =
            self.gate.settle(admission, &mut request, is_private, self.clock.now_ms()).await.map_err(denied)?;
        self.answer_passed(&request, passed).await
    }

    /// Answers a request that has been read whole, whoever sent it.
    pub async fn answer(&self, request: &Request) -> Result<Answer, WireError> {
        match sqs::query::translate(request) {
            Some(translated) => self.answer_passed(&translated, Passed::Serve).await,
            None => self.answer_passed(request, Passed::Serve).await,
        }
    }

    async fn answer_passed(&self, request: &Request, passed: Passed) -> Result<Answer, WireError> {
        if let Some(spoken) = request.parts.extensions.get::<sqs::query::Spoken>() {
            let id = request.parts.extensions.get::<Uuid>().copied().unwrap_or_else(Uuid::new_v4);
            return Ok(sqs::query::render(spoken, sqs::handle(&self.sqs, request).await, id).await);
        }
        let target = request.header("x-amz-target");
        match target {
            // What policies do not know no service gets to see.
            _ if passed == Passed::Unknown => {}
            Some(target) if target.starts_with(sqs::TARGET_PREFIX) => return sqs::handle(&self.sqs, request).await,
            Some(target) if target.starts_with(logs::TARGET_PREFIX) => return logs::handle(&self.logs, request).await,
            Some(_) => {}
            None => {
                if let Some(answer) = lambda::handle(&self.lambda, request).await {
                    return answer;
                }
                if let Some(answer) = event_source_mappings::handle(&self.mappings, request).await {
                    return answer;
                }
                if let Some(answer) = scheduler::handle(&self.scheduler, request).await {
                    return answer;
                }
            }
        }
        if target.is_none() && sts::is_query_protocol(&request.parts) {
            return sts::handle(self.gate.home(), request);
        }
        let what = target.unwrap_or_else(|| request.parts.uri.path());
        // JSON by target and CBOR have no other status for it.
        let status = match shape_of(&request.parts) {
            Shape::Json { .. } | Shape::Cbor => StatusCode::BAD_REQUEST,
            _ => StatusCode::NOT_FOUND,
        };
        let message = format!("{} {what} is not supported by Lamina.", request.parts.method);
        Err(WireError::new(status, "UnknownOperationException", message))
    }
}

/// The error shape of the protocol that a request speaks. The protocols of services that are not here are told by what only they have, and
/// by the service that the request is signed for.
fn shape_of(parts: &http::request::Parts) -> Shape {
    let text = |name: &str| parts.headers.get(name).map(HeaderValue::as_bytes);
    if text("smithy-protocol") == Some(b"rpc-v2-cbor") {
        return Shape::Cbor;
    }
    match text("x-amz-target") {
        Some(target) if target.starts_with(sqs::TARGET_PREFIX.as_bytes()) => return sqs::ERROR_SHAPE,
        Some(target) if target.starts_with(logs::TARGET_PREFIX.as_bytes()) => return logs::ERROR_SHAPE,
        Some(_) => return Shape::Json { namespace: "" },
        None => {}
    }
    let service = access::claimed_service(parts);
    match service.as_deref() {
        Some("ec2") => Shape::Ec2,
        _ if sts::is_query_protocol(parts) || sqs::query::is_spoken(parts) => Shape::Query,
        Some("s3" | "s3express" | "s3-outposts" | "cloudfront" | "route53") => Shape::RestXml,
        _ => Shape::RestJson,
    }
}
