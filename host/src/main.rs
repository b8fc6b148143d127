//! `lamina`: arguments, configuration, and the daemon.

use clap::{Args, Parser, Subcommand};
use lamina::config::{Config, Overrides};
use lamina::sandbox::compile::{Limits, compiler_process};
use lamina::shutdown::Ending;
use lamina::telemetry::host_log;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "lamina", version, about = "Self-hosted serverless: WebAssembly functions behind the AWS wire APIs")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon.
    Serve(Serve),
    /// Compile a guest, under limits. The daemon calls this.
    #[command(hide = true)]
    Compile(Compile),
}

#[derive(Args)]
struct Serve {
    /// The configuration file.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Where everything is kept.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// Where the AWS APIs listen.
    #[arg(long)]
    api_addr: Option<SocketAddr>,
    /// Where function routes listen.
    #[arg(long)]
    http_addr: Option<SocketAddr>,
    /// Where metrics and health listen.
    #[arg(long)]
    admin_addr: Option<SocketAddr>,
}

#[derive(Args)]
struct Compile {
    #[arg(long)]
    guest: PathBuf,
    #[arg(long)]
    component: PathBuf,
    #[arg(long)]
    native: PathBuf,
    #[arg(long)]
    memory_mb: u64,
    #[arg(long)]
    timeout_s: u64,
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(serve) => match run(serve) {
            Ok(code) => code,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "lamina: {error:#}");
                ExitCode::from(2)
            }
        },
        Command::Compile(compile) => {
            let limits = Limits { memory_mb: compile.memory_mb, timeout: Duration::from_secs(compile.timeout_s) };
            ExitCode::from(compiler_process(&compile.guest, &compile.component, &compile.native, limits))
        }
    }
}

fn run(serve: Serve) -> anyhow::Result<ExitCode> {
    let Serve { config, data_dir, api_addr, http_addr, admin_addr } = serve;
    let overrides = Overrides { data_dir, api_addr, http_addr, admin_addr, ..Overrides::default() };
    let reload = move || Config::load(config.as_deref(), &overrides);
    let config = reload()?;
    host_log::init(&config.host_log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let announce = |line: &str| {
        let mut out = std::io::stdout().lock();
        // A reader that went away is no reason to stop serving.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    };
    let ending = runtime.block_on(lamina::serve::run(config, std::sync::Arc::new(reload), &announce))?;
    // Blocking work that outlived the drain must not hold the process up.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(match ending {
        Ending::Drained => ExitCode::SUCCESS,
        Ending::Cut { .. } | Ending::Forced => ExitCode::FAILURE,
    })
}
