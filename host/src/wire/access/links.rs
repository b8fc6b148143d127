//! Links in answers to what this port serves: which scheme they have, and what lets their holder in.
//!
//! `GetFunction` points to the package as AWS points into S3: whoever has the link may fetch it, for ten minutes. While signatures are
//! required such a link carries a code made with a key of this process; a restart makes links of before useless.

use crate::credentials::Error;
use http::Method;
use http::request::Parts;
use lamina_sigv4::hex;
use ring::hmac;
use ring::rand::SystemRandom;
use std::sync::Arc;

/// How long a link holds, as AWS has it.
const HOLDS_MS: i64 = 10 * 60 * 1000;

/// What may be fetched by link.
const PREFIX: &str = "/lamina/packages/";

/// Makes and checks the codes of links.
#[derive(Clone)]
pub(super) struct LinkKey(Arc<hmac::Key>);

impl LinkKey {
    pub(super) fn generate() -> Result<Self, Error> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(|_| Error::NoRandomness)?;
        Ok(Self(Arc::new(key)))
    }

    fn query(&self, path: &str, until_ms: i64) -> String {
        let code = hmac::sign(&self.0, signed(path, until_ms).as_bytes());
        format!("?until={until_ms}&code={}", hex(code.as_ref()))
    }

    /// Whether a request follows a link that still holds.
    pub(super) fn admits(&self, parts: &Parts, now_ms: i64) -> bool {
        let path = parts.uri.path();
        // A target would make another call of it.
        let is_call = parts.headers.contains_key("x-amz-target");
        if parts.method != Method::GET || !path.starts_with(PREFIX) || is_call {
            return false;
        }
        let read = || {
            let (until, code) = parts.uri.query()?.strip_prefix("until=")?.split_once("&code=")?;
            let until_ms: i64 = until.parse().ok()?;
            let code = unhex(code)?;
            hmac::verify(&self.0, signed(path, until_ms).as_bytes(), &code).ok()?;
            Some(until_ms)
        };
        read().is_some_and(|until_ms| now_ms <= until_ms)
    }
}

fn signed(path: &str, until_ms: i64) -> String {
    format!("{path}\n{until_ms}")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at.checked_add(2)?)?, 16).ok()).collect()
}

/// How links are made in the answer to one request; in its extensions.
#[derive(Clone)]
pub(in crate::wire) struct Links {
    is_private: bool,
    key: Option<LinkKey>,
    now_ms: i64,
}

impl Links {
    pub(super) fn new(is_private: bool, key: Option<LinkKey>, now_ms: i64) -> Self {
        Self { is_private, key, now_ms }
    }

    /// `http` or `https`, as the request came.
    pub(in crate::wire) fn scheme(&self) -> &'static str {
        if self.is_private { "https" } else { "http" }
    }

    /// A URL of this port that lets its holder in for ten minutes.
    pub(in crate::wire) fn to(&self, authority: &str, path: &str) -> String {
        let query = self.key.as_ref().map(|key| key.query(path, self.now_ms.saturating_add(HOLDS_MS)));
        format!("{}://{authority}{path}{}", self.scheme(), query.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_lets_in_for_its_path_and_its_time() {
        let key = LinkKey::generate().unwrap();
        let links = Links::new(true, Some(key.clone()), 1_000);
        let url = links.to("localhost:1", "/lamina/packages/ab");
        assert!(url.starts_with("https://localhost:1/lamina/packages/ab?until=601000&code="));
        let admits = |url: &str, now_ms| {
            let (parts, ()) = http::Request::get(url).body(()).unwrap().into_parts();
            key.admits(&parts, now_ms)
        };
        assert!(admits(&url, 601_000));
        assert!(!admits(&url, 601_001));
        assert!(!admits(&url.replace("/ab", "/ac"), 2_000));
        assert!(!admits(&url.replace("until=601000", "until=999999999"), 2_000));
        assert!(!admits("https://localhost:1/lamina/packages/ab", 2_000));
        let request = http::Request::get(&url).header("x-amz-target", "AmazonSQS.ListQueues").body(()).unwrap();
        assert!(!key.admits(&request.into_parts().0, 2_000));
        assert!(!admits("https://localhost:1/lamina/packages/ab?until=1&code=é", 0));
        assert_eq!(Links::new(false, None, 0).to("h", "/p"), "http://h/p");
    }
}
