//! Deleting what is too old or too much, a step at a time.

use super::subscriptions::feed;
use super::{CLOCK_SLACK_MS, Config, Error, EventId};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Rows one step looks at or deletes at most, and bytes of their messages: some ten milliseconds of work, for which a put waits.
const STEP_ROWS: i64 = 2_000;
const STEP_BYTES: i64 = 1 << 20;

/// Groups one step looks at.
const STEP_GROUPS: i64 = 500;

/// Free pages one step gives back to the file system at most.
const STEP_PAGES: i64 = 250;

const HOUR_MS: i64 = 3_600_000;

/// What a step did.
pub(super) struct Step {
    /// Whether there is more to do.
    pub(super) more: bool,
    /// Whether rows of streams went.
    pub(super) removed_streams: bool,
}

/// How far a pass over all groups is.
#[derive(Default)]
pub(super) struct Pass {
    /// Groups up to this one are done.
    after: i64,
}

/// Deletes some of what has to go, most overdue kind first: deleted groups, then past retention, then past the size bound.
pub(super) fn step(connection: &mut Connection, config: &Config, pass: &mut Pass, now_ms: i64) -> Result<Step, Error> {
    let transaction = connection.transaction()?;
    let mut step = Step { more: true, removed_streams: false };
    if delete_from_deleted_group(&transaction)? {
        step.removed_streams = true;
    } else if feed::remove_orphans(&transaction)?
        || delete_from_deleted_stream(&transaction)?
        || delete_expired(&transaction, config, (pass, now_ms), &mut step)?
        || delete_past_size(&transaction, config)?
    {
    } else {
        step.more = false;
    }
    transaction.commit()?;
    step.more |= give_pages_back(connection)?;
    Ok(step)
}

fn delete_from_deleted_group(transaction: &Transaction<'_>) -> Result<bool, Error> {
    let deleted: Option<i64> = transaction
        .query_row("SELECT id FROM log_groups WHERE name IS NULL LIMIT 1", [], |row| row.get(0))
        .optional()?;
    let Some(group_id) = deleted else { return Ok(false) };
    if delete_oldest(transaction, group_id, EventId(i64::MAX))? == 0 {
        transaction.execute("DELETE FROM log_streams WHERE group_id = ?1", [group_id])?;
        transaction.execute("DELETE FROM log_groups WHERE id = ?1", [group_id])?;
    }
    Ok(true)
}

fn delete_from_deleted_stream(transaction: &Transaction<'_>) -> Result<bool, Error> {
    let deleted: Option<(i64, i64, i64)> = transaction
        .query_row("SELECT id, group_id, scanned_id FROM deleted_streams LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((stream_id, group_id, scanned)) = deleted else { return Ok(false) };
    // Its events are among all of the group: what was looked at is not looked at again, since none comes any more.
    let last = last_of_step(transaction, group_id, (scanned, i64::MAX))?;
    match last {
        Some(last) => {
            transaction
                .prepare_cached(
                    "DELETE FROM log_events WHERE group_id = ?1 AND id > ?2 AND id <= ?3 AND stream_id = ?4",
                )?
                .execute(params![group_id, scanned, last, stream_id])?;
            transaction.execute("UPDATE deleted_streams SET scanned_id = ?2 WHERE id = ?1", [stream_id, last])?;
        }
        None => {
            transaction.execute("DELETE FROM deleted_streams WHERE id = ?1", [stream_id])?;
        }
    }
    Ok(true)
}

/// Deletes from the next groups, up to one that has something to delete; whether the pass over all groups goes on.
fn delete_expired(
    transaction: &Transaction<'_>,
    config: &Config,
    (pass, now_ms): (&mut Pass, i64),
    step: &mut Step,
) -> Result<bool, Error> {
    let mut groups = transaction.prepare_cached(
        "SELECT id, retention_hours FROM log_groups WHERE name IS NOT NULL AND id > ?1 ORDER BY id LIMIT ?2",
    )?;
    let mut rows = groups.query([pass.after, STEP_GROUPS])?;
    let mut looked_at = 0;
    while let Some(row) = rows.next()? {
        looked_at += 1;
        let group_id: i64 = row.get(0)?;
        let hours = row.get::<_, Option<u32>>(1)?.unwrap_or(config.retention_hours);
        if hours > 0 {
            let cutoff = EventId::at(now_ms.saturating_sub(i64::from(hours).saturating_mul(HOUR_MS)));
            if delete_oldest(transaction, group_id, cutoff)? > 0 {
                return Ok(true);
            }
            // Only once its events are gone, and not while an invocation may still be running in it.
            let quiet = EventId::at(cutoff.ms().saturating_sub(CLOCK_SLACK_MS));
            let streams = transaction
                .prepare_cached(
                    "DELETE FROM log_streams WHERE group_id = ?1 AND last_event_id < ?2 AND last_event_id > 0",
                )?
                .execute(params![group_id, quiet.0])?;
            step.removed_streams |= streams > 0;
        }
        pass.after = group_id;
    }
    let goes_on = looked_at == STEP_GROUPS;
    if !goes_on {
        pass.after = 0;
    }
    Ok(goes_on)
}

fn delete_past_size(transaction: &Transaction<'_>, config: &Config) -> Result<bool, Error> {
    if config.max_size_bytes == 0 || size_bytes(transaction)? <= config.max_size_bytes {
        return Ok(false);
    }
    // The group with the oldest event gives, up to where the next one's oldest begins.
    let mut oldest = transaction.prepare_cached(
        "SELECT g.id, (SELECT min(e.id) FROM log_events e WHERE e.group_id = g.id) AS oldest
         FROM log_groups g WHERE oldest IS NOT NULL ORDER BY oldest LIMIT 2",
    )?;
    let groups = oldest
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let Some(&(group_id, own)) = groups.first() else { return Ok(false) };
    let until = groups.get(1).map_or(i64::MAX, |&(_, next)| next.max(own.saturating_add(1)));
    Ok(delete_oldest(transaction, group_id, EventId(until))? > 0)
}

/// Deletes the oldest events of a group that come before `until`.
fn delete_oldest(transaction: &Transaction<'_>, group_id: i64, until: EventId) -> Result<usize, Error> {
    let Some(last) = last_of_step(transaction, group_id, (-1, until.0))? else { return Ok(0) };
    Ok(transaction
        .prepare_cached("DELETE FROM log_events WHERE group_id = ?1 AND id <= ?2")?
        .execute(params![group_id, last])?)
}

/// The last of a group's rows behind the one and before the other id that one step takes.
fn last_of_step(
    transaction: &Transaction<'_>,
    group_id: i64,
    (after, before): (i64, i64),
) -> Result<Option<i64>, Error> {
    // SQLite knows a message's length without reading it.
    let mut statement = transaction.prepare_cached(
        "SELECT id, octet_length(message) FROM log_events WHERE group_id = ?1 AND id > ?2 AND id < ?3 ORDER BY id LIMIT ?4",
    )?;
    let mut rows = statement.query(params![group_id, after, before, STEP_ROWS])?;
    let (mut last, mut size_bytes) = (None, 0_i64);
    while size_bytes < STEP_BYTES
        && let Some(row) = rows.next()?
    {
        last = Some(row.get(0)?);
        size_bytes = size_bytes.saturating_add(row.get(1)?);
    }
    Ok(last)
}

fn give_pages_back(connection: &Connection) -> Result<bool, Error> {
    let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if free == 0 {
        return Ok(false);
    }
    // The pragma frees a page with each row it is asked for.
    connection.pragma(None, "incremental_vacuum", STEP_PAGES, |_| Ok(()))?;
    let left: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    Ok(left > 0 && left < free)
}

/// What the events occupy: the file without its free pages.
pub(super) fn size_bytes(connection: &Connection) -> Result<u64, Error> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
    Ok(u64::try_from(pages.saturating_mul(number("page_size")?)).unwrap_or(0))
}
