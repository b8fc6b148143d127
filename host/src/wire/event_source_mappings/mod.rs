//! Lambda's event source mapping calls for SQS queues: REST with JSON under `/2015-03-31/event-source-mappings`, a file an operation
//! (<https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html>).
//!
//! Changes hold with their answer; the states in between (`Creating`, `Updating` …) are answered once, as Lambda does, and seen by no
//! later call. Members that only streams, Kafka or DocumentDB have are refused. Encryption, metrics, logging and poller
//! settings are kept and echoed.

mod create;
mod delete;
mod get;
mod list;
mod settings;
#[cfg(test)]
mod tests;
mod update;
mod view;

use super::codec::{Answer, Request};
use super::error::{Shape, WireError};
use crate::triggers::queue::{EventSourceMappings, MappingError};
use http::{Method, StatusCode};

/// How this service writes its errors.
pub const ERROR_SHAPE: Shape = Shape::RestJson;

const PATH: &str = "/2015-03-31/event-source-mappings";

/// Answers a call on mappings; `None` where the path is not one of theirs.
///
/// # Errors
/// Whatever the operation refuses; written with [`ERROR_SHAPE`].
pub async fn handle(mappings: &EventSourceMappings, request: &Request) -> Option<Result<Answer, WireError>> {
    let rest = request.parts.uri.path().strip_prefix(PATH)?;
    let id = match rest {
        "" | "/" => None,
        rest => Some(rest.strip_prefix('/')?.trim_end_matches('/')),
    };
    Some(match (&request.parts.method, id) {
        (&Method::POST, None) => create::handle(mappings, request).await,
        (&Method::GET, None) => list::handle(mappings, request),
        (&Method::GET, Some(id)) => get::handle(mappings, id),
        (&Method::PUT, Some(id)) => update::handle(mappings, request, id).await,
        (&Method::DELETE, Some(id)) => delete::handle(mappings, id).await,
        (method, _) => Err(WireError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "UnsupportedOperationException",
            format!("{method} is not a method of this path."),
        )),
    })
}

impl From<MappingError> for WireError {
    fn from(error: MappingError) -> Self {
        let message = error.to_string();
        match error {
            MappingError::NoSuchMapping(_) | MappingError::NoSuchFunction { .. } => {
                Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
            }
            MappingError::Conflict { .. } => Self::new(StatusCode::CONFLICT, "ResourceConflictException", message),
            MappingError::NoSuchQueue | MappingError::Invalid(_) => {
                Self::bad_request("InvalidParameterValueException", message)
            }
            MappingError::Storage(error) => error.into(),
        }
    }
}
