//! `SendMessageBatch` (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>).
//! The messages that pass are sent in order, all in one write.

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::batch::{self, Failed, Outcome};
use super::send_message::{self, Checked, Given, Sent};
use super::{BATCH_LIMIT_BYTES, SqsApi, fault};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    queue_url: Option<String>,
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: Option<String>,
    #[serde(flatten)]
    message: Given,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Successful {
    id: String,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let name = api.name(input.queue_url.as_deref())?;
    batch::check(input.entries.iter().map(|entry| entry.id.as_deref()), "SendMessageBatchRequestEntry")?;
    let queue = api.record(&name).await?;
    for entry in &input.entries {
        // In a batch SQS names a missing group an invalid value.
        send_message::check_fifo(&queue, &entry.message).map_err(|error| fault::invalid_parameter(error.message))?;
    }
    let mut outcome = Outcome::new();
    let (mut messages, mut told, mut size_bytes) = (Vec::new(), Vec::new(), 0usize);
    for entry in input.entries {
        let id = entry.id.unwrap_or_default();
        size_bytes = size_bytes.saturating_add(entry.message.size_bytes());
        match send_message::check(&queue, entry.message, send_message::trace_of(request)) {
            Ok(Checked { message, digests }) => {
                messages.push(message);
                told.push((id, digests));
            }
            Err(error) => outcome.failed.push(Failed::new(id, error)),
        }
    }
    if size_bytes > BATCH_LIMIT_BYTES {
        return Err(fault::batch_too_long(BATCH_LIMIT_BYTES, size_bytes));
    }
    if !messages.is_empty() {
        let sent = api.queues.send(name, messages, api.clock.now_ms()).await??;
        let sent = told.into_iter().zip(&sent);
        outcome.successful =
            sent.map(|((id, digests), sent)| Successful { id, sent: Sent::new(digests, sent) }).collect();
    }
    super::answer(&outcome)
}
