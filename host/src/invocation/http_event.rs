//! Requests as payload-2.0 events and back, both ways.
//!
//! The shape is that of an API Gateway HTTP API's Lambda integration, payload format version 2.0
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>):
//!
//! - an event function behind a route gets [`request_event`] and answers what [`event_response`] reads;
//! - an HTTP function called through the `Invoke` API takes the same event ([`event_request`]) and answers through [`response_event`].
//!
//! Pure functions but for [`collect`], which waits for a body; time comes in as a number. Bounds: bodies are buffered up
//! to the limit the caller gives. What is not a payload-2.0 document is a typed error that names the fault.

mod json;
mod prelude;
mod request;
mod response;

pub use prelude::{
    HTTP_INTEGRATION, MAX_PRELUDE_BYTES, StreamError, response_prelude, streamed_response, streaming_response,
};
pub use request::{event_request, request_event};
pub use response::{event_response, response_event, url_response};

use super::{Body, BodyError};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName};
use http_body_util::BodyExt;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `requestContext.apiId`: all routes of a daemon are one API.
pub const API_ID: &str = "lamina";

/// `requestContext.stage`: there are no others.
pub const STAGE: &str = "$default";

/// What the HTTP trigger knows about a request beyond the request itself.
#[derive(Debug, Clone, Default)]
pub struct RouteContext {
    /// The route as configured: `GET /users/{id}`.
    pub route_key: Arc<str>,
    /// Values of the path's parameters, percent-decoded.
    pub path_parameters: BTreeMap<String, String>,
    /// The client's address.
    pub source_ip: Arc<str>,
    /// When the request arrived, in milliseconds since the Unix epoch.
    pub received_ms: i64,
    /// The function URL, where the request came to one.
    pub url: Option<UrlContext>,
}

/// What an event tells about a function URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlContext {
    /// Its id.
    pub url_id: String,
    /// Its host name.
    pub domain_name: String,
    /// Who signed the request; `None` where it is open to everybody.
    pub caller: Option<Caller>,
}

/// Who signed a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The key's id.
    pub access_key: String,
    /// Twelve digits.
    pub account_id: String,
    /// The principal's unique id.
    pub caller_id: String,
    /// The principal's ARN.
    pub user_arn: String,
}

/// A document that is not what payload 2.0 asks for.
#[derive(Debug, thiserror::Error)]
pub enum HttpEventError {
    /// The caller's fault: the event of an HTTP function is not a payload-2.0 event. Do not retry.
    #[error("not an HTTP event (payload format 2.0): {0}")]
    InvalidEvent(String),
    /// The function's fault: its answer is neither JSON nor a payload-2.0 response. Do not retry.
    #[error("not an HTTP response (payload format 2.0): {0}")]
    InvalidResponse(String),
    /// The platform's fault: the document could not be written.
    #[error("writing the document failed: {0}")]
    Encode(#[from] serde_json::Error),
}

/// A body that could not be buffered.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The sender's fault; do not retry.
    #[error("the body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The body ended in an error of its own.
    #[error("the body broke off: {0}")]
    Broken(BodyError),
}

/// Buffers a body of at most `limit_bytes`. Trailers are dropped: the event format has no place for them.
pub async fn collect(mut body: Body, limit_bytes: usize) -> Result<Bytes, CollectError> {
    // A body is mostly one chunk, and that one is passed on as it is.
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(CollectError::Broken)?.into_data() else { continue };
        let size_bytes = first.len().max(all.len()).saturating_add(chunk.len());
        if size_bytes > limit_bytes {
            return Err(CollectError::TooLarge { limit_bytes });
        }
        if first.is_empty() && all.is_empty() {
            first = chunk;
            continue;
        }
        all.extend_from_slice(&std::mem::take(&mut first));
        all.extend_from_slice(&chunk);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// Whether a body with these headers goes into a document as text, given that it is UTF-8. Everything else is base64.
fn is_textual(headers: &HeaderMap) -> bool {
    if headers.contains_key(http::header::CONTENT_ENCODING) {
        return false;
    }
    let Some(media_type) = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || matches!(essence.as_str(), "application/json" | "application/javascript" | "application/xml")
}

/// A body as a document's string, and whether that is base64.
fn body_text<'a>(headers: &HeaderMap, body: &'a [u8]) -> (Cow<'a, str>, bool) {
    use base64::Engine as _;
    match std::str::from_utf8(body) {
        Ok(text) if is_textual(headers) => (text.into(), false),
        _ => (base64::engine::general_purpose::STANDARD.encode(body).into(), true),
    }
}

/// The bytes of a document's body.
fn body_bytes(body: Option<String>, is_base64: bool) -> Result<Bytes, base64::DecodeError> {
    use base64::Engine as _;
    match body {
        None => Ok(Bytes::new()),
        Some(text) if is_base64 => base64::engine::general_purpose::STANDARD.decode(text).map(Bytes::from),
        Some(text) => Ok(Bytes::from(text)),
    }
}

/// Headers as a document has them: lower-case names, several values joined with commas, without those that `skip` names.
struct Headers<'a> {
    map: &'a HeaderMap,
    skip: &'a HeaderName,
}

impl serde::Serialize for Headers<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(joined(self.map, self.skip))
    }
}

/// Names and values of headers, several values of a name joined with commas, without those of the name to skip.
fn joined<'a>(map: &'a HeaderMap, skip: &'a HeaderName) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> {
    // The values of a name come one after the other.
    let mut all = map.iter().filter(move |(name, _)| *name != skip).peekable();
    std::iter::from_fn(move || {
        let (name, first) = all.next()?;
        let mut joined = text(first.as_bytes());
        while let Some((_, value)) = all.next_if(|(next, _)| *next == name) {
            joined = Cow::Owned(joined.into_owned() + "," + &text(value.as_bytes()));
        }
        Some((name.as_str(), joined))
    })
}

/// What a response's `set-cookie` headers say, which a document has apart from the others.
fn set_cookies(headers: &HeaderMap) -> Vec<Cow<'_, str>> {
    headers.get_all(http::header::SET_COOKIE).iter().map(|value| text(value.as_bytes())).collect()
}

/// A header's value as text.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// A header's value in a document: a string, or a number or boolean that stands for one.
#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(serde_json::Number),
    Flag(bool),
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

/// Adds a document's headers to `into`; `Err` names the one that HTTP does not allow.
fn read_headers(from: BTreeMap<String, Option<Scalar>>, into: &mut HeaderMap) -> Result<(), String> {
    for (name, value) in from {
        let Some(value) = value else { continue };
        let header = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("header name {name:?}"))?;
        let value = http::HeaderValue::try_from(value.to_string()).map_err(|_| format!("value of header {name:?}"))?;
        into.append(header, value);
    }
    Ok(())
}

/// The first byte of a JSON document that is not white space.
fn first_byte(json: &[u8]) -> Option<u8> {
    json.iter().copied().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use http_body::Frame;
    use http_body_util::StreamBody;

    fn body(chunks: &[&'static str]) -> Body {
        let frames: Vec<_> = chunks
            .iter()
            .map(|chunk| match *chunk {
                "!" => Err("broke off".into()),
                "trailers" => Ok(Frame::trailers(HeaderMap::new())),
                chunk => Ok(Frame::data(Bytes::from(chunk))),
            })
            .collect();
        StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync()
    }

    #[tokio::test]
    async fn a_body_is_collected_up_to_its_limit() {
        for chunks in [&["abcdef"][..], &["ab", "", "cd", "ef", "trailers"], &["", "abc", "def"]] {
            assert_eq!(collect(body(chunks), 6).await.unwrap(), "abcdef");
            let error = collect(body(chunks), 5).await.unwrap_err();
            assert!(matches!(error, CollectError::TooLarge { limit_bytes: 5 }), "{error}");
        }
        assert!(collect(body(&[]), 0).await.unwrap().is_empty());
        assert!(matches!(collect(body(&["a", "!"]), 9).await, Err(CollectError::Broken(_))));
    }
}
