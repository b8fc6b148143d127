//! A function as it stands at one moment: stored records, and what they mean for invocations.

use super::concurrency::FunctionConcurrency;
use super::live::{LiveProvisioned, LiveVersion, Target};
use super::split::Split;
use super::{Catalog, Error, Result, Unfinished};
use crate::ids::{AliasName, FunctionName, Qualifier, Version};
use crate::storage::functions::{
    AliasRecord, Change, DeploymentRecord, EventInvokeRecord, FunctionRecord, ImageRecord, PolicyRecord,
    ProvisionedRecord, Snapshot, UrlRecord, VersionRecord,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is stored about one function.
#[derive(Debug, Clone)]
pub struct Records {
    /// The function.
    pub function: FunctionRecord,
    /// Its versions, `$LATEST` first.
    pub versions: BTreeMap<Version, VersionRecord>,
    /// Its aliases.
    pub aliases: BTreeMap<AliasName, AliasRecord>,
    /// Its provisioned concurrency.
    pub provisioned: BTreeMap<Qualifier, ProvisionedRecord>,
    /// Its URLs, that of `$LATEST` first.
    pub urls: BTreeMap<Option<AliasName>, Arc<UrlRecord>>,
    /// How its asynchronous events are treated.
    pub event_invoke: BTreeMap<Qualifier, EventInvokeRecord>,
    /// Its policies; `None` is that of the function as such.
    pub policies: BTreeMap<Option<Qualifier>, PolicyRecord>,
}

impl Records {
    /// Sorts a snapshot by function.
    pub(super) fn group(snapshot: Snapshot) -> Vec<Self> {
        let mut all: BTreeMap<FunctionName, Self> = BTreeMap::new();
        for function in snapshot.functions {
            all.insert(function.name.clone(), Self::new(function));
        }
        for version in snapshot.versions {
            if let Some(records) = all.get_mut(&version.function) {
                records.versions.insert(version.version, version);
            }
        }
        for alias in snapshot.aliases {
            if let Some(records) = all.get_mut(&alias.function) {
                records.aliases.insert(alias.name.clone(), alias);
            }
        }
        for provisioned in snapshot.provisioned {
            if let Some(records) = all.get_mut(&provisioned.function) {
                records.provisioned.insert(provisioned.qualifier.clone(), provisioned);
            }
        }
        for url in snapshot.urls {
            if let Some(records) = all.get_mut(&url.function) {
                records.urls.insert(url.alias.clone(), Arc::new(url));
            }
        }
        for event_invoke in snapshot.event_invoke {
            if let Some(records) = all.get_mut(&event_invoke.function) {
                records.event_invoke.insert(event_invoke.qualifier.clone(), event_invoke);
            }
        }
        for policy in snapshot.policies {
            if let Some(records) = all.get_mut(&policy.function) {
                records.policies.insert(policy.qualifier.clone(), policy);
            }
        }
        all.into_values().collect()
    }

    /// A function without versions yet.
    pub(super) fn new(function: FunctionRecord) -> Self {
        Self {
            function,
            versions: BTreeMap::new(),
            aliases: BTreeMap::new(),
            provisioned: BTreeMap::new(),
            urls: BTreeMap::new(),
            event_invoke: BTreeMap::new(),
            policies: BTreeMap::new(),
        }
    }

    /// Does to these records what storage does to its tables.
    pub(super) fn apply(&mut self, change: &Change) {
        match change.clone() {
            Change::PutFunction(function) => self.function = function,
            Change::DeleteFunction(_) => {}
            Change::PutVersion(version) => drop(self.versions.insert(version.version, version)),
            Change::DeleteVersion(_, version) => drop(self.versions.remove(&version)),
            Change::PutAlias(alias) => drop(self.aliases.insert(alias.name.clone(), alias)),
            Change::DeleteAlias(_, alias) => drop(self.aliases.remove(&alias)),
            Change::PutProvisioned(record) => drop(self.provisioned.insert(record.qualifier.clone(), record)),
            Change::DeleteProvisioned(_, qualifier) => drop(self.provisioned.remove(&qualifier)),
            Change::PutUrl(url) => drop(self.urls.insert(url.alias.clone(), Arc::new(url))),
            Change::DeleteUrl(_, alias) => drop(self.urls.remove(&alias)),
            Change::PutEventInvoke(record) => drop(self.event_invoke.insert(record.qualifier.clone(), record)),
            Change::DeleteEventInvoke(_, qualifier) => drop(self.event_invoke.remove(&qualifier)),
            Change::PutPolicy(policy) => drop(self.policies.insert(policy.qualifier.clone(), policy)),
            Change::DeletePolicy(_, qualifier) => drop(self.policies.remove(&qualifier)),
        }
    }

    /// The highest published version.
    pub fn last_published(&self) -> Option<&VersionRecord> {
        self.versions.values().next_back().filter(|version| version.version != Version::Latest)
    }
}

/// A function at one moment. Immutable; replaced whole.
#[derive(Debug)]
pub struct View {
    /// What is stored.
    pub records: Records,
    /// Versions with their pools.
    pub versions: BTreeMap<Version, Arc<LiveVersion>>,
    /// Provisioned environments.
    pub provisioned: BTreeMap<Qualifier, Arc<LiveProvisioned>>,
    /// None before the first code of a function is compiled.
    unqualified: Option<Arc<Target>>,
    by_version: BTreeMap<Version, Arc<Target>>,
    by_alias: BTreeMap<AliasName, Split<Arc<Target>>>,
}

impl View {
    /// Builds a view; what did not change keeps its environments from `previous`.
    pub(super) fn build(catalog: &Catalog, records: Records, previous: Option<&Self>) -> Result<Self> {
        let mut versions = BTreeMap::new();
        for (number, record) in &records.versions {
            let kept = previous.and_then(|view| view.versions.get(number));
            let live = match kept {
                Some(live) if live.record == *record => Arc::clone(live),
                _ => Arc::new(LiveVersion::new(catalog, &records.function, record.clone())?),
            };
            versions.insert(*number, live);
        }
        let provisioned: BTreeMap<_, _> = records
            .provisioned
            .values()
            .filter_map(|record| {
                let before = previous.and_then(|view| view.provisioned.get(&record.qualifier));
                let live = LiveProvisioned::new(catalog, record, &records, &versions, before.map(Arc::as_ref))?;
                Some((record.qualifier.clone(), Arc::new(live)))
            })
            .collect();
        let function = &records.function;
        let target = |version: &Arc<LiveVersion>, qualifier: Option<&Qualifier>| {
            let pool = qualifier.and_then(|q| provisioned.get(q)).and_then(|p| p.pool_of(version));
            Arc::new(Target::new(catalog, function, Arc::clone(version), qualifier, pool))
        };
        let unqualified = versions.get(&Version::Latest).map(|latest| target(latest, None));
        if unqualified.is_none() && function.deployment.is_none() {
            return Err(Error::Invalid(format!("the function {} has no $LATEST", function.name)));
        }
        let by_version = versions
            .iter()
            .map(|(number, version)| (*number, target(version, Some(&Qualifier::Version(*number)))))
            .collect();
        let by_alias = records
            .aliases
            .values()
            .filter_map(|alias| {
                let qualifier = Qualifier::Alias(alias.name.clone());
                let split = Split::new(alias, |v| Some(target(versions.get(&v)?, Some(&qualifier))))?;
                Some((alias.name.clone(), split))
            })
            .collect();
        Ok(Self { records, versions, provisioned, unqualified, by_version, by_alias })
    }

    /// What an invocation with this qualifier runs on.
    pub(super) fn target(
        &self,
        qualifier: Option<&Qualifier>,
        headers: Option<&http::HeaderMap>,
    ) -> Option<&Arc<Target>> {
        match qualifier {
            None => self.unqualified.as_ref(),
            Some(Qualifier::Version(version)) => self.by_version.get(version),
            Some(Qualifier::Alias(alias)) => self.by_alias.get(alias)?.pick(headers, rand::random::<f64>),
        }
    }

    /// What `$LATEST` is to become, where that is under way or failed.
    pub fn deployment(&self) -> Option<&DeploymentRecord> {
        self.records.function.deployment.as_ref()
    }

    /// The state of a version that is not there but was accepted.
    pub(super) fn unfinished(&self, version: Version) -> Option<Unfinished> {
        let deployment = self.deployment()?;
        let meant = version == Version::Latest || deployment.publish.map(Version::Number) == Some(version);
        if !meant || self.records.versions.contains_key(&version) {
            return None;
        }
        Some(if deployment.is_under_way() { Unfinished::Pending } else { Unfinished::Failed })
    }

    /// All versions that were accepted, `$LATEST` first, whether they can be invoked or not.
    pub fn accepted_versions(&self) -> Vec<Version> {
        let mut all: Vec<_> = self.records.versions.keys().copied().collect();
        let published = self.deployment().and_then(|deployment| deployment.publish).map(Version::Number);
        all.extend([Version::Latest].into_iter().chain(published).filter(|v| self.unfinished(*v).is_some()));
        all.sort_unstable();
        all
    }

    /// The package that a version has or is to have.
    pub fn package_sha256(&self, version: Version) -> Option<&str> {
        if let Some(record) = self.records.versions.get(&version) {
            return Some(&record.code.package_sha256);
        }
        self.unfinished(version)?;
        self.deployment().map(|deployment| deployment.package_sha256.as_str())
    }

    /// The image that a version's package was in or is to be of.
    pub fn image(&self, version: Version) -> Option<&ImageRecord> {
        if let Some(record) = self.records.versions.get(&version) {
            return record.code.image.as_ref();
        }
        self.unfinished(version)?;
        self.deployment().and_then(|deployment| deployment.image.as_ref())
    }

    /// All provisioned environments asked for.
    pub fn provisioned_total(&self) -> u32 {
        self.records.provisioned.values().fold(0, |sum, record| sum.saturating_add(record.requested))
    }

    /// What the function takes from the host's ceiling whether it runs or not.
    pub(super) fn taken(&self) -> u32 {
        self.records.function.reserved_concurrency.unwrap_or_else(|| self.provisioned_total())
    }

    /// Hands the limits of this view to the function's counters.
    pub(super) fn publish_limits(&self, concurrency: &FunctionConcurrency) {
        concurrency.set_reserved(self.records.function.reserved_concurrency);
        concurrency.set_provisioned(self.provisioned_total());
    }

    /// Ends the environments of what `next` no longer has.
    pub(super) fn retire(&self, next: &Self) {
        for (number, version) in &self.versions {
            if !next.versions.get(number).is_some_and(|kept| Arc::ptr_eq(kept, version)) {
                version.pool.close();
            }
        }
        let kept: Vec<_> = next.provisioned.values().flat_map(|p| p.pools()).collect();
        for pool in self.provisioned.values().flat_map(|p| p.pools()) {
            if !kept.iter().any(|kept| Arc::ptr_eq(kept, pool)) {
                pool.close();
            }
        }
    }

    /// Ends all environments: the function is gone.
    pub(super) fn retire_all(&self) {
        self.versions.values().for_each(|version| version.pool.close());
        self.provisioned.values().flat_map(|p| p.pools()).for_each(|pool| pool.close());
    }
}
