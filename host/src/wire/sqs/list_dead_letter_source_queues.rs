//! `ListDeadLetterSourceQueues`
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListDeadLetterSourceQueues.html>).

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::page::Page;
use super::{SqsApi, queue_url};
use crate::ids::QueueName;
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// Queues looked at in one go.
const STEP: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    queue_url: Option<String>,
    next_token: Option<String>,
    max_results: Option<Number>,
}

#[derive(Serialize)]
struct Output {
    #[serde(rename = "queueUrls")]
    queue_urls: Vec<String>,
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let target = api.name(input.queue_url.as_deref())?;
    api.record(&target).await?;
    let page = Page::new(input.next_token.as_deref(), input.max_results.as_ref())?;
    let mut found: Vec<QueueName> = Vec::new();
    let mut after = page.after.clone();
    loop {
        let queues = api.queues.list(String::new(), after.take(), STEP).await?;
        let full = queues.len() >= STEP;
        after = queues.last().map(|queue| queue.name.as_str().to_owned());
        let sources = queues.into_iter().filter(|queue| {
            queue.attributes.redrive.as_ref().is_some_and(|redrive| redrive.dead_letter_queue == target)
        });
        found.extend(sources.map(|queue| queue.name));
        if !full || found.len() > page.limit {
            break;
        }
    }
    let more = found.len() > page.limit;
    found.truncate(page.limit);
    let next_token = page.next(found.last(), more);
    let queue_urls = found.iter().map(|name| queue_url::build(&api.home, request, name)).collect();
    super::answer(&Output { queue_urls, next_token })
}
