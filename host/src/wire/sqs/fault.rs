//! SQS's errors: code, older query code, status and wording.
//!
//! Codes and statuses are those of the service model; wordings are SQS's own where they are known
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html>).

use super::super::error::WireError;
use crate::storage::queues::NoSuchQueue;
use http::StatusCode;

fn fault(status: StatusCode, code: &'static str, query_code: &'static str, message: impl Into<String>) -> WireError {
    WireError { query_code: Some(query_code), ..WireError::new(status, code, message) }
}

fn bad(code: &'static str, query_code: &'static str, message: impl Into<String>) -> WireError {
    fault(StatusCode::BAD_REQUEST, code, query_code, message)
}

pub(super) fn no_such_queue() -> WireError {
    bad("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
}

impl From<NoSuchQueue> for WireError {
    fn from(_: NoSuchQueue) -> Self {
        no_such_queue()
    }
}

pub(super) fn invalid_address(address: &str) -> WireError {
    let address: String = address.chars().take(256).collect();
    let message = format!("The address {address} is not valid for this endpoint.");
    fault(StatusCode::NOT_FOUND, "InvalidAddress", "InvalidAddress", message)
}

pub(super) fn missing_parameter(name: &str) -> WireError {
    let message = format!("The request must contain the parameter {name}.");
    bad("MissingRequiredParameterException", "MissingParameter", message)
}

pub(super) fn invalid_parameter(message: impl Into<String>) -> WireError {
    bad("InvalidParameterValueException", "InvalidParameterValue", message)
}

/// `Value … for parameter … is invalid. Reason: …`.
pub(super) fn invalid_value(value: impl std::fmt::Display, name: &str, reason: &str) -> WireError {
    let value: String = value.to_string().chars().take(1024).collect();
    invalid_parameter(format!("Value {value} for parameter {name} is invalid. Reason: {reason}"))
}

/// A parameter that standard or FIFO queues do not take.
pub(super) fn wrong_queue_type(value: impl std::fmt::Display, name: &str) -> WireError {
    invalid_value(value, name, "The request include parameter that is not valid for this queue type.")
}

pub(super) fn unknown_attribute(name: &str) -> WireError {
    let name: String = name.chars().take(256).collect();
    bad("InvalidAttributeName", "InvalidAttributeName", format!("Unknown Attribute {name}."))
}

pub(super) fn attribute_clash(message: &str) -> WireError {
    bad("InvalidAttributeName", "InvalidAttributeName", message)
}

pub(super) fn invalid_attribute(name: &str, reason: Option<&str>) -> WireError {
    let reason = reason.map(|reason| format!(" Reason: {reason}")).unwrap_or_default();
    let message = format!("Invalid value for the parameter {name}.{reason}");
    bad("InvalidAttributeValue", "InvalidAttributeValue", message)
}

pub(super) fn queue_name_exists(attribute: &str) -> WireError {
    let message = format!("A queue already exists with the same name and a different value for attribute {attribute}");
    bad("QueueNameExists", "QueueAlreadyExists", message)
}

pub(super) fn invalid_contents() -> WireError {
    let message = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to \
                   #xFFFD | #x10000 to #x10FFFF";
    bad("InvalidMessageContents", "InvalidMessageContents", message)
}

pub(super) fn invalid_handle(handle: &str) -> WireError {
    let handle: String = handle.chars().take(1024).collect();
    let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
    fault(StatusCode::NOT_FOUND, "ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", message)
}

pub(super) fn not_in_flight() -> WireError {
    let message = "The specified message isn't in flight.";
    bad("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight", message)
}

pub(super) fn over_limit(limit: u64) -> WireError {
    let message = format!("Too many messages in flight: the queue's limit is {limit}.");
    fault(StatusCode::FORBIDDEN, "OverLimit", "OverLimit", message)
}

pub(super) fn purge_in_progress(queue: &str) -> WireError {
    let message = format!("Only one PurgeQueue operation on {queue} is allowed every 60 seconds.");
    let query_code = "AWS.SimpleQueueService.PurgeQueueInProgress";
    fault(StatusCode::FORBIDDEN, "PurgeQueueInProgress", query_code, message)
}

pub(super) fn empty_batch(entry: &str) -> WireError {
    let message = format!("There should be at least one {entry} in the request.");
    bad("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest", message)
}

pub(super) fn too_many_entries(count: usize) -> WireError {
    let message = format!("Maximum number of entries per request are 10. You have sent {count}.");
    bad("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", message)
}

pub(super) fn entry_ids_not_distinct(id: &str) -> WireError {
    bad("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", format!("Id {id} repeated."))
}

pub(super) fn invalid_entry_id() -> WireError {
    let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at \
                   most 80 letters long.";
    bad("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId", message)
}

pub(super) fn batch_too_long(limit_bytes: usize, size_bytes: usize) -> WireError {
    let message =
        format!("Batch requests cannot be longer than {limit_bytes} bytes. You have sent {size_bytes} bytes.");
    bad("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong", message)
}

pub(super) fn unsupported(message: impl Into<String>) -> WireError {
    bad("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", message)
}
