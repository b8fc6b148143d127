//! HTTP listeners: accept, bound, serve, drain. What is asked and answered is the handler's business.
//!
//! HTTP/1.1 and HTTP/2 with prior knowledge share a port; the first bytes tell them apart. hyper does the protocols; the
//! clocks and the counting are here, once for both, because hyper's header timer also runs on idle connections and
//! its protocol detection has none. Where a port has a certificate ([`Bound`]) every connection begins with a TLS handshake, which
//! has to end within the time for a head.
//!
//! Bounds, all in [`Limits`]: open connections (past the limit nothing is accepted, so the kernel's backlog holds new
//! clients back), header bytes (431), time for a request's head, time a connection may idle, time a client may leave a
//! response unread, streams on an HTTP/2 connection. A request with more than 100 header fields over HTTP/1 is refused with 431.
//!
//! Draining: when the token is cancelled the listener closes, idle connections close, answers carry
//! `Connection: close` (HTTP/2: GOAWAY), requests in flight go on until the drain limit, then connections are cut.
//! Dropping the future of [`serve_connections`] cuts everything at once; no task outlives it for longer than its next wait.
//!
//! Assumptions: handlers do not panic; one that does costs its connection. Refusals: no upgrades, no HTTP/2 CONNECT.

mod activity;
mod body;
mod io;
mod tls;

pub use body::{BodyFault, BodyStatus, GuardedBody};
pub use tls::{Bound, Tls, TlsError};

use crate::turns::Turns;
use activity::{Activity, TrackedBody, Verdict};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The error of a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What bounds a listener.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open connections, at least 1.
    pub max_connections: usize,
    /// Bytes of a request's head, request line included; more is answered with 431.
    pub max_header_bytes: usize,
    /// From accepting a connection, or from the first byte of a later request, to the end of the request's head.
    pub header_read_timeout: Duration,
    /// How long a connection may stay open without a request in flight.
    pub keep_alive_idle_timeout: Duration,
    /// How long a client may take none of a response that is ready for it.
    pub write_timeout: Duration,
    /// Concurrent streams on one HTTP/2 connection.
    pub max_streams: u32,
    /// From the shutdown token to cutting what is still in flight.
    pub drain_limit: Duration,
    /// Turns of first bytes and of requests on connections that were quiet: however many of them come in the same moment, clients in the
    /// midst of a conversation are answered in between.
    pub newcomers: Arc<Turns>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_header_bytes: 32 * 1024,
            header_read_timeout: Duration::from_secs(10),
            keep_alive_idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            max_streams: 128,
            drain_limit: Duration::from_secs(25),
            newcomers: Arc::new(newcomers()),
        }
    }
}

/// Turns of first bytes and of requests on quiet connections: enough that looking at sockets in between costs them little, and few enough
/// that they take a fraction of a millisecond.
pub fn newcomers() -> Turns {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Turns::new(processors.saturating_mul(NEWCOMERS_PER_PROCESSOR)).waited_for_at_most(LONGEST_PUT_OFF)
}

/// The two ends of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The client.
    pub remote: SocketAddr,
    /// Where it was accepted.
    pub local: SocketAddr,
    /// Whether what passes between them is TLS.
    pub is_private: bool,
    /// The client's address, an IPv4 one as such: written once for all its requests.
    pub remote_ip: Arc<str>,
}

impl Peer {
    /// The ends of a connection between `remote` and `local`.
    pub fn new(remote: SocketAddr, local: SocketAddr, is_private: bool) -> Self {
        Self { remote, local, is_private, remote_ip: remote.ip().to_canonical().to_string().into() }
    }
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Closed {
    /// By protocol: either side closed between requests, or after an answer.
    Normal,
    /// The request's head did not arrive in time.
    HeaderTimeout,
    /// The client left a response unread.
    WriteTimeout,
    /// The client broke off or broke the protocol.
    Broken,
    /// Cut at the drain limit.
    Cut,
}

/// Told what happens to connections. The defaults do nothing.
pub trait Observer: Send + Sync + 'static {
    /// A connection was accepted.
    fn connection_opened(&self) {}
    /// A connection ended. Called once for each [`Observer::connection_opened`].
    fn connection_closed(&self, _why: Closed) {}
    /// The connection limit was reached: nothing is accepted until a connection ends.
    fn accept_paused(&self) {}
    /// `accept` failed: file descriptors or memory ran out.
    fn accept_failed(&self) {}
}

impl Observer for () {}

/// How a drain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DrainReport {
    /// Connections still open when the listener had closed.
    pub open: usize,
    /// Of these, the ones cut at the limit.
    pub cut: usize,
    /// How long it took.
    pub took: Duration,
}

/// Marks a response that was decided without reading the request's body: the connection then takes in what the client
/// still sends for a moment before it closes, so that the client gets to read the answer instead of a reset.
#[derive(Debug, Clone, Copy)]
pub struct BodyUnread;

/// Serves connections of `listener` until `shutdown` is cancelled and the drain is over.
///
/// `handler` gets each request with its peer. It always answers; for a client that goes away its future is dropped.
pub async fn serve_connections<H, F, B>(
    bound: impl Into<Bound>,
    limits: Limits,
    handler: H,
    observer: Arc<dyn Observer>,
    shutdown: CancellationToken,
) -> DrainReport
where
    H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let Bound { listener, tls } = bound.into();
    let limits = Arc::new(limits);
    let slots = Arc::new(Semaphore::new(limits.max_connections.clamp(1, Semaphore::MAX_PERMITS)));
    let tasks = TaskTracker::new();
    let cut = CancellationToken::new();
    let _cut_when_dropped = cut.clone().drop_guard();
    let cut_count = Arc::new(AtomicUsize::new(0));
    let open = Arc::new(AtomicUsize::new(0));

    loop {
        let slot = match Arc::clone(&slots).try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => {
                observer.accept_paused();
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => break,
                    slot = Arc::clone(&slots).acquire_owned() => match slot {
                        Ok(slot) => slot,
                        Err(_) => break,
                    },
                }
            }
        };
        let (stream, remote) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    observer.accept_failed();
                    tokio::select! {
                        () = shutdown.cancelled() => break,
                        () = tokio::time::sleep(ACCEPT_BACKOFF) => continue,
                    }
                }
            },
        };
        let connection = Connection {
            limits: Arc::clone(&limits),
            handler: handler.clone(),
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
            cut: cut.clone(),
        };
        let acceptor = tls.as_ref().map(|tls| tls.acceptor());
        open.fetch_add(1, Ordering::AcqRel);
        observer.connection_opened();
        let ended =
            Ended { observer: Arc::clone(&observer), open: Arc::clone(&open), why: Closed::Broken, _slot: slot };
        let cut_count = Arc::clone(&cut_count);
        tasks.spawn(async move {
            let mut ended = ended;
            ended.why = connection.begin(stream, remote, acceptor).await;
            if ended.why == Closed::Cut {
                cut_count.fetch_add(1, Ordering::AcqRel);
            }
        });
    }

    drop(listener);
    let began = Instant::now();
    let open = open.load(Ordering::Acquire);
    tasks.close();
    if tokio::time::timeout(limits.drain_limit, tasks.wait()).await.is_err() {
        cut.cancel();
        tasks.wait().await;
    }
    DrainReport { open, cut: cut_count.load(Ordering::Acquire), took: began.elapsed() }
}

/// New connections and requests of quiet ones that go on before sockets are looked at again.
const NEWCOMERS_PER_PROCESSOR: usize = 4;

/// How long a request of a quiet connection is put off at most. Past what processors can do every connection becomes a quiet one by its wait,
/// and the few that do not would be served again and again before all others.
const LONGEST_PUT_OFF: Duration = Duration::from_millis(250);

/// How long to wait when file descriptors or memory ran out.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// hyper's own lower bound for its buffer.
const MIN_BUFFER_BYTES: usize = 8 * 1024;

/// Read buffer of an HTTP/1 connection beyond its head.
const BUFFER_BYTES: usize = 64 * 1024;

/// HTTP/2: how often a silent peer is probed, and how long it has to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether an accept error concerns only the connection that was about to be accepted.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Reports the end of a connection however its task ends, and gives its slot back.
struct Ended {
    observer: Arc<dyn Observer>,
    open: Arc<AtomicUsize>,
    why: Closed,
    _slot: tokio::sync::OwnedSemaphorePermit,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
        self.observer.connection_closed(self.why);
    }
}

/// Spawns an HTTP/2 connection's streams where the drain sees them.
#[derive(Clone)]
struct StreamTasks {
    tasks: TaskTracker,
    cut: CancellationToken,
}

impl<F> hyper::rt::Executor<F> for StreamTasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        let cut = self.cut.clone();
        self.tasks.spawn(async move {
            let _ = cut.run_until_cancelled_owned(stream).await;
        });
    }
}

struct Connection<H> {
    limits: Arc<Limits>,
    handler: H,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    cut: CancellationToken,
}

impl<H> Connection<H> {
    /// Does the handshake, where there is one, and serves.
    async fn begin<F, B>(self, stream: TcpStream, remote: SocketAddr, acceptor: Option<TlsAcceptor>) -> Closed
    where
        H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let accepted = Instant::now();
        let Ok(local) = stream.local_addr() else { return Closed::Broken };
        // Answers are written in whole heads and chunks: waiting to fill a segment would only delay them.
        let _ = stream.set_nodelay(true);
        let peer = Peer::new(remote, local, acceptor.is_some());
        let Some(acceptor) = acceptor else { return self.serve(tls::Stream::Plain(stream), peer, accepted).await };
        let shaken = tokio::select! {
            biased;
            shaken = tokio::time::timeout_at(accepted + self.limits.header_read_timeout, self.in_turn(acceptor.accept(stream))) => shaken,
            () = self.shutdown.cancelled() => return Closed::Normal,
        };
        match shaken {
            Ok(Ok(stream)) => self.serve(tls::Stream::Tls(Box::new(stream)), peer, accepted).await,
            Ok(Err(error)) => {
                tracing::debug!(%error, %remote, "a TLS handshake failed");
                Closed::Broken
            }
            Err(_) => Closed::HeaderTimeout,
        }
    }

    /// Does what a connection begins with as what comes on a quiet one is done.
    fn in_turn<F: Future>(&self, beginning: F) -> impl Future<Output = F::Output> {
        self.limits.newcomers.each_in_turn(beginning)
    }

    async fn serve<F, B>(self, stream: tls::Stream, peer: Peer, accepted: Instant) -> Closed
    where
        H: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let limits = &self.limits;
        let activity = Arc::new(Activity::new(accepted));
        let mut stream = io::GuardedIo::new(stream, limits.write_timeout, Arc::clone(&activity));

        let detected = tokio::select! {
            biased;
            detected = tokio::time::timeout_at(accepted + limits.header_read_timeout, self.in_turn(stream.detect())) => detected,
            () = self.shutdown.cancelled() => return Closed::Normal,
        };
        let protocol = match detected {
            Ok(Ok(Some(protocol))) => protocol,
            Ok(Ok(None)) => return Closed::Normal,
            Ok(Err(_)) => return Closed::Broken,
            Err(_) => return Closed::HeaderTimeout,
        };

        activity.speaks();
        let handler = self.handler.clone();
        let tracked = Arc::clone(&activity);
        let service = service_fn(move |request: Request<Incoming>| {
            let in_flight = tracked.begin();
            handler(request, peer.clone()).map(move |response| {
                if response.extensions().get::<BodyUnread>().is_some() {
                    in_flight.expect_unread();
                }
                Ok::<_, Infallible>(response.map(|body| TrackedBody::new(body, in_flight)))
            })
        });

        match protocol {
            io::Protocol::Http1 => {
                let connection = http1::Builder::new()
                    .header_read_timeout(None)
                    .max_header_size(limits.max_header_bytes)
                    .max_buf_size(limits.max_header_bytes.saturating_add(MIN_BUFFER_BYTES).max(BUFFER_BYTES))
                    .serve_connection(TokioIo::new(stream), service);
                self.drive(connection, &activity).await
            }
            io::Protocol::Http2 => {
                activity.is_http2();
                let executor = StreamTasks { tasks: self.tasks.clone(), cut: self.cut.clone() };
                let connection = http2::Builder::new(executor)
                    .timer(TokioTimer::new())
                    .keep_alive_interval(PING_INTERVAL)
                    .keep_alive_timeout(PING_TIMEOUT)
                    .max_concurrent_streams(limits.max_streams)
                    .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
                    .serve_connection(TokioIo::new(stream), service);
                self.drive(connection, &activity).await
            }
        }
    }

    /// Polls a connection to its end under the clocks of its [`Activity`].
    async fn drive<C>(&self, connection: C, activity: &Activity) -> Closed
    where
        C: GracefulConnection,
        C::Error: std::fmt::Debug,
    {
        let mut connection = pin!(connection);
        let mut stop = pin!(self.shutdown.cancelled());
        let mut cut = pin!(self.cut.cancelled());
        let mut alarm = pin!(tokio::time::sleep_until(Instant::now() + self.limits.header_read_timeout));
        let mut closing_since = None;
        let mut stopped = false;
        let mut turn = pin!(None);

        poll_fn(|cx| {
            loop {
                // Before the connection, so that what it answers from here on tells the client.
                if !stopped && stop.as_mut().poll(cx).is_ready() {
                    stopped = true;
                    if closing_since.replace(Instant::now()).is_none() {
                        connection.as_mut().graceful_shutdown();
                    }
                }
                if turn.is_none() && activity.is_quiet() {
                    turn.set(Some(self.limits.newcomers.turn()));
                }
                let may_go_on = turn.as_mut().as_pin_mut().is_none_or(|turn| turn.poll(cx).is_ready());
                if may_go_on {
                    turn.set(None);
                    activity.polls();
                }
                if may_go_on && let Poll::Ready(result) = connection.as_mut().poll(cx) {
                    return Poll::Ready(match result {
                        Ok(()) => Closed::Normal,
                        Err(_) if activity.write_timed_out() => Closed::WriteTimeout,
                        Err(error) => {
                            tracing::debug!(?error, "a connection broke");
                            Closed::Broken
                        }
                    });
                }
                if cut.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Closed::Cut);
                }
                let now = Instant::now();
                match activity.verdict(now, &self.limits, closing_since) {
                    Verdict::End(why) => return Poll::Ready(why),
                    Verdict::Close => {
                        closing_since = Some(now);
                        connection.as_mut().graceful_shutdown();
                    }
                    Verdict::LookAgain(at) => {
                        if at < alarm.deadline() || alarm.is_elapsed() {
                            alarm.as_mut().reset(at);
                        }
                        if alarm.as_mut().poll(cx).is_pending() {
                            return Poll::Pending;
                        }
                    }
                }
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests;
