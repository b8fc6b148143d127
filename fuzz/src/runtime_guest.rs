//! A core guest that calls whatever language runtimes may import, with whatever arguments the input has.

use lamina::sandbox::calls::filesystem::{TmpDir, TmpRoot, read_only};
use lamina::sandbox::calls::outbound_http::{AllowList, OutboundClient, OutboundCounters, OutboundHttp};
use lamina::sandbox::calls::output::{BoundedOutput, OutputSink};
use lamina::sandbox::calls::preview1::{self, Mounts, Preview1, Preview1Access};
use lamina::sandbox::calls::response_stream::StreamSink;
use lamina::sandbox::calls::runtime_host::{self, Requests, RuntimeHostAccess, RuntimeHostView};
use std::fmt::Write as _;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use wasmtime::{Config, Engine, Linker, Module, Store, Val, ValType};

/// The guest's memory.
const MEMORY_BYTES: u32 = 128 * 1024;

/// Calls of one input.
const MOST_CALLS: usize = 64;

/// The longest an input may take: a guest that sleeps would sleep for ever.
const PATIENCE: Duration = Duration::from_millis(50);

/// What is read of the package, and has to stay so.
const PACKAGED: &[u8] = b"0123456789";

/// What the other guest's memory holds, and has to keep.
const KEPT: u8 = 0xa5;

/// Where a guest's memory has something that looks like an argument: a path, a list of buffers.
const ARGUMENTS: &[(usize, &[u8])] = &[
    (0x100, b"a"),
    (0x110, b"f"),
    (0x120, b"sub/../../x"),
    (0x130, b"/etc/passwd"),
    (0x140, b"link"),
    (0x200, b"\x00\x10\x00\x00\x40\x00\x00\x00\x00\x20\x00\x00\x00\x01\x00\x00"),
];

struct Data {
    preview1: Preview1,
    log: Arc<BoundedOutput>,
    stream: StreamSink,
    requests: Requests,
}

impl Preview1Access for Data {
    fn preview1(&mut self) -> &mut Preview1 {
        &mut self.preview1
    }
}

impl RuntimeHostAccess for Data {
    fn runtime_host(&mut self) -> RuntimeHostView<'_> {
        RuntimeHostView { log: &*self.log as &dyn OutputSink, stream: &mut self.stream, requests: &mut self.requests }
    }
}

/// What guests of all inputs share.
pub struct Guests {
    runtime: Runtime,
    linker: Linker<Data>,
    module: Module,
    /// The functions' names and parameters.
    functions: Vec<(String, Vec<ValType>)>,
    client: Arc<OutboundClient>,
    root: Arc<TmpRoot>,
    package: TempDir,
    _tmp: TempDir,
}

impl Guests {
    /// A module that passes its calls on to every function there is to import.
    ///
    /// # Errors
    /// What kept it from being made.
    pub fn new() -> wasmtime::Result<Self> {
        let engine = Engine::new(&Config::new())?;
        let mut linker = Linker::new(&engine);
        preview1::add_to_linker(&mut linker)?;
        runtime_host::add_to_linker(&mut linker)?;
        let client = Arc::new(OutboundClient::new(None, 16)?);
        let (package, tmp) = (tempfile::tempdir()?, tempfile::tempdir()?);
        std::fs::write(package.path().join("a"), PACKAGED)?;
        std::os::unix::fs::symlink("/etc/passwd", package.path().join("link"))?;
        let root = TmpRoot::open(tmp.path())?;
        let mut store = Store::new(&engine, data(&package, &root, &client)?);
        let (mut imports, mut wrappers, mut functions) = (String::new(), String::new(), Vec::new());
        let found: Vec<_> = linker.iter(&mut store).map(|(m, n, e)| (m.to_owned(), n.to_owned(), e)).collect();
        for (number, (module, name, function)) in found.into_iter().enumerate() {
            let Some(function) = function.into_func() else { continue };
            let ty = function.ty(&store);
            let list = |types: Vec<ValType>| types.iter().map(|ty| format!(" {ty}")).collect::<String>();
            let text = format!("(param{}) (result{})", list(ty.params().collect()), list(ty.results().collect()));
            let gets: String = (0..ty.params().len()).map(|n| format!(" (local.get {n})")).collect();
            write!(imports, "(import \"{module}\" \"{name}\" (func $f{number} {text}))")?;
            write!(wrappers, "(func (export \"{name}\") {text} (call $f{number}{gets}))")?;
            functions.push((name, ty.params().collect()));
        }
        // Always in the same order, so that an input means the same each time.
        functions.sort_by(|a, b| a.0.cmp(&b.0));
        let pages = MEMORY_BYTES / 65536;
        let text = format!("(module {imports} (memory (export \"memory\") {pages} {pages}) {wrappers})");
        let module = Module::new(&engine, text)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, linker, module, functions, client, root, package, _tmp: tmp })
    }

    /// Makes the calls that `input` says, of a fresh guest.
    ///
    /// # Errors
    /// The guest could not be made; what a call answers is no error here.
    ///
    /// # Panics
    /// The host did what no guest may make it do.
    pub fn run(&self, input: &[u8]) -> wasmtime::Result<()> {
        let data = data(&self.package, &self.root, &self.client)?;
        self.runtime.block_on(async {
            let mut store = Store::new(self.linker.engine(), data);
            let other = self.linker.instantiate_async(&mut store, &self.module).await?;
            let guest = self.linker.instantiate_async(&mut store, &self.module).await?;
            let memory = |store: &mut Store<Data>, instance: wasmtime::Instance| {
                instance.get_memory(store, "memory").ok_or_else(|| wasmtime::Error::msg("no memory"))
            };
            let (kept, own) = (memory(&mut store, other)?, memory(&mut store, guest)?);
            kept.data_mut(&mut store).fill(KEPT);
            for (at, bytes) in ARGUMENTS {
                own.write(&mut store, *at, bytes)?;
            }
            own.write(&mut store, 0x400, input.get(..0x800).unwrap_or(input))?;
            let calls = self.calls(&mut store, guest, input);
            // Whether it ends by itself or not is the guest's affair.
            let _ = tokio::time::timeout(PATIENCE, calls).await;
            assert!(kept.data(&store).iter().all(|byte| *byte == KEPT), "another guest's memory was written to");
            Ok::<(), wasmtime::Error>(())
        })?;
        assert_eq!(std::fs::read(self.package.path().join("a"))?, PACKAGED, "the package was written to");
        assert_eq!(std::fs::read_dir(self.package.path())?.count(), 2, "the package was written to");
        Ok(())
    }

    async fn calls(&self, store: &mut Store<Data>, guest: wasmtime::Instance, input: &[u8]) -> wasmtime::Result<()> {
        let mut input = input.iter().copied();
        for _ in 0..MOST_CALLS {
            let Some(number) = input.next() else { return Ok(()) };
            let Some((name, parameters)) = self.functions.get(usize::from(number) % self.functions.len().max(1)) else {
                return Ok(());
            };
            let arguments: Vec<Val> = parameters
                .iter()
                .map(|ty| {
                    let value = argument(&mut input);
                    if ty.is_i64() { Val::I64(value) } else { Val::I32(i32::from_le_bytes(low(value))) }
                })
                .collect();
            let Some(function) = guest.get_func(&mut *store, name) else { return Ok(()) };
            let mut results = vec![Val::I32(0); function.ty(&*store).results().len()];
            // A trap ends a guest.
            function.call_async(&mut *store, &arguments, &mut results).await?;
        }
        Ok(())
    }
}

fn data(package: &TempDir, root: &Arc<TmpRoot>, client: &Arc<OutboundClient>) -> wasmtime::Result<Data> {
    let log = Arc::new(BoundedOutput::new(4096));
    let task = Some(read_only(File::open(package.path())?));
    let tmp = TmpDir::new(Arc::clone(root), 64 * 1024);
    // No host is allowed: nothing leaves this machine, or reaches it.
    let allow = Arc::new(AllowList::parse(std::iter::empty::<&str>())?);
    let outbound = OutboundHttp::new(Arc::clone(client), allow, Arc::<OutboundCounters>::default());
    Ok(Data {
        preview1: Preview1::new(Mounts { task, ..Mounts::default() }, tmp, log.clone()),
        log,
        stream: StreamSink::gather(4096),
        requests: Requests::new(outbound, 4096),
    })
}

/// A number: small ones as they are, others whole, or near where memory and numbers end.
fn argument(input: &mut impl Iterator<Item = u8>) -> i64 {
    let mut next = || input.next().unwrap_or(0);
    match next() {
        small @ 0..=191 => i64::from(small),
        page @ 192..=223 => i64::from(page - 191) << 8,
        224..=231 => i64::from(u32::from_le_bytes([next(), next(), next(), next()])),
        232..=235 => i64::from_le_bytes([next(), next(), next(), next(), next(), next(), next(), next()]),
        236..=243 => i64::from(MEMORY_BYTES) - i64::from(next()),
        244..=249 => -i64::from(next()),
        250 => i64::MAX,
        251 => i64::MIN,
        252 => i64::from(i32::MAX),
        253 => i64::from(i32::MIN),
        _ => i64::from(MEMORY_BYTES) + i64::from(next()),
    }
}

fn low(value: i64) -> [u8; 4] {
    let [a, b, c, d, ..] = value.to_le_bytes();
    [a, b, c, d]
}
