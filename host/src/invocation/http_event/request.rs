//! Request to event, and event to request.

use super::json::Json;
use super::{
    API_ID, Caller, HttpEventError, RouteContext, STAGE, Scalar, body_bytes, body_text, first_byte, joined, text,
};
use crate::invocation::Body;
use bytes::Bytes;
use http::header::{COOKIE, HOST, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Uri, Version};
use http_body_util::{BodyExt, Full};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use std::cell::RefCell;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The payload-2.0 event of a request whose body is `body`, as JSON.
///
/// `rawPath` is the path as received, still percent-encoded; query and path parameters are decoded. `cookies`,
/// `queryStringParameters`, `pathParameters` and `body` are left out where the request has none, as API Gateway does.
/// Of a function URL, `accountId` is the caller's, or `anonymous`, and `apiId` and `domainName` are the URL's
/// (<https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>). A body is text where its content type says so (`text/*`, JSON, XML, JavaScript) and it is UTF-8; otherwise base64.
pub fn request_event(
    request: &http::request::Parts,
    body: &[u8],
    route: &RouteContext,
    request_id: Uuid,
    account_id: &str,
) -> Bytes {
    let host = request.uri.host().or_else(|| {
        let host = request.headers.get(HOST)?.to_str().ok()?;
        Some(host_without_port(host))
    });
    let domain_name = route.url.as_ref().map(|url| url.domain_name.as_str()).or(host).unwrap_or_default();
    let caller = route.url.as_ref().and_then(|url| url.caller.as_ref());
    let (account_id, api_id) = match &route.url {
        None => (account_id, API_ID),
        Some(url) => (caller.map_or("anonymous", |caller| caller.account_id.as_str()), url.url_id.as_str()),
    };
    let path = request.uri.path();
    let (body, is_base64_encoded) = match body {
        [] => (None, false),
        body => {
            let (text, is_base64) = body_text(&request.headers, body);
            (Some(text), is_base64)
        }
    };
    let query = request.uri.query().unwrap_or_default();
    let user_agent = request.headers.get(USER_AGENT).map(|value| text(value.as_bytes())).unwrap_or_default();

    let mut json = Json::with_capacity(TYPICAL_BYTES.saturating_add(body.as_ref().map_or(0, |body| body.len())));
    json.raw(r#"{"version":"2.0","routeKey":"#);
    json.text(&route.route_key);
    json.raw(r#","rawPath":"#);
    json.text(path);
    json.raw(r#","rawQueryString":"#);
    json.text(query);
    let cookies = cookies(&request.headers);
    if !cookies.is_empty() {
        json.raw(r#","cookies":"#);
        json.array(cookies.iter());
    }
    json.raw(r#","headers":"#);
    json.object(joined(&request.headers, &COOKIE));
    let parameters = query_parameters(query);
    if !parameters.is_empty() {
        json.raw(r#","queryStringParameters":"#);
        json.object(parameters.iter());
    }
    json.raw(r#","requestContext":{"accountId":"#);
    json.text(account_id);
    json.raw(r#","apiId":"#);
    json.text(api_id);
    if let Some(caller) = caller {
        authorizer(&mut json, caller);
    }
    json.raw(r#","domainName":"#);
    json.text(domain_name);
    json.raw(r#","domainPrefix":"#);
    json.text(domain_name.split('.').next().unwrap_or_default());
    json.raw(r#","http":{"method":"#);
    json.text(request.method.as_str());
    json.raw(r#","path":"#);
    json.text(path);
    json.raw(r#","protocol":"#);
    json.text(protocol(request.version));
    json.raw(r#","sourceIp":"#);
    json.text(&route.source_ip);
    json.raw(r#","userAgent":"#);
    json.text(&user_agent);
    json.raw(r#"},"requestId":"#);
    json.text(request_id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    json.raw(r#","routeKey":"#);
    json.text(&route.route_key);
    json.raw(r#","stage":"#);
    json.text(STAGE);
    json.raw(r#","time":"#);
    common_log_time(route.received_ms, |time| json.text(time));
    json.raw(r#","timeEpoch":"#);
    json.number(route.received_ms);
    json.raw("}");
    if let Some(body) = &body {
        json.raw(r#","body":"#);
        json.text(body);
    }
    if !route.path_parameters.is_empty() {
        json.raw(r#","pathParameters":"#);
        json.object(route.path_parameters.iter());
    }
    json.raw(r#","isBase64Encoded":"#);
    json.raw(if is_base64_encoded { "true}" } else { "false}" });
    Bytes::from(json.into_bytes())
}

/// Who signed the request, as function URLs tell it.
fn authorizer(json: &mut Json, caller: &Caller) {
    let Caller { access_key, account_id, caller_id, user_arn } = caller;
    json.raw(r#","authorizer":{"iam":{"accessKey":"#);
    json.text(access_key);
    json.raw(r#","accountId":"#);
    json.text(account_id);
    json.raw(r#","callerId":"#);
    json.text(caller_id);
    json.raw(r#","cognitoIdentity":null,"principalOrgId":null,"userArn":"#);
    json.text(user_arn);
    json.raw(r#","userId":"#);
    json.text(caller_id);
    json.raw("}}");
}

/// What the event of a request without a body comes to, or more: it is written without being moved as it grows.
const TYPICAL_BYTES: usize = 1536;

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// Hands out `12/Mar/2020:19:03:58 +0000`; the epoch's where `ms` is no time. Each thread keeps the second it wrote last.
fn common_log_time(ms: i64, take: impl FnOnce(&str)) {
    thread_local! {
        static LAST: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    let second = ms.div_euclid(1_000);
    LAST.with_borrow_mut(|(of, text)| {
        if *of != second {
            let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            *text = time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
            *of = second;
        }
        take(text);
    });
}

/// `host` of `host:port`; the brackets of an IPv6 address stay.
fn host_without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty() => {
            if name.starts_with('[') == name.ends_with(']') { name } else { host }
        }
        _ => host,
    }
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|value| {
            let text = text(value.as_bytes());
            text.split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>()
        })
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

/// Decoded names and values; several values of a name are joined with commas.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::<String, String>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = form_decoded(value);
        parameters
            .entry(form_decoded(name))
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert(value);
    }
    parameters
}

fn form_decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// What [`event_request`] reads; everything else an event may hold has no place in a request.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct IncomingEvent {
    version: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    cookies: Option<Vec<String>>,
    headers: Option<BTreeMap<String, Option<Scalar>>>,
    query_string_parameters: Option<BTreeMap<String, Option<Scalar>>>,
    request_context: Option<IncomingContext>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct IncomingContext {
    domain_name: Option<String>,
    http: Option<IncomingHttp>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct IncomingHttp {
    method: Option<String>,
    path: Option<String>,
}

/// What a path may not hold unencoded. `%` may: what follows it is the caller's.
const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'{').add(b'}');
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b',');

/// The request that a payload-2.0 event describes.
///
/// Every member is optional: `{}`, and no event at all, are `GET / HTTP/1.1` to `localhost`. `rawQueryString` wins over
/// `queryStringParameters`, `cookies` over a `cookie` header. The URI is absolute, with scheme `http` and the authority from
/// the `host` header, else from `requestContext.domainName`. Refused: what is not an object, an event of another
/// `version`, and values that HTTP does not allow.
pub fn event_request(event: &[u8]) -> Result<Request<Body>, HttpEventError> {
    let invalid = HttpEventError::InvalidEvent;
    let event: IncomingEvent = match first_byte(event) {
        None => IncomingEvent::default(),
        Some(b'{') => serde_json::from_slice(event).map_err(|error| invalid(error.to_string()))?,
        Some(_) => return Err(invalid("the event is not a JSON object".to_owned())),
    };
    if let Some(version) = event.version.as_deref().filter(|version| *version != "2.0") {
        return Err(invalid(format!("version is {version:?}, not \"2.0\"")));
    }
    let context = event.request_context.unwrap_or_default();
    let http = context.http.unwrap_or_default();

    let method = match http.method {
        None => Method::GET,
        Some(text) => Method::from_bytes(text.as_bytes()).map_err(|_| invalid(format!("method {text:?}")))?,
    };

    let mut headers = HeaderMap::new();
    super::read_headers(event.headers.unwrap_or_default(), &mut headers).map_err(invalid)?;
    if let Some(cookies) = event.cookies.filter(|cookies| !cookies.is_empty()) {
        let value = HeaderValue::try_from(cookies.join("; ")).map_err(|_| invalid("cookies".to_owned()))?;
        headers.insert(COOKIE, value);
    }

    let authority = match headers.get(HOST) {
        Some(host) => host.to_str().map_err(|_| invalid("host header".to_owned()))?.to_owned(),
        None => context.domain_name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned()),
    };
    let path = event.raw_path.or(http.path).filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned());
    if !path.starts_with('/') {
        return Err(invalid(format!("rawPath {path:?} does not begin with a slash")));
    }
    let mut path_and_query = utf8_percent_encode(&path, PATH).to_string();
    let query = match event.raw_query_string.filter(|query| !query.is_empty()) {
        Some(raw) => utf8_percent_encode(&raw, QUERY).to_string(),
        None => query_string(&event.query_string_parameters.unwrap_or_default()),
    };
    if !query.is_empty() {
        path_and_query.push('?');
        path_and_query.push_str(&query);
    }
    let uri = Uri::builder()
        .scheme("http")
        .authority(authority.as_str())
        .path_and_query(path_and_query)
        .build()
        .map_err(|error| invalid(format!("host {authority:?} and path {path:?}: {error}")))?;
    if !headers.contains_key(HOST) {
        let value = HeaderValue::try_from(authority).map_err(|_| invalid("domainName".to_owned()))?;
        headers.insert(HOST, value);
    }

    let body = body_bytes(event.body, event.is_base64_encoded.unwrap_or(false))
        .map_err(|error| invalid(format!("body is not base64: {error}")))?;
    // The body is here in full, whatever the original request's framing was.
    headers.remove(http::header::TRANSFER_ENCODING);
    headers.remove(http::header::CONTENT_LENGTH);
    if !body.is_empty() {
        headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }

    let mut request = Request::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    Ok(request)
}

fn query_string(parameters: &BTreeMap<String, Option<Scalar>>) -> String {
    let pairs: Vec<_> = parameters
        .iter()
        .map(|(name, value)| {
            let value = value.as_ref().map(Scalar::to_string).unwrap_or_default();
            format!("{}={}", utf8_percent_encode(name, QUERY_VALUE), utf8_percent_encode(&value, QUERY_VALUE))
        })
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
    use super::*;
    use serde_json::{Value, json};

    fn parts(request: http::request::Builder) -> http::request::Parts {
        request.body(()).unwrap().into_parts().0
    }

    fn event_of(request: http::request::Builder, body: &[u8], route: &RouteContext) -> Value {
        let event = request_event(&parts(request), body, route, Uuid::nil(), "000000000000");
        serde_json::from_slice(&event).unwrap()
    }

    #[test]
    fn a_request_becomes_the_event_of_the_aws_page() {
        let route = RouteContext {
            route_key: "POST /my/{parameter1}".into(),
            path_parameters: [("parameter1".to_owned(), "path".to_owned())].into(),
            source_ip: "192.0.2.7".into(),
            received_ms: 1_583_348_638_390,
            url: None,
        };
        let request = Request::post("/my/path?parameter1=value1&parameter1=value2&parameter2=a+b%26&flag")
            .header("Host", "id.execute-api.us-east-1.amazonaws.com:8080")
            .header("Header1", "value1")
            .header("HEADER2", "value1")
            .header("header2", "value2")
            .header("cookie", "cookie1; cookie2=x")
            .header("cookie", "cookie3")
            .header("content-type", "Application/JSON; charset=utf-8")
            .header("user-agent", "agent");
        let event = event_of(request, b"{\"a\":1}", &route);
        let expected = json!({
            "version": "2.0",
            "routeKey": "POST /my/{parameter1}",
            "rawPath": "/my/path",
            "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=a+b%26&flag",
            "cookies": ["cookie1", "cookie2=x", "cookie3"],
            "headers": {
                "content-type": "Application/JSON; charset=utf-8",
                "header1": "value1",
                "header2": "value1,value2",
                "host": "id.execute-api.us-east-1.amazonaws.com:8080",
                "user-agent": "agent",
            },
            "queryStringParameters": {"flag": "", "parameter1": "value1,value2", "parameter2": "a b&"},
            "requestContext": {
                "accountId": "000000000000",
                "apiId": "lamina",
                "domainName": "id.execute-api.us-east-1.amazonaws.com",
                "domainPrefix": "id",
                "http": {
                    "method": "POST",
                    "path": "/my/path",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.7",
                    "userAgent": "agent",
                },
                "requestId": "00000000-0000-0000-0000-000000000000",
                "routeKey": "POST /my/{parameter1}",
                "stage": "$default",
                "time": "04/Mar/2020:19:03:58 +0000",
                "timeEpoch": 1_583_348_638_390_i64,
            },
            "body": "{\"a\":1}",
            "pathParameters": {"parameter1": "path"},
            "isBase64Encoded": false,
        });
        assert_eq!(event, expected);
    }

    #[test]
    fn what_is_absent_is_left_out_and_what_is_not_text_is_base64() {
        let event = event_of(Request::get("/"), b"", &RouteContext::default());
        for member in ["cookies", "queryStringParameters", "pathParameters", "body"] {
            assert!(event.get(member).is_none(), "{member}");
        }
        assert_eq!(event["rawQueryString"], "");
        for (content_type, body, text) in [
            ("text/plain", &b"h\xc3\xa9"[..], true),
            ("text/plain", b"\xff\xfe", false),
            ("application/x-www-form-urlencoded", b"a=1", false),
            ("application/problem+json", b"{}", true),
            ("image/svg+xml", b"<svg/>", true),
            ("image/png", b"abc", false),
        ] {
            let event = event_of(Request::post("/").header("content-type", content_type), body, &Default::default());
            assert_eq!(event["isBase64Encoded"], !text, "{content_type}");
        }
        assert_eq!(event_of(Request::post("/"), b"\x00\x01", &RouteContext::default())["body"], "AAE=");
        let encoded = Request::post("/").header("content-type", "text/plain").header("content-encoding", "gzip");
        assert_eq!(event_of(encoded, b"abc", &RouteContext::default())["isBase64Encoded"], true);
    }

    #[test]
    fn the_domain_is_the_host_without_its_port() {
        for (host, domain) in [("a.b:80", "a.b"), ("a.b", "a.b"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("", "")] {
            let event = event_of(Request::get("/").header("host", host), b"", &RouteContext::default());
            assert_eq!(event["requestContext"]["domainName"], domain, "{host}");
        }
        let absolute = event_of(Request::get("http://x.y:9/z"), b"", &RouteContext::default());
        assert_eq!(absolute["requestContext"]["domainPrefix"], "x");
        assert_eq!(absolute["rawPath"], "/z");
    }

    async fn read(event: Value) -> (http::request::Parts, Bytes) {
        let (parts, body) = event_request(event.to_string().as_bytes()).unwrap().into_parts();
        (parts, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn an_event_without_members_is_get_slash() {
        for event in [&b""[..], b"  ", b"{}", b"{\"key1\":\"value1\",\"version\":null,\"headers\":null}"] {
            let (parts, body) = event_request(event).unwrap().into_parts();
            assert_eq!(parts.method, Method::GET);
            assert_eq!(parts.uri, "http://localhost/");
            assert_eq!(parts.headers["host"], "localhost");
            assert!(body.collect().await.unwrap().to_bytes().is_empty());
        }
    }

    #[tokio::test]
    async fn a_request_survives_the_way_through_an_event() {
        let request = Request::put("http://api.test:81/a%20b/c?x=1&x=2&y=%26")
            .header("host", "api.test:81")
            .header("cookie", "a=1; b=2")
            .header("content-type", "image/png");
        let event = event_of(request, b"\x89PNG", &RouteContext::default());
        let (parts, body) = read(event).await;
        assert_eq!(parts.method, Method::PUT);
        assert_eq!(parts.uri, "http://api.test:81/a%20b/c?x=1&x=2&y=%26");
        assert_eq!(parts.headers["cookie"], "a=1; b=2");
        assert_eq!(parts.headers["content-length"], "4");
        assert_eq!(&body[..], b"\x89PNG");
    }

    #[tokio::test]
    async fn parts_of_an_event_are_enough() {
        let (parts, body) = read(json!({
            "rawPath": "/p q/ü{}",
            "queryStringParameters": {"a b": "1,2", "n": 5, "c": "&="},
            "headers": {"X-Number": 7, "x-flag": true, "x-none": null, "transfer-encoding": "chunked"},
            "requestContext": {"domainName": "d.test", "http": {"method": "PATCH", "path": "/ignored"}},
            "body": "text",
        }))
        .await;
        assert_eq!(parts.uri, "http://d.test/p%20q/%C3%BC%7B%7D?a%20b=1,2&c=%26%3D&n=5");
        assert_eq!(parts.headers["x-number"], "7");
        assert_eq!(parts.headers["x-flag"], "true");
        assert!(!parts.headers.contains_key("x-none") && !parts.headers.contains_key("transfer-encoding"));
        assert_eq!(&body[..], b"text");
    }

    #[test]
    fn what_is_not_an_http_event_is_refused() {
        for (event, fault) in [
            ("[]", "not a JSON object"),
            ("\"x\"", "not a JSON object"),
            ("{", "EOF"),
            ("{\"version\":\"1.0\"}", "version"),
            ("{\"rawPath\":\"x\"}", "slash"),
            ("{\"headers\":{\"a b\":\"x\"}}", "header name"),
            ("{\"headers\":{\"a\":\"x\\n\"}}", "value of header"),
            ("{\"headers\":{\"a\":{}}}", "untagged"),
            ("{\"headers\":{\"host\":\"a b\"}}", "host"),
            ("{\"cookies\":[\"\\r\\n\"]}", "cookies"),
            ("{\"requestContext\":{\"http\":{\"method\":\"G T\"}}}", "method"),
            ("{\"body\":\"?\",\"isBase64Encoded\":true}", "base64"),
        ] {
            match event_request(event.as_bytes()) {
                Err(HttpEventError::InvalidEvent(text)) => assert!(text.contains(fault), "{event}: {text}"),
                other => panic!("{event}: {:?}", other.map(|_| ())),
            }
        }
    }
}
