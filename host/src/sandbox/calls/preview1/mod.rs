//! WASI preview 1 (`wasi_snapshot_preview1`) for core modules: language runtimes with wasi-libc.
//!
//! - **Mounts.** Descriptors 3 to 6 are `/opt`, `/var/task`, `/tmp` and `/var/runtime`, always all four; what is absent is an empty
//!   directory. All but `/tmp` are read-only and shared; `/tmp` is the environment's own, with the quota, the limits and the path
//!   resolution of [`filesystem`](super::filesystem), and made when the guest first opens or changes something there.
//! - **Streams.** stdin is empty, stdout and stderr go to the log. Arguments and environment are empty. No sockets.
//! - **Clocks.** One monotonic clock for all environments of the host ([`monotonic_ns`]); processor time is the environment's own.
//! - **Reading** happens on the thread that runs the guest, a bounded piece a call: what is read lies in the page cache nearly always,
//!   and a hop to another thread costs more than the read. What changes `/tmp` runs on blocking threads, as in `filesystem`.
//! - **Nothing is believed.** Pointers and lengths are checked against the guest's memory: `EFAULT`.
//!
//! Open files cannot be part of a memory image: [`Preview1::open_beyond_preopens`] tells whether there are any.

mod abi;
mod clocks;
mod files;
mod linker;
mod listing;
mod metadata;
mod paths;
mod poll;
mod table;
#[cfg(test)]
mod tests;

pub use self::clocks::{CpuTime, Running, keep_past, monotonic_ns};
pub use self::linker::add_to_linker;

use self::abi::{Outcome, Stop};
use self::table::{Entry, Kind, Mount, Table};
use super::filesystem::{TmpDir, TmpState};
use super::memory::{self, GuestMemory};
use super::output::OutputSink;
use std::sync::Arc;
use wasmtime::Caller;
use wasmtime_wasi::filesystem::Dir;

/// The most that one call reads or writes; a guest that wants more gets less and asks again.
const PIECE_BYTES: u32 = 1 << 20;

/// What a guest sees beside its `/tmp`; read-only, and empty where it is `None`.
#[derive(Default, Clone)]
pub struct Mounts {
    /// Layers, at `/opt`.
    pub opt: Option<Dir>,
    /// The function's package, at `/var/task`.
    pub task: Option<Dir>,
    /// The runtime's own files, at `/var/runtime`.
    pub runtime: Option<Dir>,
}

/// One environment's preview 1.
pub struct Preview1 {
    table: Table,
    tmp: TmpDir,
    output: Arc<dyn OutputSink>,
    cpu: CpuTime,
}

/// How a host call reaches the preview 1 of its store.
pub trait Preview1Access: Send + 'static {
    /// This store's preview 1.
    fn preview1(&mut self) -> &mut Preview1;
}

impl Preview1 {
    /// For a new environment. Touches no disk. `output` takes what the guest prints.
    pub fn new(mounts: Mounts, tmp: TmpDir, output: Arc<dyn OutputSink>) -> Self {
        let Mounts { opt, task, runtime } = mounts;
        let (mut opt, mut task, mut runtime) = (opt, task, runtime);
        let mounts = Mount::ALL.map(|mount| {
            let dir = match mount {
                Mount::Opt => opt.take(),
                Mount::Task => task.take(),
                Mount::Tmp => Some(tmp.preopen()),
                Mount::Runtime => runtime.take(),
            };
            Entry::preopen(dir.unwrap_or_else(|| tmp.root().empty_dir()), mount)
        });
        let streams = [Entry::stdin(), Entry::output(), Entry::output()];
        let table = Table::new(streams.into_iter().chain(mounts));
        Self { table, tmp, output, cpu: CpuTime::default() }
    }

    /// Whether the guest holds files or directories open beside its mounts.
    pub fn open_beyond_preopens(&self) -> bool {
        self.table.has_opened()
    }

    /// Whether the guest has used its `/tmp`, so that there is a directory on disk.
    pub fn uses_tmp(&self) -> bool {
        self.tmp.is_used()
    }

    /// The processor time the guest is shown as its own: to be kept by whoever polls it.
    pub fn cpu_time(&self) -> CpuTime {
        self.cpu.clone()
    }

    /// Lets go of what a descriptor was.
    fn drop_entry(&mut self, entry: Entry) {
        let address = match &entry.kind {
            Kind::File(file) if file.mount == Mount::Tmp => Some(file.address()),
            Kind::Dir(dir) if dir.mount == Mount::Tmp => Some(dir.address()),
            _ => None,
        };
        drop(entry);
        if let (Some(address), Some(state)) = (address, self.tmp.state()) {
            state.closed(address);
        }
    }
}

/// The caller's memory and its preview 1.
fn parts<'a, T: Preview1Access>(caller: &'a mut Caller<'_, T>) -> Outcome<(GuestMemory<'a>, &'a mut Preview1)> {
    let (memory, data) = memory::split(caller)?;
    Ok((memory, data.preview1()))
}

/// The environment's directory, made now if it was not there.
async fn tmp_state<T: Preview1Access>(caller: &mut Caller<'_, T>) -> Outcome<Arc<TmpState>> {
    let tmp = &caller.data_mut().preview1().tmp;
    if let Some(state) = tmp.state() {
        return Ok(Arc::clone(state));
    }
    let making = TmpState::make(Arc::clone(tmp.root()), tmp.quota_bytes());
    let made = making.await?;
    Ok(caller.data_mut().preview1().tmp.settle(made))
}

/// What a call answers the guest: an error number, 0 for none.
fn answer(outcome: Outcome) -> wasmtime::Result<i32> {
    match outcome {
        Ok(()) => Ok(0),
        Err(Stop::Errno(errno)) => Ok(i32::from(errno.0)),
        Err(Stop::Trap(error)) => Err(error),
    }
}
