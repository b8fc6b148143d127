//! `RedrivePolicy` and `RedriveAllowPolicy`: JSON inside an attribute.
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>)

use super::super::error::WireError;
use super::{SqsApi, fault};
use crate::ids::{Home, QueueName};
use crate::storage::queues::{RedriveAllowPolicy, RedrivePolicy};
use serde::Serialize;
use serde_json::{Map, Value};

/// Source queues that a policy may list.
const SOURCES_LIMIT: usize = 10;

/// The queue of an ARN of this account and region.
pub(super) fn queue_of_arn(home: &Home, arn: &str) -> Option<QueueName> {
    let name = arn.strip_prefix(&home.arn("sqs", ""))?;
    QueueName::new(name).ok()
}

pub(super) fn arn(home: &Home, name: &QueueName) -> String {
    home.arn("sqs", name.as_str())
}

/// Reads a `RedrivePolicy`; the empty text removes it.
pub(super) fn parse_policy(home: &Home, text: &str) -> Result<Option<RedrivePolicy>, WireError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let refuse = |reason: &str| fault::invalid_value(text, "RedrivePolicy", reason);
    let members: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| refuse("Redrive policy is not a valid JSON map."))?;
    if members.is_empty() {
        return Ok(None);
    }
    if let Some(unknown) = members.keys().find(|key| !matches!(key.as_str(), "deadLetterTargetArn" | "maxReceiveCount"))
    {
        return Err(refuse(&format!(
            "Only following attributes are supported: [deadLetterTargetArn, maxReceiveCount], not {unknown}."
        )));
    }
    let member = |name: &str| {
        members
            .get(name)
            .ok_or_else(|| refuse(&format!("Redrive policy does not contain mandatory attribute: {name}.")))
    };
    let count = member("maxReceiveCount")?;
    let number = match count {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let max_receive_count =
        number.and_then(|n| u32::try_from(n).ok()).filter(|n| (1..=1000).contains(n)).ok_or_else(|| {
            refuse(&format!(
                "Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000 both inclusive."
            ))
        })?;
    let target = member("deadLetterTargetArn")?.as_str().and_then(|arn| queue_of_arn(home, arn));
    let dead_letter_queue = target.ok_or_else(|| refuse("Invalid value for deadLetterTargetArn."))?;
    Ok(Some(RedrivePolicy { dead_letter_queue, max_receive_count }))
}

/// Checks that the dead-letter queue is there, of the same type, another queue, and takes dead letters of `source`.
pub(super) async fn check_target(api: &SqsApi, source: &QueueName, policy: &RedrivePolicy) -> Result<(), WireError> {
    let refuse = |reason: &str| Err(fault::invalid_value(write_policy(&api.home, policy), "RedrivePolicy", reason));
    let target = &policy.dead_letter_queue;
    if target == source {
        return refuse("Dead letter target must be another queue.");
    }
    let Some(record) = api.queues.get(target.clone()).await? else {
        return refuse("Dead letter target does not exist.");
    };
    if record.attributes.fifo.is_some() != source.is_fifo() {
        return refuse("Dead-letter queue must be same type of queue as the source.");
    }
    match record.attributes.redrive_allow {
        None | Some(RedriveAllowPolicy::AllowAll) => Ok(()),
        Some(RedriveAllowPolicy::ByQueue(sources)) if sources.contains(source) => Ok(()),
        Some(RedriveAllowPolicy::ByQueue(_) | RedriveAllowPolicy::DenyAll) => {
            refuse("The dead-letter queue's redrive allow policy does not allow this source queue.")
        }
    }
}

pub(super) fn write_policy(home: &Home, policy: &RedrivePolicy) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        dead_letter_target_arn: String,
        max_receive_count: u32,
    }
    let dead_letter_target_arn = arn(home, &policy.dead_letter_queue);
    serde_json::to_string(&Written { dead_letter_target_arn, max_receive_count: policy.max_receive_count })
        .unwrap_or_default()
}

/// Reads a `RedriveAllowPolicy`; the empty text removes it.
pub(super) fn parse_allow(home: &Home, text: &str) -> Result<Option<RedriveAllowPolicy>, WireError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let refuse = |reason: &str| fault::invalid_value(text, "RedriveAllowPolicy", reason);
    let members: Map<String, Value> = serde_json::from_str(text)
        .map_err(|_| refuse("Amazon SQS can't create the redrive allow policy, as it's in an unsupported format."))?;
    if members.is_empty() {
        return Ok(None);
    }
    let sources = members.get("sourceQueueArns");
    match (members.get("redrivePermission").and_then(Value::as_str), sources) {
        (Some("allowAll"), None) => Ok(Some(RedriveAllowPolicy::AllowAll)),
        (Some("denyAll"), None) => Ok(Some(RedriveAllowPolicy::DenyAll)),
        (Some("allowAll" | "denyAll"), Some(_)) => Err(refuse(
            "Amazon SQS can't create the redrive allow policy. When you specify sourceQueueArns, redrivePermission must be byQueue.",
        )),
        (Some("byQueue"), Some(Value::Array(arns))) if (1..=SOURCES_LIMIT).contains(&arns.len()) => {
            let names: Option<Vec<_>> = arns.iter().map(|arn| queue_of_arn(home, arn.as_str()?)).collect();
            let names = names.ok_or_else(|| refuse("Invalid value for sourceQueueArns."))?;
            Ok(Some(RedriveAllowPolicy::ByQueue(names)))
        }
        (Some("byQueue"), _) => {
            Err(refuse("sourceQueueArns must list 1 to 10 queues when redrivePermission is byQueue."))
        }
        _ => Err(refuse("Invalid value for redrivePermission: valid values are allowAll, denyAll and byQueue.")),
    }
}

pub(super) fn write_allow(home: &Home, policy: &RedriveAllowPolicy) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        redrive_permission: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        source_queue_arns: Option<Vec<String>>,
    }
    let (redrive_permission, source_queue_arns) = match policy {
        RedriveAllowPolicy::AllowAll => ("allowAll", None),
        RedriveAllowPolicy::DenyAll => ("denyAll", None),
        RedriveAllowPolicy::ByQueue(sources) => {
            ("byQueue", Some(sources.iter().map(|source| arn(home, source)).collect()))
        }
    };
    serde_json::to_string(&Written { redrive_permission, source_queue_arns }).unwrap_or_default()
}
