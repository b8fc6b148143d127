//! Aliases: created, changed, deleted.

use super::{Catalog, Error, Result};
use crate::ids::{AliasName, FunctionName, Qualifier, Version};
use crate::storage::functions::{AliasRecord, Change, Sticky};
use std::collections::BTreeMap;

/// What a request may set about an alias; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AliasChange {
    /// The version it mainly points to.
    pub version: Option<Version>,
    /// At most 256 characters.
    pub description: Option<String>,
    /// Further versions with their weights.
    pub weights: Option<BTreeMap<Version, f64>>,
    /// How the split is made; `Some(None)` is at random.
    pub sticky: Option<Option<Sticky>>,
}

impl Catalog {
    /// Creates an alias.
    pub async fn create_alias(&self, name: &FunctionName, alias: AliasName, with: AliasChange) -> Result<AliasRecord> {
        let function = self.function(name)?;
        self.change(&function, |view| {
            if view.records.aliases.contains_key(&alias) {
                let arn = self.home().function_arn(name, Some(&alias));
                return Err(Error::Exists(format!("Alias already exists: {arn}")));
            }
            let version = with.version.ok_or_else(|| Error::Invalid("FunctionVersion is required".into()))?;
            let blank = AliasRecord {
                function: name.clone(),
                name: alias.clone(),
                version,
                weights: BTreeMap::new(),
                sticky: None,
                description: String::new(),
                revision_id: String::new(),
            };
            let record = self.changed_alias(view, blank, with)?;
            Ok((vec![Change::PutAlias(record.clone())], record))
        })
        .await
    }

    /// Changes an alias. Invocations under way finish on the version they started on.
    pub async fn update_alias(
        &self,
        name: &FunctionName,
        alias: &AliasName,
        with: AliasChange,
        revision_id: Option<&str>,
    ) -> Result<AliasRecord> {
        let function = self.function(name)?;
        self.change(&function, |view| {
            let current = view.records.aliases.get(alias).cloned().ok_or_else(|| self.no_alias(name, alias))?;
            if revision_id.is_some_and(|wanted| wanted != current.revision_id) {
                return Err(Error::RevisionMismatch);
            }
            let record = self.changed_alias(view, current, with)?;
            let provisioned = view.records.provisioned.contains_key(&Qualifier::Alias(alias.clone()));
            if provisioned && record.version == Version::Latest {
                return Err(Error::Invalid(
                    "Alias with a provisioned concurrency config cannot point to $LATEST".into(),
                ));
            }
            Ok((vec![Change::PutAlias(record.clone())], record))
        })
        .await
    }

    /// Deletes an alias; one that does not exist is deleted already.
    pub async fn delete_alias(&self, name: &FunctionName, alias: &AliasName) -> Result<()> {
        let function = self.function(name)?;
        let _accounts = self.accounts.lock().await;
        self.change(&function, |view| {
            let mut changes = Vec::new();
            let qualifier = Qualifier::Alias(alias.clone());
            if view.records.provisioned.contains_key(&qualifier) {
                changes.push(Change::DeleteProvisioned(name.clone(), qualifier.clone()));
            }
            if view.records.event_invoke.contains_key(&qualifier) {
                changes.push(Change::DeleteEventInvoke(name.clone(), qualifier.clone()));
            }
            if view.records.urls.contains_key(&Some(alias.clone())) {
                changes.push(Change::DeleteUrl(name.clone(), Some(alias.clone())));
            }
            let qualifier = Some(qualifier);
            if view.records.policies.contains_key(&qualifier) {
                changes.push(Change::DeletePolicy(name.clone(), qualifier));
            }
            if view.records.aliases.contains_key(alias) {
                changes.push(Change::DeleteAlias(name.clone(), alias.clone()));
            }
            Ok((changes, ()))
        })
        .await?;
        self.recount();
        Ok(())
    }

    /// One alias.
    pub fn alias(&self, name: &FunctionName, alias: &AliasName) -> Result<AliasRecord> {
        let view = self.function(name)?.view();
        view.records.aliases.get(alias).cloned().ok_or_else(|| self.no_alias(name, alias))
    }

    pub(super) fn no_alias(&self, name: &FunctionName, alias: &AliasName) -> Error {
        Error::AliasNotFound { arn: self.home().function_arn(name, Some(alias)) }
    }

    fn changed_alias(&self, view: &super::View, mut alias: AliasRecord, with: AliasChange) -> Result<AliasRecord> {
        if let Some(version) = with.version {
            alias.version = version;
        }
        if let Some(description) = with.description {
            alias.description = description;
        }
        if let Some(weights) = with.weights {
            alias.weights = weights;
        }
        if let Some(sticky) = with.sticky {
            alias.sticky = sticky;
        }
        if !view.records.versions.contains_key(&alias.version) {
            let arn = self.home().function_arn(&alias.function, Some(&alias.version));
            return Err(Error::FunctionNotFound { arn });
        }
        if alias.weights.contains_key(&alias.version) {
            return Err(Error::Invalid(format!(
                "Invalid function version {}. Function version {} is already included in routing configuration.",
                alias.version, alias.version
            )));
        }
        for (version, weight) in &alias.weights {
            if alias.version == Version::Latest || *version == Version::Latest {
                return Err(Error::Invalid(
                    "$LATEST is not supported for an alias pointing to more than 1 version".into(),
                ));
            }
            if !view.records.versions.contains_key(version) {
                let arn = self.home().function_arn(&alias.function, Some(version));
                return Err(Error::FunctionNotFound { arn });
            }
            if !(0.0..=1.0).contains(weight) {
                return Err(Error::Invalid(format!("The weight of version {version} must be between 0.0 and 1.0.")));
            }
        }
        // Sums of shares such as 0.1 are off by rounding.
        if alias.weights.values().sum::<f64>() > 1.0 + 1e-9 {
            return Err(Error::Invalid("The weights of an alias's versions must not exceed 1.0 together.".into()));
        }
        alias.revision_id = Self::new_revision();
        Ok(alias)
    }
}
