//! What a store holds: everything a guest can reach through the host, and its limits.

use super::limits::MemoryLimits;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Handles a guest may hold at once; a guest that takes more without giving any back is trapped.
const HANDLES: usize = 16_384;

/// Standard streams of one environment.
#[derive(Debug)]
pub struct GuestIo {
    out: MemoryOutputPipe,
    err: MemoryOutputPipe,
    stdin: Mutex<Bytes>,
}

impl GuestIo {
    /// Sets what stdin holds.
    pub fn feed(&self, event: Bytes) {
        *self.stdin.lock() = event;
    }
    /// Takes what a command wrote to stdout.
    pub fn take_response(&self) -> Result<Vec<u8>, usize> {
        Ok(self.out.contents().to_vec())
    }
}

/// The data of an environment's store.
pub struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
    outbound: NoOutbound,
    io: Arc<GuestIo>,
    /// Memory.
    pub(super) limits: MemoryLimits,
}

impl State {
    /// The guest's standard streams.
    pub fn io(&self) -> &GuestIo {
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

/// shim
pub struct NoOutbound;
type Sent = Result<
    (
        http::Response<wasmtime_wasi_http::WasiBody>,
        Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>,
    ),
    wasmtime_wasi_http::Error,
>;
impl wasmtime_wasi_http::WasiHttpHooks for NoOutbound {
    fn send_request(
        &mut self,
        _: http::Request<wasmtime_wasi_http::WasiBody>,
        _: Option<wasmtime_wasi_http::RequestOptions>,
        _: Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(async { Err(wasmtime_wasi_http::Error::HttpRequestDenied) })
    }
}
