//! `ListQueues` (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html>).

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::page::Page;
use super::{SqsApi, queue_url};
use serde::{Deserialize, Serialize};
use serde_json::Number;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    queue_name_prefix: Option<String>,
    next_token: Option<String>,
    max_results: Option<Number>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queue_urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let page = Page::new(input.next_token.as_deref(), input.max_results.as_ref())?;
    let prefix = input.queue_name_prefix.unwrap_or_default();
    let mut queues = api.queues.list(prefix, page.after.clone(), page.limit.saturating_add(1)).await?;
    let more = queues.len() > page.limit;
    queues.truncate(page.limit);
    let next_token = page.next(queues.last().map(|queue| &queue.name), more);
    let queue_urls = queues.iter().map(|queue| queue_url::build(&api.home, request, &queue.name)).collect();
    super::answer(&Output { queue_urls, next_token })
}
