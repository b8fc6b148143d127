//! `lamina serve`: everything put together, in order: ports, storage, sandbox, catalog, triggers, signals, drain.
//!
//! Ports are bound before anything else, so a busy port fails at once. `/readyz` answers 200 when requests are served.

mod admin;
mod observers;

use crate::catalog::{self, Catalog, Provisioner};
use crate::clock::{Clock, SharedClock, SystemClock};
use crate::config::Config;
use crate::invocation::{Invoke, Invoker};
use crate::listener;
use crate::sandbox::compile::{Compiler, Limits as CompileLimits};
use crate::sandbox::{Host, HostError};
use crate::shutdown::{self, Ending, Phase, Shutdown};
use crate::storage::{self, Storage};
use crate::telemetry::logs::LogStore;
use crate::telemetry::metrics::Metrics;
use crate::triggers::http::{Router, Trigger};
use crate::wire::lambda::LambdaApi;
use crate::wire::server::Api;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How often idle environments are looked over.
const RETIRE_EVERY: Duration = Duration::from_secs(1);

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
    /// Signals, threads, the program's own path.
    #[error("the daemon could not be set up: {0}")]
    Io(#[from] std::io::Error),
}

/// A line for whoever started the daemon: where it listens, and that it is ready.
pub type Announce = dyn Fn(&str) + Send + Sync;

/// Runs the daemon until a signal has ended it. `announce` is told the addresses and then `ready`.
pub async fn run(config: Config, announce: &Announce) -> Result<Ending, ServeError> {
    let signals = shutdown::signals()?;
    raise_file_limit();
    let api_listener = bind("api", config.listen.api_addr).await?;
    let http_listener = bind("http", config.listen.http_addr).await?;
    let admin_listener = bind("admin", config.listen.admin_addr).await?;
    let addresses =
        [("api", &api_listener), ("http", &http_listener), ("admin", &admin_listener)].map(|(what, listener)| {
            let address = listener.local_addr().map_or_else(|_| "unknown".to_owned(), |address| address.to_string());
            format!("lamina: {what} http://{address}")
        });

    let data_dir = &config.storage.data_dir;
    create_private_dir(data_dir).map_err(|reason| ServeError::DataDir { path: data_dir.clone(), reason })?;
    let clock: SharedClock = Arc::new(SystemClock);
    let shutdown = Shutdown::new();
    let commit = option_env!("LAMINA_COMMIT").unwrap_or("unknown");
    let metrics = Arc::new(Metrics::new(&config.metrics, env!("CARGO_PKG_VERSION"), commit)?);
    let observer = observers::Commits(Arc::clone(&metrics));
    let storage = Storage::embedded(data_dir, config.storage.options(Some(Arc::new(observer))))?;
    let logs = LogStore::open(&data_dir.join("logs.db"), &config.logs, Arc::clone(&clock), &metrics.logs)?;
    let logs = Arc::new(logs);
    let compiler = Compiler::Process {
        program: std::env::current_exe()?,
        limits: CompileLimits {
            memory_mb: config.sandbox.compile_memory_mb,
            timeout: Duration::from_secs(config.sandbox.compile_timeout_s),
        },
    };
    let host = Host::start(config.sandbox.clone(), data_dir, compiler, Arc::clone(&clock))?;
    let parts = catalog::Parts {
        home: config.home(),
        storage: storage.clone(),
        host: Arc::clone(&host),
        metrics: Arc::clone(&metrics),
        clock: Arc::clone(&clock),
        log_limits: config.log_capture,
    };
    let catalog = Catalog::open(parts, &config.concurrency).await?;
    match catalog.collect_garbage().await {
        Ok(removed) if removed > 0 => tracing::info!(removed, "packages that nothing refers to were removed"),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "packages that nothing refers to could not be removed"),
    }
    let invoker: Arc<dyn Invoke> =
        Arc::new(Invoker::new(Arc::clone(&catalog), Arc::clone(&logs), Arc::clone(&clock), shutdown.clone()));

    observers::sample_on_scrape(&metrics, Arc::clone(&catalog), Arc::clone(&host));
    let stop = shutdown.token(Phase::Work);
    shutdown.spawn(Phase::Work, "provisioner", Provisioner::new(Arc::clone(&catalog)).run(stop.clone()));
    shutdown.spawn(Phase::Work, "idle-environments", retire_idle(host, Arc::clone(&clock), stop.clone()));
    let maintained = {
        let (logs, clock) = (Arc::clone(&logs), Arc::clone(&clock));
        async move {
            tokio::select! {
                () = stop.cancelled() => {}
                _ = logs.keep_maintained(clock, LOG_MAINTENANCE_EVERY) => {}
            }
        }
    };
    shutdown.spawn(Phase::Work, "log-maintenance", maintained);

    let router = Arc::new(Router::new(&config.routes)?);
    let trigger = Trigger {
        router,
        invoke: Arc::clone(&invoker),
        config: config.http.clone(),
        metrics: Arc::new(observers::Http(Arc::clone(&metrics))),
        clock: Arc::clone(&clock),
    };
    let intake = shutdown.token(Phase::Intake);
    let serving = trigger.serve(http_listener, intake.clone());
    shutdown.spawn(Phase::Intake, "http-trigger", async move { drop(serving.await) });
    let api = Arc::new(Api {
        lambda: LambdaApi { catalog, invoke: invoker, shutdown: shutdown.clone() },
        shutdown: shutdown.clone(),
    });
    let limits = listener::Limits::default();
    shutdown.spawn(Phase::Intake, "aws-api", api.serve(api_listener, limits, intake));
    let admin = admin::Admin::new(Arc::clone(&metrics), shutdown.clone());
    shutdown.spawn(Phase::Flush, "admin", admin.serve(admin_listener, shutdown.token(Phase::Flush)));

    addresses.iter().for_each(|line| announce(line));
    announce("lamina: ready");
    let ending = shutdown.run_until(signals, config.shutdown.limits()).await;
    if ending != Ending::Forced {
        logs.shutdown().await;
        storage.close().await?;
    }
    Ok(ending)
}

async fn bind(what: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|reason| ServeError::Bind { what, address, reason })
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

async fn retire_idle(host: Arc<Host>, clock: SharedClock, stop: tokio_util::sync::CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep(RETIRE_EVERY) => {}
        }
        host.retire_idle();
    }
}
