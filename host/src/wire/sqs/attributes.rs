//! Queue attributes: between AWS's names and texts and [`QueueAttributes`].
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>)

use super::super::error::WireError;
use super::{fault, redrive};
use crate::ids::Home;
use crate::storage::queues::{
    DeduplicationScope, FifoAttributes, FifoThroughputLimit, QueueAttributes, QueueRecord, QueueStats,
};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Attributes as a request has them.
pub(super) type Given = BTreeMap<String, String>;

/// The names of counted attributes: a request for one of them costs a count of the queue.
pub(super) const COUNTS: [&str; 3] =
    ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"];

/// Sets `given` on `attributes`. `FifoQueue` must be gone from it.
pub(super) fn apply(home: &Home, attributes: &mut QueueAttributes, given: &Given) -> Result<(), WireError> {
    for (name, value) in given {
        set(home, attributes, name, value.trim())?;
    }
    let is_set = |name: &str| attributes.echoed.get(name).is_some_and(|value| !value.is_empty());
    let sqs_managed = attributes.echoed.get("SqsManagedSseEnabled").is_some_and(|value| value == "true");
    if is_set("KmsMasterKeyId") && sqs_managed {
        if given.contains_key("SqsManagedSseEnabled") {
            return Err(fault::attribute_clash(
                "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.",
            ));
        }
        attributes.echoed.insert("SqsManagedSseEnabled".into(), "false".into());
    }
    let per_group = attributes.fifo.as_ref().is_some_and(|fifo| {
        fifo.throughput_limit == FifoThroughputLimit::PerMessageGroupId
            && fifo.deduplication_scope == DeduplicationScope::Queue
    });
    if per_group {
        let reason = "perMessageGroupId is allowed only when the value for DeduplicationScope is messageGroup.";
        return Err(fault::invalid_attribute("FifoThroughputLimit", Some(reason)));
    }
    Ok(())
}

fn set(home: &Home, attributes: &mut QueueAttributes, name: &str, value: &str) -> Result<(), WireError> {
    match name {
        "VisibilityTimeout" => attributes.visibility_timeout_s = number(name, value, 0..=43_200)?,
        "DelaySeconds" => attributes.delay_s = number(name, value, 0..=900)?,
        "MessageRetentionPeriod" => attributes.retention_s = number(name, value, 60..=1_209_600)?,
        "MaximumMessageSize" => attributes.maximum_message_size_bytes = number(name, value, 1024..=1_048_576)?,
        "ReceiveMessageWaitTimeSeconds" => attributes.receive_wait_s = number(name, value, 0..=20)?,
        "RedrivePolicy" => attributes.redrive = redrive::parse_policy(home, value)?,
        "RedriveAllowPolicy" => attributes.redrive_allow = redrive::parse_allow(home, value)?,
        "ContentBasedDeduplication" => fifo(attributes, name)?.content_based_deduplication = boolean(name, value)?,
        "DeduplicationScope" => {
            fifo(attributes, name)?.deduplication_scope = match value {
                "queue" => DeduplicationScope::Queue,
                "messageGroup" => DeduplicationScope::MessageGroup,
                _ => return Err(fault::invalid_attribute(name, None)),
            }
        }
        "FifoThroughputLimit" => {
            fifo(attributes, name)?.throughput_limit = match value {
                "perQueue" => FifoThroughputLimit::PerQueue,
                "perMessageGroupId" => FifoThroughputLimit::PerMessageGroupId,
                _ => return Err(fault::invalid_attribute(name, None)),
            }
        }
        "KmsDataKeyReusePeriodSeconds" => {
            let seconds = number(name, value, 60..=86_400)?;
            attributes.echoed.insert(name.to_owned(), seconds.to_string());
        }
        "SqsManagedSseEnabled" => {
            let enabled = boolean(name, value)?;
            attributes.echoed.insert(name.to_owned(), enabled.to_string());
        }
        "Policy" | "KmsMasterKeyId" if value.is_empty() => {
            attributes.echoed.remove(name);
        }
        "Policy" => {
            if !serde_json::from_str::<serde_json::Value>(value).is_ok_and(|policy| policy.is_object()) {
                return Err(fault::invalid_attribute(name, None));
            }
            attributes.echoed.insert(name.to_owned(), value.to_owned());
        }
        "KmsMasterKeyId" => {
            attributes.echoed.insert(name.to_owned(), value.to_owned());
        }
        _ => return Err(fault::unknown_attribute(name)),
    }
    Ok(())
}

fn number(name: &str, value: &str, range: RangeInclusive<u32>) -> Result<u32, WireError> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    let number = value.parse().ok().filter(|number| digits && range.contains(number));
    number.ok_or_else(|| fault::invalid_attribute(name, None))
}

pub(super) fn boolean(name: &str, value: &str) -> Result<bool, WireError> {
    match value.trim() {
        text if text.eq_ignore_ascii_case("true") => Ok(true),
        text if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(fault::invalid_attribute(name, None)),
    }
}

/// What only FIFO queues have is unknown on others.
fn fifo<'a>(attributes: &'a mut QueueAttributes, name: &str) -> Result<&'a mut FifoAttributes, WireError> {
    attributes.fifo.as_mut().ok_or_else(|| fault::unknown_attribute(name))
}

/// Every attribute of a queue by its AWS name, counts excepted.
pub(super) fn describe(home: &Home, queue: &QueueRecord) -> BTreeMap<String, String> {
    let attributes = &queue.attributes;
    let seconds = |at_ms: i64| at_ms.div_euclid(1000).to_string();
    let mut described: BTreeMap<&str, String> = BTreeMap::from([
        ("CreatedTimestamp", seconds(queue.created_at_ms)),
        ("DelaySeconds", attributes.delay_s.to_string()),
        ("LastModifiedTimestamp", seconds(queue.modified_at_ms)),
        ("MaximumMessageSize", attributes.maximum_message_size_bytes.to_string()),
        ("MessageRetentionPeriod", attributes.retention_s.to_string()),
        ("QueueArn", redrive::arn(home, &queue.name)),
        ("ReceiveMessageWaitTimeSeconds", attributes.receive_wait_s.to_string()),
        // Said only of queues on which it was set: Lamina itself encrypts nothing.
        ("SqsManagedSseEnabled", "false".into()),
        ("VisibilityTimeout", attributes.visibility_timeout_s.to_string()),
    ]);
    if let Some(policy) = &attributes.redrive {
        described.insert("RedrivePolicy", redrive::write_policy(home, policy));
    }
    if let Some(policy) = &attributes.redrive_allow {
        described.insert("RedriveAllowPolicy", redrive::write_allow(home, policy));
    }
    if let Some(fifo) = &attributes.fifo {
        let scope = match fifo.deduplication_scope {
            DeduplicationScope::Queue => "queue",
            DeduplicationScope::MessageGroup => "messageGroup",
        };
        let limit = match fifo.throughput_limit {
            FifoThroughputLimit::PerQueue => "perQueue",
            FifoThroughputLimit::PerMessageGroupId => "perMessageGroupId",
        };
        described.insert("FifoQueue", "true".into());
        described.insert("ContentBasedDeduplication", fifo.content_based_deduplication.to_string());
        described.insert("DeduplicationScope", scope.into());
        described.insert("FifoThroughputLimit", limit.into());
    }
    let mut described: BTreeMap<String, String> =
        described.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    described.extend(attributes.echoed.clone());
    described
}

/// The counted attributes.
pub(super) fn counts(stats: &QueueStats) -> BTreeMap<String, String> {
    let values = [stats.visible, stats.in_flight, stats.delayed];
    COUNTS.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value.to_string())).collect()
}

/// Whether an attribute can be asked for.
pub(super) fn is_known(name: &str) -> bool {
    const OTHERS: [&str; 18] = [
        "Policy",
        "VisibilityTimeout",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "CreatedTimestamp",
        "LastModifiedTimestamp",
        "QueueArn",
        "DelaySeconds",
        "ReceiveMessageWaitTimeSeconds",
        "RedrivePolicy",
        "FifoQueue",
        "ContentBasedDeduplication",
        "KmsMasterKeyId",
        "KmsDataKeyReusePeriodSeconds",
        "DeduplicationScope",
        "FifoThroughputLimit",
        "RedriveAllowPolicy",
        "SqsManagedSseEnabled",
    ];
    OTHERS.contains(&name) || COUNTS.contains(&name)
}
