//! From a host name to a connection: resolved once, every address checked, connected to exactly what was checked.

use super::allow_list::{AllowList, HostName};
use futures_util::future::BoxFuture;
use http::uri::Scheme;
use rustls::pki_types::ServerName;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wasmtime_wasi_http::Error;

/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// How names become addresses.
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of `name`, with `port`.
    fn resolve(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// The machine's resolver. A lookup holds a thread until it ends, so only some run at once.
#[derive(Debug)]
pub struct SystemResolver {
    lookups: Arc<Semaphore>,
}

/// The lookups under way at once, for all functions.
const MAX_LOOKUPS: usize = 64;

impl Default for SystemResolver {
    fn default() -> Self {
        Self { lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)) }
    }
}

impl Resolver for SystemResolver {
    fn resolve(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let (lookups, name) = (Arc::clone(&self.lookups), name.to_owned());
        Box::pin(async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            let lookup = tokio::task::spawn_blocking(move || {
                let addresses = (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
                drop(permit);
                addresses
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) scheme: Scheme,
    pub(super) host: HostName,
    pub(super) port: u16,
}

/// A connection, encrypted or not.
#[derive(Debug)]
pub enum Connection {
    /// As it is.
    Plain(TcpStream),
    /// Over TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects within `limit`.
pub(super) async fn connect(
    resolver: &dyn Resolver,
    tls: &Arc<rustls::ClientConfig>,
    allow: &AllowList,
    to: &Destination,
    limit: Duration,
) -> Result<Connection, Error> {
    let deadline = Instant::now() + limit;
    let addresses = addresses(resolver, allow, to, limit).await?;
    let stream = connect_to_one(&addresses, deadline).await?;
    // Requests are written whole; waiting for more only delays them.
    stream.set_nodelay(true).map_err(|e| from_connect(&e))?;
    if to.scheme != Scheme::HTTPS {
        return Ok(Connection::Plain(stream));
    }
    let name = match &to.host {
        HostName::Name(name) => ServerName::try_from(name.clone()).map_err(|_| Error::HttpRequestUriInvalid)?,
        HostName::Address(address) => ServerName::from(*address),
    };
    let handshake = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
    match timeout(deadline.saturating_duration_since(Instant::now()), handshake).await {
        Ok(Ok(stream)) => Ok(Connection::Tls(Box::new(stream))),
        Ok(Err(error)) => Err(from_tls(&error)),
        Err(_) => Err(Error::ConnectionTimeout),
    }
}

/// The addresses that may be connected to.
async fn addresses(
    resolver: &dyn Resolver,
    allow: &AllowList,
    to: &Destination,
    limit: Duration,
) -> Result<Vec<SocketAddr>, Error> {
    let mut addresses = match &to.host {
        HostName::Address(address) => vec![SocketAddr::new(*address, to.port)],
        HostName::Name(name) => {
            let found = timeout(limit, resolver.resolve(name, to.port)).await.map_err(|_| Error::DnsTimeout)?;
            let found = found.map_err(|error| {
                tracing::debug!(%name, %error, "a guest's lookup failed");
                dns_error()
            })?;
            if found.is_empty() {
                return Err(dns_error());
            }
            found
        }
    };
    addresses.retain(|a| allow.allows_address(&to.host, a.ip(), &to.scheme, to.port));
    if addresses.is_empty() {
        return Err(Error::HttpRequestDenied);
    }
    addresses.truncate(MAX_ADDRESSES);
    for address in &mut addresses {
        address.set_ip(super::address::canonical(address.ip()));
        address.set_port(to.port);
    }
    Ok(addresses)
}

fn dns_error() -> Error {
    Error::DnsError { rcode: Some("address not available".to_owned()), info_code: None }
}

/// Tries one address after the other, each for its share of the time left.
async fn connect_to_one(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, Error> {
    let mut failure = Error::ConnectionTimeout;
    for (left, address) in (1..=addresses.len()).rev().zip(addresses) {
        let time = deadline.saturating_duration_since(Instant::now());
        let share = time / u32::try_from(left).unwrap_or(u32::MAX).max(1);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = from_connect(&error),
            Err(_) => failure = Error::ConnectionTimeout,
        }
    }
    Err(failure)
}

fn from_connect(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::ConnectionRefused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Error::ConnectionTerminated,
        io::ErrorKind::TimedOut => Error::ConnectionTimeout,
        io::ErrorKind::NetworkUnreachable => Error::DestinationIpUnroutable,
        _ => Error::DestinationUnavailable,
    }
}

fn from_tls(error: &io::Error) -> Error {
    match error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Error::TlsCertificateError
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            Error::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: Some(format!("{alert:?}")) }
        }
        Some(_) => Error::TlsProtocolError,
        None => Error::ConnectionTerminated,
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Connection::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Connection::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Connection::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Connection::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Connection::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
