//! Aliases of a declared function, and what is provisioned for them.

use super::Run;
use crate::catalog::{AliasChange, Error, Result};
use crate::config::{AliasDeclaration, AliasVersion, FunctionDeclaration};
use crate::ids::{Qualifier, Version};
use crate::storage::functions::Sticky;

impl Run<'_> {
    pub(super) async fn aliases(&mut self, path: &str, declared: &FunctionDeclaration) {
        for (index, alias) in declared.aliases.iter().enumerate() {
            let path = format!("{path}.aliases[{index}]");
            match self.alias(declared, alias).await {
                Ok(change) => self.outcome.changes.extend(change),
                Err(error) => {
                    self.failed(&path, error);
                    continue;
                }
            }
            match self.provision(declared, alias).await {
                Ok(change) => self.outcome.changes.extend(change),
                Err(error) => self.failed(&format!("{path}.provisioned_concurrency"), error),
            }
        }
    }

    async fn alias(&self, declared: &FunctionDeclaration, alias: &AliasDeclaration) -> Result<Option<String>> {
        let catalog = &self.parts.catalog;
        let (function, name) = (&declared.name, &alias.name);
        let version = match alias.version {
            AliasVersion::Is(version) => version,
            AliasVersion::LatestPublished => {
                let view = catalog.function(function)?.view();
                let published = view.records.last_published().map(|version| version.version);
                published.ok_or_else(|| Error::Conflict(format!("the function {function} has no published version")))?
            }
        };
        // The newest version may be one that has a weight: it then gets the rest as well.
        let weights: std::collections::BTreeMap<Version, f64> = match alias.version {
            AliasVersion::LatestPublished => {
                alias.weights.iter().filter(|(weighted, _)| **weighted != version).map(|(v, w)| (*v, *w)).collect()
            }
            AliasVersion::Is(_) => alias.weights.clone(),
        };
        let sticky = alias.sticky.clone().map(Sticky::from);
        let wanted = AliasChange {
            version: Some(version),
            description: Some(alias.description.clone()),
            weights: Some(weights.clone()),
            sticky: Some(sticky.clone()),
        };
        match catalog.alias(function, name) {
            Ok(current) => {
                let same = current.version == version
                    && current.description == alias.description
                    && current.weights == weights
                    && current.sticky == sticky;
                if same {
                    return Ok(None);
                }
                catalog.update_alias(function, name, wanted, None).await?;
                Ok(Some(format!("alias {function}:{name} points to version {version}")))
            }
            Err(Error::AliasNotFound { .. }) => {
                catalog.create_alias(function, name.clone(), wanted).await?;
                Ok(Some(format!("alias {function}:{name} was created, version {version}")))
            }
            Err(error) => Err(error),
        }
    }

    async fn provision(&self, declared: &FunctionDeclaration, alias: &AliasDeclaration) -> Result<Option<String>> {
        let Some(wanted) = alias.provisioned_concurrency else { return Ok(None) };
        let catalog = &self.parts.catalog;
        let qualifier = Qualifier::Alias(alias.name.clone());
        let current = catalog.provisioned(&declared.name, &qualifier).map(|live| live.record.requested);
        if current.is_ok_and(|current| current == wanted) {
            return Ok(None);
        }
        catalog.put_provisioned(&declared.name, qualifier, wanted).await?;
        Ok(Some(format!("alias {}:{} has {wanted} environments provisioned", declared.name, alias.name)))
    }
}
