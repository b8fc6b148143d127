//! What a store holds: everything a guest can reach through the host, and its limits.

use super::calls::environment::GuestEnvironment;
use super::calls::filesystem::{FilesystemAccess, FilesystemView, TmpDir};
use super::calls::outbound_http::OutboundHttp;
use super::calls::output::{BoundedOutput, Input, Output, OutputSink};
use super::calls::response_stream::StreamSink;
use super::limits::MemoryLimits;
use super::pool::Spec;
use super::shared::Shared;
use crate::clock::SharedClock;
use crate::storage::functions::GuestKind;
use crate::telemetry::capture::{CapturedLine, Limits as LogLimits, LogCapture};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::Dir;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Handles a guest may hold at once; a guest that takes more without giving any back is trapped.
const HANDLES: usize = 16_384;

/// The most a command may answer (Lambda quota of a buffered response: 6 MB).
pub(super) const RESPONSE_LIMIT_BYTES: usize = 6 * 1024 * 1024;

/// The environment's log: whatever the guest prints between two invocations' ends.
struct LogSink {
    capture: Mutex<LogCapture>,
    clock: SharedClock,
}

impl OutputSink for LogSink {
    fn write(&self, bytes: &[u8]) {
        self.capture.lock().push(bytes, self.clock.now_ms());
    }

    fn record(&self, bytes: &[u8]) {
        self.capture.lock().push_record(bytes, self.clock.now_ms());
    }
}

/// Standard streams of one environment.
pub struct GuestIo {
    log: Arc<LogSink>,
    /// A command's stdout, which is its response; other guests print to the log.
    response: Option<Arc<BoundedOutput>>,
    stdin: Input,
}

impl GuestIo {
    pub(super) fn new(kind: GuestKind, log_limits: LogLimits, clock: SharedClock) -> Self {
        Self {
            log: Arc::new(LogSink { capture: Mutex::new(LogCapture::new(log_limits)), clock }),
            response: (kind == GuestKind::Command).then(|| Arc::new(BoundedOutput::new(RESPONSE_LIMIT_BYTES))),
            stdin: Input::default(),
        }
    }

    fn stdout(&self) -> Output {
        match &self.response {
            Some(response) => Output::new(Arc::clone(response) as Arc<dyn OutputSink>),
            None => self.stderr(),
        }
    }

    /// What takes what is printed and splits it into lines.
    pub(super) fn log(&self) -> Arc<dyn OutputSink> {
        Arc::clone(&self.log) as Arc<dyn OutputSink>
    }

    /// The same, borrowed.
    pub(super) fn log_ref(&self) -> &dyn OutputSink {
        &*self.log
    }

    fn stderr(&self) -> Output {
        Output::new(self.log())
    }

    /// Sets what stdin holds.
    pub(super) fn feed(&self, event: Bytes) {
        self.stdin.set(event);
    }

    /// Where a command's response gathers; `None` for other guests.
    pub(super) fn response(&self) -> Option<Arc<BoundedOutput>> {
        self.response.clone()
    }

    /// Takes what a command wrote to stdout; a size over the limit is the error.
    pub(super) fn take_response(&self) -> Result<Vec<u8>, usize> {
        let Some(response) = &self.response else { return Ok(Vec::new()) };
        let captured = response.take();
        if captured.overflowed { Err(captured.bytes.len().saturating_add(1)) } else { Ok(captured.bytes) }
    }

    /// Takes what was printed.
    pub fn take_log(&self) -> Vec<CapturedLine> {
        let mut capture = self.log.capture.lock();
        if capture.is_empty() {
            return Vec::new();
        }
        capture.take_lines(self.log.clock.now_ms())
    }
}

/// The data of an environment's store.
pub struct State {
    wasi: WasiCtx,
    environment: GuestEnvironment,
    table: ResourceTable,
    http: WasiHttpCtx,
    outbound: OutboundHttp,
    tmp: TmpDir,
    /// What layers put at `/opt`.
    opt: Option<Dir>,
    io: GuestIo,
    /// Where a streamed response of the invocation under way goes.
    pub(super) stream: StreamSink,
    pub(super) limits: MemoryLimits,
}

impl State {
    /// For a guest of `kind` in a new environment of `spec`. Touches no disk.
    pub(super) fn new(
        spec: &Spec,
        kind: GuestKind,
        log_stream: &Arc<str>,
        shared: &Shared,
        layers: Option<Dir>,
    ) -> Self {
        let io = GuestIo::new(kind, spec.log_limits, Arc::clone(&shared.clock));
        let mut wasi = WasiCtx::builder();
        wasi.stdin(io.stdin.clone()).stdout(io.stdout()).stderr(io.stderr());
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        Self {
            wasi: wasi.build(),
            environment: GuestEnvironment {
                variables: Arc::clone(&spec.variables),
                arguments: Arc::clone(&spec.arguments),
                log_stream: Arc::clone(log_stream),
            },
            table,
            http: WasiHttpCtx::new(),
            outbound: OutboundHttp::new(
                Arc::clone(&shared.outbound),
                Arc::clone(&spec.outbound),
                Arc::clone(&shared.outbound_counters),
            ),
            tmp: TmpDir::new(Arc::clone(&shared.tmp_root), u64::from(spec.tmp_size_mb) << 20),
            opt: layers,
            io,
            stream: StreamSink::default(),
            limits: MemoryLimits::new(spec.memory_size_mb, Arc::clone(&shared.budget)),
        }
    }

    /// What the guest reads of its environment.
    pub(super) fn environment(&mut self) -> &mut GuestEnvironment {
        &mut self.environment
    }

    /// The guest's standard streams.
    pub(super) fn io(&self) -> &GuestIo {
        &self.io
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outbound }
    }
}

impl FilesystemAccess for State {
    fn files(&mut self) -> FilesystemView<'_> {
        FilesystemView { table: &mut self.table, tmp: &mut self.tmp, opt: self.opt.as_ref() }
    }
}
