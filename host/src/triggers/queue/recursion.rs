//! Messages of a recursive loop: taken out of a batch before the function sees it.
//!
//! A message carries the chain of invocations it came from in `AWSTraceHeader`. Where that chain has come through the function too often,
//! it ends here: the message moves to the queue's dead-letter queue, or is deleted where there is none
//! (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>).

use super::poller::Plan;
use super::{Parts, delivery, event};
use crate::invocation::lineage::Lineage;
use crate::storage::queues::{NewMessage, ReceivedMessage};

/// Gives the messages that the function is to see, with their records, and disposes of the others.
pub(super) async fn take_out(
    parts: &Parts,
    plan: &Plan,
    messages: Vec<ReceivedMessage>,
    records: Vec<String>,
) -> (Vec<ReceivedMessage>, Vec<String>) {
    let stopped = |message: &ReceivedMessage| {
        // The check is for the few messages that a function sent.
        let header = event::trace_header(message)?;
        parts.functions.stops(&plan.target, &Lineage::of(&header)).then_some(())
    };
    let (mut kept, mut kept_records, mut out) = (Vec::with_capacity(messages.len()), Vec::new(), Vec::new());
    for (message, record) in messages.into_iter().zip(records) {
        match stopped(&message) {
            Some(()) => out.push(message),
            None => {
                kept.push(message);
                kept_records.push(record);
            }
        }
    }
    if !out.is_empty() {
        tracing::warn!(mapping = plan.record.uuid, messages = out.len(), "messages of a recursive loop were stopped");
        dispose(parts, plan, out).await;
    }
    (kept, kept_records)
}

async fn dispose(parts: &Parts, plan: &Plan, messages: Vec<ReceivedMessage>) {
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(mapping = plan.record.uuid, %error, "messages of a recursive loop will come again");
    };
    let redrive = match parts.queues.get(plan.queue.clone()).await {
        Ok(queue) => queue.and_then(|queue| queue.attributes.redrive),
        Err(error) => return failed(&error),
    };
    let handles = messages.iter().map(|message| message.receipt_handle).collect();
    if let Some(redrive) = redrive {
        let moved = messages
            .into_iter()
            .map(|message| NewMessage {
                body: message.body,
                attributes: message.attributes,
                system_attributes: message.system_attributes,
                delay_s: None,
                group_id: message.group_id,
                deduplication_id: message.deduplication_id,
                dead_letter_source: Some(plan.queue.clone()),
            })
            .collect();
        match parts.queues.send(redrive.dead_letter_queue, moved, parts.clock.now_ms()).await {
            Ok(Ok(_)) => {}
            // A dead-letter queue that is gone keeps nothing.
            Ok(Err(error)) => tracing::warn!(mapping = plan.record.uuid, %error, "there is no dead-letter queue"),
            Err(error) => return failed(&error),
        }
    }
    delivery::delete(parts, plan, handles).await;
}
