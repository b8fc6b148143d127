//! The admin port: `/metrics`, `/healthz`, `/readyz`.
//!
//! Up until everything else has ended, so that a drain can be watched. `/healthz`: the process answers; `/readyz`: requests are
//! served, 503 once a drain has begun.

use crate::listener::{self, Limits};
use crate::shutdown::Shutdown;
use crate::telemetry::metrics::Metrics;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What the admin port tells.
pub(super) struct Admin {
    metrics: Arc<Metrics>,
    shutdown: Shutdown,
    ready: AtomicBool,
}

impl Admin {
    pub(super) fn new(metrics: Arc<Metrics>, shutdown: Shutdown) -> Arc<Self> {
        Arc::new(Self { metrics, shutdown, ready: AtomicBool::new(false) })
    }

    /// Requests are served from here on.
    pub(super) fn ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    pub(super) async fn serve(self: Arc<Self>, listener: impl Into<listener::Bound>, stop: CancellationToken) {
        let limits = Limits { max_connections: 256, drain_limit: Duration::from_secs(1), ..Limits::default() };
        let handler = move |request, _peer| {
            let admin = Arc::clone(&self);
            async move { admin.answer(&request) }
        };
        listener::serve_connections(listener, limits, handler, Arc::new(()), stop).await;
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" if !self.ready.load(Ordering::Acquire) => text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
            "/readyz" if self.shutdown.has_begun() => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            "/readyz" => text(StatusCode::OK, "ready\n"),
            "/metrics" => match self.metrics.encode() {
                Ok(metrics) => {
                    let mut answer = Response::new(Full::new(Bytes::from(metrics)));
                    let kind = HeaderValue::from_static(Metrics::CONTENT_TYPE);
                    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
                    answer
                }
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
            },
            _ => text(StatusCode::NOT_FOUND, "here are /metrics, /healthz and /readyz\n"),
        }
    }
}

fn text(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}
