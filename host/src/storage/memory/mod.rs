//! Storage in memory: the same behaviour as the embedded backend, nothing outlives the process.
//!
//! For tests and for trying things out. Each table is behind one lock, held for the time of one call. Blobs are files in a temporary
//! directory, since their paths are part of the contract.

mod async_events;
mod code_signing;
mod functions;
mod layers;
mod mappings;
mod queues;
mod schedules;

use super::files::FileBlobs;
use super::{Closing, Error, Pending, Result, Storage};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// New, empty storage.
pub(super) fn open() -> Result<Storage> {
    let gate = Arc::new(Gate::default());
    Ok(Storage {
        functions: Arc::new(functions::FunctionTable::new(gate.clone())),
        queues: Arc::new(queues::QueueTable::new(gate.clone())),
        schedules: Arc::new(schedules::ScheduleTable::new(gate.clone())),
        layers: Arc::new(layers::LayerTable::new(gate.clone())),
        mappings: Arc::new(mappings::MappingTable::new(gate.clone())),
        async_events: Arc::new(async_events::AsyncEventTable::new(gate.clone())),
        code_signing: Arc::new(code_signing::CodeSigningTable::new(gate.clone())),
        blobs: Arc::new(FileBlobs::temporary()?),
        closing: gate,
    })
}

/// Whether writes are still taken.
#[derive(Default)]
struct Gate(AtomicBool);

impl Gate {
    fn pass(&self) -> Result<()> {
        if self.0.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }
}

impl Closing for Gate {
    fn close(&self) -> Pending<'_, ()> {
        self.0.store(true, Ordering::Release);
        Box::pin(async { Ok(()) })
    }
}
