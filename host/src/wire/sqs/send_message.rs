//! `SendMessage` (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>),
//! and what it shares with `SendMessageBatch`: the check of one message.

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::{SqsApi, fault, user_attributes};
use crate::storage::queues::{NewMessage, QueueRecord, SendOutcome};
use crate::triggers::queue::message_attributes::{self, MessageAttribute, hex};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    queue_url: Option<String>,
    #[serde(flatten)]
    message: Given,
}

/// A message as a request has it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Given {
    message_body: Option<String>,
    delay_seconds: Option<Number>,
    message_attributes: Option<BTreeMap<String, user_attributes::Given>>,
    message_system_attributes: Option<BTreeMap<String, user_attributes::Given>>,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

impl Given {
    /// Body and attributes; system attributes do not count.
    pub(super) fn size_bytes(&self) -> usize {
        let body = self.message_body.as_deref().map_or(0, str::len);
        body.saturating_add(self.message_attributes.as_ref().map_or(0, user_attributes::size_bytes))
    }
}

/// A message that may be sent, with what its sender is told about it.
pub(super) struct Checked {
    pub(super) message: NewMessage,
    pub(super) digests: Digests,
}

/// By which clients check what arrived.
#[derive(Serialize)]
pub(super) struct Digests {
    #[serde(rename = "MD5OfMessageBody")]
    body: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    attributes: Option<String>,
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    system_attributes: Option<String>,
}

/// What a sender is told.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Sent {
    #[serde(flatten)]
    digests: Digests,
    message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<String>,
}

impl Sent {
    pub(super) fn new(digests: Digests, outcome: &SendOutcome) -> Self {
        // SQS's sequence numbers have 20 digits.
        let sequence_number = outcome.sequence_number.map(|number| format!("{number:020}"));
        Self { digests, message_id: outcome.message_id.to_string(), sequence_number }
    }
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let name = api.name(input.queue_url.as_deref())?;
    let queue = api.record(&name).await?;
    check_fifo(&queue, &input.message)?;
    let Checked { message, digests } = check(&queue, input.message, trace_of(request))?;
    let outcomes = api.queues.send(name, vec![message], api.clock.now_ms()).await??;
    let outcome = outcomes.first().ok_or_else(|| {
        tracing::error!("storage answered nothing for a sent message");
        WireError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", "The message may not be sent.")
    })?;
    super::answer(&Sent::new(digests, outcome))
}

/// What a FIFO queue asks of each message. In a batch, one message without it fails all.
pub(super) fn check_fifo(queue: &QueueRecord, given: &Given) -> Result<(), WireError> {
    let Some(fifo) = &queue.attributes.fifo else { return Ok(()) };
    if given.message_group_id.is_none() {
        return Err(fault::missing_parameter("MessageGroupId"));
    }
    if given.message_deduplication_id.is_none() && !fifo.content_based_deduplication {
        return Err(fault::invalid_parameter(
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        ));
    }
    Ok(())
}

/// The trace that a request belongs to: SQS gives it to the request's messages.
pub(super) fn trace_of(request: &Request) -> Option<&str> {
    const LIMIT_BYTES: usize = 2048;
    request.header("x-amzn-trace-id").filter(|trace| !trace.is_empty() && trace.len() <= LIMIT_BYTES)
}

/// Checks a message against the queue's rules. `trace` is that of the request, for a message that names none.
pub(super) fn check(queue: &QueueRecord, given: Given, trace: Option<&str>) -> Result<Checked, WireError> {
    let size_bytes = given.size_bytes();
    let body = given.message_body.filter(|body| !body.is_empty());
    let body = body.ok_or_else(|| fault::missing_parameter("MessageBody"))?;
    if !user_attributes::is_valid_text(&body) {
        return Err(fault::invalid_contents());
    }
    let attributes = user_attributes::check_user(given.message_attributes.unwrap_or_default())?;
    let mut system_attributes = user_attributes::check_system(given.message_system_attributes.unwrap_or_default())?;
    let limit_bytes = queue.attributes.maximum_message_size_bytes;
    if size_bytes > usize::try_from(limit_bytes).unwrap_or(usize::MAX) {
        let message =
            format!("One or more parameters are invalid. Reason: Message must be shorter than {limit_bytes} bytes.");
        return Err(fault::invalid_parameter(message));
    }
    let fifo = queue.attributes.fifo.as_ref();
    if let Some(group) = given.message_group_id.as_deref().filter(|group| !is_token(group)) {
        let reason = "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.";
        return Err(fault::invalid_value(group, "MessageGroupId", reason));
    }
    if let Some(id) = given.message_deduplication_id.as_deref() {
        if fifo.is_none() {
            return Err(fault::wrong_queue_type(id, "MessageDeduplicationId"));
        }
        if !is_token(id) {
            let reason =
                "MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length.";
            return Err(fault::invalid_value(id, "MessageDeduplicationId", reason));
        }
    }
    let delay_s = given.delay_seconds.as_ref().map(check_delay).transpose()?;
    if let Some(delay_s) = delay_s.filter(|delay_s| *delay_s > 0 && fifo.is_some()) {
        return Err(fault::wrong_queue_type(delay_s, "DelaySeconds"));
    }
    let content_id = || {
        let by_content = fifo.is_some_and(|fifo| fifo.content_based_deduplication);
        by_content.then(|| hex(&Sha256::digest(body.as_bytes())))
    };
    let deduplication_id = given.message_deduplication_id.or_else(content_id);
    let digests = Digests {
        body: message_attributes::md5_of_body(&body),
        attributes: message_attributes::md5_of_attributes(&attributes),
        system_attributes: message_attributes::md5_of_attributes(&system_attributes),
    };
    if let (Some(trace), true) = (trace, system_attributes.is_empty()) {
        system_attributes.insert(user_attributes::TRACE_HEADER.to_owned(), MessageAttribute::text(trace));
    }
    let message = NewMessage {
        attributes: message_attributes::encode(&attributes),
        system_attributes: message_attributes::encode(&system_attributes),
        delay_s: delay_s.filter(|_| fifo.is_none()),
        group_id: given.message_group_id,
        deduplication_id,
        dead_letter_source: None,
        body,
    };
    Ok(Checked { message, digests })
}

fn check_delay(number: &Number) -> Result<u32, WireError> {
    let delay_s = number.as_u64().and_then(|delay_s| u32::try_from(delay_s).ok()).filter(|delay_s| *delay_s <= 900);
    delay_s.ok_or_else(|| fault::invalid_value(number, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900."))
}

/// 1 to 128 letters, digits and punctuation characters.
pub(super) fn is_token(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
