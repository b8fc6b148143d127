//! What the platform acknowledges, kept durably.
//!
//! One trait a table, reads and writes apart where both are large. A write's future resolves only once the change is on disk
//! (committed and fsynced; concurrent writes share a commit). Reads see every acknowledged write.
//! Nothing outside this module knows which backend runs; `conformance.rs` runs one suite against each.

pub mod functions;

use futures_util::future::BoxFuture;

/// The answer of a storage call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A storage call's future; dropping it abandons the wait, not the write.
pub type Pending<'a, T> = BoxFuture<'a, Result<T>>;

/// Why a storage call failed. Always the platform's fault.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No space left on the device, or the database may not grow. Retry later; nothing was changed.
    #[error("storage is full: {0}")]
    Full(String),
    /// Storage is shutting down. Nothing was changed.
    #[error("storage is closed")]
    Closed,
    /// The data on disk is not what was written. Do not retry.
    #[error("storage is corrupt: {0}")]
    Corrupt(String),
    /// Any other failure of the backend; nothing was acknowledged.
    #[error("storage failed: {0}")]
    Backend(String),
}

impl Error {
    /// Whether the same call may succeed later without anyone changing it.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Backend(_))
    }
}
