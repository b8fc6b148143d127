//! The database's layout and how it is brought up to date.
//!
//! `user_version` counts the migrations applied. A database with more than this program knows, or of another application, is refused.
//! All numbers that identify something (queues, partitions, messages, groups of a FIFO queue, revisions) come from one sequence
//! that never goes back ([`super::writer`]).

use super::super::{Error, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::path::Path;
use std::time::Duration;

/// "LMNA": marks the file for `file(1)` and against mix-ups.
const APPLICATION_ID: i32 = 0x4c4d_4e41;
/// Bytes; SQLite's default, and that of most file systems.
const PAGE_SIZE_BYTES: u64 = 4096;

/// Each brings the layout from its index to the next.
const MIGRATIONS: &[&str] = &["
CREATE TABLE sequence (
    -- One row; numbers below `reserved` may have been given out.
    id INTEGER PRIMARY KEY CHECK (id = 1),
    reserved INTEGER NOT NULL
);
INSERT INTO sequence VALUES (1, 1);

CREATE TABLE function (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE function_retired (name TEXT PRIMARY KEY, next_version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE function_version (function TEXT NOT NULL, version TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (function, version));
CREATE TABLE function_alias (function TEXT NOT NULL, name TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (function, name));
CREATE TABLE function_provisioned (
    function TEXT NOT NULL, qualifier TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (function, qualifier)
);

CREATE TABLE schedule_group (name TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE schedule (
    grp TEXT NOT NULL, name TEXT NOT NULL,
    -- These two are newer than the record's.
    revision INTEGER NOT NULL, next_fire_at_ms INTEGER,
    record TEXT NOT NULL,
    PRIMARY KEY (grp, name)
);

CREATE TABLE mapping (uuid TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE queue (
    name TEXT PRIMARY KEY,
    id INTEGER NOT NULL UNIQUE,
    -- Whose messages are this queue's; a purge gives it a new one.
    partition INTEGER NOT NULL UNIQUE,
    record TEXT NOT NULL
) WITHOUT ROWID;
-- Partitions whose messages are yet to be removed.
CREATE TABLE dropped_partition (partition INTEGER PRIMARY KEY);

-- What changes with every receive, apart from what does not, so that a receive rewrites few bytes.
CREATE TABLE message (
    -- Also the sequence number.
    id INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    visible_at_ms INTEGER NOT NULL,
    -- From here retention counts.
    enqueued_at_ms INTEGER NOT NULL,
    receive_count INTEGER NOT NULL,
    -- Of the last receive from this partition; 0 is never received from it.
    token INTEGER NOT NULL,
    received_at_ms INTEGER,
    first_received_at_ms INTEGER,
    fifo_group INTEGER,
    dead_letter_source TEXT
);
CREATE INDEX message_visible ON message (partition, visible_at_ms);
CREATE INDEX message_enqueued ON message (partition, enqueued_at_ms);
CREATE INDEX message_group ON message (fifo_group) WHERE fifo_group IS NOT NULL;
CREATE INDEX message_group_received ON message (fifo_group, visible_at_ms) WHERE fifo_group IS NOT NULL AND token <> 0;
CREATE TABLE message_content (
    id INTEGER PRIMARY KEY,
    message_id BLOB NOT NULL,
    sent_at_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    attributes TEXT,
    system_attributes TEXT,
    group_id TEXT,
    deduplication_id TEXT
);

-- Groups of FIFO queues that hold messages.
CREATE TABLE fifo_group (
    id INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    name TEXT NOT NULL,
    -- When its first message can be received and none of it is in flight.
    available_at_ms INTEGER NOT NULL,
    UNIQUE (partition, name)
);
CREATE INDEX fifo_group_available ON fifo_group (partition, available_at_ms);
CREATE TABLE deduplication (
    queue INTEGER NOT NULL,
    -- Empty, or the group's name after a colon.
    scope TEXT NOT NULL,
    deduplication_id TEXT NOT NULL,
    message_id BLOB NOT NULL,
    sequence_number INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (queue, scope, deduplication_id)
) WITHOUT ROWID;
CREATE INDEX deduplication_expires ON deduplication (expires_at_ms);
", "
-- Firings begun whose end is not known.
CREATE TABLE schedule_firing (
    grp TEXT NOT NULL, name TEXT NOT NULL, fire_at_ms INTEGER NOT NULL,
    PRIMARY KEY (grp, name, fire_at_ms)
) WITHOUT ROWID;
", "
CREATE TABLE function_url (
    -- The alias is empty for $LATEST.
    function TEXT NOT NULL, alias TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (function, alias)
);
", "
-- Events of asynchronous invocations; apart from their content, so that walking them reads few bytes.
CREATE TABLE async_event (
    id INTEGER PRIMARY KEY,
    request_id BLOB NOT NULL,
    function TEXT NOT NULL,
    qualifier TEXT,
    accepted_at_ms INTEGER NOT NULL,
    due_at_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    -- NULL while it waits.
    dead_at_ms INTEGER
);
CREATE INDEX async_event_due ON async_event (function, due_at_ms) WHERE dead_at_ms IS NULL;
CREATE INDEX async_event_dead ON async_event (dead_at_ms, function) WHERE dead_at_ms IS NOT NULL;
CREATE TABLE async_event_content (
    id INTEGER PRIMARY KEY,
    payload BLOB NOT NULL,
    trace_id TEXT,
    -- How the last attempt failed.
    failure TEXT
);
CREATE TABLE function_event_invoke (
    function TEXT NOT NULL, qualifier TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (function, qualifier)
);
", "
-- An empty qualifier is the function as such.
CREATE TABLE function_policy (function TEXT NOT NULL, qualifier TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (function, qualifier));
CREATE TABLE code_signing_config (id TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;
", "
-- Layers ever published, whether versions of them are left or not.
CREATE TABLE layer (name TEXT PRIMARY KEY, last_version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE layer_version (
    name TEXT NOT NULL, version INTEGER NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (name, version)
) WITHOUT ROWID;
"];

/// Opens the database for writing, creates it where there is none, and brings it up to date.
pub(super) fn open(path: &Path, maximum_size_bytes: Option<u64>) -> Result<Connection> {
    let mut connection = Connection::open(path)?;
    // Takes effect only before the first table.
    connection.pragma_update(None, "page_size", PAGE_SIZE_BYTES as i64)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Error::Backend(format!("{} cannot use a write-ahead log (mode {mode})", path.display())));
    }
    tune(&connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // A log that had to grow is cut back to this when it is started over.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    if let Some(bytes) = maximum_size_bytes {
        let pages = i64::try_from(bytes / PAGE_SIZE_BYTES).unwrap_or(i64::MAX).clamp(1, 0xffff_fffe);
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// A further connection for writing, to copy the write-ahead log with.
pub(super) fn connect(path: &Path) -> Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    tune(&connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Settings of every connection.
pub(super) fn tune(connection: &Connection) -> Result<()> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(128);
    connection.pragma_update(None, "cache_size", -32 * 1024)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update_and_check(None, "mmap_size", 0, |_| Ok(()))?;
    Ok(())
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i32 = transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let any_table = transaction.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", (), |_| Ok(())).optional()?.is_some();
    if any_table && application != APPLICATION_ID {
        return Err(Error::Corrupt(format!("{} is not a database of Lamina", path.display())));
    }
    let Some(pending) = MIGRATIONS.get(version..) else {
        return Err(Error::Backend(format!(
            "{} is of a newer Lamina (layout {version}, this program knows {})",
            path.display(),
            MIGRATIONS.len()
        )));
    };
    for migration in pending {
        transaction.execute_batch(migration)?;
    }
    if !pending.is_empty() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", MIGRATIONS.len())?;
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn a_newer_layout_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        open(&path, None).unwrap().pragma_update(None, "user_version", MIGRATIONS.len() + 1).unwrap();
        let error = open(&path, None).unwrap_err();
        assert!(matches!(&error, Error::Backend(text) if text.contains("newer")), "{error}");
    }

    #[test]
    fn another_application_s_database_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        assert!(matches!(open(&path, None), Err(Error::Corrupt(_))));
    }

    /// What there is of tables and indexes, by name.
    fn layout(connection: &Connection) -> Vec<(String, String)> {
        let mut statement =
            connection.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
        let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }

    #[test]
    fn a_database_of_each_older_release_is_brought_up_to_date_with_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let newest = layout(&open(&dir.path().join("new.db"), None).unwrap());
        for version in 1..MIGRATIONS.len() {
            let path = dir.path().join(format!("{version}.db"));
            let old = Connection::open(&path).unwrap();
            old.pragma_update(None, "auto_vacuum", "INCREMENTAL").unwrap();
            for migration in &MIGRATIONS[..version] {
                old.execute_batch(migration).unwrap();
            }
            old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
            old.pragma_update(None, "user_version", version).unwrap();
            old.execute_batch(
                "UPDATE sequence SET reserved = 77;
                INSERT INTO function VALUES ('f', '{}');
                INSERT INTO queue VALUES ('q', 3, 4, '{}');
                INSERT INTO message VALUES (5, 4, 0, 1, 0, 0, NULL, NULL, NULL, NULL);
                INSERT INTO message_content VALUES (5, x'00', 1, 'body', NULL, NULL, NULL, NULL);",
            )
            .unwrap();
            if version >= 4 {
                old.execute_batch(
                    "INSERT INTO async_event VALUES (6, x'01', 'f', NULL, 1, 1, 0, NULL);
                    INSERT INTO async_event_content VALUES (6, x'7b7d', NULL, NULL);",
                )
                .unwrap();
            }
            drop(old);
            for _ in 0..2 {
                let connection = open(&path, None).unwrap();
                assert_eq!(layout(&connection), newest, "from version {version}");
                let text = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, String>(0)).unwrap();
                assert_eq!(
                    text("SELECT body FROM message_content JOIN message USING (id) WHERE partition = 4"),
                    "body"
                );
                assert_eq!(text("SELECT CAST(reserved AS TEXT) FROM sequence"), "77");
                assert_eq!(text("SELECT record FROM function WHERE name = 'f'"), "{}");
                let events: i64 = connection
                    .query_row("SELECT count(*) FROM async_event JOIN async_event_content USING (id)", (), |row| {
                        row.get(0)
                    })
                    .unwrap();
                assert_eq!(events, i64::from(version >= 4));
            }
        }
    }

    #[test]
    fn opening_again_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.db");
        for _ in 0..2 {
            let connection = open(&path, None).unwrap();
            let vacuum: i64 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0)).unwrap();
            assert_eq!(vacuum, 2);
            let tables: i64 = connection.query_row("SELECT count(*) FROM sequence", (), |row| row.get(0)).unwrap();
            assert_eq!(tables, 1);
        }
    }
}
