//! What the store of a runtime's instance holds: everything it can reach through the host, and its limits.

use crate::sandbox::calls::filesystem::TmpDir;
use crate::sandbox::calls::outbound_http::AllowList;
use crate::sandbox::calls::preview1::{Mounts, Preview1, Preview1Access};
use crate::sandbox::calls::response_stream::StreamSink;
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
    pub(super) stream: StreamSink,
    pub(in crate::sandbox) limits: MemoryLimits,
}

impl RuntimeState {
    /// Touches no disk.
    pub(in crate::sandbox) fn new(parts: Parts, shared: &Shared) -> Self {
        let io = GuestIo::new(GuestKind::Runtime, parts.log_limits, Arc::clone(&shared.clock));
        let tmp = TmpDir::new(Arc::clone(&shared.tmp_root), u64::from(parts.tmp_size_mb) << 20);
        Self {
            preview1: Preview1::new(parts.mounts, tmp, io.log()),
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

impl Preview1Access for RuntimeState {
    fn preview1(&mut self) -> &mut Preview1 {
        &mut self.preview1
    }
}
