//! Sandboxes: what a guest runs in.
//!
//! From a deployment package to a running guest, file by file: [`package`] finds the wasm ([`packing`] makes zips of directories), [`signature`] says who signed it, [`component`] makes and
//! recognises a component, [`compile`] does both and compiles, in a process of its own, [`loaded`] keeps native code on
//! disk and in memory, [`environment`] instantiates and calls it, [`pool`] keeps environments warm.
//! [`runtime`] has the interpreters that run functions' source code.
//! [`capacity`] and [`engine`] size what is reserved; [`limits`] and [`calls`] are what a guest meets.
//!
//! The sandbox knows no function names, no concurrency limits of functions and no AWS error names: those are the catalog's
//! and the invoker's.

mod artifact;
pub mod bindings;
pub mod calls;
pub mod capacity;
pub mod compile;
pub mod component;
pub mod compose;
pub mod engine;
pub mod environment;
pub mod extensions;
mod failure;
mod host;
pub mod layers;
pub mod limits;
pub mod linker;
pub mod loaded;
pub mod memory_images;
pub mod package;
pub mod packing;
pub mod pool;
pub mod runtime;
mod shared;
pub mod signature;
mod slots;
mod state;

pub use failure::{Failure, StartError};
pub use host::{Config, DeployError, Deployed, Host, HostError, SlotUse};
pub use state::GuestIo;
