//! The catalog's and the invoker's errors as Lambda's.

use crate::catalog;
use crate::images::{Fault, ImageError};
use crate::invocation::{InvokeError, ThrottleReason};
use crate::sandbox::DeployError;
use crate::sandbox::compile::CompileError;
use crate::shutdown::Shutdown;
use crate::wire::error::WireError;
use http::StatusCode;

/// When a throttled caller may try again.
const RETRY_AFTER_S: u32 = 1;

/// The daemon is on its way out.
fn shutting_down() -> WireError {
    WireError {
        retry_after_s: Some(RETRY_AFTER_S),
        ..WireError::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceException", "The service is shutting down.")
    }
}

/// A change whose task ended without an answer.
pub(super) fn unfinished(shutdown: &Shutdown) -> WireError {
    if shutdown.has_begun() { shutting_down() } else { platform("The request could not be finished.") }
}

/// Something the caller named is not there.
pub(super) fn not_found(message: String) -> WireError {
    WireError::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
}

fn platform(message: impl Into<String>) -> WireError {
    WireError::new(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", message)
}

impl From<catalog::Error> for WireError {
    fn from(error: catalog::Error) -> Self {
        use catalog::Error;
        match error {
            Error::FunctionNotFound { .. }
            | Error::AliasNotFound { .. }
            | Error::UrlNotFound
            | Error::EventInvokeNotFound { .. }
            | Error::NotFound(_) => not_found(error.to_string()),
            Error::ProvisionedNotFound => {
                Self::new(StatusCode::NOT_FOUND, "ProvisionedConcurrencyConfigNotFoundException", error.to_string())
            }
            Error::Exists(message) | Error::Conflict(message) => {
                Self::new(StatusCode::CONFLICT, "ResourceConflictException", message)
            }
            Error::NotReady(_) => Self::new(StatusCode::CONFLICT, "ResourceConflictException", error.to_string()),
            Error::Invalid(message) => Self::bad_request("InvalidParameterValueException", message),
            Error::RevisionMismatch => {
                Self::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailedException", error.to_string())
            }
            Error::CodeSigningConfigNotFound { .. } => {
                Self::new(StatusCode::NOT_FOUND, "CodeSigningConfigNotFoundException", error.to_string())
            }
            Error::CodeUnverified(message) => Self::bad_request("CodeVerificationFailedException", message),
            Error::InvalidCodeSignature(message) => Self::bad_request("InvalidCodeSignatureException", message),
            Error::PolicyTooLong { .. } => Self::bad_request("PolicyLengthExceededException", error.to_string()),
            Error::Credentials(error) => {
                tracing::error!(%error, "credentials of a function could not be made");
                platform("The service could not make the function's credentials.")
            }
            Error::Image(error) => error.into(),
            Error::Deploy(error) => error.into(),
            Error::Storage(error) => error.into(),
        }
    }
}

impl From<ImageError> for WireError {
    fn from(error: ImageError) -> Self {
        let message = error.to_string();
        match error.fault {
            Fault::AccessDenied => Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", message),
            Fault::Busy => Self {
                retry_after_s: Some(RETRY_AFTER_S),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", message)
            },
            _ => Self::bad_request("InvalidParameterValueException", message),
        }
    }
}

impl From<DeployError> for WireError {
    fn from(error: DeployError) -> Self {
        match &error {
            DeployError::Compile(CompileError::Host(_))
            | DeployError::Extension { error: CompileError::Host(_), .. } => {
                tracing::error!(%error, "a package could not be deployed");
                platform("The service could not compile the function. Try again later.")
            }
            DeployError::Package(_)
            | DeployError::Layer(_)
            | DeployError::Compile(_)
            | DeployError::Extension { .. }
            | DeployError::TooManyExtensions { .. } => {
                Self::bad_request("InvalidParameterValueException", error.to_string())
            }
        }
    }
}

impl From<InvokeError> for WireError {
    fn from(error: InvokeError) -> Self {
        match error {
            InvokeError::FunctionNotFound { .. } => not_found(error.to_string()),
            InvokeError::NotReady(_) => Self::new(StatusCode::CONFLICT, "ResourceConflictException", error.to_string()),
            InvokeError::Throttled(reason) => throttled(reason),
            InvokeError::InvalidPayload(message) => Self::bad_request("InvalidRequestContentException", message),
            InvokeError::PayloadTooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", error.to_string())
            }
            InvokeError::RecursiveLoop => Self::bad_request("RecursiveInvocationException", error.to_string()),
            InvokeError::ShuttingDown => shutting_down(),
            InvokeError::Platform(message) => platform(message),
        }
    }
}

fn throttled(reason: ThrottleReason) -> WireError {
    // AWS has no reason for a full or overloaded host; to a client it is the account's limit, and the message tells.
    let (reason, message) = match reason {
        ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded => {
            ("ReservedFunctionConcurrentInvocationLimitExceeded", "Rate Exceeded.")
        }
        ThrottleReason::ConcurrentInvocationLimitExceeded => ("ConcurrentInvocationLimitExceeded", "Rate Exceeded."),
        ThrottleReason::HostCapacity => {
            ("ConcurrentInvocationLimitExceeded", "Rate Exceeded. No sandbox or memory is free on this host.")
        }
        ThrottleReason::Overload => {
            ("ConcurrentInvocationLimitExceeded", "Rate Exceeded. More is asked of this host than it can do.")
        }
    };
    let error = WireError::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", message);
    WireError { retry_after_s: Some(RETRY_AFTER_S), ..error.with("Reason", reason) }
}
