//! Turns at work that a crowd is ready for all at once.
//!
//! Tasks run in the order in which they became ready, and sockets are looked at when there are no more, or after some dozens. So hundreds of first
//! calls, or hundreds of requests that arrive in the same moment, make everybody else wait for all of them. Here a few have their
//! turn, and each begins it only after sockets were looked at and what was ready has run.

use futures_util::{pending, poll};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Turns, a few at a time, in the order in which they were asked for.
#[derive(Debug)]
pub struct Turns {
    free: Semaphore,
    longest_wait: Option<Duration>,
}

impl Turns {
    /// `at_once` of them at a time.
    pub fn new(at_once: usize) -> Self {
        Self { free: Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)), longest_wait: None }
    }

    /// The same, but whoever has waited for so long goes on without one: for work that may not be put off for as long as others come.
    #[must_use]
    pub fn waited_for_at_most(self, longest: Duration) -> Self {
        Self { longest_wait: Some(longest), ..self }
    }

    /// Waits for a turn; it lasts until what is answered is dropped.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        let turn = match self.longest_wait {
            Some(longest) => timeout(longest, self.free.acquire()).await.ok().and_then(Result::ok),
            None => self.free.acquire().await.ok(),
        };
        tokio::task::yield_now().await;
        turn
    }

    /// Does `work` in turns: each time that it can go on it waits for one.
    pub async fn each_in_turn<F: Future>(&self, work: F) -> F::Output {
        let mut work = pin!(work);
        loop {
            let turn = self.turn().await;
            if let Poll::Ready(output) = poll!(work.as_mut()) {
                return output;
            }
            drop(turn);
            pending!();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn turns_that_are_waited_for_so_long_at_most_are_not_waited_for_longer() {
        let longest = Duration::from_millis(250);
        let turns = Turns::new(1).waited_for_at_most(longest);
        let first = turns.turn().await;
        assert!(first.is_some());
        let asked = Instant::now();
        assert!(turns.turn().await.is_none());
        assert_eq!(asked.elapsed(), longest);
        drop(first);
        assert!(turns.turn().await.is_some());
    }

    #[tokio::test]
    async fn what_is_done_in_turns_waits_for_one_each_time() {
        let turns = Arc::new(Turns::new(1));
        let (beginning, began) = tokio::sync::oneshot::channel();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let theirs = Arc::clone(&turns);
        let work = tokio::spawn(async move {
            let waiting = async {
                assert_eq!(theirs.free.available_permits(), 0);
                beginning.send(()).unwrap();
                let received = receiver.await;
                assert_eq!(theirs.free.available_permits(), 0);
                received
            };
            theirs.each_in_turn(waiting).await
        });
        began.await.unwrap();
        let held = turns.turn().await;
        sender.send(7).unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!work.is_finished(), "it went on without a turn");
        drop(held);
        assert_eq!(work.await.unwrap(), Ok(7));
        assert_eq!(turns.free.available_permits(), 1);
    }

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
