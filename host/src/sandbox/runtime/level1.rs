//! Runtimes as their first start left them (level 1): made once a host, mapped at first use, shared by all functions.
//!
//! What is made of a runtime is in a directory that is named after the runtime's files, the engine and the format of images. It is filled
//! beside its place, synced and renamed, so that it is there whole or not at all, and nothing writes to it after that.
//!
//! Assumption: one daemon at a time uses the directory of all of them.

use super::arguments;
use super::build::{
    self, Answer, EXAMPLE_DIR, EXAMPLE_LOAD, EXAMPLE_MEMORY, FACTS, Facts, LIBRARY_DIR, MEMORY, NATIVE,
};
use super::exports::{Bound, Exports};
use super::linker;
use super::manifest::Example;
use super::registry::{LIBRARY, MODULE, Registry, Runtime};
use super::state::RuntimeState;
use crate::sandbox::artifact;
use crate::sandbox::calls::filesystem::read_only;
use crate::sandbox::calls::preview1::keep_past;
use crate::sandbox::compile::{CompileError, Compiler, Limits};
use crate::sandbox::loaded::hex;
use crate::sandbox::memory_images::file::{self, Base, Image};
use crate::sandbox::memory_images::instance::{self, Globals};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};
use wasmtime::{Engine, InstancePre, Linker, Store};
use wasmtime_wasi::filesystem::Dir;

/// Starts the name of a directory that is being made or removed.
const UNFINISHED: &str = ".unfinished-";

/// What building a runtime may take: it is compiled twice, and a machine may have other work.
const BUILD_LIMITS: Limits = Limits { memory_mb: 4096, timeout: Duration::from_secs(600) };

/// A runtime in memory.
pub(in crate::sandbox) struct Level1 {
    pre: InstancePre<RuntimeState>,
    exports: Exports,
    library: Dir,
    memory: Image,
    base: Base,
    obstacle: Option<String>,
}

impl Level1 {
    /// The engine it runs on.
    pub(super) fn engine(&self) -> &Engine {
        self.pre.module().engine()
    }

    /// What is shown at `/var/runtime`.
    pub(super) fn library(&self) -> Dir {
        self.library.clone()
    }

    /// What its memory held after its first start.
    pub(super) fn memory(&self) -> &Image {
        &self.memory
    }

    /// What images are compared with: its memory with the example loaded, where it has one.
    pub(super) fn base(&self) -> &Base {
        &self.base
    }

    /// Why instances cannot go on from images, where that is so.
    pub(super) fn obstacle(&self) -> Option<&str> {
        self.obstacle.as_deref()
    }

    /// A new instance that goes on from `image`.
    pub(super) async fn instantiate(
        &self,
        store: &mut Store<RuntimeState>,
        image: &Image,
    ) -> wasmtime::Result<(Bound, Globals)> {
        keep_past(image.monotonic_ns);
        let instance = instance::instantiate(&self.pre, store, &image.content).await?;
        let bound = self.exports.bind(store, &instance)?;
        let globals = bound.globals(store);
        Ok((bound, globals))
    }
}

/// All runtimes of this host.
pub(in crate::sandbox) struct Runtimes {
    registry: Registry,
    dir: PathBuf,
    engine: Engine,
    linker: Linker<RuntimeState>,
    engine_hash: String,
    compiler: Compiler,
    /// One is built at a time: each takes all processors.
    building: Semaphore,
    loaded: Mutex<HashMap<String, Arc<OnceCell<Arc<Level1>>>>>,
}

impl Runtimes {
    /// Opens or creates `dir`. What a crash left half-made goes, and what was made for other engines or of other runtimes.
    pub(in crate::sandbox) fn open(
        registry: Registry,
        dir: PathBuf,
        engine: Engine,
        compiler: Compiler,
    ) -> io::Result<Self> {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let engine_hash = format!("{:016x}", hasher.finish());
        std::fs::create_dir_all(&dir)?;
        let kept: Vec<String> = registry.runtimes().map(|runtime| directory_name(runtime, &engine_hash)).collect();
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            if !kept.iter().any(|name| entry.file_name() == name.as_str()) {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        let linker = linker::build(&engine).map_err(io::Error::other)?;
        Ok(Self {
            registry,
            dir,
            engine,
            linker,
            engine_hash,
            compiler,
            building: Semaphore::new(1),
            loaded: Mutex::default(),
        })
    }

    /// The runtimes there are.
    pub(in crate::sandbox) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The engine they run on.
    pub(in crate::sandbox) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The runtime of this name, built where it is not, which takes seconds.
    pub(in crate::sandbox) async fn get(&self, name: &str) -> Result<Arc<Level1>, CompileError> {
        let cell = Arc::clone(self.loaded.lock().entry(name.to_owned()).or_default());
        if let Some(loaded) = cell.get() {
            return Ok(Arc::clone(loaded));
        }
        // Whoever comes while it is built waits for the same; where its builder goes away, the next one builds.
        cell.get_or_try_init(|| self.load(name)).await.cloned()
    }

    async fn load(&self, name: &str) -> Result<Arc<Level1>, CompileError> {
        let Some(runtime) = self.registry.get(name) else {
            return Err(CompileError::Host(format!("the runtime {name} is not installed")));
        };
        let path = self.dir.join(directory_name(runtime, &self.engine_hash));
        if !path.exists() {
            self.build(runtime, &path).await?;
        }
        let (engine, linker) = (self.engine.clone(), self.linker.clone());
        let mapped = tokio::task::spawn_blocking(move || {
            let module = artifact::map_module(&engine, &path.join(NATIVE)).map_err(|error| format!("{error:#}"))?;
            let exports = Exports::find(&module)?;
            let pre = linker.instantiate_pre(&module).map_err(|error| format!("{error:#}"))?;
            let library = File::open(path.join(LIBRARY_DIR)).map_err(|error| error.to_string())?;
            let facts = std::fs::read(path.join(FACTS)).map_err(|error| error.to_string())?;
            let facts: Facts = serde_json::from_slice(&facts).map_err(|error| error.to_string())?;
            let memory = |name| file::open(&path.join(name), None).map_err(|error| error.to_string());
            let first = memory(MEMORY)?;
            let (id, image) = match facts.example {
                Some(id) => (id, memory(EXAMPLE_MEMORY)?),
                None => (facts.sha256, first.clone()),
            };
            let (library, base, obstacle) = (read_only(library), Base::new(id, image), facts.obstacle);
            Ok(Arc::new(Level1 { pre, exports, library, memory: first, base, obstacle }))
        });
        let failed = |error: String| CompileError::Host(format!("the runtime {name} cannot be used: {error}"));
        mapped.await.map_err(|error| failed(error.to_string()))?.map_err(failed)
    }

    async fn build(&self, runtime: &Arc<Runtime>, to: &Path) -> Result<(), CompileError> {
        let name = &runtime.manifest.name;
        let host = |error: io::Error| CompileError::Host(format!("the runtime {name} cannot be built: {error}"));
        let _permit = self.building.acquire().await.map_err(|error| CompileError::Host(error.to_string()))?;
        let started = std::time::Instant::now();
        tracing::info!(runtime = name, version = runtime.manifest.version, "a language runtime is being built");
        let made = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&self.dir).map_err(host)?;
        let (files, dir) = (Arc::clone(runtime), made.path().to_owned());
        let written = tokio::task::spawn_blocking(move || write_files(&files, &dir)).await;
        written.map_err(|error| host(io::Error::other(error)))?.map_err(host)?;
        let failure = match &self.compiler {
            Compiler::InProcess => {
                let dir = made.path().to_owned();
                let built = tokio::task::spawn_blocking(move || build::build(&dir)).await;
                built.map_err(|error| host(io::Error::other(error)))?.err()
            }
            Compiler::Process { program, .. } => in_process(program, made.path()).await.map_err(host)?.failure,
        };
        if let Some(failure) = failure {
            return Err(CompileError::Host(format!("the runtime {name} cannot be built: {failure}")));
        }
        let (root, to) = (self.dir.clone(), to.to_owned());
        let placed = tokio::task::spawn_blocking(move || place(made, &root, &to)).await;
        placed.map_err(|error| host(io::Error::other(error)))?.map_err(host)?;
        tracing::info!(runtime = name, seconds = started.elapsed().as_secs(), "a language runtime was built");
        Ok(())
    }
}

fn directory_name(runtime: &Runtime, engine_hash: &str) -> String {
    let name = format!("{}-{engine_hash}-{}", runtime.sha256, file::FORMAT);
    let Some(Example { file, text }) = &runtime.manifest.example else { return name };
    let example = Sha256::new().chain_update(Sha256::digest(file)).chain_update(text).finalize();
    format!("{name}-{}", hex(example.first_chunk::<8>().map_or(&[][..], |first| first)))
}

fn write_files(runtime: &Runtime, dir: &Path) -> io::Result<()> {
    let (module, library) =
        (runtime.module.read()?, runtime.library.as_ref().map(|library| library.read()).transpose()?);
    if !runtime.is_of(&module, library.as_deref()) {
        return Err(io::Error::other("its files are no longer those it was entered with"));
    }
    std::fs::write(dir.join(MODULE), module)?;
    if let Some(library) = library {
        std::fs::write(dir.join(LIBRARY), library)?;
    }
    let Some(Example { file, text }) = &runtime.manifest.example else { return Ok(()) };
    std::fs::create_dir(dir.join(EXAMPLE_DIR))?;
    std::fs::write(dir.join(EXAMPLE_DIR).join(file), text)?;
    std::fs::write(dir.join(EXAMPLE_LOAD), arguments::example(&runtime.manifest.handler_default)?)
}

/// Gives a finished directory its name: what is not needed any more removed, synced, renamed.
fn place(made: tempfile::TempDir, root: &Path, to: &Path) -> io::Result<()> {
    let is_error = |error: &io::Error| error.kind() != io::ErrorKind::NotFound;
    let removed = [MODULE, LIBRARY, EXAMPLE_LOAD].map(|file| std::fs::remove_file(made.path().join(file)));
    let removed = removed.into_iter().chain([std::fs::remove_dir_all(made.path().join(EXAMPLE_DIR))]);
    removed.filter_map(Result::err).find(is_error).map_or(Ok(()), Err)?;
    // One call for what may be thousands of files.
    rustix::fs::syncfs(File::open(made.path())?).map_err(io::Error::from)?;
    std::fs::rename(made.keep(), to)?;
    File::open(root)?.sync_all()
}

/// Builds in `<program> compile-runtime`, a process of its own.
async fn in_process(program: &Path, dir: &Path) -> io::Result<Answer> {
    let child = tokio::process::Command::new(program)
        .arg("compile-runtime")
        .arg("--dir")
        .arg(dir)
        .arg("--memory-mb")
        .arg(BUILD_LIMITS.memory_mb.to_string())
        .arg("--timeout-s")
        .arg(BUILD_LIMITS.timeout.as_secs().to_string())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = match tokio::time::timeout(BUILD_LIMITS.timeout, child.wait_with_output()).await {
        Ok(output) => output?,
        Err(_) => return Ok(Answer { failure: Some(format!("not within {} s", BUILD_LIMITS.timeout.as_secs())) }),
    };
    serde_json::from_slice(&output.stdout).or_else(|_| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last: String = stderr.lines().last().unwrap_or_default().chars().take(200).collect();
        Ok(Answer { failure: Some(format!("its process ended with {} {last}", output.status).trim_end().to_owned()) })
    })
}
