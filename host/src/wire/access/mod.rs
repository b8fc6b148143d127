//! Who may do what on the AWS port: the one place where requests are authenticated and authorised.
//!
//! [`Gate::admit`] looks at a request's head before its body is read, [`Gate::settle`] at the whole of it before any service does. What a
//! request asks for is told by [`operation`] from tables of its own and not by the services, so a path or a target that is not in them is
//! served to nobody once signatures are required. While none are, requests pass unless a web page may be behind them.
//!
//! A policy sees AWS's actions and resources (<https://docs.aws.amazon.com/service-authorization/latest/reference/>).

mod links;
mod operation;
mod origin;
#[cfg(test)]
mod tests;

pub(super) use links::Links;

use super::codec::Request;
use super::error::{Shape, WireError};
use super::{sqs, sts};
use crate::catalog::Catalog;
use crate::credentials::{Ask, Authenticator, Caller, Context, Denied, Signed};
use crate::ids::Home;
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;
use lamina_sigv4::{Claim, OutOfScope, Sha256, Stale, sha256};
use operation::{Holder, Operation, Resource};
use std::sync::Arc;

/// From this size on a body is hashed away from the threads that serve.
const LARGE_BODY_BYTES: usize = 256 << 10;

/// Told of refusals.
pub trait Observer: Send + Sync + 'static {
    /// A request was refused; `reason` is one of [`Denied::reason`]'s words.
    fn denied(&self, _reason: &'static str) {}
}

impl Observer for () {}

/// Authentication and authorisation.
pub struct Gate {
    authenticator: Authenticator,
    catalog: Arc<Catalog>,
    link_key: links::LinkKey,
    observer: Arc<dyn Observer>,
}

/// A request that may go on to its body.
pub(super) enum Admission {
    /// Signatures are not required.
    Open,
    /// It fetches what an authorised answer pointed to.
    Link,
    /// It is signed with a known key, and asks for this; `None` for nothing that is offered.
    Signed(Box<Signed>, Option<Operation>),
}

impl Admission {
    /// Whether nobody asked who calls.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }
}

/// What is left to do with a request that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// To serve it.
    Serve,
    /// To say that it is not served: it asks for nothing that policies know.
    Unknown,
}

impl Gate {
    /// Asks `authenticator` who calls, and `catalog` for the policies of what is asked for.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn new(
        authenticator: Authenticator,
        catalog: Arc<Catalog>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, crate::credentials::Error> {
        Ok(Self { authenticator, catalog, link_key: links::LinkKey::generate()?, observer })
    }

    /// Whether a request may go on, as far as its head tells. `is_private`: over TLS.
    pub(super) fn admit(&self, parts: &Parts, is_private: bool, now_ms: i64) -> Result<Admission, Denied> {
        if !self.authenticator.is_required() {
            return Ok(Admission::Open);
        }
        if self.link_key.admits(parts, now_ms) {
            return Ok(Admission::Link);
        }
        let operation = Operation::of(parts);
        let asked = operation.as_ref().map(|operation| operation.service);
        // Which service a call of the query protocol is for stands in its body.
        let claimed = || {
            let claimed = claimed_service(parts)?;
            [sts::SERVICE, sqs::SERVICE].into_iter().find(|service| *service == claimed)
        };
        let service = asked.or_else(claimed);
        let signed = self.authenticator.read(parts, service, is_private).inspect_err(|denied| self.tell(denied))?;
        Ok(Admission::Signed(Box::new(signed), operation))
    }

    /// Whether an admitted request may be served. Leaves the [`Caller`] and [`Links`] in its extensions, and SQS's calls of old translated.
    pub(super) async fn settle(
        &self,
        admission: Admission,
        request: &mut Request,
        is_private: bool,
        now_ms: i64,
    ) -> Result<Passed, Denied> {
        let links = Links::new(is_private, self.authenticator.is_required().then(|| self.link_key.clone()), now_ms);
        request.parts.extensions.insert(links);
        let (signed, operation) = match admission {
            Admission::Open => {
                if let Some(translated) = sqs::query::translate(request) {
                    *request = translated;
                }
                return Ok(Passed::Serve);
            }
            Admission::Link => return Ok(Passed::Serve),
            Admission::Signed(signed, operation) => (signed, operation),
        };
        let translated = if operation.is_none() { sqs::query::translate(request) } else { None };
        let of_query = match &translated {
            Some(_) => Some(sqs::SERVICE),
            None => (operation.is_none() && sts::is_call(request)).then_some(sts::SERVICE),
        };
        if let Some(service) = of_query.filter(|service| *service != signed.service()) {
            let denied = Denied::OutOfScope(OutOfScope::Service(service.to_owned()));
            self.tell(&denied);
            return Err(denied);
        }
        let hash = hash(&request.body).await;
        let caller = signed.verify(&request.parts, &hash).inspect_err(|denied| self.tell(denied))?;
        let operation = match translated {
            None => operation,
            Some(translated) => {
                *request = translated;
                Operation::of(&request.parts)
            }
        };
        let passed = match operation {
            None => Passed::Unknown,
            Some(operation) => {
                self.authorize(&caller, &operation, request).inspect_err(|denied| self.tell(denied))?;
                Passed::Serve
            }
        };
        request.parts.extensions.insert(caller);
        Ok(passed)
    }

    fn authorize(&self, caller: &Caller, operation: &Operation, request: &Request) -> Result<(), Denied> {
        for resource in operation.resources(self.home(), request) {
            self.authorize_one(caller, &operation.action, &resource)?;
        }
        for resource in operation.layers(self.home(), request) {
            self.authorize_one(caller, "lambda:GetLayerVersion", &resource)?;
        }
        Ok(())
    }

    fn authorize_one(&self, caller: &Caller, action: &str, resource: &Resource) -> Result<(), Denied> {
        let allowed = |statements: &[serde_json::Value]| {
            let Resource { arn, also, .. } = resource;
            let (owner, context) = (&*self.home().account, Context::default());
            caller.authorize(&Ask { action, resource: arn, also, owner, statements, context })
        };
        match &resource.holder {
            None => allowed(&[]),
            Some(Holder::Function(target)) => self.catalog.with_statements(target, allowed),
            Some(Holder::Layer(name, version)) => allowed(&self.catalog.layer_statements(name, *version)),
        }
    }

    fn tell(&self, denied: &Denied) {
        self.observer.denied(denied.reason());
        tracing::debug!(%denied, "a request was refused");
    }

    pub(super) fn home(&self) -> &Home {
        self.catalog.home()
    }
}

async fn hash(body: &Bytes) -> Sha256 {
    if body.len() < LARGE_BODY_BYTES {
        return sha256(body);
    }
    let shared = body.clone();
    // A task that could not run leaves the work here.
    tokio::task::spawn_blocking(move || sha256(&shared)).await.unwrap_or_else(|_| sha256(body))
}

/// The service that a request says it is signed for, proven or not.
pub(super) fn claimed_service(parts: &Parts) -> Option<String> {
    Claim::read(parts).ok().flatten().map(|claim| claim.scope.service)
}

/// The refusal of requests that a web page may have sent, while the port is open; `None` for others.
pub(super) fn refusal_of_pages(parts: &Parts) -> Option<WireError> {
    origin::is_from_a_browser(parts).then(|| {
        WireError::new(
            StatusCode::FORBIDDEN,
            "AccessDeniedException",
            "Requests of web pages are not served: this port takes requests without credentials.",
        )
    })
}

/// A refusal as AWS words it: codes and statuses differ between protocols
/// (<https://docs.aws.amazon.com/lambda/latest/api/CommonErrors.html>).
pub(super) fn error(denied: &Denied, shape: Shape) -> WireError {
    // The code with and without `Exception`; SQS's clients get the latter beside the former.
    let (code, query_code) = match denied {
        Denied::Missing => ("MissingAuthenticationTokenException", "MissingAuthenticationToken"),
        Denied::Malformed(_) => ("IncompleteSignatureException", "IncompleteSignature"),
        Denied::UnknownKey => ("UnrecognizedClientException", "InvalidClientTokenId"),
        Denied::Stale(Stale::Expired { .. }) => ("RequestExpired", "RequestExpired"),
        Denied::Stale(_) | Denied::OutOfScope(_) | Denied::UnsignedBody | Denied::Mismatch(_) => {
            ("InvalidSignatureException", "SignatureDoesNotMatch")
        }
        Denied::NotAuthorized { .. } => ("AccessDeniedException", "AccessDenied"),
    };
    let is_sqs = shape == super::sqs::ERROR_SHAPE;
    let is_bad_form = matches!(denied, Denied::Malformed(_) | Denied::Stale(Stale::Expired { .. }));
    let status = match shape {
        // Of JSON by target only SQS keeps the statuses of old.
        Shape::Json { .. } | Shape::Cbor if !is_sqs => StatusCode::BAD_REQUEST,
        Shape::RestJson if matches!(denied, Denied::Malformed(_)) => StatusCode::FORBIDDEN,
        _ if is_bad_form => StatusCode::BAD_REQUEST,
        _ => StatusCode::FORBIDDEN,
    };
    let code = match shape {
        Shape::Query | Shape::Ec2 | Shape::RestXml => query_code,
        Shape::RestJson | Shape::Json { .. } | Shape::Cbor => code,
    };
    WireError { query_code: is_sqs.then_some(query_code), ..WireError::new(status, code, denied.to_string()) }
}
