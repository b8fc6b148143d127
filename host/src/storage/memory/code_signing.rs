//! Code signing configurations in memory.

use super::super::Pending;
use super::super::code_signing::{CodeSigningConfigRecord, CodeSigningConfigs};
use super::Gate;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The table.
pub(super) struct CodeSigningTable {
    gate: Arc<Gate>,
    configs: Mutex<BTreeMap<String, CodeSigningConfigRecord>>,
}

impl CodeSigningTable {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        Self { gate, configs: Mutex::default() }
    }
}

impl CodeSigningConfigs for CodeSigningTable {
    fn put(&self, config: CodeSigningConfigRecord) -> Pending<'_, ()> {
        Box::pin(async move {
            self.gate.pass()?;
            self.configs.lock().insert(config.id.clone(), config);
            Ok(())
        })
    }

    fn delete(&self, id: String) -> Pending<'_, bool> {
        Box::pin(async move {
            self.gate.pass()?;
            Ok(self.configs.lock().remove(&id).is_some())
        })
    }

    fn load(&self) -> Pending<'_, Vec<CodeSigningConfigRecord>> {
        Box::pin(async move { Ok(self.configs.lock().values().cloned().collect()) })
    }
}
