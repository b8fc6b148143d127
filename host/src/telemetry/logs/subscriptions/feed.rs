//! Filters and feed in the database.

use super::super::reader::{ROWS_OF_RANGE, Stored, StreamNames, after_prefix, events_of, group_id};
use super::super::{Error, EventId, LogEvent};
use super::{
    FedEvents, FeedPage, FilterDefinition, MAX_EXPRESSIONS, MAX_FILTERS, PendingSubscription, SubscriptionFilter,
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::collections::HashSet;
use std::sync::Arc;

/// Entries that one write removes.
const REMOVED_AT_ONCE: usize = 2_048;

/// Where the writer stands.
pub(in super::super) struct Feed {
    /// The position of the next entry; greater than that of all before, removed ones included.
    pub(in super::super) next: i64,
    /// Groups that have filters.
    pub(in super::super) groups: HashSet<i64>,
}

impl Feed {
    pub(in super::super) fn open(connection: &Connection) -> Result<Self, Error> {
        let last: i64 = connection.query_row(
            "SELECT max(ifnull((SELECT max(position) FROM feed), 0),
                        ifnull((SELECT max(position) FROM subscription_filters), 0))",
            [],
            |row| row.get(0),
        )?;
        let mut groups = connection.prepare("SELECT DISTINCT group_id FROM subscription_filters")?;
        let groups = groups.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(Self { next: last.saturating_add(1), groups })
    }

    pub(in super::super) fn put(
        &mut self,
        connection: &mut Connection,
        (group, name): (&str, &str),
        definition: &FilterDefinition,
        now_ms: i64,
    ) -> Result<(), Error> {
        let group_id = group_id(connection, group)?;
        let others = all(connection, group_id)?.into_iter().filter(|filter| filter.name != name);
        let (count, expressions) = others.fold((0_usize, definition.expressions), |(count, expressions), other| {
            (count.saturating_add(1), expressions.saturating_add(other.definition.expressions))
        });
        if count >= MAX_FILTERS || expressions > MAX_EXPRESSIONS {
            return Err(Error::TooManyFilters);
        }
        let text = serde_json::to_string(definition).map_err(|error| Error::Failed(error.to_string()))?;
        connection.execute(
            "INSERT INTO subscription_filters (group_id, name, created_ms, definition, position) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET definition = excluded.definition",
            params![group_id, name, now_ms, text, self.next.saturating_sub(1)],
        )?;
        self.groups.insert(group_id);
        Ok(())
    }

    pub(in super::super) fn delete(&mut self, connection: &Connection, group: &str, name: &str) -> Result<(), Error> {
        let group_id = group_id(connection, group)?;
        let gone = connection
            .execute("DELETE FROM subscription_filters WHERE group_id = ?1 AND name = ?2", params![group_id, name])?;
        if all(connection, group_id)?.is_empty() {
            self.groups.remove(&group_id);
        }
        if gone == 0 { Err(Error::FilterNotFound) } else { Ok(()) }
    }
}

/// Adds an entry, at a position that none had.
pub(in super::super) fn append(
    transaction: &Transaction<'_>,
    (group_id, position): (i64, i64),
    ingestion_ms: i64,
    ids: impl IntoIterator<Item = EventId>,
    trace: Option<&str>,
) -> Result<(), Error> {
    transaction
        .prepare_cached("INSERT INTO feed (group_id, position, ingestion_ms, runs, trace) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![group_id, position, ingestion_ms, runs_of(ids), trace])?;
    Ok(())
}

/// Moves a filter on, and removes entries that all filters of the group have seen.
pub(in super::super) fn advance(
    connection: &mut Connection,
    group_id: i64,
    name: &str,
    position: i64,
) -> Result<(), Error> {
    let transaction = connection.transaction()?;
    transaction
        .prepare_cached(
            "UPDATE subscription_filters SET position = max(position, ?3) WHERE group_id = ?1 AND name = ?2",
        )?
        .execute(params![group_id, name, position])?;
    let seen: Option<i64> = transaction
        .prepare_cached("SELECT min(position) FROM subscription_filters WHERE group_id = ?1")?
        .query_row([group_id], |row| row.get(0))?;
    if let Some(seen) = seen {
        remove(&transaction, group_id, seen)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Removes some entries of groups that have no filters any more; whether there were any.
pub(in super::super) fn remove_orphans(transaction: &Transaction<'_>) -> Result<bool, Error> {
    // From group to group, not from entry to entry.
    let orphan: Option<i64> = transaction
        .prepare_cached(
            "WITH RECURSIVE fed (id) AS (
                 SELECT min(group_id) FROM feed
                 UNION ALL SELECT (SELECT min(group_id) FROM feed WHERE group_id > fed.id) FROM fed WHERE id IS NOT NULL
             )
             SELECT id FROM fed WHERE id IS NOT NULL AND id NOT IN (SELECT group_id FROM subscription_filters) LIMIT 1",
        )?
        .query_row([], |row| row.get(0))
        .optional()?;
    match orphan {
        Some(group_id) => Ok(remove(transaction, group_id, i64::MAX)? > 0),
        None => Ok(false),
    }
}

fn remove(transaction: &Transaction<'_>, group_id: i64, seen: i64) -> Result<usize, Error> {
    let limit = i64::try_from(REMOVED_AT_ONCE).unwrap_or(i64::MAX);
    Ok(transaction
        .prepare_cached(
            "DELETE FROM feed WHERE group_id = ?1 AND position IN
             (SELECT position FROM feed WHERE group_id = ?1 AND position <= ?2 ORDER BY position LIMIT ?3)",
        )?
        .execute(params![group_id, seen, limit])?)
}

fn all(connection: &Connection, group_id: i64) -> Result<Vec<SubscriptionFilter>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT name, created_ms, definition FROM subscription_filters WHERE group_id = ?1 ORDER BY name",
    )?;
    let rows = statement.query_map([group_id], filter_of)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn filter_of(row: &Row<'_>) -> rusqlite::Result<SubscriptionFilter> {
    let text: String = row.get(2)?;
    let definition = serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, error.into()))?;
    Ok(SubscriptionFilter { name: row.get(0)?, created_ms: row.get(1)?, definition })
}

pub(super) fn filters(
    connection: &Connection,
    group: &str,
    prefix: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<SubscriptionFilter>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT name, created_ms, definition FROM subscription_filters
         WHERE group_id = ?1 AND name >= ?2 AND name < ?3 AND name > ?4 ORDER BY name LIMIT ?5",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let group_id = group_id(connection, group)?;
    let rows = statement.query_map(params![group_id, prefix, after_prefix(prefix), after, limit], filter_of)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn pending(connection: &Connection, limit: usize) -> Result<Vec<PendingSubscription>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT s.name, s.created_ms, s.definition, s.group_id, s.position, g.name,
                (SELECT f.ingestion_ms FROM feed f WHERE f.group_id = s.group_id AND f.position > s.position
                 ORDER BY f.position LIMIT 1) AS oldest
         FROM subscription_filters s JOIN log_groups g ON g.id = s.group_id
         WHERE oldest IS NOT NULL AND g.name IS NOT NULL ORDER BY oldest LIMIT ?1",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map([limit], |row| {
        Ok(PendingSubscription {
            filter: filter_of(row)?,
            group_id: row.get(3)?,
            position: row.get(4)?,
            group: row.get(5)?,
            oldest_ms: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Reads entries behind `position`, at most so many, and no further once their messages have so many bytes.
pub(super) fn read(
    connection: &Connection,
    group_id: i64,
    position: i64,
    entries: usize,
    bytes: usize,
) -> Result<FeedPage, Error> {
    let mut page = FeedPage { entries: Vec::new(), done: false, position };
    let mut names = StreamNames::of(connection);
    let mut statement = connection.prepare_cached(
        "SELECT position, ingestion_ms, runs, trace FROM feed WHERE group_id = ?1 AND position > ?2 ORDER BY position",
    )?;
    let mut rows = statement.query(params![group_id, position])?;
    let mut size = 0_usize;
    while page.entries.len() < entries && size < bytes {
        let Some(row) = rows.next()? else {
            page.done = true;
            break;
        };
        let ingestion_ms = row.get(1)?;
        let runs = row.get_ref(2)?.as_blob().map_err(|error| Error::Failed(error.to_string()))?;
        let mut events = Vec::new();
        for (first, last) in runs_in(runs) {
            read_run(connection, &mut names, (group_id, ingestion_ms), (first, last), &mut events)?;
        }
        size = events.iter().map(|event| event.message.len().saturating_add(64)).fold(size, usize::saturating_add);
        page.position = row.get(0)?;
        page.entries.push(FedEvents { ingestion_ms, trace: row.get(3)?, events });
    }
    Ok(page)
}

fn read_run(
    connection: &Connection,
    names: &mut StreamNames<'_>,
    (group_id, ingestion_ms): (i64, i64),
    (first, last): (EventId, EventId),
    events: &mut Vec<LogEvent>,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(ROWS_OF_RANGE)?;
    let mut rows = statement.query(params![group_id, first.0, last.0])?;
    while let Some(row) = rows.next()? {
        let Some(stream) = names.name(row.get(1)?)? else { continue };
        let stored = events_of(EventId(row.get(0)?), row.get(2)?, row.get_ref(3)?)?;
        let run = stored.into_iter().filter(|event| first <= event.id && event.id <= last);
        events.extend(run.map(|Stored { id, timestamp_ms, message }| {
            let (stream, message) = (Arc::clone(&stream), message.to_owned());
            LogEvent { id, stream, timestamp_ms, ingestion_ms, message }
        }));
    }
    Ok(())
}

/// Ids as runs of those that follow each other.
fn runs_of(ids: impl IntoIterator<Item = EventId>) -> Vec<u8> {
    let mut runs: Vec<(EventId, EventId)> = Vec::new();
    for id in ids {
        match runs.last_mut() {
            Some((_, last)) if id.0 == last.0.saturating_add(1) || id == *last => *last = id,
            _ => runs.push((id, id)),
        }
    }
    runs.into_iter().flat_map(|(first, last)| [first.0.to_le_bytes(), last.0.to_le_bytes()]).flatten().collect()
}

fn runs_in(blob: &[u8]) -> impl Iterator<Item = (EventId, EventId)> {
    let (pairs, _) = blob.as_chunks::<16>();
    pairs.iter().map(|pair| {
        let (numbers, _) = pair.as_chunks::<8>();
        let number = |place: usize| EventId(numbers.get(place).map_or(0, |bytes| i64::from_le_bytes(*bytes)));
        (number(0), number(1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_as_runs() {
        let runs = |ids: &[i64]| -> Vec<(i64, i64)> {
            runs_in(&runs_of(ids.iter().copied().map(EventId))).map(|(first, last)| (first.0, last.0)).collect()
        };
        assert_eq!(runs(&[]), []);
        assert_eq!(runs(&[7]), [(7, 7)]);
        assert_eq!(runs(&[7, 8, 9, 11, 12, 3]), [(7, 9), (11, 12), (3, 3)]);
        assert_eq!(runs(&[i64::MAX]), [(i64::MAX, i64::MAX)]);
        assert_eq!(runs_in(&[1, 2, 3]).count(), 0);
    }
}
