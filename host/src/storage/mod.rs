//! What the platform acknowledges, kept durably.
//!
//! One trait a table, reads and writes apart where both are large. A write's future resolves only once the change is on disk
//! (committed and fsynced; concurrent writes share a commit). Reads see every acknowledged write.
//! Nothing outside this module knows which backend runs; `conformance.rs` runs one suite against each.

mod arrivals;
pub mod async_events;
pub mod blobs;
pub mod code_signing;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
mod conformance;
mod embedded;
mod files;
pub mod functions;
pub mod layers;
pub mod mappings;
mod memory;
pub mod queues;
pub mod schedules;

pub use embedded::Options;

use futures_util::future::BoxFuture;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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

/// Told of every commit of a backend, from its writing thread: must be quick and not block.
pub trait CommitObserver: Send + Sync + 'static {
    /// `jobs` writes were committed together, or failed together.
    fn committed(&self, latency: Duration, jobs: usize, succeeded: bool);
}

/// All tables of one backend. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    /// Functions, versions, aliases, provisioned concurrency.
    pub functions: Arc<dyn functions::Functions>,
    /// Queues and messages.
    pub queues: Arc<dyn queues::Queues>,
    /// Schedules and their groups.
    pub schedules: Arc<dyn schedules::Schedules>,
    /// Layer versions.
    pub layers: Arc<dyn layers::Layers>,
    /// Event source mappings.
    pub mappings: Arc<dyn mappings::Mappings>,
    /// Events of asynchronous invocations.
    pub async_events: Arc<dyn async_events::AsyncEvents>,
    /// Code signing configurations.
    pub code_signing: Arc<dyn code_signing::CodeSigningConfigs>,
    /// Packages and components.
    pub blobs: Arc<dyn blobs::Blobs>,
    closing: Arc<dyn Closing>,
}

/// The end of a backend.
trait Closing: Send + Sync + 'static {
    fn close(&self) -> Pending<'_, ()>;
}

impl Storage {
    /// Opens or creates storage in the directory `dir`. Blocks; needs a tokio runtime only when used.
    /// Fails if another process has it open, if it is damaged ([`Error::Corrupt`]), or of a newer Lamina.
    pub fn embedded(dir: &Path, options: Options) -> Result<Self> {
        embedded::open(dir, options)
    }

    /// New storage in memory (blobs: in a temporary directory), gone with its last clone.
    pub fn memory() -> Result<Self> {
        memory::open()
    }

    /// Finishes the calls under way and closes. Later writes fail with [`Error::Closed`]; later reads may, too.
    pub async fn close(&self) -> Result<()> {
        self.closing.close().await
    }
}
