//! What a function's answer says about the messages of its batch
//! (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting>).

use crate::storage::queues::ReceivedMessage;
use serde_json::Value;
use std::collections::HashSet;

/// Which messages are to stay, by their place in the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// None.
    Success,
    /// These.
    Partial(HashSet<usize>),
    /// All.
    Failure,
}

impl Verdict {
    /// Reads a response to a batch whose function reports failed messages. Null, nothing and an empty list are success.
    /// What names no message of the batch fails all of it, since it cannot be told what was meant.
    pub(super) fn of_response(response: &[u8], messages: &[ReceivedMessage]) -> Self {
        if response.trim_ascii().is_empty() {
            return Self::Success;
        }
        let failures = match serde_json::from_slice(response) {
            Ok(Value::Null) => return Self::Success,
            Ok(Value::Object(mut members)) => members.remove("batchItemFailures").unwrap_or(Value::Null),
            Ok(_) | Err(_) => return Self::Failure,
        };
        let failures = match failures {
            Value::Null => return Self::Success,
            Value::Array(failures) => failures,
            _ => return Self::Failure,
        };
        let ids: Vec<String> = messages.iter().map(|message| message.message_id.to_string()).collect();
        let place = |failure: &Value| {
            let id = failure.get("itemIdentifier")?.as_str()?;
            ids.iter().position(|known| known == id)
        };
        match failures.iter().map(place).collect::<Option<HashSet<_>>>() {
            Some(failed) if failed.is_empty() => Self::Success,
            Some(failed) => Self::Partial(failed),
            None => Self::Failure,
        }
    }

    /// On a FIFO queue, whatever follows a failed message in its group stays too, or the group's order would be lost.
    /// (Lambda leaves it to the function to report those.)
    pub(super) fn keeping_order(self, messages: &[ReceivedMessage]) -> Self {
        let Self::Partial(mut failed) = self else { return self };
        let mut groups = HashSet::new();
        for (place, message) in messages.iter().enumerate() {
            if failed.contains(&place) {
                groups.insert(message.group_id.as_deref());
            } else if groups.contains(&message.group_id.as_deref()) {
                failed.insert(place);
            }
        }
        Self::Partial(failed)
    }

    /// Whether the message at a place is to stay.
    pub(super) fn keeps(&self, place: usize) -> bool {
        match self {
            Self::Success => false,
            Self::Partial(failed) => failed.contains(&place),
            Self::Failure => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Storage;
    use crate::storage::queues::{NewMessage, QueueRecord};

    async fn messages(groups: &[&str]) -> Vec<ReceivedMessage> {
        let queues = Storage::memory().unwrap().queues;
        let name = crate::ids::QueueName::new("q").unwrap();
        let record = QueueRecord {
            name: name.clone(),
            attributes: Default::default(),
            tags: Default::default(),
            created_at_ms: 0,
            modified_at_ms: 0,
        };
        queues.create(record).await.unwrap();
        let new = groups.iter().map(|group| NewMessage { group_id: Some((*group).into()), ..Default::default() });
        queues.send(name.clone(), new.collect(), 0).await.unwrap().unwrap();
        queues.receive(name, 10, None, 0).await.unwrap().unwrap().messages
    }

    #[tokio::test]
    async fn responses_are_read_as_lambda_reads_them() {
        let messages = messages(&["a", "b"]).await;
        for response in ["", " ", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"batchItemFailures":null}"#] {
            assert_eq!(Verdict::of_response(response.as_bytes(), &messages), Verdict::Success, "{response}");
        }
        let id = messages[1].message_id;
        let partial = format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{id}"}}]}}"#);
        assert_eq!(Verdict::of_response(partial.as_bytes(), &messages), Verdict::Partial(HashSet::from([1])));
        for response in [
            "nonsense",
            "[]",
            "\"ok\"",
            r#"{"batchItemFailures":{}}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            &format!(r#"{{"batchItemFailures":[{{"id":"{id}"}}]}}"#),
            &format!(r#"{{"batchItemFailures":[{{"itemIdentifier":"{id}"}},{{"itemIdentifier":"unknown"}}]}}"#),
        ] {
            assert_eq!(Verdict::of_response(response.as_bytes(), &messages), Verdict::Failure, "{response}");
        }
    }

    #[tokio::test]
    async fn a_failed_message_holds_back_its_group() {
        let messages = messages(&["a", "b", "a", "a", "b"]).await;
        let order = |failed: &[usize]| Verdict::Partial(failed.iter().copied().collect());
        assert_eq!(order(&[2]).keeping_order(&messages), order(&[2, 3]));
        assert_eq!(order(&[0, 4]).keeping_order(&messages), order(&[0, 2, 3, 4]));
        assert_eq!(Verdict::Success.keeping_order(&messages), Verdict::Success);
    }
}
