//! From a signed request to its caller.

use super::evaluation::{self, Ask, Principal, Verdict};
use super::keys::{Key, Keys};
use super::policy::Policy;
use super::sessions::{Holders, Issued, Session, Sessions};
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
    /// There is no such key; or the request has a session token that is not of here, or no longer.
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

/// Verifies requests against the keys, and against the credentials of functions.
#[derive(Clone)]
pub struct Authenticator {
    keys: Arc<Keys>,
    sessions: Option<(Arc<Sessions>, Arc<dyn Holders>)>,
    clock: SharedClock,
    home: Home,
}

/// A request whose head is in order and whose key is known. Who holds the key's secret is known after [`Signed::verify`].
pub struct Signed {
    claim: Claim,
    who: Who,
}

/// Whose a signature is.
#[derive(Clone)]
enum Who {
    Key(Arc<Key>),
    Function(Arc<Assumed>),
}

/// A function with its role.
struct Assumed {
    session: Session,
    issued: Issued,
    /// What the role may do, where that is said.
    policy: Option<Arc<Policy>>,
}

impl Who {
    fn secret(&self) -> &str {
        match self {
            Self::Key(key) => &key.secret,
            Self::Function(function) => &function.issued.secret,
        }
    }
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
        self.claim.verify(parts, self.who.secret(), body)?;
        Ok(Caller { who: self.who })
    }
}

impl Authenticator {
    /// Of `keys`, for what is signed for `home`'s region.
    pub fn new(keys: Arc<Keys>, clock: SharedClock, home: Home) -> Self {
        Self { keys, sessions: None, clock, home }
    }

    /// Takes credentials of functions as well, as long as `holders` knows whose they are.
    pub fn with_sessions(self, sessions: Arc<Sessions>, holders: Arc<dyn Holders>) -> Self {
        Self { sessions: Some((sessions, holders)), ..self }
    }

    /// Whose the key or the token is that a request names.
    fn find(&self, claim: &Claim) -> Option<Who> {
        let Some(token) = &claim.session_token else { return self.keys.get(&claim.access_key_id).map(Who::Key) };
        let (sessions, holders) = self.sessions.as_ref()?;
        let (session, issued) = sessions.find(token, &claim.access_key_id)?;
        if !holders.holds(&session) {
            return None;
        }
        // Of another account's role nothing is known here.
        let is_ours = session.role.account() == &*self.home.account;
        let policy = if is_ours { self.keys.role(session.role.name()) } else { None };
        Some(Who::Function(Arc::new(Assumed { session, issued, policy })))
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
        let who = self.find(&claim).ok_or(Denied::UnknownKey)?;
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
        Ok(Signed { claim, who })
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
    who: Who,
}

impl Caller {
    /// The key's id.
    pub fn access_key_id(&self) -> &str {
        match &self.who {
            Who::Key(key) => &key.record.access_key_id,
            Who::Function(function) => &function.issued.access_key_id,
        }
    }

    /// What stands for the caller: the key's id, or `AROA…:<function>`.
    pub fn user_id(&self) -> String {
        match &self.who {
            Who::Key(key) => key.record.access_key_id.clone(),
            Who::Function(function) => function.session.user_id(),
        }
    }

    /// The key's account, or the role's.
    pub fn account(&self) -> &str {
        match &self.who {
            Who::Key(key) => &key.record.account,
            Who::Function(function) => function.session.role.account(),
        }
    }

    /// `arn:aws:iam::<account>:user/<name>`, or `arn:aws:sts::<account>:assumed-role/<role>/<function>`.
    pub fn arn(&self) -> String {
        match &self.who {
            Who::Key(key) => format!("arn:aws:iam::{}:user/{}", key.record.account, key.record.name),
            Who::Function(function) => function.session.arn(),
        }
    }

    /// Whether the caller may do what `ask` says, by its policy and the resource's.
    ///
    /// # Errors
    /// [`Denied::NotAuthorized`].
    pub fn authorize(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        let arn = self.arn();
        let nothing = Policy::nothing();
        let (role, policy) = match &self.who {
            Who::Key(key) => (None, &key.record.policy),
            Who::Function(function) => {
                (Some(function.session.role.as_str()), function.policy.as_deref().unwrap_or(&nothing))
            }
        };
        let principal = Principal::Key { arn: &arn, role, account: self.account(), policy };
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
