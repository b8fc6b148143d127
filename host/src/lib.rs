//! Lamina: WebAssembly functions as a platform, behind the AWS wire APIs.
//!
//! The modules, first those that a request meets, in that order. Which may use which is in `tests/it/layers.rs`, and held to there:
//!
//! - [`listener`]: HTTP connections for every port: limits, time-outs, draining.
//! - [`wire`]: AWS protocols. A request becomes a call on the catalog, a queue or the invoker; only here do AWS error codes exist.
//! - [`credentials`]: access keys and policies: who calls, and what they may do.
//! - [`triggers`]: HTTP routes, schedules and queues. Each turns the outside world into an invocation.
//! - [`invocation`]: the narrow waist. Everything that runs a function enters at [`invocation::Invoker::invoke`].
//! - [`catalog`]: functions, versions, aliases and weights, concurrency.
//! - [`images`]: code out of OCI registries and layouts, pulled when it is deployed.
//! - [`sandbox`]: engine, pools, limits, compiled artifacts.
//! - [`storage`]: what is acknowledged is here, on disk.
//! - [`telemetry`]: metrics, function logs and the daemon's own log.
//!
//! Around them:
//!
//! - [`serve`]: the daemon, put together from the others.
//! - [`config`]: `config.toml`, environment and flags, checked before anything starts.
//! - [`reconcile`]: what the configuration declares becomes what is there.
//! - [`cli`]: the `lamina` command line; but for `serve`, `check`, `new`, `completions` and `compile`, a client of the APIs like any other.
//! - [`bench_report`]: what `lamina bench` prints and draws; uses none of the others.
//! - [`ids`], [`clock`], [`shutdown`]: names, time, and the order of ending.

pub mod bench_report;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod ids;
pub mod images;
pub mod invocation;
pub mod listener;
pub mod reconcile;
pub mod sandbox;
pub mod serve;
pub mod shutdown;
pub mod storage;
pub mod telemetry;
pub mod triggers;
pub mod turns;
pub mod wire;
