//! Events of asynchronous invocations in SQLite.

use super::super::async_events::{
    AsyncEvents, Backlog, Due, Event, EventId, EventSummary, NewEvent, Selection, Standing,
};
use super::super::{Error, Pending, Result};
use super::readers::Readers;
use super::writer::{Txn, Writer};
use crate::ids::{FunctionName, FunctionRef, Qualifier};
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// What an [`EventSummary`] is read from.
const COLUMNS: &str = "id, request_id, function, qualifier, accepted_at_ms, due_at_ms, attempts, dead_at_ms";

/// Which rows a [`Selection`] means, with its parts as the first three parameters.
const SELECTED: &str = "(?1 IS NULL OR function = ?1) AND (?2 IS NULL OR (dead_at_ms IS NOT NULL) = ?2)
    AND (?3 IS NULL OR request_id = ?3)";

/// The tables `async_event*`.
pub(super) struct AsyncEventTable {
    pub(super) writer: Arc<Writer>,
    pub(super) readers: Arc<Readers>,
}

impl AsyncEvents for AsyncEventTable {
    fn accept(&self, events: Vec<NewEvent>) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |txn| events.iter().try_for_each(|event| accept(txn, event))))
    }

    fn due(
        &self,
        function: FunctionName,
        now_ms: i64,
        except: HashSet<EventId>,
        limit: usize,
        limit_bytes: usize,
    ) -> Pending<'_, Due> {
        self.readers.read(move |connection| {
            // One transaction, so that what is selected is still there to be read.
            let transaction = connection.unchecked_transaction()?;
            due(&transaction, &function, now_ms, &except, limit, limit_bytes)
        })
    }

    fn reschedule(&self, id: EventId, attempts: u32, due_at_ms: i64, failure: Option<String>) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |txn| {
            let sql = "UPDATE async_event SET attempts = ?2, due_at_ms = ?3 WHERE id = ?1 AND dead_at_ms IS NULL";
            let found = txn.connection.prepare_cached(sql)?.execute((id, attempts, due_at_ms))? > 0;
            note_failure(txn, id, failure.as_deref())?;
            Ok(found)
        }))
    }

    fn bury(&self, id: EventId, attempts: u32, dead_at_ms: i64, failure: Option<String>) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |txn| {
            let sql = "UPDATE async_event SET attempts = ?2, dead_at_ms = ?3 WHERE id = ?1 AND dead_at_ms IS NULL";
            let found = txn.connection.prepare_cached(sql)?.execute((id, attempts, dead_at_ms))? > 0;
            note_failure(txn, id, failure.as_deref())?;
            Ok(found)
        }))
    }

    fn remove(&self, id: EventId) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |txn| remove(txn.connection, id)))
    }

    fn find(&self, request_id: Uuid) -> Pending<'_, Option<Event>> {
        self.readers.read(move |connection| {
            let transaction = connection.unchecked_transaction()?;
            let sql = format!("SELECT {COLUMNS} FROM async_event WHERE request_id = ?1");
            let found = transaction.query_row(&sql, [request_id.as_bytes()], |row| Ok(summary(row))).optional()?;
            found.transpose()?.map(|summary| with_content(&transaction, summary)).transpose().map(Option::flatten)
        })
    }

    fn list(&self, selection: Selection, after: Option<EventId>, limit: usize) -> Pending<'_, Vec<EventSummary>> {
        self.readers.read(move |connection| select(connection, &selection, after, limit))
    }

    fn redrive(
        &self,
        selection: Selection,
        after: Option<EventId>,
        limit: usize,
        now_ms: i64,
    ) -> Pending<'_, Vec<EventSummary>> {
        Box::pin(self.writer.write(move |txn| {
            let mut events = select(txn.connection, &selection, after, limit)?;
            for event in &mut events {
                let sql = "UPDATE async_event SET due_at_ms = ?2, accepted_at_ms = ?3, attempts = ?4, dead_at_ms = NULL WHERE id = ?1";
                if event.dead_at_ms.take().is_some() {
                    (event.accepted_at_ms, event.attempts) = (now_ms, 0);
                }
                event.due_at_ms = event.due_at_ms.min(now_ms);
                let mut update = txn.connection.prepare_cached(sql)?;
                update.execute((event.id, event.due_at_ms, event.accepted_at_ms, event.attempts))?;
            }
            Ok(events)
        }))
    }

    fn purge(&self, selection: Selection, except: HashSet<EventId>, limit: usize) -> Pending<'_, usize> {
        Box::pin(self.writer.write(move |txn| {
            let (function, dead, request_id) = parameters(&selection);
            let sql = format!("SELECT id FROM async_event WHERE {SELECTED} ORDER BY id");
            let mut statement = txn.connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params![function, dead, request_id])?;
            let mut ids = Vec::new();
            while ids.len() < limit
                && let Some(row) = rows.next()?
            {
                let id: EventId = row.get(0)?;
                if !except.contains(&id) {
                    ids.push(id);
                }
            }
            drop(rows);
            for id in &ids {
                remove(txn.connection, *id)?;
            }
            Ok(ids.len())
        }))
    }

    fn sweep(&self, dead_before_ms: i64, limit: usize) -> Pending<'_, usize> {
        Box::pin(self.writer.write(move |txn| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let sql = "SELECT id FROM async_event WHERE dead_at_ms < ?1 ORDER BY dead_at_ms LIMIT ?2";
            let mut statement = txn.connection.prepare_cached(sql)?;
            let ids = statement.query_map((dead_before_ms, limit), |row| row.get(0))?;
            let ids: Vec<EventId> = ids.collect::<rusqlite::Result<_>>()?;
            for id in &ids {
                remove(txn.connection, *id)?;
            }
            Ok(ids.len())
        }))
    }

    fn backlog(&self) -> Pending<'_, Vec<Backlog>> {
        self.readers.read(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let mut all: BTreeMap<String, (u64, u64, Option<i64>)> = BTreeMap::new();
            // The lowest number is that of the oldest event, but for redriven ones: near enough, and the index alone answers it.
            let sql = "SELECT function, count(*), min(id) FROM async_event WHERE dead_at_ms IS NULL GROUP BY function";
            let mut statement = transaction.prepare_cached(sql)?;
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                let (function, waiting, first): (String, u64, EventId) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let sql = "SELECT accepted_at_ms FROM async_event WHERE id = ?1";
                let oldest = transaction.prepare_cached(sql)?.query_row([first], |row| row.get(0)).optional()?;
                all.insert(function, (waiting, 0, oldest));
            }
            let sql = "SELECT function, count(*) FROM async_event WHERE dead_at_ms IS NOT NULL GROUP BY function";
            let mut statement = transaction.prepare_cached(sql)?;
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                all.entry(row.get(0)?).or_default().1 = row.get(1)?;
            }
            let backlog = |(function, (waiting, dead, oldest_accepted_at_ms)): (String, (u64, u64, Option<i64>))| {
                Ok(Backlog { function: function_name(&function)?, waiting, dead, oldest_accepted_at_ms })
            };
            all.into_iter().map(backlog).collect()
        })
    }
}

fn accept(txn: &mut Txn<'_>, event: &NewEvent) -> Result<()> {
    let id = txn.next_number()?;
    let insert = "INSERT INTO async_event_content VALUES (?1, ?2, ?3, NULL)";
    txn.connection.prepare_cached(insert)?.execute(params![id, &*event.payload, event.trace_id,])?;
    let insert = "INSERT INTO async_event VALUES (?1, ?2, ?3, ?4, ?5, ?5, 0, NULL)";
    txn.connection.prepare_cached(insert)?.execute(params![
        id,
        event.request_id.as_bytes(),
        event.target.name.as_str(),
        event.target.qualifier.as_ref().map(ToString::to_string),
        event.accepted_at_ms,
    ])?;
    Ok(())
}

fn due(
    connection: &Connection,
    function: &FunctionName,
    now_ms: i64,
    except: &HashSet<EventId>,
    limit: usize,
    limit_bytes: usize,
) -> Result<Due> {
    let sql = "SELECT id, due_at_ms FROM async_event WHERE function = ?1 AND dead_at_ms IS NULL ORDER BY due_at_ms, id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([function.as_str()])?;
    let mut found = Due::default();
    let mut size_bytes = 0usize;
    while let Some(row) = rows.next()? {
        let (id, due_at_ms): (EventId, i64) = (row.get(0)?, row.get(1)?);
        if except.contains(&id) {
            continue;
        }
        if due_at_ms > now_ms {
            found.next_at_ms = Some(due_at_ms);
            break;
        }
        if found.events.len() >= limit || (size_bytes >= limit_bytes && !found.events.is_empty()) {
            found.next_at_ms = Some(due_at_ms);
            break;
        }
        let sql = format!("SELECT {COLUMNS} FROM async_event WHERE id = ?1");
        let mut select = connection.prepare_cached(&sql)?;
        let summary = select.query_row([id], |row| Ok(summary(row)))??;
        if let Some(event) = with_content(connection, summary)? {
            size_bytes = size_bytes.saturating_add(event.payload.len());
            found.events.push(event);
        }
    }
    Ok(found)
}

fn note_failure(txn: &Txn<'_>, id: EventId, failure: Option<&str>) -> Result<()> {
    if let Some(failure) = failure {
        let sql = "UPDATE async_event_content SET failure = ?2 WHERE id = ?1";
        txn.connection.prepare_cached(sql)?.execute((id, failure))?;
    }
    Ok(())
}

fn remove(connection: &Connection, id: EventId) -> Result<bool> {
    connection.prepare_cached("DELETE FROM async_event_content WHERE id = ?1")?.execute([id])?;
    Ok(connection.prepare_cached("DELETE FROM async_event WHERE id = ?1")?.execute([id])? > 0)
}

fn parameters(selection: &Selection) -> (Option<&str>, Option<bool>, Option<&[u8]>) {
    (
        selection.function.as_ref().map(FunctionName::as_str),
        selection.standing.map(|standing| standing == Standing::Dead),
        selection.request_id.as_ref().map(|id| id.as_bytes().as_slice()),
    )
}

fn select(
    connection: &Connection,
    selection: &Selection,
    after: Option<EventId>,
    limit: usize,
) -> Result<Vec<EventSummary>> {
    let (function, dead, request_id) = parameters(selection);
    let sql = format!("SELECT {COLUMNS} FROM async_event WHERE {SELECTED} AND id > ?4 ORDER BY id LIMIT ?5");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![function, dead, request_id, after.unwrap_or(i64::MIN), limit])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(summary(row)?);
    }
    Ok(events)
}

fn summary(row: &Row<'_>) -> Result<EventSummary> {
    let request_id: Vec<u8> = row.get(1)?;
    let (function, qualifier): (String, Option<String>) = (row.get(2)?, row.get(3)?);
    let qualifier = qualifier.map(|text| Qualifier::new(&text).map_err(|e| Error::Corrupt(e.to_string())));
    Ok(EventSummary {
        id: row.get(0)?,
        request_id: Uuid::from_slice(&request_id).map_err(|e| Error::Corrupt(format!("a request id: {e}")))?,
        target: FunctionRef { name: function_name(&function)?, qualifier: qualifier.transpose()? },
        accepted_at_ms: row.get(4)?,
        due_at_ms: row.get(5)?,
        attempts: row.get(6)?,
        dead_at_ms: row.get(7)?,
    })
}

fn with_content(connection: &Connection, summary: EventSummary) -> Result<Option<Event>> {
    let sql = "SELECT payload, trace_id, failure FROM async_event_content WHERE id = ?1";
    let mut select = connection.prepare_cached(sql)?;
    let content = select.query_row([summary.id], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?, row.get(2)?)));
    Ok(content.optional()?.map(|(payload, trace_id, failure)| Event {
        summary,
        payload: Bytes::from(payload),
        trace_id,
        failure,
    }))
}

fn function_name(text: &str) -> Result<FunctionName> {
    FunctionName::new(text).map_err(|e| Error::Corrupt(e.to_string()))
}
