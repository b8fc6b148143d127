//! Event source mappings in memory.

use super::super::Pending;
use super::super::mappings::{MappingRecord, Mappings};
use super::Gate;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The table.
pub(super) struct MappingTable {
    gate: Arc<Gate>,
    mappings: Mutex<BTreeMap<String, MappingRecord>>,
}

impl MappingTable {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        Self { gate, mappings: Mutex::default() }
    }
}

impl Mappings for MappingTable {
    fn put(&self, mapping: MappingRecord) -> Pending<'_, ()> {
        Box::pin(async move {
            self.gate.pass()?;
            self.mappings.lock().insert(mapping.uuid.clone(), mapping);
            Ok(())
        })
    }

    fn get(&self, uuid: String) -> Pending<'_, Option<MappingRecord>> {
        Box::pin(async move { Ok(self.mappings.lock().get(&uuid).cloned()) })
    }

    fn delete(&self, uuid: String) -> Pending<'_, bool> {
        Box::pin(async move {
            self.gate.pass()?;
            Ok(self.mappings.lock().remove(&uuid).is_some())
        })
    }

    fn load(&self) -> Pending<'_, Vec<MappingRecord>> {
        Box::pin(async move { Ok(self.mappings.lock().values().cloned().collect()) })
    }
}
