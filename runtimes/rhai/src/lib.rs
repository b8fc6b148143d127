//! The scripting language Rhai as a runtime of Lamina's, by the contract of `docs/runtimes.md`.
//!
//! [`Runtime`] is the runtime without a border: it starts, loads a function, serves events, and takes a new environment's variables. The
//! exports that the host calls are in `abi.rs`, the host's functions in `host.rs`; both exist for WebAssembly only, so that everything
//! else is tested natively.

#[cfg(target_arch = "wasm32")]
mod abi;
mod failure;
mod frame;
#[cfg(target_arch = "wasm32")]
mod host;
#[cfg(not(target_arch = "wasm32"))]
#[path = "native.rs"]
mod host;
mod http;
mod json;
mod library;
mod modules;
mod record;
mod runtime;
mod session;
#[cfg(test)]
mod tests;

pub use frame::Frame;
pub use runtime::{Roots, Runtime};
