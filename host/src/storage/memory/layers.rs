//! Layer versions in memory.

use super::super::Pending;
use super::super::layers::{LayerVersionRecord, Layers};
use super::Gate;
use crate::ids::LayerName;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Default)]
struct Tables {
    last_versions: BTreeMap<LayerName, u64>,
    versions: BTreeMap<(LayerName, u64), LayerVersionRecord>,
}

/// The table.
pub(super) struct LayerTable {
    gate: Arc<Gate>,
    tables: Mutex<Tables>,
}

impl LayerTable {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        Self { gate, tables: Mutex::default() }
    }
}

impl Layers for LayerTable {
    fn publish(&self, layer: LayerVersionRecord) -> Pending<'_, u64> {
        Box::pin(async move {
            self.gate.pass()?;
            let mut tables = self.tables.lock();
            let last = tables.last_versions.entry(layer.name.clone()).or_default();
            *last = last.saturating_add(1);
            let version = *last;
            tables.versions.insert((layer.name.clone(), version), LayerVersionRecord { version, ..layer });
            Ok(version)
        })
    }

    fn replace(&self, layer: LayerVersionRecord) -> Pending<'_, bool> {
        Box::pin(async move {
            self.gate.pass()?;
            match self.tables.lock().versions.get_mut(&(layer.name.clone(), layer.version)) {
                Some(held) => {
                    *held = layer;
                    Ok(true)
                }
                None => Ok(false),
            }
        })
    }

    fn delete(&self, name: LayerName, version: u64) -> Pending<'_, bool> {
        Box::pin(async move {
            self.gate.pass()?;
            Ok(self.tables.lock().versions.remove(&(name, version)).is_some())
        })
    }

    fn load(&self) -> Pending<'_, Vec<LayerVersionRecord>> {
        Box::pin(async move { Ok(self.tables.lock().versions.values().cloned().collect()) })
    }
}
