//! Function URLs: where they are, which one a request is for, and who may call it.
//!
//! A URL is reached under a host name of its own, `<url-id>.lambda-url.<region>.<suffix>`, and, for clients that cannot set one, under a
//! path of its own, `<path_prefix>/<url-id>/…`, on the port of the function routes. Under either the function sees the same request, but
//! for its `host` header. URLs come before routes.
//!
//! Refused: a host name of this form without a URL behind it (403, as AWS has it), and who may not call a URL: an [`Authorizer`] decides
//! by the function's policy, and for `AWS_IAM` by the caller's too.

use crate::invocation::http_event::Caller;
use crate::storage::functions::UrlRecord;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The `[function_urls]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The domain that URLs' host names end with. Names under `localhost` lead to this machine without a name server.
    pub suffix: String,
    /// `http`, or `https` behind a proxy that speaks TLS.
    pub scheme: String,
    /// The port that URLs are told with; 0 is the one of the function routes.
    pub port: u16,
    /// Under which path URLs can be reached too.
    pub path_prefix: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { suffix: "localhost".into(), scheme: "http".into(), port: 0, path_prefix: "/lambda-url".into() }
    }
}

impl Config {
    /// Checks each setting; answers the keys at fault, and what is wrong with them.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if self.suffix.len() > 128 || !self.suffix.split('.').all(is_label) {
            faults.push(("suffix", format!("{:?} is not a domain name in small letters", self.suffix)));
        }
        if !matches!(self.scheme.as_str(), "http" | "https") {
            faults.push(("scheme", format!("{:?} is neither \"http\" nor \"https\"", self.scheme)));
        }
        let is_segment = |segment: &str| {
            !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        let path = self.path_prefix.strip_prefix('/');
        if self.path_prefix.len() > 128 || !path.is_some_and(|path| path.split('/').all(is_segment)) {
            faults.push(("path_prefix", format!("{:?} is not a path such as \"/lambda-url\"", self.path_prefix)));
        }
        faults
    }
}

/// How URLs are written and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    scheme: String,
    /// `.lambda-url.<region>.<suffix>`
    domain: String,
    /// `:8080`, or nothing where the scheme says it.
    port: String,
    /// `/lambda-url/`
    prefix: String,
}

/// The URL that a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// By its host name.
    Host(&'a str),
    /// By its path; the rest of it begins with a slash or is empty.
    Path(&'a str, &'a str),
}

impl Addresses {
    /// `http_port` is the port of the function routes.
    pub fn new(config: &Config, region: &str, http_port: u16) -> Self {
        let port = if config.port == 0 { http_port } else { config.port };
        let usual = if config.scheme == "https" { 443 } else { 80 };
        Self {
            scheme: config.scheme.clone(),
            domain: format!(".lambda-url.{region}.{}", config.suffix),
            port: if port == usual { String::new() } else { format!(":{port}") },
            prefix: format!("{}/", config.path_prefix),
        }
    }

    /// The host name of a URL.
    pub fn domain_name(&self, url_id: &str) -> String {
        format!("{url_id}{}", self.domain)
    }

    /// A URL as `FunctionUrl` tells it.
    pub fn url(&self, url_id: &str) -> String {
        format!("{}://{url_id}{}{}/", self.scheme, self.domain, self.port)
    }

    /// What a request to `host` (its port is ignored) and `path` names, if it is a URL.
    fn named<'a>(&self, host: &'a str, path: &'a str) -> Option<Named<'a>> {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let at = name.len().checked_sub(self.domain.len());
        if let Some((url_id, domain)) = at.and_then(|at| name.split_at_checked(at))
            && domain.eq_ignore_ascii_case(&self.domain)
            && !url_id.is_empty()
        {
            return Some(Named::Host(url_id));
        }
        let rest = path.strip_prefix(self.prefix.as_str())?;
        let (url_id, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Some(Named::Path(url_id, rest))
    }
}

/// Finds URLs by their ids.
pub trait Directory: Send + Sync + 'static {
    /// The URL with this id, in small letters.
    fn find(&self, url_id: &str) -> Option<Arc<UrlRecord>>;
}

/// A request to a URL, as it was received.
#[derive(Debug, Clone, Copy)]
pub struct UrlRequest<'a> {
    /// Its head.
    pub parts: &'a Parts,
    /// Its whole body.
    pub body: &'a [u8],
    /// The URL.
    pub url: &'a UrlRecord,
}

/// A request that is not served: 403. The caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Denied {
    /// Why, for the daemon's log.
    pub reason: String,
}

/// Decides who may call URLs.
pub trait Authorizer: Send + Sync + 'static {
    /// Whether everybody may call a URL of the kind `NONE`: its function's policy has to say so.
    fn is_public(&self, url: &UrlRecord) -> bool;

    /// The caller of `request`, if it is signed by one who may invoke the function through its URL.
    fn authorize(&self, request: &UrlRequest<'_>) -> Result<Caller, Denied>;
}

/// Whether a request carries a signature at all: the body of one that does not is left unread.
pub(super) fn has_signature(parts: &Parts) -> bool {
    parts.headers.contains_key(http::header::AUTHORIZATION)
        || parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("X-Amz-Signature=")))
}

/// All function URLs of the daemon.
pub struct FunctionUrls {
    /// Where they are.
    pub addresses: Addresses,
    /// Which there are.
    pub directory: Arc<dyn Directory>,
    /// Who may call those that are not open to everybody.
    pub authorizer: Arc<dyn Authorizer>,
}

/// The URL that a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) url: Arc<UrlRecord>,
    /// The path within the URL, where that is not the request's.
    pub(super) path: Option<String>,
}

impl FunctionUrls {
    /// The URL a request is for: `Ok(None)` leaves it to the routes, `Err` is a host name that no URL has.
    pub(super) fn find(&self, host: &str, path: &str) -> Result<Option<Found>, ()> {
        match self.addresses.named(host, path) {
            None => Ok(None),
            Some(Named::Host(url_id)) => match self.directory.find(&url_id.to_ascii_lowercase()) {
                Some(url) => Ok(Some(Found { url, path: None })),
                None => Err(()),
            },
            Some(Named::Path(url_id, rest)) => Ok(self.directory.find(url_id).map(|url| {
                let path = if rest.is_empty() { "/" } else { rest };
                Found { url, path: Some(path.to_owned()) }
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_written_and_read_alike() {
        let addresses = Addresses::new(&Config::default(), "eu-west-1", 8080);
        assert_eq!(addresses.url("abc"), "http://abc.lambda-url.eu-west-1.localhost:8080/");
        for host in ["abc.lambda-url.eu-west-1.localhost:8080", "abc.LAMBDA-url.eu-west-1.localhost"] {
            assert_eq!(addresses.named(host, "/x"), Some(Named::Host("abc")), "{host}");
        }
        for host in [".lambda-url.eu-west-1.localhost", "localhost:8080", "", "é", "abc.lambda-url.eu-west-2.localhost"]
        {
            assert_eq!(addresses.named(host, "/x"), None, "{host}");
        }
        assert_eq!(addresses.named("", "/lambda-url/abc/d/e"), Some(Named::Path("abc", "/d/e")));
        assert_eq!(addresses.named("", "/lambda-url/abc"), Some(Named::Path("abc", "")));
        assert_eq!(addresses.named("", "/lambda-urls/abc"), None);
    }

    #[test]
    fn the_usual_port_of_a_scheme_is_not_written() {
        let config = Config { scheme: "https".into(), port: 443, suffix: "example.com".into(), ..Config::default() };
        assert_eq!(Addresses::new(&config, "r", 8080).url("a"), "https://a.lambda-url.r.example.com/");
        assert!(config.check().is_empty() && Config::default().check().is_empty());
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let config = Config { suffix: "a..b".into(), scheme: "ftp".into(), port: 1, path_prefix: "x".into() };
        assert_eq!(config.check().iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["suffix", "scheme", "path_prefix"]);
    }
}
