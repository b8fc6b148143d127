//! A daemon's parts in one process, without sockets: real storage in memory, a real sandbox.

use bytes::Bytes;
use lamina::catalog::{self, Catalog, NewFunction};
use lamina::clock::{SharedClock, SystemClock};
use lamina::credentials::{self, Sessions};
use lamina::ids::{FunctionName, FunctionRef, Home};
use lamina::images::Images;
use lamina::invocation::{Invocation, InvokeError, Invoker, Outcome, Payload, Source};
use lamina::sandbox::calls::outbound_http::OwnPort;
use lamina::sandbox::compile::Compiler;
use lamina::sandbox::{Config, Host};
use lamina::shutdown::Shutdown;
use lamina::storage::Storage;
use lamina::storage::functions::{ConfigurationRecord, VersionRecord};
use lamina::telemetry::logs::{self, LogStore};
use lamina::telemetry::metrics::{self, Metrics};
use std::sync::Arc;

/// A catalog and an invoker over a sandbox of a few slots.
pub(crate) struct World {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) invoker: Arc<Invoker>,
    _dir: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Config { max_environments: 16, ..Config::default() }, catalog::Config::default()).await
    }

    pub(crate) async fn with(sandbox: Config, concurrency: catalog::Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        let metrics = Arc::new(Metrics::new(&metrics::Config::default(), "test", "test").unwrap());
        let host = Host::start(sandbox, dir.path(), Compiler::InProcess, Arc::clone(&clock)).unwrap();
        let logs =
            LogStore::open(&dir.path().join("logs.db"), &logs::Config::default(), Arc::clone(&clock), &metrics.logs);
        let logs = Arc::new(logs.unwrap());
        let parts = catalog::Parts {
            home: Home::default(),
            storage: Storage::memory().unwrap(),
            host,
            metrics,
            clock: Arc::clone(&clock),
            log_limits: Default::default(),
            images: Images::new(Default::default()).unwrap(),
            signing_keys: Vec::new(),
            own_port: OwnPort::new("127.0.0.1:4566".parse().unwrap(), false),
            sessions: Arc::new(Sessions::open(credentials::Config::default().store(dir.path())).unwrap()),
        };
        let catalog = Catalog::open(parts, &concurrency).await.unwrap();
        let invoker = Invoker::new(Arc::clone(&catalog), logs, clock, Shutdown::new());
        Self { catalog, invoker: Arc::new(invoker), _dir: dir }
    }

    /// Creates a function from text or binary wasm.
    pub(crate) async fn create(&self, name: &str, package: impl AsRef<[u8]>) -> catalog::Result<VersionRecord> {
        self.create_with(name, package, |_| {}).await
    }

    pub(crate) async fn create_with(
        &self,
        name: &str,
        package: impl AsRef<[u8]>,
        edit: impl FnOnce(&mut ConfigurationRecord),
    ) -> catalog::Result<VersionRecord> {
        let mut new = new_function(name, package);
        edit(&mut new.configuration);
        self.catalog.create_function(new).await
    }

    pub(crate) async fn invoke(&self, target: &str, event: &str) -> Result<Outcome, InvokeError> {
        self.invoker
            .invoke(Invocation {
                target: FunctionRef::parse(target).unwrap(),
                payload: Payload::Event(Bytes::copy_from_slice(event.as_bytes())),
                request_id: uuid::Uuid::new_v4(),
                source: Source::Api,
                trace_id: None,
                client_context: None,
                tail_log: true,
            })
            .await
    }
}

/// A function of text or binary wasm.
pub(crate) fn new_function(name: &str, package: impl AsRef<[u8]>) -> NewFunction {
    let configuration = ConfigurationRecord {
        description: String::new(),
        handler: "bootstrap".into(),
        runtime: "provided.al2023".into(),
        role: "arn:aws:iam::000000000000:role/lambda".into(),
        timeout_s: 3,
        memory_size_mb: 128,
        ephemeral_storage_mb: 512,
        layers: Vec::new(),
        environment: Default::default(),
        echoed: Default::default(),
    };
    NewFunction {
        name: FunctionName::new(name).unwrap(),
        package: Bytes::copy_from_slice(package.as_ref()).into(),
        configuration,
        tags: Default::default(),
        publish: false,
        code_signing_config: None,
    }
}
