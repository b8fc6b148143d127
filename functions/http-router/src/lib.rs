//! An HTTP function with several routes: text, JSON, the request's context, and streams both ways.

use std::{sync::OnceLock, time::SystemTime};

use http::{Method, Request, Response, StatusCode, header};
use lamina::{Body, Context, Error};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Lines `/count/N` writes at most.
const COUNT_MAX: u32 = 10_000;

/// When this execution environment started.
static STARTED: OnceLock<SystemTime> = OnceLock::new();

#[derive(Deserialize)]
struct Sum {
    numbers: Vec<f64>,
}

#[derive(Serialize)]
struct Total {
    sum: f64,
    count: usize,
}

#[lamina::init]
fn init() -> Result<(), Error> {
    STARTED.get_or_init(SystemTime::now);
    log::info!("routes are ready");
    Ok(())
}

#[lamina::http]
fn handle(request: Request<Body>, ctx: Context) -> Result<Response<Body>, Error> {
    let (head, body) = request.into_parts();
    let path: Vec<_> = head.uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
    log::info!("{} {}", head.method, head.uri.path());
    match (&head.method, path.as_slice()) {
        (&Method::GET, []) => {
            text(StatusCode::OK, "GET /context, GET /hello/NAME, GET /count/N, POST /sum, POST /echo\n")
        }
        (&Method::GET, ["hello", name]) => text(StatusCode::OK, format!("Hello, {name}!\n")),
        (&Method::GET, ["context"]) => context(&ctx),
        (&Method::GET, ["count", n]) => match n.parse() {
            Ok(n @ ..=COUNT_MAX) => count(n),
            _ => text(StatusCode::BAD_REQUEST, format!("a number up to {COUNT_MAX}, please\n")),
        },
        (&Method::POST, ["sum"]) => sum(body),
        (&Method::POST, ["echo"]) => echo(&head.headers, body),
        (&Method::GET, ["fail"]) => Err(Error::new("Router.Asked", "failed, as asked")),
        (_, [] | ["hello", _] | ["context" | "sum" | "echo" | "fail"] | ["count", _]) => {
            text(StatusCode::METHOD_NOT_ALLOWED, "not with this method\n")
        }
        _ => text(StatusCode::NOT_FOUND, "no such route\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Body>) -> Result<Response<Body>, Error> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "text/plain; charset=utf-8");
    Ok(response.body(body.into())?)
}

fn json(status: StatusCode, value: &impl Serialize) -> Result<Response<Body>, Error> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
    Ok(response.body(Body::from_json(value)?)?)
}

fn context(ctx: &Context) -> Result<Response<Body>, Error> {
    let up = STARTED.get().and_then(|started| started.elapsed().ok()).unwrap_or_default();
    json(
        StatusCode::OK,
        &json!({
            "requestId": ctx.request_id,
            "functionName": ctx.function_name,
            "functionVersion": ctx.function_version,
            "qualifier": ctx.qualifier,
            "memoryLimitMb": ctx.memory_limit_mb,
            "environmentAgeMs": u64::try_from(up.as_millis()).unwrap_or(u64::MAX),
        }),
    )
}

/// Adds up the numbers in a JSON body; what is not that is the client's mistake, not the function's.
fn sum(body: Body) -> Result<Response<Body>, Error> {
    match body.into_json::<Sum>() {
        Ok(Sum { numbers }) => json(StatusCode::OK, &Total { sum: numbers.iter().sum(), count: numbers.len() }),
        Err(error) => json(StatusCode::BAD_REQUEST, &json!({"error": error.message()})),
    }
}

/// Sends the body back as it arrives, under its own content type.
fn echo(headers: &http::HeaderMap, body: Body) -> Result<Response<Body>, Error> {
    let mut response = Response::new(body);
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    Ok(response)
}

/// Writes `n` lines, each sent before the next is made.
fn count(n: u32) -> Result<Response<Body>, Error> {
    text(
        StatusCode::OK,
        Body::stream(move |out| {
            for line in 1..=n {
                writeln!(out, "{line}")?;
                out.flush()?;
            }
            Ok(())
        }),
    )
}

#[cfg(test)]
mod tests {
    use lamina::testing;

    use super::*;

    fn call(method: Method, path: &str, body: &'static str) -> (StatusCode, String) {
        let request = Request::builder().method(method).uri(path).body(body).unwrap();
        let response = testing::request(handle, request).unwrap();
        (response.status(), String::from_utf8(response.body().to_vec()).unwrap())
    }

    #[test]
    fn routes_answer() {
        assert_eq!(call(Method::GET, "/hello/Ada", ""), (StatusCode::OK, "Hello, Ada!\n".to_owned()));
        assert_eq!(call(Method::POST, "/echo", "back"), (StatusCode::OK, "back".to_owned()));
        assert_eq!(call(Method::GET, "/count/3", ""), (StatusCode::OK, "1\n2\n3\n".to_owned()));
        let sum = call(Method::POST, "/sum", r#"{"numbers": [1, 2.5]}"#);
        assert_eq!(sum, (StatusCode::OK, r#"{"sum":3.5,"count":2}"#.to_owned()));
        assert!(call(Method::GET, "/context", "").1.contains("\"functionName\":\"test\""));
    }

    #[test]
    fn a_clients_mistake_is_told() {
        assert_eq!(call(Method::POST, "/sum", "[").0, StatusCode::BAD_REQUEST);
        assert_eq!(call(Method::GET, "/count/10001", "").0, StatusCode::BAD_REQUEST);
        assert_eq!(call(Method::DELETE, "/echo", "").0, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(call(Method::GET, "/nowhere", "").0, StatusCode::NOT_FOUND);
    }

    #[test]
    fn a_failure_is_the_functions() {
        let error = testing::request(handle, Request::get("/fail").body("").unwrap()).unwrap_err();
        assert_eq!(error.error_type(), "Router.Asked");
    }
}
