//! A wasi:http 0.3 component that answers the body it is sent, as it comes, and says so in a header.

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_future;

wasip3::http::service::export!(Echo);

struct Echo;

impl wasip3::exports::http::handler::Guest for Echo {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let headers = Fields::new();
        let path = request.get_path_with_query().unwrap_or_default();
        for (name, value) in [("x-served-by", "wasi:http@0.3"), ("x-path", path.as_str())] {
            if headers.append(name, value.as_bytes()).is_err() {
                return Err(ErrorCode::InternalError(Some("a header was refused".to_owned())));
            }
        }
        let (_consumed, consumed) = wit_future::new(|| Ok(()));
        let (body, trailers) = Request::consume_body(request, consumed);
        let (response, _sent) = Response::new(headers, Some(body), trailers);
        Ok(response)
    }
}
