//! What all batch calls share: 1 to 10 entries, each with an id of its own; an answer of those that went well and those that did not.

use super::super::error::WireError;
use super::fault;
use serde::Serialize;
use std::collections::HashSet;

/// Entries of a batch at most.
const LIMIT: usize = 10;

/// Checks the number of entries and their ids. `entry` is the entry's shape, for the message.
pub(super) fn check<'a>(ids: impl ExactSizeIterator<Item = Option<&'a str>>, entry: &str) -> Result<(), WireError> {
    match ids.len() {
        0 => return Err(fault::empty_batch(entry)),
        count if count > LIMIT => return Err(fault::too_many_entries(count)),
        _ => {}
    }
    let mut seen = HashSet::new();
    for id in ids {
        let id = id.ok_or_else(|| fault::missing_parameter(&format!("{entry}.1.Id")))?;
        let valid =
            (1..=80).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !valid {
            return Err(fault::invalid_entry_id());
        }
        if !seen.insert(id) {
            return Err(fault::entry_ids_not_distinct(id));
        }
    }
    Ok(())
}

/// An entry that failed.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Failed {
    id: String,
    sender_fault: bool,
    code: &'static str,
    message: String,
}

impl Failed {
    pub(super) fn new(id: String, error: WireError) -> Self {
        let code = error.query_code.unwrap_or(error.code);
        Self { id, sender_fault: error.status.is_client_error(), code, message: error.message }
    }
}

/// An entry that went well and has nothing to say.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Plain {
    pub(super) id: String,
}

/// The answer to a batch.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Outcome<T> {
    pub(super) successful: Vec<T>,
    pub(super) failed: Vec<Failed>,
}

impl<T> Outcome<T> {
    pub(super) fn new() -> Self {
        Self { successful: Vec::new(), failed: Vec::new() }
    }
}
