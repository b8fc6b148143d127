//! A function's answer to a response, and a response to an answer.

use super::{Headers, HttpEventError, Scalar, body_bytes, body_text, first_byte, read_headers, set_cookies};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, SET_COOKIE};
use http::{Response, StatusCode};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Tells a structured response from an inferred one.
#[derive(Deserialize)]
struct Probe {
    #[serde(rename = "statusCode", default)]
    status_code: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Structured {
    status_code: Scalar,
    #[serde(default)]
    headers: Option<BTreeMap<String, Option<Scalar>>>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

/// The content type of a structured response that names none, as API Gateway's HTTP APIs have it.
const DEFAULT_CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The HTTP response that an event function's answer stands for.
///
/// An object with a `statusCode` is a structured response: `headers` (null values are left out), a `set-cookie` header for
/// each of `cookies`, `body`, `isBase64Encoded`. Any other JSON is the body of a `200` with `application/json`, byte for byte.
/// Refused, for API Gateway's 502: what is not JSON, a status outside 200 to 599, a body that is no string or no base64,
/// headers that HTTP does not allow.
pub fn event_response(answer: Bytes) -> Result<Response<Bytes>, HttpEventError> {
    response(answer, DEFAULT_CONTENT_TYPE)
}

/// As [`event_response`], by the rules of function URLs: a structured response that names no content type is `application/json`
/// (<https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-response-payload>).
pub fn url_response(answer: Bytes) -> Result<Response<Bytes>, HttpEventError> {
    response(answer, HeaderValue::from_static("application/json"))
}

fn response(answer: Bytes, default_content_type: HeaderValue) -> Result<Response<Bytes>, HttpEventError> {
    let invalid = HttpEventError::InvalidResponse;
    // Members that are skipped are not looked into, but the whole goes out as JSON.
    std::str::from_utf8(&answer).map_err(|error| invalid(error.to_string()))?;
    let is_structured = match first_byte(&answer) {
        Some(b'{') => {
            let probe: Probe = serde_json::from_slice(&answer).map_err(|error| invalid(error.to_string()))?;
            probe.status_code.is_some()
        }
        _ => {
            let _: IgnoredAny = serde_json::from_slice(&answer).map_err(|error| invalid(error.to_string()))?;
            false
        }
    };
    if !is_structured {
        let mut response = Response::new(answer);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Ok(response);
    }

    let answer: Structured = serde_json::from_slice(&answer).map_err(|error| invalid(error.to_string()))?;
    let status = match &answer.status_code {
        Scalar::Number(number) => number.as_u64().and_then(|code| u16::try_from(code).ok()),
        Scalar::Text(text) => text.parse::<u16>().ok(),
        Scalar::Flag(_) => None,
    };
    let status = status
        .filter(|code| (200..=599).contains(code))
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| invalid(format!("statusCode {} is not between 200 and 599", answer.status_code)))?;
    let body = body_bytes(answer.body, answer.is_base64_encoded.unwrap_or(false))
        .map_err(|error| invalid(format!("body is not base64: {error}")))?;

    let has_body = !body.is_empty();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    read_headers(answer.headers.unwrap_or_default(), headers).map_err(invalid)?;
    for cookie in answer.cookies.unwrap_or_default() {
        let value = HeaderValue::try_from(&cookie).map_err(|_| invalid(format!("cookie {cookie:?}")))?;
        headers.append(SET_COOKIE, value);
    }
    if has_body && !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, default_content_type);
    }
    Ok(response)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    status_code: u16,
    headers: Headers<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<Cow<'a, str>>,
    body: Cow<'a, str>,
    is_base64_encoded: bool,
}

/// The payload-2.0 response of an HTTP function's response whose body is `body`, as JSON. Text where the content type
/// says so and it is UTF-8, otherwise base64. See [`super::collect`] for the body.
pub fn response_event(response: &http::response::Parts, body: &[u8]) -> Result<Bytes, HttpEventError> {
    let (body, is_base64_encoded) =
        if body.is_empty() { (Cow::Borrowed(""), false) } else { body_text(&response.headers, body) };
    let answer = Answer {
        status_code: response.status.as_u16(),
        headers: Headers { map: &response.headers, skip: &SET_COOKIE },
        cookies: set_cookies(&response.headers),
        body,
        is_base64_encoded,
    };
    Ok(Bytes::from(serde_json::to_vec(&answer)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
    use super::*;
    use serde_json::{Value, json};

    fn read(answer: &str) -> Response<Bytes> {
        event_response(Bytes::from(answer.to_owned())).unwrap_or_else(|error| panic!("{answer}: {error}"))
    }

    #[test]
    fn json_without_a_status_is_the_body() {
        for answer in
            ["\"Hello\"", "{ \"message\": \"Hello\" }", "[1]", "null", " 1", "{\"statusCode\":null}", "{\"body\":{}}"]
        {
            let response = read(answer);
            assert_eq!(response.status(), 200, "{answer}");
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!(response.body(), answer);
        }
    }

    #[test]
    fn a_structured_response_is_taken_at_its_word() {
        let response = read(
            r#"{"statusCode":201,"headers":{"X-A":"1","x-n":5,"x-none":null,"Content-Type":"image/png"},
                "cookies":["a=1; Path=/","b=2"],"body":"iVBORw==","isBase64Encoded":true,"other":[]}"#,
        );
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["x-a"], "1");
        assert_eq!(response.headers()["x-n"], "5");
        assert!(!response.headers().contains_key("x-none"));
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1; Path=/", "b=2"]);
        assert_eq!(response.headers().get_all("content-type").iter().count(), 1);
        assert_eq!(&response.body()[..], b"\x89PNG");

        let plain = read(r#"{"statusCode":"404","body":"no"}"#);
        assert_eq!(plain.status(), 404);
        assert_eq!(plain.headers()["content-type"], "text/plain; charset=utf-8");
        let empty = read(r#"{"statusCode":204}"#);
        assert!(empty.headers().is_empty() && empty.body().is_empty());
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for answer in [
            "",
            "hello",
            "{",
            "{} {}",
            r#"{"statusCode":99}"#,
            r#"{"statusCode":101}"#,
            r#"{"statusCode":1000}"#,
            r#"{"statusCode":-1}"#,
            r#"{"statusCode":200.5}"#,
            r#"{"statusCode":"ok"}"#,
            r#"{"statusCode":true}"#,
            r#"{"statusCode":{}}"#,
            r#"{"statusCode":200,"body":{}}"#,
            r#"{"statusCode":200,"body":"*","isBase64Encoded":true}"#,
            r#"{"statusCode":200,"headers":[]}"#,
            r#"{"statusCode":200,"headers":{"a b":"c"}}"#,
            r#"{"statusCode":200,"headers":{"a":"b\r\nc: d"}}"#,
            r#"{"statusCode":200,"cookies":["a\n"]}"#,
        ] {
            let result = event_response(Bytes::from(answer.to_owned()));
            assert!(matches!(result, Err(HttpEventError::InvalidResponse(_))), "{answer}");
        }
        assert!(event_response(Bytes::from_static(b"\"\xff\"")).is_err());
    }

    fn answer_of(response: http::response::Builder, body: &[u8]) -> Value {
        let parts = response.body(()).unwrap().into_parts().0;
        serde_json::from_slice(&response_event(&parts, body).unwrap()).unwrap()
    }

    #[test]
    fn a_response_becomes_an_answer() {
        let response = Response::builder()
            .status(202)
            .header("content-type", "text/html")
            .header("x-a", "1")
            .header("x-a", "2")
            .header("set-cookie", "a=1, b")
            .header("set-cookie", "c=2");
        assert_eq!(
            answer_of(response, b"<p>"),
            json!({
                "statusCode": 202,
                "headers": {"content-type": "text/html", "x-a": "1,2"},
                "cookies": ["a=1, b", "c=2"],
                "body": "<p>",
                "isBase64Encoded": false,
            })
        );
        assert_eq!(answer_of(Response::builder(), b"\x00")["isBase64Encoded"], true);
        assert_eq!(answer_of(Response::builder(), b"")["body"], "");
    }

    #[test]
    fn an_answer_survives_the_way_through_a_response() {
        let body = b"\x89PNG\x00";
        let event = answer_of(Response::builder().status(500).header("content-type", "image/png"), body);
        let response = event_response(Bytes::from(event.to_string())).unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(&response.body()[..], body);
    }
}
