//! The heads of requests and responses, which cross the border as JSON. Header values are Latin-1: a character a byte.

use super::Refusal;
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// The longest head of a request, as JSON.
pub(super) const MAX_HEAD_BYTES: u32 = 256 * 1024;

/// The most header fields of a request, as of a response.
const MAX_HEADERS: usize = 256;

/// What is the connection's and not the guest's to say. The host makes the body's length and the authority's name itself.
const CONNECTION_HEADERS: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[derive(Deserialize)]
struct RequestHead {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(rename = "timeoutMs", default)]
    timeout_ms: Option<u64>,
}

/// A request with `body`, from its head; with the guest's limit to each wait, if it has one.
pub(super) fn request(head: &[u8], body: Bytes) -> Result<(Request<WasiBody>, RequestOptions), Refusal> {
    let head: RequestHead = serde_json::from_slice(head).map_err(|_| Refusal::Invalid)?;
    if head.headers.len() > MAX_HEADERS {
        return Err(Refusal::Limit);
    }
    let method = Method::from_bytes(head.method.as_bytes()).map_err(|_| Refusal::Invalid)?;
    let uri: Uri = head.url.parse().map_err(|_| Refusal::Invalid)?;
    let authority = uri.authority().ok_or(Refusal::Invalid)?;
    let mut headers = HeaderMap::with_capacity(head.headers.len().saturating_add(1));
    headers.insert(header::HOST, host(&uri, authority)?);
    for (name, value) in &head.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Refusal::Invalid)?;
        let value = latin1(value).and_then(|value| HeaderValue::from_bytes(&value).ok()).ok_or(Refusal::Invalid)?;
        if name == header::HOST && is_same_host(&uri, authority, &value) {
            // A signature may cover the name as the guest writes it.
            headers.insert(name, value);
        } else if !CONNECTION_HEADERS.contains(&name.as_str()) {
            headers.append(name, value);
        }
    }
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    let limit = head.timeout_ms.map(Duration::from_millis);
    let options = RequestOptions { connect_timeout: limit, first_byte_timeout: limit, between_bytes_timeout: limit };
    Ok((request, options))
}

/// The name of the authority, without a port that the scheme has anyway.
fn host(uri: &Uri, authority: &Authority) -> Result<HeaderValue, Refusal> {
    let host = match authority.port_u16() {
        Some(port) if Some(port) != default_port(uri) => format!("{}:{port}", authority.host()),
        _ => authority.host().to_owned(),
    };
    HeaderValue::try_from(host).map_err(|_| Refusal::Invalid)
}

fn is_same_host(uri: &Uri, authority: &Authority, value: &HeaderValue) -> bool {
    let Ok(named) = Authority::try_from(value.as_bytes()) else { return false };
    let port = |authority: &Authority| authority.port_u16().or_else(|| default_port(uri));
    !named.as_str().contains('@')
        && named.host().eq_ignore_ascii_case(authority.host())
        && port(&named) == port(authority)
}

fn default_port(uri: &Uri) -> Option<u16> {
    let scheme = uri.scheme()?;
    if *scheme == Scheme::HTTPS {
        Some(443)
    } else if *scheme == Scheme::HTTP {
        Some(80)
    } else {
        None
    }
}

fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect()
}

#[derive(Serialize)]
struct ResponseHead<'a> {
    status: u16,
    headers: Vec<(&'a str, String)>,
}

#[derive(Serialize)]
struct Failed<'a> {
    error: Failure<'a>,
}

#[derive(Serialize)]
struct Failure<'a> {
    kind: &'a str,
    message: String,
}

/// The head of a response, for the guest.
pub(super) fn response(response: &Response<WasiBody>) -> Bytes {
    let latin1 = |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
    let headers = response.headers().iter().map(|(name, value)| (name.as_str(), latin1(value))).collect();
    json(&ResponseHead { status: response.status().as_u16(), headers })
}

/// What stands in a head's place when there is no response.
pub(super) fn failure(error: &Error) -> Bytes {
    json(&Failed { error: Failure { kind: kind(error), message: error.to_string() } })
}

fn json(value: &impl Serialize) -> Bytes {
    // Strings and numbers cannot fail to be JSON.
    serde_json::to_vec(value).unwrap_or_default().into()
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::HttpRequestDenied | Error::DestinationIpProhibited => "denied",
        Error::DnsTimeout | Error::DnsError { .. } => "dns",
        Error::Connect(_)
        | Error::DestinationNotFound
        | Error::DestinationUnavailable
        | Error::DestinationIpUnroutable
        | Error::ConnectionRefused
        | Error::ConnectionTerminated
        | Error::ConnectionLimitReached
        // The connection ended before there was a response.
        | Error::HttpResponseIncomplete => "connect",
        Error::Tls(_) | Error::TlsProtocolError | Error::TlsCertificateError | Error::TlsAlertReceived { .. } => "tls",
        Error::ConnectionTimeout
        | Error::ConnectionReadTimeout
        | Error::ConnectionWriteTimeout
        | Error::HttpResponseTimeout => "timeout",
        Error::HttpRequestBodySize(_)
        | Error::HttpRequestUriTooLong
        | Error::HttpRequestHeaderSectionSize(_)
        | Error::HttpRequestHeaderSize { .. }
        | Error::HttpResponseHeaderSectionSize(_)
        | Error::HttpResponseHeaderSize { .. }
        | Error::HttpResponseBodySize(_) => "too-large",
        _ => "protocol",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(head: &str) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
        let (request, _) = request(head.as_bytes(), Bytes::new())?;
        Ok(request.headers().iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect())
    }

    #[test]
    fn the_host_is_the_urls_and_the_connection_is_not_the_guests() {
        let host = |url: &str, own: &str| {
            let head = serde_json::json!({"method": "GET", "url": url, "headers": [["Host", own]]});
            String::from_utf8(headers(&head.to_string()).unwrap().remove(0).1).unwrap()
        };
        assert_eq!(host("http://a.test/", "other.test"), "a.test");
        assert_eq!(host("http://a.test:80/", ""), "a.test");
        assert_eq!(host("https://a.test:443/", "A.test"), "A.test");
        assert_eq!(host("https://a.test:80/", "a.test"), "a.test:80");
        assert_eq!(host("http://a.test:8080/", "a.test:8080"), "a.test:8080");
        assert_eq!(host("http://a.test/", "x@a.test"), "a.test");
        assert_eq!(host("http://[::1]:80/", "[::1]"), "[::1]");

        let head = r#"{"method":"POST","url":"http://a.test/","headers":[["X-A","\u00e9"],["Connection","close"],
            ["Content-Length","5"],["Transfer-Encoding","chunked"],["x-a","2"]],"timeoutMs":null}"#;
        let expected = [("host", &b"a.test"[..]), ("x-a", b"\xe9"), ("x-a", b"2")];
        assert_eq!(headers(head).unwrap(), expected.map(|(n, v)| (n.to_owned(), v.to_vec())));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for head in [
            "",
            "[]",
            "{}",
            r#"{"method":"GET"}"#,
            r#"{"method":"G T","url":"http://a.test/"}"#,
            r#"{"method":"","url":"http://a.test/"}"#,
            r#"{"method":"GET","url":"/path"}"#,
            r#"{"method":"GET","url":"http://a b/"}"#,
            r#"{"method":"GET","url":"http://a.test/","headers":[["a b","c"]]}"#,
            r#"{"method":"GET","url":"http://a.test/","headers":[["a","b\r\nc: d"]]}"#,
            r#"{"method":"GET","url":"http://a.test/","headers":[["a","\u0100"]]}"#,
            r#"{"method":"GET","url":"http://a.test/","headers":[["a"]]}"#,
            r#"{"method":"GET","url":"http://a.test/","timeoutMs":-1}"#,
        ] {
            assert_eq!(headers(head), Err(Refusal::Invalid), "{head}");
        }
        let many: Vec<_> = (0..=MAX_HEADERS).map(|n| [format!("x-{n}"), String::new()]).collect();
        let head = serde_json::json!({"method": "GET", "url": "http://a.test/", "headers": many});
        assert_eq!(headers(&head.to_string()), Err(Refusal::Limit));
    }

    #[test]
    fn a_response_is_told_byte_for_byte() {
        let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
        let mut told = Response::new(body);
        told.headers_mut().append("set-cookie", HeaderValue::from_bytes(b"a=\xe9").unwrap());
        told.headers_mut().append("set-cookie", HeaderValue::from_static("b"));
        let expected = r#"{"status":200,"headers":[["set-cookie","a=é"],["set-cookie","b"]]}"#;
        assert_eq!(response(&told), expected);
        let failed = failure(&Error::HttpRequestDenied);
        assert!(failed.starts_with(br#"{"error":{"kind":"denied","message":""#), "{failed:?}");
    }
}
