//! Code: a function is created with it, and `$LATEST` gets new one.

use super::layers::{check_unpacked, libraries};
use super::view::Records;
use super::{Catalog, Error, FunctionConcurrency, Result, View};
use crate::ids::{FunctionName, Version};
use crate::sandbox::Deployed;
use crate::storage::functions::{
    Change, CodeRecord, ConfigurationRecord, FunctionRecord, RecursiveLoop, VersionRecord,
};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What `CreateFunction` gives.
#[derive(Debug, Clone)]
pub struct NewFunction {
    /// The name.
    pub name: FunctionName,
    /// The deployment package.
    pub package: Bytes,
    /// The configuration, checked by the caller against the API's constraints.
    pub configuration: ConfigurationRecord,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Whether to publish version 1 at once.
    pub publish: bool,
    /// Id of the code signing configuration that its code has to satisfy.
    pub code_signing_config: Option<String>,
}

/// What `UpdateFunctionCode` gives.
#[derive(Debug, Clone, Default)]
pub struct CodeUpdate {
    /// The deployment package.
    pub package: Bytes,
    /// `Architectures`, where they change; echoed, since wasm runs on any.
    pub architectures: Option<Vec<String>>,
    /// Whether to publish a version at once.
    pub publish: bool,
    /// Whether to check everything and change nothing.
    pub dry_run: bool,
}

/// What an update expects to find.
#[derive(Debug, Clone, Default)]
pub struct Precondition {
    /// The revision that the caller knows.
    pub revision_id: Option<String>,
}

impl Precondition {
    pub(super) fn check(&self, version: &VersionRecord) -> Result<()> {
        match &self.revision_id {
            Some(wanted) if *wanted != version.revision_id => Err(Error::RevisionMismatch),
            _ => Ok(()),
        }
    }
}

impl Catalog {
    /// Creates a function. Its code is compiled and everything is durable before the answer.
    pub async fn create_function(&self, new: NewFunction) -> Result<VersionRecord> {
        let exists = || Error::Exists(format!("Function already exist: {}", new.name));
        if self.functions.contains_key(&new.name) {
            return Err(exists());
        }
        let _blobs = self.blobs.read().await;
        let signing = new.code_signing_config.as_deref();
        let code = self.store_code(new.package.clone(), &new.configuration, signing).await?;
        self.prepare_layers(&new.configuration).await?;
        // From here on names come and go one at a time.
        let _accounts = self.accounts.lock().await;
        if self.functions.contains_key(&new.name) {
            return Err(exists());
        }
        let _signing = self.hold_code_signing().await;
        if let Some(id) = &new.code_signing_config {
            self.check_code_signing_config(id)?;
        }
        let next_version = self.parts.storage.functions.retired_next_version(new.name.clone()).await?.unwrap_or(1);
        let mut function = FunctionRecord {
            name: new.name.clone(),
            next_version,
            reserved_concurrency: None,
            tags: new.tags,
            created_at_ms: self.now_ms(),
            recursive_loop: RecursiveLoop::default(),
            code_signing_config: new.code_signing_config,
            runtime_management: BTreeMap::new(),
        };
        let latest = VersionRecord {
            function: new.name.clone(),
            version: Version::Latest,
            code,
            configuration: new.configuration,
            revision_id: Self::new_revision(),
            modified_at_ms: self.now_ms(),
        };
        let mut changes = vec![Change::PutVersion(latest.clone())];
        let mut answer = latest.clone();
        if new.publish {
            answer = VersionRecord {
                version: Version::Number(function.next_version),
                revision_id: Self::new_revision(),
                ..latest
            };
            function.next_version = function.next_version.saturating_add(1);
            changes.push(Change::PutVersion(answer.clone()));
        }
        changes.insert(0, Change::PutFunction(function.clone()));
        let mut records = Records::new(function);
        changes.iter().for_each(|change| records.apply(change));
        let view = View::build(self, records, None)?;
        self.parts.storage.functions.commit(changes).await?;
        let concurrency = FunctionConcurrency::new(Arc::clone(&self.account));
        let function = self.insertable(new.name.clone(), concurrency, view);
        self.functions.insert(new.name, function);
        Ok(answer)
    }

    /// Gives `$LATEST` new code.
    pub async fn update_code(
        &self,
        name: &FunctionName,
        update: CodeUpdate,
        precondition: &Precondition,
    ) -> Result<VersionRecord> {
        let function = self.function(name)?;
        let live = self.version(name, None)?;
        let started_from = &live.record;
        precondition.check(started_from)?;
        let _blobs = self.blobs.read().await;
        let signing = function.view().records.function.code_signing_config.clone();
        let code = self.store_code(update.package, &started_from.configuration, signing.as_deref()).await?;
        self.change(&function, |view| {
            let latest = view.records.versions.get(&Version::Latest).ok_or_else(|| self.not_found(name, None))?;
            precondition.check(latest)?;
            if view.records.function.code_signing_config != signing
                || libraries(&latest.configuration) != libraries(&started_from.configuration)
            {
                return Err(self.update_in_progress(name));
            }
            check_memory(&code, latest.configuration.memory_size_mb)?;
            check_unpacked(&code, &latest.configuration)?;
            let mut updated = VersionRecord {
                code,
                revision_id: Self::new_revision(),
                modified_at_ms: self.now_ms(),
                ..latest.clone()
            };
            if let Some(architectures) = update.architectures {
                updated.configuration.echoed.insert("Architectures".into(), architectures.into());
            }
            if update.dry_run {
                return Ok((Vec::new(), updated));
            }
            let mut changes = vec![Change::PutVersion(updated.clone())];
            let mut answer = updated;
            if update.publish {
                let (more, published) = self.publish_changes(view, &answer, None);
                changes.extend(more);
                answer = published;
            }
            Ok((changes, answer))
        })
        .await
    }

    /// Another change came first, and this one was made for what was there before.
    pub(super) fn update_in_progress(&self, name: &FunctionName) -> Error {
        Error::Conflict(format!(
            "The operation cannot be performed at this time. An update is in progress for resource: {name}"
        ))
    }

    /// Checks a package's signature where there is a code signing configuration, compiles it and keeps it and its component. The
    /// caller holds `blobs` until what refers to them is stored.
    pub(super) async fn store_code(
        &self,
        package: Bytes,
        configuration: &ConfigurationRecord,
        code_signing_config: Option<&str>,
    ) -> Result<CodeRecord> {
        let signing_profile_version_arn = self.check_signature(package.clone(), code_signing_config).await?;
        let started = std::time::Instant::now();
        let layers = self.layer_set(configuration).map_err(Error::Invalid)?;
        let layers = layers.filter(|_| !libraries(configuration).is_empty());
        let Deployed { compiled, package_unpacked_bytes } =
            self.parts.host.deploy(package.clone(), &configuration.handler, layers.as_ref()).await?;
        self.parts.metrics.sandbox.compile_duration.observe(started.elapsed().as_secs_f64());
        let blobs = &self.parts.storage.blobs;
        let package_size_bytes = package.len() as u64;
        let code = CodeRecord {
            package_sha256: blobs.put(package).await?,
            package_size_bytes,
            unpacked_bytes: package_unpacked_bytes,
            component_sha256: blobs.put(compiled.component.into()).await?,
            kind: compiled.report.kind,
            family: compiled.report.family,
            initial_memory_bytes: compiled.report.initial_memory_bytes,
            signing_profile_version_arn,
        };
        check_memory(&code, configuration.memory_size_mb)?;
        check_unpacked(&code, configuration)?;
        Ok(code)
    }
}

/// A guest that starts with more memory than the function may have could never run.
pub(super) fn check_memory(code: &CodeRecord, memory_size_mb: u32) -> Result<()> {
    let limit_bytes = u64::from(memory_size_mb) << 20;
    if code.initial_memory_bytes <= limit_bytes {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "The guest starts with {} MB of memory, more than the function's MemorySize of {memory_size_mb} MB.",
        code.initial_memory_bytes.div_ceil(1 << 20)
    )))
}
