//! Functions, versions, aliases and weights, concurrency.
//!
//! The catalog holds all control state in memory and is its only writer. A change is decided on the current view as a list of
//! [`Change`]s, made durable, and published as a new immutable [`View`] in one atomic swap: an invocation sees the function
//! before the change or after it, never a mix. Invocations under way keep what they started with.
//!
//! Changes of one function are made one at a time; reads never wait. The futures of changing calls must be driven to their end
//! (the wire layer runs them in tasks of their own), or memory may lag behind storage until the next change.

mod aliases;
mod attributes;
mod code;
mod code_signing;
pub mod concurrency;
mod configuration;
mod delete;
mod deployment;
mod event_invoke;
mod layers;
mod live;
mod policy;
mod provision;
mod publish;
mod reserved;
pub mod runtimes;
mod sessions;
pub mod settings;
mod snapshots;
pub mod split;
mod urls;
mod view;

pub use aliases::AliasChange;
pub use code::{CodeUpdate, NewFunction, Package, Precondition};
pub use deployment::{Deployment, Rest, Unfinished};
pub use event_invoke::EventInvokeChange;
pub use layers::NewLayerVersion;
pub use live::{LiveProvisioned, LiveVersion, ProvisionedStatus, Target};
pub use provision::Provisioner;
pub use settings::Settings;
pub use urls::UrlChange;
pub use view::View;

use crate::clock::SharedClock;
use crate::credentials::{self, Sessions};
use crate::ids::{FunctionName, FunctionRef, Home, Qualifier, Version};
use crate::images::{ImageError, Images};
use crate::sandbox::calls::outbound_http::OwnPort;
use crate::sandbox::{DeployError, Host};
use crate::storage::Storage;
use crate::storage::functions::{Change, UrlRecord};
use crate::telemetry::metrics::Metrics;
use arc_swap::ArcSwap;
use concurrency::{AccountConcurrency, FunctionConcurrency};
use dashmap::DashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, RwLock};
use view::Records;

/// How long after deployments were under way garbage is looked for again.
const COLLECT_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why the catalog refused or failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No such function, version or alias. The caller's fault.
    #[error("Function not found: {arn}")]
    FunctionNotFound {
        /// What was asked for.
        arn: String,
    },
    /// No such alias. The caller's fault.
    #[error("Cannot find alias arn: {arn}")]
    AliasNotFound {
        /// What was asked for.
        arn: String,
    },
    /// No URL is configured there. The caller's fault.
    #[error("The resource you requested does not exist.")]
    UrlNotFound,
    /// No provisioned concurrency is configured there. The caller's fault.
    #[error("No Provisioned Concurrency Config found for this function")]
    ProvisionedNotFound,
    /// Asynchronous invocation is not configured there. The caller's fault.
    #[error("The function {arn} doesn't have an EventInvokeConfig")]
    EventInvokeNotFound {
        /// What was asked for.
        arn: String,
    },
    /// Something else that was asked for is not there. The caller's fault.
    #[error("{0}")]
    NotFound(String),
    /// The name is taken. The caller's fault.
    #[error("{0}")]
    Exists(String),
    /// The request contradicts the state of things. The caller's fault.
    #[error("{0}")]
    Conflict(String),
    /// The code is not there yet, or could not be made. The caller's fault; retry while it is pending.
    #[error("The operation cannot be performed at this time. The function is currently in the following state: {0}")]
    NotReady(Unfinished),
    /// A value the API does not allow. The caller's fault.
    #[error("{0}")]
    Invalid(String),
    /// The caller's revision is not the current one.
    #[error(
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
    )]
    RevisionMismatch,
    /// A policy would grow past its limit. The caller's fault.
    #[error("The final policy size ({size_bytes}) is bigger than the limit ({limit_bytes}).")]
    PolicyTooLong {
        /// What it would be.
        size_bytes: usize,
        /// What it may be.
        limit_bytes: usize,
    },
    /// A function was to have a code signing configuration that is not there. The caller's fault.
    #[error(
        "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}"
    )]
    CodeSigningConfigNotFound {
        /// What was asked for.
        arn: String,
    },
    /// A package without a trusted signature. The caller's fault.
    #[error("{0}")]
    CodeUnverified(String),
    /// A package whose signature does not belong to it. The caller's fault.
    #[error("{0}")]
    InvalidCodeSignature(String),
    /// An image was not pulled.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The package or the guest in it.
    #[error(transparent)]
    Deploy(#[from] DeployError),
    /// A function's credentials could not be made. The platform's fault.
    #[error("the function's credentials: {0}")]
    Credentials(Arc<credentials::Error>),
    /// The platform's fault.
    #[error(transparent)]
    Storage(#[from] crate::storage::Error),
}

/// The result of a catalog call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The `[concurrency]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Invocations that can run at once on this host, all functions together.
    pub ceiling: u32,
    /// Concurrency that reservations must leave to functions without one.
    pub unreserved_minimum: u32,
    /// How late the host may get to what is ready, for half a second, before it refuses a part of what clients ask; 0 for no bound.
    pub max_lag_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { ceiling: 1000, unreserved_minimum: 100, max_lag_ms: 100 }
    }
}

/// One function, from creation to deletion.
pub struct Function {
    /// Its name.
    pub name: FunctionName,
    /// Its concurrency, across updates.
    pub concurrency: Arc<FunctionConcurrency>,
    view: ArcSwap<View>,
    /// Held while a change is decided, stored and published.
    changing: Mutex<()>,
}

impl Function {
    /// The function as it is now.
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }
}

/// What the catalog works with.
pub struct Parts {
    /// Region and account.
    pub home: Home,
    /// Where changes are made durable.
    pub storage: Storage,
    /// Where code is compiled and environments are made.
    pub host: Arc<Host>,
    /// Where series of functions come from.
    pub metrics: Arc<Metrics>,
    /// Wall time.
    pub clock: SharedClock,
    /// The most log a single invocation may write.
    pub log_limits: crate::telemetry::capture::Limits,
    /// Where images come from.
    pub images: Arc<Images>,
    /// Keys whose signatures of packages count.
    pub signing_keys: Vec<crate::sandbox::signature::SigningKey>,
    /// Where functions reach the AWS APIs of this daemon.
    pub own_port: OwnPort,
    /// What makes the credentials that they get for it.
    pub sessions: Arc<Sessions>,
}

/// All functions of this host.
pub struct Catalog {
    pub(crate) parts: Parts,
    account: Arc<AccountConcurrency>,
    functions: DashMap<FunctionName, Arc<Function>>,
    /// Function URLs by their ids.
    urls: DashMap<String, Arc<UrlRecord>>,
    layers: layers::LayerVersions,
    /// Held while concurrency is moved between functions, and while functions come and go.
    accounts: Mutex<()>,
    /// Held shared while blobs are put and referred to, exclusively while unreferenced ones are removed.
    blobs: Arc<RwLock<()>>,
    /// Woken when provisioned environments may be missing.
    provisioning: Arc<Notify>,
    /// Woken when images of versions may be missing.
    snapshots: Arc<Notify>,
    code_signing: code_signing::CodeSigning,
    /// Woken when a deployment that was under way has ended.
    deployed: Notify,
}

impl Catalog {
    /// Reads everything from storage. No environment is started and no code is loaded by it.
    pub async fn open(parts: Parts, config: &Config) -> Result<Arc<Self>> {
        let snapshot = parts.storage.functions.load().await?;
        let signing = parts.storage.code_signing.load().await?;
        let layers = layers::LayerVersions::new(parts.storage.layers.load().await?);
        let catalog = Arc::new(Self {
            code_signing: code_signing::CodeSigning::new(signing, &parts.signing_keys),
            parts,
            account: AccountConcurrency::new(config.ceiling, config.unreserved_minimum),
            functions: DashMap::new(),
            urls: DashMap::new(),
            layers,
            accounts: Mutex::default(),
            blobs: Arc::default(),
            provisioning: Arc::default(),
            snapshots: Arc::default(),
            deployed: Notify::new(),
        });
        for records in Records::group(snapshot) {
            let name = records.function.name.clone();
            let concurrency = FunctionConcurrency::new(Arc::clone(&catalog.account));
            match View::build(&catalog, records, None) {
                Ok(view) => {
                    catalog.publish_urls(None, &view);
                    let function = catalog.insertable(name.clone(), concurrency, view);
                    catalog.functions.insert(name, function);
                }
                // One damaged function must not keep all others from serving.
                Err(error) => tracing::error!(function = %name, %error, "a stored function cannot be served"),
            }
        }
        catalog.recount();
        Ok(catalog)
    }

    fn insertable(&self, name: FunctionName, concurrency: Arc<FunctionConcurrency>, view: View) -> Arc<Function> {
        view.publish_limits(&concurrency);
        Arc::new(Function { name, concurrency, view: ArcSwap::from_pointee(view), changing: Mutex::default() })
    }

    /// Region and account.
    pub fn home(&self) -> &Home {
        &self.parts.home
    }

    /// The limit of the init phase.
    pub fn init_timeout_s(&self) -> u32 {
        self.parts.host.config().init_timeout_s
    }

    /// The host's concurrency.
    pub fn account(&self) -> &AccountConcurrency {
        &self.account
    }

    /// Woken when provisioned environments may be missing.
    pub fn provisioning(&self) -> Arc<Notify> {
        Arc::clone(&self.provisioning)
    }

    /// One function.
    pub fn function(&self, name: &FunctionName) -> Result<Arc<Function>> {
        let found = self.functions.get(name).map(|function| Arc::clone(&function));
        found.ok_or_else(|| self.not_found(name, None))
    }

    /// All functions, by name.
    pub fn list(&self) -> Vec<Arc<Function>> {
        let mut functions: Vec<_> = self.functions.iter().map(|entry| Arc::clone(entry.value())).collect();
        functions.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        functions
    }

    /// Whether a reference names something that could be invoked, now or once its code is compiled.
    pub fn exists(&self, target: &FunctionRef) -> bool {
        matches!(self.resolve(target, None), Ok(_) | Err(Error::NotReady(_)))
    }

    /// What an invocation of `target` runs on: one version, picked by weight where an alias has several.
    pub fn resolve(
        &self,
        target: &FunctionRef,
        headers: Option<&http::HeaderMap>,
    ) -> Result<(Arc<Function>, Arc<Target>)> {
        let function = self.function(&target.name)?;
        let view = function.view.load();
        let found = view.target(target.qualifier.as_ref(), headers).cloned();
        match found {
            Some(found) => {
                drop(view);
                Ok((function, found))
            }
            None => Err(self.missing(&view, &target.name, target.qualifier.as_ref())),
        }
    }

    /// One version as stored; `None` is `$LATEST`, an alias gives the version it mainly points to.
    pub fn version(&self, name: &FunctionName, qualifier: Option<&Qualifier>) -> Result<Arc<LiveVersion>> {
        let view = self.function(name)?.view();
        let version = match qualifier {
            None => Some(Version::Latest),
            Some(Qualifier::Version(version)) => Some(*version),
            Some(Qualifier::Alias(alias)) => view.records.aliases.get(alias).map(|alias| alias.version),
        };
        let found = version.and_then(|version| view.versions.get(&version).cloned());
        found.ok_or_else(|| self.missing(&view, name, qualifier))
    }

    /// Why there is nothing to invoke behind a qualifier.
    fn missing(&self, view: &View, name: &FunctionName, qualifier: Option<&Qualifier>) -> Error {
        let version = match qualifier {
            None => Some(Version::Latest),
            Some(Qualifier::Version(version)) => Some(*version),
            Some(Qualifier::Alias(_)) => None,
        };
        match version.and_then(|version| view.unfinished(version)) {
            Some(unfinished) => Error::NotReady(unfinished),
            None => self.not_found(name, qualifier),
        }
    }

    fn not_found(&self, name: &FunctionName, qualifier: Option<&Qualifier>) -> Error {
        let qualifier = qualifier.map(|qualifier| qualifier as &dyn std::fmt::Display);
        Error::FunctionNotFound { arn: self.parts.home.function_arn(name, qualifier) }
    }

    /// Decides a change on the current view, stores it and publishes the result.
    async fn change<R>(
        &self,
        function: &Arc<Function>,
        decide: impl FnOnce(&View) -> Result<(Vec<Change>, R)>,
    ) -> Result<R> {
        let _changing = function.changing.lock().await;
        let current = function.view();
        // Deleted while this call waited for its turn.
        if !self.functions.get(&function.name).is_some_and(|held| Arc::ptr_eq(&held, function)) {
            return Err(self.not_found(&function.name, None));
        }
        let (changes, answer) = decide(&current)?;
        if changes.is_empty() {
            return Ok(answer);
        }
        let mut records = current.records.clone();
        changes.iter().for_each(|change| records.apply(change));
        let view = View::build(self, records, Some(&current))?;
        self.parts.storage.functions.commit(changes).await?;
        view.publish_limits(&function.concurrency);
        let view = Arc::new(view);
        function.view.store(Arc::clone(&view));
        self.publish_urls(Some(&current), &view);
        current.retire(&view);
        self.provisioning.notify_one();
        self.snapshots.notify_one();
        Ok(answer)
    }

    /// Counts anew what reservations and provisioning take from the host's ceiling.
    fn recount(&self) {
        let taken = self.functions.iter().map(|function| u64::from(function.view.load().taken())).sum();
        self.account.set_taken(taken);
    }

    fn new_revision() -> String {
        uuid::Uuid::new_v4().to_string()
    }

    fn now_ms(&self) -> i64 {
        self.parts.clock.now_ms()
    }

    /// Removes packages, components, native code and layers that nothing refers to; answers how many. Waits for a moment when no
    /// deployment is under way.
    pub async fn collect_garbage(&self) -> Result<usize> {
        let _blobs = loop {
            // A writer that waits in line would hold up every deployment behind the slowest one.
            match self.blobs.try_write() {
                Ok(blobs) => break blobs,
                Err(_) => self.parts.clock.sleep(COLLECT_AGAIN_AFTER).await,
            }
        };
        let mut referred = std::collections::HashSet::new();
        let mut unpacked = std::collections::HashSet::new();
        let mut tasks = std::collections::HashSet::new();
        for function in &self.functions {
            let view = function.view.load();
            if let Some(deployment) = view.deployment() {
                referred.insert(deployment.package_sha256.clone());
                referred.extend(deployment.configuration.layers.iter().map(|layer| layer.content.sha256.clone()));
            }
            for version in view.records.versions.values() {
                referred.insert(version.code.package_sha256.clone());
                referred.insert(version.code.component_sha256.clone());
                if version.code.runtime.is_some() {
                    tasks.insert(version.code.package_sha256.clone());
                }
                referred.extend(version.code.extensions.iter().map(|extension| extension.component_sha256.clone()));
                referred.extend(version.configuration.layers.iter().map(|layer| layer.content.sha256.clone()));
                if let Ok(Some(set)) = self.layer_set(&version.configuration) {
                    unpacked.extend(set.directories().map(str::to_owned));
                }
            }
        }
        referred.extend(self.layers.all().iter().map(|layer| layer.content.sha256.clone()));
        let mut removed = 0;
        for blob in self.parts.storage.blobs.list().await? {
            if !referred.contains(&blob.sha256) {
                removed += usize::from(self.parts.storage.blobs.remove(blob.sha256).await?);
            }
        }
        removed += self.parts.host.remove_native_code(&referred).await;
        removed += self.parts.host.remove_layers(unpacked).await;
        removed += self.parts.host.remove_tasks(tasks).await;
        removed += self.collect_images().await;
        Ok(removed)
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").field("functions", &self.functions.len()).finish_non_exhaustive()
    }
}
