//! `CreateQueue` (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html>).
//! Creating a queue that there is answers its URL, provided that it has the attributes given now.

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::{SqsApi, attributes, fault, queue_url, redrive, tag_queue};
use crate::ids::QueueName;
use crate::storage::queues::{Created, FifoAttributes, QueueAttributes, QueueRecord};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    queue_name: Option<String>,
    #[serde(default)]
    attributes: attributes::Given,
    #[serde(default, rename = "tags", alias = "Tags")]
    tags: BTreeMap<String, String>,
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let mut input: Input = super::read(request)?;
    let name = input.queue_name.ok_or_else(|| fault::missing_parameter("QueueName"))?;
    let fifo =
        input.attributes.remove("FifoQueue").map(|value| attributes::boolean("FifoQueue", &value)).transpose()?;
    let name = check_name(&name, fifo)?;
    tag_queue::check(&input.tags, name.as_str())?;
    let mut attributes =
        QueueAttributes { fifo: name.is_fifo().then(FifoAttributes::default), ..QueueAttributes::default() };
    attributes::apply(&api.home, &mut attributes, &input.attributes)?;
    if let Some(policy) = &attributes.redrive {
        redrive::check_target(api, &name, policy).await?;
    }
    let now_ms = api.clock.now_ms();
    let tags = input.tags;
    let record = QueueRecord { name: name.clone(), attributes, tags, created_at_ms: now_ms, modified_at_ms: now_ms };
    if let Created::Different(found) = api.queues.create(record).await? {
        check_same(api, &found, &input.attributes)?;
    }
    super::answer(&serde_json::json!({ "QueueUrl": queue_url::build(&api.home, request, &name) }))
}

fn check_name(name: &str, fifo: Option<bool>) -> Result<QueueName, WireError> {
    let parsed = QueueName::new(name).ok();
    match (parsed, fifo) {
        (Some(name), Some(true)) if name.is_fifo() => Ok(name),
        (_, Some(true)) => Err(fault::invalid_parameter(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with \
             .fifo suffix and be 1 to 80 in length.",
        )),
        (Some(name), None) if !name.is_fifo() => Ok(name),
        // SQS knows the attribute only with the value true.
        (Some(name), Some(false)) if !name.is_fifo() => Err(fault::unknown_attribute("FifoQueue")),
        _ => Err(fault::invalid_parameter(
            "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.",
        )),
    }
}

/// Attributes that were not given do not count.
fn check_same(api: &SqsApi, found: &QueueRecord, given: &attributes::Given) -> Result<(), WireError> {
    let mut wanted = found.clone();
    attributes::apply(&api.home, &mut wanted.attributes, given)?;
    let (found, wanted) = (attributes::describe(&api.home, found), attributes::describe(&api.home, &wanted));
    match given.keys().find(|name| found.get(*name) != wanted.get(*name)) {
        Some(name) => Err(fault::queue_name_exists(name)),
        None => Ok(()),
    }
}
