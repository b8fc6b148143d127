//! Native code on disk, and how it gets into memory. The only `unsafe` of the host is here.

#![expect(unsafe_code, reason = "wasmtime cannot check native code; `map` states what makes it sound")]

use std::path::Path;
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

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

/// Maps a language runtime's native code.
///
/// # Soundness
/// As for [`map`]: files get into the directory of runtimes only by the rename of a directory that `lamina compile-runtime` filled
/// (`runtime/level1.rs`), and never change there.
pub(super) fn map_module(engine: &Engine, path: &Path) -> wasmtime::Result<Module> {
    // SAFETY: see above.
    unsafe { Module::deserialize_file(engine, path) }
}
