//! Amazon SQS over [`Queues`]: a file an operation.
//!
//! A call names its operation in `X-Amz-Target: AmazonSQS.<Operation>`; shapes, limits and codes are those of the service model
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/Welcome.html>). SQS once spoke the query protocol:
//! errors carry the code from then in `x-amzn-query-error`, and [`query`] still reads and writes it.
//!
//! Bounds: 10 messages and 1 MiB a batch, 20 s a long poll, [`IN_FLIGHT_LIMIT`] messages in flight a queue.
//! Of other accounts no queue exists. Access policies and encryption settings are kept and echoed, not enforced.
//! `ReceiveRequestAttemptId` is accepted and checked; a repeated attempt is a new receive.

mod attributes;
mod batch;
mod change_message_visibility;
mod change_message_visibility_batch;
mod create_queue;
mod delete_message;
mod delete_message_batch;
mod delete_queue;
mod fault;
mod get_queue_attributes;
mod get_queue_url;
mod in_flight;
mod list_dead_letter_source_queues;
mod list_queue_tags;
mod list_queues;
mod page;
mod purge_queue;
pub(in crate::wire) mod query;
mod queue_url;
mod receive_message;
mod redrive;
mod send_message;
mod send_message_batch;
mod set_queue_attributes;
mod tag_queue;
#[cfg(test)]
mod tests;
mod untag_queue;
mod user_attributes;

pub use in_flight::IN_FLIGHT_LIMIT;

use super::codec::{Answer, Request, json_as};
use super::error::{Shape, WireError};
use crate::clock::SharedClock;
use crate::ids::{Home, QueueName};
use crate::storage::queues::{QueueRecord, Queues};
use http::StatusCode;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// How this service writes its errors.
pub const ERROR_SHAPE: Shape = Shape::Json { namespace: "com.amazonaws.sqs#" };

/// The signing name.
pub(in crate::wire) const SERVICE: &str = "sqs";

/// What precedes the operation in `X-Amz-Target`.
pub const TARGET_PREFIX: &str = "AmazonSQS.";

/// The largest batch, and the largest that `MaximumMessageSize` can be.
const BATCH_LIMIT_BYTES: usize = 1_048_576;

/// The service and what it remembers between calls.
pub struct SqsApi {
    queues: Arc<dyn Queues>,
    clock: SharedClock,
    home: Home,
    /// Cancelled when long polls are to end.
    stop: CancellationToken,
    /// When each queue was purged, for the last minute. Memory only: a restart forgets it, which harms nothing.
    purges: Mutex<HashMap<QueueName, i64>>,
    in_flight: in_flight::InFlight,
    /// Held from reading to writing a queue's attributes or tags.
    changes: tokio::sync::Mutex<()>,
}

impl SqsApi {
    /// The service over `queues`. Long polls answer early, with nothing, once `stop` is cancelled.
    pub fn new(queues: Arc<dyn Queues>, clock: SharedClock, home: Home, stop: CancellationToken) -> Self {
        Self {
            queues,
            clock,
            home,
            stop,
            purges: Mutex::default(),
            in_flight: in_flight::InFlight::new(IN_FLIGHT_LIMIT),
            changes: tokio::sync::Mutex::default(),
        }
    }

    /// The queue that a request's `QueueUrl` names.
    fn name(&self, url: Option<&str>) -> Result<QueueName, WireError> {
        queue_url::parse(&self.home, url.ok_or_else(|| fault::missing_parameter("QueueUrl"))?)
    }

    async fn record(&self, name: &QueueName) -> Result<QueueRecord, WireError> {
        self.queues.get(name.clone()).await?.ok_or_else(fault::no_such_queue)
    }
}

/// The queue that a URL names, read as the operations read it.
pub(super) fn queue_of(home: &Home, url: &str) -> Option<QueueName> {
    queue_url::parse(home, url).ok()
}

/// Answers one call. The caller has made sure that the target begins with [`TARGET_PREFIX`], or lets this refuse it.
///
/// # Errors
/// Whatever the operation refuses; written with [`ERROR_SHAPE`].
pub async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let target = request.header("x-amz-target").unwrap_or_default();
    match target.strip_prefix(TARGET_PREFIX).unwrap_or_default() {
        "ChangeMessageVisibility" => change_message_visibility::handle(api, request).await,
        "ChangeMessageVisibilityBatch" => change_message_visibility_batch::handle(api, request).await,
        "CreateQueue" => create_queue::handle(api, request).await,
        "DeleteMessage" => delete_message::handle(api, request).await,
        "DeleteMessageBatch" => delete_message_batch::handle(api, request).await,
        "DeleteQueue" => delete_queue::handle(api, request).await,
        "GetQueueAttributes" => get_queue_attributes::handle(api, request).await,
        "GetQueueUrl" => get_queue_url::handle(api, request).await,
        "ListDeadLetterSourceQueues" => list_dead_letter_source_queues::handle(api, request).await,
        "ListQueueTags" => list_queue_tags::handle(api, request).await,
        "ListQueues" => list_queues::handle(api, request).await,
        "PurgeQueue" => purge_queue::handle(api, request).await,
        "ReceiveMessage" => receive_message::handle(api, request).await,
        "SendMessage" => send_message::handle(api, request).await,
        "SendMessageBatch" => send_message_batch::handle(api, request).await,
        "SetQueueAttributes" => set_queue_attributes::handle(api, request).await,
        "TagQueue" => tag_queue::handle(api, request).await,
        "UntagQueue" => untag_queue::handle(api, request).await,
        operation @ ("AddPermission"
        | "RemovePermission"
        | "StartMessageMoveTask"
        | "CancelMessageMoveTask"
        | "ListMessageMoveTasks") => Err(fault::unsupported(format!("{operation} is not supported by Lamina."))),
        _ => Err(WireError::bad_request(
            "UnknownOperationException",
            format!("{:?} is not an operation of Amazon SQS.", target.chars().take(128).collect::<String>()),
        )),
    }
}

/// Reads a request's members.
fn read<T: DeserializeOwned>(request: &Request) -> Result<T, WireError> {
    request.json().map_err(|error| match error.code {
        "InvalidParameterValueException" => fault::invalid_parameter(error.message),
        _ => error,
    })
}

fn answer(body: &impl Serialize) -> Result<Answer, WireError> {
    json_as(StatusCode::OK, "application/x-amz-json-1.0", body)
}

/// An answer without members.
fn done() -> Result<Answer, WireError> {
    answer(&serde_json::Map::new())
}
