//! Configuration of `$LATEST`.

use super::code::check_memory;
use super::layers::check_unpacked;
use super::{Catalog, Error, Precondition, Result};
use crate::ids::{FunctionName, Version};
use crate::storage;
use crate::storage::functions::{Change, CodeRecord, ConfigurationRecord, VersionRecord};

/// Code found in a package by a handler.
struct Recompiled {
    handler: String,
    code: CodeRecord,
}

impl Catalog {
    /// Changes the configuration of `$LATEST`; `edit` gets the current one and may refuse.
    pub async fn update_configuration(
        &self,
        name: &FunctionName,
        precondition: &Precondition,
        edit: impl Fn(&mut ConfigurationRecord) -> Result<()>,
    ) -> Result<VersionRecord> {
        let function = self.function(name)?;
        let blobs = self.blobs.read().await;
        let recompiled = self.code_of_new_handler(name, precondition, &edit).await?;
        let changed = self.change(&function, |view| {
            let latest = view.records.versions.get(&Version::Latest).ok_or_else(|| self.not_found(name, None))?;
            precondition.check(latest)?;
            let mut updated = latest.clone();
            edit(&mut updated.configuration)?;
            if updated.configuration.handler != latest.configuration.handler {
                // Compiled from the package that is still the current one, for the handler that is now asked for.
                let code = recompiled.filter(|recompiled| {
                    recompiled.code.package_sha256 == latest.code.package_sha256
                        && recompiled.handler == updated.configuration.handler
                });
                updated.code = code.ok_or_else(|| Error::Conflict(format!(
                    "The operation cannot be performed at this time. An update is in progress for resource: {name}"
                )))?.code;
            }
            check_memory(&updated.code, updated.configuration.memory_size_mb)?;
            check_unpacked(&updated.code, &updated.configuration)?;
            updated.revision_id = Self::new_revision();
            updated.modified_at_ms = self.now_ms();
            Ok((vec![Change::PutVersion(updated.clone())], updated))
        });
        let changed = changed.await;
        drop(blobs);
        changed
    }

    /// `Handler` names a file of the package; where the edit changes it, the guest is looked up in the package anew.
    async fn code_of_new_handler(
        &self,
        name: &FunctionName,
        precondition: &Precondition,
        edit: &impl Fn(&mut ConfigurationRecord) -> Result<()>,
    ) -> Result<Option<Recompiled>> {
        let latest = self.version(name, None)?;
        precondition.check(&latest.record)?;
        let mut configuration = latest.record.configuration.clone();
        edit(&mut configuration)?;
        if configuration.layers != latest.record.configuration.layers {
            check_unpacked(&latest.record.code, &configuration)?;
            self.prepare_layers(&configuration).await?;
        }
        if configuration.handler == latest.record.configuration.handler {
            return Ok(None);
        }
        let package = self.parts.storage.blobs.get(latest.record.code.package_sha256.clone()).await?;
        let package = package.ok_or_else(|| storage::Error::Backend(format!("the package of {name} is gone")))?;
        let code = self.store_code(package, &configuration).await?;
        Ok(Some(Recompiled { handler: configuration.handler, code }))
    }
}
