//! Requests to servers on this machine, under names a resolver of ours knows.

use super::*;
use futures_util::future::BoxFuture;
use http_body_util::{Empty, Full};
use rustls::pki_types::PrivateKeyDer;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types as p2;
use wasmtime_wasi_http::p2::bindings::http::types::HostOutgoingRequest as _;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView};

const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sandbox/calls/outbound_http/testdata/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("testdata/server.pem");
const KEY: &[u8] = include_bytes!("testdata/server.key");

/// Answers from a script: each lookup of a name takes the next answer, the last one stays.
#[derive(Default)]
struct Names {
    answers: HashMap<&'static str, Vec<Vec<&'static str>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Resolver for Names {
    fn resolve(&self, name: &str, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let mut asked = self.asked.lock().unwrap();
        let nth = asked.iter().filter(|n| *n == name).count();
        asked.push(name.to_owned());
        let answer = match self.answers.get(name) {
            Some(answers) => Ok(answers[nth.min(answers.len() - 1)]
                .iter()
                .map(|a| SocketAddr::new(a.parse().unwrap(), port))
                .collect()),
            None => Err(io::Error::other("no such name")),
        };
        Box::pin(std::future::ready(answer))
    }
}

struct Way {
    hooks: OutboundHttp,
    asked: Arc<Mutex<Vec<String>>>,
    counters: Arc<OutboundCounters>,
}

impl Way {
    fn new(allow: &[&str], names: &[(&'static str, &[&[&'static str]])]) -> Self {
        Self::limited(allow, names, 100)
    }

    fn limited(allow: &[&str], names: &[(&'static str, &[&[&'static str]])], max_connections: usize) -> Self {
        let answers = names.iter().map(|(n, a)| (*n, a.iter().map(|a| a.to_vec()).collect())).collect();
        let names = Names { answers, asked: Arc::default() };
        let asked = Arc::clone(&names.asked);
        let client = OutboundClient::with_resolver(Box::new(names), Some(Path::new(CA)), max_connections).unwrap();
        let allow = AllowList::parse(allow.iter().copied()).unwrap();
        let counters = Arc::<OutboundCounters>::default();
        Self { hooks: OutboundHttp::new(Arc::new(client), Arc::new(allow), Arc::clone(&counters)), asked, counters }
    }

    async fn send(&mut self, request: Request<WasiBody>, options: RequestOptions) -> Result<Sent, Error> {
        let ok = Box::new(std::future::ready(Ok(())));
        Pin::from(self.hooks.send_request(request, Some(options), ok)).await
    }

    /// Sends a GET and reads the whole response.
    async fn get(&mut self, url: &str) -> Result<(u16, String), Error> {
        self.get_with(url, RequestOptions::default()).await
    }

    async fn get_with(&mut self, url: &str, options: RequestOptions) -> Result<(u16, String), Error> {
        let (response, io) = self.send(get(url), options).await?;
        let status = response.status().as_u16();
        let io = tokio::spawn(Pin::from(io));
        let body = response.into_body().collect().await?.to_bytes();
        io.await.unwrap()?;
        Ok((status, String::from_utf8(body.to_vec()).unwrap()))
    }

    fn counts(&self) -> (u64, u64) {
        (self.counters.allowed.load(Ordering::Relaxed), self.counters.denied.load(Ordering::Relaxed))
    }
}

fn get(url: &str) -> Request<WasiBody> {
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    Request::get(url).header("host", "set-by-the-host").body(body).unwrap()
}

/// Makes a response of a request's head.
type Answer = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

async fn serve_one(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: Answer) {
    let head = read_head(&mut stream).await;
    let _ = stream.write_all(&answer(&head)).await;
    let _ = stream.shutdown().await;
}

/// A server that answers every connection's one request with what `answer` makes of its head, then closes. Returns the port.
async fn server(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> u16 {
    let answer: Answer = Arc::new(answer);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_one(stream, Arc::clone(&answer)));
        }
    });
    port
}

fn hello(_: &str) -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_vec()
}

/// A server that accepts, sends `start` and then nothing, and keeps the connection.
async fn silent_server(start: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(start).await;
            kept.push(stream);
        }
    });
    port
}

fn short() -> RequestOptions {
    let short = Some(Duration::from_millis(30));
    RequestOptions {
        connect_timeout: Some(Duration::from_secs(60)),
        first_byte_timeout: short,
        between_bytes_timeout: short,
    }
}

#[tokio::test]
async fn an_empty_list_denies_everything_without_a_lookup() {
    let port = server(hello).await;
    let mut way = Way::new(&[], &[("a.test", &[&["127.0.0.1"]])]);
    for host in ["a.test", "127.0.0.1", "localhost", "[::1]", "example.com"] {
        assert!(matches!(way.get(&format!("http://{host}:{port}/")).await, Err(Error::HttpRequestDenied)), "{host}");
    }
    assert!(way.asked.lock().unwrap().is_empty());
    assert_eq!(way.counts(), (0, 5));
}

#[tokio::test]
async fn a_listed_host_answers_and_sees_an_ordinary_request() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let port = server(move |head| {
        seen.lock().unwrap().push(head.to_owned());
        hello(head)
    })
    .await;
    let mut way = Way::new(&["a.test", "127.0.0.1"], &[("a.test", &[&["127.0.0.1"]])]);
    assert_eq!(way.get(&format!("http://a.test:{port}/p/q?r=s")).await.unwrap(), (200, "hello".to_owned()));
    assert_eq!(way.get(&format!("http://A.test.:{port}")).await.unwrap().0, 200);
    assert_eq!(way.get(&format!("http://127.0.0.1:{port}?only=query")).await.unwrap().0, 200);
    let heads = heads.lock().unwrap();
    assert!(heads[0].starts_with("GET /p/q?r=s HTTP/1.1\r\nhost: set-by-the-host\r\n"), "{}", heads[0]);
    assert!(heads[1].starts_with("GET / HTTP/1.1"), "{}", heads[1]);
    assert!(heads[2].starts_with("GET /?only=query HTTP/1.1"), "{}", heads[2]);
    assert_eq!(way.counts(), (3, 0));
}

#[tokio::test]
async fn a_name_that_leads_to_the_host_is_denied_whoever_listed_it() {
    let port = server(hello).await;
    let mut way = Way::new(
        &["*", "evil.test"],
        &[
            ("evil.test", &[&["127.0.0.1"]]),
            ("mapped.test", &[&["::ffff:127.0.0.1"]]),
            ("metadata.test", &[&["169.254.169.254"]]),
            ("2130706433", &[&["127.0.0.1"]]),
            ("localhost", &[&["127.0.0.1", "::1"]]),
        ],
    );
    for host in [
        "evil.test",
        "mapped.test",
        "metadata.test",
        "2130706433",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
    ] {
        assert!(matches!(way.get(&format!("http://{host}:{port}/")).await, Err(Error::HttpRequestDenied)), "{host}");
    }
    assert_eq!(way.counts(), (0, 9));
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_checked_each_time_and_asked_once_a_request() {
    let port = server(hello).await;
    // 127.0.0.1 is listed and stands for the public address; 127.0.0.2 is where the attacker wants to get.
    let mut way = Way::new(
        &["swap.test", "127.0.0.1"],
        &[("swap.test", &[&["127.0.0.1"], &["127.0.0.2"], &["127.0.0.2", "127.0.0.1"]])],
    );
    let url = format!("http://swap.test:{port}/");
    assert!(way.get(&url).await.is_ok());
    assert_eq!(way.asked.lock().unwrap().len(), 1, "what was checked is what was connected to");
    assert!(matches!(way.get(&url).await, Err(Error::HttpRequestDenied)));
    assert!(way.get(&url).await.is_ok(), "the listed one of two");
    assert_eq!(way.counts(), (2, 1));
}

#[tokio::test]
async fn redirects_are_the_guests_affair() {
    let port =
        server(|_| b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n".to_vec())
            .await;
    let mut way = Way::new(&["127.0.0.1"], &[]);
    assert_eq!(way.get(&format!("http://127.0.0.1:{port}/")).await.unwrap().0, 302);
}

#[tokio::test]
async fn what_goes_wrong_on_the_way_has_its_own_error() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let names: &[(&'static str, &[&[&'static str]])] = &[("nowhere.test", &[&[]])];
    let mut way = Way::new(&["127.0.0.1", "nowhere.test", "unknown.test"], names);
    let refused = way.get(&format!("http://127.0.0.1:{free}/")).await;
    assert!(matches!(refused, Err(Error::ConnectionRefused)), "{refused:?}");
    for host in ["nowhere.test", "unknown.test"] {
        assert!(matches!(way.get(&format!("http://{host}/")).await, Err(Error::DnsError { .. })), "{host}");
    }
    let closing = server(|_| Vec::new()).await;
    let closed = way.get(&format!("http://127.0.0.1:{closing}/")).await;
    assert!(matches!(closed, Err(Error::HttpResponseIncomplete | Error::ConnectionTerminated)), "{closed:?}");
    let garbage = server(|_| b"SSH-2.0-x\r\n\r\n".to_vec()).await;
    let odd = way.get(&format!("http://127.0.0.1:{garbage}/")).await;
    assert!(matches!(odd, Err(Error::HttpProtocolError)), "{odd:?}");
    let cut = server(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello".to_vec()).await;
    let cut = way.get(&format!("http://127.0.0.1:{cut}/")).await;
    assert!(matches!(cut, Err(Error::HttpResponseIncomplete)), "{cut:?}");
}

#[tokio::test]
async fn large_response_heads_are_refused() {
    let large = server(|_| {
        let filler = "x".repeat(MAX_RESPONSE_HEADER_BYTES);
        format!("HTTP/1.1 200 OK\r\nbig: {filler}\r\ncontent-length: 0\r\n\r\n").into_bytes()
    })
    .await;
    let many = server(|_| {
        let filler = "a: b\r\n".repeat(MAX_RESPONSE_HEADERS + 1);
        format!("HTTP/1.1 200 OK\r\n{filler}content-length: 0\r\n\r\n").into_bytes()
    })
    .await;
    let mut way = Way::new(&["127.0.0.1"], &[]);
    for port in [large, many] {
        let result = way.get(&format!("http://127.0.0.1:{port}/")).await;
        assert!(matches!(result, Err(Error::HttpResponseHeaderSectionSize(_))), "{result:?}");
    }
}

#[tokio::test]
async fn the_guests_time_outs_hold() {
    let mut way = Way::new(&["127.0.0.1"], &[]);
    let never = silent_server(b"").await;
    let result = way.get_with(&format!("http://127.0.0.1:{never}/"), short()).await;
    assert!(matches!(result, Err(Error::ConnectionReadTimeout)), "{result:?}");
    let stalls = silent_server(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello").await;
    let options = RequestOptions { first_byte_timeout: None, ..short() };
    let result = way.get_with(&format!("http://127.0.0.1:{stalls}/"), options).await;
    assert!(matches!(result, Err(Error::ConnectionReadTimeout)), "{result:?}");
    // A server that says nothing to a TLS client.
    let options = RequestOptions { connect_timeout: Some(Duration::from_millis(30)), ..RequestOptions::default() };
    let result = way.get_with(&format!("https://127.0.0.1:{never}/"), options).await;
    assert!(matches!(result, Err(Error::ConnectionTimeout)), "{result:?}");
    let longest = RequestOptions {
        connect_timeout: Some(Duration::MAX),
        first_byte_timeout: Some(Duration::MAX),
        between_bytes_timeout: Some(Duration::MAX),
    };
    let port = server(hello).await;
    assert!(way.get_with(&format!("http://127.0.0.1:{port}/"), longest).await.is_ok());
}

#[tokio::test]
async fn tls_checks_the_name_and_trusts_the_configured_authority() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            CertificateDer::pem_slice_iter(CERTIFICATE).map(Result::unwrap).collect(),
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve_one(stream, Arc::new(hello)).await;
            }
        }
    });
    let names: &[(&'static str, &[&[&'static str]])] =
        &[("tls.test", &[&["127.0.0.1"]]), ("other.test", &[&["127.0.0.1"]])];
    let allow = ["https://tls.test", "other.test", "127.0.0.1"];
    let mut way = Way::new(&allow, names);
    assert_eq!(way.get(&format!("https://tls.test:{port}/")).await.unwrap().1, "hello");
    assert_eq!(way.get(&format!("https://127.0.0.1:{port}/")).await.unwrap().1, "hello");
    let wrong = way.get(&format!("https://other.test:{port}/")).await;
    assert!(matches!(wrong, Err(Error::TlsCertificateError)), "{wrong:?}");
    assert!(matches!(way.get(&format!("http://tls.test:{port}/")).await, Err(Error::HttpRequestDenied)));

    let answers = [("tls.test", vec![vec!["127.0.0.1"]])].into();
    let names = Names { answers, asked: Arc::default() };
    let untrusting = OutboundClient::with_resolver(Box::new(names), None, 10).unwrap();
    way.hooks.client = Arc::new(untrusting);
    let unknown = way.get(&format!("https://tls.test:{port}/")).await;
    assert!(matches!(unknown, Err(Error::TlsCertificateError)), "{unknown:?}");
    let plain = silent_server(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let not_tls = way.get(&format!("https://127.0.0.1:{plain}/")).await;
    assert!(matches!(not_tls, Err(Error::TlsProtocolError | Error::ConnectionTerminated)), "{not_tls:?}");
}

#[test]
fn a_bad_authority_file_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    for (path, why) in [(empty, "holds no certificate"), (dir.path().join("missing.pem"), "No such file")] {
        let error = OutboundClient::new(Some(&path), 1).err().unwrap().to_string();
        assert!(error.contains(why) && error.contains(".pem"), "{error}");
    }
}

#[tokio::test]
async fn odd_requests_are_refused_before_anything_is_sent() {
    let mut way = Way::new(&["*"], &[]);
    let mut connect = get("http://example.com/");
    *connect.method_mut() = Method::CONNECT;
    let result = way.send(connect, RequestOptions::default()).await;
    assert!(matches!(result.err(), Some(Error::HttpRequestMethodInvalid)));
    for url in ["http://user@example.com/", "http://example.com:99999/", "http://-x/", "/no-host"] {
        let result = way.get(url).await;
        assert!(matches!(result, Err(Error::HttpRequestUriInvalid | Error::HttpProtocolError)), "{url}: {result:?}");
    }
    assert!(way.asked.lock().unwrap().is_empty());
    assert_eq!(way.counts(), (0, 0));
}

#[tokio::test]
async fn connections_are_limited_and_given_back() {
    let port = silent_server(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello").await;
    let url = format!("http://127.0.0.1:{port}/");
    let mut way = Way::limited(&["127.0.0.1"], &[], 2);
    let first = way.send(get(&url), RequestOptions::default()).await.unwrap();
    let _second = way.send(get(&url), RequestOptions::default()).await.unwrap();
    let third = way.send(get(&url), RequestOptions::default()).await;
    assert!(matches!(third.err(), Some(Error::ConnectionLimitReached)));
    drop(first);
    assert!(way.send(get(&url), RequestOptions::default()).await.is_ok());

    let mut way = Way::limited(&["127.0.0.1"], &[], 1000);
    let mut held = Vec::new();
    while let Ok(sent) = way.send(get(&url), RequestOptions::default()).await {
        held.push(sent);
    }
    assert_eq!(held.len(), MAX_ENVIRONMENT_CONNECTIONS);
}

#[tokio::test]
async fn bodies_go_out() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_head(&mut stream).await;
            let mut body = vec![0; 100_000];
            stream.read_exact(&mut body).await.unwrap();
            let all = body.iter().all(|b| *b == b'x');
            stream.write_all(if all { b"HTTP/1.1 204 OK\r\n\r\n" } else { b"HTTP/1.1 400 OK\r\n\r\n" }).await.unwrap();
        });
        port
    };
    let mut way = Way::new(&["127.0.0.1"], &[]);
    let body = Full::new(Bytes::from(vec![b'x'; 100_000])).map_err(|never| match never {}).boxed_unsync();
    let request = Request::post(format!("http://127.0.0.1:{port}/")).body(body).unwrap();
    let (response, _io) = way.send(request, RequestOptions::default()).await.unwrap();
    assert_eq!(response.status(), 204);
}

/// As a guest of 0.2 sees it.
async fn handle(way: &mut Way, authority: &str) -> Result<u16, p2::ErrorCode> {
    let (mut table, mut ctx) = (ResourceTable::new(), WasiHttpCtx::new());
    let mut view = WasiHttpCtxView { hooks: &mut way.hooks, table: &mut table, ctx: &mut ctx };
    let fields = p2::HostFields::new(&mut view).unwrap();
    let request = p2::HostOutgoingRequest::new(&mut view, fields).unwrap();
    let same = || wasmtime::component::Resource::new_own(request.rep());
    view.set_scheme(same(), Some(p2::Scheme::Http)).unwrap().unwrap();
    view.set_authority(same(), Some(authority.to_owned())).unwrap().unwrap();
    view.set_path_with_query(same(), Some("/".to_owned())).unwrap().unwrap();
    let future = view.handle(request, None).unwrap();
    {
        use wasmtime_wasi::p2::Pollable as _;
        view.table.get_mut(&future).unwrap().ready().await;
    }
    let response = p2::HostFutureIncomingResponse::get(&mut view, future).unwrap().unwrap().unwrap()?;
    Ok(p2::HostIncomingResponse::status(&mut view, response).unwrap())
}

#[tokio::test]
async fn a_guest_is_told_in_the_words_of_its_interface() {
    let port = server(hello).await;
    let mut way =
        Way::new(&["a.test", "b.test", "127.0.0.1"], &[("a.test", &[&["127.0.0.1"]]), ("b.test", &[&["10.0.0.1"]])]);
    assert_eq!(handle(&mut way, &format!("a.test:{port}")).await.unwrap(), 200);
    let denied = handle(&mut way, "c.test").await;
    assert!(matches!(denied, Err(p2::ErrorCode::HttpRequestDenied)), "{denied:?}");
    way.hooks.allow = Arc::new(AllowList::parse(["unknown.test"]).unwrap());
    let unknown = handle(&mut way, "unknown.test").await;
    assert!(matches!(unknown, Err(p2::ErrorCode::DnsError(_))), "{unknown:?}");
}

#[test]
fn headers_are_forbidden_that_are_by_default() {
    let mut way = Way::new(&[], &[]);
    let default = wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS;
    for name in
        default.iter().cloned().chain(["content-length", "te", "trailer", "x-host"].map(HeaderName::from_static))
    {
        assert_eq!(way.hooks.is_forbidden_header(&name), default.contains(&name), "{name}");
    }
    assert_eq!(default.len(), 9, "as many as the hook knows");
}
