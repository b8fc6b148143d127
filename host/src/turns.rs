//! Turns at work that a crowd is ready for all at once.
//!
//! Tasks run in the order in which they became ready, and sockets are looked at when there are no more, or after some dozens. So hundreds of first
//! calls, or hundreds of requests that arrive in the same moment, make everybody else wait for all of them. Here a few have their
//! turn, and each begins it only after sockets were looked at and what was ready has run.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Turns, a few at a time, in the order in which they were asked for.
#[derive(Debug)]
pub struct Turns(Semaphore);

impl Turns {
    /// `at_once` of them at a time.
    pub fn new(at_once: usize) -> Self {
        Self(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)))
    }

    /// Waits for a turn; it lasts until what is answered is dropped.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        let turn = self.0.acquire().await.ok();
        tokio::task::yield_now().await;
        turn
    }
}
