//! From a runtime's files to what environments start from: its first start, and native code of the module as it was left.
//!
//! Runs in a process of its own (`lamina compile-runtime`), under limits. Inputs and outputs are files of one directory.

use super::environment::{FRAME_LIMIT_BYTES, failure, pass};
use super::exports::{Bound, Exports};
use super::frame;
use super::linker;
use super::registry::{LIBRARY, MODULE};
use super::state::{Parts, RuntimeState};
use crate::clock::SharedClock;
use crate::sandbox::calls::filesystem::{TmpRoot, read_only};
use crate::sandbox::calls::outbound_http::OutboundClient;
use crate::sandbox::calls::preview1::{Mounts, monotonic_ns};
use crate::sandbox::compile::{Limits, bound_process};
use crate::sandbox::engine::{self, Family};
use crate::sandbox::failure::Failure;
use crate::sandbox::limits::GrowthBudget;
use crate::sandbox::memory_images::file::{self, Limit};
use crate::sandbox::memory_images::template::Template;
use crate::sandbox::shared::Shared;
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use wasmparser::ValType;
use wasmtime::{Engine, Instance, Module, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, Wizer};

/// The memory that its first start left.
pub(super) const MEMORY: &str = "memory";
/// The memory once the example is loaded, where there is one.
pub(super) const EXAMPLE_MEMORY: &str = "example-memory";
/// The example's package, and the argument of `rt_load` for it.
pub(super) const EXAMPLE_DIR: &str = "example";
/// See [`EXAMPLE_DIR`].
pub(super) const EXAMPLE_LOAD: &str = "example.json";
/// Native code of the module without it.
pub(super) const NATIVE: &str = "native.cwasm";
/// What else has to be known of it: a [`Facts`].
pub(super) const FACTS: &str = "facts.json";
/// What is shown at `/var/runtime`.
pub(super) const LIBRARY_DIR: &str = "lib";
/// What a runtime may come to unpacked, module and library each.
const UNPACKED_LIMIT_BYTES: u64 = 1 << 30;
/// Memory of a runtime's first start.
const MEMORY_MB: u32 = 1024;
/// What it may have in `/tmp`.
const TMP_MB: u32 = 64;

/// Why a runtime could not be built.
#[derive(Debug, thiserror::Error)]
enum BuildError {
    /// A file.
    #[error("{0}: {1}")]
    Io(&'static str, std::io::Error),
    /// The module.
    #[error("{0}")]
    Module(String),
    /// Its first start.
    #[error("{what} failed: {error}; it printed: {printed}")]
    Start {
        /// Which call.
        what: &'static str,
        /// How.
        error: String,
        /// The end of its log.
        printed: String,
    },
}

/// What is to be known of a runtime beside its files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Facts {
    /// SHA-256 of the module and its memory as the first start left them: images are made over just these.
    pub(super) sha256: [u8; 32],
    /// Why no images can be made, where that is so.
    pub(super) obstacle: Option<String>,
    /// Names the memory with the example loaded, where there is one.
    pub(super) example: Option<[u8; 32]>,
}

/// What the child answers: nothing, or why it failed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    /// In words.
    pub(super) failure: Option<String>,
}

/// The child's side: limits itself and builds the runtime in `dir`. Answers the process's exit code.
pub fn build_process(dir: &Path, limits: Limits) -> u8 {
    let built =
        bound_process(limits).map_err(|error| format!("limits cannot be set: {error}")).and_then(|()| build(dir));
    let failed = built.is_err();
    let written = serde_json::to_writer(std::io::stdout().lock(), &Answer { failure: built.err() });
    if written.is_err() { 2 } else { u8::from(failed) }
}

/// Builds the runtime whose files are in `dir`. Blocks.
pub(super) fn build(dir: &Path) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no threads: {error}"))?;
    runtime.block_on(build_in(dir)).map_err(|error| error.to_string())
}

async fn build_in(dir: &Path) -> Result<(), BuildError> {
    let module = gunzip(dir).map_err(|error| BuildError::Io(MODULE, error))?;
    unpack(dir).map_err(|error| BuildError::Io(LIBRARY, error))?;
    let broken = |error: wasmtime::Error| BuildError::Module(format!("{error:#}"));
    let mut wizer = Wizer::new();
    wizer.init_func("rt_init");
    let (level_1, example) = {
        let (context, instrumented) = wizer.instrument(&module).map_err(broken)?;
        let engine = engine::first_start().map_err(broken)?;
        let mut started = start(&engine, &instrumented, dir).await?;
        let level_1 = wizer.snapshot(&context, &mut started).await.map_err(broken)?;
        let example = if dir.join(EXAMPLE_LOAD).exists() { Some(started.load_example(dir).await?) } else { None };
        (level_1, example)
    };
    let engine = engine::compiler(Family::Runtime).map_err(broken)?;
    let template = Template::of(&level_1).map_err(|error| BuildError::Module(error.to_string()))?;
    drop(level_1);
    let native = Module::from_binary(&engine, &template.wasm).map_err(broken)?;
    Exports::find(&native).map_err(BuildError::Module)?;
    let native = native.serialize().map_err(broken)?;
    let sha256 = Sha256::new().chain_update(Sha256::digest(&template.wasm)).chain_update(&template.memory).finalize();
    let named = |memory: &Vec<u8>| Sha256::new().chain_update(sha256).chain_update(memory).finalize().into();
    let facts = Facts { sha256: sha256.into(), obstacle: template.obstacle, example: example.as_ref().map(named) };
    let facts = serde_json::to_vec(&facts).map_err(|error| BuildError::Io(FACTS, error.into()))?;
    std::fs::write(dir.join(FACTS), facts).map_err(|error| BuildError::Io(FACTS, error))?;
    let written = file::write(&dir.join(MEMORY), &template.memory, monotonic_ns(), None, Limit::BASE);
    written.map_err(|error| BuildError::Io(MEMORY, error))?;
    if let Some(memory) = example {
        let (path, initial_bytes) = (dir.join(EXAMPLE_MEMORY), template.memory.len());
        let written = file::write_grown(&path, &memory, initial_bytes, monotonic_ns(), None, Limit::BASE);
        written.map_err(|error| BuildError::Io(EXAMPLE_MEMORY, error))?;
    }
    std::fs::write(dir.join(NATIVE), native).map_err(|error| BuildError::Io(NATIVE, error))
}

/// The module, which may be text as well.
fn gunzip(dir: &Path) -> std::io::Result<Vec<u8>> {
    let mut module = Vec::new();
    GzDecoder::new(File::open(dir.join(MODULE))?).take(UNPACKED_LIMIT_BYTES).read_to_end(&mut module)?;
    wat::parse_bytes(&module).map(std::borrow::Cow::into_owned).map_err(std::io::Error::other)
}

/// Unpacks the library, where there is one. Names that leave its directory are an error of the archive's reader.
fn unpack(dir: &Path) -> std::io::Result<()> {
    let to = dir.join(LIBRARY_DIR);
    std::fs::create_dir(&to)?;
    let path = dir.join(LIBRARY);
    if path.exists() {
        let mut archive = tar::Archive::new(GzDecoder::new(File::open(path)?).take(UNPACKED_LIMIT_BYTES));
        archive.set_preserve_mtime(true);
        archive.unpack(&to)?;
    }
    Ok(())
}

/// A runtime after its first start.
struct Started {
    store: Store<RuntimeState>,
    instance: Instance,
    module: Module,
    shared: Shared,
}

/// Starts the runtime: `_initialize`, then `rt_init`.
async fn start(engine: &Engine, module: &[u8], dir: &Path) -> Result<Started, BuildError> {
    let broken = |error: wasmtime::Error| BuildError::Module(format!("{error:#}"));
    let module = Module::from_binary(engine, module).map_err(broken)?;
    let linker = linker::build(engine).map_err(broken)?;
    let shared = shared(&dir.join("first-start")).map_err(|error| BuildError::Io("first-start", error))?;
    let mut store = Store::new(engine, RuntimeState::new(parts(dir, false)?, &shared));
    store.limiter(|state| &mut state.limits);
    // Nothing ticks here.
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = linker.instantiate_async(&mut store, &module).await.map_err(broken)?;
    for name in ["_initialize", "rt_init"] {
        let function = match instance.get_typed_func::<(), ()>(&mut store, name) {
            Ok(function) => function,
            Err(_) if name == "_initialize" && instance.get_func(&mut store, name).is_none() => continue,
            Err(error) => return Err(BuildError::Module(format!("{name}: {error:#}"))),
        };
        if let Err(error) = function.call_async(&mut store, ()).await {
            return Err(failed(&store, name, error.root_cause()));
        }
    }
    Ok(Started { store, instance, module, shared })
}

/// What an instance reaches through the host.
///
/// - `has_example`: whether it sees the example's package at `/var/task`.
fn parts(dir: &Path, has_example: bool) -> Result<Parts, BuildError> {
    let open = |name: &'static str| File::open(dir.join(name)).map_err(|error| BuildError::Io(name, error));
    let task = if has_example { Some(read_only(open(EXAMPLE_DIR)?)) } else { None };
    Ok(Parts {
        memory_size_mb: MEMORY_MB,
        tmp_size_mb: TMP_MB,
        mounts: Mounts { opt: None, task, runtime: Some(read_only(open(LIBRARY_DIR)?)) },
        outbound: Arc::default(),
        log_limits: crate::telemetry::capture::Limits::default(),
    })
}

fn failed(store: &Store<RuntimeState>, what: &'static str, error: &dyn std::fmt::Display) -> BuildError {
    let lines = store.data().io().take_log();
    let last: Vec<String> =
        lines.iter().rev().take(20).map(|line| String::from_utf8_lossy(&line.text).into_owned()).collect();
    let printed = last.into_iter().rev().collect::<Vec<_>>().join(" / ");
    BuildError::Start { what, error: error.to_string(), printed }
}

impl Started {
    /// Loads the example and readies it for an image; answers what memory holds then.
    async fn load_example(&mut self, dir: &Path) -> Result<Vec<u8>, BuildError> {
        let exports = Exports::find(&self.module).map_err(BuildError::Module)?;
        let argument = std::fs::read(dir.join(EXAMPLE_LOAD)).map_err(|error| BuildError::Io(EXAMPLE_LOAD, error))?;
        // With a package, which the first start had none of.
        *self.store.data_mut() = RuntimeState::new(parts(dir, true)?, &self.shared);
        let bound = exports.bind(&mut self.store, &self.instance);
        let bound = bound.map_err(|error| BuildError::Module(format!("{error:#}")))?;
        let loaded = load_and_ready(&mut self.store, &bound, &argument).await;
        loaded.map_err(|failure| failed(&self.store, "the example", &format_args!("{failure:?}")))
    }
}

async fn load_and_ready(store: &mut Store<RuntimeState>, exports: &Bound, argument: &[u8]) -> Result<Vec<u8>, Failure> {
    let place = pass(store, exports, &[argument]).await?;
    let loaded = exports.load.call_async(&mut *store, place).await.map_err(|error| failure(store, &error))?;
    frame::read(exports.memory.data(&*store), loaded, FRAME_LIMIT_BYTES)?;
    let readied = exports.snapshot.call_async(&mut *store, ()).await.map_err(|error| failure(store, &error))?;
    let memory = exports.memory.data(&*store);
    frame::read(memory, readied, FRAME_LIMIT_BYTES)?;
    Ok(memory.to_vec())
}

fn shared(tmp: &Path) -> std::io::Result<Shared> {
    let clock: SharedClock = Arc::new(crate::clock::SystemClock);
    Ok(Shared {
        clock,
        budget: GrowthBudget::new(u64::MAX),
        tmp_root: TmpRoot::open(tmp).map_err(std::io::Error::other)?,
        outbound: Arc::new(OutboundClient::new(None, 1).map_err(std::io::Error::other)?),
        outbound_counters: Arc::default(),
    })
}

impl InstanceState for Started {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let global = self.instance.get_global(&mut self.store, name).map(|global| global.get(&mut self.store));
        match global {
            Some(Val::I32(value)) => SnapshotVal::I32(value),
            Some(Val::I64(value)) => SnapshotVal::I64(value),
            Some(Val::F32(bits)) => SnapshotVal::F32(bits),
            Some(Val::F64(bits)) => SnapshotVal::F64(bits),
            Some(Val::V128(value)) => SnapshotVal::V128(value.as_u128()),
            // The instrumented module exports its mutable globals, and those of other types were refused.
            _ => SnapshotVal::I32(0),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        let memory = self.instance.get_memory(&mut self.store, name);
        contents(memory.map_or(&[], |memory| memory.data(&self.store)));
    }
}
