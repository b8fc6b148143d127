//! A daemon's parts in one process, without sockets: a real catalog, sandbox, log store and invoker.

use crate::guests::Interpreted;
use anyhow::Context as _;
use bytes::Bytes;
use lamina::catalog::{self, Catalog, NewFunction};
use lamina::clock::{SharedClock, SystemClock};
use lamina::credentials::{self, Sessions};
use lamina::ids::{FunctionName, FunctionRef, Home};
use lamina::images::Images;
use lamina::invocation::{Invocation, Invoker, Outcome, Payload, Response, Source};
use lamina::sandbox::calls::outbound_http::OwnPort;
use lamina::sandbox::compile::Compiler;
use lamina::sandbox::{Config, Host};
use lamina::shutdown::Shutdown;
use lamina::storage::Storage;
use lamina::storage::functions::ConfigurationRecord;
use lamina::telemetry::logs::{self, LogStore};
use lamina::telemetry::metrics::{self, Metrics};
use std::path::Path;
use std::sync::Arc;

/// A catalog and an invoker over a sandbox.
pub struct World {
    /// Functions.
    pub catalog: Arc<Catalog>,
    /// Runs them.
    pub invoker: Arc<Invoker>,
    /// Their environments.
    pub host: Arc<Host>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// What they printed.
    pub logs: Arc<LogStore>,
    dir: tempfile::TempDir,
}

impl World {
    /// A world of its own with room for `environments`, gone with it. Functions are kept in memory.
    pub async fn new(environments: u32) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let storage = Storage::memory()?;
        let parts = Parts::open(dir.path(), environments, storage).await?;
        Ok(Self {
            catalog: parts.catalog,
            invoker: parts.invoker,
            host: parts.host,
            metrics: parts.metrics,
            logs: parts.logs,
            dir,
        })
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Creates a function; `fresh` gives every invocation a new sandbox.
    pub async fn create(&self, name: &str, package: impl Into<Bytes>, fresh: bool) -> anyhow::Result<FunctionName> {
        create(&self.catalog, name, package, fresh).await
    }

    /// Lines that the log writer did not keep up with.
    pub fn log_lines_dropped(&self) -> u64 {
        self.metrics.logs.lines_dropped.get()
    }
}

/// A daemon's parts over a directory that outlives them.
pub struct Parts {
    /// Functions.
    pub catalog: Arc<Catalog>,
    /// Runs them.
    pub invoker: Arc<Invoker>,
    /// Their environments.
    pub host: Arc<Host>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// What they printed.
    pub logs: Arc<LogStore>,
}

impl Parts {
    /// Opens what is in `dir` with functions in `storage`; `environments` as in `[sandbox] max_environments`.
    pub async fn open(dir: &Path, environments: u32, storage: Storage) -> anyhow::Result<Self> {
        let clock: SharedClock = Arc::new(SystemClock);
        let metrics = Arc::new(Metrics::new(&metrics::Config::default(), "bench", "bench")?);
        let sandbox = Config { max_environments: environments, ..Config::default() };
        let host = Host::start(sandbox, dir, Compiler::InProcess, Arc::clone(&clock))?;
        let logs = LogStore::open(&dir.join("logs.db"), &logs::Config::default(), Arc::clone(&clock), &metrics.logs)?;
        let logs = Arc::new(logs);
        let parts = catalog::Parts {
            home: Home::default(),
            storage,
            host: Arc::clone(&host),
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock),
            images: Images::new(Default::default())?,
            signing_keys: Vec::new(),
            log_limits: Default::default(),
            own_port: OwnPort::new(([127, 0, 0, 1], 4566).into(), false),
            sessions: Arc::new(Sessions::open(credentials::Config::default().store(dir))?),
        };
        let catalog = Catalog::open(parts, &catalog::Config::default()).await?;
        let invoker = Arc::new(Invoker::new(Arc::clone(&catalog), Arc::clone(&logs), clock, Shutdown::new()));
        Ok(Self { catalog, invoker, host, metrics, logs })
    }
}

/// Creates a function; `fresh` gives every invocation a new sandbox.
pub async fn create(
    catalog: &Arc<Catalog>,
    name: &str,
    package: impl Into<Bytes>,
    fresh: bool,
) -> anyhow::Result<FunctionName> {
    let mut configuration = configuration("provided.al2023", "bootstrap");
    if fresh {
        configuration.environment.insert("LAMINA_SANDBOX".into(), "fresh".into());
    }
    create_as(catalog, name, package, configuration).await
}

/// Creates a function that a language runtime interprets, the `number`th, named after the runtime.
pub async fn create_interpreted(
    catalog: &Arc<Catalog>,
    language: &Interpreted,
    number: u32,
) -> anyhow::Result<FunctionName> {
    let name = format!("{}-{number}", language.runtime.replace('.', "-"));
    create_as(catalog, &name, language.package(number)?, configuration(language.runtime, language.handler)).await
}

fn configuration(runtime: &str, handler: &str) -> ConfigurationRecord {
    ConfigurationRecord {
        description: String::new(),
        handler: handler.into(),
        runtime: runtime.into(),
        role: "arn:aws:iam::000000000000:role/lambda".into(),
        timeout_s: 3,
        memory_size_mb: 128,
        ephemeral_storage_mb: 512,
        layers: Vec::new(),
        environment: Default::default(),
        echoed: Default::default(),
    }
}

async fn create_as(
    catalog: &Arc<Catalog>,
    name: &str,
    package: impl Into<Bytes>,
    configuration: ConfigurationRecord,
) -> anyhow::Result<FunctionName> {
    let name = FunctionName::new(name)?;
    let new = NewFunction {
        name: name.clone(),
        package: package.into().into(),
        configuration,
        tags: Default::default(),
        publish: false,
        code_signing_config: None,
    };
    catalog.create_function(new).await.with_context(|| format!("function {name}"))?;
    Ok(name)
}

/// An invocation as the `Invoke` API makes one.
pub fn invocation(target: FunctionRef, event: Bytes) -> Invocation {
    Invocation {
        target,
        payload: Payload::Event(event),
        request_id: uuid::Uuid::new_v4(),
        source: Source::Api,
        trace_id: None,
        client_context: None,
        tail_log: false,
    }
}

/// What a function answered; anything but an answer to an event is an error.
pub fn answer(outcome: Outcome) -> anyhow::Result<Bytes> {
    match outcome.result {
        Ok(Response::Event(bytes)) => Ok(bytes),
        Ok(Response::Http(_)) => anyhow::bail!("an HTTP response to an event"),
        Err(error) => anyhow::bail!("{}: {}", error.error_type, error.error_message),
    }
}
