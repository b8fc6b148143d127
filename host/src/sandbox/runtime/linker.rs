//! What a runtime may import: WASI preview 1 and `lamina`, nothing else.

use super::state::RuntimeState;
use crate::sandbox::calls::{preview1, runtime_host};
use wasmtime::{Engine, Linker};

/// The linker of runtimes.
pub(super) fn build(engine: &Engine) -> wasmtime::Result<Linker<RuntimeState>> {
    let mut linker = Linker::new(engine);
    preview1::add_to_linker(&mut linker)?;
    runtime_host::add_to_linker(&mut linker)?;
    Ok(linker)
}
