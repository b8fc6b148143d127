//! `lamina compile`: the child's side of a compilation.

use crate::sandbox::compile::{Limits, compiler_process};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `compile`.
#[derive(Debug, clap::Args)]
pub struct Compile {
    /// The wasm to compile
    #[arg(long)]
    guest: PathBuf,
    /// Components to compose it with
    #[arg(long)]
    library: Vec<PathBuf>,
    /// Where the component goes
    #[arg(long)]
    component: PathBuf,
    /// Where native code goes
    #[arg(long)]
    native: PathBuf,
    /// Memory of this process
    #[arg(long)]
    memory_mb: u64,
    /// Time of this process
    #[arg(long)]
    timeout_s: u64,
}

impl Compile {
    pub(super) fn run(self) -> ExitCode {
        let limits = Limits { memory_mb: self.memory_mb, timeout: Duration::from_secs(self.timeout_s) };
        ExitCode::from(compiler_process(&self.guest, &self.library, &self.component, &self.native, limits))
    }
}
