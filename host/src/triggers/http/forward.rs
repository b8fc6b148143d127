//! Which requests pass, and which headers, in either direction. Pure functions.

use super::Config;
use crate::invocation::lineage::new_root;
use crate::listener::Peer;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, StatusCode, Uri, Version};
use std::net::SocketAddr;
use std::sync::Arc;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// AWS X-Ray's trace header.
pub(crate) const X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// Headers that concern one connection only (RFC 9110, section 7.6.1), with those in use before it.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Headers that a request gets at most, here and for an HTTP function's context: added one by one, they would move the others twice.
const HEADERS_ADDED: usize = 11;

/// Why a request is not for any function, as a status and a text for the client.
pub(super) type Refusal = (StatusCode, &'static str);

/// Checks what every request has to hold before it is routed, and answers its host, where it names one.
pub(super) fn admit(parts: &Parts, config: &Config) -> Result<Option<Authority>, Refusal> {
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        return Err((StatusCode::NOT_IMPLEMENTED, "Not Implemented"));
    }
    // Other upgrades may be ignored (RFC 9110, section 7.8), and clients that offer `h2c` expect that. A client that asks for
    // a web socket cannot go on without one.
    let wants_socket = |value: &HeaderValue| value.as_bytes().to_ascii_lowercase().starts_with(b"websocket");
    if parts.headers.get_all(header::UPGRADE).iter().any(wants_socket) {
        return Err((StatusCode::NOT_IMPLEMENTED, "Upgrades are not supported"));
    }
    if parts.uri.path_and_query().is_some_and(|uri| uri.as_str().len() > config.max_uri_bytes) {
        return Err((StatusCode::URI_TOO_LONG, "URI Too Long"));
    }
    let bad_request = (StatusCode::BAD_REQUEST, "Bad Request");
    if !parts.uri.path().starts_with('/') {
        return Err(bad_request);
    }
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(bad_request),
        (host, None) => host,
    };
    let host = match (parts.uri.authority(), host) {
        (Some(authority), Some(host)) if host.to_str().is_ok() => Some(authority.clone()),
        (_, Some(host)) if host.is_empty() => None,
        (None, Some(host)) => Some(Authority::try_from(host.as_bytes()).map_err(|_| bad_request)?),
        (Some(_), Some(_)) => return Err(bad_request),
        (_, None) if parts.version == Version::HTTP_11 => return Err(bad_request),
        (authority, None) => authority.cloned(),
    };
    // User information has no place in a request's target, and would move the host.
    if host.as_ref().is_some_and(|host| host.as_str().contains('@')) {
        return Err(bad_request);
    }
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > config.max_body_bytes) {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"));
    }
    Ok(host)
}

/// Makes of a request's head what the function gets: an absolute URI, no hop-by-hop headers, the forwarding headers and a
/// trace id. Answers the client's address and the trace id.
pub(super) fn to_function(
    parts: &mut Parts,
    host: Option<Authority>,
    peer: &Peer,
    config: &Config,
    now_ms: i64,
) -> (Arc<str>, HeaderValue) {
    remove_hop_by_hop(&mut parts.headers);
    parts.headers.reserve(HEADERS_ADDED);
    // The body is on its way: whoever reads it has made the client send it.
    parts.headers.remove(header::EXPECT);

    // Without the zone that a link-local address may have: no authority has one.
    let local = || SocketAddr::new(peer.local.ip(), peer.local.port()).to_string();
    let authority = host.or_else(|| local().parse().ok());
    let received = parts.headers.get(header::HOST);
    let host = match (&authority, received) {
        (Some(authority), Some(host)) if authority.as_str().as_bytes() == host.as_bytes() => Some(host.clone()),
        (Some(authority), _) => HeaderValue::from_str(authority.as_str()).ok(),
        (None, _) => None,
    };
    if let (Some(host), None) = (&host, received) {
        parts.headers.insert(header::HOST, host.clone());
    }
    let scheme = if peer.is_private { Scheme::HTTPS } else { Scheme::HTTP };
    let proto = if peer.is_private { "https" } else { "http" };
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    uri.scheme = Some(scheme);
    uri.authority = authority;
    uri.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    parts.uri = Uri::from_parts(uri).unwrap_or_default();

    let (source_ip, chain) = forwarded_for(&parts.headers, peer, config.trust_forwarded_headers);
    let mut forwarded = |name: HeaderName, value: Option<HeaderValue>| {
        let keep = config.trust_forwarded_headers && name != X_FORWARDED_FOR && parts.headers.contains_key(&name);
        if let (Some(value), false) = (value, keep) {
            parts.headers.insert(name, value);
        }
    };
    forwarded(X_FORWARDED_FOR, chain);
    forwarded(X_FORWARDED_PROTO, Some(HeaderValue::from_static(proto)));
    forwarded(X_FORWARDED_HOST, host);
    forwarded(X_FORWARDED_PORT, Some(HeaderValue::from(peer.local.port())));

    let trace_id = match parts.headers.get(X_AMZN_TRACE_ID) {
        Some(value) if value.len() <= MAX_TRACE_ID_BYTES && value.to_str().is_ok() => value.clone(),
        _ => HeaderValue::try_from(new_root(now_ms)).unwrap_or(HeaderValue::from_static("Root=1-0-0")),
    };
    parts.headers.insert(X_AMZN_TRACE_ID, trace_id.clone());
    (source_ip, trace_id)
}

/// The client's address, and who it came through, as the function is told.
fn forwarded_for(headers: &HeaderMap, peer: &Peer, trusted: bool) -> (Arc<str>, Option<HeaderValue>) {
    if !headers.contains_key(X_FORWARDED_FOR) {
        return (Arc::clone(&peer.remote_ip), HeaderValue::from_str(&peer.remote_ip).ok());
    }
    let known: Vec<_> =
        headers.get_all(X_FORWARDED_FOR).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let known = known.join(", ");
    let last_known = known.rsplit(',').next().map(str::trim).unwrap_or_default();
    let source_ip = match last_known.parse::<std::net::IpAddr>() {
        Ok(address) if trusted => address.to_string().into(),
        _ => Arc::clone(&peer.remote_ip),
    };
    let between = if known.is_empty() { "" } else { ", " };
    (source_ip, HeaderValue::try_from(format!("{known}{between}{}", peer.remote_ip)).ok())
}

/// Puts `path` (as received) in the place of the request's; the query stays.
pub(super) fn set_path(parts: &mut Parts, path: &str) {
    let target = match parts.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    // A part of a target that was parsed is one itself.
    uri.path_and_query = target.parse().ok();
    parts.uri = Uri::from_parts(uri).unwrap_or_default();
}

/// A longer trace header is replaced: it would be carried through every log line.
const MAX_TRACE_ID_BYTES: usize = 512;

/// Removes the headers that end at this hop, and those that `connection` names.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .filter(|name| !matches!(*name, header::HOST | header::CONTENT_LENGTH))
        .collect();
    // Requests have few headers, and mostly none of these.
    let present: Vec<HeaderName> =
        headers.keys().filter(|name| HOP_BY_HOP.contains(name) || named.contains(name)).cloned().collect();
    for name in present {
        headers.remove(name);
    }
}

/// Whether a response to `method` with `status` has no body on the wire (RFC 9110, section 6.4.1).
pub(super) fn is_bodiless(method: &Method, status: StatusCode) -> bool {
    *method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Makes `content-length` of a function's response true. `buffered_bytes` is the body's size where it is known.
pub(super) fn fix_content_length(
    headers: &mut HeaderMap,
    method: &Method,
    status: StatusCode,
    buffered_bytes: Option<usize>,
) {
    let mut claims = headers.get_all(header::CONTENT_LENGTH).iter();
    let claimed = match (claims.next(), claims.next()) {
        (Some(value), None) => value.to_str().ok().and_then(|text| text.parse::<u64>().ok()),
        _ => None,
    };
    headers.remove(header::CONTENT_LENGTH);
    let length = match buffered_bytes {
        _ if status == StatusCode::NO_CONTENT => None,
        // What a GET would have had: the function may know it without making the body.
        Some(0) | None if is_bodiless(method, status) => claimed,
        Some(bytes) => u64::try_from(bytes).ok(),
        None => claimed,
    };
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use http::Request;

    fn parts(request: http::request::Builder) -> Parts {
        request.body(()).unwrap().into_parts().0
    }

    fn peer() -> Peer {
        Peer::new("192.0.2.1:5000".parse().unwrap(), "127.0.0.1:8080".parse().unwrap(), false)
    }

    #[test]
    fn requests_that_cannot_be_served_are_refused() {
        let config = Config { max_uri_bytes: 20, max_body_bytes: 10, ..Config::default() };
        let get = |uri: &str| Request::get(uri).header("host", "h");
        for (request, expected) in [
            (get("/"), None),
            (get("/").header("upgrade", "h2c"), None),
            (Request::get("/").version(Version::HTTP_10), None),
            (Request::get("http://h/").version(Version::HTTP_2), None),
            (get("/").header("content-length", "10"), None),
            (get("/").header("upgrade", "WebSocket"), Some(501)),
            (Request::builder().method("TRACE").uri("/").header("host", "h"), Some(501)),
            (Request::builder().method("CONNECT").uri("h:80").header("host", "h"), Some(501)),
            (get("/aaaaaaaaaaaaaaaaaaaaaaaa"), Some(414)),
            (Request::get("/"), Some(400)),
            (get("/").header("host", "h"), Some(400)),
            (Request::get("/").header("host", "a b"), Some(400)),
            (Request::get("/").header("host", "u@h"), Some(400)),
            (Request::get("/").header("host", "h/x"), Some(400)),
            (Request::options("*").header("host", "h"), Some(400)),
            (get("/").header("content-length", "11"), Some(413)),
        ] {
            let parts = parts(request);
            let refused = admit(&parts, &config).err().map(|(status, _)| status.as_u16());
            assert_eq!(refused, expected, "{parts:?}");
        }
    }

    #[test]
    fn a_function_gets_no_hop_by_hop_headers_and_learns_where_the_request_came_from() {
        let mut head = parts(
            Request::get("/a?b=c")
                .header("host", "h.test")
                .header("connection", "keep-alive, X-Private, host")
                .header("x-private", "1")
                .header("upgrade", "h2c")
                .header("http2-settings", "AAA")
                .header("te", "trailers")
                .header("x-forwarded-for", "203.0.113.9")
                .header("x-forwarded-proto", "https")
                .header("x-kept", "1"),
        );
        let (source_ip, trace_id) =
            to_function(&mut head, Some("h.test".parse().unwrap()), &peer(), &Config::default(), 1_700_000_000_000);
        assert_eq!(&*source_ip, "192.0.2.1");
        assert_eq!(head.uri, "http://h.test/a?b=c");
        assert!(trace_id.to_str().unwrap().starts_with("Root=1-6553f100-"), "{trace_id:?}");
        assert_eq!(trace_id.len(), "Root=1-6553f100-".len() + 24);
        for (name, value) in [
            ("host", Some("h.test")),
            ("connection", None),
            ("x-private", None),
            ("upgrade", None),
            ("http2-settings", None),
            ("te", None),
            ("x-kept", Some("1")),
            ("x-forwarded-for", Some("203.0.113.9, 192.0.2.1")),
            ("x-forwarded-proto", Some("http")),
            ("x-forwarded-host", Some("h.test")),
            ("x-forwarded-port", Some("8080")),
        ] {
            assert_eq!(head.headers.get(name).map(|value| value.to_str().unwrap()), value, "{name}");
        }
    }

    #[test]
    fn a_request_without_a_host_is_to_the_address_it_came_to() {
        for (local, expected) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080/a?b"),
            ("[::1]:8080", "http://[::1]:8080/a?b"),
            ("[fe80::1%2]:8080", "http://[fe80::1]:8080/a?b"),
        ] {
            let mut head = parts(Request::get("/a?b").version(Version::HTTP_10));
            let peer = Peer::new("192.0.2.1:5000".parse().unwrap(), local.parse().unwrap(), false);
            to_function(&mut head, None, &peer, &Config::default(), 0);
            assert_eq!(head.uri, expected);
            assert_eq!(head.headers["host"], head.uri.authority().unwrap().as_str());
        }
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_a_trace_id_is_kept() {
        let config = Config { trust_forwarded_headers: true, ..Config::default() };
        let mut head = parts(
            Request::get("http://h/")
                .header("x-forwarded-for", "10.0.0.1, 203.0.113.9")
                .header("x-forwarded-proto", "https")
                .header("x-amzn-trace-id", "Root=1-a-b"),
        );
        let (source_ip, trace_id) = to_function(&mut head, Some("h".parse().unwrap()), &peer(), &config, 0);
        assert_eq!((&*source_ip, trace_id.to_str().unwrap()), ("203.0.113.9", "Root=1-a-b"));
        assert_eq!(head.headers["x-forwarded-proto"], "https");
        assert_eq!(head.headers["host"], "h");
    }

    #[test]
    fn a_content_length_is_true_or_absent() {
        for (method, status, claimed, bytes, expected) in [
            (Method::GET, 200, Some("5"), Some(3), Some("3")),
            (Method::GET, 200, Some("5"), Some(0), Some("0")),
            (Method::GET, 200, Some("5"), None, Some("5")),
            (Method::GET, 200, Some("x"), None, None),
            (Method::HEAD, 200, Some("5"), Some(0), Some("5")),
            (Method::HEAD, 200, None, Some(3), Some("3")),
            (Method::HEAD, 200, None, None, None),
            (Method::GET, 204, Some("5"), Some(0), None),
            (Method::GET, 304, Some("5"), Some(0), Some("5")),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(claimed) = claimed {
                headers.insert(header::CONTENT_LENGTH, claimed.parse().unwrap());
            }
            fix_content_length(&mut headers, &method, StatusCode::from_u16(status).unwrap(), bytes);
            let found = headers.get(header::CONTENT_LENGTH).map(|value| value.to_str().unwrap());
            assert_eq!(found, expected, "{method} {status} {claimed:?} {bytes:?}");
        }
    }
}
