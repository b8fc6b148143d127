//! Queue URLs: `http://<host>/<account>/<name>`, with the host that the client spoke to.

use super::super::access::Links;
use super::super::codec::{Request, percent_decode};
use super::super::error::WireError;
use super::fault;
use crate::ids::{Home, QueueName};

/// The queue that a URL names. Only its last two segments count, so a URL stays good when the daemon's address changes.
pub(super) fn parse(home: &Home, url: &str) -> Result<QueueName, WireError> {
    let path = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let mut segments = path.rsplit('/');
    let (name, account) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
        return Err(fault::invalid_address(url));
    }
    let name = QueueName::new(&percent_decode(name)).map_err(|_| fault::no_such_queue())?;
    if account == &*home.account { Ok(name) } else { Err(fault::no_such_queue()) }
}

/// The URL of a queue for whoever sent `request`.
pub(super) fn build(home: &Home, request: &Request, name: &QueueName) -> String {
    let uri = &request.parts.uri;
    let host = request.header("host").or_else(|| uri.authority().map(|authority| authority.as_str()));
    let scheme = request.header("x-forwarded-proto").filter(|scheme| matches!(*scheme, "http" | "https"));
    let links = request.parts.extensions.get::<Links>();
    let scheme = scheme.or_else(|| links.map(Links::scheme)).or_else(|| uri.scheme_str()).unwrap_or("http");
    format!("{scheme}://{}/{}/{name}", host.unwrap_or("localhost"), home.account)
}
