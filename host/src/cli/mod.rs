//! The `lamina` command line: a file a subcommand.
//!
//! All but `serve`, `check`, `new`, `sign`, `completions`, `credentials` and `compile` talk to a running daemon through the AWS APIs, as any other client
//! would: there is no second management interface. Answers go to standard output, as a table for people or (`--output json`)
//! as JSON; progress, log tails and errors go to standard error. Exit codes: 0 done, 1 the function or the daemon
//! failed, 2 the call, a file or a configuration is wrong. An error says, where it can, what to do next.

mod alias;
mod api;
mod bench;
mod check;
mod compile;
mod completions;
mod credentials;
mod deploy;
mod events;
mod failure;
mod invoke;
mod layer;
mod list;
mod logs;
mod new;
mod output;
mod package;
mod progress;
mod publish;
mod rollback;
mod serve;
mod sign;
#[cfg(test)]
mod tests;

pub use failure::Failure;
pub use serve::Serve;

use api::Api;
use clap::{Args, Parser, Subcommand};
use output::{Format, Output};
use std::path::PathBuf;
use std::process::ExitCode;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "lamina",
    version,
    about = "lamina: self-hosted serverless; WebAssembly functions behind the AWS wire APIs",
    max_term_width = 110,
    after_help = "Start with: lamina serve, then lamina new hello, and lamina deploy hello hello.wasm"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon
    #[command(args_override_self = true)]
    Serve(Serve),
    /// Create a function, or give it new code or configuration
    Deploy(deploy::Deploy),
    /// Invoke a function and print its response
    Invoke(invoke::Invoke),
    /// List, inspect, redrive and purge events of asynchronous invocations
    Events(events::Events),
    /// Publish the code and configuration of a function as a new version
    Publish(publish::Publish),
    /// Create, change, delete and list aliases
    Alias(alias::Alias),
    /// List functions, or the versions and aliases of one
    List(list::List),
    /// Publish layers, and list them
    Layer(layer::Layer),
    /// Print a function's log
    Logs(logs::Logs),
    /// Point an alias back to an earlier version
    Rollback(rollback::Rollback),
    /// Sign a deployment package, or make a key to sign with
    Sign(sign::Sign),
    /// Write a function template in Rust
    New(new::New),
    /// Make, list and delete access keys of the AWS APIs
    Credentials(credentials::Credentials),
    /// Check a configuration or guests without starting anything
    Check(check::Check),
    /// Measure cold, warm, fresh and provisioned starts of a function side by side
    Bench(bench::Bench),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// Compile a guest, under limits; the daemon calls this
    #[command(hide = true)]
    Compile(compile::Compile),
    /// Start a language runtime and compile it, under limits; the daemon calls this
    #[command(hide = true)]
    CompileRuntime(compile::CompileRuntime),
}

/// Where the daemon is, and how to answer.
#[derive(Debug, Clone, Args)]
struct Remote {
    /// URL of the daemon's AWS APIs
    #[arg(long, env = "LAMINA_ENDPOINT", default_value = "http://127.0.0.1:4566", value_name = "URL")]
    endpoint: String,
    /// Certificate authorities (PEM) that an https endpoint's certificate may come from, beside the public ones
    #[arg(long, env = "LAMINA_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    #[command(flatten)]
    output: Answering,
}

/// How to answer.
#[derive(Debug, Clone, Copy, Args)]
struct Answering {
    /// How to print the answer
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

impl Remote {
    fn open(&self) -> Result<(Api, Output), Failure> {
        Ok((Api::new(&self.endpoint, self.ca_file.as_deref(), api::Signing::from_environment())?, self.output.open()))
    }
}

impl Answering {
    fn open(self) -> Output {
        Output::new(self.output)
    }
}

/// Reads the command line; a wrong one ends the process with 2, `--help` and `--version` with 0.
pub fn parse() -> Cli {
    Cli::parse()
}

/// Runs a subcommand. `serve` is the daemon, which is not this module's.
pub fn run(command: Command, serve: impl FnOnce(Serve) -> ExitCode) -> ExitCode {
    let ran = match command {
        Command::Serve(arguments) => return serve(arguments),
        Command::Compile(arguments) => return arguments.run(),
        Command::CompileRuntime(arguments) => return arguments.run(),
        Command::Completions(arguments) => arguments.run(),
        Command::New(arguments) => arguments.run(),
        Command::Sign(arguments) => arguments.run(),
        Command::Credentials(arguments) => arguments.run(),
        Command::Deploy(arguments) => blocking(arguments.run()),
        Command::Invoke(arguments) => blocking(arguments.run()),
        Command::Events(arguments) => blocking(arguments.run()),
        Command::Publish(arguments) => blocking(arguments.run()),
        Command::Alias(arguments) => blocking(arguments.run()),
        Command::List(arguments) => blocking(arguments.run()),
        Command::Layer(arguments) => blocking(arguments.run()),
        Command::Logs(arguments) => blocking(arguments.run()),
        Command::Rollback(arguments) => blocking(arguments.run()),
        Command::Check(arguments) => blocking(arguments.run()),
        Command::Bench(arguments) => blocking(arguments.run()),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::note(&failure.to_string());
            failure.exit_code()
        }
    }
}

fn blocking(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::local(format!("no threads can be started: {error}")))?.block_on(work)
}
