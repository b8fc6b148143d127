//! The default backend: one SQLite database in write-ahead mode, and blobs as files beside it.
//!
//! All writes go through one thread ([`writer`]) that commits what is waiting together, `synchronous=FULL`; reads go through a few
//! read-only connections ([`readers`]). The database is not mapped into memory: an I/O error stays an error and is never a signal.
//! A lock file keeps a second daemon out of the directory. What SQLite reports as damage becomes [`Error::Corrupt`].

mod async_events;
mod code_signing;
mod functions;
mod layers;
mod mappings;
mod queues;
mod readers;
mod schedules;
mod schema;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests;
mod writer;

use super::files::FileBlobs;
use super::{Closing, CommitObserver, Error, Pending, Result, Storage};
use rusqlite::{Connection, ErrorCode};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use writer::Writer;

/// The database's file in the data directory.
const DATABASE_FILE: &str = "lamina.db";
/// The file whose lock means that a daemon owns the data directory.
const LOCK_FILE: &str = "lamina.lock";
/// How long the lock is waited for, and how long between two looks at it.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(10);
/// The directory of blobs in the data directory.
const BLOB_DIR: &str = "blobs";

/// Settings of the embedded backend.
#[derive(Clone, Default)]
pub struct Options {
    /// Told of every commit.
    pub observer: Option<Arc<dyn CommitObserver>>,
    /// The database may not grow past this; writes that need more fail with [`Error::Full`]. `None` is SQLite's own limit.
    pub maximum_size_bytes: Option<u64>,
}

/// Opens or creates the storage in `dir`. Blocks; takes time only where a crash left a write-ahead log, or somebody else has the directory.
pub(super) fn open(dir: &Path, options: Options) -> Result<Storage> {
    let failed = |what: &str, e: std::io::Error| Error::Backend(format!("cannot {what} {}: {e}", dir.display()));
    // Environment variables and packages may be secrets.
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| failed("create", e))?;
    let lock = lock(dir)?;
    let path = dir.join(DATABASE_FILE);
    let connection = schema::open(&path, options.maximum_size_bytes)?;
    let readers = Arc::new(readers::Readers::open(&path)?);
    let blobs = FileBlobs::open(dir.join(BLOB_DIR))?;
    let writer = Arc::new(Writer::start(connection, &path, options.observer, lock)?);
    Ok(Storage {
        functions: Arc::new(functions::FunctionTable { writer: writer.clone(), readers: readers.clone() }),
        queues: Arc::new(queues::QueueTable { writer: writer.clone(), readers: readers.clone() }),
        schedules: Arc::new(schedules::ScheduleTable { writer: writer.clone(), readers: readers.clone() }),
        layers: Arc::new(layers::LayerTable { writer: writer.clone(), readers: readers.clone() }),
        mappings: Arc::new(mappings::MappingTable { writer: writer.clone(), readers: readers.clone() }),
        async_events: Arc::new(async_events::AsyncEventTable { writer: writer.clone(), readers: readers.clone() }),
        code_signing: Arc::new(code_signing::CodeSigningTable { writer: writer.clone(), readers: readers.clone() }),
        blobs: Arc::new(blobs),
        closing: Arc::new(Connections { writer, readers }),
    })
}

/// All connections to the database.
struct Connections {
    writer: Arc<Writer>,
    readers: Arc<readers::Readers>,
}

impl Closing for Connections {
    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async {
            // The writer's is the last: it empties the log.
            self.readers.close().await;
            self.writer.stop().await
        })
    }
}

/// Takes the data directory; held until the file is dropped.
///
/// A process that was just killed may leave it locked for a moment: a child that it had started and that has not begun its own program yet
/// still has all its files.
fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK_FILE);
    let failed = |e: std::io::Error| Error::Backend(format!("cannot lock {}: {e}", path.display()));
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    let asked = Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if asked.elapsed() < LOCK_WAIT => std::thread::sleep(LOCK_PAUSE),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Error::Backend(format!("{} is in use by another process", dir.display())));
            }
            Err(e) => return Err(failed(e.into())),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        match &error {
            E::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Self::Full(error.to_string()),
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt(error.to_string()),
                _ => Self::Backend(error.to_string()),
            },
            E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..) | E::InvalidColumnType(..) => {
                Self::Corrupt(error.to_string())
            }
            _ => Self::Backend(error.to_string()),
        }
    }
}

/// A record as the text of its column.
fn encode<T: serde::Serialize>(record: &T) -> Result<String> {
    serde_json::to_string(record).map_err(|e| Error::Backend(format!("cannot encode a record: {e}")))
}

/// A record from the text of its column.
fn decode<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Error::Corrupt(format!("cannot decode a record: {e}")))
}

/// All records that `sql` selects as their one column.
fn decode_all<T: serde::de::DeserializeOwned>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(decode(row.get_ref(0)?.as_str().map_err(|e| Error::Corrupt(e.to_string()))?)?);
    }
    Ok(records)
}
