//! Deployment packages and components: bytes named by their SHA-256, as files.
//!
//! A blob's name is its content, so putting it twice is putting it once, and a read checks what it reads.
//! A file is written beside its place, fsynced, renamed, and its directory fsynced: it is there whole or not at all.
//! Removing what nothing refers to is the caller's (`list`, then `remove`); a blob must not be put and removed at the same time.

use super::Pending;
use bytes::Bytes;
use std::path::PathBuf;

/// A blob found by [`Blobs::list`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its name: SHA-256, lower-case hex.
    pub sha256: String,
    /// Its length.
    pub size_bytes: u64,
}

/// The store of blobs. Names that are not 64 lower-case hex digits name nothing.
pub trait Blobs: Send + Sync + 'static {
    /// Stores `bytes`; gives their SHA-256 in lower-case hex.
    fn put(&self, bytes: Bytes) -> Pending<'_, String>;

    /// Reads a blob and checks it against its name ([`super::Error::Corrupt`] where it differs).
    fn get(&self, sha256: String) -> Pending<'_, Option<Bytes>>;

    /// Where the blob's file is or would be; `None` for what cannot be a name. Never to be written to.
    fn path(&self, sha256: &str) -> Option<PathBuf>;

    /// Removes a blob; `false` if there is none.
    fn remove(&self, sha256: String) -> Pending<'_, bool>;

    /// All blobs, in order of their names.
    fn list(&self) -> Pending<'_, Vec<BlobInfo>>;
}
