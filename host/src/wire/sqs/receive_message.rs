//! `ReceiveMessage` (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>).
//!
//! A long poll waits for arrivals and for the next message to become visible; it looks at the queue only then.
//! Of a client that goes away, the poll is dropped; messages received for it are visible again after their timeout.
//! At the limit of messages in flight a short poll of a standard queue is refused; other polls see no messages.

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::change_message_visibility::read_timeout;
use super::{SqsApi, fault, send_message};
use crate::ids::QueueName;
use crate::storage::queues::ReceivedMessage;
use crate::triggers::queue::message_attributes::{self, MessageAttributes};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long to wait before looking again at a queue that said it had messages and gave none.
const PAUSE_MS: i64 = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    queue_url: Option<String>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
    max_number_of_messages: Option<Number>,
    visibility_timeout: Option<Number>,
    wait_time_seconds: Option<Number>,
    receive_request_attempt_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    message_id: String,
    receipt_handle: String,
    #[serde(rename = "MD5OfBody")]
    md5_of_body: String,
    body: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'static str, String>,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    #[serde(skip_serializing_if = "MessageAttributes::is_empty")]
    message_attributes: MessageAttributes,
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let name = api.name(input.queue_url.as_deref())?;
    let max = read_max(input.max_number_of_messages.as_ref())?;
    let timeout_s = read_timeout(input.visibility_timeout.as_ref())?;
    let wait_s = read_wait(input.wait_time_seconds.as_ref())?;
    let system: Vec<&String> = input.attribute_names.iter().chain(&input.message_system_attribute_names).collect();
    if let Some(unknown) = system.iter().find(|name| !is_system_attribute(name)) {
        return Err(fault::unknown_attribute(unknown));
    }
    let queue = api.record(&name).await?;
    if let Some(id) = &input.receive_request_attempt_id {
        if queue.attributes.fifo.is_none() {
            return Err(fault::wrong_queue_type(id, "ReceiveRequestAttemptId"));
        }
        if !send_message::is_token(id) {
            let reason =
                "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length.";
            return Err(fault::invalid_value(id, "ReceiveRequestAttemptId", reason));
        }
    }
    let wait_s = wait_s.unwrap_or(queue.attributes.receive_wait_s);
    let messages = poll(api, &name, max, timeout_s, wait_s).await?;
    let shown = |message| show(api, message, &system, &input.message_attribute_names);
    super::answer(&Output { messages: messages.into_iter().map(shown).collect() })
}

fn read_max(number: Option<&Number>) -> Result<usize, WireError> {
    let Some(number) = number else { return Ok(1) };
    let max = number.as_u64().and_then(|max| usize::try_from(max).ok()).filter(|max| (1..=10).contains(max));
    max.ok_or_else(|| fault::invalid_value(number, "MaxNumberOfMessages", "Must be between 1 and 10, if provided."))
}

fn read_wait(number: Option<&Number>) -> Result<Option<u32>, WireError> {
    let Some(number) = number else { return Ok(None) };
    match number.as_u64().and_then(|wait_s| u32::try_from(wait_s).ok()).filter(|wait_s| *wait_s <= 20) {
        Some(wait_s) => Ok(Some(wait_s)),
        None => Err(fault::invalid_value(number, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")),
    }
}

async fn poll(
    api: &SqsApi,
    name: &QueueName,
    max: usize,
    timeout_s: Option<u32>,
    wait_s: u32,
) -> Result<Vec<ReceivedMessage>, WireError> {
    // Before the first look, so that no arrival falls between looking and waiting.
    let mut arrivals = api.queues.arrivals(name);
    let mut end = api.clock.sleep(Duration::from_secs(wait_s.into()));
    loop {
        arrivals.borrow_and_update();
        let now_ms = api.clock.now_ms();
        let room = api.in_flight.room(api.queues.as_ref(), name, max, now_ms).await?;
        if room == 0 && wait_s == 0 && !name.is_fifo() {
            return Err(fault::over_limit(api.in_flight.limit));
        }
        if room > 0 {
            let received = api.queues.receive(name.clone(), room, timeout_s, now_ms).await??;
            if !received.messages.is_empty() {
                if timeout_s != Some(0) {
                    api.in_flight.add(name, received.messages.len());
                }
                return Ok(received.messages);
            }
        }
        if wait_s == 0 || api.stop.is_cancelled() {
            return Ok(Vec::new());
        }
        let next_at_ms = api.queues.next_visible_at(name.clone()).await??;
        let next_ms = next_at_ms.map(|at_ms| at_ms.saturating_sub(api.clock.now_ms()).max(PAUSE_MS));
        let next = async {
            match next_ms.and_then(|ms| u64::try_from(ms).ok()) {
                Some(ms) => api.clock.sleep(Duration::from_millis(ms)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = api.stop.cancelled() => return Ok(Vec::new()),
            () = &mut end => return Ok(Vec::new()),
            // An error means that the marks are gone: the time left is then all there is to wait for.
            Ok(()) = arrivals.changed() => {}
            () = next => {}
        }
    }
}

fn is_system_attribute(name: &str) -> bool {
    matches!(
        name,
        "All"
            | "SenderId"
            | "SentTimestamp"
            | "ApproximateReceiveCount"
            | "ApproximateFirstReceiveTimestamp"
            | "SequenceNumber"
            | "MessageDeduplicationId"
            | "MessageGroupId"
            | "AWSTraceHeader"
            | "DeadLetterQueueSourceArn"
    )
}

fn show(api: &SqsApi, message: ReceivedMessage, system: &[&String], wanted: &[String]) -> Message {
    let mut attributes = crate::triggers::queue::event::system_attributes(&api.home, &message);
    attributes.retain(|name, _| system.iter().any(|wanted| *wanted == "All" || *wanted == name));
    let mut message_attributes = match (wanted, &message.attributes) {
        ([], _) | (_, None) => MessageAttributes::new(),
        (_, stored) => message_attributes::decode(stored.as_deref()),
    };
    message_attributes.retain(|name, _| wanted.iter().any(|wanted| selects(wanted, name)));
    Message {
        message_id: message.message_id.to_string(),
        receipt_handle: message.receipt_handle.to_string(),
        md5_of_body: message_attributes::md5_of_body(&message.body),
        body: message.body,
        attributes,
        md5_of_message_attributes: message_attributes::md5_of_attributes(&message_attributes),
        message_attributes,
    }
}

/// `All`, `.*` and `*` take every attribute, `prefix.*` and `prefix*` those that begin so.
fn selects(wanted: &str, name: &str) -> bool {
    match wanted.strip_suffix(".*").or_else(|| wanted.strip_suffix('*')) {
        Some(prefix) => name.starts_with(prefix),
        None => wanted == "All" || wanted == name,
    }
}
