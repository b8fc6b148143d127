//! Errors of this service, worded as AWS words them.

use crate::storage::Error;
use crate::triggers::schedule::PutError;
use crate::wire::error::WireError;
use http::StatusCode;

pub(super) fn no_schedule(name: &str) -> WireError {
    not_found(format!("Schedule {name} does not exist."))
}

pub(super) fn no_group(name: &str) -> WireError {
    not_found(format!("Schedule group {name} does not exist."))
}

fn not_found(message: String) -> WireError {
    WireError::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
}

pub(super) fn conflict(message: impl Into<String>) -> WireError {
    WireError::new(StatusCode::CONFLICT, "ConflictException", message)
}

pub(super) fn invalid(message: impl Into<String>) -> WireError {
    WireError::bad_request("ValidationException", message)
}

/// Storage's errors under this service's code.
pub(super) fn storage(error: Error) -> WireError {
    WireError { code: "InternalServerException", ..WireError::from(error) }
}

pub(super) fn put(error: PutError) -> WireError {
    match error {
        PutError::Invalid(fault) => invalid(fault.to_string()),
        PutError::Storage(error) => storage(error),
    }
}
