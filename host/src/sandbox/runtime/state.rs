//! What the store of a runtime's instance holds: everything it can reach through the host, and its limits.

use crate::sandbox::calls::filesystem::TmpDir;
use crate::sandbox::calls::outbound_http::{AllowList, OutboundHttp};
use crate::sandbox::calls::response_stream::StreamSink;
use crate::sandbox::limits::MemoryLimits;
use crate::sandbox::shared::Shared;
use crate::sandbox::state::GuestIo;
use crate::storage::functions::GuestKind;
use crate::telemetry::capture::Limits as LogLimits;
use std::sync::Arc;
use wasmtime_wasi::filesystem::Dir;

/// Directories that a runtime sees beside its `/tmp`; one that is not there looks empty.
#[derive(Default)]
pub(in crate::sandbox) struct Mounts {
    /// `/opt`: layers.
    pub(in crate::sandbox) opt: Option<Dir>,
    /// `/var/task`: the package.
    pub(in crate::sandbox) task: Option<Dir>,
    /// `/var/runtime`: the runtime's library.
    pub(in crate::sandbox) runtime: Option<Dir>,
}

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
    pub(super) stream: StreamSink,
    pub(in crate::sandbox) limits: MemoryLimits,
}

impl RuntimeState {
    /// Touches no disk.
    pub(in crate::sandbox) fn new(parts: Parts, shared: &Shared) -> Self {
        let io = GuestIo::new(GuestKind::Runtime, parts.log_limits, Arc::clone(&shared.clock));
        Self {
            io,
            stream: StreamSink::default(),
            limits: MemoryLimits::new(parts.memory_size_mb, Arc::clone(&shared.budget)),
        }
    }

    /// Its log.
    pub(in crate::sandbox) fn io(&self) -> &GuestIo {
        &self.io
    }
}
