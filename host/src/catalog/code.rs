//! Code: a function is created with it, and `$LATEST` gets new one.

use super::deployment::{Build, Deployment, forget_failure};
use super::layers::{check_unpacked, extensions, libraries};
use super::view::Records;
use super::{Catalog, Error, Function, FunctionConcurrency, Result, View};
use crate::ids::{FunctionName, Version};
use crate::sandbox::layers::{LayerArchive, LayerSet};
use crate::sandbox::runtime::Runtime;
use crate::sandbox::{DeployError, Deployed};
use crate::storage::functions::{
    Change, CodeRecord, ConfigurationRecord, DeploymentRecord, ExtensionRecord, Family, FunctionRecord, GuestKind,
    ImageRecord, RecursiveLoop, VersionRecord,
};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Signatures are of packages.
pub(super) const NO_SIGNED_IMAGES: &str = "Code signing is not supported for functions created with container images.";

/// Where a function's code comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Package {
    /// A deployment package.
    Upload(Bytes),
    /// An image, by its reference; pulled when it is deployed.
    Image(String),
    /// An image that was pulled: its wasm.
    Pulled(Bytes, ImageRecord),
}

impl Package {
    /// What is here of it: nothing of an image before it is pulled.
    fn bytes(&self) -> Bytes {
        match self {
            Self::Upload(package) | Self::Pulled(package, _) => package.clone(),
            Self::Image(_) => Bytes::new(),
        }
    }

    /// The image that it was pulled from.
    fn image(&self) -> Option<&ImageRecord> {
        match self {
            Self::Pulled(_, image) => Some(image),
            Self::Upload(_) | Self::Image(_) => None,
        }
    }
}

impl Default for Package {
    fn default() -> Self {
        Self::Upload(Bytes::new())
    }
}

impl From<Bytes> for Package {
    fn from(package: Bytes) -> Self {
        Self::Upload(package)
    }
}

/// What `CreateFunction` gives.
#[derive(Debug, Clone)]
pub struct NewFunction {
    /// The name.
    pub name: FunctionName,
    /// The code; an image where the configuration says so.
    pub package: Package,
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
    /// The code.
    pub package: Package,
    /// `Architectures`, where they change; echoed, since wasm runs on any.
    pub architectures: Option<Vec<String>>,
    /// Whether to publish a version at once.
    pub publish: bool,
    /// Whether to check everything and change nothing.
    pub dry_run: bool,
}

impl CodeUpdate {
    /// The configuration that goes with the code.
    fn configuration(&self, before: &ConfigurationRecord) -> ConfigurationRecord {
        let mut configuration = before.clone();
        if let Some(architectures) = &self.architectures {
            configuration.echoed.insert("Architectures".into(), architectures.clone().into());
        }
        configuration
    }
}

/// What an update expects to find.
#[derive(Debug, Clone, Default)]
pub struct Precondition {
    /// The revision that the caller knows.
    pub revision_id: Option<String>,
}

impl Precondition {
    pub(super) fn check(&self, revision_id: &str) -> Result<()> {
        match &self.revision_id {
            Some(wanted) if wanted != revision_id => Err(Error::RevisionMismatch),
            _ => Ok(()),
        }
    }
}

/// A function as it was when new code for it was begun.
struct Started {
    function: Arc<Function>,
    view: Arc<View>,
}

/// New code on its way.
struct UpdateFrom {
    started: Started,
    build: Build,
}

/// What new code for `$LATEST` starts from.
struct Base<'a> {
    /// `$LATEST`, where there is one.
    latest: Option<&'a VersionRecord>,
    configuration: &'a ConfigurationRecord,
    revision_id: &'a str,
}

impl Catalog {
    /// Creates a function. Its code is compiled and everything is durable before the answer.
    pub async fn create_function(self: &Arc<Self>, mut new: NewFunction) -> Result<VersionRecord> {
        let build = self.build_new(&mut new).await?;
        let (code, _blobs) = build.finish().await;
        self.insert_function(new, code?).await
    }

    /// The same, answered before the code is compiled where that takes long. Everything else is durable, and compiling goes on
    /// after a restart.
    pub async fn create_function_soon(self: &Arc<Self>, mut new: NewFunction) -> Result<Deployment> {
        let mut build = self.build_new(&mut new).await?;
        match self.soon(&mut build).await {
            Some(code) => self.insert_function(new, code?).await.map(Deployment::done),
            None => self.insert_unfinished(new, build).await,
        }
    }

    async fn build_new(self: &Arc<Self>, new: &mut NewFunction) -> Result<Build> {
        self.check_free(&new.name)?;
        if new.code_signing_config.is_some() && new.configuration.is_image() {
            return Err(Error::Invalid(NO_SIGNED_IMAGES.into()));
        }
        self.fetch(&mut new.package).await?;
        let signing = new.code_signing_config.as_deref();
        let (package, image) = (new.package.bytes(), new.package.image().cloned());
        self.build(package, image, new.configuration.clone(), signing).await
    }

    fn check_free(&self, name: &FunctionName) -> Result<()> {
        match self.functions.contains_key(name) {
            true => Err(Error::Exists(format!("Function already exist: {name}"))),
            false => Ok(()),
        }
    }

    async fn insert_function(&self, new: NewFunction, code: CodeRecord) -> Result<VersionRecord> {
        // From here on names come and go one at a time.
        let _accounts = self.accounts.lock().await;
        let _signing = self.hold_code_signing().await;
        let mut function = self.function_record(&new).await?;
        let latest = VersionRecord {
            function: new.name,
            version: Version::Latest,
            code,
            configuration: new.configuration,
            revision_id: Self::new_revision(),
            modified_at_ms: self.now_ms(),
        };
        let mut changes = vec![Change::PutVersion(latest.clone())];
        let mut answer = latest.clone();
        if new.publish {
            let number = function.next_version;
            function.next_version = number.saturating_add(1);
            answer = self.published(latest, number);
            changes.push(Change::PutVersion(answer.clone()));
        }
        self.insert(function, changes).await?;
        Ok(answer)
    }

    async fn insert_unfinished(self: &Arc<Self>, new: NewFunction, build: Build) -> Result<Deployment> {
        let package = new.package.bytes();
        let package_size_bytes = package.len() as u64;
        let package_sha256 = self.parts.storage.blobs.put(package).await?;
        let _accounts = self.accounts.lock().await;
        let _signing = self.hold_code_signing().await;
        let mut function = self.function_record(&new).await?;
        let publish = new.publish.then_some(function.next_version);
        function.next_version = function.next_version.saturating_add(u64::from(new.publish));
        let deployment = DeploymentRecord {
            package_sha256,
            package_size_bytes,
            image: new.package.image().cloned(),
            signing_profile_version_arn: build.signed_by.clone(),
            configuration: new.configuration,
            publish,
            revision_id: Self::new_revision(),
            modified_at_ms: self.now_ms(),
            failure: None,
        };
        function.deployment = Some(deployment);
        self.insert(function.clone(), Vec::new()).await?;
        Ok(self.under_way(function, build))
    }

    /// A new function's record, checked once more against what is there. The caller holds `accounts` and code signing.
    async fn function_record(&self, new: &NewFunction) -> Result<FunctionRecord> {
        self.check_free(&new.name)?;
        if let Some(id) = &new.code_signing_config {
            self.check_code_signing_config(id)?;
        }
        let next_version = self.parts.storage.functions.retired_next_version(new.name.clone()).await?.unwrap_or(1);
        Ok(FunctionRecord {
            name: new.name.clone(),
            next_version,
            reserved_concurrency: None,
            tags: new.tags.clone(),
            created_at_ms: self.now_ms(),
            recursive_loop: RecursiveLoop::default(),
            code_signing_config: new.code_signing_config.clone(),
            runtime_management: BTreeMap::new(),
            deployment: None,
        })
    }

    async fn insert(&self, function: FunctionRecord, mut changes: Vec<Change>) -> Result<()> {
        let name = function.name.clone();
        changes.insert(0, Change::PutFunction(function.clone()));
        let mut records = Records::new(function);
        changes.iter().for_each(|change| records.apply(change));
        let view = View::build(self, records, None)?;
        self.parts.storage.functions.commit(changes).await?;
        let concurrency = FunctionConcurrency::new(Arc::clone(&self.account));
        let function = self.insertable(name.clone(), concurrency, view);
        self.functions.insert(name, function);
        self.snapshots.notify_one();
        Ok(())
    }

    /// Gives `$LATEST` new code, compiled and durable before the answer.
    pub async fn update_code(
        self: &Arc<Self>,
        name: &FunctionName,
        mut update: CodeUpdate,
        precondition: &Precondition,
    ) -> Result<VersionRecord> {
        let from = self.update_from(name, &mut update, precondition).await?;
        let (code, _blobs) = from.build.finish().await;
        self.replace_code(&from.started, update, precondition, code?).await
    }

    /// The same, answered before the code is compiled where that takes long; until then the old code runs.
    pub async fn update_code_soon(
        self: &Arc<Self>,
        name: &FunctionName,
        mut update: CodeUpdate,
        precondition: &Precondition,
    ) -> Result<Deployment> {
        let mut from = self.update_from(name, &mut update, precondition).await?;
        // A dry run leaves nothing that could be finished later.
        let code = match update.dry_run {
            true => {
                let (code, _blobs) = from.build.finish().await;
                return self.replace_code(&from.started, update, precondition, code?).await.map(Deployment::done);
            }
            false => self.soon(&mut from.build).await,
        };
        match code {
            Some(code) => self.replace_code(&from.started, update, precondition, code?).await.map(Deployment::done),
            None => self.accept_code(from, update, precondition).await,
        }
    }

    async fn update_from(
        self: &Arc<Self>,
        name: &FunctionName,
        update: &mut CodeUpdate,
        precondition: &Precondition,
    ) -> Result<UpdateFrom> {
        let function = self.function(name)?;
        let view = function.view();
        let base = self.base(&view, name)?;
        precondition.check(base.revision_id)?;
        check_kind(&update.package, base.configuration)?;
        self.fetch(&mut update.package).await?;
        let signing = view.records.function.code_signing_config.as_deref();
        let (package, image) = (update.package.bytes(), update.package.image().cloned());
        let build = self.build(package, image, base.configuration.clone(), signing).await?;
        Ok(UpdateFrom { started: Started { function, view }, build })
    }

    /// Checks that code made for `started` still fits what is there now.
    fn check_still<'a>(&self, started: &Started, view: &'a View, precondition: &Precondition) -> Result<Base<'a>> {
        let name = &started.function.name;
        let base = self.base(view, name)?;
        precondition.check(base.revision_id)?;
        let before = self.base(&started.view, name)?;
        if view.records.function.code_signing_config != started.view.records.function.code_signing_config
            || libraries(base.configuration) != libraries(before.configuration)
            || extensions(base.configuration) != extensions(before.configuration)
        {
            return Err(self.update_in_progress(name));
        }
        Ok(base)
    }

    async fn replace_code(
        &self,
        started: &Started,
        update: CodeUpdate,
        precondition: &Precondition,
        code: CodeRecord,
    ) -> Result<VersionRecord> {
        self.change(&started.function, |view| {
            let base = self.check_still(started, view, precondition)?;
            check_memory(&code, base.configuration.memory_size_mb)?;
            check_unpacked(&code, base.configuration)?;
            let updated = VersionRecord {
                function: started.function.name.clone(),
                version: Version::Latest,
                code,
                configuration: update.configuration(base.configuration),
                revision_id: Self::new_revision(),
                modified_at_ms: self.now_ms(),
            };
            if update.dry_run {
                return Ok((Vec::new(), updated));
            }
            let mut changes = vec![Change::PutVersion(updated.clone())];
            let mut answer = updated;
            changes.extend(forget_failure(view));
            if update.publish {
                let (mut more, published) = self.publish_changes(view, &answer, None);
                for change in &mut more {
                    if let Change::PutFunction(function) = change {
                        function.deployment = None;
                    }
                }
                changes.extend(more);
                answer = published;
            }
            Ok((changes, answer))
        })
        .await
    }

    async fn accept_code(
        self: &Arc<Self>,
        from: UpdateFrom,
        update: CodeUpdate,
        precondition: &Precondition,
    ) -> Result<Deployment> {
        let UpdateFrom { started, build } = from;
        let package = update.package.bytes();
        let package_size_bytes = package.len() as u64;
        let package_sha256 = self.parts.storage.blobs.put(package).await?;
        let image = update.package.image().cloned();
        let accepted = self.change(&started.function, |view| {
            let base = self.check_still(&started, view, precondition)?;
            let mut function = view.records.function.clone();
            // The same package under the same configuration is the version that was published last.
            let last = view.records.last_published().filter(|last| {
                let manifest = |image: &ImageRecord| image.manifest_sha256.clone();
                last.code.package_sha256 == package_sha256
                    && last.code.image.as_ref().map(manifest) == image.as_ref().map(manifest)
                    && base.latest.is_some_and(|latest| latest.configuration == last.configuration)
            });
            let publish = (update.publish && last.is_none()).then_some(function.next_version);
            function.next_version = function.next_version.saturating_add(u64::from(publish.is_some()));
            function.deployment = Some(DeploymentRecord {
                package_sha256,
                package_size_bytes,
                image,
                signing_profile_version_arn: build.signed_by.clone(),
                configuration: update.configuration(base.configuration),
                publish,
                revision_id: Self::new_revision(),
                modified_at_ms: self.now_ms(),
                failure: None,
            });
            Ok((vec![Change::PutFunction(function.clone())], function))
        });
        let function = accepted.await?;
        Ok(self.under_way(function, build))
    }

    /// What new code starts from: `$LATEST`, or a creation that failed. Not while a deployment is under way.
    fn base<'a>(&self, view: &'a View, name: &FunctionName) -> Result<Base<'a>> {
        let deployment = view.deployment();
        if deployment.is_some_and(|deployment| deployment.is_under_way()) {
            return Err(self.deploying(view, name));
        }
        match (view.records.versions.get(&Version::Latest), deployment) {
            (Some(latest), _) => Ok(Base {
                latest: Some(latest),
                configuration: &latest.configuration,
                revision_id: &latest.revision_id,
            }),
            (None, Some(failed)) => {
                Ok(Base { latest: None, configuration: &failed.configuration, revision_id: &failed.revision_id })
            }
            (None, None) => Err(self.not_found(name, None)),
        }
    }

    /// Brings an image here, where the package is one. Before anything is held: a registry may take its time.
    async fn fetch(&self, package: &mut Package) -> Result<()> {
        if let Package::Image(uri) = package {
            let pulled = self.parts.images.pull(uri).await?;
            let image = ImageRecord {
                uri: uri.clone(),
                resolved_uri: pulled.resolved,
                manifest_sha256: pulled.digest.hex().to_owned(),
            };
            *package = Package::Pulled(pulled.wasm, image);
        }
        Ok(())
    }

    /// Another change came first, and this one was made for what was there before.
    pub(super) fn update_in_progress(&self, name: &FunctionName) -> Error {
        Error::Conflict(format!(
            "The operation cannot be performed at this time. An update is in progress for resource: {name}"
        ))
    }

    /// Compiles a package and keeps it and its component. The caller holds `blobs` until what refers to them is stored.
    pub(super) async fn store_code(
        &self,
        package: Bytes,
        configuration: &ConfigurationRecord,
        signing_profile_version_arn: Option<String>,
    ) -> Result<CodeRecord> {
        if let Some(runtime) = self.interpreter(configuration)? {
            return self.store_interpreted(package, configuration, signing_profile_version_arn, runtime).await;
        }
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
            runtime: None,
            kind: compiled.report.kind,
            family: compiled.report.family,
            initial_memory_bytes: compiled.report.initial_memory_bytes,
            signing_profile_version_arn,
            extensions: self.store_extensions(configuration).await?,
            image: None,
        };
        check_memory(&code, configuration.memory_size_mb)?;
        check_unpacked(&code, configuration)?;
        Ok(code)
    }

    /// Unpacks a package that a runtime is to interpret and keeps it, and makes the runtime ready, which takes seconds the first time.
    async fn store_interpreted(
        &self,
        package: Bytes,
        configuration: &ConfigurationRecord,
        signing_profile_version_arn: Option<String>,
        runtime: &Runtime,
    ) -> Result<CodeRecord> {
        let host = &self.parts.host;
        let sha256 = self.parts.storage.blobs.put(package.clone()).await?;
        let package_size_bytes = package.len() as u64;
        let set = self.task_set(&sha256).map_err(Error::Invalid)?;
        let inspected = host.deploy_interpreted(package, &set).await?;
        host.prepare_runtime(&runtime.manifest.name).await.map_err(DeployError::from)?;
        let code = CodeRecord {
            package_sha256: sha256.clone(),
            package_size_bytes,
            unpacked_bytes: inspected.unpacked_bytes,
            component_sha256: sha256,
            runtime: Some(runtime.manifest.name.clone()),
            kind: GuestKind::Runtime,
            family: Family::Runtime,
            initial_memory_bytes: u64::from(runtime.manifest.memory_floor_mb) << 20,
            signing_profile_version_arn,
            extensions: self.store_extensions(configuration).await?,
            image: None,
        };
        check_memory(&code, configuration.memory_size_mb)?;
        check_unpacked(&code, configuration)?;
        Ok(code)
    }

    /// A package as what is seen at `/var/task`.
    pub(super) fn task_set(&self, package_sha256: &str) -> Result<LayerSet, String> {
        let gone = || format!("{package_sha256} is not the name of a package");
        let path = self.parts.storage.blobs.path(package_sha256).ok_or_else(gone)?;
        LayerSet::new(vec![LayerArchive { sha256: package_sha256.to_owned(), path }]).ok_or_else(gone)
    }

    /// Compiles the extensions in a configuration's layers and keeps their components. The caller holds `blobs`, as for
    /// [`Self::store_code`].
    pub(super) async fn store_extensions(&self, configuration: &ConfigurationRecord) -> Result<Vec<ExtensionRecord>> {
        if extensions(configuration).is_empty() {
            return Ok(Vec::new());
        }
        let Some(layers) = self.layer_set(configuration).map_err(Error::Invalid)? else { return Ok(Vec::new()) };
        let mut stored = Vec::new();
        for (name, compiled) in self.parts.host.deploy_extensions(&layers).await? {
            stored.push(ExtensionRecord {
                name,
                component_sha256: self.parts.storage.blobs.put(compiled.component.into()).await?,
                family: compiled.report.family,
                initial_memory_bytes: compiled.report.initial_memory_bytes,
            });
        }
        Ok(stored)
    }
}

/// Code comes for good as what it came as first.
fn check_kind(package: &Package, configuration: &ConfigurationRecord) -> Result<()> {
    let message = match (package, configuration.is_image()) {
        (Package::Upload(_), true) => "Please provide ImageUri when updating a function with packageType Image.",
        (Package::Image(_) | Package::Pulled(..), false) => {
            "Please don't provide ImageUri when updating a function with packageType Zip."
        }
        _ => return Ok(()),
    };
    Err(Error::Invalid(message.into()))
}

/// A guest that starts with more memory than the function may have could never run.
pub(super) fn check_memory(code: &CodeRecord, memory_size_mb: u32) -> Result<()> {
    let limit_bytes = u64::from(memory_size_mb) << 20;
    let extensions = code.extensions.iter();
    let all = extensions.map(|extension| (format!("The extension {}", extension.name), extension.initial_memory_bytes));
    for (what, initial_bytes) in all.chain([("The guest".to_owned(), code.initial_memory_bytes)]) {
        if initial_bytes > limit_bytes {
            return Err(Error::Invalid(format!(
                "{what} starts with {} MB of memory, more than the function's MemorySize of {memory_size_mb} MB.",
                initial_bytes.div_ceil(1 << 20)
            )));
        }
    }
    Ok(())
}
