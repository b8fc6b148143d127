//! From a signed request to its caller.

use super::evaluation::{self, Ask, Principal, Verdict};
use super::keys::{Key, Keys};
use crate::clock::SharedClock;
use crate::ids::Home;
use http::request::Parts;
use lamina_sigv4::{Claim, Malformed, Mismatch, OutOfScope, Sha256, Stale};
use std::sync::Arc;

/// Why a request is not served. The caller's fault; do not retry, but for [`Denied::Stale`], which to sign again mends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It is not signed.
    #[error("Missing Authentication Token")]
    Missing,
    /// The signature is not in order.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// There is no such key; or the request has a session token, and there are no sessions.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// Signed too early or too late.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// Signed for another service or region.
    #[error(transparent)]
    OutOfScope(#[from] OutOfScope),
    /// The body is not signed, and nothing else protects it.
    #[error("The payload must be signed: x-amz-content-sha256: UNSIGNED-PAYLOAD is taken over TLS only.")]
    UnsignedBody,
    /// Not signed with this key, or changed since.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The key may not do this.
    #[error("User: {user} is not authorized to perform: {action} on resource: {resource}{because}")]
    NotAuthorized {
        /// The caller's ARN.
        user: String,
        /// Such as `lambda:InvokeFunction`.
        action: String,
        /// An ARN, or `*`.
        resource: String,
        /// Why, as AWS words it.
        because: String,
    },
}

impl Denied {
    /// A word for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed(_) => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::Stale(_) => "stale",
            Self::OutOfScope(_) => "scope",
            Self::UnsignedBody | Self::Mismatch(_) => "signature",
            Self::NotAuthorized { .. } => "not_authorized",
        }
    }
}

/// Verifies requests against the keys.
#[derive(Clone)]
pub struct Authenticator {
    keys: Arc<Keys>,
    clock: SharedClock,
    home: Home,
}

/// A request whose head is in order and whose key is known. Who holds the key's secret is known after [`Signed::verify`].
pub struct Signed {
    claim: Claim,
    key: Arc<Key>,
}

impl Signed {
    /// The service that the signature is for.
    pub fn service(&self) -> &str {
        &self.claim.scope.service
    }

    /// The caller, if the signature is right for a body of this hash.
    ///
    /// # Errors
    /// [`Denied::Mismatch`].
    pub fn verify(self, parts: &Parts, body: &Sha256) -> Result<Caller, Denied> {
        self.claim.verify(parts, &self.key.secret, body)?;
        Ok(Caller { key: self.key })
    }
}

impl Authenticator {
    /// Of `keys`, for what is signed for `home`'s region.
    pub fn new(keys: Arc<Keys>, clock: SharedClock, home: Home) -> Self {
        Self { keys, clock, home }
    }

    /// Whether requests have to be signed.
    pub fn is_required(&self) -> bool {
        self.keys.is_required()
    }

    /// Everything that can be told before the body is read. `service` is the signing name that the request has to be for; `None`
    /// where any will do, because it is refused anyway. `is_private`: the connection is TLS.
    ///
    /// # Errors
    /// Why the request is not served.
    pub fn read(&self, parts: &Parts, service: Option<&str>, is_private: bool) -> Result<Signed, Denied> {
        let claim = Claim::read(parts)?.ok_or(Denied::Missing)?;
        let key = match self.keys.get(&claim.access_key_id) {
            Some(key) if !claim.has_session_token => key,
            _ => return Err(Denied::UnknownKey),
        };
        claim.check_time(self.clock.now())?;
        if let Some(service) = service {
            match claim.check_scope(&self.home.region, service) {
                // STS has one endpoint of old for all regions, which is signed for as us-east-1.
                Err(OutOfScope::Region(_)) if service == "sts" && claim.scope.region == "us-east-1" => {}
                checked => checked?,
            }
        }
        if claim.leaves_body_unsigned() && !is_private {
            return Err(Denied::UnsignedBody);
        }
        Ok(Signed { claim, key })
    }

    /// Who sent a request whose body is there: [`Authenticator::read`] and [`Signed::verify`] in one.
    ///
    /// # Errors
    /// Why the request is not served.
    pub fn verify(&self, parts: &Parts, service: &str, body: &Sha256, is_private: bool) -> Result<Caller, Denied> {
        self.read(parts, Some(service), is_private)?.verify(parts, body)
    }
}

/// Who sent a request. Cheap to clone.
#[derive(Clone)]
pub struct Caller {
    key: Arc<Key>,
}

impl Caller {
    /// The key's id.
    pub fn access_key_id(&self) -> &str {
        &self.key.record.access_key_id
    }

    /// The key's account.
    pub fn account(&self) -> &str {
        &self.key.record.account
    }

    /// `arn:aws:iam::<account>:user/<name>`.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::{}:user/{}", self.key.record.account, self.key.record.name)
    }

    /// Whether the caller may do what `ask` says, by its policy and the resource's.
    ///
    /// # Errors
    /// [`Denied::NotAuthorized`].
    pub fn authorize(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        let arn = self.arn();
        let principal = Principal::Key { arn: &arn, account: self.account(), policy: &self.key.record.policy };
        let because = match evaluation::decide(principal, ask) {
            Verdict::Allowed => return Ok(()),
            Verdict::NotAllowed(kind) => {
                format!(" because no {} policy allows the {} action", kind.name(), ask.action)
            }
            Verdict::Denied(kind) => format!(" with an explicit deny in {} policy", kind.with_article()),
        };
        let (action, resource) = (ask.action.to_owned(), ask.resource.to_owned());
        Err(Denied::NotAuthorized { user: arn, action, resource, because })
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Caller").field(&self.arn()).finish()
    }
}
