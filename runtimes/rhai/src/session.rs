//! What scripts can ask about their environment and their invocation, and what log records say of it.

use crate::record::{Format, Level};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Shared by the runtime and the functions it gives to scripts.
#[derive(Default)]
pub(crate) struct Session {
    /// The function's environment variables.
    pub(crate) env: RefCell<BTreeMap<String, String>>,
    /// The shape of log records.
    pub(crate) format: Cell<Format>,
    /// What is left out of JSON logs.
    pub(crate) level: Cell<Level>,
    /// The invocation's id, empty outside of one.
    pub(crate) request_id: RefCell<String>,
    /// The end of the invocation, in milliseconds since 1970.
    pub(crate) deadline_ms: Cell<u64>,
}

impl Session {
    /// How long the invocation may still take, in milliseconds; 0 outside of one.
    pub(crate) fn remaining_ms(&self) -> i64 {
        i64::try_from(self.deadline_ms.get().saturating_sub(now_ms())).unwrap_or(i64::MAX)
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
