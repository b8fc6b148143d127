//! Removing what no longer counts, a bounded piece at a time.

use super::super::super::Result;
use super::super::writer::Txn;
use super::{groups, remove};
use rusqlite::OptionalExtension;
use std::collections::BTreeSet;

/// Free pages from which on, if they are also a quarter of the database, it is shortened (8 MiB).
const FREE_PAGES_KEPT: i64 = 2048;
/// Pages by which one sweep shortens the database (4 MiB).
const PAGES_A_SWEEP: i64 = 1024;

/// Gives a partition's messages up to later sweeps.
pub(super) fn drop_partition(txn: &Txn<'_>, partition: i64) -> Result<()> {
    txn.connection.prepare_cached("INSERT INTO dropped_partition VALUES (?1)")?.execute([partition])?;
    Ok(())
}

/// Removes up to about `limit` things; gives how many.
pub(super) fn sweep(txn: &mut Txn<'_>, now_ms: i64, limit: usize) -> Result<usize> {
    let mut left = limit;
    let queues = txn.state.queues.clone();
    for queue in queues.values() {
        if left == 0 {
            break;
        }
        let find = "SELECT id, fifo_group FROM message WHERE partition = ?1 AND enqueued_at_ms <= ?2 LIMIT ?3";
        let removed = remove_found(txn, find, (queue.partition, queue.retained_after_ms(now_ms), count(left)))?;
        if removed > 0 && queue.is_fifo() {
            // What went may have blocked its group.
            txn.state.arrived.push(queue.record.name.clone());
        }
        left -= removed.min(left);
    }
    while left > 0 {
        let find = "SELECT partition FROM dropped_partition LIMIT 1";
        let dropped: Option<i64> = txn.connection.prepare_cached(find)?.query_row((), |row| row.get(0)).optional()?;
        let Some(partition) = dropped else { break };
        // Its groups go at the end, whole: their standing no longer matters.
        let find = "SELECT id, NULL FROM message WHERE partition = ?1 LIMIT ?2";
        let removed = remove_found(txn, find, (partition, count(left)))?;
        if removed < left {
            txn.connection.prepare_cached("DELETE FROM fifo_group WHERE partition = ?1")?.execute([partition])?;
            txn.connection
                .prepare_cached("DELETE FROM dropped_partition WHERE partition = ?1")?
                .execute([partition])?;
        }
        left -= removed.max(1).min(left);
    }
    if left > 0 {
        let forget = "DELETE FROM deduplication WHERE (queue, scope, deduplication_id) IN
            (SELECT queue, scope, deduplication_id FROM deduplication WHERE expires_at_ms <= ?1 LIMIT ?2)";
        left -= txn.connection.prepare_cached(forget)?.execute((now_ms, count(left)))?.min(left);
    }
    give_back_space(txn)?;
    Ok(limit - left)
}

/// Removes the messages that `find` gives, and brings their groups up to date.
fn remove_found(txn: &mut Txn<'_>, find: &str, params: impl rusqlite::Params) -> Result<usize> {
    let found = {
        let mut find = txn.connection.prepare_cached(find)?;
        let rows = find.query_map(params, |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<rusqlite::Result<Vec<(i64, Option<i64>)>>>()?
    };
    for (message, _) in &found {
        remove(txn.connection, *message)?;
    }
    let touched: BTreeSet<i64> = found.iter().filter_map(|(_, group)| *group).collect();
    touched.into_iter().try_for_each(|group| groups::refresh(txn, group))?;
    Ok(found.len())
}

/// Shortens the database's file by some of what is free in it.
fn give_back_space(txn: &Txn<'_>) -> Result<()> {
    let pragma = |name: &str| txn.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (free, all) = (pragma("freelist_count")?, pragma("page_count")?);
    if free > FREE_PAGES_KEPT && free > all / 4 {
        let mut shorten = txn.connection.prepare_cached(&format!("PRAGMA incremental_vacuum({PAGES_A_SWEEP})"))?;
        // Each step frees one page.
        let mut rows = shorten.query(())?;
        while rows.next()?.is_some() {}
    }
    Ok(())
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
