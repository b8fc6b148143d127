//! `cargo xtask …`: everything a person or CI does with this repository, in one program that needs only cargo.
//!
//! - `guests`: the guest toolchain, then every sample and test guest as wasm ([`guests`], [`toolchain`]).
//! - `run`: guests, host, and a daemon on the repository's `config.toml`, shown at work ([`run`]).
//! - `test`: sets up and runs every test; `.ci/run` calls it ([`test`]).
//! - `parity`: writes the tables of operations in `docs/aws-parity.md` from what the tests saw ([`parity`]).
//! - `runtimes`: the language runtimes from source, to `dist/` or to be compared with it ([`runtimes`]).
//! - `fuzz`: the fuzz targets, each for a bounded time ([`fuzz`]).
//! - `bench`: the criterion benches, memory while idle, and Lamina beside others over HTTP ([`bench`], [`compare`]).
//! - `instructions`: how many instructions an invocation takes, against a budget ([`instructions`]).
//!
//! What it installs goes through apt, rustup, cargo, pip and npm by package name, only where it is missing, and is named
//! before it happens. All else it writes lies under the target directory and `.lamina/`.

mod apt;
mod bench;
mod compare;
mod daemon;
mod fuzz;
mod guests;
mod http;
mod instructions;
mod parity;
mod python;
mod run;
mod runtimes;
mod steps;
mod test;
mod toolchain;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Builds, runs and tests Lamina")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set up the guest toolchain and build every guest to <target>/guests/<name>.wasm
    Guests(guests::Options),
    /// Build everything, start the daemon with the samples deployed and show them at work
    Run(run::Options),
    /// Set up and run every test
    Test(test::Options),
    /// Write the tables of operations in docs/aws-parity.md from what the tests saw
    Parity(parity::Options),
    /// Build the language runtimes from source
    Runtimes(runtimes::Options),
    /// Run the fuzz targets, each for a bounded time
    Fuzz(fuzz::Options),
    /// Run the criterion benches, measure memory while idle, and compare with others over HTTP
    Bench(Box<bench::Options>),
    /// Count the instructions of an invocation and hold them against their budget
    Instructions(instructions::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = workspace::Workspace::find().and_then(|workspace| match arguments.command {
        Command::Guests(options) => guests::build(&workspace, &options).map(|_| ()),
        Command::Run(options) => run::run(&workspace, &options),
        Command::Test(options) => test::run(&workspace, &options),
        Command::Parity(options) => parity::run(&workspace, &options),
        Command::Runtimes(options) => runtimes::run(&workspace, &options),
        Command::Fuzz(options) => fuzz::run(&workspace, &options),
        Command::Bench(options) => bench::run(&workspace, &options),
        Command::Instructions(options) => instructions::run(&workspace, &options),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
