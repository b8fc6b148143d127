//! `lamina serve`: everything put together, in order: ports, storage, sandbox, catalog, triggers, signals, drain.
//!
//! Ports are bound before anything else, so a busy port fails at once. `/readyz` answers 200 when requests are served.

mod admin;
mod observers;
mod ports;
mod reloading;

use crate::catalog::{self, Catalog, Provisioner};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{Config, ConfigError};
use crate::credentials::{self, Authenticator, Holders, Keys, Sessions};
use crate::images::{self, Images};
use crate::invocation::{Invoke, Invoker, Overload, Snapshotter};
use crate::listener::{self, Bound, Tls};
use crate::reconcile::{self, Reconciler};
use crate::sandbox::calls::outbound_http::OwnPort;
use crate::sandbox::compile::{Compiler, Limits as CompileLimits};
use crate::sandbox::runtime::Registry;
use crate::sandbox::{Host, HostError, extensions};
use crate::shutdown::{self, Ending, Phase, Shutdown};
use crate::storage::{self, Storage};
use crate::telemetry::logs::LogStore;
use crate::telemetry::metrics::Metrics;
use crate::triggers::asynchronous::{self, AsyncInvocations};
use crate::triggers::http::urls::{Addresses, FunctionUrls};
use crate::triggers::http::{Router, Trigger};
use crate::triggers::queue::{self, EventSourceMappings};
use crate::triggers::schedule::{self, Scheduler};
use crate::triggers::subscription;
use crate::wire::access::Gate;
use crate::wire::lambda::LambdaApi;
use crate::wire::logs::LogsApi;
use crate::wire::scheduler::SchedulerApi;
use crate::wire::server::Api;
use crate::wire::sqs::SqsApi;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How often idle environments are looked over.
const RETIRE_EVERY: Duration = Duration::from_secs(1);

/// How often code that nothing refers to is looked for.
const COLLECT_GARBAGE_EVERY: Duration = Duration::from_secs(3600);

/// How often old log events are removed.
const LOG_MAINTENANCE_EVERY: Duration = Duration::from_secs(60);

/// Why the daemon did not start. The operator's or the machine's fault.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address is taken or not of this machine.
    #[error("cannot listen on {address} (the {what} address): {reason}")]
    Bind {
        /// Which one.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        reason: std::io::Error,
    },
    /// The data directory cannot be made or used.
    #[error("cannot use the data directory {path}: {reason}")]
    DataDir {
        /// Where.
        path: PathBuf,
        /// Why not.
        reason: std::io::Error,
    },
    /// Storage.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] HostError),
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// Function logs.
    #[error(transparent)]
    Logs(#[from] crate::telemetry::logs::Error),
    /// Metrics.
    #[error(transparent)]
    Metrics(#[from] crate::telemetry::metrics::Error),
    /// Routes of the configuration.
    #[error(transparent)]
    Routes(#[from] crate::triggers::http::RouteError),
    /// Access keys.
    #[error(transparent)]
    Credentials(#[from] credentials::Error),
    /// A certificate.
    #[error("tls: {0}")]
    Tls(#[from] listener::TlsError),
    /// A declared package or resource.
    #[error(transparent)]
    Declared(#[from] ConfigError),
    /// Images.
    #[error(transparent)]
    Images(#[from] images::SetupError),
    /// Signals, threads, the program's own path.
    #[error("the daemon could not be set up: {0}")]
    Io(#[from] std::io::Error),
}

/// A line for whoever started the daemon: where it listens, and that it is ready.
pub type Announce = dyn Fn(&str) + Send + Sync;

/// Reads the configuration again, as at the start.
pub type Reload = dyn Fn() -> Result<Config, ConfigError> + Send + Sync;

/// Runs the daemon until a signal has ended it. `announce` is told the addresses and then `ready`; `SIGHUP` calls `reload`.
pub async fn run(config: Config, reload: Arc<Reload>, announce: &Announce) -> Result<Ending, ServeError> {
    let signals = shutdown::signals()?;
    // Taken before anything else too: its default is to end the process.
    let hangups = signal(SignalKind::hangup())?;
    raise_file_limit();
    let api_listener = bind("api", config.listen.api_addr)?;
    let http_listener = bind("http", config.listen.http_addr)?;
    let admin_listener = bind("admin", config.listen.admin_addr)?;
    let [api_listener, http_listener, admin_listener] =
        secured(&config, [api_listener, http_listener, admin_listener])?;
    let addresses =
        [("api", &api_listener), ("http", &http_listener), ("admin", &admin_listener)].map(|(what, bound)| {
            let address =
                bound.listener.local_addr().map_or_else(|_| "unknown".to_owned(), |address| address.to_string());
            let scheme = if bound.tls.is_some() { "https" } else { "http" };
            format!("lamina: {what} {scheme}://{address}")
        });
    let certificates =
        [&api_listener, &http_listener, &admin_listener].into_iter().filter_map(|bound| bound.tls.clone()).collect();
    let router = Arc::new(Router::new(&config.routes)?);
    let own_port = OwnPort::new(api_listener.listener.local_addr()?, api_listener.tls.is_some());
    let base = Base::open(&config, own_port).await?;
    let keys = Arc::new(Keys::open(config.credentials.store(&config.storage.data_dir), config.credentials.required)?);
    warn_of_what_is_open(&config, &keys);
    let reloading = Arc::new(reloading::Reloading::new(Arc::clone(&keys), certificates));
    let shutdown = base.shutdown.clone();

    let invoker =
        Invoker::new(Arc::clone(&base.catalog), Arc::clone(&base.logs), Arc::clone(&base.clock), shutdown.clone());
    let overload = Overload::new(Duration::from_millis(config.concurrency.max_lag_ms.into()));
    let invoker = invoker.with_streaming(config.response_streaming).with_overload(Arc::clone(&overload));
    let invoker: Arc<dyn Invoke> = Arc::new(invoker);
    observers::sample_lag(&base.metrics, Arc::clone(&overload));
    let newcomers = Arc::new(listener::newcomers());
    let watching = overload.watch(UnixStream::pair()?, Arc::clone(&newcomers));
    shutdown.spawn(Phase::Work, "overload", until(&shutdown.token(Phase::Work), watching));
    base.spawn_housekeeping();
    for rest in base.catalog.unfinished_deployments().await {
        shutdown.spawn_resumable("deployment", rest);
    }
    let admin = admin::Admin::new(Arc::clone(&base.metrics), shutdown.clone());
    shutdown.spawn(Phase::Flush, "admin", Arc::clone(&admin).serve(admin_listener, shutdown.token(Phase::Flush)));

    let scheduler = base.start_scheduler(&config, &invoker).await?;
    let mappings = base.start_mappings(&config, &invoker).await?;
    let asynchronous = base.start_asynchronous(&config, &invoker).await?;
    base.start_subscriptions(&config, &asynchronous);
    let reconciler = Arc::new(Reconciler::new(reconcile::Parts {
        catalog: Arc::clone(&base.catalog),
        queues: Arc::clone(&base.storage.queues),
        schedules: Arc::new(ports::Schedules(Arc::clone(&scheduler))),
        mappings: Arc::new(ports::Mappings(Arc::clone(&mappings))),
        router: Arc::clone(&router),
        clock: Arc::clone(&base.clock),
    }));
    // Declared functions are there before their routes are served.
    reconciler.apply(&config).await?.log();

    let http_port =
        http_listener.listener.local_addr().map_or(config.listen.http_addr.port(), |address| address.port());
    let authenticator = Authenticator::new(keys, Arc::clone(&base.clock), config.home())
        .with_sessions(Arc::clone(&base.catalog.parts.sessions), Arc::clone(&base.catalog) as Arc<dyn Holders>);
    let url_addresses = Addresses::new(&config.function_urls, &config.home.region, http_port);
    let trigger = Trigger {
        router,
        urls: Some(FunctionUrls {
            addresses: url_addresses.clone(),
            directory: Arc::new(ports::Urls(Arc::clone(&base.catalog))),
            authorizer: Arc::new(ports::UrlAuthorizer {
                authenticator: authenticator.clone(),
                catalog: Arc::clone(&base.catalog),
            }),
        }),
        invoke: Arc::clone(&invoker),
        config: config.http.clone(),
        newcomers: Arc::clone(&newcomers),
        metrics: Arc::new(observers::Http(Arc::clone(&base.metrics))),
        clock: Arc::clone(&base.clock),
    };
    let intake = shutdown.token(Phase::Intake);
    let serving = trigger.serve(http_listener, intake.clone());
    shutdown.spawn(Phase::Intake, "http-trigger", async move {
        serving.await;
    });
    let sqs = SqsApi::new(Arc::clone(&base.storage.queues), Arc::clone(&base.clock), config.home(), intake.clone());
    let api = Arc::new(Api {
        lambda: LambdaApi {
            catalog: Arc::clone(&base.catalog),
            invoke: invoker,
            urls: url_addresses,
            asynchronous,
            mappings: Arc::clone(&mappings),
            shutdown: shutdown.clone(),
        },
        sqs,
        mappings,
        scheduler: SchedulerApi::new(scheduler),
        logs: LogsApi::new(
            Arc::clone(&base.logs),
            config.home(),
            Arc::clone(&base.clock),
            intake.clone(),
            base.metrics.logs.tails.clone(),
            Arc::new(ports::Directory(Arc::clone(&base.catalog))),
        ),
        gate: Gate::new(
            authenticator,
            Arc::clone(&base.catalog),
            Arc::new(observers::Gate(Arc::clone(&base.metrics))),
        )?,
        clock: Arc::clone(&base.clock),
    });
    let limits =
        listener::Limits { drain_limit: config.shutdown.limits().drain, newcomers, ..listener::Limits::default() };
    shutdown.spawn(Phase::Intake, "aws-api", api.serve(api_listener, limits, intake.clone()));
    let looking = Arc::clone(&reloading).look_again_and_again(Arc::clone(&base.clock));
    shutdown.spawn(Phase::Intake, "credentials", until(&intake, looking));
    let hung_up = reload_on_hangup(hangups, config.clone(), reconciler, reload, reloading, intake);
    shutdown.spawn(Phase::Intake, "reload", hung_up);

    admin.ready();
    addresses.iter().for_each(|line| announce(line));
    announce("lamina: ready");
    tracing::info!("ready");
    let ending = shutdown.run_until(signals, config.shutdown.limits()).await;
    tracing::info!(?ending, "requests are no longer served");
    if ending != Ending::Forced {
        base.logs.shutdown().await;
        base.storage.close().await?;
    }
    Ok(ending)
}

/// What everything else stands on.
struct Base {
    clock: SharedClock,
    shutdown: Shutdown,
    metrics: Arc<Metrics>,
    storage: Storage,
    logs: Arc<LogStore>,
    host: Arc<Host>,
    catalog: Arc<Catalog>,
}

impl Base {
    async fn open(config: &Config, own_port: OwnPort) -> Result<Self, ServeError> {
        let data_dir = &config.storage.data_dir;
        create_private_dir(data_dir).map_err(|reason| ServeError::DataDir { path: data_dir.clone(), reason })?;
        let clock: SharedClock = Arc::new(SystemClock);
        let commit = option_env!("LAMINA_COMMIT").unwrap_or("unknown");
        let metrics = Arc::new(Metrics::new(&config.metrics, env!("CARGO_PKG_VERSION"), commit)?);
        let observer = Arc::new(observers::Commits(Arc::clone(&metrics)));
        let storage = Storage::embedded(data_dir, config.storage.options(Some(observer)))?;
        let logs = LogStore::open(&data_dir.join("logs.db"), &config.logs, Arc::clone(&clock), &metrics.logs)?;
        let compiler = Compiler::Process {
            program: std::env::current_exe()?,
            limits: CompileLimits {
                memory_mb: config.sandbox.compile_memory_mb,
                timeout: Duration::from_secs(config.sandbox.compile_timeout_s),
            },
        };
        let runtimes = Registry::open(&config.runtimes).map_err(HostError::from)?;
        let sandbox = config.sandbox.clone();
        let host = Host::start_with(sandbox, runtimes, data_dir, compiler, Arc::clone(&clock))?;
        let (logs, shutdown) = (Arc::new(logs), Shutdown::new());
        host.serve_extensions(extensions::Services {
            logs: Arc::clone(&logs),
            metrics: Arc::clone(&metrics),
            shutdown: shutdown.clone(),
        });
        let parts = catalog::Parts {
            home: config.home(),
            storage: storage.clone(),
            host: Arc::clone(&host),
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock),
            log_limits: config.log_capture,
            images: Images::new(config.images.clone())?,
            signing_keys: config.signing_keys.clone(),
            own_port,
            sessions: Arc::new(Sessions::open(config.credentials.store(data_dir))?),
        };
        let catalog = Catalog::open(parts, &config.concurrency).await?;
        Ok(Self { clock, shutdown, metrics, storage, logs, host, catalog })
    }

    /// Starts what goes on behind the answers.
    fn spawn_housekeeping(&self) {
        let stop = self.shutdown.token(Phase::Work);
        let work = |name, task| self.shutdown.spawn(Phase::Work, name, task);
        let (metrics, catalog, host) = (&self.metrics, &self.catalog, &self.host);
        observers::sample_on_scrape(metrics, Arc::clone(catalog), Arc::clone(host));
        let queues = Arc::clone(&self.storage.queues);
        let sampling = observers::sample_queues(Arc::clone(metrics), queues, Arc::clone(&self.clock));
        let events = Arc::clone(&self.storage.async_events);
        let counting = observers::sample_async_events(Arc::clone(metrics), events, Arc::clone(&self.clock));
        work("async-event-metrics", until(&stop, counting));
        let (logs, log_clock) = (Arc::clone(&self.logs), Arc::clone(&self.clock));
        let provisioner = Provisioner::new(Arc::clone(catalog)).run(stop.clone());
        self.shutdown.spawn(Phase::Work, "provisioner", provisioner);
        let snapshotter = Snapshotter::new(Arc::clone(catalog), Arc::clone(&self.logs), Arc::clone(&self.clock));
        self.shutdown.spawn(Phase::Work, "snapshots", snapshotter.run(stop.clone()));
        work("idle-environments", until(&stop, retire_idle(Arc::clone(host), Arc::clone(&self.clock))));
        work("queue-metrics", until(&stop, sampling));
        work("garbage", until(&stop, collect_garbage(Arc::clone(catalog), Arc::clone(&self.clock))));
        let maintenance = async move { logs.keep_maintained(log_clock, LOG_MAINTENANCE_EVERY).await };
        work("log-maintenance", until(&stop, maintenance));
    }

    async fn start_scheduler(&self, config: &Config, invoker: &Arc<dyn Invoke>) -> Result<Arc<Scheduler>, ServeError> {
        let parts = schedule::Parts {
            schedules: Arc::clone(&self.storage.schedules),
            queues: Arc::clone(&self.storage.queues),
            invoker: Arc::clone(invoker),
            observer: Arc::new(observers::Schedules(Arc::clone(&self.metrics))),
            clock: Arc::clone(&self.clock),
            home: config.home(),
        };
        Ok(Scheduler::start(parts, config.scheduler.clone(), self.shutdown.clone()).await?)
    }

    async fn start_asynchronous(
        &self,
        config: &Config,
        invoker: &Arc<dyn Invoke>,
    ) -> Result<Arc<AsyncInvocations>, ServeError> {
        let parts = asynchronous::Parts {
            events: Arc::clone(&self.storage.async_events),
            queues: Arc::clone(&self.storage.queues),
            invoker: Arc::clone(invoker),
            functions: Arc::new(ports::Directory(Arc::clone(&self.catalog))),
            observer: Arc::new(observers::Asynchronous(Arc::clone(&self.metrics))),
            clock: Arc::clone(&self.clock),
            home: config.home(),
        };
        Ok(AsyncInvocations::start(parts, config.asynchronous.clone(), self.shutdown.clone()).await?)
    }

    fn start_subscriptions(&self, config: &Config, asynchronous: &Arc<AsyncInvocations>) {
        let parts = subscription::Parts {
            logs: Arc::clone(&self.logs),
            asynchronous: Arc::clone(asynchronous),
            destinations: Arc::new(ports::Directory(Arc::clone(&self.catalog))),
            observer: Arc::new(observers::Subscriptions::new(Arc::clone(&self.metrics), Arc::clone(&self.clock))),
            clock: Arc::clone(&self.clock),
            home: config.home(),
        };
        subscription::start(parts, &self.shutdown);
    }

    async fn start_mappings(
        &self,
        config: &Config,
        invoker: &Arc<dyn Invoke>,
    ) -> Result<Arc<EventSourceMappings>, ServeError> {
        let parts = queue::Parts {
            mappings: Arc::clone(&self.storage.mappings),
            queues: Arc::clone(&self.storage.queues),
            invoker: Arc::clone(invoker),
            functions: Arc::new(ports::Directory(Arc::clone(&self.catalog))),
            observer: Arc::new(observers::Mappings(Arc::clone(&self.metrics))),
            clock: Arc::clone(&self.clock),
            home: config.home(),
        };
        Ok(EventSourceMappings::start(parts, config.event_source_mappings.options(), self.shutdown.clone()).await?)
    }
}

/// A task that ends when it is told to.
fn until(
    stop: &CancellationToken,
    task: impl Future<Output = ()> + Send + 'static,
) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    let stop = stop.clone();
    Box::pin(async move {
        stop.run_until_cancelled_owned(task).await;
    })
}

/// Reads the configuration again at each `SIGHUP`. A file with a fault changes nothing; of a good one, what is declared is reconciled, and
/// the sections that hold only from the next start on are named.
async fn reload_on_hangup(
    mut hangups: Signal,
    running: Config,
    reconciler: Arc<Reconciler>,
    reload: Arc<Reload>,
    reloading: Arc<reloading::Reloading>,
    stop: CancellationToken,
) {
    while let Some(Some(())) = stop.run_until_cancelled(hangups.recv()).await {
        Arc::clone(&reloading).look(true).await;
        let applied = match reload() {
            Ok(config) => {
                let differing = config.differing_sections(&running);
                if !differing.is_empty() {
                    tracing::warn!(sections = differing.join(", "), "changed sections hold from the next start on");
                }
                reconciler.apply(&config).await
            }
            Err(error) => Err(error),
        };
        match applied {
            Ok(outcome) => outcome.log(),
            Err(error) => tracing::error!(%error, "the configuration was not taken; nothing is changed"),
        }
    }
}

fn bind(what: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bound().map_err(|reason| ServeError::Bind { what, address, reason })
}

/// Connections that the kernel completes before they are accepted; past them clients try again after a second. The kernel has its own
/// limit (`net.core.somaxconn`, 4,096 by default), and the smaller one holds.
const BACKLOG: u32 = 4096;

/// Gives ports the certificates that are configured for them.
fn secured(config: &Config, listeners: [TcpListener; 3]) -> Result<[Bound; 3], ServeError> {
    let [api, http, admin] = config.tls.by_port().map(|(_, (certificate, key))| match (certificate, key) {
        (Some(certificate), Some(key)) => Tls::open(certificate, key).map(|tls| Some(Arc::new(tls))),
        _ => Ok(None),
    });
    let [api_listener, http_listener, admin_listener] = listeners;
    Ok([
        Bound { listener: api_listener, tls: api? },
        Bound { listener: http_listener, tls: http? },
        Bound { listener: admin_listener, tls: admin? },
    ])
}

/// Says what an operator may not have meant.
fn warn_of_what_is_open(config: &Config, keys: &Keys) {
    let is_private = config.tls.api_certificate_file.is_some();
    if !keys.is_required() {
        tracing::warn!("there are no access keys: whoever reaches the AWS APIs from this machine may use them");
    } else if !config.listen.api_addr.ip().is_loopback() && !is_private {
        tracing::warn!(
            "the AWS APIs are signed but not encrypted: who listens on the network reads events and variables"
        );
    }
}

/// The data directory holds native code that is run: only its owner may enter it.
fn create_private_dir(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

/// As many open files as the system lets this process have: connections and guests' files are bounded elsewhere.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Removes what deleted functions and replaced code left, at the start and now and then.
async fn collect_garbage(catalog: Arc<Catalog>, clock: SharedClock) {
    loop {
        match catalog.collect_garbage().await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "code that nothing refers to was removed"),
            Err(error) => tracing::warn!(%error, "code that nothing refers to could not be removed"),
        }
        clock.sleep(COLLECT_GARBAGE_EVERY).await;
    }
}

async fn retire_idle(host: Arc<Host>, clock: SharedClock) {
    loop {
        clock.sleep(RETIRE_EVERY).await;
        host.retire_idle();
    }
}
