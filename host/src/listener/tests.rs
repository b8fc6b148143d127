//! Over loopback sockets with raw bytes. Time-outs are short where a test waits for one, long everywhere else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use super::*;
use http::StatusCode;
use http_body_util::{BodyExt, Full, StreamBody};
use parking_lot::Mutex;
use std::future::IntoFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const SHORT: Duration = Duration::from_millis(60);

/// Fails a test that would hang.
async fn within<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("the test hangs")
}

#[derive(Default)]
struct Seen {
    closed: Mutex<Vec<Closed>>,
    paused: AtomicUsize,
}

impl Observer for Seen {
    fn connection_closed(&self, why: Closed) {
        self.closed.lock().push(why);
    }
    fn accept_paused(&self) {
        self.paused.fetch_add(1, Ordering::SeqCst);
    }
}

type TestBody = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;

fn full(text: impl Into<Bytes>) -> TestBody {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Endless data, as fast as it is taken.
fn endless() -> TestBody {
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    let chunks = futures_util::stream::repeat_with(move || Ok(http_body::Frame::data(chunk.clone())));
    StreamBody::new(chunks).boxed_unsync()
}

struct Running {
    addr: SocketAddr,
    seen: Arc<Seen>,
    shutdown: CancellationToken,
    report: JoinHandle<DrainReport>,
    /// `/wait` answers when this is cancelled.
    gate: CancellationToken,
    /// Requests that reached `/wait`.
    waiting: Arc<Semaphore>,
}

impl Running {
    async fn start(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (seen, shutdown, gate) = (Arc::new(Seen::default()), CancellationToken::new(), CancellationToken::new());
        let waiting = Arc::new(Semaphore::new(0));
        let (wait, arrived) = (gate.clone(), Arc::clone(&waiting));
        let handler = move |request: Request<Incoming>, peer: Peer| {
            let (wait, arrived) = (wait.clone(), Arc::clone(&arrived));
            async move {
                match request.uri().path() {
                    "/wait" => {
                        arrived.add_permits(1);
                        wait.cancelled().await;
                        Response::new(full("waited"))
                    }
                    "/endless" => Response::new(endless()),
                    "/refuse" => {
                        let mut response = Response::new(full("refused"));
                        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                        response.headers_mut().insert("connection", http::HeaderValue::from_static("close"));
                        response.extensions_mut().insert(BodyUnread);
                        response
                    }
                    "/peer" => Response::new(full(peer.remote.to_string())),
                    path => Response::new(full(format!("{path} {:?}", request.version()))),
                }
            }
        };
        let observer = Arc::clone(&seen);
        let report = tokio::spawn(serve_connections(listener, limits, handler, observer, shutdown.clone()));
        Self { addr, seen, shutdown, report, gate, waiting }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    async fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// Waits until a request waits in `/wait`.
    async fn arrived(&self) {
        within(self.waiting.acquire()).await.unwrap().forget();
    }

    /// Waits until a connection ended, and answers why.
    async fn closed(&self) -> Closed {
        within(async {
            loop {
                if let Some(why) = self.seen.closed.lock().pop() {
                    return why;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    async fn stop(self) -> DrainReport {
        self.shutdown.cancel();
        within(self.report).await.unwrap()
    }
}

/// Everything until the server closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    within(stream.read_to_end(&mut text)).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

/// Up to and including `end`.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    within(async {
        while !text.ends_with(end) {
            text.push(char::from(stream.read_u8().await.unwrap_or_else(|error| panic!("{error} after {text:?}"))));
        }
    })
    .await;
    text
}

async fn http2_client(addr: SocketAddr) -> hyper::client::conn::http2::SendRequest<TestBody> {
    let stream = TokioIo::new(TcpStream::connect(addr).await.unwrap());
    let executor = hyper_util::rt::TokioExecutor::new();
    let (client, connection) = hyper::client::conn::http2::handshake(executor, stream).await.unwrap();
    tokio::spawn(connection);
    client
}

fn get(addr: SocketAddr, path: &str) -> Request<TestBody> {
    Request::get(format!("http://{addr}{path}")).body(full("")).unwrap()
}

#[tokio::test]
async fn keep_alive_and_pipelining_answer_in_order() {
    let server = Running::start(Limits::default()).await;
    let mut stream = server.send(b"GET /a HTTP/1.1\r\nhost: h\r\n\r\nGET /b HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let text = until(&mut stream, "/b HTTP/1.1").await;
    assert!(text.find("/a HTTP/1.1").unwrap() < text.find("/b HTTP/1.1").unwrap());
    stream.write_all(b"GET /c HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(rest(stream).await.ends_with("/c HTTP/1.1"));
    assert_eq!(server.closed().await, Closed::Normal);
    assert_eq!(server.stop().await.open, 0);
}

#[tokio::test]
async fn who_begins_or_was_quiet_waits_for_a_turn_and_who_is_in_the_midst_does_not() {
    let newcomers = Arc::new(Turns::new(1));
    let server = Running::start(Limits { newcomers: Arc::clone(&newcomers), ..Limits::default() }).await;
    let mut quiet = server.send(b"GET /a HTTP/1.1\r\nhost: h\r\n\r\n").await;
    until(&mut quiet, "/a HTTP/1.1").await;
    let mut busy = server.send(b"GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await;
    server.arrived().await;
    tokio::time::sleep(3 * SHORT).await;

    let held = newcomers.turn().await;
    quiet.write_all(b"GET /b HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let mut new = server.send(b"GET /c HTTP/1.1\r\nhost: h\r\n\r\n").await;
    for waits in [&mut quiet, &mut new] {
        assert!(tokio::time::timeout(SHORT, waits.read_u8()).await.is_err(), "answered without a turn");
    }
    server.gate.cancel();
    until(&mut busy, "waited").await;
    drop(held);
    until(&mut quiet, "/b HTTP/1.1").await;
    until(&mut new, "/c HTTP/1.1").await;
}

#[tokio::test]
async fn a_head_that_does_not_come_costs_its_connection() {
    let limits = Limits { header_read_timeout: SHORT, ..Limits::default() };
    let server = Running::start(limits).await;
    for start in [&b""[..], b"G", b"GET / HTTP/1.1\r\nhost: h\r\n", b"PRI * HTTP/2.0\r\n"] {
        assert_eq!(rest(server.send(start).await).await, "", "{start:?}");
        assert_eq!(server.closed().await, Closed::HeaderTimeout, "{start:?}");
    }
    // The second request's head has the same time.
    let mut stream = server.send(b"GET /a HTTP/1.1\r\nhost: h\r\n\r\n").await;
    until(&mut stream, "/a HTTP/1.1").await;
    stream.write_all(b"GET /b HT").await.unwrap();
    assert_eq!(rest(stream).await, "");
    assert_eq!(server.closed().await, Closed::HeaderTimeout);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let limits = Limits { keep_alive_idle_timeout: 6 * SHORT, ..Limits::default() };
    let server = Running::start(limits).await;
    let mut stream = server.send(b"GET /a HTTP/1.1\r\nhost: h\r\n\r\n").await;
    until(&mut stream, "/a HTTP/1.1").await;
    assert_eq!(rest(stream).await, "");
    assert_eq!(server.closed().await, Closed::Normal);

    let mut client = http2_client(server.addr).await;
    within(client.send_request(get(server.addr, "/a"))).await.unwrap().collect().await.unwrap();
    assert_eq!(server.closed().await, Closed::Normal);
    assert!(client.ready().await.is_err());
}

#[tokio::test]
async fn a_request_in_flight_is_not_idle() {
    let short = 6 * SHORT;
    let limits = Limits { keep_alive_idle_timeout: short, header_read_timeout: short, ..Limits::default() };
    let server = Running::start(limits).await;
    let stream = server.send(b"GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await;
    server.arrived().await;
    let mut client = http2_client(server.addr).await;
    let waiting = tokio::spawn(client.send_request(get(server.addr, "/wait")));
    server.arrived().await;
    tokio::time::sleep(3 * short).await;
    server.gate.cancel();
    assert!(rest(stream).await.ends_with("waited"));
    let response = within(waiting).await.unwrap().unwrap();
    assert_eq!(within(response.collect()).await.unwrap().to_bytes(), "waited");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut() {
    let limits = Limits { write_timeout: SHORT, ..Limits::default() };
    let server = Running::start(limits).await;
    let stream = server.send(b"GET /endless HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert_eq!(server.closed().await, Closed::WriteTimeout);
    drop(stream);
    // HTTP/2: the socket is read, one stream is not.
    let mut client = http2_client(server.addr).await;
    let response = within(client.send_request(get(server.addr, "/endless"))).await.unwrap();
    assert_eq!(server.closed().await, Closed::WriteTimeout);
    assert!(within(response.collect()).await.is_err());
}

#[tokio::test]
async fn heads_past_the_limit_are_answered_with_431() {
    let limits = Limits { max_header_bytes: 8 * 1024, ..Limits::default() };
    let server = Running::start(limits).await;
    let big = format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "x".repeat(200 * 1024));
    let many = format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "x: y\r\n".repeat(101));
    for request in [big, many] {
        let mut stream = server.connect().await;
        // The server may close before everything is written.
        let _ = stream.write_all(request.as_bytes()).await;
        assert!(rest(stream).await.starts_with("HTTP/1.1 431 "));
    }
    let mut client = http2_client(server.addr).await;
    let mut request = get(server.addr, "/");
    request.headers_mut().insert("x", "x".repeat(9 * 1024).parse().unwrap());
    let answer = within(client.send_request(request)).await;
    assert!(answer.is_err() || answer.unwrap().status() == 431);
}

#[tokio::test]
async fn garbage_is_a_bad_request() {
    let server = Running::start(Limits::default()).await;
    for request in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: gzip\r\n\r\n",
    ] {
        let answer = rest(server.send(request).await).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{}: {answer}", String::from_utf8_lossy(request));
        assert_eq!(server.closed().await, Closed::Broken);
    }
}

#[tokio::test]
async fn at_the_connection_limit_clients_wait() {
    let limits = Limits { max_connections: 1, ..Limits::default() };
    let server = Running::start(limits).await;
    let first = server.send(b"GET /wait HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    server.arrived().await;
    let second = server.send(b"GET /b HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    server.gate.cancel();
    assert!(rest(first).await.ends_with("waited"));
    assert!(rest(second).await.ends_with("/b HTTP/1.1"));
    assert!(server.seen.paused.load(Ordering::SeqCst) >= 1);
}

#[tokio::test]
async fn both_protocols_share_the_port_however_the_bytes_come() {
    let server = Running::start(Limits::default()).await;
    let mut client = http2_client(server.addr).await;
    let response = within(client.send_request(get(server.addr, "/x"))).await.unwrap();
    assert_eq!(within(response.collect()).await.unwrap().to_bytes(), "/x HTTP/2.0");

    let mut stream = server.connect().await;
    stream.set_nodelay(true).unwrap();
    for byte in b"PUT /y HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n" {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(rest(stream).await.ends_with("/y HTTP/1.1"));
}

#[tokio::test]
async fn an_answer_arrives_although_the_body_was_not_read() {
    let server = Running::start(Limits::default()).await;
    let stream = server.send(b"POST /refuse HTTP/1.1\r\nhost: h\r\ncontent-length: 100000000\r\n\r\n").await;
    let (mut read, mut write) = stream.into_split();
    let upload = tokio::spawn(async move {
        let chunk = vec![0u8; 64 * 1024];
        for _ in 0..64 {
            if write.write_all(&chunk).await.is_err() {
                break;
            }
        }
    });
    let mut text = Vec::new();
    within(read.read_to_end(&mut text)).await.expect("the answer, not a reset");
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.starts_with("HTTP/1.1 413 ") && text.ends_with("refused"), "{text}");
    upload.await.unwrap();
}

#[tokio::test]
async fn a_drain_finishes_what_is_in_flight_and_closes_what_is_idle() {
    let server = Running::start(Limits::default()).await;
    let busy = server.send(b"GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await;
    server.arrived().await;
    let mut client = http2_client(server.addr).await;
    let stream = tokio::spawn(client.send_request(get(server.addr, "/wait")));
    server.arrived().await;
    let mut idle = server.send(b"GET /a HTTP/1.1\r\nhost: h\r\n\r\n").await;
    until(&mut idle, "/a HTTP/1.1").await;
    let silent = server.connect().await;
    // Accepting goes in order: once this is answered, the silent one has been accepted too.
    let mut last = server.send(b"GET /b HTTP/1.1\r\nhost: h\r\n\r\n").await;
    until(&mut last, "/b HTTP/1.1").await;

    server.shutdown.cancel();
    assert_eq!(rest(idle).await, "");
    assert_eq!(rest(silent).await, "");
    assert!(TcpStream::connect(server.addr).await.is_err());
    server.gate.cancel();
    let answer = rest(busy).await;
    assert!(answer.contains("connection: close") && answer.ends_with("waited"), "{answer}");
    let response = within(stream).await.unwrap().unwrap();
    assert_eq!(within(response.collect()).await.unwrap().to_bytes(), "waited");
    let report = server.stop().await;
    // Idle ones may have closed before the listener had.
    assert!((2..=5).contains(&report.open), "{report:?}");
    assert_eq!(report.cut, 0);
}

#[tokio::test]
async fn past_the_drain_limit_connections_are_cut() {
    let limits = Limits { drain_limit: SHORT, ..Limits::default() };
    let server = Running::start(limits).await;
    let mut busy = server.send(b"GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await;
    server.arrived().await;
    let mut client = http2_client(server.addr).await;
    let stream = tokio::spawn(client.send_request(get(server.addr, "/wait")));
    server.arrived().await;
    let report = server.stop().await;
    assert_eq!((report.open, report.cut), (2, 2));
    assert!(within(busy.read_u8()).await.is_err());
    assert!(within(stream).await.unwrap().is_err());
}

#[tokio::test]
async fn dropping_the_server_cuts_its_connections() {
    let server = Running::start(Limits::default()).await;
    let mut busy = server.send(b"GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await;
    server.arrived().await;
    server.report.abort();
    assert!(within(busy.read_u8()).await.is_err());
}

#[tokio::test]
async fn the_handler_knows_its_peer() {
    let server = Running::start(Limits::default()).await;
    let stream = server.send(b"GET /peer HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    let addr = stream.local_addr().unwrap();
    assert!(rest(stream).await.ends_with(&addr.to_string()));
}
