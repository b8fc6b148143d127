//! AWS Signature Version 4: reading a signed request, verifying it, signing one. Pure: no clock, no I/O, no keys of its own.
//!
//! Follows <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>, in the form that all services but
//! S3 use: paths are normalised and encoded once more. Signatures in the `Authorization` header and in the query (presigned URLs).
//!
//! Verification is in three steps, so that the cheap ones come before a body is read: [`Claim::read`] (form), then the caller looks up
//! the key and asks [`Claim::check_time`] and [`Claim::check_scope`], then [`Claim::verify`] with the body's hash. Signatures are
//! compared in constant time.
//!
//! Bounds: what the HTTP head is bounded by; nothing here is more than linear in it, but for sorting. Refusals: other algorithms (SigV4A,
//! Signature Version 2), streamed payloads (`STREAMING-…`, which only S3 and event streams from clients have), requests that carry two
//! signatures, and headers named `x-amz-*` that are not signed: they change what a request means.

mod canonical;
mod claim;
mod sign;
#[cfg(test)]
mod tests;

pub use claim::{Claim, Malformed, Mismatch, OutOfScope, Placement, Stale};
pub use sign::Signer;

use ring::{digest, hmac};

/// The one algorithm.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Stands for the hash of a body that is not signed.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// What ends every scope.
const TERMINATOR: &str = "aws4_request";

/// A SHA-256 digest.
pub type Sha256 = [u8; 32];

/// The SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> Sha256 {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// The day, region and service that a signature is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `YYYYMMDD`.
    pub date: String,
    /// Such as `us-east-1`.
    pub region: String,
    /// The signing name, such as `lambda`.
    pub service: String,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/{TERMINATOR}", self.date, self.region, self.service)
    }
}

/// The signature of a canonical request, in hexadecimal.
fn signature(secret: &str, scope: &Scope, amz_date: &str, canonical_request: &str) -> String {
    let hashed = hex(&sha256(canonical_request.as_bytes()));
    let to_sign = format!("{ALGORITHM}\n{amz_date}\n{scope}\n{hashed}");
    let mac = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    let mut key = mac(format!("AWS4{secret}").as_bytes(), &scope.date);
    for part in [scope.region.as_str(), scope.service.as_str(), TERMINATOR] {
        key = mac(key.as_ref(), part);
    }
    hex(mac(key.as_ref(), &to_sign).as_ref())
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len().saturating_mul(2)), |mut out, byte| {
        // Writing to a string does not fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}
