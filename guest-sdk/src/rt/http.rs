//! The `wasi:http/incoming-handler@0.2` export of an HTTP component.
//!
//! A handler that fails before it has answered reports `internal-error` with Lambda's error document
//! as its message: the host counts a failed invocation and picks the status the client sees. Once the
//! head is out, a failing body is dropped unfinished, which the client sees as a response cut short.
//! Request trailers are not read, response trailers not sent.

use std::io::{self, Read};

use http::{HeaderValue, Request, Response, Uri, header, uri};
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, InputStream, Method, OutgoingBody, OutgoingResponse, Scheme,
};
pub use wasip2::{
    self as bindings,
    exports::http::incoming_handler::Guest,
    http::proxy::export,
    http::types::{IncomingRequest, ResponseOutparam},
};

use crate::{Body, Context, Error, HttpHandler, logging};

/// Runs a handler for one request and sends its response.
pub fn run<Args>(handler: &impl HttpHandler<Args>, request: IncomingRequest, response: ResponseOutparam) {
    logging::install();
    let answer = receive(request).and_then(|request| {
        let context = Context::from_http(request.headers(), |name| std::env::var(name).ok());
        logging::set_request_id(&context.request_id);
        handler.call(request, context)
    });
    match answer.and_then(head) {
        Ok((head, body)) => {
            if let Err(error) = send(head, body, response) {
                super::log_failure("Response Error", &error);
            }
        }
        Err(error) => {
            super::log_failure("Invoke Error", &error);
            ResponseOutparam::set(response, Err(ErrorCode::InternalError(Some(error.to_json()))));
        }
    }
    logging::set_request_id("");
}

/// The host's request as the handler takes it, its body still unread.
fn receive(incoming: IncomingRequest) -> Result<Request<Body>, Error> {
    let mut parts = uri::Parts::default();
    if let (Some(scheme), Some(authority)) = (incoming.scheme(), incoming.authority()) {
        parts.scheme = Some(match scheme {
            Scheme::Http => uri::Scheme::HTTP,
            Scheme::Https => uri::Scheme::HTTPS,
            Scheme::Other(other) => other.parse()?,
        });
        parts.authority = Some(authority.parse()?);
    }
    parts.path_and_query = Some(incoming.path_with_query().as_deref().unwrap_or("/").parse()?);
    let method = match incoming.method() {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Delete => http::Method::DELETE,
        Method::Connect => http::Method::CONNECT,
        Method::Options => http::Method::OPTIONS,
        Method::Trace => http::Method::TRACE,
        Method::Patch => http::Method::PATCH,
        Method::Other(other) => other.parse()?,
    };
    let mut request = Request::builder().method(method).uri(Uri::from_parts(parts)?);
    for (name, value) in incoming.headers().entries() {
        request = request.header(name, value);
    }
    let body = incoming.consume().map_err(|()| Error::from("the request's body is taken already"))?;
    let stream = body.stream().map_err(|()| Error::from("the request's body is taken already"))?;
    Ok(request.body(Body::from_reader(RequestBody { stream, _body: body }))?)
}

/// The stream is the body's child, so it is declared, and dropped, first.
struct RequestBody {
    stream: InputStream,
    _body: IncomingBody,
}

impl Read for RequestBody {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        Read::read(&mut self.stream, buffer)
    }
}

/// The response's head as the host takes it.
fn head(response: Response<Body>) -> Result<(OutgoingResponse, Body), Error> {
    let (mut head, body) = response.into_parts();
    // Without a length the client gets chunks; where it is known, tell it.
    let bodiless = head.status.is_informational() || matches!(head.status.as_u16(), 204 | 304);
    if let (false, Some(length)) = (bodiless || head.headers.contains_key(header::CONTENT_LENGTH), body.len_bytes()) {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let headers: Vec<_> =
        head.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    let headers = Fields::from_list(&headers)
        .map_err(|error| Error::from(format!("the response's headers are refused: {error}")))?;
    let outgoing = OutgoingResponse::new(headers);
    outgoing
        .set_status_code(head.status.as_u16())
        .map_err(|()| Error::from(format!("the response's status {} is refused", head.status)))?;
    Ok((outgoing, body))
}

/// Sends the head, then the body.
fn send(head: OutgoingResponse, body: Body, response: ResponseOutparam) -> Result<(), Error> {
    let taken = || Error::from("the response's body is taken already");
    let outgoing = head.body().map_err(|()| taken())?;
    ResponseOutparam::set(response, Ok(head));
    let mut stream = outgoing.write().map_err(|()| taken())?;
    body.write_to(&mut stream)?;
    drop(stream);
    OutgoingBody::finish(outgoing, None)?;
    Ok(())
}
