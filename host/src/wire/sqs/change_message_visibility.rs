//! `ChangeMessageVisibility`
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html>).

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::{SqsApi, delete_message, fault};
use crate::ids::QueueName;
use crate::storage::queues::HandleOutcome;
use serde::Deserialize;
use serde_json::Number;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    queue_url: Option<String>,
    receipt_handle: Option<String>,
    visibility_timeout: Option<Number>,
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let name = api.name(input.queue_url.as_deref())?;
    let text = input.receipt_handle.ok_or_else(|| fault::missing_parameter("ReceiptHandle"))?;
    let timeout_s = read_timeout(input.visibility_timeout.as_ref())?;
    let timeout_s = timeout_s.ok_or_else(|| fault::missing_parameter("VisibilityTimeout"))?;
    api.record(&name).await?;
    let handle = delete_message::read_handle(&text)?;
    let changes = vec![(handle, timeout_s)];
    let outcomes = api.queues.change_visibility(name.clone(), changes, api.clock.now_ms()).await??;
    for outcome in outcomes {
        check(api, &name, &text, timeout_s, outcome)?;
    }
    super::done()
}

/// A visibility timeout of a request.
pub(super) fn read_timeout(number: Option<&Number>) -> Result<Option<u32>, WireError> {
    let Some(number) = number else { return Ok(None) };
    let timeout_s = number.as_u64().and_then(|timeout_s| u32::try_from(timeout_s).ok());
    match timeout_s.filter(|timeout_s| *timeout_s <= 43_200) {
        Some(timeout_s) => Ok(Some(timeout_s)),
        None => Err(fault::invalid_value(number, "VisibilityTimeout", "Must be between 0 and 43200, if provided.")),
    }
}

/// What an outcome means to the caller.
pub(super) fn check(
    api: &SqsApi,
    queue: &QueueName,
    handle: &str,
    timeout_s: u32,
    outcome: HandleOutcome,
) -> Result<(), WireError> {
    match outcome {
        HandleOutcome::Done => {
            if timeout_s == 0 {
                api.in_flight.release(queue, 1);
            }
            Ok(())
        }
        HandleOutcome::NotInFlight => Err(fault::not_in_flight()),
        HandleOutcome::Foreign => Err(fault::invalid_handle(handle)),
        HandleOutcome::TooLong => {
            let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].";
            Err(fault::invalid_value(timeout_s, "VisibilityTimeout", reason))
        }
        HandleOutcome::Stale if queue.is_fifo() => {
            Err(fault::invalid_value(handle, "ReceiptHandle", "The receipt handle has expired."))
        }
        HandleOutcome::Gone | HandleOutcome::Stale => {
            let reason = "Message does not exist or is not available for visibility timeout change.";
            Err(fault::invalid_value(handle, "ReceiptHandle", reason))
        }
    }
}
