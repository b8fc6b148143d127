//! Says hello over HTTP on `wasi:http` 0.2 alone, without Lamina's SDK: any host of that interface runs it, so hosts can be
//! compared by it.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{ErrorCode, Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

/// What every request is answered with.
const BODY: &str = r#"{"message":"Hello, world!"}"#;

struct Hello;

impl Guest for Hello {
    fn handle(_request: IncomingRequest, answer: ResponseOutparam) {
        match response() {
            Ok((response, body)) => {
                ResponseOutparam::set(answer, Ok(response));
                // The head is gone: a body that cannot be sent is the client's loss, and the host's to count.
                let _ = send(body);
            }
            Err(code) => ResponseOutparam::set(answer, Err(code)),
        }
    }
}

fn response() -> Result<(OutgoingResponse, OutgoingBody), ErrorCode> {
    let length = BODY.len().to_string().into_bytes();
    let headers = [("content-type".to_owned(), b"application/json".to_vec()), ("content-length".to_owned(), length)];
    let headers = Fields::from_list(&headers).map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;
    let response = OutgoingResponse::new(headers);
    let body = response.body().map_err(|()| ErrorCode::InternalError(None))?;
    Ok((response, body))
}

fn send(body: OutgoingBody) -> Result<(), ErrorCode> {
    let stream = body.write().map_err(|()| ErrorCode::InternalError(None))?;
    stream.blocking_write_and_flush(BODY.as_bytes()).map_err(|_| ErrorCode::ConnectionTerminated)?;
    drop(stream);
    OutgoingBody::finish(body, None)
}

wasip2::http::proxy::export!(Hello);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_small_enough_for_one_write() {
        // `blocking-write-and-flush` takes at most 4,096 bytes.
        assert!(BODY.len() <= 4096);
    }
}
