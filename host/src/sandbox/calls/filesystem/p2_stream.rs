//! The output stream of `write-via-stream` and `append-via-stream` 0.2: one write at a time, each counted.

use super::Fault;
use super::ops::{WriteAt, write_all};
use super::tmp::TmpState;
use bytes::Bytes;
use std::fs::File;
use std::sync::Arc;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;

/// The most one write may carry, as in wasmtime's own streams.
const PERMIT_BYTES: usize = 64 * 1024;

pub(super) struct FileOutputStream {
    tmp: Arc<TmpState>,
    file: Arc<File>,
    at: WriteAt,
    state: State,
}

enum State {
    Ready,
    Writing(AbortOnDropJoinHandle<(u64, Result<(), Fault>)>),
    Failed(Fault),
    Closed,
}

impl FileOutputStream {
    pub(super) fn new(tmp: Arc<TmpState>, file: Arc<File>, at: WriteAt) -> Self {
        Self { tmp, file, at, state: State::Ready }
    }

    fn start(&self, bytes: Bytes) -> impl Future<Output = (u64, Result<(), Fault>)> + Send + 'static {
        let (tmp, file, at) = (Arc::clone(&self.tmp), Arc::clone(&self.file), self.at);
        async move {
            let written = tmp.change(move |usage| Ok(write_all(usage, &file, at, &bytes))).await;
            written.unwrap_or_else(|fault| (0, Err(fault)))
        }
    }

    fn finish(&mut self, (written, result): (u64, Result<(), Fault>)) {
        if let WriteAt::Offset(offset) = &mut self.at {
            *offset = offset.saturating_add(written);
        }
        self.state = match result {
            Ok(()) => State::Ready,
            Err(fault) => State::Failed(fault),
        };
    }

    /// Whether a write may start; reports a failure once, and is closed from then on.
    fn check(&mut self) -> StreamResult<bool> {
        match self.state {
            State::Ready => Ok(true),
            State::Writing(_) => Ok(false),
            State::Closed => Err(StreamError::Closed),
            State::Failed(_) => match std::mem::replace(&mut self.state, State::Closed) {
                State::Failed(fault) => Err(StreamError::LastOperationFailed(fault.into_io().into())),
                _ => Err(StreamError::Closed),
            },
        }
    }
}

#[async_trait]
impl Pollable for FileOutputStream {
    async fn ready(&mut self) {
        if let State::Writing(task) = &mut self.state {
            let done = task.await;
            self.finish(done);
        }
    }
}

#[async_trait]
impl OutputStream for FileOutputStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match self.state {
            State::Ready if bytes.len() <= PERMIT_BYTES => {}
            State::Closed => return Err(StreamError::Closed),
            _ => return Err(StreamError::trap("write not permitted: check-write has not allowed it")),
        }
        if !bytes.is_empty() {
            self.state = State::Writing(wasmtime_wasi::runtime::spawn(self.start(bytes)));
        }
        Ok(())
    }

    // Without a task of its own, which a guest that waits for every write has no use for.
    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.ready().await;
        self.check()?;
        let done = self.start(bytes).await;
        self.finish(done);
        self.check().map(|_| ())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check().map(|_| ())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.check().map(|ready| if ready { PERMIT_BYTES } else { 0 })
    }

    async fn cancel(&mut self) {
        if let State::Writing(task) = std::mem::replace(&mut self.state, State::Closed) {
            task.cancel().await;
        }
    }
}
