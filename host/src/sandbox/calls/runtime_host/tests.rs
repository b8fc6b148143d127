//! `lamina` called as a guest calls it; requests go to servers on this machine.

use super::*;
use crate::sandbox::calls::core_guest::{CoreGuest, MEMORY_BYTES};
use crate::sandbox::calls::outbound_http::{AllowList, OutboundClient, OutboundCounters, OutboundHttp};
use crate::sandbox::calls::response_stream::StreamTooLarge;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("log", "ii", ""),
    ("stream_begin", "ii", "i"),
    ("stream_write", "ii", "i"),
    ("http_start", "ii", "i"),
    ("http_wait", "iii", "i"),
    ("http_head", "iii", "i"),
    ("http_body", "iii", "i"),
    ("http_close", "i", ""),
];

const INVALID: i32 = -1;
const CLOSED: i32 = -2;
const LIMIT: i32 = -3;
const TIMED_OUT: i32 = -5;

/// Where tests put arguments and take results.
const IN: u32 = 0;
const OUT: u32 = 65536;

#[derive(Default)]
struct Records(Mutex<Vec<Vec<u8>>>);

impl OutputSink for Records {
    fn write(&self, _: &[u8]) {
        panic!("a record is not a line");
    }

    fn record(&self, bytes: &[u8]) {
        self.0.lock().push(bytes.to_vec());
    }
}

struct Data {
    log: Records,
    stream: StreamSink,
    requests: Requests,
}

impl RuntimeHostAccess for Data {
    fn runtime_host(&mut self) -> RuntimeHostView<'_> {
        RuntimeHostView { log: &self.log, stream: &mut self.stream, requests: &mut self.requests }
    }
}

struct Guest {
    guest: CoreGuest<Data>,
    counters: Arc<OutboundCounters>,
}

impl Guest {
    /// A guest that may reach this machine.
    async fn new() -> Self {
        Self::allowed(&["127.0.0.1"], 1 << 20).await
    }

    async fn allowed(hosts: &[&str], body_limit_bytes: u64) -> Self {
        let client = Arc::new(OutboundClient::new(None, 1000).unwrap());
        let allow = Arc::new(AllowList::parse(hosts.iter().copied()).unwrap());
        let counters = Arc::<OutboundCounters>::default();
        let outbound = OutboundHttp::new(client, allow, Arc::clone(&counters));
        let requests = Requests::new(outbound, body_limit_bytes);
        let data = Data { log: Records::default(), stream: StreamSink::default(), requests };
        Self { guest: CoreGuest::new("lamina", FUNCTIONS, data, add_to_linker).await, counters }
    }

    async fn call(&mut self, name: &str, arguments: &[i64]) -> i32 {
        self.guest.call(name, arguments).await.unwrap()
    }

    async fn with_bytes(&mut self, name: &str, bytes: &[u8]) -> i32 {
        self.guest.put(IN, bytes);
        self.call(name, &[i64::from(IN), bytes.len() as i64]).await
    }

    async fn start(&mut self, head: &serde_json::Value, body: &[u8]) -> i32 {
        let head = head.to_string();
        let frame = [&(head.len() as u32).to_le_bytes()[..], head.as_bytes(), body].concat();
        self.with_bytes("http_start", &frame).await
    }

    async fn get(&mut self, port: u16, path: &str) -> i32 {
        self.start(&serde_json::json!({"method": "GET", "url": format!("http://127.0.0.1:{port}{path}")}), b"").await
    }

    async fn head(&mut self, handle: i32) -> serde_json::Value {
        let length = self.call("http_head", &[handle.into(), OUT.into(), 60_000]).await;
        serde_json::from_slice(&self.guest.get(OUT, usize::try_from(length).unwrap())).unwrap()
    }

    /// The rest of a body, read in pieces of at most `cap` bytes.
    async fn body(&mut self, handle: i32, cap: u32) -> Result<Vec<u8>, i32> {
        let mut body = Vec::new();
        loop {
            match self.call("http_body", &[handle.into(), OUT.into(), cap.into()]).await {
                0 => return Ok(body),
                got if got < 0 => return Err(got),
                got => body.extend(self.guest.get(OUT, got as usize)),
            }
        }
    }

    async fn wait(&mut self, handles: &[i32], timeout_ms: i32) -> i32 {
        let bytes: Vec<u8> = handles.iter().flat_map(|handle| handle.to_le_bytes()).collect();
        self.guest.put(IN, &bytes);
        self.call("http_wait", &[IN.into(), handles.len() as i64, timeout_ms.into()]).await
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A server on this machine that handles each connection with `serve`. Answers its port.
async fn server<F: Future<Output = ()> + Send + 'static>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    port
}

/// A server that tells the guest what came: the head without its first line's end, and the body.
async fn echo() -> u16 {
    server(|mut stream| async move {
        let head = read_head(&mut stream).await;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let answer = [head.as_bytes(), &body].concat();
        let start = format!("HTTP/1.1 201 Made\r\nx-a: 1\r\nx-a: \u{e9}\r\ncontent-length: {}\r\n\r\n", answer.len());
        // Header values are Latin-1 on the wire.
        let start: Vec<u8> = start.chars().map(|c| c as u8).collect();
        stream.write_all(&[&start[..], &answer].concat()).await.unwrap();
    })
    .await
}

/// A server that answers with `start` and then nothing more, and keeps the connection.
async fn silent(start: impl Into<String>) -> u16 {
    let start: Arc<str> = start.into().into();
    server(move |mut stream| {
        let start = Arc::clone(&start);
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(start.as_bytes()).await;
            std::future::pending::<()>().await;
        }
    })
    .await
}

#[tokio::test]
async fn records_reach_the_log_whole() {
    let mut guest = Guest::new().await;
    guest.with_bytes("log", b"a\nb\n").await;
    guest.with_bytes("log", b"").await;
    assert_eq!(*guest.guest.store.data().log.0.lock(), [b"a\nb\n".to_vec(), Vec::new()]);
}

#[tokio::test]
async fn a_response_is_streamed_in_pieces_up_to_its_limit() {
    let mut guest = Guest::new().await;
    assert_eq!(guest.with_bytes("stream_begin", b"text/plain").await, CLOSED, "no invocation");
    assert_eq!(guest.with_bytes("stream_write", b"a").await, CLOSED);
    guest.guest.store.data_mut().stream = StreamSink::gather(100_000);
    assert_eq!(guest.with_bytes("stream_begin", b"a\nb").await, INVALID);
    assert_eq!(guest.with_bytes("stream_begin", b"\xff").await, INVALID);
    assert_eq!(guest.call("stream_begin", &[0, 9000]).await, LIMIT);
    assert_eq!(guest.with_bytes("stream_begin", b"text/plain").await, 0);
    assert_eq!(guest.with_bytes("stream_begin", b"text/plain").await, INVALID, "begun");
    let piece: Vec<u8> = (0..70_000u32).map(|n| n as u8).collect();
    assert_eq!(guest.with_bytes("stream_write", &piece).await, 0);
    assert_eq!(guest.call("stream_write", &[0, 0]).await, 0);
    let error = guest.guest.call("stream_write", &[0, 70_000]).await.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&StreamTooLarge { limit_bytes: 100_000 }));
    let stream = std::mem::take(&mut guest.guest.store.data_mut().stream);
    let gathered = stream.into_gathered().unwrap();
    assert_eq!((gathered.content_type.as_str(), &gathered.bytes[..70_000]), ("text/plain", &piece[..]));
}

#[tokio::test]
async fn a_request_goes_out_as_said_and_its_response_comes_back() {
    let port = echo().await;
    let mut guest = Guest::new().await;
    let head = serde_json::json!({
        "method": "POST",
        "url": format!("http://127.0.0.1:{port}/p?q=1"),
        "headers": [["X-One", "1"], ["x-one", "\u{e9}"], ["Transfer-Encoding", "chunked"], ["Host", "evil.test"]],
        "timeoutMs": 60_000,
    });
    let handle = guest.start(&head, b"body").await;
    assert!(handle >= 1);
    let length = guest.call("http_head", &[handle.into(), OUT.into(), 3]).await;
    assert_eq!((length > 3, guest.guest.get(OUT, 4)), (true, b"{\"s\0".to_vec()), "as much as fits");
    let told = guest.head(handle).await;
    let expected = serde_json::json!([["x-a", "1"], ["x-a", "\u{e9}"], ["content-length", told["headers"][2][1]]]);
    assert_eq!((&told["status"], &told["headers"]), (&201.into(), &expected));
    let body = String::from_utf8_lossy(&guest.body(handle, 7).await.unwrap()).into_owned();
    let seen: Vec<&str> = body.split("\r\n").collect();
    let host = format!("host: 127.0.0.1:{port}");
    assert_eq!(seen, ["POST /p?q=1 HTTP/1.1", &host, "x-one: 1", "x-one: \u{fffd}", "content-length: 4", "", "body"]);
    assert_eq!(guest.body(handle, 7).await, Ok(Vec::new()), "the end stays");
    assert_eq!(guest.guest.store.data().requests.open(), 1);
    guest.call("http_close", &[handle.into()]).await;
    assert_eq!(guest.guest.store.data().requests.open(), 0);
    for call in ["http_head", "http_body"] {
        assert_eq!(guest.call(call, &[handle.into(), OUT.into(), 10]).await, INVALID);
    }
    assert_eq!(guest.counters.allowed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn failures_have_their_kind() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let quiet = silent("").await;
    let garbage = silent("nonsense\r\n\r\n").await;
    let large = silent(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(100_000))).await;
    let closing = server(|stream| async move { drop(stream) }).await;
    let mut guest = Guest::allowed(&["127.0.0.1", "nowhere.invalid"], 1 << 20).await;
    for (url, kind) in [
        ("http://127.0.0.2/".to_owned(), "denied"),
        ("http://localhost/".to_owned(), "denied"),
        ("http://169.254.169.254/".to_owned(), "denied"),
        ("http://nowhere.invalid/".to_owned(), "dns"),
        (format!("http://127.0.0.1:{free}/"), "connect"),
        (format!("http://127.0.0.1:{closing}/"), "connect"),
        (format!("http://127.0.0.1:{quiet}/"), "timeout"),
        (format!("http://127.0.0.1:{garbage}/"), "protocol"),
        (format!("http://127.0.0.1:{large}/"), "too-large"),
        ("ftp://127.0.0.1/".to_owned(), "protocol"),
    ] {
        let handle = guest.start(&serde_json::json!({"method": "GET", "url": url, "timeoutMs": 1000}), b"").await;
        assert_eq!(guest.wait(&[handle], -1).await, 0);
        assert_eq!(guest.head(handle).await["error"]["kind"], kind, "{url}");
        assert_eq!(guest.body(handle, 10).await, Err(CLOSED));
        guest.call("http_close", &[handle.into()]).await;
    }
    assert_eq!(guest.counters.denied.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_body_that_breaks_off_says_so_after_what_came() {
    let port = server(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await;
    })
    .await;
    let mut guest = Guest::new().await;
    let handle = guest.get(port, "/").await;
    assert_eq!(guest.call("http_body", &[handle.into(), OUT.into(), 10]).await, 3);
    assert_eq!(guest.call("http_body", &[handle.into(), OUT.into(), 10]).await, CLOSED);
}

#[tokio::test]
async fn waiting_tells_which_and_no_longer_than_asked() {
    let (fast, slow) = (echo().await, silent("HTTP/1.1 200 OK\r\n\r\n").await);
    let mute = silent("").await;
    let mut guest = Guest::new().await;
    let began = Instant::now();
    assert_eq!(guest.wait(&[], 30).await, TIMED_OUT);
    assert!(began.elapsed() >= Duration::from_millis(30));
    let (fast, slow, mute) = (guest.get(fast, "/").await, guest.get(slow, "/").await, guest.get(mute, "/").await);
    assert_eq!(guest.wait(&[mute, fast], -1).await, 1);
    assert_eq!(guest.wait(&[mute, slow], -1).await, 1);
    assert_eq!(guest.wait(&[mute], 0).await, TIMED_OUT);
    guest.head(slow).await;
    // Its head is taken and there is no more of it.
    assert_eq!(guest.wait(&[mute, slow], 20).await, TIMED_OUT);
    guest.head(fast).await;
    assert_eq!(guest.wait(&[mute, slow, fast], -1).await, 2);
    assert!(!guest.body(fast, 1000).await.unwrap().is_empty());
    assert_eq!(guest.wait(&[fast], -1).await, 0, "the end is something to read");
    assert_eq!(guest.wait(&[fast, 99], -1).await, INVALID);
    assert_eq!(guest.wait(&[], -1).await, INVALID);
    assert_eq!(guest.call("http_wait", &[0, 1025, 0]).await, LIMIT);
}

#[tokio::test]
async fn requests_run_at_once_and_only_so_many() {
    let port = silent("").await;
    let mut guest = Guest::allowed(&["127.0.0.1"], 100).await;
    let url = format!("http://127.0.0.1:{port}/");
    let post = serde_json::json!({"method": "POST", "url": url});
    assert_eq!(guest.start(&post, &[0; 101]).await, LIMIT);
    let first = guest.start(&post, &[0; 60]).await;
    assert!(first >= 1);
    assert_eq!(guest.start(&post, &[0; 60]).await, LIMIT, "bodies under way count together");
    guest.call("http_close", &[first.into()]).await;
    assert!(guest.start(&post, &[0; 60]).await > first, "handles are not used again at once");
    for _ in 1..MAX_REQUESTS {
        assert!(guest.get(port, "/").await > 0);
    }
    assert_eq!(guest.get(port, "/").await, LIMIT);
}

#[tokio::test]
async fn a_guest_that_does_not_read_holds_the_server_back_and_its_end_ends_requests() {
    let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (ended, mut end) = tokio::sync::mpsc::unbounded_channel();
    let count = Arc::clone(&sent);
    let port = server(move |mut stream| {
        let (count, ended) = (Arc::clone(&count), ended.clone());
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[b'x'; 65536]).await.is_ok() {
                count.fetch_add(65536, Ordering::Relaxed);
            }
            let _ = ended.send(());
        }
    })
    .await;
    let mut guest = Guest::new().await;
    let handle = guest.get(port, "/").await;
    assert_eq!(guest.head(handle).await["status"], 200);
    let mut before = usize::MAX;
    while before != sent.load(Ordering::Relaxed) {
        before = sent.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What the kernel's buffers hold, and a few pieces.
    assert!(before < 32 << 20, "{before}");
    assert!(guest.call("http_body", &[handle.into(), OUT.into(), 1000]).await > 0);
    assert!(end.try_recv().is_err());
    drop(guest);
    tokio::time::timeout(Duration::from_secs(10), end.recv()).await.unwrap();
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let mut guest = Guest::new().await;
    for frame in [&b""[..], b"abc", b"\x01\0\0\0", b"\xff\xff\0\0{}", b"\x02\0\0\0{}", b"\0\0\0\0"] {
        assert_eq!(guest.with_bytes("http_start", frame).await, INVALID, "{frame:?}");
    }
    assert_eq!(guest.with_bytes("http_start", b"\xff\xff\xff\xff{}").await, LIMIT);
    for url in ["", "/x", "127.0.0.1", "http://", "http://a b/"] {
        let head = serde_json::json!({"method": "GET", "url": url});
        let started = guest.start(&head, b"").await;
        // What has no scheme is told as a failure, what has no host is none.
        assert!(started == INVALID || guest.head(started).await["error"]["kind"] == "protocol", "{url}");
    }
    guest.call("http_close", &[-1]).await;
    let handle = guest.start(&serde_json::json!({"method": "GET", "url": "http://127.0.0.2/"}), b"").await;
    assert_eq!(guest.call("http_body", &[handle.into(), OUT.into(), 0]).await, INVALID);
}

#[tokio::test]
async fn pointers_out_of_memory_end_the_guest() {
    let mut guest = Guest::new().await;
    let handle = i64::from(guest.start(&serde_json::json!({"method": "GET", "url": "http://127.0.0.2/"}), b"").await);
    let end = i64::from(MEMORY_BYTES);
    for (call, arguments) in [
        ("log", &[end - 1, 2][..]),
        ("log", &[-1, 1]),
        ("log", &[0, -1]),
        ("stream_begin", &[end, 1]),
        ("stream_write", &[end - 65536, 65537]),
        ("stream_write", &[1, -1]),
        ("http_start", &[end - 3, 4]),
        ("http_wait", &[end - 3, 1, 0]),
        ("http_head", &[handle, end - 3, 4]),
        ("http_body", &[handle, 1, -1]),
    ] {
        let before = guest.guest.memory();
        let error = guest.guest.call(call, arguments).await.unwrap_err();
        assert!(error.is::<crate::sandbox::calls::memory::OutOfBounds>(), "{call} {arguments:?}: {error:?}");
        assert!(guest.guest.memory() == before);
    }
    assert!(guest.guest.store.data().log.0.lock().is_empty());
}
