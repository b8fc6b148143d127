//! CloudWatch Logs' JSON protocol over [`LogStore`]: a file an operation.
//!
//! A call names its operation in `X-Amz-Target: Logs_20140328.<Operation>`; shapes, limits and codes are those of the service
//! model (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/Welcome.html>). Functions write logs, and so may clients.
//! Of other accounts no group exists.
//!
//! Tokens are `f/<event id>` (go on behind that event) and `b/<event id>` (go back before it); event ids are those of the answers.
//! They do not expire.

mod constraints;
mod create_log_group;
mod create_log_stream;
mod delete_log_group;
mod delete_log_stream;
mod delete_retention_policy;
mod delete_subscription_filter;
mod describe_log_groups;
mod describe_log_streams;
mod describe_subscription_filters;
mod filter_log_events;
mod get_log_events;
mod list_log_groups;
mod list_tags_for_resource;
mod list_tags_log_group;
mod put_log_events;
mod put_retention_policy;
mod put_subscription_filter;
mod start_live_tail;
mod tag_log_group;
mod tag_resource;
mod test_metric_filter;
#[cfg(test)]
mod tests;
mod token;
mod untag_log_group;
mod untag_resource;

use super::codec::{Answer, Request, empty, json_as};
use super::error::{Shape, WireError};
use crate::clock::SharedClock;
use crate::ids::Home;
use crate::telemetry::logs::{Error, LogStore};
use crate::telemetry::metrics::TailMetrics;
use crate::triggers::subscription::Destinations;
use constraints::{check_group_name, invalid};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// How this service writes its errors.
pub const ERROR_SHAPE: Shape = Shape::Json { namespace: "com.amazonaws.logs#" };

/// What precedes the operation in `X-Amz-Target`.
pub const TARGET_PREFIX: &str = "Logs_20140328.";

/// The service.
#[derive(Clone)]
pub struct LogsApi {
    logs: Arc<LogStore>,
    home: Home,
    clock: SharedClock,
    /// Ends live tails.
    stop: CancellationToken,
    tails: Arc<Semaphore>,
    tails_seen: TailMetrics,
    destinations: Arc<dyn Destinations>,
}

impl LogsApi {
    /// The service over a store; `stop` ends live tails, `destinations` says where subscription filters may send.
    pub fn new(
        logs: Arc<LogStore>,
        home: Home,
        clock: SharedClock,
        stop: CancellationToken,
        tails_seen: TailMetrics,
        destinations: Arc<dyn Destinations>,
    ) -> Self {
        let tails = Arc::new(Semaphore::new(start_live_tail::SESSIONS_LIMIT));
        Self { logs, home, clock, stop, tails, tails_seen, destinations }
    }
}

/// Answers one call. The caller has made sure that the target begins with [`TARGET_PREFIX`], or lets this refuse it.
///
/// # Errors
/// Whatever the operation refuses; written with [`ERROR_SHAPE`].
pub async fn handle(api: &LogsApi, request: &Request) -> Result<Answer, WireError> {
    let target = request.header("x-amz-target").unwrap_or_default();
    match target.strip_prefix(TARGET_PREFIX).unwrap_or_default() {
        "CreateLogGroup" => create_log_group::handle(api, request).await,
        "CreateLogStream" => create_log_stream::handle(api, request).await,
        "DeleteLogGroup" => delete_log_group::handle(api, request).await,
        "DeleteLogStream" => delete_log_stream::handle(api, request).await,
        "DeleteRetentionPolicy" => delete_retention_policy::handle(api, request).await,
        "DeleteSubscriptionFilter" => delete_subscription_filter::handle(api, request).await,
        "DescribeLogGroups" => describe_log_groups::handle(api, request).await,
        "DescribeLogStreams" => describe_log_streams::handle(api, request).await,
        "DescribeSubscriptionFilters" => describe_subscription_filters::handle(api, request).await,
        "FilterLogEvents" => filter_log_events::handle(api, request).await,
        "GetLogEvents" => get_log_events::handle(api, request).await,
        "ListLogGroups" => list_log_groups::handle(api, request).await,
        "ListTagsForResource" => list_tags_for_resource::handle(api, request).await,
        "ListTagsLogGroup" => list_tags_log_group::handle(api, request).await,
        "PutLogEvents" => put_log_events::handle(api, request).await,
        "PutRetentionPolicy" => put_retention_policy::handle(api, request).await,
        "PutSubscriptionFilter" => put_subscription_filter::handle(api, request).await,
        "StartLiveTail" => start_live_tail::handle(api, request).await,
        "TagLogGroup" => tag_log_group::handle(api, request).await,
        "TagResource" => tag_resource::handle(api, request).await,
        "TestMetricFilter" => test_metric_filter::handle(request).await,
        "UntagLogGroup" => untag_log_group::handle(api, request).await,
        "UntagResource" => untag_resource::handle(api, request).await,
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

/// The answer of an operation that has nothing to tell.
fn done() -> Answer {
    let mut answer = empty(StatusCode::OK);
    answer.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    answer
}

fn required<T>(member: &str, given: Option<T>) -> Result<T, WireError> {
    given.ok_or_else(|| {
        invalid(format!(
            "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

/// The group that an ARN names, with or without `:*`.
fn group_of_arn(api: &LogsApi, arn: String) -> Result<String, WireError> {
    if !arn.starts_with("arn:") {
        return Err(invalid("The specified resource ARN is not valid."));
    }
    group(api, None, Some(arn))
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
    check_group_name("logGroupName", &name)?;
    Ok(name)
}

impl From<Error> for WireError {
    fn from(error: Error) -> Self {
        match &error {
            Error::GroupNotFound | Error::StreamNotFound | Error::FilterNotFound => {
                Self::bad_request("ResourceNotFoundException", error.to_string())
            }
            Error::GroupExists | Error::StreamExists => {
                Self::bad_request("ResourceAlreadyExistsException", error.to_string())
            }
            Error::TooManyGroups | Error::TooManyFilters => {
                Self::bad_request("LimitExceededException", error.to_string())
            }
            Error::TooManyTags => Self::bad_request("TooManyTagsException", error.to_string()),
            Error::Busy => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, "ServiceUnavailableException", "Too much waits to be written. Try again later.")
            }
            Error::Closed | Error::Failed(_) => {
                tracing::error!(%error, "function logs could not be read or written");
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, "ServiceUnavailableException", "Logs cannot be read or written now. Try again later.")
            }
        }
    }
}
