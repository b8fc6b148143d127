//! The AWS APIs on one port: reading a request, finding its service, writing the answer.

use super::codec::{Answer, Request};
use super::error::{Shape, WireError};
use super::{codec, event_source_mappings, lambda, logs, scheduler, sqs};
use crate::listener::{self, BodyUnread, GuardedBody, Limits, Peer};
use crate::triggers::queue::EventSourceMappings;
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
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
}

impl Api {
    /// Serves `listener` until `stop` and the drain are over.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, limits: Limits, stop: CancellationToken) {
        let handler = move |request, peer| {
            let api = Arc::clone(&self);
            async move { api.handle(request, peer).await }
        };
        listener::serve_connections(listener, limits, handler, Arc::new(()), stop).await;
    }

    async fn handle(&self, request: http::Request<Incoming>, _peer: Peer) -> Answer {
        let request_id = Uuid::new_v4();
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(request_id);
        let shape = shape_of(&parts);
        let limit_bytes = lambda::body_limit_bytes(&parts.method, parts.uri.path());
        let announced_bytes = body.size_hint().lower();
        // The size is bounded by `read_body`, which has AWS's words for it; here only the pace.
        let guarded = GuardedBody::new(body, u64::MAX, BODY_WINDOW, BODY_PROGRESS_BYTES);
        let status = guarded.status();
        let read = match announced_bytes {
            _ if is_from_a_browser(&parts) => Err(WireError::new(
                StatusCode::FORBIDDEN,
                "AccessDeniedException",
                "Requests of web pages are not served: this port takes requests without credentials.",
            )),
            // Refused at the head, before its body.
            bytes if bytes > limit_bytes as u64 => Err(codec::too_large(limit_bytes)),
            _ => codec::read_body(guarded, limit_bytes).await,
        };
        let answered = match read {
            Ok(body) => self.answer(&Request { parts, body }).await,
            Err(error) => Err(error),
        };
        let mut answer = answered.unwrap_or_else(|error| error.into_response(shape));
        if !status.is_read() {
            answer.extensions_mut().insert(BodyUnread);
        }
        if let Ok(id) = HeaderValue::try_from(request_id.to_string()) {
            answer.headers_mut().insert(REQUEST_ID, id);
        }
        answer
    }

    /// Answers a request that has been read whole.
    pub async fn answer(&self, request: &Request) -> Result<Answer, WireError> {
        match request.header("x-amz-target") {
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
        let what = request.header("x-amz-target").unwrap_or_else(|| request.parts.uri.path());
        Err(WireError::new(
            StatusCode::NOT_FOUND,
            "UnknownOperationException",
            format!("{} {what} is not supported by Lamina.", request.parts.method),
        ))
    }
}

/// Whether a web page may be behind a request. The port is open to whoever is on this machine, and a page of any site is, through
/// the browser: it sends an `Origin`, or reaches the port under a name of its own (DNS rebinding). A name that a foreign site
/// cannot have is a single label, an address of this machine, or one under `localhost` or `internal`.
fn is_from_a_browser(parts: &http::request::Parts) -> bool {
    let host = match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()),
    };
    parts.headers.contains_key(header::ORIGIN) || !host.is_none_or(is_own_name)
}

fn is_own_name(host: &str) -> bool {
    let Ok(authority) = host.parse::<http::uri::Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => !name.contains('.') || name.ends_with(".localhost") || name.ends_with(".internal"),
    }
}

/// The error shape of the protocol that a request speaks.
fn shape_of(parts: &http::request::Parts) -> Shape {
    match parts.headers.get("x-amz-target").map(HeaderValue::as_bytes) {
        Some(target) if target.starts_with(sqs::TARGET_PREFIX.as_bytes()) => sqs::ERROR_SHAPE,
        Some(target) if target.starts_with(logs::TARGET_PREFIX.as_bytes()) => logs::ERROR_SHAPE,
        Some(_) => Shape::Json { namespace: "" },
        None => Shape::RestJson,
    }
}

#[cfg(test)]
mod tests {
    use super::is_own_name;

    #[test]
    fn only_names_that_a_foreign_site_cannot_have_are_ours() {
        for host in
            ["localhost", "localhost:4566", "127.0.0.1:4566", "[::1]:4566", "127.9.9.9", "q.localhost", "lamina"]
        {
            assert!(is_own_name(host), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:4566", "10.0.0.1", "localhost.evil.example", ""] {
            assert!(!is_own_name(host), "{host}");
        }
    }
}
