//! Signing, for clients.

use crate::claim::amz_date;
use crate::{ALGORITHM, Scope, Sha256, UNSIGNED_PAYLOAD, canonical, hex, signature};
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;

/// Who signs, and for what.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// The key.
    pub access_key_id: &'a str,
    /// Its secret.
    pub secret: &'a str,
    /// Such as `us-east-1`.
    pub region: &'a str,
    /// The signing name, such as `lambda`.
    pub service: &'a str,
}

impl Signer<'_> {
    /// Signs a request as it will be sent: with its host, in the URI or as a header. Sets `x-amz-date`, `host` and `authorization`.
    ///
    /// `None` where the request has no host, or a text here is none that a header can carry.
    pub fn sign(&self, parts: &mut Parts, body: &Sha256, now: Timestamp) -> Option<()> {
        let amz_date = amz_date(now);
        if !parts.headers.contains_key(HOST) {
            let host = HeaderValue::try_from(parts.uri.authority()?.as_str()).ok()?;
            parts.headers.insert(HOST, host);
        }
        parts.headers.insert(HeaderName::from_static("x-amz-date"), HeaderValue::try_from(&amz_date).ok()?);
        let mut signed: Vec<String> = parts
            .headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .filter(|name| name == "host" || name == "content-type" || name.starts_with("x-amz-"))
            .collect();
        signed.sort();
        let date = amz_date.get(..8)?.to_owned();
        let scope = Scope { date, region: self.region.to_owned(), service: self.service.to_owned() };
        let payload = match parts.headers.get("x-amz-content-sha256") {
            Some(given) if given == UNSIGNED_PAYLOAD => UNSIGNED_PAYLOAD.to_owned(),
            _ => hex(body),
        };
        let request = canonical::request(parts, &signed, None, &payload)?;
        let signature = signature(self.secret, &scope, &amz_date, &request);
        let value = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
            self.access_key_id,
            signed.join(";")
        );
        parts.headers.insert(AUTHORIZATION, HeaderValue::try_from(value).ok()?);
        Some(())
    }
}
