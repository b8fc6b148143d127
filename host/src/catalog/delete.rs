//! Functions and versions deleted.

use super::{Catalog, Error, Result};
use crate::ids::{FunctionName, Qualifier, Version};
use crate::storage::functions::Change;
use std::sync::Arc;

impl Catalog {
    /// Deletes a function with everything of it. Invocations under way finish.
    pub async fn delete_function(&self, name: &FunctionName) -> Result<()> {
        let _accounts = self.accounts.lock().await;
        let function = self.function(name)?;
        let _changing = function.changing.lock().await;
        self.parts.storage.functions.commit(vec![Change::DeleteFunction(name.clone())]).await?;
        self.functions.remove_if(name, |_, held| Arc::ptr_eq(held, &function));
        self.forget_urls(&function.view());
        function.view().retire_all();
        self.parts.metrics.invocations.forget_function(name);
        self.recount();
        Ok(())
    }

    /// Deletes one published version, unless an alias points to it.
    pub async fn delete_version(&self, name: &FunctionName, version: Version) -> Result<()> {
        if version == Version::Latest {
            return Err(Error::Invalid("$LATEST version cannot be deleted without deleting the function.".into()));
        }
        let _accounts = self.accounts.lock().await;
        let function = self.function(name)?;
        self.change(&function, |view| {
            if !view.records.versions.contains_key(&version) {
                return Err(self.not_found(name, Some(&Qualifier::Version(version))));
            }
            let mut users: Vec<String> = Vec::new();
            for alias in view.records.aliases.values() {
                if alias.version == version || alias.weights.contains_key(&version) {
                    users.push(self.home().function_arn(name, Some(&alias.name)));
                }
            }
            if !users.is_empty() {
                return Err(Error::Conflict(format!(
                    "Function version is still referenced by alias(es): {}",
                    users.join(", ")
                )));
            }
            let qualifier = Qualifier::Version(version);
            let mut changes = vec![Change::DeleteVersion(name.clone(), version)];
            if view.records.provisioned.contains_key(&qualifier) {
                changes.push(Change::DeleteProvisioned(name.clone(), qualifier.clone()));
            }
            if view.records.event_invoke.contains_key(&qualifier) {
                changes.push(Change::DeleteEventInvoke(name.clone(), qualifier.clone()));
            }
            let qualifier = Some(qualifier);
            if view.records.policies.contains_key(&qualifier) {
                changes.push(Change::DeletePolicy(name.clone(), qualifier));
            }
            if view.records.function.runtime_management.contains_key(&version) {
                let mut function = view.records.function.clone();
                function.runtime_management.remove(&version);
                changes.push(Change::PutFunction(function));
            }
            Ok((changes, ()))
        })
        .await?;
        self.parts.metrics.invocations.forget_version(name, version);
        self.recount();
        Ok(())
    }
}
