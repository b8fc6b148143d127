//! Sending.

use super::super::super::queues::{DEDUPLICATION_WINDOW_MS, DeduplicationScope, NewMessage, SendOutcome};
use super::super::super::{Error, Result};
use super::super::writer::Txn;
use super::{Queue, groups, seconds_ms};
use crate::ids::QueueName;
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

/// Adds one message, unless it is a duplicate.
pub(super) fn send(txn: &mut Txn<'_>, queue: &Queue, message: &NewMessage, now_ms: i64) -> Result<SendOutcome> {
    let fifo = queue.record.attributes.fifo.as_ref();
    let group = message.group_id.as_deref().unwrap_or_default();
    let deduplication = match (fifo, &message.deduplication_id) {
        (Some(fifo), Some(id)) => Some((scope(fifo.deduplication_scope, group), id)),
        _ => None,
    };
    if let Some((scope, id)) = &deduplication
        && let Some(outcome) = sent_before(txn, queue, scope, id, now_ms)?
    {
        return Ok(outcome);
    }

    let delay_s = match fifo {
        None => message.delay_s.unwrap_or(queue.record.attributes.delay_s),
        Some(_) => queue.record.attributes.delay_s,
    };
    let visible_at_ms = now_ms.saturating_add(seconds_ms(delay_s));
    let group = match fifo {
        None => None,
        Some(_) => Some(groups::enter(txn, queue.partition, group, visible_at_ms)?),
    };
    let id = txn.next_number()?;
    let message_id = Uuid::new_v4();
    let insert = "INSERT INTO message_content VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    txn.connection.prepare_cached(insert)?.execute(params![
        id,
        message_id.as_bytes(),
        now_ms,
        message.body,
        message.attributes,
        message.system_attributes,
        message.group_id,
        message.deduplication_id,
    ])?;
    let insert = "INSERT INTO message (id, partition, visible_at_ms, enqueued_at_ms, receive_count, token, fifo_group,
        dead_letter_source) VALUES (?1, ?2, ?3, ?4, 0, 0, ?5, ?6)";
    let source = message.dead_letter_source.as_ref().map(QueueName::as_str);
    txn.connection.prepare_cached(insert)?.execute((id, queue.partition, visible_at_ms, now_ms, group, source))?;
    if let Some((scope, deduplication_id)) = deduplication {
        let remember = "INSERT OR REPLACE INTO deduplication VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let expires_at_ms = now_ms.saturating_add(DEDUPLICATION_WINDOW_MS);
        txn.connection.prepare_cached(remember)?.execute(params![
            queue.id,
            scope,
            deduplication_id,
            message_id.as_bytes(),
            id,
            expires_at_ms,
        ])?;
    }
    Ok(SendOutcome { message_id, sequence_number: fifo.map(|_| id.unsigned_abs()), duplicate: false })
}

/// The key of what a deduplication id is unique among.
fn scope(scope: DeduplicationScope, group: &str) -> String {
    match scope {
        DeduplicationScope::Queue => String::new(),
        DeduplicationScope::MessageGroup => format!(":{group}"),
    }
}

fn sent_before(txn: &Txn<'_>, queue: &Queue, scope: &str, id: &str, now_ms: i64) -> Result<Option<SendOutcome>> {
    let find = "SELECT message_id, sequence_number FROM deduplication
        WHERE queue = ?1 AND scope = ?2 AND deduplication_id = ?3 AND expires_at_ms > ?4";
    let found: Option<(Vec<u8>, u64)> = txn
        .connection
        .prepare_cached(find)?
        .query_row((queue.id, scope, id, now_ms), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((message_id, sequence_number)) = found else { return Ok(None) };
    let message_id = Uuid::from_slice(&message_id).map_err(|e| Error::Corrupt(format!("a message id: {e}")))?;
    Ok(Some(SendOutcome { message_id, sequence_number: Some(sequence_number), duplicate: true }))
}
