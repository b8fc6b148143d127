//! `ClientToken`: what was answered to a call, for its repetitions.

use super::constraints::{failed, length, pattern};
use super::fault;
use crate::wire::codec::{Answer, AnswerBody, Request, whole};
use crate::wire::error::WireError;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use lru::LruCache;
use parking_lot::Mutex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::num::NonZeroUsize;

/// Tokens remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_095);
/// For how long.
const REMEMBERED_MS: i64 = 60 * 60 * 1_000;

/// The latest tokens.
pub(super) struct Tokens(Mutex<LruCache<String, Call>>);

struct Call {
    fingerprint: [u8; 32],
    answered_at_ms: i64,
    body: Bytes,
}

impl Default for Tokens {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl Tokens {
    /// What was answered to this very call before. A token that was used for another call is refused.
    pub(super) fn answer(&self, token: &str, request: &Request, now_ms: i64) -> Result<Option<Answer>, WireError> {
        let mut calls = self.0.lock();
        let Some(call) = calls.get(token) else { return Ok(None) };
        if now_ms.saturating_sub(call.answered_at_ms) > REMEMBERED_MS {
            calls.pop(token);
            return Ok(None);
        }
        if call.fingerprint != fingerprint(request) {
            return Err(fault::conflict("The ClientToken was used for a different request."));
        }
        Ok(Some(answer_of(call.body.clone())))
    }

    /// Remembers a success.
    pub(super) fn remember(&self, token: String, request: &Request, answer: &Answer, now_ms: i64) {
        // A whole body gives its one frame at once.
        let AnswerBody::Whole(body) = answer.body() else { return };
        let mut body = body.clone();
        let frame = futures_util::FutureExt::now_or_never(body.frame()).flatten();
        let body = frame.and_then(Result::ok).and_then(|frame| frame.into_data().ok()).unwrap_or_default();
        let call = Call { fingerprint: fingerprint(request), answered_at_ms: now_ms, body };
        self.0.lock().put(token, call);
    }
}

fn answer_of(body: Bytes) -> Answer {
    let mut answer = Response::new(whole(body));
    *answer.status_mut() = StatusCode::OK;
    answer.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    answer
}

fn fingerprint(request: &Request) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(request.parts.method.as_str());
    digest.update(" ");
    digest.update(request.parts.uri.path());
    digest.update("?");
    digest.update(request.parts.uri.query().unwrap_or_default());
    digest.update("\n");
    digest.update(&request.body);
    digest.finalize().into()
}

/// The token of a request, in its body or its query.
pub(super) fn of(request: &Request) -> Result<Option<String>, WireError> {
    let in_body = match super::body::<Value>(request)?.get("ClientToken") {
        None | Some(Value::Null) => None,
        Some(Value::String(token)) => Some(token.clone()),
        Some(other) => return Err(failed(other, "clientToken", "Member must be a string")),
    };
    let Some(token) = in_body.or_else(|| request.query("clientToken")) else { return Ok(None) };
    length(&token, "clientToken", 1..=64)?;
    let word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    pattern(&token, "clientToken", "^[a-zA-Z0-9-_]+$", word)?;
    Ok(Some(token))
}
