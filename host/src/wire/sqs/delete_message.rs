//! `DeleteMessage` (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html>).
//! Deleting what is already gone goes well. An old handle deletes nothing: on a standard queue silently, on a FIFO queue
//! it is refused.

use super::super::codec::{Answer, Request};
use super::super::error::WireError;
use super::{SqsApi, fault};
use crate::ids::QueueName;
use crate::storage::queues::{HandleOutcome, ReceiptHandle};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    queue_url: Option<String>,
    receipt_handle: Option<String>,
}

pub(super) async fn handle(api: &SqsApi, request: &Request) -> Result<Answer, WireError> {
    let input: Input = super::read(request)?;
    let name = api.name(input.queue_url.as_deref())?;
    let text = input.receipt_handle.ok_or_else(|| fault::missing_parameter("ReceiptHandle"))?;
    api.record(&name).await?;
    let handle = read_handle(&text)?;
    let outcomes = api.queues.delete_messages(name.clone(), vec![handle], api.clock.now_ms()).await??;
    for outcome in outcomes {
        check(api, &name, &text, outcome)?;
    }
    super::done()
}

pub(super) fn read_handle(text: &str) -> Result<ReceiptHandle, WireError> {
    text.parse().map_err(|_| fault::invalid_handle(text))
}

/// What an outcome means to the caller.
pub(super) fn check(api: &SqsApi, queue: &QueueName, handle: &str, outcome: HandleOutcome) -> Result<(), WireError> {
    match outcome {
        HandleOutcome::Done => {
            api.in_flight.release(queue, 1);
            Ok(())
        }
        HandleOutcome::Stale if queue.is_fifo() => {
            Err(fault::invalid_value(handle, "ReceiptHandle", "The receipt handle has expired."))
        }
        HandleOutcome::Foreign => Err(fault::invalid_handle(handle)),
        HandleOutcome::Gone | HandleOutcome::Stale | HandleOutcome::NotInFlight | HandleOutcome::TooLong => Ok(()),
    }
}
