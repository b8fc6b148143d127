//! What a guest may import, in one place.
//!
//! WASI 0.2 and, for concurrent guests, 0.3: clocks, random, stdio, environment, `/tmp`, outbound HTTP; and
//! `lamina:function/response-stream`. Sockets link,
//! because language runtimes import them, and refuse every address.

use super::bindings::response_stream;
use super::calls;
use super::engine::Family;
use super::state::State;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

/// The linker for guests of `family`.
pub fn build(engine: &Engine, family: Family) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    // The quota-bound filesystem and the shared environment take the place of wasmtime's own.
    linker.allow_shadowing(true);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    calls::environment::add_to_linker_p2(&mut linker, State::environment)?;
    calls::filesystem::add_to_linker_p2(&mut linker)?;
    response_stream::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| state)?;
    if family == Family::Concurrent {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
        calls::environment::add_to_linker_p3(&mut linker, State::environment)?;
        calls::filesystem::add_to_linker_p3(&mut linker)?;
    }
    linker.allow_shadowing(false);
    Ok(linker)
}
