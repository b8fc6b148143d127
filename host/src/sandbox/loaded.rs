//! Compiled guests: on disk by content hash and engine, in memory at first use, bounded and evicted least recently used first.
//!
//! A deployed function that nobody calls costs a file. Where the file is missing or was made for another engine
//! (a new version of Lamina), the guest is compiled again from its component.

use super::artifact;
use super::bindings::{EventFunctionIndices, FunctionExtensionIndices};
use super::capacity::MAPPINGS_PER_COMPONENT;
use super::compile::{Compilation, CompileError, Report, Role};
use super::engine::Family;
use super::slots::{Held, Mappings};
use super::state::State;
use lru::LruCache;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::OnceCell;
use wasmtime::Engine;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};
use wasmtime_wasi::p2::bindings::CommandIndices;
use wasmtime_wasi_http::p2::bindings::ProxyIndices;
use wasmtime_wasi_http::p3::bindings::ServiceIndices;

use crate::storage::functions::GuestKind;
use crate::turns::Turns;

/// The exports to call, by kind.
pub(super) enum Entry {
    Event(EventFunctionIndices),
    HttpP2(ProxyIndices),
    HttpP3(ServiceIndices),
    Command(CommandIndices),
    Extension(FunctionExtensionIndices),
}

/// A compiled guest in memory, linked and ready to instantiate.
pub struct Loaded {
    pub(super) pre: InstancePre<State>,
    pub(super) entry: Entry,
    pub(super) init: Option<ComponentExportIndex>,
    code_bytes: u64,
    _mappings: Held,
}

impl Loaded {
    /// The engine it runs on.
    pub fn engine(&self) -> &Engine {
        self.pre.engine()
    }

    fn new(component: &Component, linker: &Linker<State>, kind: GuestKind, mappings: Held) -> wasmtime::Result<Self> {
        let pre = linker.instantiate_pre(component)?;
        let entry = match kind {
            GuestKind::Event => Entry::Event(EventFunctionIndices::new(&pre)?),
            GuestKind::HttpP2 => Entry::HttpP2(ProxyIndices::new(&pre)?),
            GuestKind::HttpP3 => Entry::HttpP3(ServiceIndices::new(&pre)?),
            GuestKind::Command => Entry::Command(CommandIndices::new(&pre)?),
            GuestKind::Extension => Entry::Extension(FunctionExtensionIndices::new(&pre)?),
            GuestKind::Runtime => wasmtime::bail!("what a runtime interprets is no component"),
        };
        let range = component.image_range();
        let code_bytes = (range.end.addr() as u64).saturating_sub(range.start.addr() as u64);
        Ok(Self { pre, entry, init: component.get_export_index(None, "init"), code_bytes, _mappings: mappings })
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("code_bytes", &self.code_bytes).finish_non_exhaustive()
    }
}

/// Names a compiled guest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodeKey {
    /// SHA-256 of the component, lower-case hex.
    pub component_sha256: Arc<str>,
    /// How it is called.
    pub kind: GuestKind,
    /// The engine it runs on.
    pub family: Family,
}

/// Counters of the cache, for the metrics.
#[derive(Debug, Default)]
pub struct CacheCounters {
    /// Found in memory.
    pub hits: AtomicU64,
    /// Mapped from disk.
    pub misses: AtomicU64,
    /// Dropped to make room.
    pub evictions: AtomicU64,
    /// Compiled again because no file fitted.
    pub recompilations: AtomicU64,
    /// Bytes of code in memory.
    pub bytes: AtomicU64,
    /// Guests in memory.
    pub entries: AtomicU64,
}

/// An engine and its linker.
pub(super) struct Linked {
    pub(super) engine: Engine,
    pub(super) linker: Linker<State>,
    native_dir: PathBuf,
}

impl Linked {
    pub(super) fn new(engine: Engine, linker: Linker<State>, cache_dir: &Path) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let native_dir = cache_dir.join(format!("{:016x}", hasher.finish()));
        Self { engine, linker, native_dir }
    }
}

/// A guest that was compiled for the first time.
#[derive(Debug)]
pub struct Compiled {
    /// What it is.
    pub report: Report,
    /// SHA-256 of `component`, lower-case hex.
    pub component_sha256: String,
    /// The component, to be kept: native code can be made from it again.
    pub component: Vec<u8>,
}

/// Gives something up so that there is room for something else; answers whether there was anything to give up.
pub(super) type MakeRoom<'a> = dyn Fn() -> bool + Send + Sync + 'a;

/// All compiled guests of this host.
pub(super) struct Artifacts {
    plain: Linked,
    concurrent: Linked,
    work_dir: PathBuf,
    compilation: Compilation,
    limit_bytes: u64,
    mappings: Arc<Mappings>,
    loads: Arc<Turns>,
    memory: Mutex<LruCache<CodeKey, Arc<OnceCell<Arc<Loaded>>>>>,
    pub(super) counters: Arc<CacheCounters>,
}

impl Artifacts {
    /// A cache in `cache_dir`, keeping at most `limit_bytes` of native code in memory. Native code of other engines is deleted.
    pub(super) fn open(
        plain: Linked,
        concurrent: Linked,
        cache_dir: &Path,
        compilation: Compilation,
        limit_bytes: u64,
        mappings: Arc<Mappings>,
        loads: Arc<Turns>,
    ) -> io::Result<Self> {
        let work_dir = cache_dir.join("work");
        match std::fs::remove_dir_all(&work_dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for dir in [&work_dir, &plain.native_dir, &concurrent.native_dir] {
            std::fs::create_dir_all(dir)?;
        }
        for entry in std::fs::read_dir(cache_dir)? {
            let path = entry?.path();
            if ![&work_dir, &plain.native_dir, &concurrent.native_dir].contains(&&path) {
                std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path))?;
            }
        }
        Ok(Self {
            plain,
            concurrent,
            work_dir,
            compilation,
            limit_bytes,
            mappings,
            loads,
            memory: Mutex::new(LruCache::unbounded()),
            counters: Arc::default(),
        })
    }

    pub(super) fn linked(&self, family: Family) -> &Linked {
        match family {
            Family::Concurrent => &self.concurrent,
            // No component is of the family of runtimes.
            Family::Plain | Family::Runtime => &self.plain,
        }
    }

    fn native_path(&self, family: Family, sha256: &str) -> PathBuf {
        self.linked(family).native_dir.join(format!("{sha256}.cwasm"))
    }

    /// Compiles a guest, composed with what is in `libraries`, and keeps its native code.
    pub(super) async fn compile(
        &self,
        wasm: Vec<u8>,
        role: Role,
        libraries: &[PathBuf],
    ) -> Result<Compiled, CompileError> {
        let host = |error: io::Error| CompileError::Host(error.to_string());
        let job = tempfile::Builder::new().prefix("job-").tempdir_in(&self.work_dir).map_err(host)?;
        let (guest, component, native) =
            (job.path().join("guest.wasm"), job.path().join("component.wasm"), job.path().join("native.cwasm"));
        tokio::fs::write(&guest, wasm).await.map_err(host)?;
        let report = self.compilation.run(&guest, role, libraries, &component, &native).await?;
        let made = tokio::fs::read(&component).await.map_err(host)?;
        let component_sha256 = hex(&Sha256::digest(&made));
        let path = self.native_path(report.family, &component_sha256);
        let placed = tokio::task::spawn_blocking(move || place(&native, &path).map(|()| drop(job))).await;
        placed.map_err(|error| CompileError::Host(error.to_string()))?.map_err(host)?;
        Ok(Compiled { report, component_sha256, component: made })
    }

    /// Whether the guest is in memory, its native code mapped.
    pub(super) fn is_in_memory(&self, key: &CodeKey) -> bool {
        self.memory.lock().peek(key).is_some_and(|cell| cell.get().is_some())
    }

    /// Answers the guest, from memory, from disk, or compiled again from the component at `component_path`.
    ///
    /// - `make_room`: gives up something that has memory mappings, if there is anything, and answers whether there was.
    pub(super) async fn load(
        &self,
        key: &CodeKey,
        component_path: &Path,
        make_room: &MakeRoom<'_>,
    ) -> Result<Arc<Loaded>, CompileError> {
        let cell = {
            let mut memory = self.memory.lock();
            if let Some(cell) = memory.get(key) {
                if let Some(loaded) = cell.get() {
                    self.counters.hits.fetch_add(1, Ordering::Relaxed);
                    return Ok(Arc::clone(loaded));
                }
                Arc::clone(cell)
            } else {
                let cell = Arc::new(OnceCell::new());
                memory.put(key.clone(), Arc::clone(&cell));
                cell
            }
        };
        // Concurrent first calls wait for one load.
        let mut fresh = false;
        let loaded = cell
            .get_or_try_init(|| {
                fresh = true;
                // Boxed: most starts find the code in memory, and would carry room for a compilation.
                Box::pin(self.load_from_disk(key, component_path, make_room))
            })
            .await
            .cloned();
        match &loaded {
            Ok(loaded) if fresh => self.account(loaded),
            Ok(_) => {}
            Err(_) => self.forget_failed(key, &cell),
        }
        loaded
    }

    async fn load_from_disk(
        &self,
        key: &CodeKey,
        component_path: &Path,
        make_room: &MakeRoom<'_>,
    ) -> Result<Arc<Loaded>, CompileError> {
        self.counters.misses.fetch_add(1, Ordering::Relaxed);
        let path = self.native_path(key.family, &key.component_sha256);
        let host = |error: &dyn std::fmt::Display| CompileError::Host(error.to_string());
        if let Some(loaded) = self.load_native(key, path.clone(), make_room).await {
            return loaded.map_err(|error| host(&format_args!("{error:#}")));
        }
        self.counters.recompilations.fetch_add(1, Ordering::Relaxed);
        let wasm = tokio::fs::read(component_path).await.map_err(|error| host(&error))?;
        let compiled = self.compile(wasm, Role::of(key.kind), &[]).await?;
        if compiled.component_sha256 != *key.component_sha256 {
            return Err(CompileError::Host("a stored component is not what its name says".into()));
        }
        let loaded = self.load_native(key, path, make_room).await;
        let loaded = loaded.unwrap_or_else(|| Err(wasmtime::format_err!("what was compiled cannot be mapped")));
        loaded.map_err(|error| host(&format_args!("{error:#}")))
    }

    /// Loads native code in its turn, so that a crowd of first calls leaves the processors to others too; `None` where there is none that fits.
    async fn load_native(
        &self,
        key: &CodeKey,
        path: PathBuf,
        make_room: &MakeRoom<'_>,
    ) -> Option<wasmtime::Result<Arc<Loaded>>> {
        let _turn = self.loads.turn().await;
        let mappings = loop {
            match self.mappings.take(MAPPINGS_PER_COMPONENT) {
                Some(mappings) => break mappings,
                None if make_room() => {}
                None => return Some(Err(wasmtime::format_err!("no memory mappings are left (vm.max_map_count)"))),
            }
        };
        let component = self.map(key.family, path).await.ok()?;
        let linked = self.linked(key.family);
        Some(Loaded::new(&component, &linked.linker, key.kind, mappings).map(Arc::new))
    }

    /// Forgets a guest that no environment is made of, the longest unused one; answers whether there was one.
    pub(super) fn forget_unused(&self) -> bool {
        let mut memory = self.memory.lock();
        let is_unused = |cell: &Arc<OnceCell<Arc<Loaded>>>| {
            Arc::strong_count(cell) == 1 && cell.get().is_some_and(|loaded| Arc::strong_count(loaded) == 1)
        };
        let unused = memory.iter().rev().find(|(_, cell)| is_unused(cell)).map(|(key, _)| key.clone());
        let forgotten = unused.and_then(|key| memory.pop(&key));
        if let Some(loaded) = forgotten.as_ref().and_then(|cell| cell.get()) {
            self.account_evicted(loaded);
        }
        forgotten.is_some()
    }

    /// Deletes native code of components that are not in `kept`. A file that cannot be deleted is left for the next time.
    pub(super) async fn remove_others(&self, kept: &HashSet<String>) -> usize {
        let mut removed = 0;
        for dir in [&self.plain.native_dir, &self.concurrent.native_dir] {
            let Ok(mut entries) = tokio::fs::read_dir(dir).await else { continue };
            while let Ok(Some(entry)) = entries.next_entry().await {
                let path = entry.path();
                let is_kept = path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| kept.contains(stem));
                if !is_kept && tokio::fs::remove_file(&path).await.is_ok() {
                    removed += 1;
                }
            }
        }
        removed
    }

    async fn map(&self, family: Family, path: PathBuf) -> wasmtime::Result<Component> {
        let engine = self.linked(family).engine.clone();
        tokio::task::spawn_blocking(move || artifact::map(&engine, &path)).await.map_err(wasmtime::Error::new)?
    }

    /// Counts a new entry and evicts old ones until the bound holds again.
    fn account(&self, loaded: &Loaded) {
        self.counters.entries.fetch_add(1, Ordering::Relaxed);
        let mut bytes = self.counters.bytes.fetch_add(loaded.code_bytes, Ordering::Relaxed) + loaded.code_bytes;
        let mut memory = self.memory.lock();
        while bytes > self.limit_bytes && memory.len() > 1 {
            let Some((_, cell)) = memory.pop_lru() else { return };
            // A cell still loading counts itself when it is done.
            if let Some(evicted) = cell.get() {
                bytes = self.account_evicted(evicted);
            }
        }
    }

    /// Counts an entry that is gone from memory; answers the bytes that are left.
    fn account_evicted(&self, evicted: &Loaded) -> u64 {
        self.counters.evictions.fetch_add(1, Ordering::Relaxed);
        self.counters.entries.fetch_sub(1, Ordering::Relaxed);
        self.counters.bytes.fetch_sub(evicted.code_bytes, Ordering::Relaxed) - evicted.code_bytes
    }

    fn forget_failed(&self, key: &CodeKey, cell: &Arc<OnceCell<Arc<Loaded>>>) {
        let mut memory = self.memory.lock();
        if memory.peek(key).is_some_and(|held| Arc::ptr_eq(held, cell) && held.get().is_none()) {
            memory.pop(key);
        }
    }
}

/// Gives a finished file its name: synced, renamed, its directory synced.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::File::open(from)?.sync_all()?;
    std::fs::rename(from, to)?;
    match to.parent() {
        Some(dir) => std::fs::File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
