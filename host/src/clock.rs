//! Time behind a trait, so that everything driven by it can run on a paused clock.
//!
//! Two clocks are kept apart: wall time ([`Clock::now`], for schedules, records and what users see) and waiting
//! ([`Clock::sleep`]). A waiter that cares about wall time looks again after each sleep, so a stepped clock is noticed.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Wall time and waiting.
pub trait Clock: Send + Sync + 'static {
    /// The wall time.
    fn now(&self) -> Timestamp;

    /// Waits at least `duration` of running time.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// The wall time in milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }
}

/// A clock shared between components.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A clock that starts at a given wall time and moves with tokio's: in a test with paused time, only as fast as the test lets it.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    start: Timestamp,
    started: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that shows `start` now.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, started: tokio::time::Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.start.saturating_add(self.started.elapsed()).unwrap_or(Timestamp::MAX)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
