//! Native code on disk, and how it gets into memory. The only `unsafe` of the host is here.

#![expect(unsafe_code, reason = "wasmtime cannot check native code; `map` states what makes it sound")]

use std::path::Path;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Maps native code made by [`super::compile`] for an engine of the same family and configuration.
///
/// # Soundness
/// wasmtime trusts the code in `path`. That holds because the path lies in the data directory, which only this user may
/// write, and because files appear there in one way: written by `lamina compile` under a temporary name, synced, and
/// renamed (`loaded.rs`), so that a half-written file never has this name. wasmtime itself refuses files of another
/// version, target or configuration. The file is never changed in place after it got its name.
pub(super) fn map(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: see above; whoever can write the data directory can already make the daemon do anything.
    unsafe { Component::deserialize_file(engine, path) }
}
