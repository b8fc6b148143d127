//! What an environment and its extensions share: who has records coming, who is not done, whether one has failed.

use super::buffer::Buffer;
use crate::telemetry::record::{RecordSource, TelemetryRecord};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio::sync::Notify;

/// How an environment's extensions stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Someone has not yet answered for the invocation under way.
    Waiting,
    /// Nothing is waited for.
    Settled,
    /// One has failed.
    Failed,
}

pub(super) struct Hub {
    /// Of each extension, by its index.
    buffers: Box<[Option<Arc<Buffer>>]>,
    /// Calls of `on-invoke` not yet over.
    outstanding: AtomicU32,
    failed: AtomicBool,
    /// Whether an invocation has the environment.
    in_use: AtomicBool,
    changed: Notify,
    /// Of the last invocation. What extensions print belongs to its chain, so that a loop through logs is seen.
    trace: Mutex<Option<Arc<str>>>,
}

impl Hub {
    pub(super) fn new(buffers: Box<[Option<Arc<Buffer>>]>) -> Self {
        Self {
            buffers,
            outstanding: AtomicU32::new(0),
            failed: AtomicBool::new(false),
            in_use: AtomicBool::new(false),
            changed: Notify::new(),
            trace: Mutex::default(),
        }
    }

    pub(super) fn buffer(&self, index: usize) -> Option<&Arc<Buffer>> {
        self.buffers.get(index)?.as_ref()
    }

    /// Whether anybody has subscribed to it.
    pub(super) fn wants(&self, source: RecordSource) -> bool {
        self.buffers.iter().flatten().any(|buffer| buffer.wants(source))
    }

    /// Hands records to all who subscribed, but for the extension that they come from.
    pub(super) fn publish(&self, from: Option<usize>, records: &[TelemetryRecord]) {
        for (index, buffer) in self.buffers.iter().enumerate() {
            if let Some(buffer) = buffer.as_ref().filter(|_| from != Some(index)) {
                buffer.push(records);
            }
        }
    }

    /// An invocation has the environment.
    pub(super) fn begin(&self, trace: Option<&str>) {
        *self.trace.lock() = trace.map(Arc::from);
        self.in_use.store(true, Ordering::Release);
    }

    /// The trace header of the last invocation.
    pub(super) fn trace(&self) -> Option<Arc<str>> {
        self.trace.lock().clone()
    }

    /// The environment is free.
    pub(super) fn rest(&self) {
        self.in_use.store(false, Ordering::Release);
        self.changed.notify_waiters();
    }

    /// Waits until no invocation has the environment.
    pub(super) async fn resting(&self) {
        self.until(|| !self.in_use.load(Ordering::Acquire)).await;
    }

    pub(super) fn expect_one(&self) {
        self.outstanding.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn arrived(&self) {
        self.outstanding.fetch_sub(1, Ordering::AcqRel);
        self.changed.notify_waiters();
    }

    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    pub(super) fn state(&self) -> State {
        if self.failed.load(Ordering::Acquire) {
            State::Failed
        } else if self.outstanding.load(Ordering::Acquire) > 0 {
            State::Waiting
        } else {
            State::Settled
        }
    }

    /// Waits until nothing is waited for, or one has failed.
    pub(super) async fn settled(&self) {
        self.until(|| self.state() != State::Waiting).await;
    }

    async fn until(&self, reached: impl Fn() -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Before looking, so that no change falls between.
            changed.as_mut().enable();
            if reached() {
                return;
            }
            changed.await;
        }
    }
}
