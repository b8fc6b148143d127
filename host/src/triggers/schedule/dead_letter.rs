//! What is sent to a dead-letter queue: the firing's payload, and around it the attributes that EventBridge Scheduler sets
//! (<https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html>).

use super::event::Context;
use super::firing::Fault;
use super::target;
use crate::clock::SharedClock;
use crate::storage::Error;
use crate::storage::queues::{NewMessage, Queues};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Pauses between tries of a failed send: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest error text passed on, in characters.
const MESSAGE_CHARS: usize = 1_024;

/// A firing that will not be attempted again.
pub(super) struct GivenUp<'a> {
    /// Of its last attempt.
    pub(super) context: Context<'a>,
    /// The part of its retry policy that was used up, by its AWS name.
    pub(super) condition: Option<&'a str>,
    /// Of its last attempt.
    pub(super) fault: Fault,
}

/// Sends it to its schedule's dead-letter queue; done at once where there is none. A queue that does not exist loses it, as on AWS.
pub(super) async fn send(queues: &dyn Queues, clock: &SharedClock, given_up: GivenUp<'_>) {
    let schedule = &given_up.context.record.key;
    let queue = match target::dead_letter_queue(&given_up.context.record.target) {
        Ok(Some(queue)) => queue,
        Ok(None) => return,
        Err(error) => {
            tracing::error!(%schedule, %error, "a firing given up could not be kept");
            return;
        }
    };
    let message = NewMessage {
        body: given_up.context.payload(),
        attributes: Some(attributes(&given_up).to_string()),
        ..NewMessage::default()
    };
    let mut pause = FIRST_PAUSE;
    loop {
        match queues.send(queue.clone(), vec![message.clone()], clock.now_ms()).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => {
                tracing::error!(%schedule, %error, "a firing given up could not be kept");
                return;
            }
            Err(Error::Closed) => std::future::pending().await,
            Err(error) => tracing::error!(%schedule, %error, "a firing given up could not be kept; trying again"),
        }
        clock.sleep(pause).await;
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

/// In the form in which SQS's front end stores them.
fn attributes(given_up: &GivenUp<'_>) -> Value {
    let context = &given_up.context;
    let texts = [
        ("ERROR_CODE", Some(given_up.fault.code.clone())),
        ("ERROR_MESSAGE", Some(given_up.fault.message.chars().take(MESSAGE_CHARS).collect())),
        ("EXECUTION_ID", Some(context.execution_id())),
        ("EXHAUSTED_RETRY_CONDITION", given_up.condition.map(str::to_owned)),
        ("IS_PAYLOAD_TRUNCATED", Some("false".to_owned())),
        ("RETRY_ATTEMPTS", Some(context.attempt.saturating_sub(1).to_string())),
        ("SCHEDULED_TIME", Some(context.scheduled_time())),
        ("SCHEDULE_ARN", Some(context.schedule_arn())),
        ("TARGET_ARN", Some(context.record.target.arn.clone())),
    ];
    let named = texts.into_iter().filter_map(|(name, text)| {
        // SQS has no empty attributes.
        let text = text.filter(|text| !text.is_empty())?;
        Some((name.to_owned(), json!({"DataType": "String", "StringValue": text})))
    });
    Value::Object(Map::from_iter(named))
}
