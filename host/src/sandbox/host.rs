//! The sandbox side of the daemon: engines, compiled guests, slots and what is shared between environments.

use super::calls::filesystem::{TmpRoot, TmpRootError};
use super::calls::outbound_http::{ClientError, OutboundClient};
use super::capacity::{MAPPINGS_PER_ENVIRONMENT, MAPPINGS_PER_RUNTIME, Machine, PoolSize};
use super::compile::{Compilation, CompileError, Compiler, Role};
use super::engine::{self, Family, MEMORY_GUARD_BYTES, MEMORY_RESERVATION_BYTES, Ticker, Tuning};
use super::extensions::Services;
use super::layers::{self, Inspected, LayerDirs, LayerError, LayerSet, UnpackError};
use super::limits::GrowthBudget;
use super::linker;
use super::loaded::{Artifacts, CacheCounters, CodeKey, Compiled, Linked, Loaded};
use super::memory_images::store::{ImageKey, ImageStore};
use super::package::{self, PackageError};
use super::pool::{Pool, Spec};
use super::runtime::{self, Level1, Registry, RegistryError, RuntimeSpec, Runtimes};
use super::shared::Shared;
use super::slots::{Mappings, Slot, Slots};
use crate::clock::SharedClock;
use crate::turns::Turns;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use wasmtime_wasi::filesystem::Dir;

/// The `[sandbox]` section of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Environments that may exist at once; 0 is as many as the machine's memory and address space hold.
    pub max_environments: u32,
    /// How long an environment stays warm without work, where the function does not say.
    pub idle_timeout_s: u32,
    /// How long instantiation and `init` may take.
    pub init_timeout_s: u32,
    /// Native code kept in memory, over all functions; less used code is mapped again when needed.
    pub code_cache_mb: u64,
    /// Memory of one compilation.
    pub compile_memory_mb: u64,
    /// Time of one compilation.
    pub compile_timeout_s: u64,
    /// How long an answer to a deployment waits for its compilation; one that takes longer is answered as pending.
    pub pending_after_ms: u64,
    /// Bytes of a returned linear memory that are zeroed by hand instead of given back to the kernel.
    pub memory_keep_resident_kb: u32,
    /// Free slots whose last image stays mapped.
    pub warm_slots: u32,
    /// Connections that all functions together may have open to the outside.
    pub max_outbound_connections: usize,
    /// Certificate authorities, in PEM, that functions' HTTPS requests trust beside the public ones.
    pub outbound_ca_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        let (tuning, limits) = (Tuning::default(), super::compile::Limits::default());
        Self {
            max_environments: 0,
            idle_timeout_s: 600,
            init_timeout_s: 10,
            code_cache_mb: 512,
            compile_memory_mb: limits.memory_mb,
            compile_timeout_s: limits.timeout.as_secs(),
            pending_after_ms: 2_000,
            memory_keep_resident_kb: u32::try_from(tuning.memory_keep_resident_bytes / 1024).unwrap_or(0),
            warm_slots: tuning.warm_slots,
            max_outbound_connections: 1024,
            outbound_ca_file: None,
        }
    }
}

/// Why the sandbox side could not start. The operator's or the machine's fault.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// wasmtime could not reserve what was asked for.
    #[error("the sandbox pool cannot be set up for {environments} environments: {reason}")]
    Pool {
        /// What was tried.
        environments: u32,
        /// What went wrong.
        reason: String,
    },
    /// A directory or thread could not be made.
    #[error("the sandbox could not start: {0}")]
    Io(#[from] std::io::Error),
    /// The directory of `/tmp`s cannot be used.
    #[error(transparent)]
    Tmp(#[from] TmpRootError),
    /// Requests cannot be sent.
    #[error(transparent)]
    Outbound(#[from] ClientError),
    /// The language runtimes are not as they should be.
    #[error(transparent)]
    Runtimes(#[from] RegistryError),
}

/// Why a package was not deployed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeployError {
    /// The package itself. The uploader's fault.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The guest in it, or the platform.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// A layer. The uploader's fault.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// An extension in a layer, or the platform.
    #[error("The extension {name} of the function's layers cannot be used: {error}")]
    Extension {
        /// Its file's name.
        name: String,
        /// Why not.
        error: CompileError,
    },
    /// The function's layers hold more than Lambda's ten. The uploader's fault.
    #[error("The layers of a function can hold {EXTENSIONS_PER_FUNCTION} extensions; these hold {count}.")]
    TooManyExtensions {
        /// How many there are.
        count: usize,
    },
}

/// Extensions of one function (Lambda quota).
const EXTENSIONS_PER_FUNCTION: usize = 10;

const FAMILIES: [Family; 3] = [Family::Plain, Family::Concurrent, Family::Runtime];

impl From<UnpackError> for DeployError {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Layer(error) => Self::Layer(error),
            UnpackError::Io(error) => Self::Compile(CompileError::Host(error.to_string())),
        }
    }
}

/// A package that was deployed.
#[derive(Debug)]
pub struct Deployed {
    /// The guest in it.
    pub compiled: Compiled,
    /// What all of it comes to unpacked.
    pub package_unpacked_bytes: u64,
}

/// What environments of a version are instances of.
pub(super) enum Code<'a> {
    /// A component.
    Component(Arc<Loaded>),
    /// A language runtime, and what it interprets.
    Interpreted { level_1: Arc<Level1>, runtime: &'a RuntimeSpec, task: Dir },
}

/// Environments over all functions, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotUse {
    /// How many could exist.
    pub total: u32,
    /// How many exist.
    pub used: u32,
}

/// Engines, compiled guests and slots.
pub struct Host {
    artifacts: Artifacts,
    plain_slots: Arc<Slots>,
    concurrent_slots: Arc<Slots>,
    runtime_slots: Arc<Slots>,
    runtimes: Runtimes,
    /// Unpacked packages of functions that runtimes interpret.
    tasks: Arc<LayerDirs>,
    layers: Arc<LayerDirs>,
    images: Arc<ImageStore>,
    /// At loading compiled guests and images, as many as there are processors.
    loads: Arc<Turns>,
    shared: Shared,
    /// Pools that hold idle environments, for retirement and eviction.
    pools: Mutex<Vec<Weak<Pool>>>,
    /// Once they are served.
    extensions: OnceLock<Services>,
    config: Config,
    size: PoolSize,
    _ticker: Ticker,
}

impl Host {
    /// Reserves the pools and opens the code cache in `data_dir`. Language runtimes are those that are compiled in.
    pub fn start(
        config: Config,
        data_dir: &Path,
        compiler: Compiler,
        clock: SharedClock,
    ) -> Result<Arc<Self>, HostError> {
        let runtimes = Registry::open(&runtime::Config::default())?;
        Self::start_with(config, runtimes, data_dir, compiler, clock)
    }

    /// The same with other language runtimes.
    pub fn start_with(
        config: Config,
        runtimes: Registry,
        data_dir: &Path,
        compiler: Compiler,
        clock: SharedClock,
    ) -> Result<Arc<Self>, HostError> {
        let wanted = (config.max_environments > 0).then_some(config.max_environments);
        let size =
            PoolSize::derive(&Machine::detect(), wanted, MEMORY_RESERVATION_BYTES.saturating_add(MEMORY_GUARD_BYTES));
        let tuning = Tuning {
            memory_keep_resident_bytes: usize::try_from(config.memory_keep_resident_kb).unwrap_or(0) * 1024,
            warm_slots: config.warm_slots,
            ..Tuning::default()
        };
        let shared = Shared {
            clock,
            budget: GrowthBudget::new(size.memory_growth_bytes),
            tmp_root: TmpRoot::open(&data_dir.join("tmp"))?,
            outbound: Arc::new(OutboundClient::new(
                config.outbound_ca_file.as_deref(),
                config.max_outbound_connections,
            )?),
            outbound_counters: Arc::default(),
        };
        let cache_dir = data_dir.join("native");
        std::fs::create_dir_all(&cache_dir)?;
        let link = |family| {
            let pool = |error: wasmtime::Error| HostError::Pool {
                environments: size.environments,
                reason: format!("{error:#}"),
            };
            let engine = engine::pooled(family, &size, &tuning).map_err(pool)?;
            let linker = linker::build(&engine, family).map_err(pool)?;
            Ok::<_, HostError>(Linked::new(engine, linker, &cache_dir))
        };
        let (plain, concurrent) = (link(Family::Plain)?, link(Family::Concurrent)?);
        let engine = engine::pooled(Family::Runtime, &size, &tuning).map_err(|error| HostError::Pool {
            environments: size.runtime_environments,
            reason: format!("{error:#}"),
        })?;
        let runtimes = Runtimes::open(runtimes, data_dir.join("runtimes"), engine, compiler.clone())?;
        let ticker = Ticker::start(&[&plain.engine, &concurrent.engine, runtimes.engine()])?;
        let limit_bytes = config.code_cache_mb.saturating_mul(1 << 20);
        let loads = Arc::new(Turns::new(std::thread::available_parallelism().map_or(1, usize::from)));
        let compilation = Compilation::new(compiler);
        let mappings = Mappings::new(size.mappings);
        let (of_code, turns) = (Arc::clone(&mappings), Arc::clone(&loads));
        let artifacts = Artifacts::open(plain, concurrent, &cache_dir, compilation, limit_bytes, of_code, turns)?;
        let slots = |total, each| Slots::new(total, &mappings, each);
        Ok(Arc::new(Self {
            artifacts,
            plain_slots: slots(size.environments, MAPPINGS_PER_ENVIRONMENT),
            concurrent_slots: slots(size.concurrent_environments, MAPPINGS_PER_ENVIRONMENT),
            runtime_slots: slots(size.runtime_environments, MAPPINGS_PER_RUNTIME),
            runtimes,
            tasks: Arc::new(LayerDirs::open(data_dir.join("tasks"))?),
            layers: Arc::new(LayerDirs::open(data_dir.join("layers"))?),
            images: Arc::new(ImageStore::open(data_dir.join("memory-images"))?),
            loads,
            shared,
            pools: Mutex::default(),
            extensions: OnceLock::new(),
            config,
            size,
            _ticker: ticker,
        }))
    }

    /// Lets environments have extensions; without it, functions that have any do not start. The first call counts.
    pub fn serve_extensions(&self, services: Services) {
        // Later calls would be of the same daemon.
        let _ = self.extensions.set(services);
    }

    /// What extensions work with.
    pub(super) fn services(&self) -> Option<&Services> {
        self.extensions.get()
    }

    /// The configuration it runs with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What was reserved.
    pub fn size(&self) -> &PoolSize {
        &self.size
    }

    /// How many environments exist.
    pub fn slots(&self, family: Family) -> SlotUse {
        let slots = self.slots_of(family);
        SlotUse { total: slots.total(), used: slots.used() }
    }

    /// Counters of the code cache.
    pub fn code_cache(&self) -> &CacheCounters {
        &self.artifacts.counters
    }

    /// Bytes that guests may still grow by.
    pub fn growth_left_bytes(&self) -> u64 {
        self.shared.budget.left_bytes()
    }

    /// Finds the guest in a package, makes it a component, composes it with the libraries of its layers and compiles it.
    pub async fn deploy(
        &self,
        package: bytes::Bytes,
        handler: &str,
        layers: Option<&LayerSet>,
    ) -> Result<Deployed, DeployError> {
        let handler = handler.to_owned();
        let found = tokio::task::spawn_blocking(move || {
            package::guest(&package, &handler).map(|wasm| (wasm, package::unpacked_bytes(&package)))
        });
        let (wasm, package_unpacked_bytes) = found.await.map_err(|error| CompileError::Host(error.to_string()))??;
        let libraries = match layers {
            Some(set) => self.layers.libraries(set).await?,
            None => Vec::new(),
        };
        let compiled = self.artifacts.compile(wasm, Role::Function, &libraries).await?;
        Ok(Deployed { compiled, package_unpacked_bytes })
    }

    /// Compiles the extensions in `layers`, by name.
    pub async fn deploy_extensions(&self, layers: &LayerSet) -> Result<Vec<(String, Compiled)>, DeployError> {
        let files = self.layers.extensions(layers).await?;
        let mut named = BTreeMap::new();
        for path in files {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            // Of two files that differ in their endings only, the one that comes first.
            named.entry(name).or_insert(path);
        }
        if named.len() > EXTENSIONS_PER_FUNCTION {
            return Err(DeployError::TooManyExtensions { count: named.len() });
        }
        let compiling = named.into_iter().map(|(name, path)| async {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let failed = |error| DeployError::Extension { name: file, error };
            Ok((name, self.compile_extension(path).await.map_err(failed)?))
        });
        futures_util::future::try_join_all(compiling).await
    }

    async fn compile_extension(&self, path: PathBuf) -> Result<Compiled, CompileError> {
        let read = tokio::fs::read(&path).await.map_err(|error| CompileError::Host(error.to_string()))?;
        let wasm = match path.extension().is_some_and(|extension| extension == "wat") {
            true => wat::parse_bytes(&read).map_err(|error| CompileError::Rejected(error.to_string()))?.into_owned(),
            false => read,
        };
        self.artifacts.compile(wasm, Role::Extension, &[]).await
    }

    /// Checks a layer's archive to its last byte.
    pub async fn inspect_layer(&self, archive: bytes::Bytes) -> Result<Inspected, DeployError> {
        let inspected = tokio::task::spawn_blocking(move || layers::inspect(&archive)).await;
        Ok(inspected.map_err(|error| CompileError::Host(error.to_string()))??)
    }

    /// Unpacks what environments with `set` will see at `/opt`, where that is not done.
    pub async fn prepare_layers(&self, set: &LayerSet) -> Result<(), DeployError> {
        Ok(self.layers.get(set).await.map(drop)?)
    }

    /// What environments with `set` see at `/opt`.
    pub(super) async fn layer_dir(&self, set: &LayerSet) -> Result<Dir, UnpackError> {
        self.layers.get(set).await
    }

    /// Removes unpacked layers that are not in `kept` and that no environment uses; answers how many.
    pub async fn remove_layers(&self, kept: HashSet<String>) -> usize {
        self.layers.remove_others(kept).await
    }

    /// Images of functions' memory.
    pub(super) fn images(&self) -> &Arc<ImageStore> {
        &self.images
    }

    /// How many environments went on from one.
    pub fn restored_environments(&self) -> u64 {
        self.images.restored()
    }

    /// Turns at loading them.
    pub(super) fn loads(&self) -> &Turns {
        &self.loads
    }

    /// Removes images that are not in `kept`; answers how many files. Environments that went on from one keep what they have.
    pub async fn remove_images(&self, kept: HashSet<ImageKey>) -> usize {
        let images = Arc::clone(&self.images);
        let removed = tokio::task::spawn_blocking(move || images.remove_others(&kept)).await;
        removed.ok().and_then(Result::ok).unwrap_or(0)
    }

    /// The language runtimes of this host.
    pub fn runtimes(&self) -> &Registry {
        self.runtimes.registry()
    }

    /// Makes a language runtime ready where it is not, which takes seconds, once a host.
    pub async fn prepare_runtime(&self, name: &str) -> Result<(), CompileError> {
        self.runtimes.get(name).await.map(drop)
    }

    /// Checks a package that a runtime is to interpret to its last byte, and unpacks it where that is not done.
    pub async fn deploy_interpreted(&self, package: bytes::Bytes, set: &LayerSet) -> Result<Inspected, DeployError> {
        let inspected = self.inspect_layer(package).await?;
        self.tasks.get(set).await?;
        Ok(inspected)
    }

    /// Removes unpacked packages that are not in `kept` and that no environment uses; answers how many.
    pub async fn remove_tasks(&self, kept: HashSet<String>) -> usize {
        self.tasks.remove_others(kept).await
    }

    /// What environments of `spec` are instances of, loaded where it is not.
    pub(super) async fn code<'a>(&self, spec: &'a Spec) -> Result<Code<'a>, CompileError> {
        let Some(runtime) = &spec.runtime else {
            return self.load(&spec.code, &spec.component_path).await.map(Code::Component);
        };
        // Boxed, as all that only a language runtime does at a start: components' starts would carry room for it.
        Box::pin(self.interpreted(runtime)).await
    }

    async fn interpreted<'a>(&self, runtime: &'a RuntimeSpec) -> Result<Code<'a>, CompileError> {
        let level_1 = self.runtimes.get(&runtime.runtime).await?;
        let task = self.tasks.get(&runtime.package).await.map_err(|error| CompileError::Host(error.to_string()))?;
        Ok(Code::Interpreted { level_1, runtime, task })
    }

    /// The compiled guest, loaded where it is not.
    pub(super) async fn load(&self, key: &CodeKey, component_path: &Path) -> Result<Arc<Loaded>, CompileError> {
        self.artifacts.load(key, component_path, &|| self.make_room()).await
    }

    /// Whether a compiled guest need not be loaded.
    pub(super) fn is_in_memory(&self, key: &CodeKey) -> bool {
        self.artifacts.is_in_memory(key)
    }

    /// Gives up code that no environment is made of, or else the longest idle environments; answers whether there was anything.
    fn make_room(&self) -> bool {
        self.artifacts.forget_unused() || FAMILIES.into_iter().map(|family| self.evict(family)).sum::<usize>() > 0
    }

    /// Removes native code of components that are not in `kept`; answers how many. What is in memory stays until evicted.
    pub async fn remove_native_code(&self, kept: &HashSet<String>) -> usize {
        self.artifacts.remove_others(kept).await
    }

    /// What all environments share.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn slots_of(&self, family: Family) -> &Arc<Slots> {
        match family {
            Family::Plain => &self.plain_slots,
            Family::Concurrent => &self.concurrent_slots,
            Family::Runtime => &self.runtime_slots,
        }
    }

    /// A free slot; where there is none, the longest idle environments of all functions make room.
    pub(super) fn slot(&self, family: Family) -> Option<Slot> {
        let slots = self.slots_of(family);
        slots.take().or_else(|| {
            // What all engines share may be with code that no environment is made of.
            while !slots.is_full() && self.artifacts.forget_unused() {
                if let Some(slot) = slots.take() {
                    return Some(slot);
                }
            }
            self.evict(family);
            let slot = slots.take();
            // Or with the others.
            if slot.is_none() && !slots.is_full() {
                FAMILIES.into_iter().for_each(|family| {
                    self.evict(family);
                });
                return slots.take();
            }
            slot
        })
    }

    /// Enters a pool among those looked through for idle environments.
    pub(super) fn register(&self, pool: &Arc<Pool>) {
        let mut pools = self.pools.lock();
        // Dead entries go when the list would grow.
        if pools.len() == pools.capacity() {
            pools.retain(|pool| pool.strong_count() > 0);
        }
        pools.push(Arc::downgrade(pool));
    }

    fn live_pools(&self) -> Vec<Arc<Pool>> {
        self.pools.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Ends the longest idle environments of `family`: one, and up to a hundredth of all, so that this stays rare. Answers how many.
    pub(super) fn evict(&self, family: Family) -> usize {
        let batch = usize::try_from(self.slots_of(family).total() / 100).unwrap_or(0).max(1);
        let mut oldest: Vec<_> = self
            .live_pools()
            .into_iter()
            .filter(|pool| pool.family() == family)
            .filter_map(|pool| pool.longest_idle().map(|since| (since, pool)))
            .collect();
        oldest.sort_by_key(|(since, _)| *since);
        let mut evicted = 0;
        for (_, pool) in oldest {
            evicted += pool.retire_oldest(batch - evicted);
            if evicted >= batch {
                break;
            }
        }
        evicted
    }

    /// Ends environments idle for longer than their functions allow. Called every second or so.
    pub fn retire_idle(&self) -> usize {
        self.live_pools().iter().map(|pool| pool.retire_expired()).sum()
    }

    /// The limit of the init phase.
    pub(super) fn init_timeout(&self) -> Duration {
        Duration::from_secs(self.config.init_timeout_s.into())
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("size", &self.size).finish_non_exhaustive()
    }
}
