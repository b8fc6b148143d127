//! What stands where the host is when this crate runs natively, which its tests do: records are kept, no request is allowed.

use std::cell::RefCell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

thread_local! {
    static RECORDS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps a record.
pub(crate) fn log(record: &[u8]) {
    RECORDS.with_borrow_mut(|records| records.push(String::from_utf8_lossy(record).into_owned()));
}

/// All records since the last call.
#[cfg(test)]
pub(crate) fn take_records() -> Vec<String> {
    RECORDS.take()
}

/// Random bits.
pub(crate) fn random() -> Option<u64> {
    Some(RandomState::new().build_hasher().finish())
}

/// A request, of which there are none.
pub(crate) enum Exchange {}

impl Exchange {
    /// Refuses, as a host that allows no requests does.
    pub(crate) fn start(_frame: &[u8]) -> Result<Self, i32> {
        Err(-4)
    }

    /// See `host.rs`.
    pub(crate) fn head(&self) -> Result<Vec<u8>, i32> {
        match *self {}
    }

    /// See `host.rs`.
    pub(crate) fn body(&self) -> Result<Vec<u8>, i32> {
        match *self {}
    }
}
