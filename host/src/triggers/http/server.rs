//! From the socket to the invoker and back.
//!
//! A client that goes away does not end its invocation, unless [`Config::cancel_on_disconnect`] says so: the rest of it runs in a task of
//! its own. Tasks are tracked: a drain waits for the invocations whose client is gone too, within the same limit, and then drops them.

use super::reply::{self, ReplyBody};
use super::urls::{Found, FunctionUrls, UrlRequest, has_signature};
use super::{Config, Router, cors, forward, url_reply};
use crate::clock::SharedClock;
use crate::ids::{FunctionRef, Qualifier};
use crate::invocation::http_event::{RouteContext, UrlContext, collect, event_response};
use crate::invocation::{
    Body, HttpPayload, Invocation, Invoke, InvokeError, Outcome, PAYLOAD_LIMIT_BYTES, Payload, Response as Answer,
    Source,
};
use crate::listener::{self, BodyStatus, BodyUnread, GuardedBody, Peer};
use crate::storage::functions::{InvokeMode, UrlAuthType};
use crate::turns::Turns;
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONNECTION, HeaderName, HeaderValue, ORIGIN};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

const X_AMZN_REQUESTID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const APIGW_REQUESTID: HeaderName = HeaderName::from_static("apigw-requestid");

/// The HTTP trigger, ready to serve.
pub struct Trigger {
    /// The routes; the same router may be replaced from elsewhere at any time.
    pub router: Arc<Router>,
    /// Function URLs, which come before the routes; `None` serves routes alone.
    pub urls: Option<FunctionUrls>,
    /// What runs functions.
    pub invoke: Arc<dyn Invoke>,
    /// Settings, checked before with [`Config::check`].
    pub config: Config,
    /// Turns of requests on quiet connections, shared with other listeners.
    pub newcomers: Arc<Turns>,
    /// Told about connections and answers.
    pub metrics: Arc<dyn HttpMetrics>,
    /// For the events' time and new trace ids.
    pub clock: SharedClock,
}

/// An answer, as its head goes out.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The route's key; `None` where the request met none.
    pub route_key: Option<&'a str>,
    /// The status.
    pub status: StatusCode,
    /// From the request's head to the response's.
    pub duration: Duration,
}

/// Told what the trigger does, beside what happens to its connections. The defaults do nothing.
pub trait HttpMetrics: listener::Observer {
    /// A request was answered.
    fn answered(&self, _answered: Answered<'_>) {}
}

impl HttpMetrics for () {}

/// How a drain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DrainReport {
    /// Of the connections.
    pub connections: listener::DrainReport,
    /// Invocations that were dropped at the limit.
    pub invocations_cut: usize,
}

impl Trigger {
    /// Serves `listener` until `shutdown` is cancelled, then drains within [`Config::drain_limit_ms`].
    pub async fn serve(self, listener: impl Into<listener::Bound>, shutdown: CancellationToken) -> DrainReport {
        let limits = self.config.limits(Arc::clone(&self.newcomers));
        let drain_limit = limits.drain_limit;
        let metrics = Arc::clone(&self.metrics);
        let permits = self.config.max_concurrent_requests.clamp(1, Semaphore::MAX_PERMITS);
        let server = Arc::new(Server {
            trigger: self,
            permits: Arc::new(Semaphore::new(permits)),
            invocations: TaskTracker::new(),
            cut: CancellationToken::new(),
        });
        let _cut_when_dropped = server.cut.clone().drop_guard();

        let handling = Arc::clone(&server);
        let handler = move |request, peer| {
            let server = Arc::clone(&handling);
            async move { server.handle(request, peer).await }
        };
        let connections = listener::serve_connections(listener, limits, handler, metrics, shutdown).await;

        server.invocations.close();
        let left = drain_limit.saturating_sub(connections.took);
        let mut invocations_cut = 0;
        if tokio::time::timeout(left, server.invocations.wait()).await.is_err() {
            invocations_cut = server.invocations.len();
            server.cut.cancel();
            server.invocations.wait().await;
        }
        DrainReport { connections, invocations_cut }
    }
}

struct Server {
    trigger: Trigger,
    permits: Arc<Semaphore>,
    invocations: TaskTracker,
    cut: CancellationToken,
}

impl Server {
    async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Response<ReplyBody> {
        let started = Instant::now();
        let request_id = Uuid::new_v4();
        let (method, version) = (request.method().clone(), request.version());
        let has_body = !request.body().is_end_stream();

        let permit = Arc::clone(&self.permits).try_acquire_owned();
        let (route_key, mut response) = match &permit {
            Ok(_) => self.answer(request, peer, request_id).await,
            Err(_) => (None, refusal((StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"))),
        };

        let is_refusal = response.extensions().get::<Refused>().is_some();
        if is_refusal && has_body {
            response.extensions_mut().insert(BodyUnread);
            // HTTP/2 ends the stream instead.
            if version < Version::HTTP_2 {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
        }
        if let Ok(id) = HeaderValue::from_str(request_id.hyphenated().encode_lower(&mut Uuid::encode_buffer())) {
            response.headers_mut().insert(X_AMZN_REQUESTID, id.clone());
            response.headers_mut().insert(APIGW_REQUESTID, id);
        }
        let mut response = without_forbidden_body(response, &method);
        response.body_mut().permit = permit.ok();
        self.trigger.metrics.answered(Answered {
            route_key: route_key.as_deref().map(|route| &*route.key),
            status: response.status(),
            duration: started.elapsed(),
        });
        response
    }

    /// Routes and invokes. Answers the route too, where there was one.
    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        request_id: Uuid,
    ) -> (Option<Arc<super::route::Route>>, Response<ReplyBody>) {
        let config = &self.trigger.config;
        let (mut parts, body) = request.into_parts();
        let host = match forward::admit(&parts, config) {
            Ok(host) => host,
            Err(refused) => return (None, refusal(refused)),
        };
        let host_name = host.as_ref().map_or("", Authority::as_str);
        if let Some(urls) = &self.trigger.urls {
            match urls.find(host_name, parts.uri.path()) {
                Ok(None) => {}
                Ok(Some(found)) => {
                    return (None, self.answer_url(urls, found, parts, body, host, peer, request_id).await);
                }
                Err(()) => return (None, refused(url_reply::forbidden())),
            }
        }
        let found = match self.trigger.router.find(&parts.method, host_name, parts.uri.path()) {
            Ok(Some(found)) => found,
            Ok(None) => return (None, refusal((StatusCode::NOT_FOUND, "Not Found"))),
            Err(_) => return (None, refusal((StatusCode::BAD_REQUEST, "Bad Request"))),
        };

        let method = parts.method.clone();
        let received_ms = self.trigger.clock.now_ms();
        let (source_ip, trace_id) = forward::to_function(&mut parts, host, &peer, config, received_ms);
        let body = GuardedBody::new(
            body,
            config.max_body_bytes,
            Duration::from_millis(config.body_read_timeout_ms),
            config.body_min_progress_bytes,
        );
        let body_status = body.status();
        let invocation = Invocation {
            target: found.route.target.clone(),
            payload: Payload::Http(Box::new(HttpPayload {
                request: Request::from_parts(parts, body.map_err(Into::into).boxed_unsync()),
                route: RouteContext {
                    route_key: Arc::clone(&found.route.key),
                    path_parameters: found.parameters,
                    source_ip,
                    received_ms,
                    url: None,
                },
            })),
            request_id,
            source: Source::Http,
            trace_id: trace_id.to_str().ok().map(Arc::from),
            client_context: None,
            tail_log: false,
        };
        let invoke = Arc::clone(&self.trigger.invoke);
        let result = self.run(async move { invoke.invoke(invocation).await }).await;
        let mut response = self.response(result, &body_status, &method, request_id);
        response.headers_mut().insert(forward::X_AMZN_TRACE_ID, trace_id);
        if !body_status.is_read() {
            response.extensions_mut().insert(BodyUnread);
        }
        (Some(found.route), response)
    }

    /// Answers a request to a function URL.
    #[expect(clippy::too_many_arguments, reason = "a request, taken apart")]
    async fn answer_url(
        &self,
        urls: &FunctionUrls,
        found: Found,
        parts: http::request::Parts,
        body: Incoming,
        host: Option<Authority>,
        peer: Peer,
        request_id: Uuid,
    ) -> Response<ReplyBody> {
        let url = Arc::clone(&found.url);
        if let Some(cors) = &url.cors
            && cors::is_preflight(&parts)
        {
            let mut response = refused(Response::new(ReplyBody::whole(Bytes::new())));
            response.headers_mut().extend(cors::preflight(cors, &parts.headers));
            return response;
        }
        let origin = parts.headers.get(ORIGIN).cloned();
        let mut response = match self.invoke_url(urls, found, parts, body, host, peer, request_id).await {
            Ok(response) | Err(response) => response,
        };
        if let Some(cors) = &url.cors {
            cors::apply(cors, origin.as_ref(), response.headers_mut());
        }
        response
    }

    /// Authorizes and invokes; `Err` is the answer to a request that was not served.
    #[expect(clippy::too_many_arguments, reason = "a request, taken apart")]
    async fn invoke_url(
        &self,
        urls: &FunctionUrls,
        found: Found,
        mut parts: http::request::Parts,
        body: Incoming,
        host: Option<Authority>,
        peer: Peer,
        request_id: Uuid,
    ) -> Result<Response<ReplyBody>, Response<ReplyBody>> {
        let (config, url) = (&self.trigger.config, &found.url);
        let is_signed = url.auth_type == UrlAuthType::AwsIam;
        let may_enter = if is_signed { has_signature(&parts) } else { urls.authorizer.is_public(url) };
        if !may_enter {
            return Err(refused(url_reply::forbidden()));
        }
        let body = GuardedBody::new(
            body,
            config.max_body_bytes,
            Duration::from_millis(config.body_read_timeout_ms),
            config.body_min_progress_bytes,
        );
        let body_status = body.status();
        let mut body: Body = body.map_err(Into::into).boxed_unsync();
        let mut caller = None;
        if is_signed {
            // A signature is over the whole body.
            let bytes = collect(body, PAYLOAD_LIMIT_BYTES).await.map_err(|error| {
                let mut response = match body_status.fault() {
                    Some(fault) => url_reply::body_fault(fault),
                    None => url_reply::uncollected(&error),
                };
                response.extensions_mut().insert(BodyUnread);
                response
            })?;
            let request = UrlRequest { parts: &parts, body: &bytes, url };
            caller = Some(urls.authorizer.authorize(&request).map_err(|denied| {
                tracing::debug!(%request_id, %denied, "a request to a function URL was refused");
                url_reply::forbidden()
            })?);
            body = Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
        }
        if let Some(path) = &found.path {
            forward::set_path(&mut parts, path);
        }
        let method = parts.method.clone();
        let received_ms = self.trigger.clock.now_ms();
        let (source_ip, trace_id) = forward::to_function(&mut parts, host, &peer, config, received_ms);
        let invocation = Invocation {
            target: FunctionRef { name: url.function.clone(), qualifier: url.alias.clone().map(Qualifier::Alias) },
            payload: Payload::Http(Box::new(HttpPayload {
                request: Request::from_parts(parts, body),
                route: RouteContext {
                    route_key: "$default".into(),
                    path_parameters: BTreeMap::new(),
                    source_ip,
                    received_ms,
                    url: Some(UrlContext {
                        url_id: url.url_id.clone(),
                        domain_name: urls.addresses.domain_name(&url.url_id),
                        caller,
                    }),
                },
            })),
            request_id,
            source: Source::Http,
            trace_id: trace_id.to_str().ok().map(Arc::from),
            client_context: None,
            tail_log: false,
        };
        let invoke = Arc::clone(&self.trigger.invoke);
        let answered = match url.invoke_mode {
            InvokeMode::Buffered => {
                let result = self.run(async move { invoke.invoke(invocation).await }).await;
                url_reply::buffered(result, request_id).await
            }
            InvokeMode::ResponseStream => {
                let result = self.run(async move { invoke.invoke_streamed(invocation).await }).await;
                url_reply::streamed(result, request_id).await
            }
        };
        let mut response = match answered {
            Ok(response) => {
                let mut response = response;
                settle(&mut response, &method);
                response
            }
            // What the client did to its own request explains what became of the invocation.
            Err(response) => body_status.fault().map_or(response, url_reply::body_fault),
        };
        response.headers_mut().insert(forward::X_AMZN_TRACE_ID, trace_id);
        if !body_status.is_read() {
            response.extensions_mut().insert(BodyUnread);
        }
        Ok(response)
    }

    /// Runs an invocation to its answer. Where its client goes away first, the rest of it runs in a task of its own, unless it is to end
    /// with its client.
    async fn run<T: Send + 'static>(
        &self,
        invocation: impl Future<Output = Result<T, InvokeError>> + Send + 'static,
    ) -> Result<T, InvokeError> {
        if self.trigger.config.cancel_on_disconnect {
            return invocation.await;
        }
        let invocation = AssertUnwindSafe(invocation).catch_unwind();
        let finished = Outliving { server: self, rest: Some(Box::pin(invocation)) }.await;
        finished.unwrap_or_else(|_| Err(InvokeError::Platform("the invocation panicked".to_owned())))
    }

    fn response(
        &self,
        result: Result<Outcome, InvokeError>,
        body_status: &BodyStatus,
        method: &Method,
        request_id: Uuid,
    ) -> Response<ReplyBody> {
        let answer = match result {
            Ok(Outcome { result: Ok(answer), .. }) => answer,
            // What the client did to its own request explains what became of the invocation.
            failed => {
                if let Some(fault) = body_status.fault() {
                    return reply::body_fault(fault);
                }
                return match failed {
                    Ok(Outcome { result: Err(error), .. }) => reply::function_error(&error),
                    Ok(Outcome { result: Ok(_), .. }) => reply::bad_gateway(),
                    Err(error) => {
                        match &error {
                            InvokeError::Platform(_) => tracing::error!(%request_id, %error, "an invocation failed"),
                            InvokeError::FunctionNotFound { .. } => {
                                tracing::warn!(%request_id, %error, "a route leads to a function that does not exist");
                            }
                            _ => tracing::debug!(%request_id, %error, "an invocation was refused"),
                        }
                        reply::invoke_error(&error)
                    }
                };
            }
        };
        let mut response = match answer {
            Answer::Event(answer) => match event_response(answer) {
                Ok(response) => response.map(ReplyBody::whole),
                Err(error) => {
                    tracing::debug!(%request_id, %error, "a function's answer is no response");
                    return reply::bad_gateway();
                }
            },
            Answer::Http(response) if response.status().is_informational() => return reply::bad_gateway(),
            Answer::Http(response) => {
                let mut response = *response;
                response.extensions_mut().clear();
                *response.version_mut() = Version::HTTP_11;
                response.map(ReplyBody::stream)
            }
        };
        settle(&mut response, method);
        response
    }
}

/// Makes the head of a function's response fit for the wire.
fn settle(response: &mut Response<ReplyBody>, method: &Method) {
    let (status, buffered_bytes) = (response.status(), response.body().buffered_bytes());
    forward::remove_hop_by_hop(response.headers_mut());
    forward::fix_content_length(response.headers_mut(), method, status, buffered_bytes);
}

/// Marks an answer that was decided on the request's head alone.
#[derive(Clone, Copy)]
struct Refused;

/// A future that goes on in a task of its own where it is dropped before its end. A task for each would cost every request its queueing.
struct Outliving<'a, F: Future<Output: Send> + Send + 'static> {
    server: &'a Server,
    rest: Option<Pin<Box<F>>>,
}

impl<F: Future<Output: Send> + Send + 'static> Future for Outliving<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(rest) = &mut self.rest else { return Poll::Pending };
        let polled = rest.as_mut().poll(cx);
        if polled.is_ready() {
            self.rest = None;
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Outliving<'_, F> {
    fn drop(&mut self) {
        let Some(rest) = self.rest.take() else { return };
        // There is no runtime any more where all of it is being dropped.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let cut = self.server.cut.clone();
        self.server.invocations.spawn_on(
            async move {
                // Nobody waits for what it answers.
                let _ = cut.run_until_cancelled_owned(rest).await;
            },
            &runtime,
        );
    }
}

fn refusal((status, text): forward::Refusal) -> Response<ReplyBody> {
    refused(reply::message(status, text))
}

fn refused(mut response: Response<ReplyBody>) -> Response<ReplyBody> {
    response.extensions_mut().insert(Refused);
    response
}

/// Drops the body where HTTP has no room for one.
fn without_forbidden_body(response: Response<ReplyBody>, method: &Method) -> Response<ReplyBody> {
    if forward::is_bodiless(method, response.status()) {
        response.map(|_| ReplyBody::whole(Bytes::new()))
    } else {
        response
    }
}
