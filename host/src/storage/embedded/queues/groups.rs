//! Groups of FIFO queues.
//!
//! A group's row says when it can be received from: when its first message is visible and none of it is in flight.
//! Whatever changes a message of a group calls [`refresh`]; only a message sent to the end of a group changes nothing.

use super::super::super::Result;
use super::super::writer::Txn;
use rusqlite::OptionalExtension;

/// The number of a group that a message is put into, which becomes visible at `visible_at_ms`.
pub(super) fn enter(txn: &mut Txn<'_>, partition: i64, name: &str, visible_at_ms: i64) -> Result<i64> {
    let find = "SELECT id FROM fifo_group WHERE partition = ?1 AND name = ?2";
    if let Some(id) = txn.connection.prepare_cached(find)?.query_row((partition, name), |row| row.get(0)).optional()? {
        return Ok(id);
    }
    let id = txn.next_number()?;
    let insert = "INSERT INTO fifo_group VALUES (?1, ?2, ?3, ?4)";
    txn.connection.prepare_cached(insert)?.execute((id, partition, name, visible_at_ms))?;
    Ok(id)
}

/// Sets a group's row by its messages; removes it with the last of them.
pub(super) fn refresh(txn: &Txn<'_>, group: i64) -> Result<()> {
    let first = "SELECT visible_at_ms FROM message WHERE fifo_group = ?1 ORDER BY id LIMIT 1";
    let first: Option<i64> = txn.connection.prepare_cached(first)?.query_row([group], |row| row.get(0)).optional()?;
    let Some(first) = first else {
        txn.connection.prepare_cached("DELETE FROM fifo_group WHERE id = ?1")?.execute([group])?;
        return Ok(());
    };
    let received = "SELECT max(visible_at_ms) FROM message WHERE fifo_group = ?1 AND token <> 0";
    let received: Option<i64> = txn.connection.prepare_cached(received)?.query_row([group], |row| row.get(0))?;
    let update = "UPDATE fifo_group SET available_at_ms = ?2 WHERE id = ?1";
    txn.connection.prepare_cached(update)?.execute((group, received.map_or(first, |received| received.max(first))))?;
    Ok(())
}
