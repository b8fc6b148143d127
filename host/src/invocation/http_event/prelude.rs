//! Streamed responses over HTTP: the head that a stream begins with.
//!
//! A stream of the content type [`HTTP_INTEGRATION`] begins with a JSON object of `statusCode`, `headers` and `cookies` and eight zero
//! bytes; the body follows
//! (<https://docs.aws.amazon.com/lambda/latest/dg/config-rs-write-functions.html>). Bound: [`MAX_PRELUDE_BYTES`].

use super::{Headers, HttpEventError, Scalar, read_headers, set_cookies};
use crate::invocation::{Body, BodyError};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue, SET_COOKIE};
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The content type of a stream that begins with a head.
pub const HTTP_INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";

/// The largest head of a stream, its zero bytes included.
pub const MAX_PRELUDE_BYTES: usize = 128 * 1024;

const SEPARATOR: [u8; 8] = [0; 8];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prelude {
    #[serde(default)]
    status_code: Option<u16>,
    #[serde(default)]
    headers: Option<BTreeMap<String, Option<Scalar>>>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
}

/// The head of a response as a stream begins with it.
pub fn response_prelude(parts: &http::response::Parts) -> Result<Bytes, HttpEventError> {
    let cookies = set_cookies(&parts.headers);
    let mut prelude = serde_json::json!({
        "statusCode": parts.status.as_u16(),
        "headers": Headers { map: &parts.headers, skip: &SET_COOKIE },
    });
    if let (false, Some(members)) = (cookies.is_empty(), prelude.as_object_mut()) {
        members.insert("cookies".to_owned(), cookies.into());
    }
    let mut bytes = serde_json::to_vec(&prelude)?;
    bytes.extend_from_slice(&SEPARATOR);
    Ok(bytes.into())
}

/// The response that a stream, gathered to its end, stands for.
pub fn streamed_response(content_type: &str, bytes: Bytes) -> Result<Response<Body>, HttpEventError> {
    let whole = |bytes| Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
    if !is_integration(content_type) {
        return Ok(plain(content_type, whole(bytes)));
    }
    let at = separator(&bytes, 0).ok_or_else(no_separator)?;
    let body = bytes.slice(at.saturating_add(SEPARATOR.len())..);
    Ok(read_prelude(bytes.get(..at).unwrap_or_default())?.map(|()| whole(body)))
}

/// The response that a stream begins. Waits for its head where it has one.
pub async fn streaming_response(content_type: &str, mut body: Body) -> Result<Response<Body>, StreamError> {
    if !is_integration(content_type) {
        return Ok(plain(content_type, body));
    }
    let mut seen = BytesMut::new();
    let at = loop {
        let Some(frame) = body.frame().await else { return Err(no_separator().into()) };
        let Ok(piece) = frame.map_err(StreamError::Broken)?.into_data() else { continue };
        // The separator may be cut in two.
        let from = seen.len().saturating_sub(SEPARATOR.len().saturating_sub(1));
        seen.extend_from_slice(&piece);
        match separator(&seen, from) {
            Some(at) if at <= MAX_PRELUDE_BYTES => break at,
            None if seen.len() <= MAX_PRELUDE_BYTES => {}
            _ => {
                let fault = format!("the prelude is larger than {MAX_PRELUDE_BYTES} bytes");
                return Err(HttpEventError::InvalidResponse(fault).into());
            }
        }
    };
    let seen = seen.freeze();
    let head = read_prelude(seen.get(..at).unwrap_or_default())?;
    let first = seen.slice(at.saturating_add(SEPARATOR.len())..);
    Ok(head.map(|()| after(first, body)))
}

/// Why a stream gives no response. The function's fault either way.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Its head is not what it must be.
    #[error(transparent)]
    Invalid(#[from] HttpEventError),
    /// It ended in an error before its head was there.
    #[error("the stream broke off: {0}")]
    Broken(BodyError),
}

fn is_integration(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(HTTP_INTEGRATION)
}

fn plain(content_type: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    if let Ok(value) = HeaderValue::try_from(content_type) {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response
}

fn no_separator() -> HttpEventError {
    HttpEventError::InvalidResponse("the stream ended before the eight zero bytes that end its prelude".to_owned())
}

fn separator(bytes: &[u8], from: usize) -> Option<usize> {
    let found = bytes.get(from..)?.windows(SEPARATOR.len()).position(|window| *window == SEPARATOR)?;
    found.checked_add(from)
}

fn read_prelude(json: &[u8]) -> Result<Response<()>, HttpEventError> {
    let invalid = HttpEventError::InvalidResponse;
    let prelude: Prelude = serde_json::from_slice(json).map_err(|error| invalid(format!("the prelude: {error}")))?;
    let code = prelude.status_code.unwrap_or(200);
    let status = Some(code)
        .filter(|code| (200..=599).contains(code))
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| invalid(format!("statusCode {code} is not between 200 and 599")))?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    read_headers(prelude.headers.unwrap_or_default(), response.headers_mut()).map_err(invalid)?;
    for cookie in prelude.cookies.unwrap_or_default() {
        let value =
            HeaderValue::try_from(cookie).map_err(|_| invalid("a cookie that is no header value".to_owned()))?;
        response.headers_mut().append(SET_COOKIE, value);
    }
    if !response.headers().contains_key(CONTENT_TYPE) {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(response)
}

/// `first`, then `body`.
fn after(first: Bytes, body: Body) -> Body {
    use futures_util::StreamExt as _;
    let head = (!first.is_empty()).then(|| Ok(Frame::data(first)));
    let rest = http_body_util::BodyStream::new(body);
    StreamBody::new(futures_util::stream::iter(head).chain(rest)).boxed_unsync()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::collect;
    use super::*;

    fn body(pieces: &[&'static [u8]]) -> Body {
        let frames: Vec<_> = pieces.iter().map(|piece| Ok(Frame::data(Bytes::from_static(piece)))).collect();
        StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
    }

    #[tokio::test]
    async fn a_prelude_is_read_wherever_it_is_cut() {
        let whole: &'static [u8] =
            b"{\"statusCode\":201,\"headers\":{\"x-a\":\"1\"},\"cookies\":[\"a=1\",\"b=2\"]}\0\0\0\0\0\0\0\0\0body";
        for cut in 0..whole.len() {
            let (one, two) = whole.split_at(cut);
            let response = streaming_response(HTTP_INTEGRATION, body(&[one, two])).await.unwrap();
            assert_eq!(response.status(), 201);
            assert_eq!(response.headers()["x-a"], "1");
            assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 2);
            assert_eq!(collect(response.into_body(), 100).await.unwrap(), "\0body");
        }
        let response = streamed_response(HTTP_INTEGRATION, Bytes::from_static(whole)).unwrap();
        assert_eq!(collect(response.into_body(), 100).await.unwrap(), "\0body");
    }

    #[tokio::test]
    async fn a_prelude_that_is_none_is_refused() {
        for pieces in [&[b"{}" as &[u8]][..], &[b"no\0\0\0\0\0\0\0\0"], &[b"{\"statusCode\":99}\0\0\0\0\0\0\0\0"], &[]]
        {
            assert!(streaming_response(HTTP_INTEGRATION, body(pieces)).await.is_err());
        }
        let long: Bytes = vec![b' '; MAX_PRELUDE_BYTES + 1].into();
        let error =
            streaming_response(HTTP_INTEGRATION, Full::new(long).map_err(|never| match never {}).boxed_unsync());
        assert!(error.await.unwrap_err().to_string().contains("larger"));
    }

    #[tokio::test]
    async fn another_content_type_is_the_response_s() {
        let response = streaming_response("text/event-stream", body(&[b"a", b"b"])).await.unwrap();
        assert_eq!(
            (response.status(), &response.headers()[CONTENT_TYPE]),
            (StatusCode::OK, &HeaderValue::from_static("text/event-stream"))
        );
        assert_eq!(collect(response.into_body(), 100).await.unwrap(), "ab");
    }

    #[tokio::test]
    async fn a_head_survives_the_way_through_a_prelude() {
        let response =
            Response::builder().status(418).header("set-cookie", "a=1").header("set-cookie", "b=2").header("x-a", "é");
        let parts = response.body(()).unwrap().into_parts().0;
        let prelude = response_prelude(&parts).unwrap();
        let read = streamed_response(HTTP_INTEGRATION, prelude).unwrap();
        assert_eq!(read.status(), 418);
        assert_eq!(read.headers().get_all(SET_COOKIE).iter().count(), 2);
    }
}
