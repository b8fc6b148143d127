//! The floor of `cargo xtask bench`'s comparison over HTTP: hyper, and an answer that is there before the request.
//!
//! Runtime, allocator and socket options are the daemon's, and the answer has as many bytes, in the same fields, as the daemon's
//! for `hello` behind a route. There is no routing, no id that is made, no clock read but hyper's for `Date`, no limit.
//!
//! `lamina-hyper-floor [address]` listens on 127.0.0.1, on a free port where no address is given, and says where.
#![allow(clippy::print_stdout, reason = "where it listens is what it prints")]

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderName, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BODY: &[u8] = br#"{"message":"Hello, world!","request_id":"00000000-0000-4000-8000-000000000000"}"#;

/// What the daemon adds to an answer of a route, but for `content-length` and `date`, which are hyper's.
const FIELDS: [(&str, &str); 3] = [
    ("x-amzn-trace-id", "Root=1-00000000-000000000000000000000000"),
    ("x-amzn-requestid", "00000000-0000-4000-8000-000000000000"),
    ("apigw-requestid", "00000000-0000-4000-8000-000000000000"),
];

fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads")?;
    runtime.block_on(serve(&address))
}

async fn serve(address: &str) -> Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    println!("hyper: http http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let answered = service_fn(|_request| async { Ok::<_, Infallible>(answer()) });
            // A client that goes away ends its connection and nothing else.
            let _ =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answered).await;
        });
    }
}

fn answer() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(BODY)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in FIELDS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
