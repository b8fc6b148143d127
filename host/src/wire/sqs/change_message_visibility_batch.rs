//! `ChangeMessageVisibilityBatch`
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html>).

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::batch::{self, Failed, Outcome, Plain};
use super::{SqsApi, change_message_visibility, delete_message, fault};
use crate::storage::queues::ReceiptHandle;
use serde::Deserialize;
use serde_json::Number;

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
    receipt_handle: Option<String>,
    visibility_timeout: Option<Number>,
}

impl Entry {
    fn read(&self) -> Result<(ReceiptHandle, u32), WireError> {
        let timeout_s = change_message_visibility::read_timeout(self.visibility_timeout.as_ref())?;
        let timeout_s = timeout_s.ok_or_else(|| fault::missing_parameter("VisibilityTimeout"))?;
        let handle = delete_message::read_handle(self.receipt_handle.as_deref().unwrap_or_default())?;
        Ok((handle, timeout_s))
    }
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let name = api.name(input.queue_url.as_deref())?;
    let ids = input.entries.iter().map(|entry| entry.id.as_deref());
    batch::check(ids, "ChangeMessageVisibilityBatchRequestEntry")?;
    api.record(&name).await?;
    let mut outcome = Outcome::new();
    let (mut changes, mut asked) = (Vec::new(), Vec::new());
    for entry in input.entries {
        let read = entry.read();
        let (id, text) = (entry.id.unwrap_or_default(), entry.receipt_handle.unwrap_or_default());
        match read {
            Ok((handle, timeout_s)) => {
                changes.push((handle, timeout_s));
                asked.push((id, text, timeout_s));
            }
            Err(error) => outcome.failed.push(Failed::new(id, error)),
        }
    }
    if !changes.is_empty() {
        let outcomes = api.queues.change_visibility(name.clone(), changes, api.clock.now_ms()).await??;
        for ((id, text, timeout_s), changed) in asked.into_iter().zip(outcomes) {
            match change_message_visibility::check(api, &name, &text, timeout_s, changed) {
                Ok(()) => outcome.successful.push(Plain { id }),
                Err(error) => outcome.failed.push(Failed::new(id, error)),
            }
        }
    }
    super::answer(&outcome)
}
