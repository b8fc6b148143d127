//! `lamina`: arguments, then the daemon or a command.

use anyhow::Context as _;
use lamina::cli::{self, Serve};
use lamina::config::Config;
use lamina::shutdown::Ending;
use lamina::telemetry::host_log;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(cli::parse().command, serve)
}

fn serve(serve: Serve) -> ExitCode {
    let config = match serve.configure() {
        Ok(Some(config)) => config,
        Ok(None) => return ExitCode::SUCCESS,
        Err(failure) => {
            say(&failure.to_string());
            return failure.exit_code();
        }
    };
    match run(config, serve) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("lamina: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config, serve: Serve) -> anyhow::Result<ExitCode> {
    host_log::init(&config.host_log)?;
    let runtime = runtime().context("no threads")?;
    let announce = |line: &str| {
        let mut out = std::io::stdout().lock();
        // A reader that went away is no reason to stop serving.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    };
    let ending = runtime.block_on(lamina::serve::run(config, Arc::new(move || serve.load()), &announce))?;
    // Blocking work that outlived the drain must not hold the process up.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(match ending {
        Ending::Drained => ExitCode::SUCCESS,
        Ending::Cut { .. } | Ending::Forced => ExitCode::FAILURE,
    })
}

/// Sockets that become ready are taken from the kernel, which keeps them in order, no more of them at a time than a worker's queue of 256 tasks has
/// room for; what does not fit there waits until the queue is empty, and that is never where it is filled again before
/// (`docs/decisions/0027-turns.md`).
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_io_events_per_tick(EVENTS_AT_ONCE)
        .event_interval(TASKS_BETWEEN_EVENTS)
        .build()
}

/// Sockets that are looked at together.
const EVENTS_AT_ONCE: usize = 128;

/// Tasks that run at most before sockets are looked at again: each event makes one ready, and again where it has to wait for a turn.
const TASKS_BETWEEN_EVENTS: u32 = 256;

fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
