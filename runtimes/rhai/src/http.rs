//! Requests through the host, which decides where they may go: `http_get(url)`, `http_get(url, headers)` and `http_send(request)`.

use crate::host::Exchange;
use crate::library::error;
use rhai::{Dynamic, Engine, EvalAltResult, Map};
use serde::{Deserialize, Serialize};

/// What failed requests throw.
const ERROR_TYPE: &str = "HttpError";

/// The head of a request, for the host.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestHead {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<i64>,
}

/// The head of a response, or why there is none.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ResponseHead {
    Error {
        kind: String,
        message: String,
    },
    #[serde(untagged)]
    Response {
        status: i64,
        headers: Vec<(String, String)>,
    },
}

/// Adds the functions to an engine.
pub(crate) fn register(engine: &mut Engine) {
    engine.register_fn("http_get", |url: &str| get(url, Map::new()));
    engine.register_fn("http_get", get);
    engine.register_fn("http_send", send);
}

fn get(url: &str, headers: Map) -> Result<Map, Box<EvalAltResult>> {
    send(Map::from_iter([("url".into(), url.into()), ("headers".into(), headers.into())]))
}

/// Sends `#{url, method, headers, body, timeout_ms}`, of which only the URL has to be there, and answers `#{status, headers, body}`: the
/// names of headers in lower case, the body as a string where it is UTF-8 and else as a blob.
fn send(mut request: Map) -> Result<Map, Box<EvalAltResult>> {
    let body = match request.remove("body") {
        None => Vec::new(),
        Some(body) => match body.as_blob_ref() {
            Ok(blob) => blob.to_vec(),
            Err(_) if body.is_unit() => Vec::new(),
            Err(_) if body.is_string() => body.to_string().into_bytes(),
            Err(other) => return Err(invalid(format!("body is of type {other}, not a string or a blob"))),
        },
    };
    let head = head(request)?;
    let head = serde_json::to_vec(&head).map_err(|error| invalid(error.to_string()))?;
    let length = u32::try_from(head.len()).map_err(|_| refused(-3))?;
    let frame = [&length.to_le_bytes(), head.as_slice(), &body].concat();
    let exchange = Exchange::start(&frame).map_err(refused)?;
    let head = exchange.head().map_err(refused)?;
    match serde_json::from_slice(&head).map_err(|error| invalid(error.to_string()))? {
        ResponseHead::Error { kind, message } => Err(error(ERROR_TYPE, format!("{kind}: {message}"))),
        ResponseHead::Response { status, headers } => {
            let body = exchange.body().map_err(|_| invalid("the response broke off".to_owned()))?;
            Ok(Map::from_iter([
                ("status".into(), status.into()),
                ("headers".into(), joined(headers).into()),
                (
                    "body".into(),
                    String::from_utf8(body).map_or_else(|error| Dynamic::from_blob(error.into_bytes()), Dynamic::from),
                ),
            ]))
        }
    }
}

fn head(request: Map) -> Result<RequestHead, Box<EvalAltResult>> {
    let mut head = RequestHead { method: "GET".to_owned(), url: String::new(), headers: Vec::new(), timeout_ms: None };
    for (name, value) in request {
        match name.as_str() {
            "url" if value.is_string() => head.url = value.to_string(),
            "method" if value.is_string() => head.method = value.to_string(),
            "timeout_ms" => {
                head.timeout_ms = Some(value.as_int().map_err(|_| invalid("timeout_ms is no integer".to_owned()))?)
            }
            "headers" => {
                let headers = value.try_cast::<Map>().ok_or_else(|| invalid("headers are no map".to_owned()))?;
                head.headers = headers.into_iter().map(|(name, value)| (name.into(), value.to_string())).collect();
            }
            _ => return Err(invalid(format!("{name} is not understood"))),
        }
    }
    Ok(head)
}

/// Headers by name; of a name that comes several times, all values with commas between them.
fn joined(headers: Vec<(String, String)>) -> Map {
    let mut map = Map::new();
    for (name, value) in headers {
        let value = match map.get(name.as_str()) {
            Some(before) => format!("{before}, {value}"),
            None => value,
        };
        map.insert(name.into(), value.into());
    }
    map
}

fn invalid(message: String) -> Box<EvalAltResult> {
    error(ERROR_TYPE, message)
}

/// A request that the host did not take, by the contract's numbers.
fn refused(number: i32) -> Box<EvalAltResult> {
    invalid(match number {
        -1 => "this is no valid request".to_owned(),
        -2 => "the invocation has ended".to_owned(),
        -3 => "the request is past a limit".to_owned(),
        -4 => "requests are not allowed".to_owned(),
        number => format!("the host refused with {number}"),
    })
}
