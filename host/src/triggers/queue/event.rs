//! The event that a function gets for a batch, in Lambda's shape
//! (<https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event>).

use super::message_attributes::{self, MessageAttribute};
use crate::ids::Home;
use crate::storage::queues::ReceivedMessage;
use serde::Serialize;
use std::collections::BTreeMap;

/// What stands around the records.
const HEAD: &str = r#"{"Records":["#;
const TAIL: &str = "]}";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: String,
    receipt_handle: String,
    body: &'a str,
    attributes: BTreeMap<&'static str, String>,
    message_attributes: BTreeMap<String, Attribute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    md5_of_body: String,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attribute {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
    string_list_values: [(); 0],
    binary_list_values: [(); 0],
    data_type: String,
}

impl From<MessageAttribute> for Attribute {
    fn from(attribute: MessageAttribute) -> Self {
        Self {
            string_value: attribute.string_value,
            binary_value: attribute.binary_value,
            string_list_values: [],
            binary_list_values: [],
            data_type: attribute.data_type,
        }
    }
}

/// One message as a record, JSON text.
pub(super) fn record(home: &Home, queue_arn: &str, message: &ReceivedMessage) -> String {
    let attributes = message_attributes::decode(message.attributes.as_deref());
    let record = Record {
        message_id: message.message_id.to_string(),
        receipt_handle: message.receipt_handle.to_string(),
        body: &message.body,
        attributes: system_attributes(home, message),
        md5_of_message_attributes: message_attributes::md5_of_attributes(&attributes),
        message_attributes: attributes.into_iter().map(|(name, attribute)| (name, attribute.into())).collect(),
        md5_of_body: message_attributes::md5_of_body(&message.body),
        event_source: "aws:sqs",
        event_source_arn: queue_arn,
        aws_region: &home.region,
    };
    serde_json::to_string(&record).unwrap_or_else(|error| {
        // A struct of texts always can be written; an empty record would be the function's to refuse.
        tracing::error!(%error, "a record could not be written");
        "{}".into()
    })
}

/// What SQS knows about a message, by the names of its API.
pub fn system_attributes(home: &Home, message: &ReceivedMessage) -> BTreeMap<&'static str, String> {
    let mut attributes = BTreeMap::from([
        ("ApproximateReceiveCount", message.receive_count.to_string()),
        ("SentTimestamp", message.sent_at_ms.to_string()),
        ("SenderId", home.account.to_string()),
        ("ApproximateFirstReceiveTimestamp", message.first_received_at_ms.to_string()),
    ]);
    // SQS's sequence numbers have 20 digits.
    let sequence_number = message.sequence_number.map(|number| format!("{number:020}"));
    let source = message.dead_letter_source.as_ref().map(|name| home.arn("sqs", name.as_str()));
    let optional = [
        ("MessageGroupId", message.group_id.clone()),
        ("MessageDeduplicationId", message.deduplication_id.clone()),
        ("SequenceNumber", sequence_number),
        ("DeadLetterQueueSourceArn", source),
        ("AWSTraceHeader", trace_header(message)),
    ];
    attributes.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    attributes
}

/// The trace that a message belongs to.
pub(super) fn trace_header(message: &ReceivedMessage) -> Option<String> {
    let mut attributes = message_attributes::decode(message.system_attributes.as_deref());
    attributes.remove("AWSTraceHeader")?.string_value
}

/// Puts records into as few events as the limit allows, in order. Each range says which records are in its event. A record that is
/// too large by itself gets an event of its own, which the invoker refuses.
pub(super) fn pack(records: &[String], limit_bytes: usize) -> Vec<(std::ops::Range<usize>, String)> {
    let mut events = Vec::new();
    let mut current = HEAD.to_owned();
    let mut from = 0usize;
    for (index, record) in records.iter().enumerate() {
        let grown = current.len().saturating_add(record.len()).saturating_add(1 + TAIL.len());
        if index > from && grown > limit_bytes {
            current.push_str(TAIL);
            events.push((from..index, std::mem::replace(&mut current, HEAD.to_owned())));
            from = index;
        }
        if index > from {
            current.push(',');
        }
        current.push_str(record);
    }
    if from < records.len() {
        current.push_str(TAIL);
        events.push((from..records.len(), current));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_stay_within_their_limit_and_keep_the_order() {
        let records: Vec<String> = (0..10).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
        assert_eq!(pack(&records, 10_000).len(), 1);
        let limit = HEAD.len() + TAIL.len() + 3 * records[0].len() + 2;
        let events = pack(&records, limit);
        assert_eq!(events.iter().map(|(range, _)| range.clone()).collect::<Vec<_>>(), [0..3, 3..6, 6..9, 9..10]);
        let mut seen = Vec::new();
        for (_, event) in &events {
            assert!(event.len() <= limit);
            let value: serde_json::Value = serde_json::from_str(event).unwrap();
            seen.extend(value["Records"].as_array().unwrap().iter().map(|record| record["n"].as_u64().unwrap()));
        }
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
        assert_eq!(pack(&records[..2], 1).len(), 2, "one that is too large stands alone");
        assert_eq!(pack(&[], 100).len(), 0);
    }
}
