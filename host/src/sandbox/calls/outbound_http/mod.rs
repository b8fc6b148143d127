//! `wasi:http` towards the outside, 0.2 and 0.3: only to the hosts of the function's [`AllowList`].
//!
//! - The list is asked twice: for the name before it is resolved, and for each address it resolves to. The connection goes to an
//!   address that passed, without a second lookup.
//! - HTTP/1.1, over TLS where the scheme says so (rustls; Mozilla's roots and, if configured, a file of further ones). No proxy, no
//!   redirect, no `CONNECT`, no upgrade. A connection carries one request.
//! - Time-outs are the guest's, or [`CONNECT_TIMEOUT`] and [`READ_TIMEOUT`]; the invocation's own ends everything anyway: what is
//!   under way lives in the store and is dropped with it.
//! - Bounded: connections for an environment and for the host, a response's header section. Bodies stream.
//!
//! What a guest is told: denied by name or address `HTTP-request-denied`; no address `DNS-error`; and the connection's failure as it is.

mod address;
mod allow_list;
mod connect;
mod own_port;
#[cfg(test)]
mod tests;

pub use self::allow_list::{AllowEntry, AllowList, AllowListError, MAX_ENTRIES};
pub use self::connect::{Connection, Resolver, SystemResolver};
pub use self::own_port::OwnPort;

use self::allow_list::HostName;
use self::connect::{Destination, connect};
use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderName, Method, Request, Response, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::error::Error as StdError;
use std::future::poll_fn;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, timeout};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::p2::bindings::http::types as p2;
use wasmtime_wasi_http::p3::bindings::http::types as p3;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// How long a lookup, a connection and a TLS handshake may take together, unless the guest says otherwise.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a guest waits for a response to begin, and for each further part of it, unless it says otherwise: Lambda's longest timeout.
pub const READ_TIMEOUT: Duration = Duration::from_secs(900);

/// No guest waits longer than this for anything, whatever it says.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);

/// The largest header section of a response, in bytes.
pub const MAX_RESPONSE_HEADER_BYTES: usize = 64 * 1024;

/// The most header fields of a response.
const MAX_RESPONSE_HEADERS: usize = 256;

/// The connections an environment may have open at once.
pub const MAX_ENVIRONMENT_CONNECTIONS: usize = 128;

/// Why there is no client. The operator's fault; not to be retried before it is repaired.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file of further certificate authorities cannot be used.
    #[error("cannot read certificate authorities from {path}: {reason}")]
    CaFile {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// What all functions' requests share: TLS roots, name resolution, a limit on connections.
pub struct OutboundClient {
    resolver: Box<dyn Resolver>,
    tls: Arc<rustls::ClientConfig>,
    connections: Arc<Semaphore>,
}

impl OutboundClient {
    /// A client with the machine's resolver. `ca_file` holds certificate authorities in PEM to trust besides Mozilla's;
    /// `max_connections` bounds the connections of all functions together.
    ///
    /// # Errors
    /// The file cannot be read or holds no certificate.
    pub fn new(ca_file: Option<&Path>, max_connections: usize) -> Result<Self, ClientError> {
        Self::with_resolver(Box::new(SystemResolver::default()), ca_file, max_connections)
    }

    /// A client with another resolver.
    ///
    /// # Errors
    /// As for [`OutboundClient::new`].
    pub fn with_resolver(
        resolver: Box<dyn Resolver>,
        ca_file: Option<&Path>,
        max_connections: usize,
    ) -> Result<Self, ClientError> {
        let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
        if let Some(path) = ca_file {
            add_authorities(&mut roots, path)
                .map_err(|reason| ClientError::CaFile { path: path.display().to_string(), reason })?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connections = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
        Ok(Self { resolver, tls: Arc::new(tls), connections })
    }
}

impl OutboundClient {
    /// Connects to the host of `uri`, over TLS where its scheme says so, if `allow` has its name and the address that it resolves to.
    /// For requests that are the host's own; a guest's are counted and go through [`OutboundHttp`].
    ///
    /// # Errors
    /// `HTTP-request-denied` where the list has it not, and the connection's failure as it is.
    pub async fn connect(&self, allow: &AllowList, uri: &Uri, limit: Duration) -> Result<Connection, Error> {
        let to = destination_of(uri)?;
        allow.check(&to)?;
        connect(self.resolver.as_ref(), &self.tls, allow, &to, limit).await
    }
}

impl AllowList {
    /// Whether a request to the host of `uri` may be made, as far as that can be told before its name is resolved.
    pub fn allows(&self, uri: &Uri) -> bool {
        destination_of(uri).is_ok_and(|to| self.check(&to).is_ok())
    }

    fn check(&self, to: &Destination) -> Result<(), Error> {
        let allowed = match &to.host {
            HostName::Name(name) => self.allows_name(name, &to.scheme, to.port),
            host @ HostName::Address(address) => self.allows_address(host, *address, &to.scheme, to.port),
        };
        if allowed { Ok(()) } else { Err(Error::HttpRequestDenied) }
    }
}

fn add_authorities(roots: &mut rustls::RootCertStore, path: &Path) -> Result<(), String> {
    let mut found = false;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| e.to_string())? {
        let certificate = certificate.map_err(|e| e.to_string())?;
        roots.add(certificate).map_err(|e| e.to_string())?;
        found = true;
    }
    if found { Ok(()) } else { Err("it holds no certificate".to_owned()) }
}

/// How many requests were let out, and how many were not.
#[derive(Debug, Default)]
pub struct OutboundCounters {
    /// Requests whose host and address the list allows.
    pub allowed: AtomicU64,
    /// Requests denied by name or by address.
    pub denied: AtomicU64,
}

/// One environment's way out: what `WasiHttpCtxView::hooks` refers to.
pub struct OutboundHttp {
    client: Arc<OutboundClient>,
    allow: Arc<AllowList>,
    counters: Arc<OutboundCounters>,
    /// Made at the first request.
    connections: Option<Arc<Semaphore>>,
}

impl OutboundHttp {
    /// A way out for one environment.
    pub fn new(client: Arc<OutboundClient>, allow: Arc<AllowList>, counters: Arc<OutboundCounters>) -> Self {
        Self { client, allow, counters, connections: None }
    }

    fn begin(&mut self, request: &Request<WasiBody>) -> Result<Outgoing, Error> {
        let to = destination(request)?;
        self.allow.check(&to)?;
        let own = self.connections.get_or_insert_with(|| Arc::new(Semaphore::new(MAX_ENVIRONMENT_CONNECTIONS)));
        let permit =
            |of: &Arc<Semaphore>| Arc::clone(of).try_acquire_owned().map_err(|_| Error::ConnectionLimitReached);
        let permits = [permit(own)?, permit(&self.client.connections)?];
        Ok(Outgoing { client: Arc::clone(&self.client), allow: Arc::clone(&self.allow), to, permits })
    }
}

/// A response, and what moves its connection while it is read.
pub(super) type Sent = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for OutboundHttp {
    // Those of `DEFAULT_FORBIDDEN_HEADERS`. Every header that a guest sees or sets is looked up, so by its length first, not by comparing it
    // with nine others.
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        matches!(
            name.as_str(),
            "connection"
                | "host"
                | "http2-settings"
                | "keep-alive"
                | "proxy-authenticate"
                | "proxy-authorization"
                | "proxy-connection"
                | "transfer-encoding"
                | "upgrade"
        )
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _response_result: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let outgoing = self.begin(&request);
        let counters = Arc::clone(&self.counters);
        Box::new(async move {
            let connected = match outgoing {
                Ok(outgoing) => {
                    let connected = outgoing.connect(options).await;
                    if !matches!(connected, Err(Error::HttpRequestDenied)) {
                        counters.allowed.fetch_add(1, Ordering::Relaxed);
                    }
                    connected
                }
                Err(error) => Err(error),
            };
            if let Err(Error::HttpRequestDenied) = connected {
                tracing::debug!(authority = ?request.uri().authority(), "a guest's request is denied");
                counters.denied.fetch_add(1, Ordering::Relaxed);
            }
            connected?.send(request, options).await
        })
    }

    // Only a guest's own body fails this way; a guest must not be able to fill the host's log.
    fn p2_error_from_hyper(&mut self, error: &hyper::Error) -> p2::ErrorCode {
        tracing::debug!(%error, "a guest's request failed");
        p2::ErrorCode::HttpProtocolError
    }

    fn p3_error_from_hyper(&mut self, error: &hyper::Error) -> p3::ErrorCode {
        tracing::debug!(%error, "a guest's request failed");
        p3::ErrorCode::HttpProtocolError
    }
}

/// A request that may go out.
struct Outgoing {
    client: Arc<OutboundClient>,
    allow: Arc<AllowList>,
    to: Destination,
    permits: [OwnedSemaphorePermit; 2],
}

/// A connection for one request.
struct Connected {
    stream: connect::Connection,
    permits: [OwnedSemaphorePermit; 2],
}

impl Outgoing {
    async fn connect(self, options: Option<RequestOptions>) -> Result<Connected, Error> {
        let limit = limit(options.and_then(|o| o.connect_timeout), CONNECT_TIMEOUT);
        let client = &self.client;
        let stream = connect(client.resolver.as_ref(), &client.tls, &self.allow, &self.to, limit).await?;
        Ok(Connected { stream, permits: self.permits })
    }
}

impl Connected {
    async fn send(self, mut request: Request<WasiBody>, options: Option<RequestOptions>) -> Result<Sent, Error> {
        let Self { stream, permits } = self;
        let first_byte = limit(options.and_then(|o| o.first_byte_timeout), READ_TIMEOUT);
        let between_bytes = limit(options.and_then(|o| o.between_bytes_timeout), READ_TIMEOUT);
        *request.uri_mut() = origin_form(request.uri())?;
        *request.version_mut() = Version::HTTP_11;

        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_RESPONSE_HEADER_BYTES)
            .max_header_size(MAX_RESPONSE_HEADER_BYTES)
            .max_headers(MAX_RESPONSE_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(from_hyper)?;
        // The connection moves only while it is polled: here until the response begins, then by the caller.
        let mut connection = Box::pin(async move {
            let result = connection.await.map_err(from_hyper);
            drop(permits);
            result
        });
        let mut ended = false;
        let mut response = pin!(timeout(first_byte, sender.send_request(request)));
        let response = poll_fn(|cx| {
            if let Poll::Ready(response) = response.as_mut().poll(cx) {
                return Poll::Ready(response);
            }
            // Its end and its failure reach the request too, with the better reason.
            if !ended && connection.as_mut().poll(cx).is_ready() {
                ended = true;
                return response.as_mut().poll(cx);
            }
            Poll::Pending
        });
        let response = response.await.map_err(|_| Error::ConnectionReadTimeout)?.map_err(from_hyper)?;
        let response = response.map(|body| TimedBody::new(body, between_bytes).boxed_unsync());
        let io: Box<dyn Future<Output = Result<(), Error>> + Send> =
            if ended { Box::new(std::future::ready(Ok(()))) } else { Box::new(connection) };
        Ok((response, io))
    }
}

fn limit(asked: Option<Duration>, otherwise: Duration) -> Duration {
    asked.unwrap_or(otherwise).min(LONGEST_TIMEOUT)
}

fn destination<B>(request: &Request<B>) -> Result<Destination, Error> {
    if request.method() == Method::CONNECT {
        return Err(Error::HttpRequestMethodInvalid);
    }
    destination_of(request.uri())
}

fn destination_of(uri: &Uri) -> Result<Destination, Error> {
    let scheme = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => scheme.clone(),
        _ => return Err(Error::HttpProtocolError),
    };
    let authority = uri.authority().filter(|a| !a.as_str().contains('@')).ok_or(Error::HttpRequestUriInvalid)?;
    let host = HostName::parse(authority.host()).ok_or(Error::HttpRequestUriInvalid)?;
    // `host:` has an empty port, which is none; one that is no number is an error.
    let port = match authority.as_str().get(authority.host().len()..).map(|port| port.trim_start_matches(':')) {
        None | Some("") => {
            if scheme == Scheme::HTTPS {
                443
            } else {
                80
            }
        }
        Some(_) => authority.port_u16().filter(|port| *port > 0).ok_or(Error::HttpRequestUriInvalid)?,
    };
    Ok(Destination { scheme, host, port })
}

/// The request target for the server itself: path and query.
fn origin_form(uri: &Uri) -> Result<Uri, Error> {
    let target = match uri.path_and_query().map(|p| p.as_str()) {
        None | Some("") => "/".to_owned(),
        Some(target) if target.starts_with('/') => target.to_owned(),
        Some(target) if target.starts_with('?') => format!("/{target}"),
        Some(_) => return Err(Error::HttpRequestUriInvalid),
    };
    Uri::builder().path_and_query(target).build().map_err(|_| Error::HttpRequestUriInvalid)
}

fn from_hyper(error: hyper::Error) -> Error {
    if error.is_parse_too_large() {
        return Error::HttpResponseHeaderSectionSize(u32::try_from(MAX_RESPONSE_HEADER_BYTES).ok());
    }
    if error.is_user() {
        // The guest's own body failed: it carries the reason.
        return Error::Hyper(error);
    }
    if error.is_timeout() {
        return Error::HttpResponseTimeout;
    }
    let broken = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
    if error.is_incomplete_message() || broken.is_some_and(|e| e.kind() == std::io::ErrorKind::UnexpectedEof) {
        return Error::HttpResponseIncomplete;
    }
    if error.is_closed() || error.is_canceled() || broken.is_some() {
        return Error::ConnectionTerminated;
    }
    Error::HttpProtocolError
}

/// A response's body, each part of which must come in time. Only time the guest spends waiting counts.
struct TimedBody {
    body: Incoming,
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl TimedBody {
    fn new(body: Incoming, limit: Duration) -> Self {
        Self { body, limit, sleep: None, waiting: false }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let me = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut me.body).poll_frame(cx) {
            me.waiting = false;
            return Poll::Ready(frame.map(|f| f.map_err(from_hyper)));
        }
        let deadline = Instant::now() + me.limit;
        let sleep = me.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !me.waiting {
            me.waiting = true;
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx).map(|()| Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
