//! The log database's tables.

use super::Error;
use rusqlite::{Connection, ErrorCode};
use std::path::{Path, PathBuf};

/// Counted up with every change of the tables; a file with a greater one is refused.
const VERSION: i64 = 4;

/// SQLite's page, unless it is told otherwise.
const PAGE_BYTES: i64 = 4_096;

/// Size of the write-ahead log at which its pages are taken to the database.
const WAL_BYTES: i64 = 32 * 1024 * 1024;

const TABLES: &str = "
CREATE TABLE log_groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT UNIQUE, -- NULL: deleted, its events are still to go
    created_ms INTEGER NOT NULL,
    retention_hours INTEGER -- NULL: as configured; 0: for good
);
CREATE TABLE log_streams (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    first_event_ms INTEGER NOT NULL,
    last_event_ms INTEGER NOT NULL,
    last_event_id INTEGER NOT NULL,
    UNIQUE (group_id, name)
);
CREATE TABLE log_events (
    group_id INTEGER NOT NULL,
    id INTEGER NOT NULL, -- see EventId
    stream_id INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    message TEXT NOT NULL, -- a blob: as many events as are in it, this row's id being the first one's (see block.rs)
    PRIMARY KEY (group_id, id)
) WITHOUT ROWID;
";

/// What version 2 added: what clients put, tags, and streams whose events are still to go.
const SECOND: &str = "
ALTER TABLE log_groups ADD COLUMN tags TEXT NOT NULL DEFAULT '{}'; -- a JSON object
ALTER TABLE log_streams ADD COLUMN last_ingestion_ms INTEGER NOT NULL DEFAULT 0;
UPDATE log_streams SET last_ingestion_ms = last_event_id >> 20;
ALTER TABLE log_events ADD COLUMN ingestion_ms INTEGER; -- NULL: the id has it
CREATE TABLE deleted_streams (id INTEGER PRIMARY KEY, group_id INTEGER NOT NULL);
";

/// What version 3 added: subscription filters and what they have still to see, and how far deleted streams were looked for.
const THIRD: &str = "
CREATE TABLE subscription_filters (
    group_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    definition TEXT NOT NULL, -- a JSON object
    position INTEGER NOT NULL, -- of the feed: what is behind it was not delivered yet
    PRIMARY KEY (group_id, name)
) WITHOUT ROWID;
CREATE TABLE feed (
    group_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    ingestion_ms INTEGER NOT NULL,
    runs BLOB NOT NULL, -- ids of events: the first and the last of each run, as 64-bit integers, least byte first
    trace TEXT, -- the trace header of the invocation that the events come from
    PRIMARY KEY (group_id, position)
) WITHOUT ROWID;
ALTER TABLE deleted_streams ADD COLUMN scanned_id INTEGER NOT NULL DEFAULT -1; -- events up to this one were looked at
";

/// What version 4 added is in rows alone: blocks of events.
const FOURTH: &str = "";

/// Opens the database for writing; one that is damaged is put aside, since nothing in it was promised to anyone.
pub(super) fn open_or_replace(path: &Path) -> Result<Connection, Error> {
    match open(path) {
        Ok(connection) => Ok(connection),
        Err(OpenError::Sqlite(rusqlite::Error::SqliteFailure(error, _)))
            if matches!(error.code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) =>
        {
            let aside = with_suffix(path, ".damaged");
            let (from, to) = (path.display(), aside.display());
            tracing::warn!(path = %from, aside = %to, "the log database is damaged; a new one is begun");
            std::fs::rename(path, &aside).map_err(|e| Error::Failed(format!("cannot put {from} aside: {e}")))?;
            for suffix in ["-wal", "-shm"] {
                // They may not be there.
                let _ = std::fs::remove_file(with_suffix(path, suffix));
            }
            open(path).map_err(|e| e.at(path))
        }
        Err(error) => Err(error.at(path)),
    }
}

enum OpenError {
    Sqlite(rusqlite::Error),
    Newer(i64),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl OpenError {
    fn at(self, path: &Path) -> Error {
        let path = path.display();
        Error::Failed(match self {
            Self::Sqlite(error) => format!("cannot open {path}: {error}"),
            Self::Newer(version) => {
                format!("{path} has version {version}, of a newer release; this one knows {VERSION}")
            }
        })
    }
}

fn open(path: &Path) -> Result<Connection, OpenError> {
    let connection = Connection::open(path)?;
    // Must come before the first table, and lets deleted events' pages go back a few at a time.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // Streams of a thousand functions are a thousand pages, written again and again: a log and a cache of a few thousand pages take each
    // to the database once for many transactions.
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_BYTES / PAGE_BYTES)?;
    connection.pragma_update(None, "cache_size", -32 * 1024)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    match connection.pragma_query_value(None, "user_version", |row| row.get(0))? {
        version @ 0..VERSION => {
            let missing: String =
                [TABLES, SECOND, THIRD, FOURTH].into_iter().skip(usize::try_from(version).unwrap_or(0)).collect();
            connection
                .execute_batch(&format!("BEGIN IMMEDIATE; {missing} PRAGMA user_version = {VERSION}; COMMIT;"))?;
        }
        VERSION => {}
        newer => return Err(OpenError::Newer(newer)),
    }
    Ok(connection)
}

/// Opens the database for reading.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -2 * 1024)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
