//! `UntagQueue` (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_UntagQueue.html>).

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::{SqsApi, fault};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    queue_url: Option<String>,
    tag_keys: Option<Vec<String>>,
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let name = api.name(input.queue_url.as_deref())?;
    let keys = input.tag_keys.ok_or_else(|| fault::missing_parameter("TagKeys"))?;
    let _changing = api.changes.lock().await;
    let mut tags = api.record(&name).await?.tags;
    tags.retain(|key, _| !keys.contains(key));
    api.queues.put_tags(name, tags).await??;
    super::done()
}
