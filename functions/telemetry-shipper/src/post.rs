//! A `POST` over `wasi:http`.

use std::io::Write;

use lamina::Error;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, Method, OutgoingBody, OutgoingRequest, Scheme};

/// Sends JSON; any status but a 2xx is an error.
pub(crate) fn json(url: &str, body: &[u8]) -> Result<(), Error> {
    let (scheme, rest) = match url.split_once("://") {
        Some(("http", rest)) => (Scheme::Http, rest),
        Some(("https", rest)) => (Scheme::Https, rest),
        _ => return Err(Error::from(format!("{url} is neither an http nor an https URL"))),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let headers = [
        ("content-type".to_owned(), b"application/json".to_vec()),
        ("content-length".to_owned(), body.len().to_string().into_bytes()),
    ];
    let headers = Fields::from_list(&headers).map_err(|error| Error::from(format!("headers: {error}")))?;
    let request = OutgoingRequest::new(headers);
    let set = request
        .set_method(&Method::Post)
        .and_then(|()| request.set_scheme(Some(&scheme)))
        .and_then(|()| request.set_authority(Some(authority)))
        .and_then(|()| request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })));
    set.map_err(|()| Error::from(format!("{url} is not a URL")))?;
    let taken = || Error::from("the request's body is taken already");
    let outgoing = request.body().map_err(|()| taken())?;
    let sent = |error: &dyn std::fmt::Debug| Error::new("Shipper.NotSent", format!("{url}: {error:?}"));
    let pending = outgoing_handler::handle(request, None).map_err(|error| sent(&error))?;
    let mut stream = outgoing.write().map_err(|()| taken())?;
    stream.write_all(body)?;
    drop(stream);
    OutgoingBody::finish(outgoing, None).map_err(|error| sent(&error))?;
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(Ok(response))) if (200..300).contains(&response.status()) => Ok(()),
        Some(Ok(Ok(response))) => Err(sent(&response.status())),
        Some(Ok(Err(error))) => Err(sent(&error)),
        other => Err(sent(&other.is_some())),
    }
}
