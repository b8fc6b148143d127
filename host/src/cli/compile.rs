//! `lamina compile` and `lamina compile-runtime`: the child's side of a compilation.

use crate::sandbox::compile::{Limits, Role, compiler_process};
use crate::sandbox::runtime::build_process;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `compile`.
#[derive(Debug, clap::Args)]
pub struct Compile {
    /// The wasm to compile
    #[arg(long)]
    guest: PathBuf,
    /// Whether it is an extension, and no function
    #[arg(long)]
    extension: bool,
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
        let role = if self.extension { Role::Extension } else { Role::Function };
        let limits = Limits { memory_mb: self.memory_mb, timeout: Duration::from_secs(self.timeout_s) };
        ExitCode::from(compiler_process(&self.guest, role, &self.library, &self.component, &self.native, limits))
    }
}

/// Arguments of `compile-runtime`.
#[derive(Debug, clap::Args)]
pub struct CompileRuntime {
    /// Where the runtime's files are, and what is made of them goes
    #[arg(long)]
    dir: PathBuf,
    /// Memory of this process
    #[arg(long)]
    memory_mb: u64,
    /// Time of this process
    #[arg(long)]
    timeout_s: u64,
}

impl CompileRuntime {
    pub(super) fn run(self) -> ExitCode {
        let limits = Limits { memory_mb: self.memory_mb, timeout: Duration::from_secs(self.timeout_s) };
        ExitCode::from(build_process(&self.dir, limits))
    }
}
