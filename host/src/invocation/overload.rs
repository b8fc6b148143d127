//! Overload: what comes in is more than the processors can do.
//!
//! Functions that compute hold no concurrency while they wait for a processor, so no limit of theirs sees that they are too many: requests
//! wait, all of them longer and longer. [`Overload::watch`] sees it by how late it gets its own turn, which is what a new request would wait
//! too. Where that stays past the limit, a share of the requests is refused at once, larger with each look until the rest is
//! served within the limit, and smaller again once it is. A burst that is over within half a second is waited out.

use crate::turns::Turns;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long turns have to be late before anything is refused.
const PATIENCE: Duration = Duration::from_millis(500);

/// All requests, in the unit of shares.
const ALL: u32 = 1_000;

/// The largest share that is refused: whatever comes, some are served.
const MOST: u32 = 900;

/// How late turns are, and the share of requests that is refused for it.
#[derive(Debug)]
pub struct Overload {
    limit: Duration,
    lag_us: AtomicU64,
    refused: AtomicU32,
    /// Of the requests so far, how many thousandths were refused: one is refused each time that a whole is full.
    sum: AtomicU32,
}

impl Overload {
    /// Nothing is refused yet. With a `limit` of zero nothing ever is.
    pub fn new(limit: Duration) -> Arc<Self> {
        Arc::new(Self { limit, lag_us: AtomicU64::new(0), refused: AtomicU32::new(0), sum: AtomicU32::new(0) })
    }

    /// Whether the request that is being looked at is to be refused.
    pub fn refuses(&self) -> bool {
        let share = self.refused.load(Ordering::Relaxed);
        if share == 0 {
            return false;
        }
        let before = self.sum.fetch_add(share, Ordering::Relaxed) % ALL;
        before.saturating_add(share) >= ALL
    }

    /// How late the last turn was.
    pub fn lag(&self) -> Duration {
        Duration::from_micros(self.lag_us.load(Ordering::Relaxed))
    }

    /// Looks again and again, as long as the ends of `sockets` are connected. What is looked at waits for all that a request of a quiet
    /// connection waits for: until its socket comes up among those that can be read, and for one of `turns`.
    pub async fn watch(self: Arc<Self>, sockets: (UnixStream, UnixStream), turns: Arc<Turns>) {
        let (mut client, mut server) = sockets;
        let mut late_since = None;
        loop {
            let due = Instant::now() + LOOK_EVERY;
            tokio::time::sleep_until(due).await;
            // With room for more than there is, so that the next one is not read before its turn.
            let passed = async { client.write_all(&[0]).await.is_ok() && server.read(&mut [0; 8]).await.is_ok() };
            if !passed.await {
                tracing::error!("overload is watched no more: its own sockets failed");
                return;
            }
            drop(turns.turn().await);
            let lag = due.elapsed();
            self.lag_us.store(u64::try_from(lag.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            if self.limit.is_zero() {
                continue;
            }
            let is_late = lag > self.limit;
            // Once is not enough, however late: a process that was stopped for a while is late once.
            let is_overloaded = is_late && late_since.is_some_and(|since: Instant| since.elapsed() > PATIENCE);
            late_since = is_late.then(|| late_since.unwrap_or(due));
            if is_overloaded || !is_late {
                let share = self.refused.load(Ordering::Relaxed);
                self.refused.store(next(share, lag, self.limit), Ordering::Relaxed);
            }
        }
    }
}

/// The share to be refused after a turn that was `lag` late.
fn next(share: u32, lag: Duration, limit: Duration) -> u32 {
    if lag > limit {
        // The later, the longer it is to the next look.
        let times = u32::try_from(lag.as_micros() / limit.as_micros().max(1)).unwrap_or(u32::MAX);
        share.saturating_add(times.min(16).saturating_mul(25)).min(MOST)
    } else if lag > limit / 4 {
        share.saturating_sub(10)
    } else {
        share / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(100);

    #[test]
    fn a_share_grows_while_turns_are_late_and_is_gone_soon_after() {
        let mut share = 0;
        for _ in 0..100 {
            share = next(share, LIMIT * 2, LIMIT);
        }
        assert_eq!(share, MOST);
        assert_eq!(next(share, LIMIT / 2, LIMIT), MOST - 10);
        for _ in 0..10 {
            share = next(share, Duration::ZERO, LIMIT);
        }
        assert_eq!(share, 0);
        assert!(next(0, LIMIT * 100, LIMIT) < ALL / 2, "one look does not turn everybody away");
    }

    #[test]
    fn of_all_requests_the_share_is_refused() {
        let overload = Overload::new(LIMIT);
        assert!(!(0..1_000).any(|_| overload.refuses()));
        for share in [1, 250, 333, MOST] {
            overload.refused.store(share, Ordering::Relaxed);
            let refused = (0..ALL).filter(|_| overload.refuses()).count();
            assert!(refused.abs_diff(share as usize) <= 1, "{refused} of {ALL} instead of {share}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gets_its_turn_in_time_is_never_refused() {
        let overload = Overload::new(Duration::from_millis(1));
        let sockets = UnixStream::pair().unwrap();
        let watching = tokio::spawn(Arc::clone(&overload).watch(sockets, Arc::new(Turns::new(1))));
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(!overload.refuses() && overload.lag() <= Duration::from_millis(1));
        watching.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_turn_is_late_and_then_some_are_refused() {
        let (overload, turns) = (Overload::new(LIMIT), Arc::new(Turns::new(1)));
        let sockets = UnixStream::pair().unwrap();
        let watching = tokio::spawn(Arc::clone(&overload).watch(sockets, Arc::clone(&turns)));
        for _ in 0..2 {
            assert!(!(0..ALL).any(|_| overload.refuses()));
            let held = turns.turn().await;
            tokio::time::sleep(PATIENCE).await;
            drop(held);
            tokio::time::sleep(LOOK_EVERY / 2).await;
            assert!(overload.lag() > LIMIT);
        }
        watching.abort();
        assert!((0..ALL).any(|_| overload.refuses()));
    }
}
