//! Deleting received messages and changing how long they stay invisible.

use super::super::super::Result;
use super::super::super::queues::{HandleOutcome, MAXIMUM_VISIBILITY_MS, ReceiptHandle};
use super::super::writer::Txn;
use super::{Queue, Standing, groups, remove, seconds_ms, standing};

/// Deletes a message, if `handle` is that of its last receive.
pub(super) fn delete(txn: &mut Txn<'_>, queue: &Queue, handle: &ReceiptHandle, now_ms: i64) -> Result<HandleOutcome> {
    let message = match find(txn, queue, handle)? {
        Ok(message) => message,
        Err(outcome) => return Ok(outcome),
    };
    if queue.is_fifo() && message.visible_at_ms <= now_ms {
        return Ok(HandleOutcome::Stale);
    }
    remove(txn.connection, handle.message)?;
    if let Some(group) = message.fifo_group {
        groups::refresh(txn, group)?;
        txn.state.arrived.push(queue.record.name.clone());
    }
    Ok(HandleOutcome::Done)
}

/// Makes a message in flight invisible for `timeout_s` from now, if `handle` is that of its last receive.
pub(super) fn change_visibility(
    txn: &mut Txn<'_>,
    queue: &Queue,
    handle: &ReceiptHandle,
    timeout_s: u32,
    now_ms: i64,
) -> Result<HandleOutcome> {
    let message = match find(txn, queue, handle)? {
        Ok(message) => message,
        Err(outcome) => return Ok(outcome),
    };
    if message.visible_at_ms <= now_ms {
        return Ok(HandleOutcome::NotInFlight);
    }
    let visible_at_ms = now_ms.saturating_add(seconds_ms(timeout_s));
    if visible_at_ms > message.received_at_ms.unwrap_or(now_ms).saturating_add(MAXIMUM_VISIBILITY_MS) {
        return Ok(HandleOutcome::TooLong);
    }
    let update = "UPDATE message SET visible_at_ms = ?2 WHERE id = ?1";
    txn.connection.prepare_cached(update)?.execute((handle.message, visible_at_ms))?;
    if let Some(group) = message.fifo_group {
        groups::refresh(txn, group)?;
    }
    if visible_at_ms < message.visible_at_ms {
        // Whoever waits for the old time learns of the new one.
        txn.state.arrived.push(queue.record.name.clone());
    }
    Ok(HandleOutcome::Done)
}

/// The message of a handle, or why it has none.
fn find(txn: &Txn<'_>, queue: &Queue, handle: &ReceiptHandle) -> Result<Result<Standing, HandleOutcome>> {
    if handle.queue != queue.id {
        return Ok(Err(HandleOutcome::Foreign));
    }
    Ok(match standing(txn.connection, handle.message)? {
        Some(message) if message.partition != queue.partition => Err(HandleOutcome::Gone),
        None => Err(HandleOutcome::Gone),
        // Zero marks a message never received, for which no handle was given out.
        Some(message) if message.token == 0 || message.token != handle.token => Err(HandleOutcome::Stale),
        Some(message) => Ok(message),
    })
}
