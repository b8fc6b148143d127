//! The environments of one version: warm ones kept in LIFO order, new ones made on demand.
//!
//! Last in, first out keeps few environments hot and lets the rest age to their end. An environment leaves the pool while
//! it serves and comes back only if it may serve again; a closed pool takes none back.
//! Provisioned environments are a pool of their own ([`Spec::keep`]) that nothing retires or evicts.

use super::calls;
use super::calls::preview1::Mounts;
use super::engine::Family;
use super::environment::{Context, Environment, TimeLimits};
use super::extensions::{Extensions, ExtensionsSpec, NotStarted};
use super::host::{Code, Host};
use super::layers::LayerSet;
use super::loaded::CodeKey;
use super::memory_images::file::Image;
use super::runtime::snapshot::Snapshot;
use super::runtime::{Load, Parts, RuntimeEnvironment, RuntimeSpec};
use super::slots::Slot;
use super::state::State;
use super::{Failure, StartError};
use crate::ids::Version;
use crate::storage::functions::GuestKind;
use crate::telemetry::capture::CapturedLine;
use crate::telemetry::logs::stream_name;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};
use wasmtime_wasi::filesystem::Dir;

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// What the first line of an environment's log says of what runs there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitStart {
    /// Such as `python:3.13.5.lamina.0123456789ab`.
    pub runtime_version: Arc<str>,
    /// Its ARN.
    pub runtime_version_arn: Arc<str>,
}

/// What all environments of a version have in common.
#[derive(Debug)]
pub struct Spec {
    /// What the guest sees at `/opt`.
    pub layers: Option<LayerSet>,
    /// What interprets the code, where that is a language runtime.
    pub runtime: Option<RuntimeSpec>,
    /// The image that its environments go on from, where it is to have one.
    pub snapshot: Option<Arc<Snapshot>>,
    /// What logs begin with, where they begin with anything.
    pub init_start: Option<InitStart>,
    /// The compiled guest.
    pub code: CodeKey,
    /// Its component, from which it is compiled again where native code is missing.
    pub component_path: PathBuf,
    /// Names the environments' log streams.
    pub version: Version,
    /// Limit of linear memory.
    pub memory_size_mb: u32,
    /// Size of `/tmp`.
    pub tmp_size_mb: u32,
    /// Environment variables. The name of the log stream is added by each environment.
    pub variables: Arc<[(String, String)]>,
    /// The guest's arguments.
    pub arguments: Arc<[String]>,
    /// The context of every invocation, but for what differs between them.
    pub context: Context,
    /// Whether environments serve again; `false` gives every invocation a new one.
    pub reuse: bool,
    /// Whether idle environments are kept whatever happens: provisioned ones.
    pub keep: bool,
    /// Where the guest may send requests.
    pub outbound: Arc<calls::outbound_http::AllowList>,
    /// How long an environment stays without work.
    pub idle_timeout: Duration,
    /// Bounds of what one invocation may log.
    pub log_limits: crate::telemetry::capture::Limits,
    /// The extensions of every environment, where there are any.
    pub extensions: Option<Arc<ExtensionsSpec>>,
}

/// `AWS_LAMBDA_INITIALIZATION_TYPE` of what Lambda's SnapStart makes.
pub(super) const SNAP_START: &str = "snap-start";

impl Spec {
    /// What a runtime is told when it loads the function.
    pub(super) fn load<'a>(
        &'a self,
        runtime: &'a RuntimeSpec,
        log_stream: &'a str,
        initialization_type: &'a str,
    ) -> Load<'a> {
        Load { spec: runtime, context: &self.context, variables: &self.variables, log_stream, initialization_type }
    }

    /// What a runtime's instance reaches through the host.
    pub(super) fn parts(&self, opt: Option<Dir>, task: Dir) -> Parts {
        Parts {
            memory_size_mb: self.memory_size_mb,
            tmp_size_mb: self.tmp_size_mb,
            mounts: Mounts { opt, task: Some(task), runtime: None },
            outbound: Arc::clone(&self.outbound),
            log_limits: self.log_limits,
        }
    }

    /// Whether an environment serves more than one invocation. A command runs once by its nature.
    fn serves_again(&self) -> bool {
        self.reuse && self.code.kind != GuestKind::Command
    }
}

/// An environment with what the pool and the invoker know about it.
#[derive(Debug)]
pub struct Worker {
    /// The sandbox.
    pub environment: Environment,
    /// Passed to every invocation; the invoker sets what differs.
    pub context: Context,
    /// Its log stream.
    pub log_stream: Arc<str>,
    /// How long instantiation and `init` took.
    pub init_duration: Duration,
    /// Whether that is to be told as a restoration, as of Lambda's SnapStart.
    pub is_restored: bool,
    /// When its init phase began, in milliseconds since the Unix epoch, and what its log has still to say of it.
    pub init_start: Option<(i64, InitStart)>,
    /// Its extensions, where there are any.
    pub extensions: Option<Box<Extensions>>,
}

impl Worker {
    fn is_broken(&self) -> bool {
        self.extensions.as_ref().is_some_and(|extensions| extensions.have_failed())
    }
}

struct Idle {
    worker: Box<Worker>,
    since: Instant,
}

/// The environments of one version.
pub struct Pool {
    spec: Spec,
    host: Arc<Host>,
    idle: Mutex<VecDeque<Idle>>,
    /// A day, in days since the Unix epoch, and the log stream of its environments where each serves once.
    stream_of_day: Mutex<Option<(i64, Arc<str>)>>,
    busy: AtomicU32,
    starting: AtomicU32,
    closed: AtomicBool,
}

impl Pool {
    /// An empty pool.
    pub fn new(spec: Spec, host: Arc<Host>) -> Arc<Self> {
        let pool = Arc::new(Self {
            spec,
            host,
            idle: Mutex::default(),
            stream_of_day: Mutex::default(),
            busy: AtomicU32::new(0),
            starting: AtomicU32::new(0),
            closed: AtomicBool::new(false),
        });
        if !pool.spec.keep {
            pool.host.register(&pool);
        }
        pool
    }

    /// What its environments have in common.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The engine its guest runs on.
    pub fn family(&self) -> Family {
        self.spec.code.family
    }

    /// Idle and busy environments.
    pub fn counts(&self) -> (usize, u32) {
        (self.idle.lock().len(), self.busy.load(Ordering::Relaxed))
    }

    /// The most recently used idle environment.
    pub fn take_warm(self: &Arc<Self>) -> Option<Lease> {
        loop {
            let idle = self.idle.lock().pop_back()?;
            if !idle.worker.is_broken() {
                return Some(Lease::new(self, idle.worker));
            }
        }
    }

    /// Waits until an environment may be started: in turn with others, except where what it runs is in memory and a start takes no more than
    /// a request does.
    pub async fn turn(&self) {
        if self.spec.code.family == Family::Runtime || !self.host.is_in_memory(&self.spec.code) {
            drop(self.host.loads().turn().await);
        }
    }

    /// A new environment that has finished its init phase.
    pub async fn start(self: &Arc<Self>) -> Result<Lease, StartFailure> {
        let started = Instant::now();
        let _starting = Starting::new(&self.starting);
        match self.start_worker(started).await {
            Ok(worker) => Ok(Lease::new(self, worker)),
            Err(mut failure) => {
                failure.duration = started.elapsed();
                Err(failure)
            }
        }
    }

    async fn start_worker(&self, started: Instant) -> Result<Box<Worker>, StartFailure> {
        let spec = &self.spec;
        let slot = self.host.slot(spec.code.family).ok_or(StartError::Full)?;
        let code = self.host.code(spec).await.map_err(|error| StartError::Host(error.to_string()))?;
        let image = self.image(&code).await;
        let is_restored = image.is_some() && spec.snapshot.as_ref().is_some_and(|snapshot| snapshot.is_requested());
        let layers = self.layers().await?;
        let stream = self.log_stream();
        let init_start = spec.init_start.clone().map(|start| (self.host.shared().clock.now_ms(), start));
        let limit = self.host.init_timeout();
        let mut extensions = match &spec.extensions {
            Some(of) => {
                let starting = Extensions::start(&self.host, spec, of, &stream, layers.as_ref(), limit);
                let started = Box::pin(starting).await;
                let failed = |NotStarted { error, log }| StartFailure {
                    error,
                    log,
                    init_start: init_start.clone(),
                    log_stream: Some(Arc::clone(&stream)),
                    duration: Duration::ZERO,
                };
                Some(Box::new(started.map_err(failed)?))
            }
            None => None,
        };
        // Extensions and function share the time of the init phase.
        let limit = if extensions.is_some() { limit.saturating_sub(started.elapsed()) } else { limit };
        let time = TimeLimits { wall: limit, cpu: None };
        let instantiated =
            tokio::time::timeout(limit, self.instantiate(code, image.as_ref(), &stream, layers, slot)).await;
        let not_started = |error| StartFailure {
            error,
            log: Vec::new(),
            init_start: init_start.clone(),
            log_stream: Some(Arc::clone(&stream)),
            duration: Duration::ZERO,
        };
        let instantiated = instantiated.unwrap_or(Err(StartError::Guest(Failure::TimedOut)));
        let mut environment = instantiated.map_err(not_started)?;
        let initialized = environment.init(time).await;
        if let Some(extensions) = &mut extensions {
            extensions.initialized(self.host.shared().clock.now_ms(), initialized.as_ref().err());
        }
        if let Err(failure) = initialized {
            return Err(StartFailure {
                error: StartError::Guest(failure),
                log: environment.io().take_log(),
                init_start,
                log_stream: Some(stream),
                duration: Duration::ZERO,
            });
        }
        let mut context = spec.context.clone();
        stream.as_ref().clone_into(&mut context.log_stream);
        Ok(Box::new(Worker {
            environment,
            context,
            log_stream: stream,
            init_duration: started.elapsed(),
            is_restored,
            init_start,
            extensions,
        }))
    }

    /// What the guest is to see at `/opt`.
    pub(super) async fn layers(&self) -> Result<Option<Dir>, StartError> {
        let Some(set) = &self.spec.layers else { return Ok(None) };
        let dir = Box::pin(self.host.layer_dir(set)).await;
        dir.map(Some).map_err(|error| StartError::Host(error.to_string()))
    }

    /// The host it is on.
    pub(super) fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// What environments of `code` are to go on from, where there is an image.
    async fn image(&self, code: &Code<'_>) -> Option<Image> {
        let (Some(snapshot), Code::Interpreted { level_1, .. }) = (&self.spec.snapshot, code) else { return None };
        Box::pin(snapshot.image(self.host.images(), self.host.loads(), level_1)).await
    }

    async fn instantiate(
        &self,
        code: Code<'_>,
        image: Option<&Image>,
        log_stream: &Arc<str>,
        opt: Option<Dir>,
        slot: Slot,
    ) -> Result<Environment, StartError> {
        let (spec, shared) = (&self.spec, self.host.shared());
        match code {
            Code::Component(loaded) => {
                let state = State::new(spec, spec.code.kind, log_stream, shared, opt);
                Environment::instantiate(loaded, state, slot).await
            }
            Code::Interpreted { level_1, runtime, task } => {
                let initialization_type = match &spec.snapshot {
                    Some(snapshot) if image.is_some() && snapshot.is_requested() && !spec.keep => SNAP_START,
                    _ => runtime.initialization_type,
                };
                let (load, parts) = (spec.load(runtime, log_stream, initialization_type), spec.parts(opt, task));
                let environment =
                    Box::pin(RuntimeEnvironment::instantiate(level_1, image, &load, parts, shared)).await?;
                if image.is_some() {
                    self.host.images().count_restored();
                }
                Ok(Environment::of_runtime(environment, slot))
            }
        }
    }

    /// The log stream of a new environment: its own, or, where each serves but once, one that all of a day write to.
    pub(super) fn log_stream(&self) -> Arc<str> {
        let now = self.host.shared().clock.now();
        let name = || stream_name(self.spec.version, now, uuid::Uuid::new_v4());
        if self.spec.serves_again() {
            return name();
        }
        let day = now.as_second().div_euclid(SECONDS_PER_DAY);
        let mut shared = self.stream_of_day.lock();
        match &*shared {
            Some((of, stream)) if *of == day => Arc::clone(stream),
            _ => Arc::clone(&shared.insert((day, name())).1),
        }
    }

    /// Environments in their init phase.
    pub fn starting(&self) -> u32 {
        self.starting.load(Ordering::Relaxed)
    }

    fn put_back(&self, worker: Box<Worker>) {
        let mut idle = self.idle.lock();
        // Asked under the lock, so that `close` cannot miss it.
        if !self.closed.load(Ordering::Acquire) {
            idle.push_back(Idle { worker, since: Instant::now() });
        }
    }

    /// Ends all idle environments, and busy ones as they come back.
    pub fn close(&self) {
        let idle = {
            let mut idle = self.idle.lock();
            self.closed.store(true, Ordering::Release);
            std::mem::take(&mut *idle)
        };
        drop(idle);
    }

    /// Ends idle environments, least recently used first, until `keep` idle ones are left.
    pub fn shrink(&self, keep: usize) {
        let excess = {
            let mut idle = self.idle.lock();
            let excess = idle.len().saturating_sub(keep);
            idle.drain(..excess).collect::<Vec<_>>()
        };
        drop(excess);
    }

    /// Since when its least recently used environment is idle.
    pub(super) fn longest_idle(&self) -> Option<Instant> {
        self.idle.lock().front().map(|idle| idle.since)
    }

    /// Ends up to `count` idle environments, least recently used first; answers how many.
    pub(super) fn retire_oldest(&self, count: usize) -> usize {
        let retired = {
            let mut idle = self.idle.lock();
            let count = count.min(idle.len());
            idle.drain(..count).collect::<Vec<_>>()
        };
        retired.len()
    }

    /// Ends environments that were idle for too long; answers how many.
    pub(super) fn retire_expired(&self) -> usize {
        let retired = {
            let mut idle = self.idle.lock();
            let timeout = self.spec.idle_timeout;
            let expired = idle.iter().take_while(|idle| idle.since.elapsed() >= timeout).count();
            idle.drain(..expired).collect::<Vec<_>>()
        };
        retired.len() + self.retire_broken()
    }

    /// Ends idle environments of which an extension has failed; answers how many.
    pub fn retire_broken(&self) -> usize {
        if self.spec.extensions.is_none() {
            return 0;
        }
        let broken = {
            let mut idle = self.idle.lock();
            let (broken, kept) = idle.drain(..).partition::<VecDeque<_>, _>(|idle| idle.worker.is_broken());
            *idle = kept;
            broken
        };
        broken.len()
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// An environment out of its pool, for one invocation. Dropping it ends the environment.
#[derive(Debug)]
pub struct Lease {
    pool: Arc<Pool>,
    /// Boxed: it is handed from here to there with every invocation.
    worker: Option<Box<Worker>>,
}

impl Lease {
    fn new(pool: &Arc<Pool>, worker: Box<Worker>) -> Self {
        pool.busy.fetch_add(1, Ordering::Relaxed);
        Self { pool: Arc::clone(pool), worker: Some(worker) }
    }

    /// The environment. `None` only after [`Lease::give_back`].
    pub fn worker(&mut self) -> Option<&mut Worker> {
        self.worker.as_deref_mut()
    }

    /// Returns the environment to its pool, if its kind and function let it serve again; answers whether they did.
    pub fn give_back(mut self) -> bool {
        match self.worker.take() {
            Some(worker) if self.pool.spec.serves_again() => {
                self.pool.put_back(worker);
                true
            }
            _ => false,
        }
    }

    /// Puts an environment that has not served into its pool, as provisioning does.
    pub fn keep_unused(mut self) {
        if let Some(worker) = self.worker.take() {
            self.pool.put_back(worker);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.worker.take());
        self.pool.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts an init phase while it lasts.
struct Starting<'a>(&'a AtomicU32);

impl<'a> Starting<'a> {
    fn new(counter: &'a AtomicU32) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why an environment did not start, and what it wrote until then.
#[derive(Debug)]
pub struct StartFailure {
    /// Why.
    pub error: StartError,
    /// What the guest wrote in its init phase.
    pub log: Vec<CapturedLine>,
    /// When it began, and what its log begins with.
    pub init_start: Option<(i64, InitStart)>,
    /// The stream it would have had.
    pub log_stream: Option<Arc<str>>,
    /// How long it took to fail.
    pub duration: Duration,
}

impl From<StartError> for StartFailure {
    fn from(error: StartError) -> Self {
        Self { error, log: Vec::new(), init_start: None, log_stream: None, duration: Duration::ZERO }
    }
}
