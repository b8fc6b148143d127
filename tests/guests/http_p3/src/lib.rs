//! An HTTP component over `wasi:http/handler@0.3`.
//!
//! - `POST` to any path sends the request's body and trailers back as they arrive, the path in `x-path`.
//! - `GET /stream` sends `one`, `two`, `three`, each a write of its own, and the trailer `x-done: yes`.
//! - `GET /env` answers with the environment variables, `NAME=value`, a line each.
//! - `GET /fail` answers with the error `internal-error`, `GET /trap` traps.
//! - Anything else answers with method, path and the `x-amzn-request-id` header, a line each, and writes the
//!   same to stderr.

use wasip3::{
    cli::environment::get_environment,
    http::types::{ErrorCode, Fields, Method, Request, Response},
    wit_future, wit_stream,
};

struct Guest;

#[allow(unsafe_code, reason = "a component export is an `extern` function taking raw pointers")]
mod export {
    wasip3::http::service::export!(Guest);
    use super::Guest;
}

impl wasip3::exports::http::handler::Guest for Guest {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        match (request.get_method(), path.as_str()) {
            (Method::Post, path) => Ok(echo(request, path)),
            (Method::Get, "/stream") => Ok(stream()),
            (Method::Get, "/env") => {
                let lines = get_environment().into_iter().map(|(name, value)| format!("{name}={value}\n").into_bytes());
                Ok(body(lines.collect(), None))
            }
            (Method::Get, "/fail") => Err(ErrorCode::InternalError(Some("failed, as asked".to_owned()))),
            (Method::Get, "/trap") => std::process::abort(),
            (method, path) => {
                let ids = request.get_headers().get("x-amzn-request-id");
                let id = ids.first().map(|id| String::from_utf8_lossy(id).into_owned()).unwrap_or_default();
                let text = format!("{method:?}\n{path}\n{id}\n");
                eprint!("{text}");
                Ok(body(vec![text.into_bytes()], None))
            }
        }
    }
}

fn echo(request: Request, path: &str) -> Response {
    let headers = Fields::new();
    for (name, value) in [("x-served-by", "wasi:http@0.3"), ("x-path", path)] {
        // A path that is no header value is left out.
        let _ = headers.append(name, value.as_bytes());
    }
    let (received, status) = wit_future::new(|| Ok(()));
    let (contents, trailers) = Request::consume_body(request, status);
    // Dropped, it sends the default: the request was received without an error.
    drop(received);
    Response::new(headers, Some(contents), trailers).0
}

fn stream() -> Response {
    let parts = ["one", "two", "three"].map(|part| part.as_bytes().to_vec());
    body(parts.to_vec(), Some(("x-done", "yes")))
}

fn body(parts: Vec<Vec<u8>>, trailer: Option<(&'static str, &'static str)>) -> Response {
    let (mut writer, contents) = wit_stream::new();
    let (sent, trailers) = wit_future::new(|| Ok(None));
    let response = Response::new(Fields::new(), Some(contents), trailers).0;
    wasip3::spawn(async move {
        for part in parts {
            // What is left over is what a client that went away did not take.
            if !writer.write_all(part).await.is_empty() {
                return;
            }
        }
        drop(writer);
        let fields =
            trailer.and_then(|(name, value)| Fields::from_list(&[(name.to_owned(), value.as_bytes().to_vec())]).ok());
        let _ = sent.write(Ok(fields)).await;
    });
    response
}
