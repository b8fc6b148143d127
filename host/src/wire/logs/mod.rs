//! CloudWatch Logs' JSON protocol over [`LogStore`], for reading function logs: a file an operation.
//!
//! A call names its operation in `X-Amz-Target: Logs_20140328.<Operation>`; shapes, limits and codes are those of the service
//! model (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/Welcome.html>). Functions write logs, clients only
//! read them. Of other accounts no group exists.
//!
//! Tokens are `f/<event id>` (go on behind that event) and `b/<event id>` (go back before it); event ids are those of the answers.
//! They do not expire. Filter patterns are those for unstructured text; JSON, space-delimited and regular-expression
//! patterns are refused by name.

mod describe_log_groups;
mod describe_log_streams;
mod filter_log_events;
mod get_log_events;
mod pattern;
#[cfg(test)]
mod tests;
mod token;

use super::codec::{Answer, Request, json_as};
use super::error::{Shape, WireError};
use crate::ids::Home;
use crate::telemetry::logs::{Error, LogStore};
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// How this service writes its errors.
pub const ERROR_SHAPE: Shape = Shape::Json { namespace: "com.amazonaws.logs#" };

/// What precedes the operation in `X-Amz-Target`.
pub const TARGET_PREFIX: &str = "Logs_20140328.";

/// The service.
#[derive(Clone)]
pub struct LogsApi {
    /// Function logs.
    pub logs: Arc<LogStore>,
    /// Region and account.
    pub home: Home,
}

/// Answers one call. The caller has made sure that the target begins with [`TARGET_PREFIX`], or lets this refuse it.
///
/// # Errors
/// Whatever the operation refuses; written with [`ERROR_SHAPE`].
pub async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let target = request.header("x-amz-target").unwrap_or_default();
    match target.strip_prefix(TARGET_PREFIX).unwrap_or_default() {
        "DescribeLogGroups" => describe_log_groups::handle(api, request).await,
        "DescribeLogStreams" => describe_log_streams::handle(api, request).await,
        "FilterLogEvents" => filter_log_events::handle(api, request).await,
        "GetLogEvents" => get_log_events::handle(api, request).await,
        operation => Err(WireError::bad_request(
            "UnknownOperationException",
            format!("The operation {operation:?} of CloudWatch Logs is not supported by Lamina."),
        )),
    }
}

fn parse<T: DeserializeOwned>(request: &Request) -> Result<T, WireError> {
    let body: &[u8] = if request.body.trim_ascii().is_empty() { b"{}" } else { &request.body };
    serde_json::from_slice(body).map_err(|error| {
        let code = if error.is_data() { "InvalidParameterException" } else { "SerializationException" };
        WireError::bad_request(code, error.to_string())
    })
}

fn answer(body: &impl Serialize) -> Result<Answer, WireError> {
    json_as(StatusCode::OK, "application/x-amz-json-1.1", body)
}

fn invalid(message: impl Into<String>) -> WireError {
    WireError::bad_request("InvalidParameterException", message)
}

fn stream_not_found() -> WireError {
    WireError::bad_request("ResourceNotFoundException", "The specified log stream does not exist.")
}

/// The group of a request: its name, or its ARN.
fn group(api: &LogsApi, name: Option<String>, identifier: Option<String>) -> Result<String, WireError> {
    let given = match (name, identifier) {
        (Some(_), Some(_)) => return Err(invalid("Only one of logGroupName and logGroupIdentifier can be given.")),
        (Some(name), None) | (None, Some(name)) => name,
        (None, None) => {
            return Err(invalid(
                "1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null",
            ));
        }
    };
    let name = match given.strip_prefix("arn:") {
        Some(_) => {
            let own = api.home.arn("logs", "log-group:");
            let name = given.strip_prefix(&own).ok_or_else(|| WireError::from(Error::GroupNotFound))?;
            name.strip_suffix(":*").unwrap_or(name).to_owned()
        }
        None => given,
    };
    check_name("logGroupName", &name)?;
    Ok(name)
}

/// Names and prefixes of groups: 1 to 512 characters of `[.-_/#A-Za-z0-9]`.
fn check_name(member: &str, name: &str) -> Result<(), WireError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/' | b'#');
    if (1..=512).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    let shown: String = name.chars().take(128).collect();
    Err(invalid(format!(
        "1 validation error detected: Value '{shown}' at '{member}' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
    )))
}

fn limit(given: Option<i64>, most: usize, default: usize) -> Result<usize, WireError> {
    let Some(given) = given else { return Ok(default) };
    match usize::try_from(given) {
        Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
        _ => Err(invalid(format!(
            "1 validation error detected: Value '{given}' at 'limit' failed to satisfy constraint: Member must have value between 1 and {most}"
        ))),
    }
}

impl From<Error> for WireError {
    fn from(error: Error) -> Self {
        match &error {
            Error::GroupNotFound => Self::bad_request("ResourceNotFoundException", error.to_string()),
            Error::GroupExists => Self::bad_request("ResourceAlreadyExistsException", error.to_string()),
            Error::Closed | Error::Failed(_) => {
                tracing::error!(%error, "function logs could not be read");
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, "ServiceUnavailableException", "Function logs cannot be read now. Try again later.")
            }
        }
    }
}
