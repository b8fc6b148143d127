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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn sockets_are_looked_at_between_two_turns() {
        let (mut here, mut there) = tokio::net::UnixStream::pair().unwrap();
        let (turns, done) = (Arc::new(Turns::new(1)), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&done);
        let reading = tokio::spawn(async move {
            there.read_u8().await.unwrap();
            counted.load(Ordering::Relaxed)
        });
        tokio::task::yield_now().await;
        // Fewer than tokio runs before it looks at sockets by itself.
        let crowd: Vec<_> = (0..50)
            .map(|_| {
                let (turns, done) = (Arc::clone(&turns), Arc::clone(&done));
                tokio::spawn(async move {
                    let _turn = turns.turn().await;
                    done.fetch_add(1, Ordering::Relaxed);
                })
            })
            .collect();
        here.write_u8(1).await.unwrap();
        let before = reading.await.unwrap();
        assert!(before < 10, "{before} of 50 came before what was on the socket");
        for one in crowd {
            one.await.unwrap();
        }
        assert_eq!(done.load(Ordering::Relaxed), 50);
    }
}
