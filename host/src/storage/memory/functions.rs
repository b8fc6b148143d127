//! Functions, versions, aliases and provisioned concurrency in memory.

use super::super::functions::{
    AliasRecord, Change, EventInvokeRecord, FunctionRecord, Functions, PolicyRecord, ProvisionedRecord, Snapshot,
    UrlRecord, VersionRecord,
};
use super::super::{Pending, Result};
use super::Gate;
use crate::ids::{AliasName, FunctionName, Qualifier, Version};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The table.
pub(super) struct FunctionTable {
    gate: Arc<Gate>,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    functions: BTreeMap<FunctionName, FunctionRecord>,
    retired: BTreeMap<FunctionName, u64>,
    versions: BTreeMap<(FunctionName, Version), VersionRecord>,
    aliases: BTreeMap<(FunctionName, AliasName), AliasRecord>,
    provisioned: HashMap<(FunctionName, Qualifier), ProvisionedRecord>,
    urls: BTreeMap<(FunctionName, Option<AliasName>), UrlRecord>,
    event_invoke: HashMap<(FunctionName, Qualifier), EventInvokeRecord>,
    policies: BTreeMap<(FunctionName, Option<Qualifier>), PolicyRecord>,
}

impl FunctionTable {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        Self { gate, tables: Mutex::default() }
    }
}

impl Functions for FunctionTable {
    fn commit(&self, changes: Vec<Change>) -> Pending<'_, ()> {
        Box::pin(async move {
            self.gate.pass()?;
            let mut tables = self.tables.lock();
            changes.into_iter().for_each(|change| tables.apply(change));
            Ok(())
        })
    }

    fn load(&self) -> Pending<'_, Snapshot> {
        Box::pin(async move {
            let tables = self.tables.lock();
            Ok(Snapshot {
                functions: tables.functions.values().cloned().collect(),
                versions: tables.versions.values().cloned().collect(),
                aliases: tables.aliases.values().cloned().collect(),
                provisioned: tables.provisioned.values().cloned().collect(),
                urls: tables.urls.values().cloned().collect(),
                event_invoke: tables.event_invoke.values().cloned().collect(),
                policies: tables.policies.values().cloned().collect(),
            })
        })
    }

    fn retired_next_version(&self, name: FunctionName) -> Pending<'_, Option<u64>> {
        Box::pin(async move { Result::Ok(self.tables.lock().retired.get(&name).copied()) })
    }
}

impl Tables {
    fn apply(&mut self, change: Change) {
        match change {
            Change::PutFunction(record) => {
                self.functions.insert(record.name.clone(), record);
            }
            Change::DeleteFunction(name) => {
                self.versions.retain(|(function, _), _| *function != name);
                self.aliases.retain(|(function, _), _| *function != name);
                self.provisioned.retain(|(function, _), _| *function != name);
                self.urls.retain(|(function, _), _| *function != name);
                self.event_invoke.retain(|(function, _), _| *function != name);
                self.policies.retain(|(function, _), _| *function != name);
                if let Some(record) = self.functions.remove(&name) {
                    let next = self.retired.entry(name).or_default();
                    *next = record.next_version.max(*next);
                }
            }
            Change::PutVersion(record) => {
                self.versions.insert((record.function.clone(), record.version), record);
            }
            Change::DeleteVersion(function, version) => {
                self.versions.remove(&(function, version));
            }
            Change::PutAlias(record) => {
                self.aliases.insert((record.function.clone(), record.name.clone()), record);
            }
            Change::DeleteAlias(function, name) => {
                self.aliases.remove(&(function, name));
            }
            Change::PutProvisioned(record) => {
                self.provisioned.insert((record.function.clone(), record.qualifier.clone()), record);
            }
            Change::DeleteProvisioned(function, qualifier) => {
                self.provisioned.remove(&(function, qualifier));
            }
            Change::PutUrl(record) => {
                self.urls.insert((record.function.clone(), record.alias.clone()), record);
            }
            Change::DeleteUrl(function, alias) => {
                self.urls.remove(&(function, alias));
            }
            Change::PutEventInvoke(record) => {
                self.event_invoke.insert((record.function.clone(), record.qualifier.clone()), record);
            }
            Change::DeleteEventInvoke(function, qualifier) => {
                self.event_invoke.remove(&(function, qualifier));
            }
            Change::PutPolicy(record) => {
                self.policies.insert((record.function.clone(), record.qualifier.clone()), record);
            }
            Change::DeletePolicy(function, qualifier) => {
                self.policies.remove(&(function, qualifier));
            }
        }
    }
}
