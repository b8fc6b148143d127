//! The services behind the API port, over storage in memory.

use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use lamina::catalog::{self, Catalog};
use lamina::clock::{SharedClock, SystemClock};
use lamina::credentials::{self, Authenticator, Keys, Sessions};
use lamina::ids::{FunctionName, FunctionRef, Home, Version};
use lamina::images::Images;
use lamina::invocation::lineage::Lineage;
use lamina::invocation::{Invocation, Invoke, InvokeError, Outcome, Response, StartKind};
use lamina::sandbox::calls::outbound_http::OwnPort;
use lamina::sandbox::compile::Compiler;
use lamina::sandbox::{Config, Host};
use lamina::shutdown::Shutdown;
use lamina::storage::Storage;
use lamina::telemetry::logs::{self, LogStore};
use lamina::telemetry::metrics::{self, Metrics};
use lamina::triggers::asynchronous::{self, AsyncInvocations};
use lamina::triggers::http::urls::{self, Addresses};
use lamina::triggers::queue::{self, EventSourceMappings, FunctionDirectory};
use lamina::triggers::schedule::{self, Scheduler};
use lamina::triggers::subscription;
use lamina::wire::access::Gate;
use lamina::wire::codec::Request;
use lamina::wire::error::Shape;
use lamina::wire::lambda::LambdaApi;
use lamina::wire::logs::LogsApi;
use lamina::wire::scheduler::SchedulerApi;
use lamina::wire::server::Api;
use lamina::wire::sqs::SqsApi;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// The longest a request may take: what waits for messages would wait for ever.
const PATIENCE: Duration = Duration::from_millis(200);

/// Services, and the runtime that they live in.
pub struct Services {
    runtime: Runtime,
    api: Api,
    _dir: tempfile::TempDir,
}

/// What a request got.
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Services {
    /// Fresh services, without functions, queues or anything else.
    ///
    /// # Errors
    /// What kept them from starting.
    pub fn start() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let dir = tempfile::tempdir()?;
        let api = runtime.block_on(api(dir.path()))?;
        Ok(Self { runtime, api, _dir: dir })
    }

    /// Answers a request; 204 for one that was still waiting at the end of the patience.
    pub fn answer(&self, request: &Request) -> Answered {
        self.runtime.block_on(async {
            let Ok(answer) = tokio::time::timeout(PATIENCE, self.api.answer(request)).await else {
                return Answered { status: 204, body: Vec::new() };
            };
            let answer = answer.unwrap_or_else(|error| error.into_response(Shape::RestJson));
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
            Answered { status, body }
        })
    }
}

async fn api(dir: &std::path::Path) -> anyhow::Result<Api> {
    let clock: SharedClock = Arc::new(SystemClock);
    let metrics = Arc::new(Metrics::new(&metrics::Config::default(), "fuzz", "fuzz")?);
    let storage = Storage::memory()?;
    let shutdown = Shutdown::new();
    let home = Home::default();
    let tails = metrics.logs.tails.clone();
    let logs = LogStore::open(&dir.join("logs.db"), &logs::Config::default(), Arc::clone(&clock), &metrics.logs)?;
    let sandbox = Config { max_environments: 1, ..Config::default() };
    let parts = catalog::Parts {
        home: home.clone(),
        storage: storage.clone(),
        host: Host::start(sandbox, dir, Compiler::InProcess, Arc::clone(&clock))?,
        metrics,
        clock: Arc::clone(&clock),
        images: Images::new(Default::default())?,
        signing_keys: Vec::new(),
        log_limits: Default::default(),
        own_port: OwnPort::new(([127, 0, 0, 1], 4566).into(), false),
        sessions: Arc::new(Sessions::open(credentials::Config::default().store(dir))?),
    };
    let catalog = Catalog::open(parts, &catalog::Config::default()).await?;
    let invoke: Arc<dyn Invoke> = Arc::new(AnswersNull);
    let parts = schedule::Parts {
        schedules: Arc::clone(&storage.schedules),
        queues: Arc::clone(&storage.queues),
        invoker: Arc::clone(&invoke),
        observer: Arc::new(()),
        clock: Arc::clone(&clock),
        home: home.clone(),
    };
    let scheduler = Scheduler::start(parts, schedule::Config::default(), shutdown.clone()).await?;
    let parts = queue::Parts {
        mappings: Arc::clone(&storage.mappings),
        queues: Arc::clone(&storage.queues),
        invoker: Arc::clone(&invoke),
        functions: Arc::new(AnyFunction),
        observer: Arc::new(()),
        clock: Arc::clone(&clock),
        home: home.clone(),
    };
    let mappings = EventSourceMappings::start(parts, queue::Options::default(), shutdown.clone()).await?;
    let parts = asynchronous::Parts {
        events: Arc::clone(&storage.async_events),
        queues: Arc::clone(&storage.queues),
        invoker: Arc::clone(&invoke),
        functions: Arc::new(AnyFunction),
        observer: Arc::new(AnyFunction),
        clock: Arc::clone(&clock),
        home: home.clone(),
    };
    let asynchronous = AsyncInvocations::start(parts, asynchronous::Config::default(), shutdown.clone()).await?;
    let keys = Arc::new(Keys::open(credentials::Config::default().store(dir), false)?);
    let authenticator = Authenticator::new(keys, Arc::clone(&clock), home.clone());
    Ok(Api {
        gate: Gate::new(authenticator, Arc::clone(&catalog), Arc::new(()))?,
        clock: Arc::clone(&clock),
        lambda: LambdaApi {
            catalog,
            invoke,
            asynchronous,
            mappings: Arc::clone(&mappings),
            urls: Addresses::new(&urls::Config::default(), &home.region, 8080),
            shutdown,
        },
        sqs: SqsApi::new(Arc::clone(&storage.queues), Arc::clone(&clock), home.clone(), CancellationToken::new()),
        mappings,
        scheduler: SchedulerApi::new(scheduler),
        logs: LogsApi::new(Arc::new(logs), home, clock, CancellationToken::new(), tails, Arc::new(AnyFunction)),
    })
}

/// Functions that answer `null`: what guests do is not what is looked for here.
struct AnswersNull;

impl Invoke for AnswersNull {
    fn invoke(&self, _: Invocation) -> BoxFuture<'_, Result<Outcome, InvokeError>> {
        Box::pin(async {
            Ok(Outcome {
                executed_version: Version::Latest,
                result: Ok(Response::Event("null".into())),
                start: StartKind::Warm,
                duration: Duration::ZERO,
                init_duration: None,
                log_tail: None,
            })
        })
    }
}

/// Every function exists, so that mappings are made.
struct AnyFunction;

impl FunctionDirectory for AnyFunction {
    fn exists(&self, _: &FunctionRef) -> bool {
        true
    }

    fn stops(&self, _: &FunctionRef, _: &Lineage) -> bool {
        false
    }
}

impl subscription::Destinations for AnyFunction {
    fn may_invoke(&self, _: &FunctionRef, _: &str) -> bool {
        true
    }

    fn stops(&self, _: &FunctionRef, _: &Lineage) -> bool {
        false
    }
}

impl asynchronous::FunctionSettings for AnyFunction {
    fn settings(&self, _: &FunctionRef) -> asynchronous::Settings {
        asynchronous::Settings::default()
    }
}

impl asynchronous::AsyncObserver for AnyFunction {
    fn received(&self, _: &FunctionName, _: usize) {}
    fn started(&self, _: &FunctionName, _: Duration) {}
    fn dropped(&self, _: &FunctionName, _: asynchronous::Dropped) {}
    fn undeliverable(&self, _: &FunctionName) {}
}
