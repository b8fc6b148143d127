//! Whether a web page may be behind a request, which matters while the port is open.

use http::header;
use http::request::Parts;
use std::net::IpAddr;

/// Whether a web page may be behind a request. The port is open to whoever is on this machine, and a page of any site is, through
/// the browser: it sends an `Origin`, or reaches the port under a name of its own (DNS rebinding). A name that a foreign site
/// cannot have is a single label, an address of this machine, or one under `localhost` or `internal`.
pub(super) fn is_from_a_browser(parts: &Parts) -> bool {
    let host = match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()),
    };
    parts.headers.contains_key(header::ORIGIN) || !host.is_none_or(is_own_name)
}

fn is_own_name(host: &str) -> bool {
    let Ok(authority) = host.parse::<http::uri::Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => !name.contains('.') || name.ends_with(".localhost") || name.ends_with(".internal"),
    }
}

#[cfg(test)]
mod tests {
    use super::is_own_name;

    #[test]
    fn only_names_that_a_foreign_site_cannot_have_are_ours() {
        for host in
            ["localhost", "localhost:4566", "127.0.0.1:4566", "[::1]:4566", "127.9.9.9", "q.localhost", "lamina"]
        {
            assert!(is_own_name(host), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example:4566", "10.0.0.1", "localhost.evil.example", ""] {
            assert!(!is_own_name(host), "{host}");
        }
    }
}
