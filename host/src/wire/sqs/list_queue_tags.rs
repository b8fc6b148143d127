//! `ListQueueTags` (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueueTags.html>).

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::SqsApi;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    queue_url: Option<String>,
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let name = api.name(input.queue_url.as_deref())?;
    let tags = api.record(&name).await?.tags;
    super::answer(&serde_json::json!({ "Tags": tags }))
}
