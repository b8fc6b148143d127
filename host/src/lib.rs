//! Lamina: WebAssembly functions as a platform, behind the AWS wire APIs.
//!
//! The modules in the order a request meets them; each uses only what stands below it
//! (`tests/it/layers.rs` holds them to that):
//!
//! - [`wire`]: AWS protocols. A request becomes a call on the catalog, a queue or the invoker; only here do AWS error codes exist.
//! - [`triggers`]: HTTP routes, schedules and queues. Each turns the outside world into an invocation.
//! - [`invocation`]: the narrow waist. Everything that runs a function enters at [`invocation::Invoker::invoke`].
//! - [`catalog`]: functions, versions, aliases and weights, concurrency.
//! - [`sandbox`]: engine, pools, limits, compiled artifacts.
//! - [`storage`]: what is acknowledged is here, on disk.
//! - [`listener`]: HTTP connections for every port: limits, time-outs, draining.
//! - [`telemetry`]: metrics and function logs.
//! - [`cli`]: the `lamina` command line; but for `serve`, a client of the APIs like any other.
//! - [`reconcile`]: what the configuration declares becomes what is there.
//! - [`config`]: `config.toml`, environment and flags, checked before anything starts.
//! - [`bench_report`]: what `lamina bench` prints and draws; uses none of the above.
//! - [`ids`], [`clock`], [`shutdown`]: names, time, and the order of ending.

pub mod bench_report;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod ids;
pub mod invocation;
pub mod listener;
pub mod reconcile;
pub mod sandbox;
pub mod serve;
pub mod shutdown;
pub mod storage;
pub mod telemetry;
pub mod triggers;
pub mod wire;
