//! Where records of events go, and dead letters
//! (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>).

use super::verdict::Failure;
use super::{AsyncInvocations, Dropped, PAYLOAD_LIMIT_BYTES};
use crate::ids::{FunctionRef, Home, QueueName};
use crate::storage;
use crate::storage::async_events::{Event, EventSummary, NewEvent};
use crate::storage::queues::{NewMessage, NoSuchQueue};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The longest error text in a dead letter's attributes, in bytes.
const ERROR_MESSAGE_BYTES: usize = 1_024;

/// What gets records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A queue, which gets a message.
    Queue(QueueName),
    /// A function, which gets an event.
    Function(FunctionRef),
}

/// An ARN that is no destination here. The caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDestination {
    /// Of a service that there is not.
    #[error("{what} as a destination are not supported by Lamina; name a queue or a function")]
    Unsupported {
        /// Such as `Topics (SNS)`.
        what: &'static str,
    },
    /// A FIFO queue, to which Lambda sends nothing.
    #[error("FIFO queues are not supported as a destination: {0}")]
    Fifo(String),
    /// Of another region or account.
    #[error("the destination is not of this region and account: {0}")]
    Foreign(String),
    /// No ARN of a queue or a function.
    #[error("the destination ARN {0} is invalid")]
    Invalid(String),
}

impl Destination {
    /// Reads an ARN.
    pub fn parse(home: &Home, arn: &str) -> Result<Self, InvalidDestination> {
        let invalid = || InvalidDestination::Invalid(arn.to_owned());
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let &["arn", partition, service, region, account, resource] = parts.as_slice() else { return Err(invalid()) };
        if partition != "aws" && !partition.starts_with("aws-") {
            return Err(invalid());
        }
        let unsupported = |what| Err(InvalidDestination::Unsupported { what });
        match service {
            "events" => return unsupported("Event buses (EventBridge)"),
            "sns" => return unsupported("Topics (SNS)"),
            "s3" => return unsupported("Buckets (S3)"),
            "sqs" | "lambda" => {}
            _ => return Err(invalid()),
        }
        if region != &*home.region || account != &*home.account {
            return Err(InvalidDestination::Foreign(arn.to_owned()));
        }
        if service == "lambda" {
            return FunctionRef::parse(arn).map(Self::Function).map_err(|_| invalid());
        }
        let queue = QueueName::new(resource).map_err(|_| invalid())?;
        if queue.is_fifo() { Err(InvalidDestination::Fifo(arn.to_owned())) } else { Ok(Self::Queue(queue)) }
    }
}

/// Why something did not arrive.
pub(super) enum Lost<'a> {
    /// It never can.
    Never {
        /// The event it is about.
        event: &'a EventSummary,
        /// Why not.
        why: String,
    },
    /// It may later.
    Storage(storage::Error),
}

/// How an event ended.
pub(super) enum Ended<'a> {
    /// The function succeeded.
    Succeeded {
        /// The version that ran.
        version: &'a str,
        /// What it answered.
        response: &'a [u8],
    },
    /// It was given up.
    GivenUp {
        /// Why.
        why: Dropped,
        /// How the last attempt failed, if there was one.
        failure: Option<&'a Failure>,
    },
}

impl Dropped {
    /// As records have it.
    fn condition(self) -> &'static str {
        match self {
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::RetriesExhausted | Self::FunctionNotFound | Self::RecursiveLoop | Self::SwitchedOff => {
                "RetriesExhausted"
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    version: &'static str,
    timestamp: String,
    request_context: RequestContext<'a>,
    request_payload: Json<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<Json<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: String,
    function_arn: String,
    condition: &'a str,
    approximate_invoke_count: u32,
}

/// A document within a document, byte for byte where it is JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum Json<'a> {
    Raw(&'a RawValue),
    Value(&'a Value),
    Text(String),
}

impl<'a> Json<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        serde_json::from_slice(bytes)
            .map_or_else(|_| Self::Text(String::from_utf8_lossy(bytes).into_owned()), Self::Raw)
    }
}

/// Lambda's record of an event's end.
pub(super) fn record(home: &Home, event: &Event, attempts: u32, now_ms: i64, ended: &Ended<'_>) -> Bytes {
    let (condition, context, payload) = match ended {
        Ended::Succeeded { version, response } => {
            ("Success", Some(json!({ "statusCode": 200, "executedVersion": version })), Some(Json::of(response)))
        }
        Ended::GivenUp { why, failure } => {
            let context = failure.map(|failure| {
                let members = [
                    ("statusCode", Some(json!(failure.status_code))),
                    ("executedVersion", failure.executed_version.as_ref().map(|version| json!(version))),
                    ("functionError", failure.function_error.as_ref().map(|error| json!(error))),
                ];
                members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
            });
            (why.condition(), context, failure.map(|failure| Json::Value(&failure.payload)))
        }
    };
    let target = &event.summary.target;
    let qualifier = target.qualifier.as_ref().map_or_else(|| "$LATEST".to_owned(), ToString::to_string);
    let at = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    let record = Record {
        version: "1.0",
        timestamp: at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        request_context: RequestContext {
            request_id: event.summary.request_id.to_string(),
            function_arn: home.function_arn(&target.name, Some(&qualifier)),
            condition,
            approximate_invoke_count: attempts,
        },
        request_payload: Json::of(&event.payload),
        response_context: context,
        response_payload: payload,
    };
    serde_json::to_vec(&record).unwrap_or_default().into()
}

/// Sends a record.
pub(super) async fn send_record<'a>(
    all: &Arc<AsyncInvocations>,
    to: &Destination,
    record: &Bytes,
    event: &'a Event,
) -> Result<(), Lost<'a>> {
    match to {
        Destination::Queue(queue) => {
            let body = String::from_utf8_lossy(record).into_owned();
            send(all, queue, NewMessage { body, ..traced(event) }, event).await
        }
        Destination::Function(target) => {
            if record.len() > PAYLOAD_LIMIT_BYTES {
                let why = format!("{} bytes are too large for an event", record.len());
                return Err(Lost::Never { event: &event.summary, why });
            }
            let new = NewEvent {
                request_id: Uuid::new_v4(),
                target: target.clone(),
                payload: record.clone(),
                trace_id: event.trace_id.clone(),
                accepted_at_ms: all.now_ms(),
            };
            Box::pin(all.accept(new)).await.map_err(Lost::Storage)
        }
    }
}

/// Sends the event itself, with why it failed in the attributes that Lambda sets.
pub(super) async fn send_dead_letter<'a>(
    all: &Arc<AsyncInvocations>,
    queue: &QueueName,
    event: &'a Event,
    failure: Option<&Failure>,
) -> Result<(), Lost<'a>> {
    let (code, message) = failure.map_or((200, ""), |failure| (failure.status_code, failure.message()));
    let message = match message {
        "" => "The event became too old before it could be delivered.",
        message => message.get(..message.floor_char_boundary(ERROR_MESSAGE_BYTES)).unwrap_or_default(),
    };
    let attributes = json!({
        "ErrorCode": { "DataType": "Number", "StringValue": code.to_string() },
        "ErrorMessage": { "DataType": "String", "StringValue": message },
        "RequestID": { "DataType": "String", "StringValue": event.summary.request_id.to_string() },
    });
    let message = NewMessage {
        body: String::from_utf8_lossy(&event.payload).into_owned(),
        attributes: Some(attributes.to_string()),
        ..traced(event)
    };
    send(all, queue, message, event).await
}

/// A message that carries the event's trace, and with it its lineage.
fn traced(event: &Event) -> NewMessage {
    let header = event.trace_id.as_ref().filter(|trace_id| !trace_id.is_empty());
    let system_attributes = header
        .map(|trace_id| json!({ "AWSTraceHeader": { "DataType": "String", "StringValue": trace_id } }).to_string());
    NewMessage { system_attributes, ..NewMessage::default() }
}

async fn send<'a>(
    all: &AsyncInvocations,
    name: &QueueName,
    message: NewMessage,
    event: &'a Event,
) -> Result<(), Lost<'a>> {
    let never = |why: String| Lost::Never { event: &event.summary, why };
    let queues = &all.parts.queues;
    let Some(queue) = queues.get(name.clone()).await.map_err(Lost::Storage)? else {
        return Err(never(NoSuchQueue(name.clone()).to_string()));
    };
    let limit_bytes = usize::try_from(queue.attributes.maximum_message_size_bytes).unwrap_or(usize::MAX);
    if message.body.len() > limit_bytes {
        return Err(never(format!("{} bytes are too large for the queue {name}", message.body.len())));
    }
    match queues.send(name.clone(), vec![message], all.now_ms()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(never(error.to_string())),
        Err(error) => Err(Lost::Storage(error)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn queues_and_functions_of_this_home_are_destinations() {
        let home = Home::default();
        let of = |arn: &str| Destination::parse(&home, arn);
        let queue = Destination::Queue(QueueName::new("q").unwrap());
        assert_eq!(of("arn:aws:sqs:us-east-1:000000000000:q"), Ok(queue));
        let function = Destination::Function(FunctionRef::parse("f:live").unwrap());
        assert_eq!(of("arn:aws:lambda:us-east-1:000000000000:function:f:live"), Ok(function));
        for (arn, says) in [
            ("arn:aws:sns:us-east-1:000000000000:t", "SNS"),
            ("arn:aws:events:us-east-1:000000000000:event-bus/default", "EventBridge"),
            ("arn:aws:s3:::b", "S3"),
            ("arn:aws:sqs:us-east-1:000000000000:q.fifo", "FIFO"),
            ("arn:aws:sqs:eu-west-1:000000000000:q", "region"),
            ("arn:aws:sqs:us-east-1:111111111111:q", "account"),
            ("arn:aws:sqs:us-east-1:000000000000:a b", "invalid"),
            ("arn:aws:lambda:us-east-1:000000000000:layer:f", "invalid"),
            ("arn:aws:kinesis:us-east-1:000000000000:s", "invalid"),
            ("nonsense", "invalid"),
        ] {
            let error = of(arn).unwrap_err().to_string();
            assert!(error.contains(says), "{arn}: {error}");
        }
    }
}
