//! Keys and roles as last read, and whether keys have to be used.

use super::Error;
use super::file::{Opened, Record, Store};
use super::policy::Policy;
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

/// What a file has.
#[derive(Default)]
struct Held {
    keys: HashMap<String, Arc<Key>>,
    roles: HashMap<String, Arc<Policy>>,
}

/// The keys and roles of a file. Reading is one atomic load.
pub struct Keys {
    store: Store,
    held: ArcSwap<Held>,
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
        let keys = Self { store, held: ArcSwap::default(), required: AtomicBool::new(required) };
        keys.reload()?;
        Ok(keys)
    }

    /// Reads the file again and answers how many keys there are. Where it is wrong, keys and roles stay as they are.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn reload(&self) -> Result<usize, Error> {
        let Opened { keys, roles } = self.store.open()?;
        let key = |(record, secret): (Record, String)| (record.access_key_id.clone(), Arc::new(Key { record, secret }));
        let held = Held {
            keys: keys.into_iter().map(key).collect(),
            roles: roles.into_iter().map(|role| (role.name, Arc::new(role.policy))).collect(),
        };
        let count = held.keys.len();
        if count > 0 {
            self.required.store(true, Ordering::Release);
        }
        self.held.store(Arc::new(held));
        Ok(count)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.held.load().keys.len()
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
        self.held.load().keys.get(id).cloned()
    }

    /// What the file says that a role may do.
    pub(super) fn role(&self, name: &str) -> Option<Arc<Policy>> {
        self.held.load().roles.get(name).cloned()
    }
}
