//! Configuration of `$LATEST`.

use super::code::check_memory;
use super::deployment::forget_failure;
use super::layers::{check_unpacked, extensions, libraries};
use super::runtimes::is_interpreted;
use super::{Catalog, Precondition, Result};
use crate::ids::FunctionName;
use crate::storage;
use crate::storage::functions::{Change, CodeRecord, ConfigurationRecord, VersionRecord};

/// Code found in a package by a handler, and composed with layers.
struct Recompiled {
    configuration: ConfigurationRecord,
    code: CodeRecord,
}

/// Whether one package is another guest under these two.
fn is_another_guest(one: &ConfigurationRecord, other: &ConfigurationRecord) -> bool {
    match (is_interpreted(one), is_interpreted(other)) {
        (false, false) => one.handler != other.handler || libraries(one) != libraries(other),
        // A runtime finds the handler itself, when it starts.
        (true, true) => one.runtime != other.runtime,
        _ => true,
    }
}

/// Whether one package is another guest, or has other extensions, under these two.
fn compiles_otherwise(one: &ConfigurationRecord, other: &ConfigurationRecord) -> bool {
    is_another_guest(one, other) || extensions(one) != extensions(other)
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
        let recompiled = self.recompiled(name, precondition, &edit).await?;
        let changed = self.change(&function, |view| {
            let latest = self.settled(view, name)?;
            precondition.check(&latest.revision_id)?;
            let mut updated = latest.clone();
            edit(&mut updated.configuration)?;
            if compiles_otherwise(&updated.configuration, &latest.configuration) {
                // Compiled from the package that is still the current one, for what is now asked for.
                let code = recompiled.filter(|recompiled| {
                    recompiled.code.package_sha256 == latest.code.package_sha256
                        && !compiles_otherwise(&recompiled.configuration, &updated.configuration)
                });
                updated.code = code.ok_or_else(|| self.update_in_progress(name))?.code;
            }
            check_memory(&updated.code, updated.configuration.memory_size_mb)?;
            check_unpacked(&updated.code, &updated.configuration)?;
            updated.revision_id = Self::new_revision();
            updated.modified_at_ms = self.now_ms();
            let mut changes = vec![Change::PutVersion(updated.clone())];
            changes.extend(forget_failure(view));
            Ok((changes, updated))
        });
        let changed = changed.await;
        drop(blobs);
        changed
    }

    /// `Handler` names a file of the package, and layers may carry what it imports, and extensions; where the edit changes that,
    /// the guest is made from the package anew, or has other extensions.
    async fn recompiled(
        &self,
        name: &FunctionName,
        precondition: &Precondition,
        edit: &impl Fn(&mut ConfigurationRecord) -> Result<()>,
    ) -> Result<Option<Recompiled>> {
        let latest = self.version(name, None)?;
        precondition.check(&latest.record.revision_id)?;
        let mut configuration = latest.record.configuration.clone();
        edit(&mut configuration)?;
        if configuration.layers != latest.record.configuration.layers {
            check_unpacked(&latest.record.code, &configuration)?;
            self.prepare_layers(&configuration).await?;
        }
        if !compiles_otherwise(&configuration, &latest.record.configuration) {
            return Ok(None);
        }
        if !is_another_guest(&configuration, &latest.record.configuration) {
            let extensions = self.store_extensions(&configuration).await?;
            let code = CodeRecord { extensions, ..latest.record.code.clone() };
            return Ok(Some(Recompiled { configuration, code }));
        }
        let package = self.parts.storage.blobs.get(latest.record.code.package_sha256.clone()).await?;
        let package = package.ok_or_else(|| storage::Error::Backend(format!("the package of {name} is gone")))?;
        // The package is the one that was let in: it is not judged anew.
        let signed_by = latest.record.code.signing_profile_version_arn.clone();
        let mut code = self.store_code(package, &configuration, signed_by).await?;
        code.image.clone_from(&latest.record.code.image);
        Ok(Some(Recompiled { configuration, code }))
    }
}
