//! The trigger over loopback sockets with raw bytes, in front of an `Invoke` that records and does as it is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use super::*;
use crate::clock::SystemClock;
use crate::ids::{FunctionName, Qualifier, Version};
use crate::invocation::http_event::collect;
use crate::invocation::{
    Body, FunctionError, HttpPayload, Invocation, Invoke, InvokeError, Outcome, Payload, Response, Source, StartKind,
    ThrottleReason,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SHORT_MS: u64 = 60;

/// Fails a test that would hang.
async fn within<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("the test hangs")
}

/// Does what the function's name says.
struct Functions {
    /// Requests as they came: head, route, everything but the body.
    seen: Mutex<Vec<(http::request::Parts, crate::invocation::http_event::RouteContext, Invocation)>>,
    /// `wait` answers when this is cancelled.
    gate: CancellationToken,
    /// Invocations of `wait` that began, ended, and were dropped.
    began: Semaphore,
    ended: Semaphore,
    dropped: Semaphore,
}

struct OnDrop<'a>(&'a Semaphore);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

fn http(status: u16, headers: &[(&str, &str)], body: Body) -> Response {
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Response::Http(Box::new(response.body(body).unwrap()))
}

fn failed(error_type: &str, handled: bool) -> FunctionError {
    FunctionError {
        handled,
        error_type: error_type.to_owned(),
        error_message: "secret".to_owned(),
        stack_trace: Vec::new(),
        document: None,
    }
}

impl Functions {
    async fn run(&self, mut invocation: Invocation) -> Result<Outcome, InvokeError> {
        let payload = std::mem::replace(&mut invocation.payload, Payload::Event(Bytes::new()));
        let Payload::Http(payload) = payload else { panic!("the trigger hands over requests") };
        let HttpPayload { request, route } = *payload;
        let (parts, body) = request.into_parts();
        let function = invocation.target.name.to_string();
        self.seen.lock().push((parts.clone(), route.clone(), invocation));
        let event = |text: &str| Ok(Response::Event(Bytes::from(text.to_owned())));
        let result = match function.as_str() {
            "hello" => Ok(http(200, &[("content-type", "text/plain")], full("hello"))),
            "echo" => Ok(http(200, &[("x-echo", "1")], body)),
            "buffer" => match collect(body, 1 << 20).await {
                Ok(bytes) => Ok(http(200, &[], full(bytes))),
                Err(error) => return Err(InvokeError::InvalidPayload(error.to_string())),
            },
            "inferred" => event("{\"a\": 1}"),
            "structured" => event(
                r#"{"statusCode":201,"headers":{"x-a":"b","content-length":"999","connection":"x-b","x-b":"c"},
                    "cookies":["c=1","d=2"],"body":"aGk=","isBase64Encoded":true}"#,
            ),
            "malformed" => event("hello"),
            "empty" => Ok(http(204, &[("content-length", "5")], full("never"))),
            "informational" => Ok(http(103, &[], full(""))),
            "not-modified" => Ok(http(304, &[("etag", "\"1\"")], full("never"))),
            "hop" => {
                Ok(http(200, &[("connection", "x-private"), ("x-private", "1"), ("keep-alive", "9")], full("hop")))
            }
            "broken" => {
                let chunks = [Ok(Frame::data(Bytes::from("begun"))), Err("broke off".into())];
                Ok(http(200, &[], StreamBody::new(futures_util::stream::iter(chunks)).boxed_unsync()))
            }
            "wait" => {
                let _dropped = OnDrop(&self.dropped);
                self.began.add_permits(1);
                self.gate.cancelled().await;
                self.ended.add_permits(1);
                Ok(http(200, &[], full("waited")))
            }
            "panics" => panic!("on purpose"),
            "fails" => Err(failed("Error", true)),
            "exits" => Err(failed("Runtime.ExitError", false)),
            "times-out" => Err(failed("Sandbox.Timedout", false)),
            "throttled" => return Err(InvokeError::Throttled(ThrottleReason::HostCapacity)),
            "invalid" => return Err(InvokeError::InvalidPayload("secret".to_owned())),
            "too-large" => return Err(InvokeError::PayloadTooLarge { size_bytes: 7 << 20 }),
            "draining" => return Err(InvokeError::ShuttingDown),
            "platform" => return Err(InvokeError::Platform("secret".to_owned())),
            name => return Err(InvokeError::FunctionNotFound { arn: name.to_owned() }),
        };
        Ok(Outcome {
            executed_version: Version::Latest,
            result,
            start: StartKind::Warm,
            duration: Duration::ZERO,
            init_duration: None,
            log_tail: None,
        })
    }
}

impl Invoke for Functions {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Outcome, InvokeError>> {
        Box::pin(self.run(invocation))
    }
}

#[derive(Default)]
struct Metrics(Mutex<Vec<(Option<String>, u16)>>);

impl crate::listener::Observer for Metrics {}
impl HttpMetrics for Metrics {
    fn answered(&self, answered: Answered<'_>) {
        self.0.lock().push((answered.route_key.map(str::to_owned), answered.status.as_u16()));
    }
}

struct Running {
    addr: SocketAddr,
    functions: Arc<Functions>,
    router: Arc<Router>,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
    report: JoinHandle<DrainReport>,
}

impl Running {
    /// `ANY /<function>` and `ANY /<function>/{id}/{rest+}` for every function of [`Functions`].
    async fn start(config: Config) -> Self {
        config.check().unwrap();
        let routes = [
            "hello",
            "echo",
            "buffer",
            "inferred",
            "structured",
            "malformed",
            "empty",
            "informational",
            "not-modified",
            "hop",
            "broken",
            "wait",
            "panics",
            "fails",
            "exits",
            "times-out",
            "throttled",
            "invalid",
            "too-large",
            "draining",
            "platform",
            "unknown",
        ];
        let routes: Vec<_> = routes
            .into_iter()
            .flat_map(|name| [(format!("/{name}"), name), (format!("/{name}/{{id}}/{{rest+}}"), name)])
            .map(|(path, name)| RouteConfig {
                path,
                method: "ANY".to_owned(),
                function: FunctionName::new(name).unwrap(),
                qualifier: Some(Qualifier::new("live").unwrap()),
                host: None,
            })
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let functions = Arc::new(Functions {
            seen: Mutex::default(),
            gate: CancellationToken::new(),
            began: Semaphore::new(0),
            ended: Semaphore::new(0),
            dropped: Semaphore::new(0),
        });
        let (router, metrics) = (Arc::new(Router::new(&routes).unwrap()), Arc::new(Metrics::default()));
        let shutdown = CancellationToken::new();
        let trigger = Trigger {
            urls: None,
            router: Arc::clone(&router),
            invoke: Arc::clone(&functions) as Arc<dyn Invoke>,
            newcomers: Arc::new(crate::listener::newcomers()),
            config,
            metrics: Arc::clone(&metrics) as Arc<dyn HttpMetrics>,
            clock: Arc::new(SystemClock),
        };
        let report = tokio::spawn(trigger.serve(listener, shutdown.clone()));
        Self { addr, functions, router, metrics, shutdown, report }
    }

    async fn send(&self, bytes: impl AsRef<[u8]>) -> TcpStream {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(bytes.as_ref()).await.unwrap();
        stream
    }

    /// One request on a connection of its own.
    async fn ask(&self, head: &str) -> String {
        rest(self.send(format!("{head}\r\nhost: h.test\r\nconnection: close\r\n\r\n")).await).await
    }

    async fn http2(&self) -> hyper::client::conn::http2::SendRequest<Body> {
        let stream = TokioIo::new(TcpStream::connect(self.addr).await.unwrap());
        let (client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        client
    }

    fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    within(stream.read_to_end(&mut text)).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

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

async fn one(semaphore: &Semaphore) {
    within(semaphore.acquire()).await.unwrap().forget();
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {answer:?}")).parse().unwrap()
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next().unwrap();
    head.lines()
        .skip(1)
        .find_map(|line| line.split_once(": ").filter(|(found, _)| *found == name))
        .map(|(_, value)| value)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn a_request_reaches_its_function_whole() {
    let server = Running::start(Config::default()).await;
    let answer = server
        .ask("PUT /hello/a%20b/c/d?x=1 HTTP/1.1\r\nX-Custom: 1\r\nx-amzn-trace-id: Root=1-2-3\r\nupgrade: h2c")
        .await;
    assert_eq!((status(&answer), body(&answer)), (200, "hello"));
    assert_eq!(header(&answer, "content-type"), Some("text/plain"));
    assert_eq!(header(&answer, "x-amzn-trace-id"), Some("Root=1-2-3"));
    let (parts, route, invocation) = server.functions.seen.lock().pop().unwrap();
    assert_eq!(header(&answer, "x-amzn-requestid"), Some(invocation.request_id.to_string().as_str()));
    assert_eq!(header(&answer, "apigw-requestid"), header(&answer, "x-amzn-requestid"));
    assert_eq!((parts.method.as_str(), parts.uri.to_string().as_str()), ("PUT", "http://h.test/hello/a%20b/c/d?x=1"));
    assert_eq!(parts.headers["x-custom"], "1");
    assert_eq!(parts.headers["x-forwarded-for"], "127.0.0.1");
    assert!(!parts.headers.contains_key("connection") && !parts.headers.contains_key("upgrade"));
    assert_eq!(&*route.route_key, "ANY /hello/{id}/{rest+}");
    assert_eq!(route.path_parameters["id"], "a b");
    assert_eq!(route.path_parameters["rest"], "c/d");
    assert_eq!(&*route.source_ip, "127.0.0.1");
    assert!(route.received_ms > 1_600_000_000_000);
    assert_eq!(invocation.target.qualifier.unwrap().to_string(), "live");
    assert_eq!((invocation.source, invocation.trace_id.as_deref()), (Source::Http, Some("Root=1-2-3")));
    assert_eq!(*server.metrics.0.lock(), [(Some("ANY /hello/{id}/{rest+}".to_owned()), 200)]);
}

#[tokio::test]
async fn answers_of_event_functions_follow_payload_2() {
    let server = Running::start(Config::default()).await;
    let inferred = server.ask("GET /inferred HTTP/1.1").await;
    assert_eq!((status(&inferred), body(&inferred)), (200, "{\"a\": 1}"));
    assert_eq!(header(&inferred, "content-type"), Some("application/json"));
    let structured = server.ask("GET /structured HTTP/1.1").await;
    assert_eq!((status(&structured), body(&structured)), (201, "hi"));
    assert_eq!(header(&structured, "content-length"), Some("2"));
    assert_eq!(header(&structured, "x-a"), Some("b"));
    assert_eq!(header(&structured, "x-b"), None);
    assert_eq!(structured.matches("set-cookie: ").count(), 2);
    let malformed = server.ask("GET /malformed HTTP/1.1").await;
    assert_eq!((status(&malformed), body(&malformed)), (502, "{\"message\":\"Internal Server Error\"}"));
}

#[tokio::test]
async fn every_failure_has_its_status_and_tells_nothing_more() {
    let server = Running::start(Config::default()).await;
    for (path, expected, message) in [
        ("/nowhere", 404, "Not Found"),
        ("/fails", 502, "Internal Server Error"),
        ("/exits", 502, "Internal Server Error"),
        ("/informational", 502, "Internal Server Error"),
        ("/times-out", 504, "Endpoint request timed out"),
        ("/throttled", 429, "Too Many Requests"),
        ("/invalid", 400, "Bad Request"),
        ("/too-large", 413, "Request Entity Too Large"),
        ("/draining", 503, "Service Unavailable"),
        ("/platform", 500, "Internal Server Error"),
        ("/unknown", 500, "Internal Server Error"),
        ("/panics", 500, "Internal Server Error"),
        ("/hello/%FF/x", 400, "Bad Request"),
    ] {
        let answer = server.ask(&format!("GET {path} HTTP/1.1")).await;
        assert_eq!(status(&answer), expected, "{path}");
        assert_eq!(body(&answer), format!("{{\"message\":\"{message}\"}}"), "{path}");
        assert_eq!(header(&answer, "retry-after").is_some(), matches!(expected, 429 | 503), "{path}");
        assert!(header(&answer, "x-amzn-requestid").is_some(), "{path}");
    }
}

#[tokio::test]
async fn requests_past_the_limits_are_refused() {
    let server = Running::start(Config { max_body_bytes: 100, ..Config::default() }).await;
    let long = format!("GET /hello?{} HTTP/1.1", "x".repeat(9_000));
    for (head, expected) in [
        (long.as_str(), 414),
        ("POST /buffer HTTP/1.1\r\ncontent-length: 101", 413),
        ("CONNECT h:80 HTTP/1.1", 501),
        ("TRACE /hello HTTP/1.1", 501),
        ("GET /hello HTTP/1.1\r\nhost: again", 400),
        ("OPTIONS * HTTP/1.1", 400),
        ("GET /hello HTTP/1.1\r\nupgrade: websocket", 501),
    ] {
        assert_eq!(status(&server.ask(head).await), expected, "{head:.60}");
    }
    assert_eq!(status(&rest(server.send("GET /hello HTTP/1.1\r\nconnection: close\r\n\r\n").await).await), 400);
    assert_eq!(status(&rest(server.send("GET /hello HTTP/1.0\r\n\r\n").await).await), 200);
    assert_eq!(server.functions.seen.lock().len(), 1);
    let chunk = format!("65\r\n{}\r\n0\r\n\r\n", "x".repeat(0x65));
    let chunked = "POST /buffer HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(status(&rest(server.send(format!("{chunked}{chunk}")).await).await), 413);
}

#[tokio::test]
async fn a_slow_body_is_a_time_out_and_a_broken_one_a_bad_request() {
    let server = Running::start(Config { body_read_timeout_ms: SHORT_MS, ..Config::default() }).await;
    let stream =
        server.send("POST /buffer HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\nconnection: close\r\n\r\nabc").await;
    let answer = rest(stream).await;
    assert_eq!((status(&answer), body(&answer)), (408, "{\"message\":\"Request Timeout\"}"));
    let broken = "POST /buffer HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n";
    assert_eq!(status(&rest(server.send(broken).await).await), 400);
}

#[tokio::test]
async fn responses_without_a_body_have_none() {
    let server = Running::start(Config::default()).await;
    let head = server.ask("HEAD /hello HTTP/1.1").await;
    assert_eq!((status(&head), body(&head), header(&head, "content-type")), (200, "", Some("text/plain")));
    let structured = server.ask("HEAD /structured HTTP/1.1").await;
    assert_eq!((body(&structured), header(&structured, "content-length")), ("", Some("2")));
    let empty = server.ask("GET /empty HTTP/1.1").await;
    assert_eq!((status(&empty), body(&empty), header(&empty, "content-length")), (204, "", None));
    let unchanged = server.ask("GET /not-modified HTTP/1.1").await;
    assert_eq!((status(&unchanged), body(&unchanged), header(&unchanged, "etag")), (304, "", Some("\"1\"")));
    let hop = server.ask("GET /hop HTTP/1.1").await;
    assert_eq!((header(&hop, "x-private"), header(&hop, "keep-alive"), body(&hop)), (None, None, "hop"));
    // The connection is still in step after answers without a body.
    let mut stream = server.send("HEAD /hello HTTP/1.1\r\nhost: h\r\n\r\nGET /empty HTTP/1.1\r\nhost: h\r\n\r\n").await;
    stream.write_all(b"GET /hello HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
    let all = rest(stream).await;
    assert_eq!(all.matches("HTTP/1.1 ").count(), 3);
    assert!(all.ends_with("\r\n\r\nhello"), "{all}");
}

#[tokio::test]
async fn a_client_that_expects_100_gets_it_when_the_body_is_wanted() {
    let server = Running::start(Config { max_body_bytes: 100, ..Config::default() }).await;
    let head = "POST /buffer HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\nconnection: close\r\n";
    let mut stream = server.send(format!("{head}content-length: 3\r\n\r\n")).await;
    assert_eq!(until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    assert!(rest(stream).await.ends_with("\r\n\r\nabc"));
    let refused = rest(server.send(format!("{head}content-length: 101\r\n\r\n")).await).await;
    assert_eq!(status(&refused), 413);
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let server = Running::start(Config::default()).await;
    let head = "POST /echo HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut stream = server.send(head).await;
    assert!(until(&mut stream, "\r\n\r\n").await.contains("x-echo: 1"));
    for word in ["one", "two", "six"] {
        let chunk = format!("3\r\n{word}\r\n");
        stream.write_all(chunk.as_bytes()).await.unwrap();
        assert_eq!(until(&mut stream, &chunk).await, chunk);
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    assert_eq!(until(&mut stream, "0\r\n\r\n").await, "0\r\n\r\n");

    let (send, receive) = tokio::sync::mpsc::channel::<Bytes>(1);
    let chunks = futures_util::stream::unfold(receive, |mut receive| async {
        receive.recv().await.map(|chunk| (Ok(Frame::data(chunk)), receive))
    });
    let mut client = server.http2().await;
    let request = Request::post(server.uri("/echo")).body(StreamBody::new(chunks).boxed_unsync()).unwrap();
    let mut response = within(client.send_request(request)).await.unwrap();
    assert_eq!((response.status(), &response.headers()["x-echo"]), (StatusCode::OK, &"1".parse().unwrap()));
    for word in ["one", "two"] {
        send.send(Bytes::from(word)).await.unwrap();
        assert_eq!(within(response.frame()).await.unwrap().unwrap().into_data().unwrap(), word);
    }
    drop(send);
    assert!(within(response.frame()).await.is_none_or(|frame| frame.unwrap().data_ref().is_some_and(Bytes::is_empty)));
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_seen_to() {
    let server = Running::start(Config::default()).await;
    let answer = server.ask("GET /broken HTTP/1.1").await;
    // Nothing, or a chunked body without its end.
    assert!(!answer.ends_with("0\r\n\r\n") && !answer.contains("content-length"), "{answer}");
    let mut client = server.http2().await;
    let request = Request::get(server.uri("/broken")).body(full("")).unwrap();
    // The reset may overtake the head.
    if let Ok(response) = within(client.send_request(request)).await {
        assert!(within(response.collect()).await.is_err());
    }
}

#[tokio::test]
async fn a_client_that_vanishes_does_not_cancel_the_work() {
    let server = Running::start(Config::default()).await;
    drop(server.send("GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await);
    one(&server.functions.began).await;
    let mut client = server.http2().await;
    let request = Request::get(server.uri("/wait")).body(full("")).unwrap();
    let asking = tokio::spawn(client.send_request(request));
    one(&server.functions.began).await;
    asking.abort();
    drop(client);
    server.shutdown.cancel();
    server.functions.gate.cancel();
    one(&server.functions.ended).await;
    one(&server.functions.ended).await;
    assert_eq!(within(server.report).await.unwrap().invocations_cut, 0);
}

#[tokio::test]
async fn a_client_that_vanishes_cancels_the_work_where_asked_to() {
    let server = Running::start(Config { cancel_on_disconnect: true, ..Config::default() }).await;
    let stream = server.send("GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await;
    one(&server.functions.began).await;
    drop(stream);
    one(&server.functions.dropped).await;
    assert_eq!(server.functions.ended.available_permits(), 0);
}

#[tokio::test]
async fn a_client_that_vanishes_within_its_body_ends_it() {
    let server = Running::start(Config::default()).await;
    let mut stream = server.send("POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nabc").await;
    until(&mut stream, "abc").await;
    drop(stream);
    server.shutdown.cancel();
    assert_eq!(within(server.report).await.unwrap().connections.cut, 0);
}

#[tokio::test]
async fn past_the_concurrency_limit_the_answer_is_503_at_once() {
    let server = Running::start(Config { max_concurrent_requests: 1, ..Config::default() }).await;
    let first = server.send("GET /wait HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    one(&server.functions.began).await;
    let second = server.ask("GET /hello HTTP/1.1").await;
    assert_eq!((status(&second), body(&second)), (503, "{\"message\":\"Service Unavailable\"}"));
    server.functions.gate.cancel();
    assert!(rest(first).await.ends_with("waited"));
    assert_eq!(status(&server.ask("GET /hello HTTP/1.1").await), 200);
}

#[tokio::test]
async fn a_drain_waits_for_invocations_and_cuts_them_at_the_limit() {
    let server = Running::start(Config::default()).await;
    let stream = server.send("GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await;
    one(&server.functions.began).await;
    server.shutdown.cancel();
    server.functions.gate.cancel();
    let answer = rest(stream).await;
    assert_eq!((body(&answer), header(&answer, "connection")), ("waited", Some("close")));
    assert_eq!(within(server.report).await.unwrap().connections.cut, 0);

    let server = Running::start(Config { drain_limit_ms: SHORT_MS, ..Config::default() }).await;
    let stream = server.send("GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await;
    one(&server.functions.began).await;
    server.shutdown.cancel();
    let report = within(server.report).await.unwrap();
    assert_eq!((report.connections.cut, report.invocations_cut), (1, 1));
    one(&server.functions.dropped).await;
    drop(stream);
}

#[tokio::test]
async fn routes_are_swapped_under_a_running_server() {
    let server = Running::start(Config::default()).await;
    assert_eq!(status(&server.ask("GET /hello HTTP/1.1").await), 200);
    let route = |path: &str| RouteConfig {
        path: path.to_owned(),
        method: "GET".to_owned(),
        function: FunctionName::new("inferred").unwrap(),
        qualifier: None,
        host: None,
    };
    server.router.replace(&[route("/moved")]).unwrap();
    assert_eq!(status(&server.ask("GET /hello HTTP/1.1").await), 404);
    assert_eq!(status(&server.ask("GET /moved HTTP/1.1").await), 200);
}

#[test]
fn settings_are_checked_and_unknown_ones_refused() {
    assert_eq!(Config::default().check(), Ok(()));
    let error = Config { write_timeout_ms: 0, ..Config::default() }.check().unwrap_err();
    assert_eq!(error.to_string(), "write_timeout_ms = 0: must be at least 1");
    assert!(Config { max_uri_bytes: 40_000, ..Config::default() }.check().is_err());
    assert!(Config { header_read_timeout_ms: u64::MAX, ..Config::default() }.check().is_err());
    assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
    assert_eq!(toml::from_str::<Config>("max_uri_bytes = 9").unwrap().max_uri_bytes, 9);
    assert!(toml::from_str::<Config>("max_uri_byte = 9").is_err());
}
