//! The keys as last read, and whether they have to be used.

use super::Error;
use super::file::{Record, Store};
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A key in use.
pub(super) struct Key {
    pub(super) record: Record,
    pub(super) secret: String,
}

/// The keys of a file. Reading is one atomic load.
pub struct Keys {
    store: Store,
    by_id: ArcSwap<HashMap<String, Arc<Key>>>,
    /// Never taken back.
    required: AtomicBool,
}

/// What tells that a file was replaced or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(Option<(u64, u64, i64, i64, u32)>);

impl Stamp {
    /// That of a path; equal ones mean that nothing changed, as far as the file system tells.
    pub fn of(path: &Path) -> Self {
        let metadata = std::fs::metadata(path).ok();
        Self(metadata.map(|data| (data.ino(), data.size(), data.mtime(), data.mtime_nsec(), data.mode())))
    }
}

impl Keys {
    /// Reads the keys of `store`. `required`: signatures are asked for even while there are none.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(store: Store, required: bool) -> Result<Self, Error> {
        let keys = Self { store, by_id: ArcSwap::default(), required: AtomicBool::new(required) };
        keys.reload()?;
        Ok(keys)
    }

    /// Reads the file again. Where it is wrong, the keys stay as they are.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn reload(&self) -> Result<usize, Error> {
        let opened = self.store.open()?;
        let by_id: HashMap<String, Arc<Key>> = opened
            .into_iter()
            .map(|(record, secret)| (record.access_key_id.clone(), Arc::new(Key { record, secret })))
            .collect();
        let count = by_id.len();
        if count > 0 {
            self.required.store(true, Ordering::Release);
        }
        self.by_id.store(Arc::new(by_id));
        Ok(count)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_id.load().len()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.store.path
    }

    /// Whether requests have to be signed.
    pub fn is_required(&self) -> bool {
        self.required.load(Ordering::Acquire)
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Key>> {
        self.by_id.load().get(id).cloned()
    }
}
