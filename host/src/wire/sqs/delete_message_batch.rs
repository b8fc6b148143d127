//! `DeleteMessageBatch` (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html>).

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::batch::{self, Failed, Outcome, Plain};
use super::{SqsApi, delete_message};
use serde::Deserialize;

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
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let name = api.name(input.queue_url.as_deref())?;
    batch::check(input.entries.iter().map(|entry| entry.id.as_deref()), "DeleteMessageBatchRequestEntry")?;
    api.record(&name).await?;
    let mut outcome = Outcome::new();
    let (mut handles, mut asked) = (Vec::new(), Vec::new());
    for entry in input.entries {
        let (id, text) = (entry.id.unwrap_or_default(), entry.receipt_handle.unwrap_or_default());
        match delete_message::read_handle(&text) {
            Ok(handle) => {
                handles.push(handle);
                asked.push((id, text));
            }
            Err(error) => outcome.failed.push(Failed::new(id, error)),
        }
    }
    if !handles.is_empty() {
        let outcomes = api.queues.delete_messages(name.clone(), handles, api.clock.now_ms()).await??;
        for ((id, text), deleted) in asked.into_iter().zip(outcomes) {
            match delete_message::check(api, &name, &text, deleted) {
                Ok(()) => outcome.successful.push(Plain { id }),
                Err(error) => outcome.failed.push(Failed::new(id, error)),
            }
        }
    }
    super::answer(&outcome)
}
