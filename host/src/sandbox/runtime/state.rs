//! What the store of a runtime's instance holds: everything it can reach through the host, and its limits.

use crate::sandbox::calls::filesystem::TmpDir;
use crate::sandbox::calls::outbound_http::{AllowList, OutboundHttp};
use crate::sandbox::calls::preview1::{CpuTime, Mounts, Preview1, Preview1Access};
use crate::sandbox::calls::response_stream::StreamSink;
use crate::sandbox::calls::runtime_host::{Requests, RuntimeHostAccess, RuntimeHostView};
use crate::sandbox::limits::MemoryLimits;
use crate::sandbox::shared::Shared;
use crate::sandbox::state::GuestIo;
use crate::storage::functions::GuestKind;
use crate::telemetry::capture::Limits as LogLimits;
use std::sync::Arc;

/// What a state is made of.
pub(in crate::sandbox) struct Parts {
    pub(in crate::sandbox) memory_size_mb: u32,
    pub(in crate::sandbox) tmp_size_mb: u32,
    pub(in crate::sandbox) mounts: Mounts,
    pub(in crate::sandbox) outbound: Arc<AllowList>,
    pub(in crate::sandbox) log_limits: LogLimits,
}

/// The data of a runtime's store.
pub(in crate::sandbox) struct RuntimeState {
    io: GuestIo,
    preview1: Preview1,
    requests: Requests,
    pub(super) stream: StreamSink,
    pub(in crate::sandbox) limits: MemoryLimits,
}

impl RuntimeState {
    /// Touches no disk.
    pub(in crate::sandbox) fn new(parts: Parts, shared: &Shared) -> Self {
        let io = GuestIo::new(GuestKind::Runtime, parts.log_limits, Arc::clone(&shared.clock));
        let tmp = TmpDir::new(Arc::clone(&shared.tmp_root), u64::from(parts.tmp_size_mb) << 20);
        let outbound =
            OutboundHttp::new(Arc::clone(&shared.outbound), parts.outbound, Arc::clone(&shared.outbound_counters));
        Self {
            // Bodies wait outside of the guest's memory, and as much of them may as it could hold.
            requests: Requests::new(outbound, u64::from(parts.memory_size_mb) << 20),
            preview1: Preview1::new(parts.mounts, tmp, io.log()),
            io,
            stream: StreamSink::default(),
            limits: MemoryLimits::new(parts.memory_size_mb, Arc::clone(&shared.budget)),
        }
    }

    /// Requests to the outside that are not closed.
    pub(super) fn open_requests(&self) -> usize {
        self.requests.open()
    }

    /// The processor time that it is shown as its own.
    pub(super) fn cpu_time(&self) -> CpuTime {
        self.preview1.cpu_time()
    }

    /// Its log.
    pub(in crate::sandbox) fn io(&self) -> &GuestIo {
        &self.io
    }
}

impl Preview1Access for RuntimeState {
    fn preview1(&mut self) -> &mut Preview1 {
        &mut self.preview1
    }
}

impl RuntimeHostAccess for RuntimeState {
    fn runtime_host(&mut self) -> RuntimeHostView<'_> {
        RuntimeHostView { log: self.io.log_ref(), stream: &mut self.stream, requests: &mut self.requests }
    }
}
