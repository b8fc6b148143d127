//! Language runtimes: interpreters that run functions' source code (`docs/runtimes.md`).
//!
//! A runtime is one core module. [`registry`] knows those of this host, [`build`] starts one and keeps it as its first start left it, which
//! happens once a host, [`level1`] has that in memory, and an [`environment`] is an instance of it that has loaded one function. A published
//! version's function is loaded once, and its environments go on from there ([`snapshot`]).

mod arguments;
mod build;
mod environment;
mod exports;
mod frame;
mod level1;
mod linker;
mod manifest;
mod registry;
pub mod snapshot;
mod state;

pub use build::build_process;
pub use manifest::{Manifest, ManifestError};
pub use registry::{Config, Registry, RegistryError, Runtime};

pub(super) use arguments::Load;
pub(super) use environment::{NoImage, RuntimeEnvironment};
pub(super) use level1::{Level1, Runtimes};
pub(super) use state::Parts;

use super::layers::LayerSet;

/// What the environments of a function that a runtime interprets have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeSpec {
    /// The runtime's name.
    pub runtime: String,
    /// What is seen at `/var/task`.
    pub package: LayerSet,
    /// The function's `Handler`.
    pub handler: String,
    /// Whether it logs in JSON.
    pub json_log: bool,
    /// The least level of its own records.
    pub log_level: String,
    /// As Lambda has it: `on-demand` or `provisioned-concurrency`.
    pub initialization_type: &'static str,
}
