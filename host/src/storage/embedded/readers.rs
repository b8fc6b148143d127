//! Read-only connections, lent to blocking threads.

use super::super::{Error, Pending, Result};
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// How many reads run at a time.
const READERS: usize = 4;

/// The pool.
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Opens the connections; the database exists already.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let connections = (0..READERS).map(|_| connect(path)).collect::<Result<Vec<_>>>()?;
        Ok(Self { idle: Arc::new(Mutex::new(connections)), permits: Arc::new(Semaphore::new(READERS)) })
    }

    /// Runs `work` on one connection. It sees every write acknowledged before.
    pub(super) fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Pending<'_, T> {
        Box::pin(async move {
            let permit = self.permits.clone().acquire_owned().await.map_err(|_| Error::Closed)?;
            let idle = self.idle.clone();
            // The blocking thread keeps the permit, so that a dropped wait does not let more reads run than there are connections.
            let read = tokio::task::spawn_blocking(move || {
                let connection = idle.lock().pop().ok_or(Error::Closed)?;
                let answer = work(&connection);
                idle.lock().push(connection);
                drop(permit);
                answer
            });
            read.await.map_err(|e| Error::Backend(format!("a read ended early: {e}")))?
        })
    }

    /// Waits for the reads under way, refuses later ones and closes the connections.
    pub(super) async fn close(&self) {
        let all = u32::try_from(READERS).unwrap_or(u32::MAX);
        // An error means that they are closed already.
        if let Ok(permits) = self.permits.acquire_many(all).await {
            self.permits.close();
            drop(permits);
        }
        self.idle.lock().clear();
    }
}

fn connect(path: &Path) -> Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    super::schema::tune(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}
