//! The way of a pull to the outside: a proxy of its own that the registry client is given, on loopback.
//!
//! The client (`oci-client`) speaks the registries' protocol; where it may go, and how much may come back, is decided here for every
//! request, whatever the registry's answers name (redirects, token servers):
//!
//! - Only to hosts that the policy has, by name before it is resolved and by the address that is connected to. Over TLS, but for
//!   registries that are configured for plain HTTP.
//! - Redirects are followed here, a few, each checked as a first request is; credentials do not go along to another host.
//! - No body longer than expected at that point of the pull. No headers beyond a bound.
//!
//! The client's requests come as plain HTTP, with `http` in the place of `https` in URLs, the challenges' included. Who does not know the
//! pull's secret is turned away. What was refused is remembered: the client would tell less.

use super::error::Fault;
use crate::sandbox::calls::outbound_http::{AllowList, OutboundClient};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How long a lookup, a connection and a TLS handshake may take together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Redirects of one request.
const REDIRECTS: usize = 5;

/// Bytes and fields of a response's header section.
const HEADER_LIMIT_BYTES: usize = 64 << 10;
const HEADER_FIELDS: usize = 256;

/// Headers of the client that go on to a registry; the host's own is made anew.
const FORWARDED: [header::HeaderName; 4] = [header::ACCEPT, header::AUTHORIZATION, header::RANGE, header::USER_AGENT];

/// Where pulls may go.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    /// What may be reached.
    pub(super) reachable: AllowList,
    /// What is spoken to over plain HTTP.
    pub(super) plain: AllowList,
}

/// The proxy of one pull; it ends with this value.
pub(super) struct Gateway {
    address: SocketAddr,
    secret: String,
    way_out: Arc<WayOut>,
    connections: tokio::task::JoinHandle<()>,
}

struct WayOut {
    client: Arc<OutboundClient>,
    policy: Policy,
    authorization: HeaderValue,
    body_limit_bytes: AtomicU64,
    refusal: Mutex<Option<Fault>>,
}

type Answer = http_body_util::combinators::BoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

impl Gateway {
    pub(super) async fn open(client: Arc<OutboundClient>, policy: Policy) -> Result<Self, Fault> {
        let own = |error: std::io::Error| Fault::Unreachable(format!("no way out: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(own)?;
        let address = listener.local_addr().map_err(own)?;
        let secret = uuid::Uuid::new_v4().simple().to_string();
        let mut authorization =
            HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(format!("pull:{secret}"))))
                .map_err(|error| Fault::Unreachable(error.to_string()))?;
        authorization.set_sensitive(true);
        let way_out = Arc::new(WayOut {
            client,
            policy,
            authorization,
            body_limit_bytes: AtomicU64::new(0),
            refusal: Mutex::default(),
        });
        let connections = tokio::spawn(accept(listener, Arc::clone(&way_out)));
        Ok(Self { address, secret, way_out, connections })
    }

    /// The proxy's address, for the client.
    pub(super) fn proxy(&self) -> String {
        format!("http://pull:{}@{}", self.secret, self.address)
    }

    /// Bounds the bodies of responses from here on.
    pub(super) fn expect_at_most(&self, bytes: u64) {
        self.way_out.body_limit_bytes.store(bytes, Ordering::Relaxed);
    }

    /// What was refused first.
    pub(super) fn refusal(&self) -> Option<Fault> {
        self.way_out.refusal.lock().clone()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.connections.abort();
    }
}

async fn accept(listener: TcpListener, way_out: Arc<WayOut>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let way_out = Arc::clone(&way_out);
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let way_out = Arc::clone(&way_out);
                async move { Ok::<_, Infallible>(way_out.answer(&request).await) }
            });
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).max_headers(HEADER_FIELDS);
            // The client sees what ends a connection early.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

impl WayOut {
    async fn answer(self: &Arc<Self>, request: &Request<Incoming>) -> Response<Answer> {
        let known = request.headers().get(header::PROXY_AUTHORIZATION);
        if !known.is_some_and(|given| given.as_bytes().ct_eq(self.authorization.as_bytes()).into()) {
            return refused(StatusCode::PROXY_AUTHENTICATION_REQUIRED);
        }
        match self.forward(request).await {
            Ok(response) => response,
            Err(fault) => {
                self.refuse(fault);
                refused(StatusCode::BAD_GATEWAY)
            }
        }
    }

    fn refuse(&self, fault: Fault) {
        tracing::debug!(?fault, "a request of a pull failed");
        self.refusal.lock().get_or_insert(fault);
    }

    async fn forward(self: &Arc<Self>, request: &Request<Incoming>) -> Result<Response<Answer>, Fault> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Fault::Invalid(format!("pulling wants no {}", request.method())));
        }
        let mut headers = HeaderMap::new();
        for name in FORWARDED {
            if let Some(value) = request.headers().get(&name) {
                headers.insert(name, value.clone());
            }
        }
        let mut uri = self.secured(request.uri())?;
        for _ in 0..=REDIRECTS {
            let response = self.send(request.method(), &uri, &headers).await?;
            let Some(next) = redirect(&uri, &response)? else { return self.passed_on(&uri, response) };
            if next.scheme() != Some(&Scheme::HTTPS) && !self.policy.plain.allows(&next) {
                return Err(Fault::Invalid(format!("its registry sends on to {}, without TLS", place(&next))));
            }
            if (next.authority(), next.scheme()) != (uri.authority(), uri.scheme()) {
                headers.remove(header::AUTHORIZATION);
            }
            uri = next;
        }
        Err(Fault::Invalid(format!("its registry redirects more than {REDIRECTS} times")))
    }

    /// The URL as it is meant: the client knows no `https`.
    fn secured(&self, uri: &Uri) -> Result<Uri, Fault> {
        if self.policy.plain.allows(uri) {
            return Ok(uri.clone());
        }
        let mut parts = uri.clone().into_parts();
        parts.scheme = Some(Scheme::HTTPS);
        Uri::from_parts(parts).map_err(|_| Fault::Invalid(format!("its registry names {uri}, which is no URL")))
    }

    async fn send(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Response<Incoming>, Fault> {
        let connection = self.client.connect(&self.policy.reachable, uri, CONNECT_TIMEOUT).await;
        let connection = connection.map_err(|error| match error {
            wasmtime_wasi_http::Error::HttpRequestDenied => {
                Fault::Invalid(format!("it leads to {}, which images may not come from", place(uri)))
            }
            error => Fault::Unreachable(format!("{}: {error}", place(uri))),
        })?;
        let unreachable = |error: hyper::Error| Fault::Unreachable(format!("{}: {error}", place(uri)));
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(HEADER_LIMIT_BYTES)
            .max_headers(HEADER_FIELDS)
            .handshake(TokioIo::new(connection))
            .await
            .map_err(unreachable)?;
        // Ends when the response's body was read or is dropped.
        tokio::spawn(connection);
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let host = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.method_mut() = method.clone();
        *request.uri_mut() = path.into();
        *request.headers_mut() = headers.clone();
        if let Some(host) = host {
            request.headers_mut().insert(header::HOST, host);
        }
        sender.send_request(request).await.map_err(unreachable)
    }

    /// The response as the client gets it.
    fn passed_on(self: &Arc<Self>, uri: &Uri, response: Response<Incoming>) -> Result<Response<Answer>, Fault> {
        let limit_bytes = self.body_limit_bytes.load(Ordering::Relaxed);
        let (mut parts, body) = response.into_parts();
        if body.size_hint().lower() > limit_bytes {
            return Err(too_large(uri, limit_bytes));
        }
        for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::PROXY_AUTHENTICATE] {
            parts.headers.remove(name);
        }
        parts.headers.remove("keep-alive");
        if let Some(challenge) = parts.headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()) {
            let plain = challenge.replace("realm=\"https://", "realm=\"http://");
            match HeaderValue::try_from(plain) {
                Ok(plain) => drop(parts.headers.insert(header::WWW_AUTHENTICATE, plain)),
                Err(_) => drop(parts.headers.remove(header::WWW_AUTHENTICATE)),
            }
        }
        parts.version = http::Version::HTTP_11;
        let bounded =
            Bounded { body, left_bytes: limit_bytes, limit_bytes, place: place(uri), way_out: Arc::clone(self) };
        Ok(Response::from_parts(parts, bounded.boxed()))
    }
}

/// Where a redirect leads; `None` for other responses.
fn redirect(from: &Uri, response: &Response<Incoming>) -> Result<Option<Uri>, Fault> {
    use StatusCode as S;
    let redirects = [S::MOVED_PERMANENTLY, S::FOUND, S::SEE_OTHER, S::TEMPORARY_REDIRECT, S::PERMANENT_REDIRECT];
    if !redirects.contains(&response.status()) {
        return Ok(None);
    }
    let invalid = || Fault::Invalid("its registry redirects to what is no URL".to_owned());
    let location =
        response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).ok_or_else(invalid)?;
    let scheme = from.scheme_str().unwrap_or("https");
    let authority = from.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let absolute = match location {
        _ if location.starts_with("//") => format!("{scheme}:{location}"),
        _ if location.starts_with('/') => format!("{scheme}://{authority}{location}"),
        _ => location.to_owned(),
    };
    let next: Uri = absolute.split('#').next().unwrap_or_default().parse().map_err(|_| invalid())?;
    if next.scheme().is_none() || next.authority().is_none() {
        return Err(invalid());
    }
    Ok(Some(next))
}

/// Scheme and host of a URL: paths and queries can hold signatures.
fn place(uri: &Uri) -> String {
    let shown = format!("{}://{}", uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |a| a.as_str()));
    shown.chars().take(200).collect()
}

fn too_large(uri: &Uri, limit_bytes: u64) -> Fault {
    Fault::TooLarge(format!("{} sends more than {limit_bytes} bytes", place(uri)))
}

fn refused(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
}

/// A body that ends in an error past its limit.
struct Bounded {
    body: Incoming,
    left_bytes: u64,
    limit_bytes: u64,
    place: String,
    way_out: Arc<WayOut>,
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let me = &mut *self;
        let frame = match Pin::new(&mut me.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => {
                me.way_out.refuse(Fault::Unreachable(format!("{}: {error}", me.place)));
                return Poll::Ready(Some(Err(error.into())));
            }
            other => return other.map_err(Into::into),
        };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match me.left_bytes.checked_sub(length) {
            Some(left) => me.left_bytes = left,
            None => {
                let fault = Fault::TooLarge(format!("{} sends more than {} bytes", me.place, me.limit_bytes));
                me.way_out.refuse(fault);
                return Poll::Ready(Some(Err("the body is too long".into())));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
