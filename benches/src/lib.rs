//! What the benches have in common: a daemon's parts in one process ([`world`]), the same component on bare wasmtime
//! ([`floor`]), and the guests they run ([`guests`]).
//!
//! Both sides run the same native code under the same engine configuration, in pools of the same size, under the same epoch
//! ticks and on the daemon's allocator; so a difference between them is Lamina's.

pub mod floor;
pub mod guests;
pub mod memory;
pub mod timing;
pub mod world;

/// The daemon's allocator, for every bench and program of this package.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
