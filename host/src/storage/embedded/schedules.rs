//! Schedules and their groups in SQLite.

use super::super::schedules::{
    Advance, DEFAULT_GROUP, Firing, Next, PutMode, PutOutcome, ScheduleGroupRecord, ScheduleKey, ScheduleRecord,
    Schedules,
};
use super::super::{Error, Pending, Result};
use super::readers::Readers;
use super::writer::{Txn, Writer};
use super::{decode, decode_all, encode};
use rusqlite::{Connection, OptionalExtension, Params, params};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a schedule is read from: the record and the columns that are newer than it.
const COLUMNS: &str = "SELECT record, revision, next_fire_at_ms FROM schedule";

/// The tables `schedule*`.
pub(super) struct ScheduleTable {
    pub(super) writer: Arc<Writer>,
    pub(super) readers: Arc<Readers>,
}

impl Schedules for ScheduleTable {
    fn put_group(&self, group: ScheduleGroupRecord, mode: PutMode) -> Pending<'_, PutOutcome> {
        Box::pin(self.writer.write(move |txn| {
            let exists = group.name == DEFAULT_GROUP || stored_group(txn.connection, &group.name)?.is_some();
            if let Some(refusal) = refusal(mode, exists) {
                return Ok(refusal);
            }
            let mut put = txn.connection.prepare_cached("INSERT OR REPLACE INTO schedule_group VALUES (?1, ?2)")?;
            put.execute((&group.name, encode(&group)?))?;
            Ok(PutOutcome::Stored(0))
        }))
    }

    fn get_group(&self, name: String) -> Pending<'_, Option<ScheduleGroupRecord>> {
        self.readers.read(move |connection| {
            let stored = stored_group(connection, &name)?;
            Ok(stored.or_else(|| (name == DEFAULT_GROUP).then(default_group)))
        })
    }

    fn list_groups(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Pending<'_, Vec<ScheduleGroupRecord>> {
        self.readers.read(move |connection| {
            let mut groups: Vec<ScheduleGroupRecord> =
                decode_all(connection, "SELECT record FROM schedule_group ORDER BY name", ())?;
            if let Err(place) = groups.binary_search_by(|group| group.name.as_str().cmp(DEFAULT_GROUP)) {
                groups.insert(place, default_group());
            }
            let wanted = |group: &ScheduleGroupRecord| {
                group.name.starts_with(&prefix) && after.as_ref().is_none_or(|after| group.name > *after)
            };
            Ok(groups.into_iter().filter(wanted).take(limit).collect())
        })
    }

    fn delete_group(&self, name: String) -> Pending<'_, Option<Vec<ScheduleKey>>> {
        Box::pin(self.writer.write(move |txn| {
            if name != DEFAULT_GROUP {
                let deleted =
                    txn.connection.prepare_cached("DELETE FROM schedule_group WHERE name = ?1")?.execute([&name])?;
                if deleted == 0 {
                    return Ok(None);
                }
            }
            txn.connection.prepare_cached("DELETE FROM schedule_firing WHERE grp = ?1")?.execute([&name])?;
            let mut delete = txn.connection.prepare_cached("DELETE FROM schedule WHERE grp = ?1 RETURNING name")?;
            let keys = delete.query_map([&name], |row| Ok(ScheduleKey { group: name.clone(), name: row.get(0)? }))?;
            let mut keys = keys.collect::<rusqlite::Result<Vec<_>>>()?;
            keys.sort_unstable();
            Ok(Some(keys))
        }))
    }

    fn put(&self, schedule: ScheduleRecord, mode: PutMode) -> Pending<'_, PutOutcome> {
        Box::pin(self.writer.write(move |txn| {
            let key = &schedule.key;
            if key.group != DEFAULT_GROUP && stored_group(txn.connection, &key.group)?.is_none() {
                return Ok(PutOutcome::NoGroup);
            }
            let find = "SELECT 1 FROM schedule WHERE grp = ?1 AND name = ?2";
            let exists = txn.connection.prepare_cached(find)?.exists((&key.group, &key.name))?;
            if let Some(refusal) = refusal(mode, exists) {
                return Ok(refusal);
            }
            let revision = txn.next_number()?;
            let put = "INSERT INTO schedule VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET
                revision = excluded.revision, next_fire_at_ms = excluded.next_fire_at_ms, record = excluded.record";
            let mut put = txn.connection.prepare_cached(put)?;
            put.execute(params![key.group, key.name, revision, schedule.next_fire_at_ms, encode(&schedule)?])?;
            Ok(PutOutcome::Stored(revision.unsigned_abs()))
        }))
    }

    fn get(&self, key: ScheduleKey) -> Pending<'_, Option<ScheduleRecord>> {
        self.readers.read(move |connection| {
            let sql = format!("{COLUMNS} WHERE grp = ?1 AND name = ?2");
            Ok(select(connection, &sql, (&key.group, &key.name))?.pop())
        })
    }

    fn delete(&self, key: ScheduleKey) -> Pending<'_, bool> {
        Box::pin(self.writer.write(move |txn| delete(txn, &key)))
    }

    fn list(
        &self,
        group: Option<String>,
        prefix: String,
        after: Option<ScheduleKey>,
        limit: usize,
    ) -> Pending<'_, Vec<ScheduleRecord>> {
        self.readers.read(move |connection| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let after = after.unwrap_or(ScheduleKey { group: String::new(), name: String::new() });
            let page = "(grp, name) > (?1, ?2) AND substr(name, 1, length(?3)) = ?3";
            match group {
                Some(group) => {
                    let sql = format!("{COLUMNS} WHERE {page} AND grp = ?5 ORDER BY grp, name LIMIT ?4");
                    select(connection, &sql, params![after.group, after.name, prefix, limit, group])
                }
                None => {
                    let sql = format!("{COLUMNS} WHERE {page} ORDER BY grp, name LIMIT ?4");
                    select(connection, &sql, params![after.group, after.name, prefix, limit])
                }
            }
        })
    }

    fn load(&self) -> Pending<'_, Vec<ScheduleRecord>> {
        self.readers.read(|connection| select(connection, COLUMNS, ()))
    }

    fn advance(&self, steps: Vec<Advance>) -> Pending<'_, Vec<bool>> {
        Box::pin(self.writer.write(move |txn| steps.iter().map(|step| take(txn, step)).collect()))
    }

    fn finish(&self, firings: Vec<Firing>) -> Pending<'_, ()> {
        Box::pin(self.writer.write(move |txn| {
            let sql = "DELETE FROM schedule_firing WHERE grp = ?1 AND name = ?2 AND fire_at_ms = ?3";
            let mut delete = txn.connection.prepare_cached(sql)?;
            for firing in &firings {
                delete.execute((&firing.key.group, &firing.key.name, firing.fire_at_ms))?;
            }
            Ok(())
        }))
    }

    fn unfinished(&self) -> Pending<'_, Vec<Firing>> {
        self.readers.read(|connection| {
            let sql = "SELECT grp, name, fire_at_ms FROM schedule_firing ORDER BY grp, name, fire_at_ms";
            let mut select = connection.prepare_cached(sql)?;
            let firings = select.query_map((), |row| {
                Ok(Firing { key: ScheduleKey { group: row.get(0)?, name: row.get(1)? }, fire_at_ms: row.get(2)? })
            })?;
            Ok(firings.collect::<rusqlite::Result<_>>()?)
        })
    }
}

/// Takes one step, if the schedule still is as its caller knows it. Firings begun are on record either way, unless it is gone.
fn take(txn: &mut Txn<'_>, step: &Advance) -> Result<bool> {
    let key = (&step.key.group, &step.key.name);
    let known = (step.revision, step.expected_next_fire_at_ms);
    let next = match step.next {
        Next::FireAt(at_ms) => Some(at_ms),
        Next::Finished => None,
        Next::Delete => {
            let found = found(txn, &step.key)?;
            record_unfinished(txn, step, found.is_some())?;
            return if found == Some(known) { delete(txn, &step.key) } else { Ok(false) };
        }
    };
    let sql = "UPDATE schedule SET next_fire_at_ms = ?5
               WHERE grp = ?1 AND name = ?2 AND revision = ?3 AND next_fire_at_ms IS ?4";
    let moved = txn.connection.prepare_cached(sql)?.execute((key.0, key.1, known.0, known.1, next))? > 0;
    let there = moved || found(txn, &step.key)?.is_some();
    record_unfinished(txn, step, there)?;
    Ok(moved)
}

/// A schedule's revision and next firing.
fn found(txn: &Txn<'_>, key: &ScheduleKey) -> Result<Option<(u64, Option<i64>)>> {
    let sql = "SELECT revision, next_fire_at_ms FROM schedule WHERE grp = ?1 AND name = ?2";
    let mut select = txn.connection.prepare_cached(sql)?;
    Ok(select.query_row((&key.group, &key.name), |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

fn record_unfinished(txn: &Txn<'_>, step: &Advance, there: bool) -> Result<()> {
    if !there || step.unfinished.is_empty() {
        return Ok(());
    }
    let mut insert = txn.connection.prepare_cached("INSERT OR IGNORE INTO schedule_firing VALUES (?1, ?2, ?3)")?;
    for fire_at_ms in &step.unfinished {
        insert.execute((&step.key.group, &step.key.name, fire_at_ms))?;
    }
    Ok(())
}

fn delete(txn: &mut Txn<'_>, key: &ScheduleKey) -> Result<bool> {
    let firings = "DELETE FROM schedule_firing WHERE grp = ?1 AND name = ?2";
    txn.connection.prepare_cached(firings)?.execute((&key.group, &key.name))?;
    let sql = "DELETE FROM schedule WHERE grp = ?1 AND name = ?2";
    Ok(txn.connection.prepare_cached(sql)?.execute((&key.group, &key.name))? > 0)
}

fn refusal(mode: PutMode, exists: bool) -> Option<PutOutcome> {
    match (mode, exists) {
        (PutMode::Create, true) => Some(PutOutcome::Exists),
        (PutMode::Update, false) => Some(PutOutcome::Missing),
        _ => None,
    }
}

/// The default group as it is until someone changes it.
fn default_group() -> ScheduleGroupRecord {
    ScheduleGroupRecord { name: DEFAULT_GROUP.into(), tags: BTreeMap::new(), created_at_ms: 0, modified_at_ms: 0 }
}

fn stored_group(connection: &Connection, name: &str) -> Result<Option<ScheduleGroupRecord>> {
    Ok(decode_all(connection, "SELECT record FROM schedule_group WHERE name = ?1", [name])?.pop())
}

fn select(connection: &Connection, sql: &str, params: impl Params) -> Result<Vec<ScheduleRecord>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut schedules = Vec::new();
    while let Some(row) = rows.next()? {
        let mut record: ScheduleRecord = decode(row.get_ref(0)?.as_str().map_err(|e| Error::Corrupt(e.to_string()))?)?;
        record.revision = row.get(1)?;
        record.next_fire_at_ms = row.get(2)?;
        schedules.push(record);
    }
    Ok(schedules)
}
