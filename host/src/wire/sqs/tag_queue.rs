//! `TagQueue` (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_TagQueue.html>).

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::{SqsApi, fault};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Tags of a queue at most.
const LIMIT: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    queue_url: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let name = api.name(input.queue_url.as_deref())?;
    let given = input.tags.ok_or_else(|| fault::missing_parameter("Tags"))?;
    let _changing = api.changes.lock().await;
    let mut tags = api.record(&name).await?.tags;
    tags.extend(given);
    check(&tags, name.as_str())?;
    api.queues.put_tags(name, tags).await??;
    super::done()
}

/// Checks the number of a queue's tags and their lengths.
pub(super) fn check(tags: &BTreeMap<String, String>, queue: &str) -> Result<(), WireError> {
    if tags.len() > LIMIT {
        return Err(fault::invalid_parameter(format!("Too many tags added for queue {queue}.")));
    }
    for (key, value) in tags {
        if !(1..=128).contains(&key.chars().count()) || key.starts_with("aws:") {
            return Err(fault::invalid_parameter(
                "Tag keys must be between 1 and 128 characters in length and not begin with aws:.",
            ));
        }
        if value.chars().count() > 256 {
            return Err(fault::invalid_parameter("Tag values must be between 0 and 256 characters in length."));
        }
    }
    Ok(())
}
