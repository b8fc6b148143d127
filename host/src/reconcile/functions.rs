//! Functions: created, updated, published, and their reservation.

use super::Run;
use super::plan::Package;
use crate::catalog::{self, CodeUpdate, Error, NewFunction, Precondition, Result};
use crate::config::FunctionDeclaration;
use crate::storage::functions::{ConfigurationRecord, VersionRecord};
use std::collections::BTreeMap;

impl Run<'_> {
    pub(super) async fn function(&mut self, index: usize, declared: &FunctionDeclaration, package: Package) {
        let path = format!("functions[{index}]");
        let before = self.outcome.changes.len();
        match self.code_and_configuration(declared, package).await {
            Ok(changes) => self.outcome.changes.extend(changes),
            // Aliases of a function that is not as declared would point to the wrong version.
            Err(error) => return self.failed(&path, error),
        }
        // A reservation has to hold what is provisioned: it comes first when it grows and last when it shrinks.
        let reserved = self.reserved(declared);
        let shrinks = matches!((reserved, declared.reserved_concurrency), (Some(now), Some(wanted)) if wanted < now);
        if !shrinks {
            self.reserve(&path, declared).await;
        }
        self.aliases(&path, declared).await;
        if shrinks {
            self.reserve(&path, declared).await;
        }
        if self.outcome.changes.len() == before {
            self.outcome.unchanged = self.outcome.unchanged.saturating_add(1);
        }
    }

    /// Brings `$LATEST` and the last published version to what is declared; answers what changed.
    async fn code_and_configuration(&self, declared: &FunctionDeclaration, package: Package) -> Result<Vec<String>> {
        let catalog = &self.parts.catalog;
        let name = &declared.name;
        let mut wanted = declared.configuration(catalog.home());
        wanted.layers = self.attached(declared)?.unwrap_or_default();
        catalog.until_deployed(name).await;
        let function = match catalog.function(name) {
            Ok(function) => function,
            Err(Error::FunctionNotFound { .. }) => {
                let Package::New(package) = package else {
                    return Err(Error::Conflict(format!("the function {name} was deleted meanwhile")));
                };
                let new = NewFunction {
                    name: name.clone(),
                    package,
                    configuration: wanted,
                    tags: BTreeMap::new(),
                    publish: true,
                    code_signing_config: None,
                };
                let published = catalog.create_function(new).await?;
                return Ok(vec![format!("function {name} was created, version {}", published.version)]);
            }
            Err(error) => return Err(error),
        };
        let mut changes = Vec::new();
        let latest = catalog.version(name, None)?;
        changes.extend(self.update(declared, &wanted, &latest.record, package).await?);
        let last = function.view().records.last_published().map(|version| version.version);
        let published = catalog.publish_version(name, None, None, &Precondition::default()).await?;
        if last != Some(published.version) {
            changes.push(format!("function {name} has a new version {}", published.version));
        }
        Ok(changes)
    }

    async fn update(
        &self,
        declared: &FunctionDeclaration,
        wanted: &ConfigurationRecord,
        latest: &VersionRecord,
        package: Package,
    ) -> Result<Vec<String>> {
        let name = &declared.name;
        let current = &latest.configuration;
        if declared.image.is_some() != current.is_image() {
            let kind = if current.is_image() { "an image" } else { "a package" };
            return Err(Error::Conflict(format!(
                "the code of {name} comes as {kind}, for as long as the function exists"
            )));
        }
        // What the file has no key for is as the API left it.
        let wanted = ConfigurationRecord {
            runtime: match &declared.runtime {
                Some(_) => wanted.runtime.clone(),
                None => current.runtime.clone(),
            },
            role: match &declared.role {
                Some(_) => wanted.role.clone(),
                None => current.role.clone(),
            },
            echoed: current.echoed.clone(),
            layers: if declared.layers.is_some() { wanted.layers.clone() } else { current.layers.clone() },
            ..wanted.clone()
        };
        let mut changes = Vec::new();
        if wanted != *current {
            changes.push(format!("function {name} has a new configuration"));
        }
        let Package::New(package) = package else {
            self.configure(declared, current, wanted).await?;
            return Ok(changes);
        };
        changes.push(format!("function {name} has new code"));
        // The handler finds the guest in the package, and memory has to hold the old guest as well as the new one.
        let largest = wanted.memory_size_mb.max(current.memory_size_mb);
        let between = ConfigurationRecord { memory_size_mb: largest, ..wanted.clone() };
        self.configure(declared, current, between.clone()).await?;
        self.replace_code(declared, package).await?;
        self.configure(declared, &between, wanted).await?;
        Ok(changes)
    }

    async fn configure(
        &self,
        declared: &FunctionDeclaration,
        from: &ConfigurationRecord,
        to: ConfigurationRecord,
    ) -> Result<()> {
        if *from == to {
            return Ok(());
        }
        let edit = |configuration: &mut ConfigurationRecord| {
            *configuration = to.clone();
            Ok(())
        };
        self.parts.catalog.update_configuration(&declared.name, &Precondition::default(), edit).await.map(drop)
    }

    async fn replace_code(&self, declared: &FunctionDeclaration, package: catalog::Package) -> Result<()> {
        let (none, update) = (Precondition::default(), CodeUpdate { package, ..CodeUpdate::default() });
        self.parts.catalog.update_code(&declared.name, update, &none).await.map(drop)
    }

    fn reserved(&self, declared: &FunctionDeclaration) -> Option<u32> {
        let function = self.parts.catalog.function(&declared.name).ok()?;
        function.view().records.function.reserved_concurrency
    }

    async fn reserve(&mut self, path: &str, declared: &FunctionDeclaration) {
        let Some(wanted) = declared.reserved_concurrency else { return };
        if self.reserved(declared) == Some(wanted) {
            return;
        }
        match self.parts.catalog.set_reserved_concurrency(&declared.name, Some(wanted)).await {
            Ok(()) => self.changed(format!("function {} has {wanted} concurrency reserved", declared.name)),
            Err(error) => self.failed(&format!("{path}.reserved_concurrency"), error),
        }
    }
}
