//! Reading logs, on connections of their own and on threads that may block.

use super::{
    CLOCK_SLACK_MS, Error, EventId, GroupNames, LogEvent, LogGroup, LogPage, LogQuery, LogStream, MAX_PAGE_BYTES,
    MAX_SCAN, Order, StreamTimes, block, schema,
};
use parking_lot::Mutex;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Reads at a time; more wait.
const MAX_READERS: usize = 4;

/// Connections for reading, opened as needed and kept.
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Arc::default(), permits: Arc::new(Semaphore::new(MAX_READERS)) }
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Closed)?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let kept = idle.lock().pop();
            let connection = match kept {
                Some(connection) => connection,
                None => schema::open_reader(&path)?,
            };
            let result = work(&connection);
            // A connection that just failed is not kept: the next one is opened afresh.
            if !matches!(result, Err(Error::Failed(_))) {
                idle.lock().push(connection);
            }
            result
        });
        task.await.map_err(|e| Error::Failed(e.to_string()))?
    }
}

pub(super) fn group_id(connection: &Connection, name: &str) -> Result<i64, Error> {
    connection
        .prepare_cached("SELECT id FROM log_groups WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?
        .ok_or(Error::GroupNotFound)
}

pub(super) fn query(connection: &Connection, query: &LogQuery) -> Result<LogPage, Error> {
    let group_id = group_id(connection, &query.group)?;
    let newest_first = query.order == Order::NewestFirst;
    // An event's timestamp is at most its ingestion, and at least that less the slack; so times bound ids.
    let mut after = query.from_ms.map_or(EventId(-1), |ms| EventId(EventId::at(ms).0.saturating_sub(1)));
    let mut before = query.until_ms.map_or(EventId(i64::MAX), |ms| EventId::at(ms.saturating_add(CLOCK_SLACK_MS)));
    match query.cursor {
        Some(cursor) if newest_first => before = before.min(cursor),
        Some(cursor) => after = after.max(cursor),
        None => {}
    }
    let mut page = LogPage {
        events: Vec::new(),
        next: query.cursor.unwrap_or(if newest_first { before } else { after }),
        done: true,
    };
    let mut names = StreamNames::of(connection);
    let order = if newest_first { " DESC" } else { "" };
    let mut statement = connection.prepare_cached(&format!("{ROWS_OF_RANGE}{order}"))?;
    let mut rows = statement.query(params![group_id, after.0.saturating_add(1), before.0.saturating_sub(1)])?;
    let (mut scanned, mut size_bytes) = (0_usize, 0_usize);
    'rows: while let Some(row) = rows.next()? {
        let stream = names.name(row.get(1)?)?.filter(|stream| query.streams.contain(stream));
        let ingestion_ms: Option<i64> = row.get(4)?;
        let mut events = events_of(EventId(row.get(0)?), row.get(2)?, row.get_ref(3)?)?;
        events.retain(|event| after < event.id && event.id < before);
        if newest_first {
            events.reverse();
        }
        for Stored { id, timestamp_ms, message } in events {
            if page.events.len() >= query.limit || scanned >= MAX_SCAN {
                page.done = false;
                break 'rows;
            }
            scanned = scanned.saturating_add(1);
            let wanted = query.from_ms.is_none_or(|from| timestamp_ms >= from)
                && query.until_ms.is_none_or(|until| timestamp_ms < until)
                && query.contains.as_ref().is_none_or(|text| message.contains(text.as_str()))
                && query.pattern.as_ref().is_none_or(|pattern| pattern.matches(message));
            if let Some(stream) = stream.as_ref().filter(|_| wanted) {
                size_bytes = size_bytes.saturating_add(message.len());
                if size_bytes > MAX_PAGE_BYTES && !page.events.is_empty() {
                    page.done = false;
                    break 'rows;
                }
                let (stream, message) = (Arc::clone(stream), message.to_owned());
                let ingestion_ms = ingestion_ms.unwrap_or_else(|| id.ms());
                page.events.push(LogEvent { id, stream, timestamp_ms, ingestion_ms, message });
            }
            page.next = id;
        }
    }
    Ok(page)
}

/// A group's rows that have events with ids from ?2 to ?3: the row before the range may be a block that reaches into it.
pub(super) const ROWS_OF_RANGE: &str = "SELECT id, stream_id, timestamp_ms, message, ingestion_ms FROM log_events
    WHERE group_id = ?1 AND id <= ?3
      AND id >= ifnull((SELECT max(id) FROM log_events WHERE group_id = ?1 AND id <= ?2), ?2) ORDER BY id";

/// An event as a row has it.
pub(super) struct Stored<'a> {
    pub(super) id: EventId,
    pub(super) timestamp_ms: i64,
    pub(super) message: &'a str,
}

/// The events of a row, in order: a text is one, anything else a block.
pub(super) fn events_of(first: EventId, timestamp_ms: i64, message: ValueRef<'_>) -> Result<Vec<Stored<'_>>, Error> {
    let failed = |error: String| Error::Failed(format!("event {}: {error}", first.0));
    match message {
        ValueRef::Blob(bytes) => {
            let events = block::events(timestamp_ms, bytes).ok_or_else(|| failed("damaged".to_owned()))?;
            let ids = (first.0..).map(EventId);
            Ok(ids.zip(events).map(|(id, (timestamp_ms, message))| Stored { id, timestamp_ms, message }).collect())
        }
        text => {
            let message = text.as_str().map_err(|error| failed(error.to_string()))?;
            Ok(vec![Stored { id: first, timestamp_ms, message }])
        }
    }
}

/// Names of streams, looked up once.
pub(super) struct StreamNames<'a> {
    connection: &'a Connection,
    known: HashMap<i64, Option<Arc<str>>>,
}

impl<'a> StreamNames<'a> {
    pub(super) fn of(connection: &'a Connection) -> Self {
        Self { connection, known: HashMap::new() }
    }

    /// A stream's name; `None` where it is gone.
    pub(super) fn name(&mut self, stream_id: i64) -> Result<Option<Arc<str>>, Error> {
        if let Some(name) = self.known.get(&stream_id) {
            return Ok(name.clone());
        }
        let name = self
            .connection
            .prepare_cached("SELECT name FROM log_streams WHERE id = ?1")?
            .query_row([stream_id], |row| row.get::<_, Arc<str>>(0))
            .optional()?;
        self.known.insert(stream_id, name.clone());
        Ok(name)
    }
}

/// The least text greater than all that start with `prefix`: SQLite orders text by its bytes.
pub(super) fn after_prefix(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    end.push(char::MAX);
    end
}

const GROUP_COLUMNS: &str = "name, created_ms, retention_hours, tags";

fn group_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<LogGroup> {
    let tags: String = row.get(3)?;
    Ok(LogGroup {
        name: row.get(0)?,
        created_ms: row.get(1)?,
        retention_hours: row.get(2)?,
        // Written by the writer, as an object of texts.
        tags: serde_json::from_str(&tags).unwrap_or_default(),
    })
}

pub(super) fn group(connection: &Connection, name: &str) -> Result<LogGroup, Error> {
    connection
        .prepare_cached(&format!("SELECT {GROUP_COLUMNS} FROM log_groups WHERE name = ?1"))?
        .query_row([name], group_of)
        .optional()?
        .ok_or(Error::GroupNotFound)
}

pub(super) fn groups(
    connection: &Connection,
    names: &GroupNames,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<LogGroup>, Error> {
    let (prefix, part) = match names {
        GroupNames::Prefix(prefix) => (prefix.as_str(), ""),
        GroupNames::Containing(part) => ("", part.as_str()),
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {GROUP_COLUMNS} FROM log_groups
         WHERE name >= ?1 AND name < ?2 AND name > ?3 AND (?5 = '' OR instr(name, ?5) > 0) ORDER BY name LIMIT ?4"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows =
        statement.query_map(params![prefix, after_prefix(prefix), after.unwrap_or(""), limit, part], group_of)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn streams(
    connection: &Connection,
    group: &str,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<LogStream>, Error> {
    let group_id = group_id(connection, group)?;
    let mut statement = connection.prepare_cached(
        "SELECT name, created_ms, first_event_ms, last_event_ms, last_ingestion_ms FROM log_streams
         WHERE group_id = ?1 AND name >= ?2 AND name < ?3 AND name > ?4 ORDER BY name LIMIT ?5",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows =
        statement.query_map(params![group_id, prefix, after_prefix(prefix), after.unwrap_or(""), limit], |row| {
            Ok(LogStream {
                name: row.get(0)?,
                created_ms: row.get(1)?,
                // A stream begins with the times of none.
                times: match (row.get(2)?, row.get(3)?) {
                    (i64::MAX, _) => None,
                    (first_event_ms, last_event_ms) => {
                        Some(StreamTimes { first_event_ms, last_event_ms, last_ingestion_ms: row.get(4)? })
                    }
                },
            })
        })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
