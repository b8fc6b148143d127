//! What a request says about who signed it, and whether it is true.

use crate::{ALGORITHM, Scope, Sha256, TERMINATOR, UNSIGNED_PAYLOAD, canonical, hex, signature};
use http::header::{AUTHORIZATION, DATE};
use http::request::Parts;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use percent_encoding::percent_decode_str;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How far the signer's clock may be off, as AWS has it.
const SKEW: Duration = Duration::from_secs(15 * 60);

/// The longest that a presigned URL may hold: a week.
const LONGEST_S: u32 = 604_800;

const AMZ_DATE: &str = "x-amz-date";
const CONTENT_SHA256: &str = "x-amz-content-sha256";

/// A signature that is not in order. The caller's fault; do not retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// A signature from too far in the past or the future, or a URL past its time. The caller's fault; sign again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// Signed more than 15 minutes ago.
    #[error("Signature expired: {signed} is now earlier than {earliest} ({now} - 15 min.)")]
    Past {
        /// When it was signed.
        signed: String,
        /// The earliest time that counts.
        earliest: String,
        /// The time here.
        now: String,
    },
    /// Signed more than 15 minutes from now.
    #[error("Signature not yet current: {signed} is still later than {latest} ({now} + 15 min.)")]
    Future {
        /// When it was signed.
        signed: String,
        /// The latest time that counts.
        latest: String,
        /// The time here.
        now: String,
    },
    /// A presigned URL past its `X-Amz-Expires`.
    #[error("Request has expired: it was good until {until}, and it is {now}.")]
    Expired {
        /// The last moment it held.
        until: String,
        /// The time here.
        now: String,
    },
}

/// Signed for another region or service. The caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutOfScope {
    /// Another region.
    #[error("Credential should be scoped to a valid region: '{0}'.")]
    Region(String),
    /// Another service.
    #[error("Credential should be scoped to correct service: '{0}'.")]
    Service(String),
}

/// The signature is not that of the request and the secret. The caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and \
     signing method. Consult the service documentation for details."
)]
pub struct Mismatch;

/// Where a signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// In the `Authorization` header.
    Header,
    /// In the query: a presigned URL.
    Query {
        /// How long it holds.
        expires_s: u32,
    },
}

/// What a request says about its signature; nothing is proven yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The key that it was signed with.
    pub access_key_id: String,
    /// What it was signed for.
    pub scope: Scope,
    /// When.
    pub signed_at: Timestamp,
    /// Where the signature stands.
    pub placement: Placement,
    /// The session token that came with it, of temporary credentials. Signed like the rest.
    pub session_token: Option<String>,
    signed_headers: Vec<String>,
    signature: String,
    amz_date: String,
    /// `x-amz-content-sha256`.
    payload: Option<String>,
}

impl Claim {
    /// Reads the signature of a request; `None` if it has none.
    ///
    /// # Errors
    /// What is missing, double, or of another form.
    pub fn read(parts: &Parts) -> Result<Option<Self>, Malformed> {
        let query = Query::read(parts.uri.query().unwrap_or_default());
        let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
        let claim = match (headers.next(), query.is_signed()) {
            (None, false) => return Ok(None),
            (None, true) => Self::in_query(parts, &query)?,
            (Some(_), true) => return Err(malformed("The request is signed both in its query and in a header.")),
            (Some(_), false) if headers.next().is_some() => {
                return Err(malformed("The request has more than one Authorization header."));
            }
            (Some(value), false) => {
                let value = value.to_str().map_err(|_| malformed("The Authorization header is not text."))?;
                Self::in_header(parts, value)?
            }
        };
        claim.check_headers(parts)?;
        Ok(Some(claim))
    }

    fn in_header(parts: &Parts, value: &str) -> Result<Self, Malformed> {
        let (algorithm, rest) = value.trim().split_once(' ').unwrap_or((value, ""));
        check_algorithm(algorithm)?;
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for part in rest.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed,
                "Signature" => &mut signature,
                _ => return Err(malformed(format!("Authorization header has an unknown parameter '{}'.", cut(name)))),
            };
            if place.replace(value).is_some() {
                return Err(malformed(format!("Authorization header has the '{name}' parameter twice.")));
            }
        }
        let need = |value: Option<&str>, name: &str| match value.filter(|value| !value.is_empty()) {
            Some(value) => Ok(value.to_owned()),
            None => Err(malformed(format!("Authorization header requires '{name}' parameter."))),
        };
        let (credential, signed_headers) = (need(credential, "Credential")?, need(signed, "SignedHeaders")?);
        let signature = need(signature, "Signature")?;
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let (date, date_header) = match (header(AMZ_DATE), header(DATE.as_str())) {
            (Some(date), _) => (date, AMZ_DATE),
            (None, Some(date)) => (date, DATE.as_str()),
            (None, None) => {
                return Err(malformed(
                    "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
                ));
            }
        };
        let signed_at = instant(date)?;
        let claim = Self::of(
            parts,
            &credential,
            &signed_headers,
            signature,
            signed_at,
            Placement::Header,
            token_in_header(parts)?,
        )?;
        if !claim.signed_headers.iter().any(|name| name == date_header) {
            return Err(malformed(format!("'{date_header}' must be a 'SignedHeader' in the AWS Authorization.")));
        }
        Ok(claim)
    }

    fn in_query(parts: &Parts, query: &Query) -> Result<Self, Malformed> {
        let need = |value: &Option<String>, name: &str| {
            value.clone().ok_or_else(|| malformed(format!("AWS query-string parameters must include '{name}'.")))
        };
        check_algorithm(&need(&query.algorithm, "X-Amz-Algorithm")?)?;
        if query.repeated {
            return Err(malformed("An AWS query-string parameter is given twice."));
        }
        let expires = need(&query.expires, "X-Amz-Expires")?;
        let expires_s = expires.parse::<u32>().ok().filter(|seconds| (1..=LONGEST_S).contains(seconds));
        let expires_s = expires_s
            .ok_or_else(|| malformed(format!("X-Amz-Expires must be a number of seconds from 1 to {LONGEST_S}.")))?;
        let signed_at = instant(&need(&query.date, "X-Amz-Date")?)?;
        let session_token = match (query.token.clone(), token_in_header(parts)?) {
            (Some(_), Some(_)) => {
                return Err(malformed("The request has a session token in its query and in a header."));
            }
            (in_query, in_header) => in_query.or(in_header),
        };
        Self::of(
            parts,
            &need(&query.credential, "X-Amz-Credential")?,
            &need(&query.signed_headers, "X-Amz-SignedHeaders")?,
            need(&query.signature, "X-Amz-Signature")?,
            signed_at,
            Placement::Query { expires_s },
            session_token,
        )
    }

    fn of(
        parts: &Parts,
        credential: &str,
        signed_headers: &str,
        signature: String,
        signed_at: Timestamp,
        placement: Placement,
        session_token: Option<String>,
    ) -> Result<Self, Malformed> {
        let words: Vec<&str> = credential.split('/').collect();
        let [access_key_id, date, region, service, terminator] = words.as_slice() else {
            return Err(malformed(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.",
            ));
        };
        if *terminator != TERMINATOR {
            return Err(malformed(format!("Credential should be scoped with a valid terminator: '{TERMINATOR}'.")));
        }
        let amz_date = amz_date(signed_at);
        if amz_date.get(..8) != Some(date) {
            return Err(malformed(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}'.",
                cut(date),
                amz_date.get(..8).unwrap_or_default(),
            )));
        }
        if signature.len() != 64 || !signature.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(malformed("Signature must be 64 hexadecimal digits."));
        }
        let payload = match parts.headers.get(CONTENT_SHA256) {
            None => None,
            Some(value) => Some(value.to_str().map_err(|_| malformed("x-amz-content-sha256 is not text."))?.to_owned()),
        };
        if payload.as_deref().is_some_and(|payload| payload.starts_with("STREAMING-")) {
            return Err(malformed("Streamed payloads (x-amz-content-sha256: STREAMING-…) are not taken here."));
        }
        Ok(Self {
            access_key_id: (*access_key_id).to_owned(),
            scope: Scope { date: (*date).to_owned(), region: (*region).to_owned(), service: (*service).to_owned() },
            signed_at,
            placement,
            session_token,
            signed_headers: signed_headers.split(';').map(str::to_owned).collect(),
            signature,
            amz_date,
            payload,
        })
    }

    fn check_headers(&self, parts: &Parts) -> Result<(), Malformed> {
        let sorted = self.signed_headers.is_sorted_by(|a, b| a < b);
        if !sorted || self.signed_headers.iter().any(|name| name.bytes().any(|byte| byte.is_ascii_uppercase())) {
            return Err(malformed("SignedHeaders must be in lower case, sorted, and without repetition."));
        }
        let is_signed = |name: &str| self.signed_headers.iter().any(|signed| signed == name);
        if !is_signed("host") {
            return Err(malformed("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."));
        }
        match parts.headers.keys().find(|name| name.as_str().starts_with("x-amz-") && !is_signed(name.as_str())) {
            Some(name) => Err(malformed(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."))),
            None => Ok(()),
        }
    }

    /// Whether the body's hash is left out of the signature.
    pub fn leaves_body_unsigned(&self) -> bool {
        self.payload.as_deref() == Some(UNSIGNED_PAYLOAD)
    }

    /// Whether the signature holds at this time: 15 minutes either way, or, for a presigned URL, from 15 minutes before it was signed to
    /// its end.
    ///
    /// # Errors
    /// Too early or too late.
    pub fn check_time(&self, now: Timestamp) -> Result<(), Stale> {
        let minus = |time: Timestamp| time.saturating_sub(SKEW).unwrap_or(Timestamp::MIN);
        let plus = |time: Timestamp, by: Duration| time.saturating_add(by).unwrap_or(Timestamp::MAX);
        let latest = plus(now, SKEW);
        if self.signed_at > latest {
            let (latest, now) = (amz_date(latest), amz_date(now));
            return Err(Stale::Future { signed: self.amz_date.clone(), latest, now });
        }
        match self.placement {
            Placement::Header if self.signed_at < minus(now) => {
                let (earliest, now) = (amz_date(minus(now)), amz_date(now));
                Err(Stale::Past { signed: self.amz_date.clone(), earliest, now })
            }
            Placement::Query { expires_s } => {
                let until = plus(self.signed_at, Duration::from_secs(expires_s.into()));
                if now > until {
                    return Err(Stale::Expired { until: amz_date(until), now: amz_date(now) });
                }
                Ok(())
            }
            Placement::Header => Ok(()),
        }
    }

    /// Whether the signature is for this region and service.
    ///
    /// # Errors
    /// It is for another.
    pub fn check_scope(&self, region: &str, service: &str) -> Result<(), OutOfScope> {
        if self.scope.service != service {
            return Err(OutOfScope::Service(service.to_owned()));
        }
        if self.scope.region != region {
            return Err(OutOfScope::Region(region.to_owned()));
        }
        Ok(())
    }

    /// Whether the holder of `secret` signed this request with a body of this hash.
    ///
    /// # Errors
    /// They did not, or something was changed since.
    pub fn verify(&self, parts: &Parts, secret: &str, body: &Sha256) -> Result<(), Mismatch> {
        let hash = hex(body);
        let hash = match self.payload.as_deref() {
            Some(UNSIGNED_PAYLOAD) => UNSIGNED_PAYLOAD,
            Some(claimed) if claimed != hash => return Err(Mismatch),
            _ => &hash,
        };
        let without = match self.placement {
            Placement::Header => None,
            Placement::Query { .. } => Some("X-Amz-Signature"),
        };
        let request = canonical::request(parts, &self.signed_headers, without, hash).ok_or(Mismatch)?;
        let expected = signature(secret, &self.scope, &self.amz_date, &request);
        if bool::from(expected.as_bytes().ct_eq(self.signature.as_bytes())) { Ok(()) } else { Err(Mismatch) }
    }
}

/// The parameters of a presigned URL.
#[derive(Default)]
struct Query {
    algorithm: Option<String>,
    credential: Option<String>,
    date: Option<String>,
    expires: Option<String>,
    signed_headers: Option<String>,
    signature: Option<String>,
    token: Option<String>,
    repeated: bool,
}

impl Query {
    fn read(query: &str) -> Self {
        let mut out = Self::default();
        if !query.contains("X-Amz-") {
            return out;
        }
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match decode(name).as_str() {
                "X-Amz-Algorithm" => &mut out.algorithm,
                "X-Amz-Credential" => &mut out.credential,
                "X-Amz-Date" => &mut out.date,
                "X-Amz-Expires" => &mut out.expires,
                "X-Amz-SignedHeaders" => &mut out.signed_headers,
                "X-Amz-Signature" => &mut out.signature,
                "X-Amz-Security-Token" => &mut out.token,
                _ => continue,
            };
            if place.replace(decode(value)).is_some() {
                out.repeated = true;
            }
        }
        out
    }

    fn is_signed(&self) -> bool {
        self.algorithm.is_some() || self.credential.is_some() || self.signature.is_some()
    }
}

/// The session token in the headers.
fn token_in_header(parts: &Parts) -> Result<Option<String>, Malformed> {
    let mut tokens = parts.headers.get_all("x-amz-security-token").iter();
    match (tokens.next(), tokens.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(malformed("The request has more than one X-Amz-Security-Token header.")),
        (Some(token), None) => match token.to_str() {
            Ok(token) => Ok(Some(token.to_owned())),
            Err(_) => Err(malformed("The X-Amz-Security-Token header is not text.")),
        },
    }
}

fn check_algorithm(algorithm: &str) -> Result<(), Malformed> {
    match algorithm {
        ALGORITHM => Ok(()),
        other => {
            Err(malformed(format!("Unsupported AWS 'algorithm': '{}'. Only {ALGORITHM} is verified.", cut(other))))
        }
    }
}

/// `YYYYMMDDTHHMMSSZ`, or a date as HTTP has it.
fn instant(text: &str) -> Result<Timestamp, Malformed> {
    let basic = || -> Option<Timestamp> {
        if text.len() != 16 || !text.ends_with('Z') {
            return None;
        }
        let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
        TimeZone::UTC.to_timestamp(civil).ok()
    };
    let http = || jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    basic().or_else(http).ok_or_else(|| {
        malformed(format!(
            "Date must be in ISO-8601 'basic format'. Got '{}'. See http://en.wikipedia.org/wiki/ISO_8601",
            cut(text)
        ))
    })
}

/// A time as signatures have it.
pub(crate) fn amz_date(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn malformed(message: impl Into<String>) -> Malformed {
    Malformed(message.into())
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}
